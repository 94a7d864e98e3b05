// Cutting, repeating, diagonals, segments: mistakes, gradients, and what stays in one kernel. Values are in golden.py.
import {
  arange,
  arraySplit,
  bincount,
  DTypeError,
  diag,
  grad,
  jit,
  meshgrid,
  oneHot,
  ones,
  putAlongAxis,
  repeat,
  roll,
  rot90,
  ShapeError,
  searchsorted,
  segmentMax,
  segmentProd,
  segmentSum,
  setDevice,
  split,
  type Tensor,
  takeAlongAxis,
  tensor,
  tile,
  tri,
  tril,
  ValueError,
  vmap,
  vstack,
  where,
  zeros,
} from "lanewise";
import { describe, expect, test } from "vitest";
import { compileStages } from "../../compiler/compile.js";
import { baseLimits } from "../../compiler/ir/program.js";
import { f32, i32, trace } from "../support/trace.js";

setDevice("cpu");

const x = arange(12).reshape(3, 4);
const index = (i: number | readonly (number | readonly number[])[]): Tensor => tensor(i as never, { dtype: "i32" });

/** A function called as JavaScript lets one call it. */
type Loose = (...args: unknown[]) => unknown;

test("mistakes are errors that say what was seen, what was wanted and where", () => {
  const cases: readonly (readonly [() => unknown, new (text: string) => Error, string])[] = [
    [() => split(x, 2), ShapeError, "split: axis 0 of f32[3,4] does not split into 2 equal parts\n  use arraySplit"],
    [() => split(x, 0), ShapeError, "split: 0 parts wanted, but a whole number above 0 is"],
    [() => arraySplit(x, [0.5]), ShapeError, "arraySplit: the places [0.5] are not whole numbers"],
    [() => arraySplit(x, 2, 2), ShapeError, "arraySplit: axis 2 is out of range for f32[3,4]"],
    [() => roll(x, [1, 2]), ShapeError, "roll: shifts [1,2] want an axis for each"],
    [() => roll(x, [1, 2], 0), ShapeError, "roll: the shifts [1,2] are no 1 whole numbers, one for each axis"],
    [() => roll(x, 0.5, 0), ShapeError, "roll: the shifts [0.5] are no 1 whole numbers"],
    [() => tile(x, -1), ShapeError, "tile: -1 repetitions wanted, but a whole number ≥ 0 is"],
    [() => repeat(x, [1, 2], 0), ShapeError, "repeat: 2 counts given for axis 0 of f32[3,4]"],
    [() => rot90(x, 0.5), ShapeError, "rot90: 0.5 turns are no whole number"],
    [() => rot90(x, 1, [0, 0]), ShapeError, "rot90: axis 0 is named twice in [0,0]"],
    [() => vstack(3 as never), ShapeError, "vstack: an array of tensors is wanted"],
    [() => vstack([]), ShapeError, "concatenate: no arrays given"],
    [() => meshgrid([x]), ShapeError, "meshgrid: array 0 is f32[3,4], but a vector is wanted"],
    [() => meshgrid([1], { indexing: "yx" as "xy" }), ValueError, "there is no indexing 'yx'; there are xy, ij"],
    [() => meshgrid([1], { index: 1 } as object), ValueError, "meshgrid: there is no option 'index'"],
    [() => tri(2, 2, { k: 0.5 }), ShapeError, "tri: diagonal 0.5 is not a whole number"],
    [() => tri(-1), ShapeError, "iota: size -1 of axis 0 is not a whole number"],
    [() => tril(ones([3])), ShapeError, "tril: f32[3] given, but a matrix is wanted"],
    [() => diag(ones([2, 2, 2])), ShapeError, "diag: f32[2,2,2] given, but a vector or a matrix is wanted"],
    [() => x.diagonal(0, 0, 0), ShapeError, "diagonal: axis 0 is named twice"],
    [() => takeAlongAxis(x, index([0]), 0), ShapeError, "wants 2 axes\n  use take(x, indices, axis)"],
    [() => takeAlongAxis(x, index([[0, 1, 2]]), 0), ShapeError, "takeAlongAxis: shapes [4] and [3] do not broadcast"],
    [() => putAlongAxis(ones([1, 4]), index([[0], [1]]), 0, 1), ShapeError, "name more places than f32[1,4] has"],
    [() => putAlongAxis(x, index([[0, 1, 2, 0]]), ones([2, 4]), 0), ShapeError, "f32[2,4] does not stretch to [1,4]"],
    [() => oneHot(ones([2]), 3), DTypeError, "oneHot: the indices are f32[2], but i32 or u32 is wanted"],
    [() => oneHot(index([0]), 0.5), ValueError, "oneHot: depth 0.5 is not a whole number ≥ 0"],
    [() => segmentSum(x, index([0, 1]), 2), ShapeError, "the leading axes of f32[3,4] are wanted"],
    [() => segmentSum(x, ones([3]), 2), DTypeError, "segmentSum: the segment ids are f32[3]"],
    [() => (segmentSum as Loose)(x, index([0, 1, 2])), ValueError, "a shape may not depend on values"],
    [() => (bincount as Loose)(index([0])), ValueError, "bincount: length is missing"],
    [() => bincount(index([[0]]), { length: 2 }), ShapeError, "bincount: i32[1,1] given, but a vector is wanted"],
    [() => bincount(index([0]), { length: 2, weights: x }), ShapeError, "the weights are f32[3,4], but one for each"],
    [() => bincount(index([0]), { minlength: 2 } as never), ValueError, "there is no option 'minlength'"],
    [() => searchsorted(x, 1), ShapeError, "searchsorted: f32[3,4] given, but a sorted vector is wanted"],
    [() => searchsorted(ones([2]), 1, { side: "up" as "left" }), ValueError, "there is no side 'up'"],
    [() => (where as Loose)(x.gt(1)), ValueError, "where: two cases are wanted beside the condition"],
  ];
  for (const [call, kind, message] of cases) {
    expect(call).toThrow(kind);
    expect(call).toThrow(message);
    expect(call).toThrow(/\n {2}at .*arrange\.test\.ts:\d+/);
  }
});

