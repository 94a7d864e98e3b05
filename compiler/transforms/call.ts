// Calls of transformed functions: arguments and results as trees of tensors.

import { type Aval, sameAval, showAval } from "../core/aval.js";
import { DTypeError, LanewiseError, ShapeError, TraceError } from "../core/errors.js";
import { type Flat, flatten, type Path, showPath, showTree, type TreeDef, unflatten } from "../core/tree.js";
import { callTracedFunction, type FrontendOptions } from "../frontend/choose.js";
import { functionSource, parameterNames } from "../frontend/source.js";
import { fill } from "../ops/index.js";
import { argument, isTensorLike } from "../trace/create.js";
import { hereText } from "../trace/here.js";
import { type Staged, stage } from "../trace/stage.js";
import type { Operand } from "../trace/tensor.js";
import { Tensor } from "../trace/tensor.js";
import { isLiteral } from "../trace/trace.js";
import { observeTransform } from "./observe.js";
import type { AnyFunction } from "./types.js";

export const nameOf = (fn: AnyFunction): string => fn.name || "anonymous function";

/** Arguments taken apart. */
export interface FlatArgs {
  readonly leaves: readonly Operand[];
  readonly def: TreeDef;
  /** Leaf i in the user's words, such as `params.w`. */
  name(i: number): string;
  /** Position of the argument that leaf i is in. */
  position(i: number): number;
}

/** Leaves of trees of tensors; typed arrays are no nodes either. */
export const isLeaf = (x: unknown): boolean => x instanceof Tensor || ArrayBuffer.isView(x);

/** Functions that transforms made, with the function each was made of. */
const madeOf = new WeakMap<AnyFunction, AnyFunction>();

/** For functions made of several: those behind the first. */
const madeOfMore = new WeakMap<AnyFunction, readonly AnyFunction[]>();

/**
 * Names `made` after the function it was made of by `transform`; its arguments are called as they are there. `more` are
 * functions like the first that it calls too.
 */
export function nameAfter(
  made: AnyFunction,
  transform: string,
  fn: AnyFunction,
  more: readonly AnyFunction[] = [],
): void {
  Object.defineProperty(made, "name", { value: `${transform}(${nameOf(fn)})` });
  madeOf.set(made, fn);
  if (more.length > 0) madeOfMore.set(made, more);
}

/** Name of an argument or of a leaf in it: `x`, `params.w[0]`; `arguments[2]` for one without a name. */
export function argumentName(fn: AnyFunction, path: Path): string {
  const inner = madeOf.get(fn);
  if (inner) return argumentName(inner, path);
  const [index, ...below] = path as [number, ...Path];
  const names = parameterNames(fn) ?? [];
  const rest = functionSource(fn)?.node.params.at(-1)?.type === "RestElement" ? names.length - 1 : Infinity;
  if (index >= rest) return showPath([index - rest, ...below], names[rest] ?? "arguments");
  return showPath(below, names[index] ?? `arguments[${index}]`);
}

/** Throws `TraceError` for a leaf that is no tensor, number, boolean or typed array. */
export function flattenArgs(transform: string, fn: AnyFunction, args: readonly unknown[]): FlatArgs {
  const flat = flatten(args, isLeaf);
  const name = (i: number): string => argumentName(fn, flat.paths[i]!);
  const leaves = flat.leaves.map((x, i) => {
    if (isTensorLike(x)) return argument(x);
    throw new TraceError(
      `${transform} of ${nameOf(fn)}: ${name(i)} is ${describe(x)}, but tensors, numbers, booleans and typed arrays are wanted\n` +
        `  capture it in the function instead${transform === "jit" ? `, or make it static: jit(fn, { staticArgnums: [${flat.paths[i]![0]}] })` : ""}${hereText()}`,
    );
  });
  return { leaves, def: flat.def, name, position: (i) => flat.paths[i]![0] as number };
}

function describe(x: unknown): string {
  if (typeof x === "string") return "a string";
  if (typeof x === "object" && x !== null) return `a ${x.constructor.name}`;
  return `a ${typeof x}`;
}

/** A value for each positional argument: a tree of traced leaves, or a static value. */
export interface CallShape {
  readonly def: TreeDef;
  /** Arguments that are not traced, by position. */
  readonly statics?: ReadonlyMap<number, unknown>;
}

