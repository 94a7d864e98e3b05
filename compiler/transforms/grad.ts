// grad and its kin: reverse mode as forward mode, partial evaluation and transposition.
import { aval, showAval } from "../core/aval.js";
import { DTypeError, LanewiseError, ShapeError, TraceError } from "../core/errors.js";
import { type Flat, flatten, showPath, type TreeDef, unflatten } from "../core/tree.js";
import { type FrontendOptions, frontendOptionNames, frontendOptions } from "../frontend/choose.js";
import { isWholeNumber } from "../frontend/numbers.js";
import type { Graph } from "../ir/graph.js";
import { literal } from "../ir/graph.js";
import { fill } from "../ops/index.js";
import { hereText } from "../trace/here.js";
import { replay, stage, writeBack } from "../trace/stage.js";
import { Tensor } from "../trace/tensor.js";
import {
  checkFunction,
  checkOptions,
  type FlatArgs,
  type Forwarding,
  flattenArgs,
  isForwarding,
  isLeaf,
  nameAfter,
  nameOf,
  stageCall,
} from "./call.js";
import { jvpGraph } from "./jvp.js";
import { linearize } from "./linearize.js";
import { observeTransform } from "./observe.js";
import { runGraph, zeros } from "./run.js";
import { transposeGraph } from "./transpose.js";
import type { AnyFunction, Gradient, PrimalArgs, Result } from "./types.js";

export interface GradOptions extends FrontendOptions {
  /** Arguments to differentiate by: a position gives one gradient, a list gives as many. Default 0. */
  readonly argnums?: number | readonly number[];
  /** A tree of tensors that `fn` reads from outside: differentiates by them instead of by arguments. */
  readonly wrt?: unknown;
  /** `fn` returns `[value, aux]`; aux is handed through. */
  readonly hasAux?: boolean;
  /** Throws for a value that is no scalar, instead of summing its elements. */
  readonly strict?: boolean;
}

type Chosen<A extends readonly unknown[], N> = N extends number
  ? Gradient<A[N]>
  : N extends readonly number[]
    ? { -readonly [K in keyof N]: Gradient<A[N[K] & number]> }
    : Gradient<A[0]>;

/** Gradients in the structure of the arguments, or of the tree, they are for. */
export type Gradients<A extends readonly unknown[], O> = O extends { readonly wrt: infer W }
  ? Result<W>
  : O extends { readonly argnums: infer N }
    ? Chosen<A, N>
    : Gradient<A[0]>;

/** Positions of the arguments that are differentiated by. */
type Positions<O> = O extends { readonly wrt: unknown }
  ? never
  : O extends { readonly argnums: infer N }
    ? N extends readonly number[]
      ? N[number]
      : N
    : 0;

type GradArgs<A extends readonly unknown[], O> = PrimalArgs<A, Positions<O> & number>;

type Value<R, O> = O extends { readonly hasAux: true }
  ? R extends readonly [infer V, unknown]
    ? Result<V>
    : never
  : Result<R>;
type Aux<R> = R extends readonly [unknown, infer X] ? Result<X> : never;

/** What `grad` returns, with aux beside it if there is one. */
type GradResult<A extends readonly unknown[], R, O> = O extends { readonly hasAux: true }
  ? [Gradients<A, O>, Aux<R>]
  : Gradients<A, O>;

type ValueAndGradResult<A extends readonly unknown[], R, O> = O extends { readonly hasAux: true }
  ? [[Value<R, O>, Aux<R>], Gradients<A, O>]
  : [Value<R, O>, Gradients<A, O>];

/**
 * Gradient of `fn` by its first argument, by those in `argnums`, or by the tensors in `wrt` that it reads from outside, in
 * the structure of the argument or tree. A value that is
 * no scalar is summed: the result is the gradient of the sum of its elements (`strict: true` throws `ShapeError`
 * instead). Throws `DTypeError` for an argument that is not float.
 */
export function grad<A extends unknown[], R, const O extends GradOptions = Record<never, never>>(
  fn: (...args: A) => R,
  options?: O,
): (...args: GradArgs<A, O>) => GradResult<A, R, O>;
export function grad<A extends unknown[], R, const O extends GradOptions = Record<never, never>>(
  module: Forwarding<A, R>,
  options?: O,
): (...args: GradArgs<A, O>) => GradResult<A, R, O>;
export function grad(fn: unknown, options?: GradOptions): (...args: unknown[]) => unknown {
  const target = checkFunction("grad", fn, frontendOptions("grad", options ?? {}));
  const run = differentiator("grad", target, options ?? {});
  const hasAux = options?.hasAux ?? false;
  const made = (...args: unknown[]): unknown => {
    const { value, gradients } = run(args);
    return hasAux ? [gradients, (value as unknown[])[1]] : gradients;
  };
  nameAfter(made, "grad", target);
  return made;
}

