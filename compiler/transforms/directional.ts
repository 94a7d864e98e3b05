// jvp, linearize and vjp: a function's value with a tangent pushed forward, or with the way back for cotangents.
import type { Aval } from "../core/aval.js";
import { LanewiseError, TraceError } from "../core/errors.js";
import { countLeaves, showTree, type TreeDef, unflatten } from "../core/tree.js";
import { type FrontendOptions, frontendOptionNames, frontendOptions } from "../frontend/choose.js";
import { checkForward } from "../ops/index.js";
import { hereText } from "../trace/here.js";
import type { Staged } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { checkFunction, checkOptions, type FlatArgs, flattenArgs, leavesLike, nameOf, stageCall } from "./call.js";
import { type JvpGraph, jvpGraph } from "./jvp.js";
import { linearize as takeApart } from "./linearize.js";
import { observeTransform } from "./observe.js";
import { runGraph, zeros } from "./run.js";
import { transposeGraph } from "./transpose.js";
import type { Arg, Args, Gradient, PrimalArgs, Result } from "./types.js";

export interface JvpOptions extends FrontendOptions {
  /** `fn` returns `[value, aux]`; aux has no tangent and comes third. */
  readonly hasAux?: boolean;
}

type Value<R, O> = O extends { readonly hasAux: true }
  ? R extends readonly [infer V, unknown]
    ? Result<V>
    : never
  : Result<R>;

type Aux<R> = R extends readonly [unknown, infer X] ? Result<X> : never;

/** Value and tangent, and aux if there is one. */
type JvpResult<R, O> = O extends { readonly hasAux: true }
  ? [Value<R, O>, Value<R, O>, Aux<R>]
  : [Result<R>, Result<R>];

/**
 * `[f(x), ∂f(x)·dx]`: the value at `primals` and its tangent in the direction `tangents`, which have the structure,
 * shapes and dtypes of the primals. Integer and bool arguments have no tangent: theirs are not looked at. With
 * `hasAux`, `[value, tangent, aux]`. Throws `ShapeError` or `DTypeError` for a tangent that does not fit.
 */
export function jvp<A extends unknown[], R, const O extends JvpOptions = Record<never, never>>(
  fn: (...args: A) => R,
  primals: Args<A>,
  tangents: Args<A>,
  options?: O,
): JvpResult<R, O> {
  checkOptions("jvp", options ?? {}, ["hasAux", ...frontendOptionNames]);
  const target = checkFunction("jvp", fn, frontendOptions("jvp", options ?? {}));
  // a tensor would be taken apart into its entries
  if (!Array.isArray(primals) || !Array.isArray(tangents)) {
    throw new LanewiseError(
      `jvp of ${nameOf(target)}: arguments and tangents are wanted as two arrays: jvp(fn, [x], [dx])${hereText()}`,
    );
  }
  const prepared = prepare("jvp", target, primals, options?.hasAux ?? false);
  const { name, flat, staged } = prepared;
  const moves = tangentLeaves(prepared, tangents);
  const forward = valueTangents(prepared);
  checkForward(name, forward.graph);
  observeTransform({ name, transform: "jvp", graph: forward.graph });
  const results = runGraph(forward.graph, [...flat.leaves, ...staged.captures, ...moves], name);
  const count = staged.graph.outputs.length;
  const out = tangentTree(prepared, forward, results.slice(count));
  const tree = unflatten(staged.rest, results.slice(0, count));
  if (!options?.hasAux) return [tree, out] as JvpResult<R, O>;
  const [first, aux] = tree as [unknown, unknown];
  return [first, out, aux] as JvpResult<R, O>;
}

/** Cotangents, or tangents, of all arguments. */
type PerArgument<A extends readonly unknown[]> = { -readonly [K in keyof A]: Gradient<A[K]> };

/**
 * `[f(x), push]`: the value at `primals`, and the linear function that takes a tangent for each argument to the tangent
 * of the value. What it needs of `fn` is computed once, together with the value; call it as often as you like, also
 * under `vmap` and `jit`. Tangents of integer and bool arguments are not looked at.
 */
export function linearize<A extends unknown[], R>(
  fn: (...args: A) => R,
  ...primals: Args<A>
): [Result<R>, (...tangents: Args<A>) => Result<R>] {
  const prepared = prepare("linearize", fn, primals, false);
  const { name, flat, staged } = prepared;
  const count = staged.graph.outputs.length;
  const forward = valueTangents(prepared);
  checkForward(name, forward.graph);
  const { known, linear } = takeApart(forward.graph, staged.graph.inputs.length, count);
  observeTransform({ name, transform: "linearize", graph: linear });
  const values = runGraph(known, [...flat.leaves, ...staged.captures], name);
  const kept = values.slice(count);
  const push = (...tangents: unknown[]): unknown => {
    const moves = tangentLeaves(prepared, tangents);
    return tangentTree(prepared, forward, runGraph(linear, [...kept, ...moves], name));
  };
  return [unflatten(staged.rest, values.slice(0, count)), push] as never;
}

