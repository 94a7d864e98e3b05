// The programs of docs/plain-js.md, and what it says of dtypes, bounds and rows.
import { bounded, grad, jit, setDevice, tensor, vmap } from "lanewise";
import { afterAll, beforeAll, expect, test } from "vitest";

/** Given to the function that reads it; there is no such variable. */
declare const k: number;

beforeAll(() => setDevice("cpu"));
afterAll(() => setDevice("auto"));

test("collatz counts in whole numbers, in one kernel", async () => {
  const collatz = (n: number): number => {
    let steps = 0;
    while (n !== 1) {
      n = n % 2 === 0 ? n / 2 : 3 * n + 1;
      steps++;
    }
    return steps;
  };
  const steps = jit(vmap(collatz));
  const y = steps(tensor([1, 6, 7, 27]));
  expect(y.dtype).toBe("i32");
  expect(await y.toArray()).toEqual([1, 6, 7, 27].map(collatz));
  expect(steps.lower(tensor([1, 6, 7, 27])).text("kernels")).toMatch(/^1 kernel, 1 dispatch/);
});

test("the slope of a function with a branch", async () => {
  const slope = jit(vmap(grad((x: number) => (x > 0 ? Math.sin(x) * x : x * x))));
  const [left, right] = (await slope(tensor([-3, 1])).toArray()) as number[];
  expect(left).toBe(-6);
  expect(right).toBeCloseTo(Math.cos(1) + Math.sin(1), 6);
});

test("variables that are given", async () => {
  const f = jit((x: number) => (x > 0 ? k * x : 0), { scope: { k: 3 } });
  expect(await f(2).toArray()).toBe(6);
});

test("a root by Newton's method, with its gradient", async () => {
  const root = (a: number): number => {
    let x = a;
    while (bounded(50) && Math.abs(x * x - a) > 1e-6) x = (x + a / x) / 2;
    return x;
  };
  expect(await grad(root)(2).toArray()).toBeCloseTo(0.5 / Math.SQRT2, 5);
});

test("a row that a position chooses is the row of the array", async () => {
  const f = jit((i: number) => {
    const m = [
      [1, 2],
      [3, 4],
    ];
    const row = m[i]!;
    row[0] = 9;
    return m;
  });
  const rows = f(1) as unknown as { toArray(): Promise<number> }[][];
  expect(await Promise.all(rows.flat().map((x) => x.toArray()))).toEqual([1, 2, 9, 4]);
});