describe("gradients", () => {
  const rows = tensor([1, 2, 3, 4]);
  const ids = index([1, 0, 1, 7]);
  const weights = tensor([10, 20]);

  test("of segments go back to the entries of each, and nowhere for those left out", async () => {
    const of = (f: typeof segmentSum) => grad((v: Tensor) => f(v, ids, 2).mul(weights).sum())(rows).toArray();
    expect(await of(segmentSum)).toEqual([20, 10, 20, 0]);
    expect(await of(segmentProd)).toEqual([60, 10, 20, 0]);
    expect(await of(segmentMax)).toEqual([0, 10, 20, 0]);
    const ties = grad((v: Tensor) => segmentMax(v, index([0, 0, 0]), 1).sum())(tensor([2, 2, 1]));
    expect(await ties.toArray()).toEqual([0.5, 0.5, 0]);
  });

  test("of segments of every lane by itself", async () => {
    const f = jit(vmap(grad((v: Tensor, i: Tensor) => segmentSum(v, i, 2).square().sum())));
    const lanes = f(
      tensor([1, 2, 3, 4], { shape: [2, 2] }),
      index([
        [0, 0],
        [1, 0],
      ]),
    );
    expect(await lanes.toArray()).toEqual([
      [6, 6],
      [6, 8],
    ]);
  });

  test("of what moves entries move back", async () => {
    const w = arange(12).reshape(3, 4);
    const back = (f: (y: Tensor) => Tensor) => grad((y: Tensor) => f(y).mul(w).sum())(zeros([3, 4])).toArray();
    expect(await back((y) => y.roll(1, 1))).toEqual(await w.roll(-1, 1).toArray());
    expect(await back((y) => rot90(y, 2))).toEqual(await rot90(w, -2).toArray());
    expect(await back((y) => tril(y))).toEqual(await tril(w).toArray());
    expect(await grad((y: Tensor) => y.tile([2, 1]).sum())(ones([2, 2])).toArray()).toEqual([
      [2, 2],
      [2, 2],
    ]);
    expect(await grad((y: Tensor) => y.repeat([0, 3]).sum())(ones([2])).toArray()).toEqual([0, 3]);
    expect(
      await grad((y: Tensor) =>
        y
          .diagonal(1)
          .mul(tensor([5, 6]))
          .sum(),
      )(ones([2, 3])).toArray(),
    ).toEqual([
      [0, 5, 0],
      [0, 0, 6],
    ]);
    expect(
      await grad((v: Tensor) =>
        diag(v)
          .mul(
            tensor([
              [1, 2],
              [3, 4],
            ]),
          )
          .sum(),
      )(ones([2])).toArray(),
    ).toEqual([1, 4]);
  });
});

describe("one kernel", () => {
  const kernels = (...[types, f]: Parameters<typeof trace>) =>
    compileStages(trace(types, f), baseLimits).fused.kernels.filter(({ stores }) => stores.length > 0);

  test("computes an update of ranges and scalars with what is around it", () => {
    expect(
      kernels([f32(8, 8)], (y) =>
        y
          .mul(2)
          .with([1, [0, 4]], 3)
          .add(1),
      ),
    ).toHaveLength(1);
    expect(
      kernels([f32(8, 8)], (y) =>
        y
          .mul(2)
          .update([null, [1, null, 2]])
          .add(3)
          .tanh(),
      ),
    ).toHaveLength(1);
    expect(kernels([f32(8, 8), i32()], (y, i) => y.mul(2).update(i).max(0).add(1))).toHaveLength(1);
    expect(kernels([f32(8, 8), i32(8)], (y, i) => vmap((r: Tensor, k: Tensor) => r.with(k, 0))(y, i))).toHaveLength(1);
  });

  test("computes the gradient of reads of ranges and scalars", () => {
    const back = (f: (y: Tensor, i: Tensor) => Tensor) => (y: Tensor, i: Tensor) =>
      grad((z: Tensor) => f(z, i).square().sum())(y);
    expect(
      kernels(
        [f32(8, 8), i32()],
        back((y, i) => y.at(i)),
      ),
    ).toHaveLength(1);
    expect(
      kernels(
        [f32(8, 8), i32()],
        back((y, i) => y.slice([2, 5], i)),
      ),
    ).toHaveLength(1);
    const perLane = (y: Tensor, i: Tensor) => vmap(back((r, k) => r.at(k)))(y, i);
    expect(kernels([f32(8, 8), i32(8)], perLane)).toHaveLength(1);
  });

  test("searches a sorted vector, and cuts, rolls, tiles and repeats", () => {
    expect(kernels([f32(1000), f32(64)], (list, v) => searchsorted(list, v))).toHaveLength(1);
    expect(
      kernels([f32(6, 4)], (y) => y.roll([1, 2], [0, 1]).tile([2, 1]).repeat(3, 1).diagonal(2).mul(2)),
    ).toHaveLength(1);
  });
});
