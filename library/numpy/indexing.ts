// Reading parts of a tensor: single entries, ranges, and entries at computed positions.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { Tensor } from "../../compiler/trace/tensor.js";
import { broadcastShapes, stretch } from "./promote.js";
import { cut, indexTensor, READ_INSTEAD, regionOf, type SliceSpec, staticIndex } from "./region.js";
import { readRegion } from "./select.js";
import { asTensor, axisOf } from "./shape.js";

/**
 * The entry at `indices` of the leading axes; each is a number or a scalar integer tensor. Negative ones count from the
 * end. Numbers out of range throw `ShapeError`; tensors, whose value is known only later, are clamped.
 */
export function at(x: TensorLike, ...indices: readonly (number | Tensor)[]): Tensor {
  let a = asTensor(x, "at");
  if (indices.length > a.ndim)
    throw new ShapeError(`at: ${indices.length} indices given for ${showAval(a.aval)}${hereText()}`);
  const fixed = new Map<number, number>();
  const computed: [number, Tensor][] = [];
  indices.forEach((index, k) => {
    if (index instanceof Tensor) {
      if (index.ndim > 0)
        throw new ShapeError(
          `at: index ${k} is ${showAval(index.aval)}, but a scalar is wanted\n  use take(x, indices, axis)${hereText()}`,
        );
      computed.push([k, indexTensor("at", index, a.shape[k]!, READ_INSTEAD)]);
    } else fixed.set(k, staticIndex("at", a, k, index));
  });
  if (fixed.size > 0) {
    a = cut(a, {
      start: a.shape.map((_, k) => fixed.get(k) ?? 0),
      stop: a.shape.map((n, k) => (fixed.has(k) ? fixed.get(k)! + 1 : n)),
      step: a.shape.map(() => 1),
    });
    a = ops.squeeze(a, [...fixed.keys()]);
  }
  for (const [k, index] of computed) {
    const axis = k - [...fixed.keys()].filter((f) => f < k).length - computed.filter(([c]) => c < k).length;
    a = ops.gather(a, [index], { axes: [axis], batch: 0, mode: "clip" });
  }
  return a;
}

/**
 * Part of x, one spec per leading axis; later axes are kept whole. Ranges are cut at the ends of the axis, as in
 * JavaScript; numbers out of range throw `ShapeError`, tensors are clamped. Tensors of indices go in step, broadcast
 * together; their axes stand as in NumPy: in the place of those that they index, or first where a range is in between.
 */
export function slice(x: TensorLike, ...specs: readonly SliceSpec[]): Tensor {
  const a = asTensor(x, "slice");
  return readRegion("slice", a, regionOf("slice", a, specs, READ_INSTEAD));
}

/** What an index out of range reads: "clip" the nearest entry; "fill" NaN, the smallest i32, the largest u32, false. */
export interface TakeOptions {
  readonly mode?: "clip" | "fill";
}

/** Throws `ValueError` for options that there are not. */
function modeOf(name: string, options: TakeOptions): "clip" | "fill" {
  for (const key of Object.keys(options)) {
    if (key !== "mode") throw new ValueError(`${name}: there is no option '${key}'; there is mode${hereText()}`);
  }
  const { mode = "clip" } = options;
  if (mode !== "clip" && mode !== "fill")
    throw new ValueError(`${name}: there is no mode '${String(mode)}'; there are clip, fill${hereText()}`);
  return mode;
}

/**
 * Entries of x at integer `indices` along `axis` (of the flattened x without it). Negative indices count from the end;
 * those out of range are clamped to the nearest entry, or filled. A number out of range throws `ShapeError`.
 */
export function take(x: TensorLike, indices: TensorLike, axis?: number | null, options: TakeOptions = {}): Tensor {
  const a = asTensor(x, "take");
  const mode = modeOf("take", options);
  const isFlat = axis === undefined || axis === null;
  const along = isFlat ? 0 : axisOf(axis, a.ndim, "take", showAval(a.aval));
  const from = isFlat ? ops.reshape(a, [a.size]) : a;
  const n = from.shape[along]!;
  if (typeof indices === "number") {
    const start = from.shape.map((_, k) => (k === along ? staticIndex("take", from, along, indices) : 0));
    const stop = from.shape.map((size, k) => (k === along ? start[along]! + 1 : size));
    return ops.squeeze(cut(from, { start, stop, step: stop.map(() => 1) }), [along]);
  }
  const index = indexTensor("take", asTensor(indices, "take"), n, READ_INSTEAD);
  return ops.gather(from, [index], { axes: [along], batch: 0, mode });
}

/**
 * Entries of x along `axis` at `indices`, which have an index for each other place: result[i, j] = x[indices[i, j], j]
 * for axis 0. Of the other axes those of size 1 are stretched. Indices are counted, clamped or filled as in `take`.
 */
export function takeAlongAxis(x: TensorLike, indices: TensorLike, axis: number, options: TakeOptions = {}): Tensor {
  const a = asTensor(x, "takeAlongAxis");
  const mode = modeOf("takeAlongAxis", options);
  const along = alongAxis("takeAlongAxis", a, asTensor(indices, "takeAlongAxis"), axis);
  const last = along.x.ndim - 1;
  const read = ops.gather(along.x, [along.index], { axes: [last], batch: last, mode });
  return ops.moveAxis(read, last, along.axis);
}

/** x and the indices with the indexed axis last and all other axes in step. */
export function alongAxis(name: string, x: Tensor, indices: Tensor, axis: number) {
  if (indices.ndim !== x.ndim) {
    throw new ShapeError(
      `${name}: the indices are ${showAval(indices.aval)}, but one index for each place of ${showAval(x.aval)} wants ${x.ndim} axes\n  use take(x, indices, axis) to read the same entries at every place${hereText()}`,
    );
  }
  const at = axisOf(axis, x.ndim, name, showAval(x.aval));
  const index = indexTensor(name, indices, x.shape[at]!, READ_INSTEAD);
  const last = (y: Tensor) => ops.moveAxis(y, at, y.ndim - 1);
  const [own, other] = [last(x), last(index)];
  const lanes = broadcastShapes([own.shape.slice(0, -1), other.shape.slice(0, -1)], name);
  const stretched = (y: Tensor) => stretch(y, [...lanes, y.shape.at(-1)!]) as Tensor;
  return { x: stretched(own), index: stretched(other), axis: at };
}
