// vmap: a function written for one example, mapped over a batch.
import { showAval } from "../core/aval.js";
import { LanewiseError, ShapeError } from "../core/errors.js";
import { broadcastPrefix, PrefixError, showPath, type TreeDef } from "../core/tree.js";
import { type FrontendOptions, frontendOptionNames, frontendOptions } from "../frontend/choose.js";
import { hereText } from "../trace/here.js";
import type { Tensor } from "../trace/tensor.js";
import { type Lanes, type OutAxis, vmapCall } from "./batch.js";
import { callTraced, checkFunction, type FlatArgs, type Forwarding, flattenArgs, nameAfter, nameOf } from "./call.js";
import { ensembleCall } from "./ensemble.js";
import type { AnyFunction, Args, Axes, AxesOf, Fitting, InAxes, InAxesOf, Result } from "./types.js";

export interface VmapOptions<I = InAxes, O = Axes> extends FrontendOptions {
  /** Batch axes of the arguments. Default 0. */
  readonly inAxes?: I;
  /** Where results get their batch axis; a tree prefix of the result. Default 0. */
  readonly outAxes?: O;
  /** Number of lanes; needed when every `inAxes` is null. */
  readonly axisSize?: number;
  /**
   * Number of lanes that are computed at a time, one chunk after the other, for calls that need too much memory
   * otherwise; the last chunk may be smaller. Default: all at once.
   */
  readonly chunkSize?: number;
  /** Name that `psum` and the other collectives in `fn` know the batch axis by. */
  readonly axisName?: string;
}

/**
 * Maps `fn` over a batch: `vmap(fn)(xs)` gives what a loop over the entries of `xs` and a stack of the results would,
 * as one batched computation. `inAxes` and `outAxes` may be given as arguments or as options.
 *
 * `fn` may be a module, or an array of modules that are alike but for their numbers and parameters: then each lane is one of
 * them, and mapped axes are as long as the array.
 *
 * Throws `ShapeError` when sizes of mapped axes differ or an axis does not exist; errors inside `fn` speak of the
 * shapes of one example.
 */
export function vmap<A extends unknown[], R>(
  fn: (...args: A) => R,
  inAxes?: Mapping<A, R>,
  outAxes?: NoInfer<AxesOf<R>>,
): (...args: Args<A>) => Result<R>;
export function vmap<A extends unknown[], R>(
  model: Forwarding<A, R> | Models<A, R>,
  inAxes?: Mapping<A, R>,
  outAxes?: NoInfer<AxesOf<R>>,
): (...args: Args<A>) => Result<R>;
// axes that are only known when the program runs, and trees of axes for generic functions
export function vmap<F extends Mappable, const I extends InAxes | VmapOptions, const O extends Axes = 0>(
  fn: F,
  inAxes: Open<I, ArgsOf<F>, ResultOf<F>>,
  ...outAxes: [] | [O & Fitting<O, AxesOf<ResultOf<F>>>]
): (...args: Args<ArgsOf<F>>) => Result<ResultOf<F>>;
export function vmap(fn: unknown, inAxes?: InAxes | VmapOptions, outAxes?: Axes): (...args: unknown[]) => unknown {
  const options = readOptions(inAxes, outAxes);
  const models = modelsIn(fn);
  if (models) return vmapModels(models, options);
  const target = checkFunction("vmap", fn, options.frontend);
  const mapped = (...args: unknown[]): unknown => {
    const flat = flattenArgs("vmap", target, args);
    const lanes = lanesOf(target, flat, args.length, options);
    return vmapCall(
      `vmap(${nameOf(target)})`,
      flat.leaves,
      lanes,
      (leaves: Tensor[]) => callTraced("vmap", target, { def: flat.def }, leaves),
      (def) => outAxesFor(target, def, options.outAxes),
      options.axisName,
    );
  };
  nameAfter(mapped, "vmap", target);
  return mapped;
}

