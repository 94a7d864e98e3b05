// Rows written into an array whose memory is given up: only they are stored, wherever that is right.
import { dynamicUpdateSlice, jit, ones, setDevice, type Tensor, tensor } from "lanewise";
import { beforeAll, describe, expect, test } from "vitest";
import { counters } from "../../index.js";
import { countersSince } from "../../runtime/counters.js";
import { ready } from "../../runtime/engine.js";
import { describeGpu } from "../support/gpu.js";

const [ROWS, COLUMNS] = [5, 6];

const range = (shape: readonly number[], from = 0): Tensor =>
  tensor(Float32Array.from({ length: shape.reduce((n, size) => n * size, 1) }, (_, i) => from + i))
    .reshape(shape)
    .add(0);

type Program = (x: Tensor, y: Tensor, u: Tensor) => readonly Tensor[];

/** Row `k` of x is v. */
const withRow = (x: Tensor, k: number, v: Tensor): Tensor => dynamicUpdateSlice(x, v.expandDims(0), [k, 0]);

/** Programs on x and y, which are given up, and how many elements each kernel stores. */
const programs: Record<string, { run: Program; sizes: readonly number[] }> = {
  "a row, of a value from elsewhere": { run: (x, _, u) => [withRow(x, 1, u)], sizes: [COLUMNS] },
  "a row, of itself": { run: (x, _, u) => [withRow(x, 3, x.at(3).mul(2).add(u))], sizes: [COLUMNS] },
  "the first row, and the last": { run: (x, y, u) => [withRow(x, 0, u), withRow(y, ROWS - 1, u)], sizes: [30] },
  "rows of two arrays at once": {
    run: (x, y, u) => {
      const next = y.at(2).mul(0.5).add(u);
      return [withRow(x, 2, x.at(2).sub(next)), withRow(y, 2, next)];
    },
    sizes: [COLUMNS],
  },
  "several rows": {
    run: (x, _, u) => [dynamicUpdateSlice(x, x.slice([1, 4]).add(u), [1, 0])],
    sizes: [3 * COLUMNS],
  },
  "part of one row": { run: (x, _, u) => [dynamicUpdateSlice(x, u.slice([0, 2]).expandDims(0), [2, 3])], sizes: [2] },
  "a row that starts too far": { run: (x, _, u) => [withRow(x, 9, u)], sizes: [COLUMNS] },
  // from here on all elements are stored
  "a column": { run: (x, _, u) => [dynamicUpdateSlice(x, u.slice([0, 5]).expandDims(1), [0, 2])], sizes: [30] },
  "a row, of another one": { run: (x, _, u) => [withRow(x, 1, x.at(2).add(u))], sizes: [30] },
  "a row, of itself turned round": { run: (x) => [withRow(x, 1, x.at(1).flip())], sizes: [30] },
  "a row of an array that is read afterwards": {
    run: (x, _, u) => [withRow(x, 1, u), x.matmul(ones([COLUMNS, 7])).add(1)],
    sizes: [],
  },
  "two rows of one array, apart": { run: (x, _, u) => [withRow(x, 1, u), withRow(x, 3, u.add(1))], sizes: [] },
  "two rows of one array, in turn": { run: (x, _, u) => [withRow(withRow(x, 1, u), 3, u.add(1))], sizes: [30] },
  "a row at a place that is computed": {
    run: (x, _, u) => [dynamicUpdateSlice(x, u.expandDims(0), [u.sum().astype("i32"), 0])],
    sizes: [],
  },
  "a row of a result": { run: (x, _, u) => [withRow(x.mul(2), 1, u), x.add(0)], sizes: [] },
};

const inputs = () => [range([ROWS, COLUMNS]), range([ROWS, COLUMNS], 100), range([COLUMNS], 1000)] as const;

const elements = (list: readonly Tensor[]) => Promise.all(list.map((x) => x.toArray()));

describe("the code", () => {
  beforeAll(() => setDevice("cpu"));
  for (const [name, { run, sizes }] of Object.entries(programs).filter(([, { sizes }]) => sizes.length > 0)) {
    test(`stores ${sizes} elements of ${name}`, () => {
      const { wgsl } = jit((x: Tensor, y: Tensor, u: Tensor) => run(x, y, u), { donateArgnums: [0, 1] }).lower(
        ...inputs(),
      );
      expect(wgsl.map((code) => Number(/SIZE = (\d+)u/.exec(code)?.[1])).sort()).toEqual([...sizes].sort());
    });
  }

  test("is shown with the part that it stores", () => {
    const { run } = programs["a row, of itself"]!;
    const lowered = jit((x: Tensor, y: Tensor, u: Tensor) => run(x, y, u), { donateArgnums: 0 }).lower(...inputs());
    expect(lowered.text("kernels")).toContain("k0: element by element, 6 from 18 on of 30 elements");
    expect(lowered.text("plan")).toContain("in the memory of input0, element by element");
  });

  test("stores all elements of arrays that nobody gives up", () => {
    const { run } = programs["a row, of a value from elsewhere"]!;
    const { wgsl } = jit((x: Tensor, y: Tensor, u: Tensor) => run(x, y, u)).lower(...inputs());
    expect(wgsl.join()).toContain(`SIZE = ${ROWS * COLUMNS}u`);
  });
});

describeGpu("on the GPU", () => {
  beforeAll(async () => {
    setDevice("gpu");
    await ready();
  });

  for (const [name, { run }] of Object.entries(programs)) {
    test(`${name}: the same with memory that is given, that others still need, and that is kept`, async () => {
      const fn = (x: Tensor, y: Tensor, u: Tensor) => run(x, y, u);
      const giving = jit(fn, { donateArgnums: [0, 1] });
      const want = await elements(jit(fn)(...inputs()));
      expect(await elements(giving(...inputs()))).toEqual(want);
      // others show the same elements
      const shared = inputs();
      const views = jit((x: Tensor, y: Tensor) => [x.ravel(), y.ravel()])(shared[0], shared[1]);
      const before = await elements(views);
      expect(await elements(giving(...shared))).toEqual(want);
      expect(await elements(views)).toEqual(before);
    });
  }

  test("rows written again and again take no memory", async () => {
    const giving = jit((x: Tensor, u: Tensor) => withRow(x, 3, x.at(3).add(u)), { donateArgnums: 0 });
    let x = range([ROWS, 4096]);
    const u = ones([4096]).add(0);
    for (let i = 0; i < 3; i++) x = giving(x, u);
    await ready();
    const before = counters();
    for (let i = 0; i < 5; i++) x = giving(x, u);
    const { buffersCreated, buffersReused, donationsKept, bytesDonated } = countersSince(before);
    expect([buffersCreated, buffersReused, donationsKept]).toEqual([0, 0, 0]);
    expect(bytesDonated).toBe(5 * 4 * ROWS * 4096);
    expect(await x.slice(3, [0, 2]).toArray()).toEqual([3 * 4096 + 8, 3 * 4096 + 9]);
    expect(await x.slice(2, [0, 2]).toArray()).toEqual([2 * 4096, 2 * 4096 + 1]);
  });
});
