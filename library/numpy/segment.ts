// Counting and adding up by number: one-hot vectors, segments, bins, and places in a sorted vector.
import { aval, showAval } from "../../compiler/core/aval.js";
import { type DType, isInteger } from "../../compiler/core/dtype.js";
import { DTypeError, ShapeError, ValueError } from "../../compiler/core/errors.js";
import { insertAt } from "../../compiler/core/shape.js";
import { literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import type { DTypeOption } from "./create.js";
import { operand, promotedDType, toDType } from "./promote.js";
import { i32 } from "./region.js";
import { asTensor, axisOf } from "./shape.js";

function integers(name: string, what: string, x: TensorLike): Tensor {
  const a = asTensor(x, name);
  if (!isInteger(a.dtype)) {
    throw new DTypeError(
      `${name}: the ${what} are ${showAval(a.aval)}, but i32 or u32 is wanted\n  cast them: astype("i32")${hereText()}`,
    );
  }
  return a;
}

/** A size that the values decide, and which must therefore be given. */
function checkGiven(name: string, what: string, n: number | undefined): asserts n is number {
  if (n === undefined) {
    throw new ValueError(
      `${name}: ${what} is missing: a shape may not depend on values, which are not known yet\n  give the number of entries that the result shall have${hereText()}`,
    );
  }
  if (!Number.isInteger(n) || n < 0)
    throw new ValueError(`${name}: ${what} ${n} is not a whole number ≥ 0${hereText()}`);
}

/** Along a new axis of size `depth`, last unless `axis` says otherwise: 1 at the index, 0 elsewhere. */
export function oneHot(
  indices: TensorLike,
  depth: number,
  { axis = -1, dtype = "f32" }: DTypeOption & { readonly axis?: number } = {},
): Tensor {
  checkGiven("oneHot", "depth", depth);
  const index = integers("oneHot", "indices", indices);
  const rank = index.ndim + 1;
  const at = axisOf(axis, rank, "oneHot", `a result of rank ${rank}`);
  const shape = insertAt(index.shape, at, depth);
  const own = index.shape.map((_, k) => (k < at ? k : k + 1));
  const isIt = ops.eq(ops.broadcast(index, shape, own), ops.iota(index.dtype, shape, at));
  return dtype === "bool" ? isIt : ops.cast(isIt, dtype);
}

const lowest: Record<Exclude<DType, "bool">, number> = { f32: -Infinity, i32: -2147483648, u32: 0 };
const highest: Record<Exclude<DType, "bool">, number> = { f32: Infinity, i32: 2147483647, u32: 4294967295 };

type Segments = (data: TensorLike, segmentIds: TensorLike, numSegments: number) => Tensor;

function segments(
  name: string,
  combine: "add" | "mul" | "min" | "max",
  empty: (dtype: Exclude<DType, "bool">) => number,
): Segments {
  return (data, segmentIds, numSegments) => {
    checkGiven(name, "numSegments", numSegments);
    const ids = integers(name, "segment ids", segmentIds);
    const given = asTensor(data, name);
    const x = given.dtype === "bool" ? ops.cast(given, "i32") : given;
    if (x.ndim < ids.ndim || ids.shape.some((n, axis) => n !== x.shape[axis])) {
      throw new ShapeError(
        `${name}: the segment ids are ${showAval(ids.aval)}, but the leading axes of ${showAval(x.aval)} are wanted${hereText()}`,
      );
    }
    const rest = x.shape.slice(ids.ndim);
    const start = literal(empty(x.dtype as Exclude<DType, "bool">), aval(x.dtype, []));
    return ops.scatter(ops.fill(start, [numSegments, ...rest]), [ids], x, {
      axes: [0],
      batch: 0,
      mode: "drop",
      combine,
    });
  };
}

/**
 * Sums of the entries of `data` that have one id, for each id below `numSegments`. Ids stand for the leading axes of
 * `data`; entries whose id is out of range are left out. Sums are taken in the order of the entries.
 */
export const segmentSum = segments("segmentSum", "add", () => 0);

/** Products of the entries that have one id, as `segmentSum`; 1 where there is none. */
export const segmentProd = segments("segmentProd", "mul", () => 1);

/** The largest of the entries that have one id, as `segmentSum`; −∞, or the lowest integer, where there is none. */
export const segmentMax = segments("segmentMax", "max", (dtype) => lowest[dtype]);

/** The smallest of the entries that have one id, as `segmentSum`; ∞, or the largest integer, where there is none. */
export const segmentMin = segments("segmentMin", "min", (dtype) => highest[dtype]);

export interface BincountOptions {
  /** Number of bins. It must be given: a shape may not depend on values. */
  readonly length: number;
  /** What each entry counts for; 1 without it. */
  readonly weights?: TensorLike;
}

/** How often each number below `length` occurs in the vector x, i32; with weights, what they add up to, f32. */
export function bincount(x: TensorLike, options: BincountOptions): Tensor {
  for (const key of Object.keys(options ?? {})) {
    if (key !== "length" && key !== "weights")
      throw new ValueError(`bincount: there is no option '${key}'; there are length, weights${hereText()}`);
  }
  const length: number | undefined = options?.length;
  checkGiven("bincount", "length", length);
  const a = integers("bincount", "entries", x);
  if (a.ndim !== 1) throw new ShapeError(`bincount: ${showAval(a.aval)} given, but a vector is wanted${hereText()}`);
  if (options.weights === undefined) return segmentSum(ops.fill(i32(1), a.shape), a, length);
  const weights = asTensor(options.weights, "bincount");
  if (weights.ndim !== 1 || weights.size !== a.size) {
    throw new ShapeError(
      `bincount: the weights are ${showAval(weights.aval)}, but one for each entry of ${showAval(a.aval)} is wanted${hereText()}`,
    );
  }
  return segmentSum(weights.dtype === "f32" ? weights : ops.cast(weights, "f32"), a, length);
}

/** "left" finds the first place that keeps the order, "right" the last one. */
export interface SearchsortedOptions {
  readonly side?: "left" | "right";
}

/**
 * Places at which `values` would stand in the rising vector `sorted`, i32, of the shape of `values`. NaN stands last.
 */
export function searchsorted(
  sorted: TensorLike,
  values: TensorLike,
  { side = "left", ...rest }: SearchsortedOptions = {},
): Tensor {
  for (const key of Object.keys(rest))
    throw new ValueError(`searchsorted: there is no option '${key}'; there is side${hereText()}`);
  if (side !== "left" && side !== "right")
    throw new ValueError(`searchsorted: there is no side '${String(side)}'; there are left, right${hereText()}`);
  const list = asTensor(sorted, "searchsorted");
  if (list.ndim !== 1)
    throw new ShapeError(`searchsorted: ${showAval(list.aval)} given, but a sorted vector is wanted${hereText()}`);
  const given = operand(values, "searchsorted");
  const dtype = promotedDType([list, given], "u32");
  const [rows, wanted] = [list, given].map((x) => toDType(x, dtype, "searchsorted"));
  return ops.searchsorted(rows!, wanted!, { batch: 0, side });
}
