// Reads and writes at computed places in their general form, for those whom `take`, `with` and `update` do not serve.

import { showAval } from "../compiler/core/aval.js";
import { isInteger } from "../compiler/core/dtype.js";
import { DTypeError, LanewiseError } from "../compiler/core/errors.js";
import type { Shape } from "../compiler/core/shape.js";
import * as ops from "../compiler/ops/index.js";
import type { TensorLike } from "../compiler/trace/create.js";
import { hereText } from "../compiler/trace/here.js";
import type { Operand, Tensor } from "../compiler/trace/tensor.js";
import { withPlace } from "../compiler/trace/trace.js";
import { operand, toDType } from "./numpy/promote.js";
import { asTensor } from "./numpy/shape.js";

/**
 * The part of x of shape `sizes` that begins at `starts`, one whole number or scalar tensor per axis. Starts are clamped
 * so that the part lies in x. Throws `ShapeError` for sizes that x does not have.
 */
export function dynamicSlice(x: TensorLike, starts: readonly TensorLike[], sizes: Shape): Tensor {
  return ops.dynamicSlice(asTensor(x, "dynamicSlice"), starts.map(startOf("dynamicSlice")), sizes);
}

/** x with `update` in the place of the part that begins at `starts`, which are clamped as in `dynamicSlice`. */
export function dynamicUpdateSlice(x: TensorLike, update: TensorLike, starts: readonly TensorLike[]): Tensor {
  const name = "dynamicUpdateSlice";
  const target = asTensor(x, name);
  const part = toDType(asTensor(update, name), target.dtype, name);
  return ops.dynamicUpdateSlice(target, part, starts.map(startOf(name)));
}

const startOf =
  (name: string) =>
  (start: TensorLike): Operand =>
    toDType(indexOf(start, name), "i32", name);

/** Which places are meant: one array of indices for each of `axes`. */
export interface GatherOptions {
  /** The indexed axes of x, in rising order. Default: the first ones, as many as there are index arrays. */
  readonly axes?: readonly number[];
  /** Number of leading axes that x and the index arrays have in common and go along in step. Default 0. */
  readonly batch?: number;
  /** An index out of range: the nearest element, or NaN (the least i32, the greatest u32, false). Default "clip". */
  readonly mode?: "clip" | "fill";
}

/**
 * x read at places named by index arrays of one shape [batch, inside]: the result is [batch, outer, inside, rest], where
 * outer are the axes of x before the first indexed one and rest the others. Throws `ShapeError`, `DTypeError`.
 */
export function gather(x: TensorLike, indices: readonly TensorLike[], options: GatherOptions = {}): Tensor {
  const { batch = 0, mode = "clip" } = options;
  checkMode("gather", mode, ["clip", "fill"]);
  const arrays = indices.map((index) => arrayOf(indexOf(index, "gather")));
  return ops.gather(asTensor(x, "gather"), arrays, { axes: axesOf(options, arrays), batch, mode });
}

/** Which places are meant, and what happens to their elements. */
export interface ScatterOptions extends Omit<GatherOptions, "mode"> {
  /** What becomes of an element and an update that meets it; updates are taken in order. Default "set": the last one. */
  readonly combine?: "set" | "add" | "mul" | "min" | "max";
  /** An index out of range: its update is left out, or goes to the nearest element. Default "drop". */
  readonly mode?: "drop" | "clip";
}

/**
 * x with `updates`, which have the shape that `gather` would give, combined in at the places named by the index arrays.
 * Updates that meet one element are taken in their order, on every device. Throws `ShapeError`, `DTypeError`.
 */
export function scatter(
  x: TensorLike,
  indices: readonly TensorLike[],
  updates: TensorLike,
  options: ScatterOptions = {},
): Tensor {
  const { batch = 0, mode = "drop", combine = "set" } = options;
  checkMode("scatter", mode, ["drop", "clip"]);
  checkMode("scatter", combine, ["set", "add", "mul", "min", "max"], "combine");
  const target = asTensor(x, "scatter");
  const arrays = indices.map((index) => arrayOf(indexOf(index, "scatter")));
  const values = toDType(asTensor(updates, "scatter"), target.dtype, "scatter");
  return ops.scatter(target, arrays, values, { axes: axesOf(options, arrays), batch, mode, combine });
}

const axesOf = ({ axes, batch = 0 }: Omit<GatherOptions, "mode">, arrays: readonly Tensor[]): readonly number[] =>
  axes ?? arrays.map((_, k) => batch + k);

function checkMode(name: string, seen: string, known: readonly string[], option = "mode"): void {
  if (!known.includes(seen))
    throw new LanewiseError(`${name}: there is no ${option} '${seen}'; there are ${known.join(", ")}${hereText()}`);
}

const arrayOf = (x: Operand): Tensor => ("value" in x ? ops.fill(x, []) : x);

/** A position: whole numbers, or integer tensors. */
function indexOf(x: TensorLike, name: string): Operand {
  const index = operand(x, name);
  const isWhole = "value" in index ? Number.isInteger(index.value) : isInteger(index.aval.dtype);
  if (isWhole && index.aval.dtype !== "bool") return "value" in index ? toDType(index, "i32", name) : index;
  return withPlace(() => {
    throw new DTypeError(
      `${name}: an index is ${"value" in index ? String(index.value) : showAval(index.aval)}, but whole numbers are wanted\n  cast it with astype("i32"); where a mask decides, use where(mask, a, b)`,
    );
  });
}
