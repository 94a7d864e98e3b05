// Sorting beside the golden cases: long rows, several keys, lanes, and what is refused.
import {
  argsort,
  grad,
  jit,
  lexsort,
  ShapeError,
  setDevice,
  sort,
  sortTogether,
  sum,
  type Tensor,
  tensor,
  topK,
  unique,
  ValueError,
  vmap,
  zeros,
} from "lanewise";
import { afterEach, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";
import { randomStream } from "../support/ulp.js";

setDevice("cpu");
afterEach(() => void setDevice("cpu"));

/** Numbers with ties, both zeros, NaN and infinities among them. */
function drawn(length: number, seed = length): Float32Array {
  const random = randomStream(seed);
  const odd = [NaN, Infinity, -Infinity, 0, -0, 1];
  return Float32Array.from({ length }, () =>
    random() < 0.1 ? odd[Math.floor(random() * odd.length)]! : Math.floor(random() * 2000) / 8 - 100,
  );
}

/** What sorting must give: by value, NaN above all, in order of place among equals. */
function orderOf(x: Float32Array, descending = false): number[] {
  const rank = (v: number): number => (Number.isNaN(v) ? 2 : v === Infinity ? 1 : 0);
  const compare = (i: number, j: number): number => {
    const byRank = rank(x[i]!) - rank(x[j]!);
    return byRank !== 0 || rank(x[i]!) > 0 ? byRank : x[i]! < x[j]! ? -1 : x[i]! > x[j]! ? 1 : 0;
  };
  return Array.from(x, (_, i) => i).sort((i, j) => (descending ? compare(j, i) : compare(i, j)) || i - j);
}

async function checkOrder(rows: number, length: number): Promise<void> {
  const data = drawn(rows * length);
  for (const descending of [false, true]) {
    const got = await jit((x: Tensor) => argsort(x, -1, { descending }))(
      tensor(data, { shape: [rows, length] }),
    ).data();
    const want = Array.from({ length: rows }, (_, r) =>
      orderOf(data.subarray(r * length, (r + 1) * length), descending),
    );
    expect(Array.from(got)).toEqual(want.flat());
  }
}

test("long rows are sorted", async () => {
  await checkOrder(2, 3000);
  await checkOrder(1, 100_000);
});

for (const [rows, length] of [
  [3, 1023],
  [2, 1024],
  [2, 1025],
  [5, 3000],
  [700, 3],
  [1, 100_000],
] as const) {
  gpuTest(`${rows} rows of ${length} are sorted on the GPU`, async () => {
    setDevice("gpu");
    await checkOrder(rows, length);
  });
}

gpuTest("around a sort everything is fused, and its result can be read by other kernels", async () => {
  const f = (x: Tensor): Tensor => sort(x.mul(2).neg(), 0).add(1).sum(1);
  const x = tensor(
    drawn(600).map((v) => (Number.isFinite(v) ? v : 7)),
    { shape: [20, 30] },
  );
  const want = await f(x).data();
  setDevice("gpu");
  expect(Array.from(await jit(f)(x).data())).toEqual(Array.from(want));
});

test("lanes are sorted by themselves", async () => {
  const x = tensor(drawn(60), { shape: [3, 4, 5] });
  expect(await vmap((row: Tensor) => sort(row, 0))(x).toArray()).toEqual(await sort(x, 1).toArray());
  expect(await vmap((row: Tensor) => argsort(row), [1])(x).toArray()).toEqual(
    await argsort(x.transpose(1, 0, 2)).toArray(),
  );
  const both = vmap((keys: Tensor, values: Tensor) => sortTogether([keys, values])[1]!, [null, 0]);
  const keys = tensor([3, 1, 2]);
  expect(
    await both(
      keys,
      tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]),
    ).toArray(),
  ).toEqual([
    [2, 3, 1],
    [5, 6, 4],
  ]);
});

test("several arrays are sorted together, by one key or by several", async () => {
  const [a, b, c] = [tensor([2, 1, 2, 1]), tensor([1, 3, 0, 2]), tensor([0, 1, 2, 3], { dtype: "i32" })];
  const read = (xs: Tensor[]) => Promise.all(xs.map((x) => x.toArray()));
  expect(await read(sortTogether([a, b, c]))).toEqual([
    [1, 1, 2, 2],
    [3, 2, 1, 0],
    [1, 3, 0, 2],
  ]);
  expect(await read(sortTogether([a, b, c], { keys: 2 }))).toEqual([
    [1, 1, 2, 2],
    [2, 3, 0, 1],
    [3, 1, 2, 0],
  ]);
  expect(await read(sortTogether([a, c], { descending: true }))).toEqual([
    [2, 2, 1, 1],
    [0, 2, 1, 3],
  ]);
  expect(await lexsort([b, a]).toArray()).toEqual([3, 1, 2, 0]);
});

test("gradients go to what was taken", async () => {
  const weights = tensor([10, 20, 30]);
  const x = tensor([3, 1, 2]);
  expect(await grad((v: Tensor) => sum(sort(v).mul(weights)))(x).toArray()).toEqual([30, 10, 20]);
  expect(await grad((v: Tensor) => sum(topK(v, 2)[0].square()))(x).toArray()).toEqual([6, 0, 4]);
  expect(await grad((k: Tensor) => sum(sortTogether([k, x])[1]!.mul(weights)))(tensor([2, 3, 1])).toArray()).toEqual([
    0, 0, 0,
  ]);
});

test("what cannot be sorted is refused with the way out", () => {
  expect(() => sort(tensor(3))).toThrow(ShapeError);
  expect(() => sort(zeros([2]), 1)).toThrow("sort: axis 1 is out of range for f32[2]");
  expect(() => sort(zeros([2]), 0, { reverse: true } as never)).toThrow("sort: there is no option 'reverse'");
  expect(() => topK(zeros([2, 3]), 4)).toThrow("topK: k is 4, but axis 1 of f32[2,3] has 3 elements");
  expect(() => sortTogether([zeros([2]), zeros([3])])).toThrow("arrays of one shape are wanted, f32[2] and f32[3]");
  expect(() => sortTogether([zeros([2])], { keys: 2 })).toThrow(ValueError);
  expect(() => sortTogether([])).toThrow("sortTogether: no array given");
  expect(() => unique(zeros([4]))).toThrow("known when the kernel runs");
});

test("quantiles refuse what lies outside", () => {
  expect(() => zeros([3]).quantile(1.5)).toThrow("a quantile of 1.5 is outside 0 … 1");
  expect(() => zeros([0]).median()).toThrow("median: f32[0] has no elements");
  expect(() => zeros([3]).quantile(0.5, 0, { method: "best" as never })).toThrow("there is no method 'best'");
});
