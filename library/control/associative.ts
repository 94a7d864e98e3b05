// associativeScan: running totals of any associative operation, in logarithmically many steps.
import { sameAval, showAval } from "../../compiler/core/aval.js";
import { DTypeError, ShapeError, TraceError } from "../../compiler/core/errors.js";
import { flatten, showPath, structureDifference, unflatten } from "../../compiler/core/tree.js";
import * as ops from "../../compiler/ops/index.js";
import { hereText } from "../../compiler/trace/here.js";
import { stage } from "../../compiler/trace/stage.js";
import { Tensor } from "../../compiler/trace/tensor.js";
import {
  callChecked,
  checkFunction,
  checkOptions,
  flattenArgs,
  nameOf,
  resultLeaves,
} from "../../compiler/transforms/call.js";
import { runGraph } from "../../compiler/transforms/run.js";
import type { Arg, Result } from "../../compiler/transforms/types.js";
import { axisOf } from "../numpy/shape.js";

export interface AssociativeScanOptions {
  /** Axis of the elements, in all arrays. Default 0. */
  readonly axis?: number;
  /** Totals from the end. */
  readonly reverse?: boolean;
}

/**
 * Totals of `fn` over the elements along an axis: element i of the result is fn(… fn(fn(x0, x1), x2) …, xi). `fn` must be
 * associative. It is called on trees of arrays that hold many elements along the axis, about 2·log₂(n) times, and gives
 * the combined elements in the same structure, shapes and dtypes.
 */
export function associativeScan<T>(
  fn: (a: Result<T>, b: Result<T>) => Arg<Result<T>>,
  elems: T,
  options: AssociativeScanOptions = {},
): Result<T> {
  const target = checkFunction("associativeScan", fn);
  checkOptions("associativeScan", options, ["axis", "reverse"]);
  const flat = flattenArgs("associativeScan", target, [elems]);
  const { def, paths } = flatten(elems, (x) => x instanceof Tensor || ArrayBuffer.isView(x));
  const what = `associativeScan of ${nameOf(target)}`;
  const types = flat.leaves.map((x) => x.aval);
  const axes = types.map((type) => axisOf(options.axis ?? 0, type.shape.length, "associativeScan", showAval(type)));
  const sizes = types.map((type, i) => type.shape[axes[i]!]!);
  const other = sizes.findIndex((n) => n !== sizes[0]);
  const show = (i: number): string => `${showPath(paths[i]!, "elems")} of type ${showAval(types[i]!)}`;
  if (other > 0)
    throw new ShapeError(
      `${what}: sizes of the axis differ, ${sizes[0]} and ${sizes[other]}\n  ${show(0)}\n  ${show(other)}${hereText()}`,
    );

  const combine = (a: readonly Tensor[], b: readonly Tensor[]): Tensor[] => {
    const result = callChecked(target, [unflatten(def, a), unflatten(def, b)]);
    const { outputs, def: own } = resultLeaves("associativeScan", target, result);
    const found = structureDifference(def, own);
    if (found) {
      throw new TraceError(
        `${what}: the function returns another structure than it is given\n  ${showPath(found.path, "elems")}: ${found.first} in, ${found.second} out${hereText()}`,
      );
    }
    return outputs.map((x, i): Tensor => {
      const wanted = a[i]!.aval;
      if (sameAval(x.aval, wanted)) return x instanceof Tensor ? x : ops.fill(x, []);
      const Wrong = x.aval.dtype === wanted.dtype ? ShapeError : DTypeError;
      throw new Wrong(
        `${what}: the function changes the type of its elements\n  ${showPath(paths[i]!, "elems")}: ${showAval(wanted)} in, ${showAval(x.aval)} out\n  return arrays like those it is given${hereText()}`,
      );
    });
  };
  const each = (xs: readonly Tensor[], change: (x: Tensor, axis: number) => Tensor): Tensor[] =>
    xs.map((x, i) => change(x, axes[i]!));
  const totals = (xs: readonly Tensor[]): Tensor[] => {
    const n = xs[0]!.shape[axes[0]!]!;
    if (n < 2) return [...xs];
    // pairs first; their totals are those at odd places, and what lies between needs one step more
    const evens = each(xs, (x, axis) => part(x, axis, 0, n, 2));
    const pairs = combine(
      each(xs, (x, axis) => part(x, axis, 0, n - 1, 2)),
      each(xs, (x, axis) => part(x, axis, 1, n, 2)),
    );
    const odd = totals(pairs);
    const count = Math.ceil(n / 2) - 1;
    const first = each(evens, (x, axis) => part(x, axis, 0, 1, 1));
    if (count === 0) return first.map((x, i) => ops.concatenate([x, odd[i]!], axes[i]!));
    const between = combine(
      each(odd, (x, axis) => part(x, axis, 0, count, 1)),
      each(evens, (x, axis) => part(x, axis, 1, count + 1, 1)),
    );
    return odd.map((x, i) => interleaved(ops.concatenate([first[i]!, between[i]!], axes[i]!), x, axes[i]!));
  };
  const { graph, captures } = stage(what, types, (leaves) => {
    const turn = (xs: readonly Tensor[]): Tensor[] =>
      options.reverse ? each(xs, (x, axis) => ops.flip(x, [axis])) : [...xs];
    return { outputs: leaves.length === 0 ? [] : turn(totals(turn(leaves))), rest: undefined };
  });
  return unflatten(def, runGraph(graph, [...flat.leaves, ...captures], what)) as Result<T>;
}

/** Entries from, from + step, … below `to` along one axis. */
function part(x: Tensor, along: number, from: number, to: number, step: number): Tensor {
  return ops.slice(x, {
    start: x.shape.map((_, axis) => (axis === along ? from : 0)),
    stop: x.shape.map((n, axis) => (axis === along ? to : n)),
    step: x.shape.map((_, axis) => (axis === along ? step : 1)),
  });
}

/** a0, b0, a1, b1, … along an axis; a may have one entry more. */
function interleaved(a: Tensor, b: Tensor, axis: number): Tensor {
  const n = b.shape[axis]!;
  const pairs = [part(a, axis, 0, n, 1), b].map((x) => ops.expandDims(x, [axis + 1]));
  const shape = a.shape.map((size, i) => (i === axis ? 2 * n : size));
  const even = ops.reshape(ops.concatenate(pairs, axis + 1), shape);
  return a.shape[axis] === n ? even : ops.concatenate([even, part(a, axis, n, n + 1, 1)], axis);
}
