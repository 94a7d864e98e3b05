// Reductions under their numpy names: over one axis, several, or all.

import { showAval } from "../../compiler/core/aval.js";
import { ShapeError } from "../../compiler/core/errors.js";
import { sizeOf } from "../../compiler/core/shape.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { checkOptions } from "./options.js";
import { toDType } from "./promote.js";
import { type AxisSpec, asTensor, axesOf } from "./shape.js";

export interface ReduceOptions {
  /** Keeps the reduced axes with size 1. */
  readonly keepDims?: boolean;
}

type Reduction = (x: TensorLike, axis?: AxisSpec | null, options?: ReduceOptions) => Tensor;

function reduction(name: string, op: (x: Tensor, axes: readonly number[]) => Tensor): Reduction {
  return (x, axis, options = {}) => {
    checkOptions(name, options, ["keepDims"]);
    const { keepDims = false } = options;
    const a = asTensor(x, name);
    // "all axes" means those of one example: they are named before anything is batched
    const axes = axesOf(axis, a, name).sort((i, j) => i - j);
    const folded = op(a, axes);
    return keepDims ? ops.expandDims(folded, axes) : folded;
  };
}

const countable = (x: Tensor, name: string): Tensor => (x.dtype === "bool" ? (toDType(x, "i32", name) as Tensor) : x);

/** Σ over `axis`, all axes without it. bool counts. */
export const sum = reduction("sum", (x, axes) => ops.reduceSum(countable(x, "sum"), axes));

/** Π over `axis`. */
export const prod = reduction("prod", (x, axes) => ops.reduceProd(countable(x, "prod"), axes));

/** Largest element over `axis`; NaN if there is one. */
export const max = reduction("max", (x, axes) => ordered(x, axes, ops.reduceMax));

/** Smallest element over `axis`; NaN if there is one. */
export const min = reduction("min", (x, axes) => ordered(x, axes, ops.reduceMin));

/** bool is ordered as 0 and 1, and stays bool. */
function ordered(x: Tensor, axes: readonly number[], op: (x: Tensor, axes: readonly number[]) => Tensor): Tensor {
  return x.dtype === "bool" ? ops.cast(op(ops.cast(x, "u32"), axes), "bool") : op(x, axes);
}

/** Mean over `axis`, as f32. Of nothing it is NaN. */
export const mean = reduction("mean", (x, axes) => {
  const a = toDType(x, "f32", "mean") as Tensor;
  const count = sizeOf(axes.map((axis) => a.shape[axis]!));
  const total = ops.reduceSum(a, axes);
  return ops.div(
    total,
    toDType({ kind: "literal", aval: { dtype: "f32", shape: [], weak: true }, value: count }, "f32", "mean"),
  );
});

function position(name: string, op: (x: Tensor, axes: readonly number[]) => Tensor): Reduction {
  const find = reduction(name, (x, axes) => op(countable(x, name), axes));
  return (x, axis, options) => {
    if (Array.isArray(axis)) {
      const a = asTensor(x, name);
      throw new ShapeError(
        `${name}: one axis or none is wanted, ${axis.length} given for ${showAval(a.aval)}\n  reshape first, or leave it out for the position among all elements${hereText()}`,
      );
    }
    return find(x, axis, options);
  };
}

/** Position of the largest element along `axis`, or among all elements; the first of equals, i32. */
export const argmax = position("argmax", ops.argmax);

/** Position of the smallest element along `axis`, or among all elements; the first of equals, i32. */
export const argmin = position("argmin", ops.argmin);
