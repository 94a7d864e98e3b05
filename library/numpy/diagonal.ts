// Diagonals and triangles of matrices; `k` counts diagonals, 0 the main one, positive ones above it.
import { aval, showAval } from "../../compiler/core/aval.js";
import type { DType } from "../../compiler/core/dtype.js";
import { ShapeError } from "../../compiler/core/errors.js";
import type { Shape } from "../../compiler/core/shape.js";
import { literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { withPlace } from "../../compiler/trace/trace.js";
import type { DTypeOption } from "./create.js";
import { i32 } from "./region.js";
import { asTensor, axisOf } from "./shape.js";

function checkDiagonal(name: string, k: number): void {
  if (!Number.isInteger(k)) throw new ShapeError(`${name}: diagonal ${k} is not a whole number${hereText()}`);
}

/** How far each place of the last two axes of `shape` is right of the main diagonal, i32. */
function rightOf(shape: Shape): Tensor {
  const [rows, columns] = [shape.length - 2, shape.length - 1];
  return ops.sub(ops.iota("i32", shape, columns), ops.iota("i32", shape, rows));
}

function matrix(name: string, x: TensorLike): Tensor {
  const a = asTensor(x, name);
  if (a.ndim < 2) throw new ShapeError(`${name}: ${showAval(a.aval)} given, but a matrix is wanted${hereText()}`);
  return a;
}

const zeros = (dtype: DType, shape: Shape): Tensor => ops.fill(literal(0, aval(dtype, [])), shape);

/** Ones on and below diagonal `k`, zeros above it; [rows, columns]. */
export function tri(
  rows: number,
  columns = rows,
  { k = 0, dtype = "f32" }: DTypeOption & { readonly k?: number } = {},
): Tensor {
  checkDiagonal("tri", k);
  const isLower = withPlace(() => ops.le(rightOf([rows, columns]), i32(k)));
  return dtype === "bool" ? isLower : ops.cast(isLower, dtype);
}

/** x with zeros above diagonal `k`, for each matrix of the last two axes. */
export function tril(x: TensorLike, k = 0): Tensor {
  const a = matrix("tril", x);
  checkDiagonal("tril", k);
  return ops.select(ops.le(rightOf(a.shape), i32(k)), a, zeros(a.dtype, a.shape));
}

/** x with zeros below diagonal `k`, for each matrix of the last two axes. */
export function triu(x: TensorLike, k = 0): Tensor {
  const a = matrix("triu", x);
  checkDiagonal("triu", k);
  return ops.select(ops.ge(rightOf(a.shape), i32(k)), a, zeros(a.dtype, a.shape));
}

/** Diagonal `offset` of the matrices of two axes; it comes last. */
export function diagonal(x: TensorLike, offset = 0, axis1 = 0, axis2 = 1): Tensor {
  const a = matrix("diagonal", x);
  checkDiagonal("diagonal", offset);
  const [row, column] = [axis1, axis2].map((axis) => axisOf(axis, a.ndim, "diagonal", showAval(a.aval))) as [
    number,
    number,
  ];
  if (row === column) throw new ShapeError(`diagonal: axis ${row} is named twice${hereText()}`);
  const others = a.shape.map((_, axis) => axis).filter((axis) => axis !== row && axis !== column);
  const [rows, columns] = [a.shape[row]!, a.shape[column]!];
  const count = Math.max(0, Math.min(rows - Math.max(-offset, 0), columns - Math.max(offset, 0)));
  // on a diagonal, elements are one row and one column apart
  const kept = others.map((axis) => a.shape[axis]!);
  const flat = ops.reshape(ops.transpose(a, [...others, row, column]), [...kept, rows * columns]);
  const first = count === 0 ? 0 : offset >= 0 ? offset : -offset * columns;
  return ops.slice(flat, {
    start: [...kept.map(() => 0), first],
    stop: [...kept, count === 0 ? 0 : first + (count - 1) * (columns + 1) + 1],
    step: [...kept.map(() => 1), columns + 1],
  });
}

/** The matrix with the vector x on diagonal `k`, zeros elsewhere; of a matrix, the vector on its diagonal `k`. */
export function diag(x: TensorLike, k = 0): Tensor {
  const a = asTensor(x, "diag");
  checkDiagonal("diag", k);
  if (a.ndim === 2) return diagonal(a, k);
  if (a.ndim !== 1)
    throw new ShapeError(`diag: ${showAval(a.aval)} given, but a vector or a matrix is wanted${hereText()}`);
  const n = a.size + Math.abs(k);
  // each row, or column, that meets the diagonal has one element of x
  const along = ops.pad(a, literal(0, aval(a.dtype, [])), {
    low: [k > 0 ? k : -k],
    high: [0],
    interior: [0],
  });
  const spread = ops.broadcast(along, [n, n], [k >= 0 ? 1 : 0]);
  return ops.select(ops.eq(rightOf([n, n]), i32(k)), spread, zeros(a.dtype, [n, n]));
}