/** Calls the user's function on traced leaves and takes its result apart. */
export function callTraced(
  transform: string,
  fn: AnyFunction,
  shape: CallShape,
  leaves: readonly Tensor[],
): { outputs: Operand[]; rest: TreeDef } {
  const args = unflatten(shape.def, leaves) as unknown[];
  for (const [i, value] of shape.statics ?? []) args[i] = value;
  return flattenResult(transform, fn, callChecked(fn, args));
}

/** Calls the user's function, by running it or by interpreting its source. */
export const callChecked = (fn: AnyFunction, args: readonly unknown[]): unknown =>
  madeOf.has(fn) ? fn(...args) : callTracedFunction(fn, undefined, args);

/** Traces `fn` on the types of its arguments. */
export function stageCall(
  transform: string,
  fn: AnyFunction,
  flat: FlatArgs,
  statics?: ReadonlyMap<number, unknown>,
  takesWrites = false,
  outer: readonly Tensor[] = [],
): Staged<TreeDef> {
  const name = `${transform}(${nameOf(fn)})`;
  const shape: CallShape = statics ? { def: flat.def, statics } : { def: flat.def };
  const types = flat.leaves.map((x) => x.aval);
  const staged = stage(name, types, (leaves) => callTraced(transform, fn, shape, leaves), outer, takesWrites);
  observeTransform({ name, transform: "trace", graph: staged.graph });
  return staged;
}

/** Throws `LanewiseError` for an option that there is not, and for what are no options. */
export function checkOptions(transform: string, options: object, known: readonly string[]): void {
  const isObject = typeof options === "object" && options !== null;
  if (!isObject || Array.isArray(options) || options instanceof Tensor) {
    const seen = isObject ? (Array.isArray(options) ? "an array" : "a tensor") : String(options);
    throw new LanewiseError(
      `${transform}: ${seen} stands where options belong\n  give an object: { ${known[0]}: … }${hereText()}`,
    );
  }
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const there = `${known.length === 1 ? "there is" : "there are"} ${known.join(", ")}`;
    throw new LanewiseError(`${transform}: there is no option '${key}'; ${there}`);
  }
}

/** What has a method `forward`: a module stands for that method. */
export interface Forwarding<A extends readonly unknown[] = never[], R = unknown> {
  forward(...args: A): R;
}

/** The module behind the function that stands for its `forward`. */
const moduleOf = new WeakMap<AnyFunction, object>();

export const isForwarding = (x: unknown): x is Forwarding<unknown[]> =>
  typeof x === "object" && x !== null && typeof (x as Forwarding).forward === "function";

/**
 * Throws `LanewiseError` unless `fn` is a function or a module; gives the function, which reads its source by `frontend`
 * where that is given.
 */
export function checkFunction(transform: string, fn: unknown, frontend?: FrontendOptions): AnyFunction {
  if (isForwarding(fn)) {
    const module = fn;
    const forward = (...args: unknown[]): unknown =>
      callTracedFunction(module.forward as AnyFunction, module, args, frontend);
    Object.defineProperty(forward, "name", { value: module.constructor.name });
    madeOf.set(forward, module.forward as AnyFunction);
    moduleOf.set(forward, module);
    return forward;
  }
  if (typeof fn === "function") {
    if (isForwarding((fn as { prototype?: unknown }).prototype)) {
      throw new LanewiseError(
        `${transform}: the class ${fn.name} itself was given, but a module is wanted\n  make one: ${transform}(new ${fn.name}(…))${hereText()}`,
      );
    }
    if (!frontend || madeOf.has(fn as AnyFunction)) return fn as AnyFunction;
    const read = (...args: unknown[]): unknown => callTracedFunction(fn as AnyFunction, undefined, args, frontend);
    Object.defineProperty(read, "name", { value: fn.name });
    madeOf.set(read, fn as AnyFunction);
    return read;
  }
  if (Array.isArray(fn)) {
    throw new LanewiseError(
      `${transform}: an array given, but a function or a module is wanted\n  vmap makes one model of many: ${transform}(vmap([…]))${hereText()}`,
    );
  }
  throw new LanewiseError(`${transform}: ${typeof fn} given, but a function or a module is wanted`);
}

