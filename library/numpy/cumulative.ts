// Running sums and their kin along an axis.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { toDType } from "./promote.js";
import { asTensor, axisOf } from "./shape.js";

export interface CumulativeOptions {
  /** From the last element to the first. */
  readonly reverse?: boolean;
}

type Cumulative = (x: TensorLike, axis?: number | null, options?: CumulativeOptions) => Tensor;

function cumulative(
  name: string,
  op: (x: Tensor, axis: number, reverse: boolean) => Tensor,
  prepare: (x: Tensor) => Tensor = (x) => x,
): Cumulative {
  return (x, axis = null, options = {}) => {
    for (const key of Object.keys(options)) {
      if (key !== "reverse")
        throw new ValueError(`${name}: there is no option '${key}'; there is reverse${hereText()}`);
    }
    const a = prepare(asTensor(x, name));
    const { reverse = false } = options;
    if (axis === null) return op(ops.reshape(a, [a.size]), 0, reverse);
    return op(a, axisOf(axis, a.ndim, name, showAval(a.aval)), reverse);
  };
}

const countable = (x: Tensor): Tensor => (x.dtype === "bool" ? (toDType(x, "i32", "cumsum") as Tensor) : x);

/** Sums of the elements so far along `axis`, of all elements in one without it. bool counts. */
export const cumsum = cumulative("cumsum", ops.cumsum, countable);

/** Products of the elements so far. */
export const cumprod = cumulative("cumprod", ops.cumprod, countable);

/** The largest element so far; NaN from the first one on. Of equal ones the first has the gradient. */
export const cummax = cumulative("cummax", ops.cummax, countable);

/** The smallest element so far; NaN from the first one on. Of equal ones the first has the gradient. */
export const cummin = cumulative("cummin", ops.cummin, countable);

/** log Σ exp of the elements so far, as f32, without overflow. */
export const cumlogsumexp = cumulative(
  "cumlogsumexp",
  ops.cumlogsumexp,
  (x) => toDType(x, "f32", "cumlogsumexp") as Tensor,
);

/** Differences of neighbours along `axis`, n times over: each time the axis is one shorter. */
export function diff(x: TensorLike, n = 1, axis = -1): Tensor {
  let a = asTensor(x, "diff");
  const along = axisOf(axis, a.ndim, "diff", showAval(a.aval));
  if (!Number.isInteger(n) || n < 0) throw new ShapeError(`diff: n is ${n}, a whole number ≥ 0 is wanted${hereText()}`);
  if (a.dtype === "bool" && n > 0) a = toDType(a, "i32", "diff") as Tensor;
  for (let i = 0; i < n && a.shape[along]! > 0; i++) {
    const size = a.shape[along]!;
    const part = (from: number): Tensor =>
      ops.slice(a, {
        start: a.shape.map((_, k) => (k === along ? from : 0)),
        stop: a.shape.map((m, k) => (k === along ? from + size - 1 : m)),
        step: a.shape.map(() => 1),
      });
    a = ops.sub(part(1), part(0));
  }
  return a;
}
