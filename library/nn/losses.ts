// Losses and measures of how well a model does: each for one example or for any batch of them.
import { showAval } from "../../compiler/core/aval.js";
import { isInteger } from "../../compiler/core/dtype.js";
import { DTypeError, ShapeError, ValueError } from "../../compiler/core/errors.js";
import { type Shape, sameShape, showShape } from "../../compiler/core/shape.js";
import { literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Operand, Tensor } from "../../compiler/trace/tensor.js";
import { logSoftmax } from "../functions.js";
import { toDType } from "../numpy/promote.js";
import { argmax, mean, sum } from "../numpy/reduce.js";
import { i32 } from "../numpy/region.js";
import { oneHot } from "../numpy/segment.js";
import { asTensor } from "../numpy/shape.js";
import { checkOptions } from "../numpy/statistics.js";

const f32 = (value: number): Operand => literal(value, { dtype: "f32", shape: [] });

const asFloat = (x: TensorLike, name: string): Tensor => toDType(asTensor(x, name), "f32", name) as Tensor;

export interface LossOptions {
  /** What becomes of the losses of the examples: their "mean" (of none it is NaN), their "sum", or "none". */
  readonly reduction?: "mean" | "sum" | "none";
}

function reduced(name: string, losses: Tensor, reduction: LossOptions["reduction"] = "mean"): Tensor {
  if (reduction === "mean") return mean(losses);
  if (reduction === "sum") return sum(losses);
  if (reduction === "none") return losses;
  throw new ValueError(`${name}: there is no reduction '${String(reduction)}'; there are mean, sum, none${hereText()}`);
}

/** Throws `ShapeError` where the labels are not one for each example. */
function checkLabels(name: string, scores: Tensor, labels: Tensor): void {
  const examples = scores.shape.slice(0, -1);
  if (sameShape(labels.shape, examples)) return;
  throw new ShapeError(
    `${name}: the labels are ${showAval(labels.aval)}, but ${showAval(scores.aval)} wants one class for each example, ${showShape(examples)}, or f32${showShape(scores.shape)}${hereText()}`,
  );
}

function checkClasses(name: string, scores: Tensor): void {
  if (scores.ndim > 0) return;
  throw new ShapeError(`${name}: the scores are a scalar, but classes along the last axis are wanted${hereText()}`);
}

/**
 * Cross entropy of labels and softmax(logits), classes along the last axis: logits [...examples, classes]. Labels are
 * classes, i32 or u32 [...examples], or probabilities, f32 of the shape of the logits. Neither large logits nor classes
 * ruled out by −∞ overflow. A class that there is not gives NaN.
 *
 * Throws `ShapeError` for labels of another shape, `DTypeError` for bool.
 */
export function softmaxCrossEntropy(logits: TensorLike, labels: TensorLike, options: LossOptions = {}): Tensor {
  const name = "softmaxCrossEntropy";
  checkOptions(name, options, ["reduction"]);
  const scores = asFloat(logits, name);
  const wanted = asTensor(labels, name);
  checkClasses(name, scores);
  const logs = logSoftmax(scores);
  return reduced(
    name,
    isInteger(wanted.dtype) ? ofClasses(logs, wanted) : ofProbabilities(logs, wanted),
    options.reduction,
  );
}

function ofClasses(logs: Tensor, labels: Tensor): Tensor {
  checkLabels("softmaxCrossEntropy", logs, labels);
  const classes = logs.shape.at(-1)!;
  const isIt = oneHot(labels, classes, { dtype: "bool" });
  // chosen, not multiplied: 0 times the logarithm of 0 is NaN
  const losses = ops.neg(sum(ops.select(isIt, logs, f32(0)), -1));
  return ops.select(isClass(labels, classes), losses, f32(Number.NaN));
}

function isClass(labels: Tensor, classes: number): Tensor {
  const least = literal(0, { dtype: labels.dtype, shape: [] });
  const end = literal(classes, { dtype: labels.dtype, shape: [] });
  return ops.and(ops.ge(labels, least), ops.lt(labels, end));
}

function ofProbabilities(logs: Tensor, labels: Tensor): Tensor {
  const name = "softmaxCrossEntropy";
  if (labels.dtype !== "f32") {
    throw new DTypeError(
      `${name}: the labels are ${showAval(labels.aval)}, but classes (i32, u32) or probabilities (f32) are wanted${hereText()}`,
    );
  }
  if (!sameShape(labels.shape, logs.shape)) {
    const wayOut = sameShape(labels.shape, logs.shape.slice(0, -1)) ? '\n  cast classes: labels.astype("i32")' : "";
    throw new ShapeError(
      `${name}: the labels are ${showAval(labels.aval)}, but probabilities for logits ${showAval(logs.aval)} have their shape${wayOut}${hereText()}`,
    );
  }
  // p log q counts as 0 where p and q are both 0
  const isNothing = ops.and(ops.eq(labels, f32(0)), ops.eq(logs, f32(-Infinity)));
  return ops.neg(sum(ops.mul(labels, ops.select(isNothing, f32(0), logs)), -1));
}

