// Functions of plain numbers and arrays of numbers under the transforms: what they take and give when they run, without a cast.
import { describe, expect, test } from "vitest";
import { grad, hessian, jacfwd, jit, jvp, setDevice, type Tensor, tensor, vjp, vmap } from "../../index.js";

setDevice("cpu");

const xs = tensor([1, 2, 3]);
const rows = tensor([
  [1, 2, 3],
  [4, 5, 6],
]);
const each = (list: readonly Tensor[]): Promise<unknown[]> => Promise.all(list.map((x) => x.toArray()));

describe("an array of numbers", () => {
  const sum = (v: readonly number[]): number => v.reduce((s, x) => s + x, 0);

  test("is a tensor, or an array of what is like one", async () => {
    expect(await jit(sum)(xs).item()).toBe(6);
    expect(await jit(sum)([1, tensor(2), 3]).item()).toBe(6);
    expect(await jit(vmap(sum))(rows).toArray()).toEqual([6, 15]);
    expect(await jit(vmap(sum))([xs, xs]).toArray()).toEqual([2, 4, 6]);
    expect(await jit((m: number[][]) => m[0]![1]! * m[1]![0]!)(rows).item()).toBe(8);
  });

  test("is taken apart in parameters", async () => {
    expect(await jit(([a, b]: number[]) => a! + b!)(xs).item()).toBe(3);
    expect(await jit(({ v: [a, ...more] }: { v: number[] }) => a! * more[1]!)({ v: xs }).item()).toBe(3);
    expect(await jit(vmap(([a, b]: [number, number]) => ({ product: a * b })))([xs, xs]).product.toArray()).toEqual([
      1, 4, 9,
    ]);
  });

  test("that is made in the function comes back as an array of tensors", async () => {
    const clipped = (v: number[]): number[] => v.map((x) => (x > 2 ? x : 0));
    expect(await each(jit(vmap(clipped))(rows))).toEqual([
      [0, 4],
      [0, 5],
      [3, 6],
    ]);
    const doubled = (v: number[]): number[] => {
      const out = new Array<number>(v.length).fill(0);
      for (let i = 0; i < v.length; i++) out[i] = v[i]! * 2;
      return out;
    };
    expect(await each(jit(doubled)(xs))).toEqual([2, 4, 6]);
  });
});

describe("derivatives", () => {
  const neighbours = (v: number[]): number => {
    let s = 0;
    for (let i = 0; i + 1 < v.length; i++) s += v[i]! * v[i + 1]!;
    return s;
  };

  test("by an array of numbers are one tensor", async () => {
    expect(await grad(neighbours)(xs).toArray()).toEqual([2, 4, 2]);
    expect(await jit(vmap(grad(neighbours)))(rows).toArray()).toEqual([
      [2, 4, 2],
      [5, 10, 5],
    ]);
    expect(await hessian(neighbours)(xs).toArray()).toEqual([
      [0, 1, 0],
      [1, 0, 1],
      [0, 1, 0],
    ]);
    expect(await each(jacfwd((v: number[]) => [v[0]! * v[1]!, v[2]! > 0 ? v[2]! : 0])(xs))).toEqual([
      [2, 1, 0],
      [0, 0, 1],
    ]);
  });

  test("by numbers go through branches", async () => {
    const bend = (x: number): number => (x > 0 ? x * x : -x);
    expect(await each(jvp(bend, [3], [1]))).toEqual([9, 6]);
    const [, back] = vjp(bend, -3);
    expect(await each(back(1))).toEqual([-1]);
    const slopes = grad(({ a, b = 2 }: { a: number; b?: number }) => bend(a) * b);
    expect(await slopes({ a: 3 }).a.item()).toBe(12);
  });
});

test("booleans come back as tensors, and parts that are left out have their defaults", async () => {
  const above = vmap((x: number, flag: boolean) => flag && x > 1);
  expect(await above(xs, tensor([true, false, true])).toArray()).toEqual([false, false, true]);
  const shifted = vmap((x: number, by?: number) => (x > 1 ? x : 0) + (by ?? 5), [0]);
  expect(await shifted(xs).toArray()).toEqual([5, 7, 8]);
});
