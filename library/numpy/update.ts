// Writing parts of a tensor: each call gives a new tensor, and the old one stays as it is.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { alongAxis } from "./indexing.js";
import { type Region, regionOf, type SliceSpec } from "./region.js";
import { valueFor, writeRegion } from "./select.js";
import { asTensor } from "./shape.js";

/** Which part is written: an index of axis 0, a tensor of such indices, or an array with one spec per leading axis. */
export type IndexSpec = number | Tensor | readonly SliceSpec[];

/** An index in a tensor that is out of range: "clip" writes the nearest entry, "drop" writes nothing. */
export interface UpdateOptions {
  readonly mode?: "clip" | "drop";
}

/** A part of a tensor, about to be written. Values are stretched to its shape; entries named twice take all updates. */
export interface Update {
  /** The part replaced by `value`; of entries named twice the last one stays. */
  set(value: TensorLike): Tensor;
  /** The part + `value`. */
  add(value: TensorLike): Tensor;
  /** The part · `value`. */
  mul(value: TensorLike): Tensor;
  /** The smaller one of each; NaN if either is NaN. */
  min(value: TensorLike): Tensor;
  /** The larger one of each; NaN if either is NaN. */
  max(value: TensorLike): Tensor;
}

const region = (name: string, x: Tensor, index: IndexSpec): Region =>
  regionOf(name, x, Array.isArray(index) ? index : [index as number | Tensor], "where(mask, value, x)");

/**
 * x with the part at `index` replaced by `value`, as `Array.prototype.with`. Negative numbers count from the end; those
 * out of range throw `ShapeError`, indices in tensors are clamped. `value` is stretched to the shape of the part.
 */
export const withValue = (x: TensorLike, index: IndexSpec, value: TensorLike): Tensor => {
  const a = asTensor(x, "with");
  return writeRegion("with", a, region("with", a, index), value, "set", "clip");
};

/** The part of x at `index`, to be set, added to and so on; see `withValue` for what an index is. */
export function update(x: TensorLike, index: IndexSpec, options: UpdateOptions = {}): Update {
  for (const key of Object.keys(options)) {
    if (key !== "mode") throw new ValueError(`update: there is no option '${key}'; there is mode${hereText()}`);
  }
  const { mode = "clip" } = options;
  if (mode !== "clip" && mode !== "drop")
    throw new ValueError(`update: there is no mode '${String(mode)}'; there are clip, drop${hereText()}`);
  const a = asTensor(x, "update");
  const part = region("update", a, index);
  const by = (combine: ops.Combine) => (value: TensorLike) =>
    writeRegion(`update ${combine}`, a, part, value, combine, mode);
  return { set: by("set"), add: by("add"), mul: by("mul"), min: by("min"), max: by("max") };
}

/**
 * x with `values` written along `axis` at `indices`, the counterpart of `takeAlongAxis`: result[indices[i, j], j] =
 * values[i, j] for axis 0. Of entries named twice the last one stays.
 */
export function putAlongAxis(x: TensorLike, indices: TensorLike, values: TensorLike, axis: number): Tensor {
  const a = asTensor(x, "putAlongAxis");
  const along = alongAxis("putAlongAxis", a, asTensor(indices, "putAlongAxis"), axis);
  const last = along.x.ndim - 1;
  if (along.x.size !== a.size) {
    throw new ShapeError(
      `putAlongAxis: the indices ${showAval(along.index.aval)} name more places than ${showAval(a.aval)} has along the other axes${hereText()}`,
    );
  }
  const shape = ops.moveAxis(along.index, last, along.axis).shape;
  const given = ops.moveAxis(valueFor("putAlongAxis", a, values, shape), along.axis, last);
  const written = ops.scatter(along.x, [along.index], given, {
    axes: [last],
    batch: last,
    mode: "clip",
    combine: "set",
  });
  return ops.moveAxis(written, last, along.axis);
}