/** Both as f32 of one shape: values that only broadcast together are most often a mistake. Throws `ShapeError`. */
function pair(name: string, predictions: TensorLike, targets: TensorLike): [Tensor, Tensor] {
  const [x, y] = [asFloat(predictions, name), asFloat(targets, name)];
  if (sameShape(x.shape, y.shape)) return [x, y];
  throw new ShapeError(
    `${name}: ${showAval(x.aval)} predicted, but the targets are ${showAval(y.aval)}, and one shape is wanted\n  reshape one of them, or use broadcastTo${hereText()}`,
  );
}

/** (x − y)², of predictions and targets of one shape. The mean is that of all elements. */
export function meanSquaredError(predictions: TensorLike, targets: TensorLike, options: LossOptions = {}): Tensor {
  const name = "meanSquaredError";
  checkOptions(name, options, ["reduction"]);
  const [x, y] = pair(name, predictions, targets);
  return reduced(name, ops.square(ops.sub(x, y)), options.reduction);
}

/**
 * Cross entropy of labels and sigmoid(logits), one decision for each element: log(1 + eˣ) − x y, in a form that neither
 * overflows nor loses digits for large |x|. Labels are of the shape of the logits: 0, 1, bool, or between.
 */
export function binaryCrossEntropyWithLogits(
  logits: TensorLike,
  labels: TensorLike,
  options: LossOptions = {},
): Tensor {
  const name = "binaryCrossEntropyWithLogits";
  checkOptions(name, options, ["reduction"]);
  const [x, y] = pair(name, logits, labels);
  const line = ops.sub(ops.max(x, f32(0)), ops.mul(x, y));
  return reduced(name, ops.add(line, ops.log1p(ops.exp(ops.neg(ops.abs(x))))), options.reduction);
}

export interface HuberOptions extends LossOptions {
  /** Where the parabola becomes a line; 1. */
  readonly delta?: number;
}

/** e² / 2 for errors e = x − y up to delta, delta (|e| − delta / 2) beyond (Huber 1964). The mean is that of all elements. */
export function huber(predictions: TensorLike, targets: TensorLike, options: HuberOptions = {}): Tensor {
  const name = "huber";
  checkOptions(name, options, ["reduction", "delta"]);
  const { delta = 1, reduction } = options;
  if (!(delta > 0 && Number.isFinite(delta)))
    throw new ValueError(`${name}: delta is ${delta}, but a number above 0 is wanted${hereText()}`);
  const [x, y] = pair(name, predictions, targets);
  const error = ops.sub(x, y);
  const near = ops.clamp(error, f32(-delta), f32(delta));
  return reduced(name, ops.mul(near, ops.sub(error, ops.mul(f32(0.5), near))), reduction);
}

/** Classes of integers, or the positions of the largest along the last axis of floats. */
function classesOf(name: string, what: string, x: Tensor): Tensor {
  if (isInteger(x.dtype)) return ops.cast(x, "i32");
  if (x.dtype === "f32" && x.ndim > 0) return argmax(x, -1);
  const Wrong = x.dtype === "f32" ? ShapeError : DTypeError;
  throw new Wrong(
    `${name}: the ${what} are ${showAval(x.aval)}, but classes (i32, u32) or scores f32[..., classes] are wanted${hereText()}`,
  );
}

/** Classes of both, of one shape. Throws `ShapeError` or `DTypeError`. */
function classPair(name: string, labels: TensorLike, predictions: TensorLike): [Tensor, Tensor] {
  const [y, x] = [asTensor(labels, name), asTensor(predictions, name)];
  const [want, got] = [classesOf(name, "labels", y), classesOf(name, "predictions", x)];
  if (sameShape(want.shape, got.shape)) return [want, got];
  throw new ShapeError(
    `${name}: predictions ${showAval(x.aval)} and labels ${showAval(y.aval)} are for ${showExamples(got.shape)} and ${showExamples(want.shape)} examples${hereText()}`,
  );
}

const showExamples = (shape: Shape): string => (shape.length === 0 ? "one" : showShape(shape));

/**
 * Share of the examples whose class is predicted, an f32 scalar. Predictions and labels are each classes, i32 or u32, or
 * scores f32[...examples, classes], of which the largest counts.
 */
export function accuracy(predictions: TensorLike, labels: TensorLike): Tensor {
  const [want, got] = classPair("accuracy", labels, predictions);
  return mean(ops.cast(ops.eq(want, got), "f32"));
}

/**
 * How often each class was taken for each: i32[classes, classes], a row for each label and a column for each prediction.
 * Both as for `accuracy`. Examples with a class that is not below `classes` are left out.
 */
export function confusionMatrix(labels: TensorLike, predictions: TensorLike, classes: number): Tensor {
  const name = "confusionMatrix";
  if (!Number.isInteger(classes) || classes < 0)
    throw new ValueError(
      `${name}: the number of classes is ${classes}, but a whole one from 0 on is wanted${hereText()}`,
    );
  const [want, got] = classPair(name, labels, predictions);
  return ops.scatter(ops.fill(i32(0), [classes, classes]), [want, got], ops.fill(i32(1), want.shape), {
    axes: [0, 1],
    batch: 0,
    mode: "drop",
    combine: "add",
  });
}
