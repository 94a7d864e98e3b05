// Functions of networks and of log-probabilities, in forms that neither overflow nor lose their digits.
import { sizeOf } from "../compiler/core/shape.js";
import { literal } from "../compiler/ir/graph.js";
import * as ops from "../compiler/ops/index.js";
import type { TensorLike } from "../compiler/trace/create.js";
import type { Operand, Tensor } from "../compiler/trace/tensor.js";
import { full, operand, stretch, toDType } from "./numpy/promote.js";
import type { ReduceOptions } from "./numpy/reduce.js";
import { type AxisSpec, asTensor, axesOf } from "./numpy/shape.js";
import { checkOptions } from "./numpy/statistics.js";

const f32 = (value: number): Operand => literal(value, { dtype: "f32", shape: [] });

const asFloat = (x: TensorLike, name: string): Tensor => toDType(asTensor(x, name), "f32", name) as Tensor;

/** x without its gradient: the way through the bits has none. */
const detached = (x: Tensor): Tensor => ops.bitcast(ops.bitcast(x, "u32"), "f32");

/** The largest elements over `axes`, kept with size 1 and without a gradient; 0 where they are infinite or none. */
function finiteMax(x: Tensor, axes: readonly number[]): Tensor {
  const kept = x.shape.map((n, k) => (axes.includes(k) ? 1 : n));
  if (sizeOf(axes.map((k) => x.shape[k]!)) === 0) return ops.fill(f32(0), kept);
  const most = ops.reshape(detached(ops.reduceMax(x, axes)), kept);
  return ops.select(ops.isFiniteNumber(most), most, f32(0));
}

/**
 * log Σ eˣ over `axis`, all axes without it, as f32: exact also where eˣ overflows. Of nothing, and of −∞ alone, it is
 * −∞.
 */
export function logsumexp(x: TensorLike, axis?: AxisSpec | null, options: ReduceOptions = {}): Tensor {
  checkOptions("logsumexp", options, ["keepDims"]);
  const a = asFloat(x, "logsumexp");
  const axes = axesOf(axis, a, "logsumexp").sort((i, j) => i - j);
  const most = finiteMax(a, axes);
  const sum = ops.reduceSum(ops.exp(ops.sub(a, stretch(most, a.shape))), axes);
  const result = ops.add(ops.log(sum), ops.reshape(most, sum.shape));
  return options.keepDims ? ops.expandDims(result, axes) : result;
}

/** log(eˣ + eʸ), without overflow. */
export function logaddexp(x: TensorLike, y: TensorLike): Tensor {
  const [a, b] = full(
    "logaddexp",
    [x, y].map((v) => toDType(operand(v, "logaddexp"), "f32", "logaddexp")),
  ) as [Tensor, Tensor];
  // ∞ − ∞ is NaN, but equal infinities are no distance apart
  const apart = ops.select(ops.eq(a, b), f32(0), ops.sub(a, b));
  return ops.add(ops.max(a, b), ops.log1p(ops.exp(ops.neg(ops.abs(apart)))));
}

/** x less its largest element over `axis`, and Σ of the exponentials of that. */
function shifted(name: string, x: TensorLike, axis: AxisSpec): { below: Tensor; sum: Tensor } {
  const a = asFloat(x, name);
  const axes = axesOf(axis, a, name).sort((i, j) => i - j);
  const kept = a.shape.map((n, k) => (axes.includes(k) ? 1 : n));
  const isEmpty = a.size === 0;
  const most = isEmpty ? ops.fill(f32(0), kept) : ops.reshape(detached(ops.reduceMax(a, axes)), kept);
  const below = ops.sub(a, stretch(most, a.shape) as Tensor);
  const sum = ops.reshape(ops.reduceSum(ops.exp(below), axes), kept);
  return { below, sum: stretch(sum, a.shape) as Tensor };
}

/** eˣ / Σ eˣ along `axis`, the last one unless given. A row of −∞ alone, or with ∞, is NaN. */
export function softmax(x: TensorLike, axis: AxisSpec = -1): Tensor {
  const { below, sum } = shifted("softmax", x, axis);
  return ops.div(ops.exp(below), sum);
}

/** log softmax along `axis`, the last one unless given. */
export function logSoftmax(x: TensorLike, axis: AxisSpec = -1): Tensor {
  const { below, sum } = shifted("logSoftmax", x, axis);
  return ops.sub(below, ops.log(sum));
}

/** log(1 + eˣ). */
export const softplus = (x: TensorLike): Tensor => logaddexp(asFloat(x, "softplus"), 0);

/** 1 / (1 + e⁻ˣ). */
export const sigmoid = (x: TensorLike): Tensor => ops.logistic(asFloat(x, "sigmoid"));

/** log(1 / (1 + e⁻ˣ)). */
export const logSigmoid = (x: TensorLike): Tensor => ops.neg(softplus(ops.neg(asFloat(x, "logSigmoid"))));

/** x / (1 + e⁻ˣ). */
export function silu(x: TensorLike): Tensor {
  const a = asFloat(x, "silu");
  return ops.mul(a, ops.logistic(a));
}

export interface GeluOptions {
  /** "tanh", an approximation to 5e-4, or "none". */
  readonly approximate?: "tanh" | "none";
}

/** x Φ(x), Φ the distribution function of the standard normal distribution; by tanh unless told otherwise. */
export function gelu(x: TensorLike, options: GeluOptions = {}): Tensor {
  checkOptions("gelu", options, ["approximate"]);
  const a = asFloat(x, "gelu");
  const half = ops.mul(a, f32(0.5));
  if (options.approximate === "none") return ops.mul(half, ops.add(ops.erf(ops.mul(a, f32(Math.SQRT1_2))), f32(1)));
  const inner = ops.add(a, ops.mul(f32(0.044715), ops.mul(a, ops.square(a))));
  return ops.mul(half, ops.add(ops.tanh(ops.mul(inner, f32(Math.sqrt(2 / Math.PI)))), f32(1)));
}

/** max(x, 0), in the dtype of x. At 0 its gradient is 0. */
export function relu(x: TensorLike): Tensor {
  const a = asTensor(x, "relu");
  const b = a.dtype === "bool" ? (toDType(a, "i32", "relu") as Tensor) : a;
  const zero = literal(0, { dtype: b.dtype, shape: [] });
  return ops.select(ops.le(b, zero), zero, b);
}

/** x above 0, below it alpha (eˣ − 1). */
export function elu(x: TensorLike, alpha = 1): Tensor {
  const a = asFloat(x, "elu");
  const isAbove = ops.gt(a, f32(0));
  // eˣ of what is not taken would overflow, and its gradient with it
  const low = ops.expm1(ops.select(isAbove, f32(0), a));
  return ops.select(isAbove, a, ops.mul(f32(alpha), low));
}

/** x above 0, below it slope · x; at 0 its gradient is the slope. */
export function leakyRelu(x: TensorLike, slope = 0.01): Tensor {
  const a = asFloat(x, "leakyRelu");
  return ops.select(ops.gt(a, f32(0)), a, ops.mul(f32(slope), a));
}