/** What the second argument of `vmap` may be for a function of arguments A and result R. */
type Mapping<A extends readonly unknown[], R> = NoInfer<InAxesOf<A> | VmapOptions<InAxesOf<A>, AxesOf<R>>>;

// biome-ignore lint/suspicious/noExplicitAny: modules of any arguments, as in AnyFunction
type AnyArgs = any[];
type Mappable = AnyFunction | Forwarding<AnyArgs> | Models<AnyArgs, unknown>;
type FunctionOf<F> =
  F extends Models<AnyArgs, unknown>
    ? F extends readonly (infer M)[]
      ? FunctionOf<M>
      : F extends { readonly items: readonly (infer M)[] }
        ? FunctionOf<M>
        : never
    : F extends Forwarding<AnyArgs>
      ? F["forward"]
      : F;
type ArgsOf<F> = FunctionOf<F> extends (...args: infer A) => unknown ? A : never;
type ResultOf<F> = FunctionOf<F> extends (...args: never[]) => infer R ? R : never;

/** The second argument, of type I, where it may fit; an option that there is not is refused here too. */
type Open<I, A extends readonly unknown[], R> = [I] extends [InAxes]
  ? I & Fitting<I, InAxesOf<A>>
  : I extends number | null | readonly unknown[]
    ? never
    : I extends VmapOptions<infer J, infer O>
      ? [keyof I] extends [keyof VmapOptions]
        ? I & VmapOptions<Fitting<J, InAxesOf<A>>, Fitting<O, AxesOf<R>>>
        : never
      : never;

/** Modules that are alike: an array of them, or a module that is a list. */
export type Models<A extends readonly unknown[], R> =
  | readonly Forwarding<A, R>[]
  | { readonly items: readonly Forwarding<A, R>[] };

function modelsIn(fn: unknown): readonly unknown[] | undefined {
  const list = Array.isArray(fn) ? fn : isModuleList(fn) ? fn.items : undefined;
  if (list?.length === 0)
    throw new LanewiseError("vmap: an empty list of models was given\n  an ensemble has one model at least");
  return list;
}

const isModuleList = (x: unknown): x is { readonly items: readonly unknown[] } =>
  typeof x === "object" && x !== null && "isModuleList" in x && "items" in x;

/** Each of `models` in its own lane. */
function vmapModels(models: readonly unknown[], options: ReadOptions): (...args: unknown[]) => unknown {
  const count = models.length;
  const functions = models.map((model) => checkFunction("vmap", model, options.frontend));
  const [first] = functions as [AnyFunction];
  if (options.chunkSize !== undefined || options.axisName !== undefined)
    throw new LanewiseError("vmap of models: chunkSize and axisName are not for ensembles");
  if (options.axisSize !== undefined && options.axisSize !== count)
    throw new ShapeError(`vmap: axisSize is ${options.axisSize}, but there are ${count} models`);
  const mapped = (...args: unknown[]): unknown => {
    const flat = flattenArgs("vmap", first, args);
    const { axes, size } = lanesOf(first, flat, args.length, { ...options, axisSize: undefined }, count);
    if (size !== count) {
      throw new ShapeError(
        `vmap of ${count} models: the mapped axes have size ${size}, but each model needs one entry\n  map an axis of size ${count}, or give inAxes: null to show all models the same${hereText()}`,
      );
    }
    return ensembleCall(
      {
        name: `vmap([${nameOf(first)} × ${count}])`,
        list: models as readonly object[],
        call: (k, leaves) => callTraced("vmap", functions[k]!, { def: flat.def }, leaves),
      },
      flat.leaves,
      { axes, size },
      (def) => outAxesFor(first, def, options.outAxes),
    );
  };
  nameAfter(mapped, "vmap", first, functions.slice(1));
  return mapped;
}

interface ReadOptions {
  readonly inAxes: InAxes;
  readonly outAxes: Axes;
  readonly axisSize: number | undefined;
  readonly chunkSize: number | undefined;
  readonly axisName: string | undefined;
  readonly frontend?: FrontendOptions | undefined;
}

