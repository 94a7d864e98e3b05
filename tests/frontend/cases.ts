// Cases of plain-JavaScript functions: accepted ones, and those refused with a code frame.
import type { PlainFunction, Value } from "../support/plain-js.js";

export interface Accepted {
  readonly name: string;
  readonly fn: PlainFunction;
  /** "n" is a number, [k] an array of k numbers. */
  readonly args: readonly Kind[];
  readonly loops?: number;
}
export type Kind = "n" | readonly [number] | { readonly [key: string]: Kind } | readonly Kind[];

export interface Refused {
  readonly name: string;
  readonly fn: PlainFunction;
  readonly args: readonly Kind[];
  readonly message: string;
  readonly hint?: string;
}

const K = 3;
const coeffs = [1, -2, 0.5, 4];
const cfg: Record<string, any> = { gain: 2, deep: { v: [1, 2] } };
let mut: unknown;
const logs: unknown[] = [];
const helper = (v: number): number => {
  if (v > 0) return v * 2;
  return -v;
};
function fact(n: number): number {
  return n <= 1 ? 1 : n * fact(n - 1);
}
function collatz(n: number): number {
  let c = 0;
  while (true) {
    if (n === 1) break;
    n = n % 2 === 0 ? n / 2 : 3 * n + 1;
    c++;
  }
  return c;
}
const apply2 = (f: (v: number) => number, v: number): number => f(f(v));

