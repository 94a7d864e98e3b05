// Reading parts of a tensor: at, slice, take and iteration, with numbers and with traced indices.
import fc from "fast-check";
import {
  arange,
  at,
  DTypeError,
  jit,
  type NestedInput,
  ones,
  ShapeError,
  setDevice,
  slice,
  type Tensor,
  take,
  tensor,
  vmap,
} from "lanewise";
import { describe, expect, test } from "vitest";

setDevice("cpu");

const grid = arange(12, undefined, 1, { dtype: "i32" }).reshape(3, 4);
const index = (i: NestedInput): Tensor => tensor(i, { dtype: "i32" });

describe("at", () => {
  test("takes indices of the leading axes; negative ones count from the end", async () => {
    expect(await grid.at(1).toArray()).toEqual([4, 5, 6, 7]);
    expect(await grid.at(-1, -2).item()).toBe(10);
    expect(await grid.at().toArray()).toEqual(await grid.toArray());
    expect(await at(new Float32Array([3, 4]), 1).item()).toBe(4);
  });

  test("takes traced indices, also beside numbers; those out of range are clamped", async () => {
    const f = jit((i: Tensor, j: Tensor) => [grid.at(i), grid.at(i, 1), grid.at(2, j), grid.at(i, j)]);
    for (const [i, j] of [
      [0, 1],
      [2, -1],
      [-3, 3],
      [9, -9],
    ] as const) {
      const clamp = (k: number, n: number) => Math.min(Math.max(k < 0 ? k + n : k, 0), n - 1);
      const [row, column] = [clamp(i, 3), clamp(j, 4)];
      const [a, b, c, d] = f(index(i), index(j)) as [Tensor, Tensor, Tensor, Tensor];
      expect(await a.toArray()).toEqual([0, 1, 2, 3].map((k) => row * 4 + k));
      expect([await b.item(), await c.item(), await d.item()]).toEqual([row * 4 + 1, 8 + column, row * 4 + column]);
    }
  });

  test("takes an index per lane", async () => {
    const f = vmap((row: Tensor, i: Tensor) => row.at(i));
    expect(await f(grid, index([3, 0, -1])).toArray()).toEqual([3, 4, 11]);
  });

  test("refuses numbers out of range, fractions, too many indices, and indices with axes", () => {
    expect(() => grid.at(3)).toThrow(
      /^at: index 3 is out of range for axis 0 of i32\[3,4\]\n {2}at .*indexing\.test\.ts:\d+/,
    );
    expect(() => grid.at(0, -5)).toThrow("at: index -5 is out of range for axis 1 of i32[3,4]");
    expect(() => grid.at(0.5)).toThrow("at: index 0.5 is not a whole number");
    expect(() => grid.at(0, 0, 0)).toThrow("at: 3 indices given for i32[3,4]");
    expect(() => grid.at(index([0, 1]))).toThrow(
      "at: index 0 is i32[2], but a scalar is wanted\n  use take(x, indices, axis)",
    );
    expect(() => grid.at(tensor(1.5))).toThrow(DTypeError);
    expect(() => ones([0, 2]).at(0)).toThrow(ShapeError);
    expect(() => ones([0, 2]).at(index(0))).toThrow("there is nothing to read");
  });

  test("speaks of one example inside of vmap", () => {
    expect(() => vmap((row: Tensor) => row.at(4))(grid)).toThrow("at: index 4 is out of range for axis 0 of i32[4]");
  });
});

