// Products of arrays, all as one contraction but kron: dot, vdot, inner, matmul, outer, kron, tensordot.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError } from "../../compiler/core/errors.js";
import * as ops from "../../compiler/ops/index.js";
import { type DotDims, dotGeneral } from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { broadcastShapes, promotedDType, stretch, toDType } from "./promote.js";
import { asTensor, axesOf, moveAxis, ravel } from "./shape.js";

/** Both operands in one dtype that can be multiplied. */
function pair(x: TensorLike, y: TensorLike, name: string): [Tensor, Tensor] {
  const both = [asTensor(x, name), asTensor(y, name)];
  const common = promotedDType(both);
  return both.map((a) => toDType(a, common === "bool" ? "i32" : common, name)) as [Tensor, Tensor];
}

const range = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);

const contracting = (lhs: number, rhs: number): DotDims => ({ contract: [[lhs], [rhs]], batch: [[], []] });

/** Sums over the last axis of x and the last but one of y (its only one, for a vector); a scalar multiplies. */
export function dot(x: TensorLike, y: TensorLike): Tensor {
  const [a, b] = pair(x, y, "dot");
  if (a.ndim === 0 || b.ndim === 0) return scaled(a, b);
  return dotGeneral(a, b, contracting(a.ndim - 1, Math.max(b.ndim - 2, 0)));
}

function scaled(a: Tensor, b: Tensor): Tensor {
  const shape = a.ndim === 0 ? b.shape : a.shape;
  return ops.mul(stretch(a, shape), stretch(b, shape));
}

/** Sums over the last axis of both; a scalar multiplies. [..., n] and [...others, n] give [..., ...others]. */
export function inner(x: TensorLike, y: TensorLike): Tensor {
  const [a, b] = pair(x, y, "inner");
  if (a.ndim === 0 || b.ndim === 0) return scaled(a, b);
  return dotGeneral(a, b, contracting(a.ndim - 1, b.ndim - 1));
}

/** Σ x · y over all elements of two arrays of one size. */
export function vdot(x: TensorLike, y: TensorLike): Tensor {
  const [a, b] = pair(x, y, "vdot");
  if (a.size !== b.size) {
    throw new ShapeError(
      `vdot: sizes differ, ${a.size} and ${b.size}\n  lhs ${showAval(a.aval)}\n  rhs ${showAval(b.aval)}${hereText()}`,
    );
  }
  return dotGeneral(a.ndim === 1 ? a : ravel(a), b.ndim === 1 ? b : ravel(b), contracting(0, 0));
}

/**
 * Matrix product over the last two axes; leading axes broadcast. A vector is a row on the left and a column on the
 * right. Throws `ShapeError` for scalars and for sizes that differ.
 */
export function matmul(x: TensorLike, y: TensorLike): Tensor {
  const [a, b] = pair(x, y, "matmul");
  if (a.ndim === 0 || b.ndim === 0) {
    throw new ShapeError(
      `matmul: ${showAval(a.aval)} and ${showAval(b.aval)}: a scalar is no matrix\n  use multiply for it${hereText()}`,
    );
  }
  if (b.ndim <= 2) return dotGeneral(a, b, contracting(a.ndim - 1, b.ndim === 1 ? 0 : b.ndim - 2));
  if (a.ndim === 1) {
    const product = dotGeneral(b, a, contracting(b.ndim - 2, 0));
    return product;
  }
  if (a.ndim === 2) {
    // [m, k] · [..., k, n] is [m, ..., n]
    return moveAxis(dotGeneral(a, b, contracting(1, b.ndim - 2)), 0, -2);
  }
  const outer = broadcastShapes([a.shape.slice(0, -2), b.shape.slice(0, -2)], "matmul");
  const lhs = stretch(a, [...outer, ...a.shape.slice(-2)]);
  const rhs = stretch(b, [...outer, ...b.shape.slice(-2)]);
  const n = outer.length;
  return dotGeneral(lhs, rhs, { contract: [[n + 1], [n]], batch: [range(n), range(n)] });
}

/** x[i] · y[j] for all pairs of elements: [size of x, size of y]. */
export function outer(x: TensorLike, y: TensorLike): Tensor {
  const [a, b] = pair(x, y, "outer");
  return dotGeneral(ravel(a), ravel(b), { contract: [[], []], batch: [[], []] });
}

/**
 * Each element of x times all of y, as blocks: axis i of the result has size m · n for axes of sizes m and n. The array
 * of fewer axes gets axes of size 1 in front.
 */
export function kron(x: TensorLike, y: TensorLike): Tensor {
  const [a, b] = pair(x, y, "kron");
  const rank = Math.max(a.ndim, b.ndim);
  const sizesOf = ({ shape }: Tensor): number[] => [...range(rank - shape.length).map(() => 1), ...shape];
  const [m, n] = [sizesOf(a), sizesOf(b)];
  const blocks = m.flatMap((size, axis) => [size, n[axis]!]);
  const spread = (t: Tensor, axes: number[]): Tensor => ops.broadcast(ops.reshape(t, sizesOf(t)), blocks, axes);
  const product = ops.mul(
    spread(
      a,
      m.map((_, axis) => 2 * axis),
    ),
    spread(
      b,
      n.map((_, axis) => 2 * axis + 1),
    ),
  );
  return ops.reshape(
    product,
    m.map((size, axis) => size * n[axis]!),
  );
}

/** Sums over the last `axes` axes of x and the first of y, or over the axes of x and y listed in two lists. */
export function tensordot(
  x: TensorLike,
  y: TensorLike,
  axes: number | readonly [readonly number[], readonly number[]] = 2,
): Tensor {
  const [a, b] = pair(x, y, "tensordot");
  if (typeof axes === "number") {
    if (!Number.isInteger(axes) || axes < 0 || axes > Math.min(a.ndim, b.ndim)) {
      throw new ShapeError(
        `tensordot: ${axes} axes cannot be taken of ${showAval(a.aval)} and ${showAval(b.aval)}${hereText()}`,
      );
    }
    return dotGeneral(a, b, { contract: [range(axes, a.ndim - axes), range(axes)], batch: [[], []] });
  }
  const [left, right] = [axesOf(axes[0], a, "tensordot"), axesOf(axes[1], b, "tensordot")];
  if (left.length !== right.length) {
    throw new ShapeError(`tensordot: ${left.length} axes of lhs are paired with ${right.length} of rhs${hereText()}`);
  }
  return dotGeneral(a, b, { contract: [left, right], batch: [[], []] });
}
