// Reductions over windows that slide along axes, and pooling, which is two of them.
import { aval, showAval } from "../compiler/core/aval.js";
import type { DType } from "../compiler/core/dtype.js";
import { ShapeError, ValueError } from "../compiler/core/errors.js";
import { literal } from "../compiler/ir/graph.js";
import * as ops from "../compiler/ops/index.js";
import type { TensorLike } from "../compiler/trace/create.js";
import { hereText } from "../compiler/trace/here.js";
import type { Operand, Tensor } from "../compiler/trace/tensor.js";
import { toDType } from "./numpy/promote.js";
import { asTensor } from "./numpy/shape.js";
import { checkOptions, dilated, type Padding, type PerAxis, paddingPairs, perAxis } from "./sliding.js";

/** What is made of the elements of a window. */
export type WindowReduction = "sum" | "prod" | "max" | "min" | "mean";

export interface ReduceWindowOptions {
  /** Elements of a window along each of the last axes. */
  readonly window: readonly number[];
  /** Steps from window to window; 1 unless given. */
  readonly strides?: PerAxis;
  /** "valid" unless given. What is added changes nothing: 0 for sums, −∞ for maxima, and so on. */
  readonly padding?: Padding;
  /** Steps between the elements of a window; 1 unless given. */
  readonly dilation?: PerAxis;
  /** Steps at which the elements of x stand, with nothing between them; 1 unless given. Padding comes around these. */
  readonly baseDilation?: PerAxis;
  /** "mean" divides by the size of the window, rather than by how many elements of x are in it; true unless given. */
  readonly countPadding?: boolean;
}

const reductions = {
  sum: ops.reduceSum,
  prod: ops.reduceProd,
  max: ops.reduceFirstMax,
  min: ops.reduceFirstMin,
  mean: ops.reduceSum,
};

/** What changes no result. */
function neutral(kind: WindowReduction, dtype: DType): number {
  if (kind === "prod") return 1;
  if (kind === "sum" || kind === "mean") return 0;
  if (dtype === "f32") return kind === "max" ? -Infinity : Infinity;
  if (dtype === "u32") return kind === "max" ? 0 : 4294967295;
  return kind === "max" ? -2147483648 : 2147483647;
}

/**
 * Folds windows that slide along the last `window.length` axes: [..., n] becomes [..., positions], with
 * ⌊(n + padding − ((window − 1) · dilation + 1)) / strides⌋ + 1 positions.
 *
 * "max" and "min" give NaN where there is one, and the gradient goes to the first of equal elements; "mean" is f32.
 * bool counts as i32 in sums, and stays bool in "max" and "min". Throws `ShapeError` where windows do not fit.
 */
export function reduceWindow(x: TensorLike, kind: WindowReduction, options: ReduceWindowOptions): Tensor {
  const known = ["window", "strides", "padding", "dilation", "baseDilation", "countPadding"];
  checkOptions("reduceWindow", options, known);
  if (!Object.hasOwn(reductions, kind))
    throw new ValueError(
      `reduceWindow: there is no reduction '${String(kind)}'; there are ${Object.keys(reductions).join(", ")}${hereText()}`,
    );
  return reduceWindows("reduceWindow", x, kind, options);
}

function reduceWindows(name: string, x: TensorLike, kind: WindowReduction, options: ReduceWindowOptions): Tensor {
  const given = asTensor(x, name);
  const isOrdered = kind === "max" || kind === "min";
  if (given.dtype === "bool" && isOrdered)
    return ops.cast(reduceWindows(name, ops.cast(given, "u32"), kind, options), "bool");
  const a = toDType(given, kind === "mean" ? "f32" : given.dtype === "bool" ? "i32" : given.dtype, name) as Tensor;
  const windowsOf = slider(name, a, options);
  const total = reductions[kind](...windowsOf(a, neutral(kind, a.dtype)));
  if (kind !== "mean") return total;
  const constant = (value: number) => literal(value, aval("f32", []));
  if (options.countPadding ?? true) {
    const count = options.window.reduce((product, n) => product * n, 1);
    return ops.div(total, constant(count));
  }
  return ops.div(total, ops.reduceSum(...windowsOf(ops.fill(constant(1), a.shape), 0)));
}

