// Functions, classes, objects and patterns in plain-JavaScript functions.
import { numbers, same } from "./oracle.js";

enum Mode {
  A = 1,
  B = 2,
}
class Vec {
  constructor(
    public x: number,
    public y: number,
  ) {}
  add(o: Vec) {
    return new Vec(this.x + o.x, this.y + o.y);
  }
  get norm() {
    return Math.sqrt(this.x * this.x + this.y * this.y);
  }
  set both(v: number) {
    this.x = v;
    this.y = v;
  }
  static unit(a: number) {
    return new Vec(Math.cos(a), Math.sin(a));
  }
}
class Counter {
  #n = 0;
  static made = 3;
  inc(by: number) {
    this.#n += by;
    return this;
  }
  get n() {
    return this.#n;
  }
}

same("recursion static", (x: number) => {
  const fib = (n: number): number => (n < 2 ? x : fib(n - 1) + fib(n - 2));
  return fib(7);
});
same("mutual recursion", (x: number) => {
  function even(n: number): boolean {
    return n === 0 ? true : odd(n - 1);
  }
  function odd(n: number): boolean {
    return n === 0 ? false : even(n - 1);
  }
  return even(4) ? x : -x;
});
same("hoisted fn", (x: number) => {
  return f(x) + 1;
  function f(v: number) {
    return v > 0 ? v : -v;
  }
});
same("class outside", (x: number) => {
  const v = new Vec(x, 2).add(Vec.unit(x));
  v.both = v.norm;
  return v.x + v.y;
});
same("class method branch", (x: number) => {
  const v = new Vec(x, 2);
  if (x > 0) v.both = 7;
  return v.x * 10 + v.y;
});
same("class private", (x: number) => {
  const c = new Counter();
  c.inc(2).inc(3);
  return c.n + x;
});
same("class inside", (x: number) => {
  class A {
    k = 2;
    #h = x;
    static s = 5;
    constructor(public m: number) {}
    get h() {
      return this.#h;
    }
    f(v: number) {
      return v * this.k + this.m + this.#h;
    }
  }
  class B extends A {
    override k = 3;
    override f(v: number) {
      return super.f(v) + 1 + A.s;
    }
  }
  const b = new B(4);
  return b.f(x) + b.h;
});
same("class private branch", (x: number) => {
  class A {
    #h = 1;
    bump() {
      if (x > 0) this.#h += x;
      return this;
    }
    get h() {
      return this.#h;
    }
  }
  return new A().bump().bump().h;
});
same("getter obj", (x: number) => {
  const o = {
    _v: x,
    get v() {
      return this._v > 0 ? this._v : 0;
    },
    set v(n) {
      this._v = n * 2;
    },
  };
  o.v = x + 1;
  o.v++;
  return o.v;
});
same("instanceof", (x: number) => {
  const v: any = new Vec(x, 1);
  return v instanceof Vec ? v.x : 0;
});
same("typeof", (x: number) => (typeof x === "number" ? x + 1 : 0));
same("destructuring defaults", (x: number) => {
  const { a = x, b: { c = 2, ...r } = { d: 7 } as any, ...rest } = { e: 5, f: 6 } as any;
  const [p, , q = x * 2, ...s] = [1, 2, undefined, 4, 5];
  return a + c + r.d + rest.e + rest.f + p + q + s.length;
});
same("swap", (x: number) => {
  let a = x,
    b = 2,
    c = 3;
  [a, b, c] = [c, a, b];
  ({ a, b } = { a: b, b: a });
  return a + b * 10 + c * 100;
});
same("default params", (x: number) => {
  const f = (a: number, b = a * 2, { c = b } = {} as any) => a + b + c;
  return f(x) + f(x, 1) + f(x, 1, { c: 9 });
});
same("nested functions mutate", (x: number) => {
  let n = 0;
  const inc = () => {
    n += x > 0 ? 1 : 2;
    return n;
  };
  return inc() * 100 + inc() + n;
});
same("opt chain call", (x: number) => {
  const o: any = { f: (v: number) => v * 2 };
  return o.f?.(x) + (o.g?.(x) ?? 1) + o?.["f"](x);
});
same("spread args", (x: number) => Math.max(...[x, 1, 2], ...[3].map((v) => v * x)));
same(
  "tagged template static",
  (x: number) => {
    const t = (s: TemplateStringsArray, ...v: number[]) => s.length + v.length + v[0]!;
    return t`a${x}b${1}c`;
  },
  numbers.slice(0, 4),
);
same(
  "arguments",
  function (this: any, x: number, _y: number) {
    return arguments.length * x + arguments[1];
  } as any,
  [
    [1, 2],
    [3, 4],
  ],
);
same("enum", (x: number) => {
  const m = x > 0 ? Mode.A : Mode.B;
  return m === Mode.A ? x : -x;
});
same("comma, void", (x: number) => {
  let a = 0;
  const r = (a++, (a += x), a);
  return r + (void 0 === undefined ? 1 : 0);
});
same("in op", (x: number) => ("a" in { a: 1 } ? x : 0));
same("map set", (x: number) => {
  const m = new Map([["a", x]]);
  m.set("b", 2);
  const s = new Set([1, 2, 3]);
  let t = 0;
  for (const [k, v] of m) t += v * k.length;
  for (const v of s) t += v;
  return t + m.get("a")! + m.size;
});
same("date static", (x: number) => x + new Date(0).getFullYear());
same("strings", (x: number) => {
  const s = ["x", "yy"].map((v) => v.toUpperCase()).join("-");
  return x * s.length + parseInt("12px") + Number("3") + "abc".indexOf("c");
});
same(
  "static exact",
  (x: number) => {
    const a = 0.1 + 0.2;
    return a === 0.3 ? 0 : x + 2 ** 53 + 1 - 2 ** 53;
  },
  numbers.slice(0, 4),
);
same("delete prop", (x: number) => {
  const o: any = { a: x, b: 2 };
  delete o.b;
  return Object.keys(o).length + o.a;
});
same("Object.entries", (x: number) => Object.entries({ a: x, b: 2 }).reduce((s, [k, v]) => s + v * k.length, 0));
same("Object.assign", (x: number) => {
  const o = Object.assign({}, { a: 1 }, { b: x });
  return o.a + o.b;
});
same("structured freeze", (x: number) => {
  const o = Object.freeze({ a: x });
  return o.a;
});
same("return tuple/record", (x: number) => ({ a: x, b: [x > 0, { c: 3 }] }));
