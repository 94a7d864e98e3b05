// Sorting and what is read off sorted arrays: order, extremes, quantiles.
import { aval, showAval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import { literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { checkOptions } from "./options.js";
import { toDType } from "./promote.js";
import { asTensor, axisOf, stack } from "./shape.js";

export interface SortOptions {
  /** Largest first; NaN, the largest of all, before everything. */
  readonly descending?: boolean;
}

/** x and the axis from the front; without an axis all elements in one. */
function along(name: string, x: TensorLike, axis: number | null): { x: Tensor; axis: number } {
  const a = asTensor(x, name);
  if (axis === null) return { x: ops.reshape(a, [a.size]), axis: 0 };
  return { x: a, axis: axisOf(axis, a.ndim, name, showAval(a.aval)) };
}

/**
 * x sorted along `axis`; all elements in one with null. Stable; NaN comes last, −0 equals 0. Gradients go to the elements
 * that were taken.
 */
export function sort(x: TensorLike, axis: number | null = -1, options: SortOptions = {}): Tensor {
  checkOptions("sort", options, ["descending"]);
  const own = along("sort", x, axis);
  return ops.sort([own.x], own.axis, 1, options.descending ?? false)[0]!;
}

/** Where the elements of the sorted x come from, along `axis`: i32. Equal elements stay in their order. */
export function argsort(x: TensorLike, axis: number | null = -1, options: SortOptions = {}): Tensor {
  checkOptions("argsort", options, ["descending"]);
  const own = along("argsort", x, axis);
  return ops.sortOrder(own.x, own.axis, options.descending ?? false);
}

/** All of one shape, with the axis they are sorted along. */
function columns(name: string, xs: readonly TensorLike[], axis: number): { xs: Tensor[]; axis: number } {
  const list = xs.map((x) => asTensor(x, name));
  const [first] = list;
  if (!first) throw new ValueError(`${name}: no array given${hereText()}`);
  const other = list.find((x) => x.shape.join() !== first.shape.join());
  if (other) {
    throw new ShapeError(
      `${name}: arrays of one shape are wanted, ${showAval(first.aval)} and ${showAval(other.aval)} given${hereText()}`,
    );
  }
  return { xs: list, axis: axisOf(axis, first.ndim, name, showAval(first.aval)) };
}

/** The order along `axis` by several keys, the last one first, as in NumPy: i32. */
export function lexsort(keys: readonly TensorLike[], axis = -1): Tensor {
  const own = columns("lexsort", keys, axis);
  return ops.lexicalOrder([...own.xs].reverse(), own.axis);
}

export interface SortTogetherOptions extends SortOptions {
  /** The axis, the last one without it. */
  readonly axis?: number;
  /** How many of the arrays are compared, the first one without it; the others come along. */
  readonly keys?: number;
}

/** Arrays of one shape sorted together: by the first, among equals by the second, as far as they are keys. Stable. */
export function sortTogether(xs: readonly TensorLike[], options: SortTogetherOptions = {}): Tensor[] {
  checkOptions("sortTogether", options, ["axis", "keys", "descending"]);
  const { axis = -1, keys = 1, descending = false } = options;
  const own = columns("sortTogether", xs, axis);
  if (!Number.isInteger(keys) || keys < 1 || keys > own.xs.length)
    throw new ValueError(`sortTogether: ${keys} keys of ${own.xs.length} arrays${hereText()}`);
  return ops.sort(own.xs, own.axis, keys, descending);
}

/**
 * The k largest elements along `axis`, largest first, and where they are (i32). Of equal ones the first comes first; NaN
 * is the largest.
 */
export function topK(x: TensorLike, k: number, axis = -1): [values: Tensor, indices: Tensor] {
  const own = along("topK", x, axis);
  const n = own.x.shape[own.axis]!;
  if (!Number.isInteger(k) || k < 0 || k > n) {
    throw new ShapeError(
      `topK: k is ${k}, but axis ${own.axis} of ${showAval(own.x.aval)} has ${n} elements${hereText()}`,
    );
  }
  const order = ops.sortOrder(own.x, own.axis, true);
  const indices = ops.slice(order, {
    start: order.shape.map(() => 0),
    stop: order.shape.map((size, i) => (i === own.axis ? k : size)),
    step: order.shape.map(() => 1),
  });
  return [ops.takeAlong(own.x, indices, own.axis), indices];
}

export interface QuantileOptions {
  /** Keeps the axis with size 1. */
  readonly keepDims?: boolean;
  /** What lies between two elements; "linear" without it. */
  readonly method?: "linear" | "lower" | "higher" | "nearest" | "midpoint";
}

/**
 * The q-quantiles along `axis`, of all elements without it, as f32; q in 0 … 1. A list of them is the first axis of the
 * result. NaN if there is a NaN.
 */
export function quantile(
  x: TensorLike,
  q: number | readonly number[],
  axis: number | null = null,
  options: QuantileOptions = {},
): Tensor {
  return quantiles("quantile", x, q, axis, options);
}

/** As `quantile`, with q in 0 … 100. */
export function percentile(
  x: TensorLike,
  q: number | readonly number[],
  axis: number | null = null,
  options: QuantileOptions = {},
): Tensor {
  return quantiles("percentile", x, typeof q === "number" ? q / 100 : q.map((p) => p / 100), axis, options);
}

/** The middle one of the sorted elements along `axis`, or the mean of the middle two, as f32. */
export function median(x: TensorLike, axis: number | null = null, options: { keepDims?: boolean } = {}): Tensor {
  checkOptions("median", options, ["keepDims"]);
  return quantiles("median", x, 0.5, axis, { ...options, method: "midpoint" });
}

function quantiles(
  name: string,
  x: TensorLike,
  q: number | readonly number[],
  axis: number | null,
  options: QuantileOptions,
): Tensor {
  checkOptions(name, options, ["keepDims", "method"]);
  const { keepDims = false, method = "linear" } = options;
  const a = asTensor(x, name);
  const own = along(name, toDType(a, "f32", name) as Tensor, axis);
  const n = own.x.shape[own.axis]!;
  if (n === 0) throw new ShapeError(`${name}: ${showAval(a.aval)} has no elements along the axis${hereText()}`);
  const sorted = ops.moveAxis(ops.sort([own.x], own.axis)[0]!, own.axis, 0);
  const entry = (i: number): Tensor => ops.squeeze(part(sorted, i), [0]);
  // NaN is last when there is one
  const last = entry(n - 1);
  const hasNaN = ops.ne(last, last);
  const one = (p: number): Tensor => {
    if (!(p >= 0 && p <= 1)) throw new ValueError(`${name}: a quantile of ${p} is outside 0 … 1${hereText()}`);
    const value = between(entry, p * (n - 1), method);
    const result = ops.select(hasNaN, last, value);
    if (!keepDims) return result;
    return axis === null
      ? ops.reshape(
          result,
          a.shape.map(() => 1),
        )
      : ops.expandDims(result, [own.axis]);
  };
  return typeof q === "number" ? one(q) : stack(q.map(one), 0);
}

/** Entry `i` along axis 0, which is kept. */
const part = (x: Tensor, i: number): Tensor =>
  ops.slice(x, {
    start: x.shape.map((_, axis) => (axis === 0 ? i : 0)),
    stop: x.shape.map((n, axis) => (axis === 0 ? i + 1 : n)),
    step: x.shape.map(() => 1),
  });

/** The value at place `at` of the sorted entries. */
function between(entry: (i: number) => Tensor, at: number, method: NonNullable<QuantileOptions["method"]>): Tensor {
  const [low, high] = [Math.floor(at), Math.ceil(at)];
  const weighted = (weight: number): Tensor => {
    if (low === high) return entry(low);
    const constant = (value: number) => literal(value, aval("f32", []));
    return ops.add(ops.mul(entry(low), constant(1 - weight)), ops.mul(entry(high), constant(weight)));
  };
  switch (method) {
    case "linear":
      return weighted(at - low);
    case "midpoint":
      return weighted(0.5);
    case "lower":
      return entry(low);
    case "higher":
      return entry(high);
    case "nearest":
      // halves go to the even one, as in NumPy
      return entry(at - low === 0.5 ? (low % 2 === 0 ? low : high) : Math.round(at));
    default:
      throw new ValueError(
        `quantile: there is no method '${String(method)}'; there are linear, lower, higher, nearest, midpoint${hereText()}`,
      );
  }
}

/** How many different elements there are is known only when the kernel runs: this throws, with the way out. */
export function unique(x: TensorLike): never {
  const a = asTensor(x, "unique");
  throw new ShapeError(
    `unique: how many elements of ${showAval(a.aval)} differ is only known when the kernel runs, but every shape is known before\n` +
      `  sort(x) puts equal elements side by side; read them with await x.data() and use new Set(), or count known values with segmentSum${hereText()}`,
  );
}
