// Collectives: what the lanes of a vmap with an axisName give together.

import { aval, showAval } from "../core/aval.js";
import { LanewiseError, ShapeError } from "../core/errors.js";
import { resolveAxis } from "../core/shape.js";
import { unflatten } from "../core/tree.js";
import { literal } from "../ir/graph.js";
import * as ops from "../ops/index.js";
import { axisSizeOf } from "../trace/axis-names.js";
import { hereText } from "../trace/here.js";
import { type Operand, Tensor } from "../trace/tensor.js";
import { checkOptions, flattenArgs } from "./call.js";
import type { AnyFunction, Result } from "./types.js";

/** Name of an axis, or names of several. */
export type AxisNames = string | readonly string[];

/** The names as a list. Throws `TraceError` for one that no vmap around has. */
function namesOf(user: string, axisName: AxisNames): readonly string[] {
  const names = typeof axisName === "string" ? [axisName] : axisName;
  if (!Array.isArray(names) || names.length === 0)
    throw new LanewiseError(`${user}: ${String(axisName)} given, but the name of an axis or a list of names is wanted`);
  for (const name of names) axisSizeOf(user, name);
  if (new Set(names).size < names.length) {
    throw new LanewiseError(`${user}: an axis is named twice in [${names.join(", ")}]${hereText()}`);
  }
  return names;
}

/** Applies `work` to every leaf. */
function overTree<T>(fn: AnyFunction, tree: T, work: (x: Tensor) => Tensor): Result<T> {
  const flat = flattenArgs(fn.name, fn, [tree]);
  const leaves = flat.leaves.map((x) => work(tensorOf(x)));
  return (unflatten(flat.def, leaves) as [Result<T>])[0];
}

const tensorOf = (x: Operand): Tensor => (x instanceof Tensor ? x : ops.fill(x, []));

const asFloat = (x: Tensor): Tensor => (x.dtype === "f32" ? x : ops.cast(x, "f32"));
const asNumber = (x: Tensor): Tensor => (x.dtype === "bool" ? ops.cast(x, "i32") : x);

/**
 * Sum over the lanes of the vmaps named so, the same in all lanes. Trees of tensors of any shape; bool is counted as
 * i32. Of a value that is the same in all B lanes it is B times that. Throws `TraceError` for a name that no vmap around
 * has.
 */
export function psum<T>(tree: T, axisName: AxisNames): Result<T> {
  const names = namesOf("psum", axisName);
  return overTree(psum, tree, (x) => ops.psum(asNumber(x), names));
}

/** Mean over the lanes of the vmaps named so, as f32; otherwise as `psum`. */
export function pmean<T>(tree: T, axisName: AxisNames): Result<T> {
  const names = namesOf("pmean", axisName);
  const lanes = literal(axisSize(axisName), aval("f32", []));
  return overTree(pmean, tree, (x) => ops.div(ops.psum(asFloat(x), names), lanes));
}

/** Largest value among the lanes of the vmaps named so; NaN if there is one. Lanes that tie share the gradient. */
export function pmax<T>(tree: T, axisName: AxisNames): Result<T> {
  const names = namesOf("pmax", axisName);
  return overTree(pmax, tree, (x) => ops.pmax(asNumber(x), names));
}

/** Smallest value among the lanes of the vmaps named so; NaN if there is one. Lanes that tie share the gradient. */
export function pmin<T>(tree: T, axisName: AxisNames): Result<T> {
  const names = namesOf("pmin", axisName);
  return overTree(pmin, tree, (x) => ops.pmin(asNumber(x), names));
}

export interface AllGatherOptions {
  /** Where the lanes lie in the result; negative ones count from its end. Default 0. */
  readonly axis?: number;
}

/**
 * The values of all lanes, side by side along a new axis of the size of the vmap named so, the same in all lanes. With
 * several names the lanes lie in row-major order along one axis. x: [...shape] gives [B, ...shape] for axis 0. Throws
 * `TraceError` for a name that no vmap around has, `ShapeError` for an axis that the result does not have.
 */
export function allGather<T>(tree: T, axisName: AxisNames, options: AllGatherOptions = {}): Result<T> {
  const names = namesOf("allGather", axisName);
  checkOptions("allGather", options, ["axis"]);
  const { axis = 0 } = options;
  return overTree(allGather, tree, (x) => {
    const at = resolveAxis(axis, x.ndim + 1, "allGather");
    // the last name runs fastest
    return [...names].reverse().reduce((gathered, name, i) => {
      const size = axisSizeOf("allGather", name);
      const wide = ops.allGather(gathered, name, at, size);
      if (i === 0) return wide;
      return ops.reshape(wide, [...x.shape.slice(0, at), size * gathered.shape[at]!, ...x.shape.slice(at)]);
    }, x);
  });
}

export interface PsumScatterOptions {
  /** Axis of x that has an entry for each lane; negative ones count from the end. Default 0. */
  readonly axis?: number;
}

/**
 * Lane i gets the sum, over the lanes of the vmap named so, of their entry i along `axis`, which has as many entries as
 * there are lanes: [B, ...shape] gives [...shape]. The transpose of `allGather`. Throws `TraceError` for a name that no
 * vmap around has, `ShapeError` for an axis of another size.
 */
export function psumScatter<T>(tree: T, axisName: string, options: PsumScatterOptions = {}): Result<T> {
  const size = axisSizeOf("psumScatter", axisName);
  checkOptions("psumScatter", options, ["axis"]);
  const { axis = 0 } = options;
  return overTree(psumScatter, tree, (x) => {
    const at = resolveAxis(axis, x.ndim, "psumScatter");
    if (x.shape[at] !== size) {
      throw new ShapeError(
        `psumScatter: axis ${at} of ${showAval(x.aval)} has size ${x.shape[at]}, but '${axisName}' has ${size} lanes${hereText()}`,
      );
    }
    return ops.psumScatter(asNumber(x), axisName, at, size);
  });
}

/** Number of the lane in the vmap named so, from 0: i32[]. Of several names, that in row-major order. */
export function axisIndex(axisName: AxisNames): Tensor {
  const names = namesOf("axisIndex", axisName);
  return names.map(ops.axisIndex).reduce((index, next, i) => {
    const size = literal(axisSizeOf("axisIndex", names[i]!), aval("i32", []));
    return ops.add(ops.mul(index, size), next);
  });
}

/** Number of lanes of the vmap named so, or the product of several: a JavaScript number. */
export function axisSize(axisName: AxisNames): number {
  return namesOf("axisSize", axisName).reduce((n, name) => n * axisSizeOf("axisSize", name), 1);
}