/** Value of `fn` and its gradient, `[value, gradient]`; computed together. Options as for `grad`. */
export function valueAndGrad<A extends unknown[], R, const O extends GradOptions = Record<never, never>>(
  fn: (...args: A) => R,
  options?: O,
): (...args: GradArgs<A, O>) => ValueAndGradResult<A, R, O>;
export function valueAndGrad<A extends unknown[], R, const O extends GradOptions = Record<never, never>>(
  module: Forwarding<A, R>,
  options?: O,
): (...args: GradArgs<A, O>) => ValueAndGradResult<A, R, O>;
export function valueAndGrad(fn: unknown, options?: GradOptions): (...args: unknown[]) => unknown {
  const target = checkFunction("valueAndGrad", fn, frontendOptions("valueAndGrad", options ?? {}));
  const run = differentiator("valueAndGrad", target, options ?? {});
  const made = (...args: unknown[]): unknown => {
    const { value, gradients } = run(args);
    return [value, gradients];
  };
  nameAfter(made, "valueAndGrad", target);
  return made;
}

interface Differentiated {
  readonly value: unknown;
  readonly gradients: unknown;
}

const optionNames = ["argnums", "wrt", "hasAux", "strict", ...frontendOptionNames];

function differentiator(
  name: string,
  fn: AnyFunction,
  options: GradOptions,
): (args: readonly unknown[]) => Differentiated {
  checkOptions(name, options, optionNames);
  const { hasAux = false, strict = false } = options;
  if (options.wrt !== undefined && options.argnums !== undefined)
    throw new LanewiseError(`${name} of ${nameOf(fn)}: argnums and wrt are both given\n  choose one of them`);
  const outside = options.wrt === undefined ? undefined : outsideOf(name, fn, options.wrt);
  const argnums = outside ? [] : (options.argnums ?? 0);
  const wanted = typeof argnums === "number" ? [argnums] : argnums;
  for (const i of wanted) {
    if (!Number.isInteger(i) || i < 0)
      throw new LanewiseError(`${name}: argnums has ${String(i)}, but positions from 0 are wanted`);
  }
  return (args) => {
    const missing = wanted.find((i) => i >= args.length);
    if (missing !== undefined) {
      throw new LanewiseError(
        `${name} of ${nameOf(fn)}: argument ${missing} is asked for, but ${args.length} were given${hereText()}`,
      );
    }
    const flat = flattenArgs(name, fn, args);
    const active = flat.leaves.map((_, i) => wanted.includes(flat.position(i)));
    checkFloat(name, fn, flat, active);
    const label = `${name}(${nameOf(fn)})`;
    const outer = outside ? distinct(outside.leaves) : [];
    const staged = stageCall(name, fn, flat, undefined, true, outer);
    checkValue(name, fn, staged.rest, staged.graph, { hasAux, strict });
    const graph = gradGraph(staged.graph, [...active, ...outer.map(() => true), ...staged.captures.map(() => false)]);
    observeTransform({ name: label, transform: "grad", graph });
    const results = runGraph(graph, [...flat.leaves, ...outer, ...staged.captures], label);
    const primals = staged.graph.outputs.length;
    writeBack(staged.writes, results.slice(primals - staged.writes.length, primals), staged.assigned);
    const given = results.slice(primals);
    return {
      value: unflatten(staged.rest, results.slice(0, primals)),
      gradients: outside ? outsideTree(outside, outer, given) : gradientTree(flat, active, given, argnums),
    };
  };
}

/** The tensors of `wrt`. Throws for what has no gradient. */
function outsideOf(name: string, fn: AnyFunction, wrt: unknown): Flat<Tensor> {
  const flat = flatten(wrt, isLeaf);
  flat.leaves.forEach((x, i) => {
    const path = showPath(flat.paths[i]!, "wrt");
    if (!(x instanceof Tensor)) {
      throw new TraceError(
        `${name} of ${nameOf(fn)}: ${path} is ${isForwarding(x) ? `a module ${x.constructor.name}` : typeof x === "object" ? "no tensor" : `a ${typeof x}`}, but tensors that the function reads are wanted\n` +
          `  ${isForwarding(x) ? "give its parameters: wrt: module.parameters()" : "numbers and typed arrays are copied when they are read: make tensors of them first"}${hereText()}`,
      );
    }
    if (x.dtype !== "f32") {
      throw new DTypeError(
        `${name} of ${nameOf(fn)}: ${path} is ${showAval(x.aval)}, and only f32 has a gradient\n  leave it out of wrt${hereText()}`,
      );
    }
  });
  return flat as Flat<Tensor>;
}