/**
 * Plain fields of a module and of those in it as text, such as whether it trains: they are part of what was traced. Of a
 * function that transforms made, those of the modules it was made of; empty for functions.
 */
export function fieldsKey(fn: AnyFunction): string {
  const module = moduleOf.get(fn);
  if (module) return showFields(module, new Set());
  const inner = madeOf.get(fn);
  return inner ? [inner, ...(madeOfMore.get(fn) ?? [])].map(fieldsKey).join(";") : "";
}

function showFields(x: object, seen: Set<object>): string {
  if (seen.has(x)) return "";
  seen.add(x);
  return Object.entries(x)
    .map(([key, value]: [string, unknown]) => {
      if (value instanceof Tensor) return "trainable" in value ? `${key}=${String(value.trainable)}` : "";
      if (typeof value === "function") return "";
      if (typeof value !== "object" || value === null) return `${key}=${typeof value}:${String(value)}`;
      // data, such as a training set: too long to read at every call
      if (ArrayBuffer.isView(value)) return `${key}=${numberOf(value)}`;
      return `${key}{${showFields(value, seen)}}`;
    })
    .filter((text) => text !== "")
    .join(",");
}

const numbers = new WeakMap<object, number>();
let numbered = 0;

/** Another number for each object. */
function numberOf(x: object): number {
  const known = numbers.get(x);
  if (known !== undefined) return known;
  numbers.set(x, ++numbered);
  return numbered;
}

/** A result taken apart: numbers and booleans as constants. */
export interface FlatResult {
  readonly outputs: readonly Operand[];
  readonly def: TreeDef;
  readonly paths: readonly Path[];
}

/** Takes apart what the user's function returned. Throws `TraceError` for a leaf that is no tensor and no number. */
export function resultLeaves(transform: string, fn: AnyFunction, result: unknown): FlatResult {
  if (result instanceof Promise) {
    result.catch(() => undefined);
    throw new TraceError(
      `${transform} of ${nameOf(fn)}: the function is async, so its result is not known when it returns\n  await data outside and pass it as an argument${hereText()}`,
    );
  }
  const { leaves, paths, def }: Flat<unknown> = flatten(result, isLeaf);
  const outputs = leaves.map((x, i): Operand => {
    if (isTensorLike(x)) return argument(x);
    throw new TraceError(
      `${transform} of ${nameOf(fn)}: the result${showPath(paths[i]!) ? ` at ${showPath(paths[i]!)}` : ""} is ${describe(x)}, but tensors and numbers are wanted${hereText()}`,
    );
  });
  return { outputs, def, paths };
}

/** What the user's function gave, all of it tensors. */
export function flattenResult(
  transform: string,
  fn: AnyFunction,
  result: unknown,
): { outputs: Operand[]; rest: TreeDef } {
  const { outputs, def } = resultLeaves(transform, fn, result);
  return { outputs: outputs.map((x) => (isLiteral(x) ? fill(x, []) : x)), rest: def };
}

/**
 * Leaves of a tree that has the structure `def` and leaves of these types, which for integers are not looked at unless
 * `integersToo`. Throws `ShapeError` or `DTypeError` naming the `what` that does not fit.
 */
export function leavesLike(
  label: string,
  what: string,
  tree: unknown,
  def: TreeDef,
  types: readonly Aval[],
  integersToo = false,
): Operand[] {
  const flat = flatten(tree, isLeaf);
  if (showTree(flat.def) !== showTree(def)) {
    throw new ShapeError(
      `${label}: the ${what} has structure ${showTree(flat.def)}, but ${showTree(def)} is wanted${hereText()}`,
    );
  }
  return flat.leaves.map((x, i): Operand => {
    const place = `${what}${showPath(flat.paths[i]!) === "" ? "" : ` at ${showPath(flat.paths[i]!)}`}`;
    if (!isTensorLike(x)) throw new DTypeError(`${label}: the ${place} is no tensor and no number${hereText()}`);
    const leaf = argument(x);
    const type = types[i]!;
    if ((type.dtype !== "f32" && !integersToo) || sameAval(leaf.aval, type)) return leaf;
    const Wrong = leaf.aval.dtype === type.dtype ? ShapeError : DTypeError;
    throw new Wrong(`${label}: the ${place} is ${showAval(leaf.aval)}, but ${showAval(type)} is wanted${hereText()}`);
  });
}