export const accepted: readonly Accepted[] = [
  { name: "01 operators and precedence", args: ["n", "n"], fn: (x, y) => -x * 2 + y / 3 - ((x - y) % 2) + x ** 2 },
  {
    name: "02 if without else",
    args: ["n"],
    fn: (x) => {
      let y = 1;
      if (x > 0) {
        y = x * 2;
      }
      return y;
    },
  },
  {
    name: "03 early return chain",
    args: ["n"],
    fn: (x) => {
      if (x > 1) return 1;
      if (x < -1) return -1;
      return x;
    },
  },
  { name: "04 ternary nest", args: ["n"], fn: (x) => (x > 0 ? (x > 1 ? 2 : x) : -x) },
  {
    name: "05 mandelbrot",
    args: ["n", "n"],
    loops: 1,
    fn: (cx, cy) => {
      let x = 0,
        y = 0,
        n = 0;
      while (n < 50 && x * x + y * y < 4) {
        [x, y] = [x * x - y * y + cx, 2 * x * y + cy];
        n++;
      }
      return n;
    },
  },
  {
    name: "06 break / continue",
    args: ["n"],
    loops: 1,
    fn: (x) => {
      let s = 0;
      for (let i = 0; i < 30; i++) {
        if (i % 3 === 0) continue;
        s += i;
        if (s > x * 20) break;
      }
      return s;
    },
  },
  {
    name: "07 && || ! on booleans",
    args: ["n", "n"],
    fn: (x, y) => {
      if ((x > 0 && !(y > 0)) || x < -1) return 1;
      return 0;
    },
  },
  {
    name: "08 static for unrolled over closure array",
    args: ["n"],
    loops: 0,
    fn: (x) => {
      let r = 0;
      for (const c of coeffs) r = r * x + c;
      return r;
    },
  },
  { name: "09 helper called with traced value", args: ["n"], fn: (x) => helper(x) + helper(x - 1) + K },
  {
    name: "10 Math functions",
    args: ["n", "n"],
    fn: (x, y) =>
      Math.sin(x) +
      Math.cos(y) * Math.exp(-x * x) +
      Math.max(x, y, 0.5) +
      Math.min(x, y) +
      Math.abs(x) +
      Math.hypot(x, y) +
      Math.atan2(y, x) +
      Math.PI +
      Math.sqrt(Math.abs(y)) +
      2 ** x,
  },
  {
    name: "11 array index",
    args: [[5]],
    fn: (xs) => {
      let s = 0;
      for (let i = 0; i + 1 < xs.length; i++) s += xs[i] * xs[i + 1];
      return s;
    },
  },
  {
    name: "12 for-of over traced array becomes a loop",
    args: [[200]],
    loops: 1,
    fn: (xs) => {
      let m = -Infinity;
      for (const v of xs) if (v > m) m = v;
      return m;
    },
  },
  {
    name: "13 nested traced while",
    args: ["n", "n"],
    loops: 2,
    fn: (x, y) => {
      let n = 0;
      let a = Math.abs(x) * 5;
      while (a > 0.5) {
        let c = a;
        while (c > 0.7) {
          c = c * 0.5;
          n++;
        }
        a = a - 1 - Math.abs(y) * 0.1;
      }
      return n;
    },
  },
  {
    name: "14 compound assignment, ++ in expression",
    args: ["n"],
    fn: (x) => {
      let a = x,
        i = 0;
      a += 2;
      a *= 3;
      a -= i++;
      a /= ++i;
      a **= 2;
      return a + i;
    },
  },
  {
    name: "15 pytree in/out",
    args: [{ a: "n", b: ["n", "n"] }],
    fn: ({ a, b: [c, d] }) => ({ sum: a + c + d, parts: [a * c, d] }),
  },
  {
    name: "15b entries of traced arrays taken apart in parameters",
    args: [[3], { v: [2] }],
    fn: ([a, ...rest], { v: [c, d] }) => a * rest[1] + c * d,
  },
  {
    name: "16 do while",
    args: ["n"],
    loops: 1,
    fn: (x) => {
      let n = 0,
        v = Math.abs(x) + 1;
      do {
        v *= 1.5;
        n++;
      } while (v < 20);
      return n + v;
    },
  },
  {
    name: "17 side effect in the loop test",
    args: ["n"],
    loops: 1,
    fn: (x) => {
      let v = Math.abs(x) * 10,
        n = 0;
      while ((v = v - 1) > 0) n++;
      return n + v;
    },
  },
  {
    name: "18 while(true) with break",
    args: ["n"],
    loops: 1,
    fn: (x) => {
      let v = x,
        n = 0;
      while (true) {
        v = v * v + 0.3;
        n++;
        if (v > 4 || n > 20) break;
      }
      return n;
    },
  },
  {
    name: "19 constant table with traced index",
    args: ["n"],
    fn: (x) => {
      const i = Math.min(3, Math.floor(Math.abs(x) * 2));
      return coeffs[i]! * x;
    },
  },
  {
    name: "20 map / reduce with closures",
    args: [[3]],
    fn: (xs) => {
      const sq = Array.from({ length: 3 }, (_, i) => xs[i]).map((v) => (v > 0 ? v * v : 0));
      return sq.reduce((a, v) => a + v, 0);
    },
  },
  {
    name: "21 default / rest / spread",
    args: ["n"],
    fn: (x, y = 2) => {
      const g = (a: number, ...r: number[]) => a + Math.max(...r);
      return (g as any)(...[x, y, 3]);
    },
  },
  {
    name: "22 recursion on a static condition",
    args: ["n"],
    fn: (x) => {
      const p = (v: number, n: number): number => (n === 0 ? 1 : v * p(v, n - 1));
      return p(x, 5) + fact(4);
    },
  },
  {
    name: "23 bit operations",
    args: ["n"],
    fn: (x) => {
      const a = (x * 10) | 0;
      return ((a & 7) ^ (a << 1)) | ~~x;
    },
  },
  { name: "24 collatz via helper", args: ["n"], loops: 1, fn: (x) => collatz(Math.floor(Math.abs(x) * 5) + 1) },
  { name: "25 higher-order user function", args: ["n"], fn: (x) => apply2((v) => (v > 1 ? v / 2 : v * 3), x) },
  {
    name: "26 NaN is falsy",
    args: ["n"],
    fn: (x) => {
      const z = (x - x) / (x - x);
      return z ? 1 : 2;
    },
  },
  {
    name: "27 optional chaining, nullish, template on statics",
    args: ["n"],
    fn: (x) => {
      const o: any = { a: null };
      const key = `g${"ain"}`;
      return (o?.a?.b ?? x) * cfg[key] + cfg.deep.v[1];
    },
  },
  { name: "28 boolean result", args: ["n", "n"], fn: (x, y) => x > y === x - y > 0 },
  {
    name: "29 static try / catch",
    args: ["n"],
    fn: (x) => {
      let r = 0;
      try {
        JSON.parse("{");
      } catch (e) {
        r = 1;
      } finally {
        r += 1;
      }
      return x + r;
    },
  },
  {
    name: "30 temp declared outside, assigned in loop",
    args: ["n"],
    loops: 1,
    fn: (x) => {
      let t;
      let n = 0;
      while (n < 3 + x) {
        t = n * 2;
        n = n + t * 0 + 1;
      }
      return n;
    },
  },
  {
    name: "31 fibonacci style swap",
    args: ["n"],
    loops: 1,
    fn: (x) => {
      let a = 0,
        c = 1,
        i = 0;
      while (i < 10 + x) {
        [a, c] = [c, a + c];
        i++;
      }
      return a;
    },
  },
  {
    name: "32 logical assignment",
    args: ["n", "n"],
    fn: (x, y) => {
      let a = x;
      let q: any = null;
      q ??= y;
      a = Math.floor(a);
      a ||= 5;
      return a + q;
    },
  },
];