const optionNames = ["inAxes", "outAxes", "axisSize", "axisName", "chunkSize", ...frontendOptionNames];

/** An object in the second place is always options. */
function readOptions(second: InAxes | VmapOptions | undefined, outAxes: Axes | undefined): ReadOptions {
  const isOptions = typeof second === "object" && second !== null && !Array.isArray(second);
  if (!isOptions)
    return {
      inAxes: second === undefined ? 0 : (second as InAxes),
      outAxes: outAxes === undefined ? 0 : outAxes,
      axisSize: undefined,
      chunkSize: undefined,
      axisName: undefined,
    };
  const options = second as VmapOptions;
  for (const key of Object.keys(options)) {
    if (!optionNames.includes(key)) {
      throw new LanewiseError(
        `vmap: there is no option '${key}'; there are ${optionNames.join(", ")}\n  axes of an argument that is an object are given inside the array: inAxes: [{ ${key}: … }]`,
      );
    }
  }
  if (outAxes !== undefined) throw new LanewiseError("vmap: outAxes is given twice, in the options and as an argument");
  const { axisSize, axisName, chunkSize } = options;
  if (axisSize !== undefined && (!Number.isSafeInteger(axisSize) || axisSize < 0)) {
    throw new ShapeError(`vmap: axisSize ${String(axisSize)} is not a whole number ≥ 0`);
  }
  if (chunkSize !== undefined && (!Number.isSafeInteger(chunkSize) || chunkSize < 1)) {
    throw new ShapeError(`vmap: chunkSize ${String(chunkSize)} is not a whole number ≥ 1`);
  }
  if (axisName !== undefined && typeof axisName !== "string") {
    throw new LanewiseError(`vmap: axisName ${String(axisName)} is no string`);
  }
  if (axisName !== undefined && chunkSize !== undefined) {
    throw new LanewiseError(
      `vmap: axisName '${axisName}' and chunkSize ${chunkSize} are both given, but collectives need all lanes at once\n  leave out one of them`,
    );
  }
  return {
    inAxes: options.inAxes === undefined ? 0 : options.inAxes,
    outAxes: options.outAxes === undefined ? 0 : options.outAxes,
    axisSize,
    chunkSize,
    axisName,
    frontend: frontendOptions("vmap", options),
  };
}

/** One batch axis per leaf, counted from the front, and the number of lanes. */
function lanesOf(fn: AnyFunction, flat: FlatArgs, count: number, options: ReadOptions, unmapped?: number): Lanes {
  const { inAxes, axisSize } = options;
  if (Array.isArray(inAxes) && inAxes.length !== count) {
    throw new ShapeError(
      `vmap of ${nameOf(fn)}: inAxes has ${inAxes.length} entries for ${count} arguments\n  give one entry per argument, or a single number for all${hereText()}`,
    );
  }
  const perLeaf = prefixFor(inAxes, flat.def, "inAxes", fn);
  const axes = flat.leaves.map((x, i): number | null => {
    const axis = perLeaf[i];
    if (axis === null) return null;
    checkAxis(axis, "inAxes", flat.name(i));
    const rank = x.aval.shape.length;
    if (axis >= rank || axis < -rank) {
      const valid = rank === 0 ? "a scalar has no axes to map: use null for it" : `valid ${-rank}..${rank - 1}`;
      throw new ShapeError(
        `vmap of ${nameOf(fn)}: inAxes of ${flat.name(i)}: axis ${axis} is out of range for ${showAval(x.aval)}, ${valid}${hereText()}`,
      );
    }
    return axis < 0 ? axis + rank : axis;
  });
  if (unmapped !== undefined && axes.every((axis) => axis === null)) return { axes, size: unmapped };
  return { axes, size: laneCount(fn, flat, axes, axisSize), chunk: options.chunkSize };
}

