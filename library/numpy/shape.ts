// Rearranging: shapes, axes, joining and cutting.

import { showAval } from "../../compiler/core/aval.js";
import { ShapeError } from "../../compiler/core/errors.js";
import { resolveAxes, resolveAxis, type Shape, showShape, sizeOf } from "../../compiler/core/shape.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { type Operand, Tensor } from "../../compiler/trace/tensor.js";
import { withPlace } from "../../compiler/trace/trace.js";
import { checkNoArray, checkNoMore } from "./options.js";
import { operand, promotedDType, stretch, toDType } from "./promote.js";

/** An axis, or several. Negative ones count from the end. */
export type AxisSpec = number | readonly number[];

/** A tensor of `x`; a constant becomes a scalar tensor. */
export function asTensor(x: TensorLike, name: string): Tensor {
  const a = operand(x, name);
  return a instanceof Tensor ? a : ops.fill(a, []);
}

/** Axes from the front; errors carry the user's place. */
export function axesOf(axis: AxisSpec | null | undefined, x: Tensor, name: string): number[] {
  return withPlace(() => resolveAxes(axis, x.ndim, name, showAval(x.aval)));
}

export function axisOf(axis: number, rank: number, name: string, of?: string): number {
  return withPlace(() => resolveAxis(axis, rank, name, of));
}

/** The same elements in another shape. One size may be −1: it is worked out. */
export function reshape(x: TensorLike, shape: Shape | number, ...surplus: readonly never[]): Tensor {
  checkNoMore("reshape", surplus, "reshape(x, [2, 3])");
  const a = asTensor(x, "reshape");
  const sizes = typeof shape === "number" ? [shape] : [...shape];
  const open = sizes.indexOf(-1);
  if (open >= 0) {
    const known = sizeOf(sizes.filter((_, i) => i !== open));
    if (sizes.indexOf(-1, open + 1) >= 0 || known === 0 || a.size % known !== 0) {
      throw new ShapeError(
        `reshape: ${showAval(a.aval)} has ${a.size} elements, which leaves no size for -1 in ${showShape(sizes)}${hereText()}`,
      );
    }
    sizes[open] = a.size / known;
  }
  return ops.reshape(a, sizes);
}

/** All elements in one axis. */
export const ravel = (x: TensorLike): Tensor => reshape(x, -1);

/** Axes in the order `axes`; reversed without it. */
export function transpose(x: TensorLike, axes?: readonly number[]): Tensor {
  const a = asTensor(x, "transpose");
  const perm = axes ? axesOf(axes, a, "transpose") : a.shape.map((_, axis) => a.ndim - 1 - axis);
  return ops.transpose(a, perm);
}

/** Axis `from` at position `to`, the others in order. */
export function moveAxis(x: TensorLike, from: number, to: number): Tensor {
  const a = asTensor(x, "moveAxis");
  const of = showAval(a.aval);
  return ops.moveAxis(a, axisOf(from, a.ndim, "moveAxis", of), axisOf(to, a.ndim, "moveAxis", of));
}

/** Two axes exchanged. */
export function swapAxes(x: TensorLike, first: number, second: number): Tensor {
  const a = asTensor(x, "swapAxes");
  const [i, j] = [first, second].map((axis) => axisOf(axis, a.ndim, "swapAxes", showAval(a.aval))) as [number, number];
  return ops.transpose(
    a,
    a.shape.map((_, axis) => (axis === i ? j : axis === j ? i : axis)),
  );
}

/** New axes of size 1 at `axis` of the result. */
export function expandDims(x: TensorLike, axis: AxisSpec): Tensor {
  const a = asTensor(x, "expandDims");
  const list = typeof axis === "number" ? [axis] : axis;
  const rank = a.ndim + list.length;
  return ops.expandDims(
    a,
    list.map((k) => axisOf(k, rank, "expandDims", `a result of rank ${rank}`)),
  );
}

/** x without the axes of size 1, or without those named. */
export function squeeze(x: TensorLike, axis?: AxisSpec): Tensor {
  const a = asTensor(x, "squeeze");
  const axes = axis === undefined ? a.shape.flatMap((n, k) => (n === 1 ? [k] : [])) : axesOf(axis, a, "squeeze");
  return ops.squeeze(a, axes);
}

/** x stretched to `shape`. */
export function broadcastTo(x: TensorLike, shape: Shape): Tensor {
  const a = asTensor(x, "broadcastTo");
  if (a.ndim > shape.length)
    throw new ShapeError(`broadcastTo: ${showAval(a.aval)} has more axes than ${showShape(shape)}${hereText()}`);
  const stretched = stretch(a, shape);
  return stretched instanceof Tensor ? stretched : a;
}

/** The order along `axis` reversed; along all axes without it. */
export function flip(x: TensorLike, axis?: AxisSpec): Tensor {
  const a = asTensor(x, "flip");
  return ops.flip(a, axesOf(axis, a, "flip"));
}

function inOneDType(xs: readonly TensorLike[], name: string): Tensor[] {
  if (!Array.isArray(xs) && !(Symbol.iterator in Object(xs)))
    throw new ShapeError(`${name}: an array of tensors is wanted${hereText()}`);
  const operands = [...xs].map((x) => operand(x, name));
  if (operands.length === 0) throw new ShapeError(`${name}: no arrays given${hereText()}`);
  const dtype = promotedDType(operands);
  return operands.map((x): Tensor => {
    const same: Operand = toDType(x, dtype, name);
    return same instanceof Tensor ? same : ops.fill(same, []);
  });
}

/** Arrays one behind the other along an axis they have. */
export function concatenate(xs: readonly TensorLike[], axis = 0): Tensor {
  checkNoArray("concatenate", axis);
  const list = inOneDType(xs, "concatenate");
  return ops.concatenate(list, axisOf(axis, list[0]!.ndim, "concatenate", showAval(list[0]!.aval)));
}

/** Arrays of one shape side by side along a new axis. */
export function stack(xs: readonly TensorLike[], axis = 0): Tensor {
  checkNoArray("stack", axis);
  const list = inOneDType(xs, "stack");
  const first = list[0]!;
  list.forEach((x, i) => {
    if (x.ndim !== first.ndim || x.shape.some((n, k) => n !== first.shape[k])) {
      throw new ShapeError(
        `stack: array ${i} is ${showAval(x.aval)}, array 0 is ${showAval(first.aval)}, but one shape is wanted${hereText()}`,
      );
    }
  });
  const at = axisOf(axis, first.ndim + 1, "stack", `a result of rank ${first.ndim + 1}`);
  return ops.concatenate(
    list.map((x) => ops.expandDims(x, [at])),
    at,
  );
}

/** Elements added along each axis: a number for all, [before, after] for all, or one such pair per axis. */
export type PadWidth = number | readonly [number, number] | readonly (readonly [number, number])[];

/** x with `value` around it. Negative widths cut off. */
export function pad(x: TensorLike, width: PadWidth, value: TensorLike = 0): Tensor {
  const a = asTensor(x, "pad");
  const pairs = a.shape.map((_, axis): readonly [number, number] => {
    if (typeof width === "number") return [width, width];
    const entry =
      typeof width[0] === "number"
        ? (width as readonly [number, number])
        : (width as readonly (readonly [number, number])[])[axis];
    if (!entry) throw new ShapeError(`pad: ${width.length} pairs given for ${showAval(a.aval)}${hereText()}`);
    return entry;
  });
  return ops.pad(a, toDType(operand(value, "pad"), a.dtype, "pad"), {
    low: pairs.map(([low]) => low),
    high: pairs.map(([, high]) => high),
    interior: pairs.map(() => 0),
  });
}