describe("slice", () => {
  test("cuts ranges as JavaScript does: at the ends of the axis, negative ones from its end", () =>
    fc.assert(
      fc.asyncProperty(
        fc.nat(8),
        fc.option(fc.integer({ min: -10, max: 10 })),
        fc.option(fc.integer({ min: -10, max: 10 })),
        async (n, start, stop) => {
          const list = Array.from({ length: n }, (_, i) => i);
          const expected = list.slice(start ?? undefined, stop ?? undefined);
          expect(await arange(n).slice([start, stop]).toArray()).toEqual(expected);
        },
      ),
      { numRuns: 100 },
    ));

  test("backwards is the same elements forwards, turned round", () =>
    fc.assert(
      fc.asyncProperty(fc.nat(8), fc.integer({ min: 1, max: 4 }), async (n, step) => {
        const backwards = Array.from({ length: n }, (_, i) => n - 1 - i).filter((_, i) => i % step === 0);
        expect(await arange(n).slice([null, null, -step]).toArray()).toEqual(backwards);
      }),
      { numRuns: 50 },
    ));

  test("drops an axis that is given an index, and keeps those that are given nothing", () => {
    expect(grid.slice(1).shape).toEqual([4]);
    expect(grid.slice(null, 1).shape).toEqual([3]);
    expect(grid.slice([1]).shape).toEqual([2, 4]);
    expect(grid.slice([], []).shape).toEqual([3, 4]);
    expect(slice(grid, 0, 0).shape).toEqual([]);
  });

  test("of everything is the tensor itself", () => {
    expect(grid.slice(null, [0, 4])).toBe(grid);
  });

  test("refuses steps of 0, fractions, indices out of range and too many ranges", () => {
    expect(() => grid.slice([0, 2, 0])).toThrow(
      /^slice: step 0 of axis 0 is not a whole number other than 0\n {2}at .*indexing\.test\.ts:\d+/,
    );
    expect(() => grid.slice(null, [0.5])).toThrow("slice: bound 0.5 of axis 1 is not a whole number");
    expect(() => grid.slice([NaN])).toThrow("slice: bound NaN of axis 0 is not a whole number");
    expect(() => grid.slice(3)).toThrow("slice: index 3 is out of range for axis 0 of i32[3,4]");
    expect(() => grid.slice(null, null, null)).toThrow("slice: 3 ranges given for i32[3,4]");
  });
});

describe("take", () => {
  test("gives the shape of the indices in the place of the axis", () => {
    expect(
      take(
        grid,
        index([
          [0, 1],
          [2, 0],
        ]),
        0,
      ).shape,
    ).toEqual([2, 2, 4]);
    expect(take(grid, index([[0], [1]]), -1).shape).toEqual([3, 2, 1]);
    expect(take(grid, index([0, 5])).shape).toEqual([2]);
    expect(take(grid, 1, 1).shape).toEqual([3]);
  });

  test("with an index per lane reads each lane's own entries", async () => {
    const f = vmap((row: Tensor, i: Tensor) => row.take(i));
    expect(
      await f(
        grid,
        index([
          [0, 1],
          [3, 3],
          [-1, 9],
        ]),
      ).toArray(),
    ).toEqual([
      [0, 1],
      [7, 7],
      [11, 11],
    ]);
    const shared = vmap((i: Tensor) => grid.take(i, 1));
    expect(await shared(index([0, 3])).toArray()).toEqual([
      [0, 4, 8],
      [3, 7, 11],
    ]);
  });

  test("refuses indices that are no integers, each with its way out", () => {
    expect(() => grid.take(tensor([0.5]))).toThrow(DTypeError);
    expect(() => grid.take(tensor([0.5]))).toThrow(
      /^take: the indices are f32\[1\], but i32 or u32 is wanted\n {2}cast them: indices\.astype\("i32"\)\n {2}at /,
    );
    expect(() => grid.take(grid.gt(3))).toThrow(
      "a boolean mask bool[3,4] selects a number of entries that is not known",
    );
    expect(() => grid.take(7, 0)).toThrow(ShapeError);
    expect(() => grid.take(index([0]), 2)).toThrow("take: axis 2 is out of range for i32[3,4], valid -2..1");
  });
});

describe("iteration", () => {
  test("runs over axis 0, and takes apart as arrays do", async () => {
    const rows = [...grid];
    expect(await Promise.all(rows.map((row) => row.toArray()))).toEqual(await grid.toArray());
    const [first, ...others] = grid;
    expect([first!.shape, others.length]).toEqual([[4], 2]);
    expect([...ones([0, 2])]).toEqual([]);
  });

  test("runs over traced tensors, whose sizes are known", async () => {
    const f = vmap((x: Tensor) => [...x].reduce((sum, y) => sum.add(y)));
    expect(await f(grid).toArray()).toEqual([6, 22, 38]);
  });

  test("over a scalar is refused", () => {
    expect(() => [...tensor(1)]).toThrow(/^a scalar tensor cannot be iterated over\n {2}at .*indexing\.test\.ts:\d+/);
    expect(() => vmap((x: Tensor) => [...x][0]!)(ones([2]))).toThrow(ShapeError);
  });
});