function checkAxis(axis: unknown, what: string, of: string): asserts axis is number {
  if (typeof axis === "number" && Number.isInteger(axis)) return;
  const seen = typeof axis === "string" ? JSON.stringify(axis) : String(axis);
  throw new ShapeError(`vmap: ${what} of ${of} is ${seen}, but an integer or null is wanted${hereText()}`);
}

function prefixFor(axes: Axes, def: TreeDef, what: string, fn: AnyFunction): unknown[] {
  try {
    return broadcastPrefix(axes, def);
  } catch (error) {
    if (!(error instanceof PrefixError)) throw error;
    throw new ShapeError(
      `vmap of ${nameOf(fn)}: ${what} has the wrong structure at ${showPath(error.path, what)}: it is ${error.seen}, but ${error.wanted}${hereText()}`,
    );
  }
}

function laneCount(
  fn: AnyFunction,
  flat: FlatArgs,
  axes: readonly (number | null)[],
  axisSize: number | undefined,
): number {
  const mapped = axes.flatMap((axis, i) =>
    axis === null ? [] : [{ axis, i, size: flat.leaves[i]!.aval.shape[axis]! }],
  );
  if (mapped.length === 0) {
    if (axisSize !== undefined) return axisSize;
    throw new ShapeError(
      `vmap of ${nameOf(fn)}: no argument is mapped (every inAxes is null), so the number of lanes is unknown\n  map at least one argument, or give axisSize${hereText()}`,
    );
  }
  const bySize = new Map<number, typeof mapped>();
  for (const entry of mapped) bySize.set(entry.size, [...(bySize.get(entry.size) ?? []), entry]);
  const place = ({ axis, i }: (typeof mapped)[0]): string =>
    `axis ${axis} of ${/^arguments\[/.test(flat.name(i)) ? "" : "argument "}${flat.name(i)} of type ${showAval(flat.leaves[i]!.aval)}`;
  if (bySize.size > 1) {
    const [most, ...others] = [...bySize].sort(([, a], [, b]) => b.length - a.length) as [
      [number, typeof mapped],
      ...[number, typeof mapped][],
    ];
    const lines = others.map(([size, list]) =>
      list.length === 1
        ? `one axis had size ${size}: ${place(list[0]!)}`
        : `some axes (${list.length} of them) had size ${size}, e.g. ${place(list[0]!)}`,
    );
    const first =
      most[1].length === 1
        ? `one axis had size ${most[0]}: ${place(most[1][0]!)}`
        : `most axes (${most[1].length} of them) had size ${most[0]}, e.g. ${place(most[1][0]!)}`;
    throw new ShapeError(
      `vmap of ${nameOf(fn)}: sizes of the mapped axes differ:\n  ${[first, ...lines].join(";\n  ")}${hereText()}`,
    );
  }
  const size = mapped[0]!.size;
  if (axisSize !== undefined && axisSize !== size) {
    throw new ShapeError(
      `vmap of ${nameOf(fn)}: axisSize is ${axisSize}, but ${place(mapped[0]!)} has size ${size}${hereText()}`,
    );
  }
  return size;
}

function outAxesFor(fn: AnyFunction, def: TreeDef, outAxes: Axes): OutAxis[] {
  const perLeaf = prefixFor(outAxes, def, "outAxes", fn);
  const paths = leafPaths(def);
  return perLeaf.map((axis, i) => {
    const path = `${showPath(paths[i]!, "the result")}`;
    if (axis !== null) checkAxis(axis, "outAxes", path);
    return { axis: axis as number | null, path };
  });
}

/** Path of every leaf of a definition. */
function leafPaths(def: TreeDef): (readonly (string | number)[])[] {
  const paths: (readonly (string | number)[])[] = [];
  const visit = (node: TreeDef, path: readonly (string | number)[]): void => {
    if (node.kind === "leaf") paths.push(path);
    else if (node.kind === "array") node.items.forEach((item, i) => void visit(item, [...path, i]));
    else if (node.kind === "object") node.items.forEach((item, i) => void visit(item, [...path, node.keys[i]!]));
  };
  visit(def, []);
  return paths;
}