/** x with `value` around `axes`, and between their elements, which come to stand `dilation` apart. */
function padded(
  x: Tensor,
  value: Operand,
  axes: readonly number[],
  pairs: readonly (readonly [number, number])[],
  dilation: readonly number[],
): Tensor {
  const isNeeded = axes.some((_, i) => pairs[i]![0] !== 0 || pairs[i]![1] !== 0 || dilation[i] !== 1);
  if (!isNeeded) return x;
  const along = (of: (i: number) => number): number[] =>
    x.shape.map((_, axis) => (axes.includes(axis) ? of(axes.indexOf(axis)) : 0));
  return ops.pad(x, value, {
    low: along((i) => pairs[i]![0]),
    high: along((i) => pairs[i]![1]),
    interior: along((i) => dilation[i]! - 1),
  });
}

/** Makes, of an array like x and what to pad it with, its windows, and the axes of their elements. */
function slider(name: string, x: Tensor, options: ReduceWindowOptions) {
  const { window, padding = "valid" } = options;
  const count = window.length;
  if (count > x.ndim)
    throw new ShapeError(
      `${name}: a window with ${count} axes does not slide along ${showAval(x.aval)}, which has ${x.ndim}${hereText()}`,
    );
  perAxis(name, "window", window, count);
  const stride = perAxis(name, "strides", options.strides, count);
  const dilation = perAxis(name, "dilation", options.dilation, count);
  const base = perAxis(name, "baseDilation", options.baseDilation, count);
  const axes = window.map((_, i) => x.ndim - count + i);
  const pairs = paddingPairs(name, padding, {
    sizes: axes.map((axis, i) => dilated(x.shape[axis]!, base[i]!)),
    spans: window.map((n, i) => dilated(n, dilation[i]!)),
    strides: stride,
  });
  return (y: Tensor, value: number): [Tensor, number[]] => {
    const around = padded(y, literal(value, aval(y.dtype, [])), axes, pairs, base);
    const params = { axes, size: window, stride, dilation, paired: false };
    return [ops.windows(around, params), axes.map((axis) => axis + count)];
  };
}

export interface PoolOptions {
  /** Steps from window to window; 1 unless given, as in JAX and Flax (other libraries take the window's size). */
  readonly strides?: PerAxis;
  /** "valid" unless given. */
  readonly padding?: Padding;
  /** Steps between the elements of a window; 1 unless given. */
  readonly dilation?: PerAxis;
}

/** A window of one size along the last two axes, or of a size for each of the last axes. */
type PoolWindow = number | readonly number[];

const windowOf = (window: PoolWindow): readonly number[] => (typeof window === "number" ? [window, window] : window);

const poolOptions = ["strides", "padding", "dilation"];

/**
 * The largest element of each window: [..., H, W] becomes [..., positions], for one example or any batch. `window` is
 * one size for H and W, or a list with a size for each of the last axes: one for [..., L], three for [..., D, H, W].
 * NaN where there is one; the gradient goes to the first of equal elements. Throws `ShapeError` where windows do not fit.
 */
export function maxPool(x: TensorLike, window: PoolWindow, options: PoolOptions = {}): Tensor {
  checkOptions("maxPool", options, poolOptions);
  return reduceWindows("maxPool", x, "max", { ...options, window: windowOf(window) });
}

export interface AvgPoolOptions extends PoolOptions {
  /** Divides by the size of the window, rather than by how many elements of x are in it; true unless given, as in Flax. */
  readonly countPadding?: boolean;
}

/** The mean of each window, as f32; shapes as for `maxPool`. */
export function avgPool(x: TensorLike, window: PoolWindow, options: AvgPoolOptions = {}): Tensor {
  checkOptions("avgPool", options, [...poolOptions, "countPadding"]);
  return reduceWindows("avgPool", x, "mean", { ...options, window: windowOf(window) });
}
