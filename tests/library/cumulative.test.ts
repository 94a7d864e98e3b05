// Running folds beside the golden cases: long rows on the GPU, lanes, and what is refused.
import {
  cumlogsumexp,
  cummax,
  cummin,
  cumprod,
  cumsum,
  diff,
  grad,
  jit,
  setDevice,
  sum,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from "lanewise";
import { afterEach, expect, test } from "vitest";
import { recurrence } from "../../compiler/ops/index.js";
import { gpuTest } from "../support/gpu.js";
import { randomStream } from "../support/ulp.js";

setDevice("cpu");
afterEach(() => void setDevice("cpu"));

function drawn(shape: readonly number[], low: number, high: number): Tensor {
  const random = randomStream(shape.length);
  const length = shape.reduce((n, m) => n * m, 1);
  return tensor(
    Float32Array.from({ length }, () => low + (high - low) * random()),
    { shape },
  );
}

const folds: Record<string, (axis: number, reverse: boolean) => (x: Tensor) => Tensor> = {
  cumsum: (axis, reverse) => (x) => cumsum(x, axis, { reverse }),
  cumprod: (axis, reverse) => (x) => cumprod(x, axis, { reverse }),
  cummax: (axis, reverse) => (x) => cummax(x, axis, { reverse }),
  cummin: (axis, reverse) => (x) => cummin(x, axis, { reverse }),
  recurrence: (axis, reverse) => (x) => recurrence(x, x, axis, reverse),
};

for (const { shape, axis, reverse } of [
  { shape: [100_000], axis: 0, reverse: false },
  { shape: [3, 5000, 2], axis: 1, reverse: true },
  { shape: [5000, 3], axis: 0, reverse: false },
  { shape: [2049], axis: 0, reverse: true },
]) {
  gpuTest(
    `along axis ${axis} of [${shape}]${reverse ? ", in reverse," : ""} the GPU gives what the CPU gives`,
    async () => {
      // products of so many factors stay near 1
      const x = drawn(shape, 0.9999, 1.0001);
      for (const [name, fold] of Object.entries(folds)) {
        setDevice("cpu");
        const want = await fold(axis, reverse)(x).data();
        setDevice("gpu");
        const got = await jit(fold(axis, reverse))(x).data();
        let worst = 0;
        for (const [i, y] of want.entries()) worst = Math.max(worst, Math.abs(got[i]! / y - 1));
        // one rounding per term
        expect(worst, name).toBeLessThan(name.startsWith("cumm") ? 1e-9 : 1e-8 * Math.max(5000, shape[axis]!));
      }
    },
    120_000,
  );
}

test("the same sums come out on every run, and lanes are summed by themselves", async () => {
  const x = drawn([4, 50], -1, 1);
  const want = await cumsum(x, 1).data();
  expect(await vmap((row: Tensor) => cumsum(row))(x).data()).toEqual(want);
  expect(await vmap((row: Tensor) => cumsum(row), [1], 1)(x.T).data()).toEqual(await cumsum(x, 1).T.data());
});

test("where equal elements are the largest, the first has the gradient", async () => {
  const slope = grad((x: Tensor) => sum(cummax(x)));
  expect(await slope(tensor([1, 3, 3, 2, 3])).toArray()).toEqual([1, 4, 0, 0, 0]);
  expect(await grad((x: Tensor) => sum(cummin(x, 0, { reverse: true })))(tensor([2, 1, 1, 2])).toArray()).toEqual([
    0, 0, 3, 1,
  ]);
});

test("products with zeros among them have their gradient, twice over", async () => {
  const slope = grad((x: Tensor) => cumprod(x).at(3));
  expect(await slope(tensor([2, 0, 3, 5])).toArray()).toEqual([0, 30, 0, 0]);
  expect(await grad((x: Tensor) => sum(slope(x)))(tensor([2, 0, 3, 5])).toArray()).toEqual([15, 31, 10, 6]);
});

test("what leaves the range of f32 on the way does no harm to log sums", async () => {
  const sums = await cumlogsumexp(tensor([-Infinity, 200, -200, 200])).data();
  expect(Array.from(sums)).toEqual([-Infinity, 200, 200, Math.fround(200 + Math.LN2)]);
  expect(Array.from(await cumlogsumexp(tensor([1, Infinity, 2])).data())).toEqual([1, Infinity, Infinity]);
});

test("what they do not take is refused", () => {
  expect(() => cumsum(zeros([3]), 1)).toThrow("cumsum: axis 1 is out of range for f32[3]");
  expect(() => cumsum(zeros([3]), 0, { backwards: true } as never)).toThrow("cumsum: there is no option 'backwards'");
  expect(() => diff(zeros([3]), -1)).toThrow("diff: n is -1");
  expect(() => recurrence(zeros([3]), zeros([4]), 0)).toThrow("recurrence: operands are f32[3] and f32[4]");
});
