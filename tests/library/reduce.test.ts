// Reductions beside the golden cases: laws, emptiness, and what they refuse.
import fc from "fast-check";
import {
  arange,
  argmax,
  jit,
  max,
  mean,
  min,
  ones,
  prod,
  ShapeError,
  setDevice,
  sum,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from "lanewise";
import { describe, expect, test } from "vitest";

setDevice("cpu");

const integers = (n: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: -100, max: 100 }), { minLength: n, maxLength: n });

test("reducing all axes is reducing them one after the other, in any order", () =>
  fc.assert(
    fc.asyncProperty(integers(24), fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), async (data, order) => {
      const x = tensor(data, { shape: [2, 3, 4], dtype: "i32" });
      for (const reduce of [sum, max, min, prod]) {
        const whole = await reduce(x).item();
        let step = x;
        for (const axis of order) step = reduce(step, axis, { keepDims: true });
        expect(await step.item()).toBe(whole);
      }
    }),
    { numRuns: 40 },
  ));

test("the element at argmax is the maximum, and none before it is", () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.float(), { minLength: 1, maxLength: 12 }), async (data) => {
      const x = tensor(data);
      const at = await x.argmax().item();
      expect(data[at]).toEqual(await x.max().item());
      expect(data.slice(0, at).some((value) => Object.is(value + 0, data[at]! + 0))).toBe(false);
    }),
    { numRuns: 100 },
  ));

test("no axes reduce nothing", async () => {
  const x = tensor([1, 2]);
  expect(await x.sum([]).toArray()).toEqual([1, 2]);
  expect(await x.max([]).toArray()).toEqual([1, 2]);
});

test("undefined and null are all axes", async () => {
  const x = arange(6).reshape(2, 3);
  for (const axis of [undefined, null]) expect(await x.sum(axis, { keepDims: true }).toArray()).toEqual([[15]]);
});

describe("of nothing", () => {
  test("a sum is 0, a product 1, a mean NaN", async () => {
    expect(await zeros([0]).sum().item()).toBe(0);
    expect(await zeros([2, 0]).prod(1).toArray()).toEqual([1, 1]);
    expect(await mean(zeros([0])).item()).toBeNaN();
  });

  test("there is no largest or smallest element, nor its place", () => {
    for (const [name, call] of [
      ["reduceMax", () => zeros([0, 2]).max(0)],
      ["reduceMin", () => zeros([0]).min()],
      ["argmax", () => zeros([2, 0]).argmax(1)],
    ] as const) {
      expect(call).toThrow(ShapeError);
      expect(call).toThrow(`${name} of nothing has no value\n  at `);
    }
    expect(zeros([0, 2]).max(1).shape).toEqual([0]);
  });
});

test("places of the extreme are along one axis, or among all elements", () => {
  expect(() => ones([2, 2]).argmax([0, 1] as unknown as number)).toThrow(
    /^argmax: one axis or none is wanted, 2 given for f32\[2,2\]\n {2}reshape first, or leave it out .*\n {2}at .*reduce\.test\.ts:\d+/,
  );
  expect(argmax(ones([2, 2])).shape).toEqual([]);
});

test("all axes are those of one example", async () => {
  const f = vmap((x: Tensor) => x.sub(x.mean()).square().sum());
  expect(
    await f(
      tensor([
        [1, 3],
        [2, 2],
      ]),
    ).toArray(),
  ).toEqual([2, 0]);
});

test("a long sum of f32 keeps its digits", async () => {
  const n = 1 << 16;
  const seen = await jit((x: Tensor) => x.sum())(tensor(new Float32Array(n).fill(0.1))).item();
  expect(Math.abs(seen / (n * Math.fround(0.1)) - 1)).toBeLessThan(1e-6);
});
