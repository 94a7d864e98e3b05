// jvp and vjp: a function's value with a tangent pushed forward, or with the way back for cotangents.
import { type Aval, sameAval, showAval } from "../core/aval.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import { flatten, showPath, showTree, type TreeDef, unflatten } from "../core/tree.js";
import { argument, isTensorLike } from "../trace/create.js";
import { hereText } from "../trace/here.js";
import type { Staged } from "../trace/stage.js";
import type { Operand } from "../trace/tensor.js";
import {
  type AnyFunction,
  type Arg,
  type Args,
  checkFunction,
  type FlatArgs,
  flattenArgs,
  isLeaf,
  nameOf,
  type Result,
  stageCall,
} from "./call.js";
import { jvpGraph } from "./jvp.js";
import { linearize } from "./linearize.js";
import { observeTransform } from "./observe.js";
import { runGraph, zeros } from "./run.js";
import { transposeGraph } from "./transpose.js";

/**
 * `[f(x), ∂f(x)·dx]`: the value at `primals` and its tangent in the direction `tangents`, which have the structure,
 * shapes and dtypes of the primals. Integer and bool arguments have no tangent: theirs are not looked at. Throws
 * `ShapeError` or `DTypeError` for a tangent that does not fit.
 */
export function jvp<A extends unknown[], R>(
  fn: (...args: A) => R,
  primals: Args<A>,
  tangents: Args<A>,
): [Result<R>, Result<R>] {
  const { target, flat, staged, active } = prepare("jvp", fn, primals);
  const moves = leavesLike(
    "jvp",
    target,
    "tangent",
    tangents,
    flat.def,
    flat.leaves.map((x) => x.aval),
  );
  const forward = jvpGraph(staged.graph, active);
  observeTransform({ name: `jvp(${nameOf(target)})`, transform: "jvp", graph: forward.graph });
  const operands = [...flat.leaves, ...staged.captures, ...moves.filter((_, i) => active[i])];
  const results = runGraph(forward.graph, operands, `jvp(${nameOf(target)})`);
  const count = staged.graph.outputs.length;
  let at = count;
  const out = forward.active.map((isActive, i) => (isActive ? results[at++]! : zeros(staged.graph.outputs[i]!.aval)));
  return [unflatten(staged.rest, results.slice(0, count)), unflatten(staged.rest, out)] as [Result<R>, Result<R>];
}

/**
 * `[f(x), back]`: the value at `primals`, and the function that takes a cotangent in the structure of the result to
 * cotangents of all arguments, as an array. Cotangents of integer and bool arguments are zeros. What `back` needs is
 * computed once, together with the value.
 */
export function vjp<A extends unknown[], R>(
  fn: (...args: A) => R,
  ...primals: Args<A>
): [Result<R>, (ct: Arg<Result<R>>) => { -readonly [K in keyof A]: Result<A[K]> }] {
  const { target, flat, staged, active } = prepare("vjp", fn, primals);
  const name = `vjp(${nameOf(target)})`;
  const count = staged.graph.outputs.length;
  const forward = jvpGraph(staged.graph, active);
  const { known, linear, residuals } = linearize(forward.graph, staged.graph.inputs.length, count);
  const back = transposeGraph(linear, residuals);
  observeTransform({ name, transform: "vjp", graph: back });
  const values = runGraph(known, [...flat.leaves, ...staged.captures], name);
  const kept = values.slice(count);
  const types = staged.graph.outputs.map((x) => x.aval);
  const pull = (ct: unknown): unknown => {
    const leaves = leavesLike("vjp", target, "cotangent", ct, staged.rest, types);
    const used = leaves.filter((_, i) => forward.active[i]);
    const cotangents = runGraph(back, [...kept, ...used], name);
    let at = 0;
    return unflatten(
      flat.def,
      flat.leaves.map((x, i) => (active[i] ? cotangents[at++]! : zeros(x.aval))),
    );
  };
  return [unflatten(staged.rest, values.slice(0, count)), pull] as never;
}

interface Prepared {
  readonly target: AnyFunction;
  readonly flat: FlatArgs;
  readonly staged: Staged<TreeDef>;
  /** Which inputs of the Graph are float arguments. */
  readonly active: readonly boolean[];
}

function prepare(name: string, fn: unknown, primals: readonly unknown[]): Prepared {
  const target = checkFunction(name, fn);
  const flat = flattenArgs(name, target, primals);
  const staged = stageCall(name, target, flat);
  const active = staged.graph.inputs.map((v, i) => i < flat.leaves.length && v.aval.dtype === "f32");
  return { target, flat, staged, active };
}

/** Leaves of a tree that has the structure `def` and leaves of these types. */
function leavesLike(
  name: string,
  fn: AnyFunction,
  what: string,
  tree: unknown,
  def: TreeDef,
  types: readonly Aval[],
): Operand[] {
  const flat = flatten(tree, isLeaf);
  if (showTree(flat.def) !== showTree(def)) {
    throw new ShapeError(
      `${name} of ${nameOf(fn)}: the ${what} has structure ${showTree(flat.def)}, but ${showTree(def)} is wanted${hereText()}`,
    );
  }
  return flat.leaves.map((x, i): Operand => {
    const place = `${what}${showPath(flat.paths[i]!) === "" ? "" : ` at ${showPath(flat.paths[i]!)}`}`;
    if (!isTensorLike(x))
      throw new DTypeError(`${name} of ${nameOf(fn)}: the ${place} is no tensor and no number${hereText()}`);
    const leaf = argument(x);
    const type = types[i]!;
    if (type.dtype !== "f32" || sameAval(leaf.aval, type)) return leaf;
    const Wrong = leaf.aval.dtype === type.dtype ? ShapeError : DTypeError;
    throw new Wrong(
      `${name} of ${nameOf(fn)}: the ${place} is ${showAval(leaf.aval)}, but ${showAval(type)} is wanted${hereText()}`,
    );
  });
}