/** Two tensors stand for one value. */
const isSame = (x: Tensor, y: Tensor): boolean =>
  x === y || (x.traced !== undefined && x.traced.atom === y.traced?.atom);

const distinct = (list: readonly Tensor[]): Tensor[] =>
  list.filter((x, i) => list.findIndex((y) => isSame(x, y)) === i);

/** Gradients in the structure of `wrt`. A tensor that occurs twice has the same in both places. */
const outsideTree = ({ leaves, def }: Flat<Tensor>, outer: readonly Tensor[], given: readonly Tensor[]): unknown =>
  unflatten(
    def,
    leaves.map((x) => given[outer.findIndex((y) => isSame(x, y))]!),
  );

function checkFloat(name: string, fn: AnyFunction, flat: FlatArgs, active: readonly boolean[]): void {
  flat.leaves.forEach((x, i) => {
    if (active[i] && x.aval.dtype !== "f32") {
      throw new DTypeError(
        `${name} of ${nameOf(fn)}: ${flat.name(i)} is ${showAval(x.aval)}, and only f32 has a gradient\n  cast it with astype("f32"), or leave it out of argnums${hereText()}`,
      );
    }
  });
}

function checkValue(
  name: string,
  fn: AnyFunction,
  def: TreeDef,
  graph: Graph,
  { hasAux, strict }: { readonly hasAux: boolean; readonly strict: boolean },
): void {
  const value = hasAux && def.kind === "array" && def.items.length === 2 ? def.items[0]! : def;
  if (value.kind !== "leaf" || (hasAux && value === def)) {
    throw new TraceError(
      `${name} of ${nameOf(fn)}: the function must return ${hasAux ? "[value, aux]" : "one value"}, but it returns ${def.kind === "array" ? `an array of ${def.items.length}` : `${def.kind === "leaf" ? "one value" : `an ${def.kind}`}`}\n` +
        (hasAux
          ? "  with hasAux, return the value to differentiate and beside it whatever else is wanted"
          : "  return a single tensor, or [value, aux] with hasAux: true") +
        hereText(),
    );
  }
  const result = graph.outputs[0]!;
  const type = result.aval;
  // a plain function may give a count: a JS number as others, which changes in steps
  if (type.dtype !== "f32" && !isWholeNumber(result))
    throw new DTypeError(
      `${name} of ${nameOf(fn)}: the value is ${showAval(type)}, and only f32 has a gradient${hereText()}`,
    );
  if (strict && type.shape.length > 0) {
    throw new ShapeError(
      `${name} of ${nameOf(fn)}: the value is ${showAval(type)}, but a scalar is wanted (strict)\n  sum it, or leave out strict to differentiate the sum of its elements${hereText()}`,
    );
  }
}

/**
 * From a Graph to the Graph that also gives the gradient of the sum of its first output by each active input: its
 * outputs, then the gradients.
 */
export function gradGraph(graph: Graph, active: readonly boolean[]): Graph {
  const primals = graph.outputs.length;
  const forward = jvpGraph(graph, active);
  const types = graph.inputs.map((v) => v.aval);
  const [value] = graph.outputs as [Graph["outputs"][0]];
  if (!forward.active[0]) {
    return stage("grad", types, (args) => {
      const none = graph.inputs.flatMap((v, i) => (active[i] ? [zeros(v.aval)] : []));
      return { outputs: [...replay(graph, args), ...none], rest: undefined };
    }).graph;
  }
  // tangents of what is not differentiated are nobody's business
  const outputs = forward.graph.outputs.slice(0, primals + 1);
  const { known, linear, residuals } = linearize({ ...forward.graph, outputs }, graph.inputs.length, primals);
  const back = transposeGraph(linear, residuals);
  return stage("grad", types, (args) => {
    const values = replay(known, args);
    const ones = fill(literal(1, aval("f32", [])), value.aval.shape);
    const gradients = replay(back, [...values.slice(primals), ones]);
    return { outputs: [...values.slice(0, primals), ...gradients], rest: undefined };
  }).graph;
}

/** Gradients in the structure of the arguments they are for: one, or a list. */
function gradientTree(
  flat: FlatArgs,
  active: readonly boolean[],
  gradients: readonly Tensor[],
  argnums: number | readonly number[],
): unknown {
  let at = 0;
  const perLeaf = flat.leaves.map((_, i) => (active[i] ? gradients[at++] : undefined));
  const args = unflatten(flat.def, perLeaf) as unknown[];
  return typeof argnums === "number" ? args[argnums] : argnums.map((i) => args[i]);
}
