// Plain-JavaScript functions under transforms, and transforms called inside of plain-JavaScript functions.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  bounded,
  checkpoint,
  cond,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jit,
  jvp,
  nn,
  random,
  scan,
  setDevice,
  stack,
  Tensor,
  tensor,
  valueAndGrad,
  vmap,
  whileLoop,
} from "../../index.js";

beforeAll(() => setDevice("cpu"));
afterAll(() => setDevice("auto"));

const read = async (x: unknown): Promise<unknown> =>
  x instanceof Tensor ? x.toArray() : Array.isArray(x) ? Promise.all(x.map(read)) : x;
const xs = tensor([-2, -0.5, 0, 0.5, 2]);
const doubles = (x: number): number => {
  let v = x;
  while (v < 100) v = v * 2 + x;
  return v; // 63 · 2 = 126 for 2
};
const any = (f: unknown): any => f;

describe("derivatives", () => {
  test("a branch that is not taken spoils nothing", async () => {
    const f = jit(vmap(grad((x: number) => (x > 0 ? Math.sqrt(x) : 0))));
    expect(await f(xs).toArray()).toEqual([0, 0, 0, Math.fround(Math.SQRT1_2), Math.fround(Math.SQRT1_2 / 2)]);
  });
  test("second derivatives of branches", async () => {
    expect(await vmap(grad(grad((x: number) => (x > 0 ? x ** 3 : x * x))))(xs).toArray()).toEqual([2, 2, 2, 3, 12]);
  });
  test("reverse mode through loops of a known length, unrolled and rolled", async () => {
    for (const n of [10, 100]) {
      const f = (x: number): number => {
        let s = 0;
        for (let i = 0; i < n; i++) s = s * 0.5 + x * x;
        return s;
      };
      expect(await read(grad(f)(3))).toBeCloseTo(12 * (1 - 0.5 ** n), 4);
    }
  });
  test("forward mode through a loop without a bound", async () => {
    expect(await read(jvp(doubles, [2], [1]))).toEqual([126, 63]);
    expect(await read(jacfwd(doubles)(2))).toBe(63);
  });
  test("reverse mode through a loop with a bound", async () => {
    const maxSteps = 20;
    const inBody = (x: number): number => {
      let v = x;
      while (v < 100) {
        bounded(20);
        v = v * 2 + x;
      }
      return v;
    };
    const inTest = (x: number): number => {
      let v = x;
      while (bounded(20) && v < 100) v = v * 2 + x;
      return v;
    };
    expect(await read(grad(inBody)(2))).toBe(63);
    expect(await read(grad(inTest)(2))).toBe(63);
    expect(await read(grad(doubles, { maxSteps })(2))).toBe(63);
    expect(await read(jacrev(doubles, { maxSteps })(2))).toBe(63);
    expect(await read(hessian(doubles, { maxSteps })(2))).toBe(0);
    expect(await read(grad((x: number) => any(checkpoint(doubles, { maxSteps }))(x))(2))).toBe(63);
    expect(await read(jit((x: number) => any(grad(doubles))(x), { maxSteps })(2))).toBe(63);
    const inner = (v: Tensor) => any(vmap(doubles, { maxSteps })(v)).sum();
    expect(await read(grad(inner)(tensor([1, 2, 3])))).toEqual([127, 63, 63]);
  });
  test("the bound of a loop is not that of the loops in it", async () => {
    const f = (x: number): number => {
      let n = 0;
      let v = x;
      while (bounded(3) && v < 10) {
        v++;
        let w = x;
        while (w < 10) {
          w++;
          n++;
        }
      }
      return n;
    };
    expect(await read(jit(f)(2))).toBe(3 * 8);
  });
  test("counts have the gradient zero", async () => {
    expect(await read(vmap(grad((x: number) => (x > 0 ? 1 : 3)))(xs))).toEqual([0, 0, 0, 0, 0]);
    expect(await read(vmap(valueAndGrad((x: number) => (x > 0 ? 1 : 3)))(xs))).toEqual([
      [3, 3, 3, 1, 1],
      [0, 0, 0, 0, 0],
    ]);
    expect(await read(vmap(grad((x: number) => (x > 0 ? x : 3)))(xs))).toEqual([0, 0, 0, 1, 1]);
  });
});

