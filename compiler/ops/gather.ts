// Reads at computed positions.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate, type DType } from "../core/dtype.js";
import { ShapeError } from "../core/errors.js";
import { sizeOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import { findOp, register, shaped, type ViewOp } from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import type { Batched } from "../trace/rules.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { withPlace } from "../trace/trace.js";
import { broadcast, fill, lanesAt, moveAxis, reshape } from "./axes.js";
import { and, cast, eq, select } from "./compare.js";
import { allDTypes, bindOne } from "./define.js";
import {
  checkIndexed,
  clampIndex,
  type IndexedParams,
  indexed,
  joinAxes,
  MAX_INDEX_ARRAYS,
  placesOf,
  type ScatterParams,
} from "./indexed.js";
import { iota } from "./slicing.js";

export interface GatherParams extends IndexedParams {
  /**
   * What an index out of range reads: "clip" the nearest element, "fill" a value that stands for none: NaN for f32, the
   * smallest i32, the largest u32, false.
   */
  readonly mode: "clip" | "fill";
  /** Another value for "fill". */
  readonly fill?: number;
}

const nothing: Record<DType, number> = { f32: NaN, i32: -2147483648, u32: 4294967295, bool: 0 };

const fillOf = ({ mode, fill: value }: GatherParams, dtype: DType): number | undefined =>
  mode === "fill" ? (value ?? nothing[dtype]) : undefined;

/** A coordinate inside an axis of size n, nearest to the index; and whether the index was one. */
export function coordinate(b: ScalarBuilder, index: Scalar, n: number): { coord: Scalar; inside: Scalar } {
  const clamped = b.min(index.type === "i32" ? b.max(index, b.i32(0)) : index, b.const(n - 1, index.type));
  // a negative index is a large one in u32
  return { coord: b.cast(clamped, "u32"), inside: b.lt(b.cast(index, "u32"), b.u32(n)) };
}

const gatherOp = register<ViewOp>({
  name: "gather",
  kind: "view",
  typeOf([x, ...indices], params) {
    const p = params as GatherParams;
    checkIndexed("gather", x!, indices, p);
    const { shape, sizes } = indexed(x!, indices[0]!, p);
    const none = sizes.indexOf(0);
    if (p.mode === "clip" && none >= 0 && sizeOf(shape) > 0)
      throw new ShapeError(`gather: axis ${p.axes[none]} of ${showAval(x!)} has size 0, so there is nothing to read`);
    return [aval(x!.dtype, shape)];
  },
  read(b, at, operand, [x, ...indices], params) {
    const p = params as GatherParams;
    const s = indexed(x!, indices[0]!, p);
    const value = fillOf(p, x!.dtype);
    if (value !== undefined && s.sizes.includes(0)) return b.const(value, x!.dtype);
    const [lanes, before] = [s.batch.length, s.batch.length + s.outer.length];
    const behind = before + s.inside.length;
    const place = Position.at(b, indices[0]!.shape, [...at.coords.slice(0, lanes), ...at.coords.slice(before, behind)]);
    let isInside = b.bool(true);
    let rest = behind;
    const coords = x!.shape.map((n, axis): Scalar => {
      const k = p.axes.indexOf(axis);
      if (k < 0) return at.coords[axis < before ? axis : rest++]!;
      const { coord, inside } = coordinate(b, operand(k + 1, place), n);
      isInside = b.and(isInside, inside);
      return coord;
    });
    const element = operand(0, Position.at(b, x!.shape, coords));
    return value === undefined ? element : b.select(isInside, element, b.const(value, x!.dtype));
  },
  // where positions make up a whole element, each result reads the positions of its own place
  inPlace(k, [x], params) {
    const { axes, batch } = params as GatherParams;
    return k > 0 && axes.length + batch === x!.shape.length;
  },
  cpu([x, ...indices], params, { wide }, output) {
    const value = fillOf(params as GatherParams, output.dtype);
    const { lanes, outer, block, inside, at, rest } = placesOf(
      x!,
      indices,
      params as GatherParams,
      value !== undefined,
    );
    const data = allocate(output.dtype, sizeOf(output.shape), wide);
    let to = 0;
    for (let o = 0; o < lanes * outer; o++) {
      const lane = Math.floor(o / outer) * inside;
      for (let i = 0; i < inside; i++) {
        const from = at[lane + i]!;
        for (let r = 0; r < rest.length; r++) data[to++] = from < 0 ? value! : x!.data[o * block + from + rest[r]!]!;
      }
    }
    return { dtype: output.dtype, shape: output.shape, data };
  },
  batch([x, ...indices], params, size) {
    const p = params as GatherParams;
    const bumped = p.axes.map((axis) => axis + 1);
    if (indices.every((index) => index.axis === null)) {
      // the lanes are one more outer axis of x
      const own = indices.map((index) => index.value);
      return { value: gather(moveAxis(x!.value, x!.axis!, p.batch), own, { ...p, axes: bumped }), axis: p.batch };
    }
    if (x!.axis === null) {
      // the lanes are one more axis of the indices, outside of their own
      const value = gather(x!.value, lanesOf(indices, p.batch, size), p);
      return { value, axis: p.axes[0]! };
    }
    const value = gather(lanesAt(x!, 0, size), lanesOf(indices, 0, size), {
      ...p,
      axes: bumped,
      batch: p.batch + 1,
    });
    return { value, axis: 0 };
  },
  jvp([dx], [, ...indices], _y, params) {
    const p = params as GatherParams;
    // what is filled in does not depend on x
    return gather(dx!, indices, p.mode === "fill" ? { ...p, fill: 0 } : p);
  },
  transpose(ct, [, ...indices], [x], params) {
    const p = params as GatherParams;
    const own = indices.map((index) => index!);
    const { shape } = x!;
    const none = fill(literal(0, aval("f32", [])), shape);
    const { batch, inside, sizes } = indexed(x!, own[0]!.aval, p);
    if (sizeOf(inside) !== 1) {
      const combined: ScatterParams = {
        axes: p.axes,
        batch: p.batch,
        mode: p.mode === "fill" ? "drop" : "clip",
        combine: "add",
      };
      return [bindOne(findOp("scatter")!, [none, ct, ...own], combined)];
    }
    // one element per lane: each looks whether it was read, in the kernel that needs it
    const isRead = own
      .map((index, k) => {
        const place = p.mode === "fill" ? cast(index, "i32") : clampIndex(index, sizes[k]!);
        const lanes = batch.map((_, axis) => axis);
        return eq(broadcast(reshape(place, batch), shape, lanes), iota("i32", shape, p.axes[k]!));
      })
      .reduce(and);
    const kept = shape.map((_, axis) => axis).filter((axis) => !p.axes.includes(axis));
    const read = reshape(
      ct,
      kept.map((axis) => shape[axis]!),
    );
    return [select(isRead, broadcast(read, shape, kept), none)];
  },
  samples: allDTypes.flatMap((dtype) =>
    [
      { x: [5], indices: [3], axes: [0], batch: 0 },
      { x: [4, 3], indices: [], axes: [1], batch: 0 },
      { x: [2, 4, 3], indices: [2, 2], axes: [1], batch: 0 },
      { x: [2, 3, 4], indices: [2, 3], axes: [2], batch: 1 },
      { x: [3, 4], indices: [5], axes: [0, 1], batch: 0 },
      { x: [2, 3, 2, 4, 2], indices: [2, 3], axes: [1, 3], batch: 1 },
      { x: [3, 0], indices: [2], axes: [0], batch: 0 },
      { x: [3], indices: [0], axes: [0], batch: 0 },
    ].flatMap(({ x, indices, ...params }) =>
      (["i32", "u32"] as const).flatMap((index) =>
        // NaN is no number to compare tangents at
        [{ mode: "clip" }, { mode: "fill", ...(dtype === "f32" ? { fill: 7 } : {}) }].map((mode) => ({
          inputs: [shaped(dtype, ...x), ...params.axes.map(() => shaped(index, ...indices))] as Aval[],
          params: { ...params, ...mode },
          domain: [
            dtype === "bool" ? ([0, 1] as const) : ([0, 9] as const),
            ...params.axes.map(() => [index === "i32" ? -1 : 0, 5] as const),
          ],
        })),
      ),
    ),
  ),
  ulp: 0,
});

/** Index arrays with all their lanes along axis `to`. */
export const lanesOf = (indices: readonly Batched[], to: number, size: number): Tensor[] =>
  indices.map((index) => lanesAt(index, to, size));

/**
 * Elements of x at `indices`: one integer array [batch, inside] for each indexed axis of x[batch, …], all of one shape.
 * The result is [batch, outer, inside, rest], with outer the axes of x before the first indexed one and rest the other
 * unindexed ones. Throws `ShapeError` and `DTypeError` where that does not fit.
 */
export function gather(x: Operand, indices: readonly Operand[], params: GatherParams): Tensor {
  if (params.axes.length <= MAX_INDEX_ARRAYS) return bindOne(gatherOp, [x, ...indices], params);
  withPlace(() =>
    gatherOp.typeOf(
      [x, ...indices].map((y) => y.aval),
      params,
    ),
  );
  const joined = joinAxes(x, indices, params, params.mode === "clip");
  return bindOne(gatherOp, [joined.x, joined.index], { ...params, ...joined.params });
}