export const refused: readonly Refused[] = [
  {
    name: "E01 assignment to outer variable",
    args: ["n"],
    fn: (x) => {
      mut = x;
      return x;
    },
    message: "assignment to 'mut', a variable outside the traced function",
    hint: "traced functions must be pure: return the value instead",
  },
  {
    name: "E02 push into outer array",
    args: ["n"],
    fn: (x) => {
      logs.push(x);
      return x;
    },
    message: "writing to an object that was created outside the traced function",
    hint: "traced functions must be pure: return the new value instead",
  },
  {
    name: "E03 missing return on a path",
    args: ["n"],
    fn: (x: number): unknown => {
      if (x > 0) return 1;
      return;
    },
    message: "this function does not return a value on every path",
  },
  {
    name: "E04 array grows in traced loop",
    args: ["n"],
    fn: (x) => {
      const a = [];
      while (a.length < x) {
        a.push(1);
      }
      return a.length;
    },
    message: "an array grows or shrinks (0 -> 1) in a traced loop",
    hint: "preallocate it before",
  },
  {
    name: "E05 traced string",
    args: ["n"],
    fn: (x) => `v=${x}`,
    message: "a traced value cannot be converted to a string",
    hint: "its value is only known when the kernel runs",
  },
  {
    name: "E06 array in condition",
    args: [[3]],
    fn: (xs) => {
      if (xs) return 1;
      return 0;
    },
    message: "a traced array of shape [3] has no single truth value",
    hint: "reduce it (any/all), use where(), or vmap the function so that it sees one element",
  },
  {
    name: "E07 async",
    args: ["n"],
    fn: async (x) => x,
    message: "async functions cannot be traced",
    hint: "await the data outside and pass it as an argument",
  },
  {
    name: "E08 generator inside",
    args: ["n"],
    fn: (x) => {
      function* g() {
        yield x;
      }
      for (const v of g()) return v;
    },
    message: "generator functions cannot be called in a traced function",
  },
  {
    name: "E09 throw under traced condition",
    args: ["n"],
    fn: (x) => {
      if (x < 0) throw new Error("neg");
      return x;
    },
    message: "throw under a traced condition",
    hint: "a kernel cannot throw: return NaN or an error code",
  },
  {
    name: "E10 Math.random",
    args: ["n"],
    fn: (x) => x + Math.random(),
    message: "Math.random() in a traced function would be evaluated only once, at trace time",
    hint: "use random.uniform(key)",
  },
  {
    name: "E11 array write",
    args: [[2]],
    fn: (xs) => {
      xs[0] = 1;
      return xs[0];
    },
    message: "traced arrays are immutable",
    hint: "build a new value",
  },
  {
    name: "E12 out of bounds",
    args: [[2]],
    fn: (xs) => xs[7],
    message: "index 7 is out of bounds for axis 0 with size 2",
  },
  {
    name: "E13 static loop size from traced value",
    args: ["n"],
    fn: (x) => new Array(x).fill(0).length,
    message: "new Array() with a traced argument",
    hint: "sizes and JS containers must be static",
  },
  {
    name: "E14 includes",
    args: ["n", "n"],
    fn: (x, y) => ([x, y].includes(x) ? 1 : 0),
    message: "Array.prototype.includes with traced values",
    hint: "it would compare tracer objects, not values",
  },
  {
    name: "E15 arrow this",
    args: ["n"],
    fn: function (this: any) {
      return (x: number) => x * this.k;
    }.call({ k: 2 }),
    message: "'this' of an arrow function is not visible to the tracer",
    hint: "pass the object as an argument or capture it in a const",
  },
  {
    name: "E16 loop-carried shape change",
    args: [[4]],
    fn: (xs) => {
      let v = xs.reshape([2, 2]);
      let n = 0;
      while (v[0] < 10) {
        v = v[0];
        n++;
      }
      return n;
    },
    message: "a traced array of shape [2] has no single truth value",
    hint: "reduce it (any/all), use where(), or vmap the function so that it sees one element",
  },
];

/** A random value of a kind. */
export function draw(kind: Kind, random: () => number): Value {
  if (kind === "n") return Math.fround((random() - 0.5) * 6);
  if (Array.isArray(kind) && kind.length === 1 && typeof kind[0] === "number")
    return Array.from({ length: kind[0] }, () => Math.fround((random() - 0.5) * 6));
  if (Array.isArray(kind)) return (kind as Kind[]).map((each) => draw(each, random));
  return Object.fromEntries(
    Object.entries(kind as Record<string, Kind>).map(([key, each]) => [key, draw(each, random)]),
  );
}

void [mut, logs];