describe("transforms inside of interpreted functions", () => {
  test("vmap and grad of closures", async () => {
    const f = jit((v: Tensor, k: number) => {
      const s = k > 1 ? 2 : 3;
      return any(vmap((x: number) => (x > 0 ? x * s : -x * k)))(v);
    });
    expect(await f(xs, 2).toArray()).toEqual([4, 1, -0, 1, 4]);
    const g = vmap((x: number) => {
      const slope = any(grad((v: number) => (v > 0 ? v * v * x : v)));
      return x > 1 ? slope(x) * 2 : slope(-x);
    });
    expect(await read(g(xs))).toEqual([-8, -0.5, 1, 1, 16]);
  });
  test("jit and jvp of closures", async () => {
    const f = vmap((x: number) => {
      const size = any(jit((v: number) => (v > 0 ? v : -v)));
      const [y, dy] = any(jvp((v: number) => (v > 0 ? v * v : v), [x], [1]));
      return size(x) + y + dy;
    });
    expect(await read(f(xs))).toEqual([1, 1, 1, 1.75, 10]);
  });
  test("closures as branches and bodies", async () => {
    const f = vmap((x: number) => {
      const k = x * 2;
      return any(
        cond(
          any(x > 1),
          () => any(k > 3 ? 10 : k),
          () => any(-k),
        ),
      );
    });
    expect(await read(f(xs))).toEqual([4, 1, -0, -1, 10]);
    const g = vmap((x: number) => {
      const [v] = any(whileLoop)(
        ([a, n]: number[]) => a! < 10 && n! < 20,
        ([a, n]: number[]) => (a! > 1 ? [a! * 2, n! + 1] : [a! + 1, n! + 1]),
        [x, 0],
      );
      return v > 12 ? v : -v;
    });
    expect(await read(g(xs))).toEqual([16, -12, 16, -12, 16]);
    const h = jit((v: Tensor) => {
      const [last, all] = any(scan)(
        (c: number, x: number) => {
          const n = x > 0 ? c + x : c;
          return [n, n * 2];
        },
        0,
        v,
      );
      return last > 1 ? all : all.mul(2);
    });
    expect(await read(h(xs))).toEqual([0, 0, 0, 1, 5]);
  });
  test("random keys", async () => {
    const f = (key: Tensor): number => {
      let s = 0;
      for (let i = 0; i < 10; i++) if (any(random.uniform(any(random.foldIn(key, i)))) > 0.5) s++;
      return s;
    };
    const keys = random.split(random.key(1), 4);
    const expected = await Promise.all(
      [...keys].map(async (key) => {
        const draws = Array.from({ length: 10 }, (_, i) => random.uniform(random.foldIn(key as Tensor, i)).item());
        return (await Promise.all(draws)).filter((u) => (u as number) > 0.5).length;
      }),
    );
    expect(await read(any(vmap(any(f)))(stack([...keys] as Tensor[])))).toEqual(expected);
  });
  test("Math functions by themselves", async () => {
    expect(await read(vmap(Math.abs)(xs))).toEqual([2, 0.5, 0, 0.5, 2]);
  });
});

describe("modules", () => {
  class Leaky extends nn.Module {
    readonly w: nn.Parameter;
    constructor(k: number) {
      super();
      this.w = new nn.Parameter(tensor(k));
    }
    forward(x: any): any {
      const h = x * any(this.w) + 1;
      return h > 0 ? h : 0.1 * h;
    }
  }
  const leaky = (k: number) => (x: number) => (x * k + 1 > 0 ? x * k + 1 : 0.1 * (x * k + 1));
  const close = async (x: unknown, expected: unknown[]): Promise<void> => {
    const flat = ((await read(x)) as number[]).flat();
    expected.flat().forEach((value, i) => void expect(flat[i]).toBeCloseTo(value as number, 6));
  };
  const list = [-2, -0.5, 0, 0.5, 2];
  test("forward with operators and branches, by itself, in lanes and as an ensemble", async () => {
    await close(stack([any(jit(new Leaky(2)))(-3)]), [leaky(2)(-3)]);
    await close(vmap(new Leaky(2))(xs), list.map(leaky(2)));
    await close(vmap([new Leaky(2), new Leaky(-3)] as any, { inAxes: null })(2), [leaky(2)(2), leaky(-3)(2)]);
  });
  test("gradients by its parameters", async () => {
    const net = new Leaky(2);
    const gradient = any(
      grad(
        (x: number, y: number) => {
          const d = any(net.forward(x)) - y;
          return d * d;
        },
        { wrt: net.w },
      ),
    )(3, 1);
    expect(await read(gradient)).toBe(2 * (7 - 1) * 3);
  });
  test("methods with private names run, where traced values come to no harm in them", async () => {
    class Scale {
      readonly #k = tensor(2);
      apply(x: any) {
        return x.mul(this.#k);
      }
    }
    const scale = new Scale();
    expect(await read(jit((x: number) => (x > 0 ? scale.apply(x) : 0))(3))).toBe(6);
  });
});
