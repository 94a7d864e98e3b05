// Reductions made of others, under their numpy names.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import { sizeOf } from "../../compiler/core/shape.js";
import { literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Operand, Tensor } from "../../compiler/trace/tensor.js";
import { checkOptions } from "./options.js";
import { operand, stretch, toDType } from "./promote.js";
import { max, mean, min, type ReduceOptions, sum } from "./reduce.js";
import { type AxisSpec, asTensor, axesOf, broadcastTo } from "./shape.js";

export { checkOptions };

const f32 = (value: number): Operand => literal(value, { dtype: "f32", shape: [] });

const asFloat = (x: TensorLike, name: string): Tensor => toDType(asTensor(x, name), "f32", name) as Tensor;

type Axis = AxisSpec | null;

/** Number of elements that are not 0, i32. */
export function countNonzero(x: TensorLike, axis?: Axis, options: ReduceOptions = {}): Tensor {
  checkOptions("countNonzero", options, ["keepDims"]);
  return sum(toDType(asTensor(x, "countNonzero"), "bool", "countNonzero") as Tensor, axis, options);
}

/** Whether some element is not 0; false of nothing. */
export function any(x: TensorLike, axis?: Axis, options: ReduceOptions = {}): Tensor {
  checkOptions("any", options, ["keepDims"]);
  const truth = toDType(asTensor(x, "any"), "bool", "any") as Tensor;
  return ops.cast(sum(truth, axis, options), "bool");
}

/** Whether no element is 0; true of nothing. */
export function all(x: TensorLike, axis?: Axis, options: ReduceOptions = {}): Tensor {
  checkOptions("all", options, ["keepDims"]);
  const truth = toDType(asTensor(x, "all"), "bool", "all") as Tensor;
  return ops.not(ops.cast(sum(ops.not(truth), axis, options), "bool"));
}

/** Largest element less the smallest. */
export function ptp(x: TensorLike, axis?: Axis, options: ReduceOptions = {}): Tensor {
  checkOptions("ptp", options, ["keepDims"]);
  return ops.sub(max(x, axis, options), min(x, axis, options));
}

export interface VarianceOptions extends ReduceOptions {
  /** The sum of squares is divided by the number of elements less this; 0. */
  readonly ddof?: number;
}

function variance(name: string, x: TensorLike, axis: Axis | undefined, options: VarianceOptions): Tensor {
  checkOptions(name, options, ["keepDims", "ddof"]);
  const { ddof = 0, keepDims = false } = options;
  const a = asFloat(x, name);
  const axes = axesOf(axis, a, name);
  const away = ops.sub(a, stretch(mean(a, axes, { keepDims: true }), a.shape));
  const count = sizeOf(axes.map((k) => a.shape[k]!)) - ddof;
  // too few elements: 0 / 0, as numpy has it
  return ops.div(sum(ops.square(away), axes, { keepDims }), f32(Math.max(count, 0)));
}

/** Mean of the squares of what the elements are off their mean, over `axis`, as f32. */
const variation = (x: TensorLike, axis?: Axis, options: VarianceOptions = {}): Tensor =>
  variance("var", x, axis, options);

export { variation as var };

/** √ of `var`. Where that is 0 its gradient is taken to be 0. */
export const std = (x: TensorLike, axis?: Axis, options: VarianceOptions = {}): Tensor =>
  rootOrZero(variance("std", x, axis, options));

/** √x, with a gradient of 0 where x is 0: √′ is infinite there, and infinity times 0 is NaN. */
export function rootOrZero(x: Tensor): Tensor {
  const isZero = ops.eq(x, f32(0));
  // twice: what is not taken must not have an infinite gradient either
  return ops.select(isZero, f32(0), ops.sqrt(ops.select(isZero, f32(1), x)));
}

export interface NormOptions extends ReduceOptions {
  /** 2, the Euclidean length; 1, the sum of sizes; Infinity, the largest size. */
  readonly ord?: 1 | 2 | typeof Infinity;
}

/**
 * Length of the vector of all elements along `axis`, as f32. The gradient of the Euclidean length is taken to be 0 at
 * the origin; where several elements are of the largest size, they share that of `Infinity`.
 */
export function norm(x: TensorLike, axis?: Axis, options: NormOptions = {}): Tensor {
  checkOptions("norm", options, ["keepDims", "ord"]);
  const { ord = 2, keepDims = false } = options;
  const a = asFloat(x, "norm");
  if (ord === 1) return sum(ops.abs(a), axis, { keepDims });
  if (ord === Infinity) return max(ops.abs(a), axis, { keepDims });
  if (ord === 2) return rootOrZero(sum(ops.square(a), axis, { keepDims }));
  throw new ValueError(`norm: there is no ord ${String(ord)}; there are 1, 2 and Infinity${hereText()}`);
}

export interface AverageOptions extends ReduceOptions {
  /** Of the shape of x, or, for one axis, of its size. */
  readonly weights?: TensorLike;
}

/** Mean over `axis`, each element with its weight, as f32. Throws `ShapeError` for weights of another shape. */
export function average(x: TensorLike, axis?: Axis, options: AverageOptions = {}): Tensor {
  checkOptions("average", options, ["keepDims", "weights"]);
  const { weights, keepDims = false } = options;
  if (weights === undefined) return mean(x, axis, { keepDims });
  const a = asFloat(x, "average");
  const w = toDType(operand(weights, "average"), "f32", "average");
  const own = w.aval.shape;
  const along = typeof axis === "number" ? axesOf(axis, a, "average")[0] : undefined;
  const isAlongAxis = along !== undefined && own.length === 1 && own[0] === a.shape[along];
  if (!isAlongAxis && own.join() !== a.shape.join()) {
    throw new ShapeError(
      `average: the weights are ${showAval(w.aval)} for ${showAval(a.aval)}\n  give one for each element${along === undefined ? "" : `, or ${a.shape[along]} for axis ${axis}`}${hereText()}`,
    );
  }
  const spread = isAlongAxis ? ops.broadcast(w, a.shape, [along!]) : broadcastTo(asTensor(weights, "average"), a.shape);
  const all = toDType(spread, "f32", "average") as Tensor;
  return ops.div(sum(ops.mul(a, all), axis, { keepDims }), sum(all, axis, { keepDims }));
}
