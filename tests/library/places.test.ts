// dynamicSlice, dynamicUpdateSlice, gather and scatter, as users call them.
import { beforeAll, describe, expect, test } from "vitest";
import {
  DTypeError,
  dynamicSlice,
  dynamicUpdateSlice,
  gather,
  grad,
  jit,
  LanewiseError,
  ShapeError,
  scatter,
  setDevice,
  type Tensor,
  tensor,
  vmap,
} from "../../index.js";

beforeAll(() => setDevice("cpu"));

const x = tensor([
  [0, 1, 2],
  [3, 4, 5],
  [6, 7, 8],
]);
const ints = (values: readonly number[]): Tensor => tensor(values, { dtype: "i32" });

describe("parts at computed places", () => {
  test("are read where they begin, as far as they fit", async () => {
    expect(await dynamicSlice(x, [1, ints([1]).at(0)], [2, 2]).toArray()).toEqual([
      [4, 5],
      [7, 8],
    ]);
    expect(await dynamicSlice(x, [7, -2], [1, 2]).toArray()).toEqual([[6, 7]]);
    const rows = vmap((i: Tensor) => dynamicSlice(x, [i, 0], [1, 3]), 0)(ints([2, 0]));
    expect(await rows.toArray()).toEqual([[[6, 7, 8]], [[0, 1, 2]]]);
  });

  test("are written", async () => {
    const put = jit((i: Tensor) => dynamicUpdateSlice(x, [[9, 9]] as never, [i, 1]));
    expect(() => put(ints([2]).at(0))).toThrow();
    const written = jit((i: Tensor) => dynamicUpdateSlice(x, tensor([[9, 9]]), [i, 1]))(ints([2]).at(0));
    expect(await written.toArray()).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 9, 9],
    ]);
  });
});

describe("gather", () => {
  test("reads along several axes, and fills what is out of range", async () => {
    expect(await gather(x, [ints([0, 2, 9]), ints([1, 0, 0])]).toArray()).toEqual([1, 6, 6]);
    expect(await gather(x, [ints([0, 9])], { axes: [1], mode: "fill" }).toArray()).toEqual([
      [0, NaN],
      [3, NaN],
      [6, NaN],
    ]);
    expect(await gather(x, [ints([2, 0, 1])], { batch: 1 }).toArray()).toEqual([2, 3, 7]);
  });

  test("has the gradient that counts its reads", async () => {
    const counts = vmap(
      grad((t: Tensor, i: Tensor) => gather(t, [i]).sum()),
      [null, 0],
    )(
      x,
      tensor(
        [
          [0, 0],
          [1, 2],
        ],
        { dtype: "i32" },
      ),
    );
    expect(await counts.toArray()).toEqual([
      [
        [2, 2, 2],
        [0, 0, 0],
        [0, 0, 0],
      ],
      [
        [0, 0, 0],
        [1, 1, 1],
        [1, 1, 1],
      ],
    ]);
  });

  test("refuses masks and modes that there are not", () => {
    expect(() => gather(x, [tensor([true, false])])).toThrow(DTypeError);
    expect(() => gather(x, [tensor([true, false])])).toThrow(/where\(mask/);
    expect(() => gather(x, [1.5])).toThrow(/1\.5/);
    expect(() => gather(x, [0], { mode: "wrap" as never })).toThrow(LanewiseError);
    expect(() => gather(x, [0, 0, 0])).toThrow(ShapeError);
  });
});

describe("scatter", () => {
  test("combines updates in order, and leaves out what is out of range", async () => {
    const zeros = tensor([0, 0, 0]);
    const at = [ints([1, 1, 5])];
    expect(await scatter(zeros, at, tensor([1, 2, 3])).toArray()).toEqual([0, 2, 0]);
    expect(await scatter(zeros, at, tensor([1, 2, 3]), { combine: "add" }).toArray()).toEqual([0, 3, 0]);
    expect(await scatter(zeros, at, tensor([1, 2, 3]), { combine: "max", mode: "clip" }).toArray()).toEqual([0, 2, 3]);
    expect(() => scatter(zeros, at, tensor([1, 2]))).toThrow(ShapeError);
    expect(() => scatter(zeros, at, tensor([1, 2, 3]), { combine: "sub" as never })).toThrow(LanewiseError);
  });
});