/**
 * `[f(x), back]`: the value at `primals`, and the function that takes a cotangent in the structure of the result to
 * cotangents of all arguments, as an array. Cotangents of integer and bool arguments are zeros. What `back` needs is
 * computed once, together with the value.
 */
export function vjp<A extends unknown[], R>(
  fn: (...args: A) => R,
  ...primals: PrimalArgs<A>
): [Result<R>, (ct: Arg<Result<R>>) => PerArgument<A>] {
  const { tree, back } = pullback("vjp", fn, primals, false);
  return [tree, back] as never;
}

/** As `vjp`, of a function that returns `[value, aux]`: `[value, back, aux]`, where aux has no cotangent. */
export function vjpWithAux<A extends unknown[], V, X>(
  fn: (...args: A) => readonly [V, X],
  ...primals: PrimalArgs<A>
): [Result<V>, (ct: Arg<Result<V>>) => PerArgument<A>, Result<X>] {
  const { tree, back } = pullback("vjpWithAux", fn, primals, true);
  const [value, aux] = tree as [unknown, unknown];
  return [value, back, aux] as never;
}

function pullback(transform: string, fn: unknown, primals: readonly unknown[], hasAux: boolean) {
  const prepared = prepare(transform, fn, primals, hasAux);
  const { name, label, flat, staged, active, value, types } = prepared;
  const count = staged.graph.outputs.length;
  const forward = valueTangents(prepared);
  const { known, linear, residuals } = takeApart(forward.graph, staged.graph.inputs.length, count);
  const backward = transposeGraph(linear, residuals);
  observeTransform({ name, transform, graph: backward });
  const values = runGraph(known, [...flat.leaves, ...staged.captures], name);
  const kept = values.slice(count);
  const back = (ct: unknown): unknown => {
    const leaves = leavesLike(label, "cotangent", ct, value, types);
    const used = leaves.filter((_, i) => forward.active[i]);
    const cotangents = runGraph(backward, [...kept, ...used], name);
    let at = 0;
    return unflatten(
      flat.def,
      flat.leaves.map((x, i) => (active[i] ? cotangents[at++]! : zeros(x.aval))),
    );
  };
  return { tree: unflatten(staged.rest, values.slice(0, count)), back };
}

interface Prepared {
  /** `jvp(f)`. */
  readonly name: string;
  /** `jvp of f`, for messages. */
  readonly label: string;
  readonly flat: FlatArgs;
  readonly staged: Staged<TreeDef>;
  /** Which inputs of the Graph are float arguments. */
  readonly active: readonly boolean[];
  /** Structure of the value, and the types of its leaves: they are the first outputs of the Graph. */
  readonly value: TreeDef;
  readonly types: readonly Aval[];
}

function prepare(transform: string, fn: unknown, primals: readonly unknown[], hasAux: boolean): Prepared {
  const target = checkFunction(transform, fn);
  const label = `${transform} of ${nameOf(target)}`;
  const flat = flattenArgs(transform, target, primals);
  const staged = stageCall(transform, target, flat);
  const active = staged.graph.inputs.map((v, i) => i < flat.leaves.length && v.aval.dtype === "f32");
  const value = hasAux ? valueBesideAux(label, staged.rest) : staged.rest;
  const types = staged.graph.outputs.slice(0, countLeaves(value)).map((x) => x.aval);
  return { name: `${transform}(${nameOf(target)})`, label, flat, staged, active, value, types };
}

function valueBesideAux(label: string, def: TreeDef): TreeDef {
  if (def.kind === "array" && def.items.length === 2) return def.items[0]!;
  throw new TraceError(
    `${label}: the function must return [value, aux], but the structure of its result is ${showTree(def)}${hereText()}`,
  );
}

/** The Graph of all results and of the tangents of the value's; `active` says which of these there are. */
function valueTangents({ staged, active, types }: Prepared): JvpGraph {
  const { graph, active: there } = jvpGraph(staged.graph, active);
  const ofValue = there.slice(0, types.length);
  const count = staged.graph.outputs.length + ofValue.filter((isThere) => isThere).length;
  return { graph: { ...graph, outputs: graph.outputs.slice(0, count) }, active: ofValue };
}

/** Tangents of the arguments that have one. */
const tangentLeaves = ({ label, flat, active }: Prepared, tangents: readonly unknown[]): Operand[] => {
  const types = flat.leaves.map((x) => x.aval);
  return leavesLike(label, "tangent", tangents, flat.def, types).filter((_, i) => active[i]);
};

/** Tangents in the structure of the value; zeros where there are none. */
function tangentTree({ value, types }: Prepared, { active }: JvpGraph, tangents: readonly Tensor[]): unknown {
  let at = 0;
  return unflatten(
    value,
    types.map((type, i) => (active[i] ? tangents[at++]! : zeros(type))),
  );
}
