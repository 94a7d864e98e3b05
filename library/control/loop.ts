// Loops: whileLoop, foriLoop, scan and map.
import { aval, showAval } from "../../compiler/core/aval.js";
import { isInteger } from "../../compiler/core/dtype.js";
import { DTypeError, LanewiseError, ShapeError, TraceError } from "../../compiler/core/errors.js";
import { flatten, type TreeDef, unflatten } from "../../compiler/core/tree.js";
import { type Graph, literal, newEqn, newVar } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { shareCaptures } from "../../compiler/trace/stage.js";
import { type Operand, Tensor } from "../../compiler/trace/tensor.js";
import {
  callChecked,
  checkFunction,
  checkOptions,
  flattenArgs,
  isLeaf,
  nameOf,
} from "../../compiler/transforms/call.js";
import type { AnyFunction, Arg, Result } from "../../compiler/transforms/types.js";
import { vmap } from "../../compiler/transforms/vmap.js";
import { slice } from "../numpy/indexing.js";
import { concatenate, reshape } from "../numpy/shape.js";
import { traceCallback } from "./callback.js";
import { carryAlone, type Start, type Step, traceStep } from "./carry.js";

/** What a step returns in place of a carry `C`. */
type Next<C> = Arg<Result<C>>;

export interface WhileOptions {
  /** So many turns at most: a whole number. With it the loop has a reverse mode, whose memory grows with the bound. */
  readonly maxSteps?: number;
}

/**
 * Repeats `carry = body(carry)` as long as `cond(carry)`, a bool scalar, holds; gives the last carry. The carry is a tree
 * whose structure, shapes and dtypes stay the same. Under `vmap`, a lane keeps its carry when its own condition ends.
 *
 * How often it runs is only known at the end, so there is no reverse mode (`grad` throws `TraceError`); `jvp` and
 * `jacfwd` work. With `maxSteps` it ends after so many turns at the latest, and `grad` works too. With a known number of
 * steps use `foriLoop` or `scan`.
 */
export function whileLoop<const C, const N extends Next<C>>(
  cond: (carry: Result<C>) => TensorLike,
  body: (carry: Result<C>) => N,
  init: C,
  options: WhileOptions = {},
): Result<C> {
  checkOptions("whileLoop", options, ["maxSteps"]);
  const { maxSteps } = options;
  if (maxSteps !== undefined && !ops.isSteps(maxSteps)) {
    throw new LanewiseError(
      `whileLoop: maxSteps is ${String(maxSteps)}, but a whole number from 0 to ${ops.MAX_STEPS} is wanted${hereText()}`,
    );
  }
  const [test, fn] = [checkFunction("whileLoop", cond), checkFunction("whileLoop", body)];
  const start = startOf("whileLoop", fn, init);
  const step = traceStep({
    what: "whileLoop",
    fn,
    start,
    before: [],
    behind: [],
    args: (_, carry) => [carry],
    split: carryAlone,
  });
  const tested = traceCallback("whileLoop", test, step.types, (leaves) => [unflatten(start.def, leaves)]);
  const [holds] = tested.graph.outputs;
  if (tested.def.kind !== "leaf" || holds!.aval.dtype !== "bool" || holds!.aval.shape.length > 0) {
    const seen = tested.def.kind === "leaf" ? showAval(holds!.aval) : "no single value";
    throw new DTypeError(
      `whileLoop: the condition ${nameOf(test)} gives ${seen}, but a bool scalar is wanted\n  compare: x.lt(10); of several conditions make one${hereText()}`,
    );
  }
  const { graphs, captures } = shareCaptures([tested, step.callback]);
  return unflatten(start.def, ops.whileHolds(graphs[0]!, graphs[1]!, captures, step.start, maxSteps)) as Result<C>;
}

/**
 * `carry = body(i, carry)` for i = lower … upper − 1, an i32 scalar; gives the last carry. With numbers for bounds it is
 * a `scan` and has a reverse mode; with tensors, which are integer scalars, a `whileLoop`.
 */
export function foriLoop<const C, const N extends Next<C>>(
  lower: number | Tensor,
  upper: number | Tensor,
  body: (i: Tensor, carry: Result<C>) => N,
  init: C,
): Result<C> {
  const fn = checkFunction("foriLoop", body);
  const [from, to] = [bound("lower", lower), bound("upper", upper)];
  const start = startOf("foriLoop", fn, init);
  const step = traceStep({
    what: "foriLoop",
    fn,
    start,
    before: [aval("i32", [])],
    behind: [],
    args: ([i], carry) => [i, carry],
    split: carryAlone,
  });
  const results =
    typeof lower === "number" && typeof upper === "number"
      ? countedScan(step, lower, upper)
      : countedWhile(step, from, to);
  return unflatten(start.def, results) as Result<C>;
}

function bound(name: string, x: number | Tensor): Operand {
  if (typeof x === "number" && Number.isInteger(x)) return literal(x, aval("i32", []));
  if (x instanceof Tensor && isInteger(x.dtype) && x.ndim === 0) return x.dtype === "i32" ? x : ops.cast(x, "i32");
  const seen = x instanceof Tensor ? showAval(x.aval) : String(x);
  throw new DTypeError(
    `foriLoop: ${name} is ${seen}, but a whole number or an i32 scalar is wanted${x instanceof Tensor ? '\n  cast it: n.astype("i32")' : ""}${hereText()}`,
  );
}

function countedScan({ callback, start }: Step, lower: number, upper: number): Tensor[] {
  const length = Math.max(0, upper - lower);
  const { graphs, captures } = shareCaptures([callback]);
  const counts = ops.iota("i32", [length], 0);
  const indices = lower === 0 ? counts : ops.add(counts, ops.broadcast(literal(lower, aval("i32", [])), [length], []));
  // entries stand behind the carry
  const n = captures.length;
  const inputs = graphs[0]!.inputs;
  const body = { ...graphs[0]!, inputs: [...inputs.slice(0, n), ...inputs.slice(n + 1), inputs[n]!] };
  return ops.scanArrays({ body, length, reverse: false }, captures, start, [indices]);
}

/** The counter is carried, and the upper bound a constant. */
function countedWhile({ callback, start, types }: Step, lower: Operand, upper: Operand): Tensor[] {
  const { graphs, captures } = shareCaptures([callback]);
  const type = aval("i32", []);
  const body = graphs[0]!;
  const [fixed, rest] = [body.inputs.slice(0, captures.length), body.inputs.slice(captures.length)];
  const next = newEqn(ops.add.op, [rest[0]!, literal(1, type)], {});
  const [i, n] = [newVar(type), newVar(type)];
  const test = newEqn(ops.lt.op, [i, n], {});
  const cond: Graph = {
    inputs: [...fixed.map((v) => newVar(v.aval)), n, i, ...types.map(newVar)],
    eqns: [test],
    outputs: test.outputs,
  };
  const counted: Graph = {
    inputs: [...fixed, newVar(type), ...rest],
    eqns: [...body.eqns, next],
    outputs: [next.outputs[0]!, ...body.outputs],
  };
  return ops.whileHolds(cond, counted, [...captures, upper], [lower, ...start]).slice(1);
}

export interface ScanOptions {
  /** Number of steps; needed where there are no `xs`. */
  readonly length?: number;
  /** Takes entries from the last to the first; results stay beside the entries they are for. */
  readonly reverse?: boolean;
}

/**
 * `[carry, y] = f(carry, x)` for each entry x of `xs` along axis 0, a tree of arrays of one leading size; gives the last
 * carry, and all y stacked along axis 0. `xs` may be null, with a `length`; y may be null or undefined. The carry is a
 * tree whose structure, shapes and dtypes stay the same.
 */
export function scan<const C, X, const N extends Next<C>, const Y>(
  f: (carry: Result<C>, x: Result<X>) => readonly [N, Y],
  init: C,
  xs: X,
  options: ScanOptions = {},
): [Result<C>, Result<Y>] {
  const fn = checkFunction("scan", f);
  checkOptions("scan", options, ["length", "reverse"]);
  return scanTrees("scan", fn, fn, init, xs, options) as [Result<C>, Result<Y>];
}

/** `named` is the function whose arguments errors speak of. */
function scanTrees(
  what: string,
  named: AnyFunction,
  fn: AnyFunction,
  init: unknown,
  xs: unknown,
  { length: wanted, reverse = false }: ScanOptions,
): [unknown, unknown] {
  const start = startOf(what, fn, init);
  const entries = entriesOf(what, named, xs, wanted);
  const { length } = entries;
  const step = traceStep({
    what,
    fn,
    start,
    before: [],
    behind: entries.arrays.map((x) => aval(x.dtype, x.shape.slice(1))),
    args: (_, carry, leaves) => [carry, unflatten(entries.def, leaves)],
    split(result) {
      if (result.kind === "array" && result.items.length === 2)
        return { carry: result.items[0]!, rest: result.items[1]! };
      throw new TraceError(
        `${what} of ${nameOf(fn)}: the function must return [carry, y], but it returns ${result.kind === "array" ? `an array of ${result.items.length}` : `${result.kind === "object" ? "an object" : result.kind === "leaf" ? "one value" : String(result.value)}`}\n  where nothing is to be stacked, return [carry, null]${hereText()}`,
      );
    },
  });
  const { graphs, captures } = shareCaptures([step.callback]);
  const results = ops.scanArrays({ body: graphs[0]!, length, reverse }, captures, step.start, entries.arrays);
  const carried = step.start.length;
  return [unflatten(start.def, results.slice(0, carried)), unflatten(step.rest, results.slice(carried))];
}

interface Entries {
  readonly arrays: readonly Tensor[];
  readonly def: TreeDef;
  readonly length: number;
}

/** Arrays of one leading size. */
function entriesOf(what: string, fn: AnyFunction, xs: unknown, length: number | undefined): Entries {
  if (length !== undefined && (!Number.isSafeInteger(length) || length < 0))
    throw new ShapeError(`${what}: length ${String(length)} is not a whole number ≥ 0${hereText()}`);
  const flat = flattenArgs(what, fn, what === "map" ? [xs] : [undefined, xs]);
  const arrays = flat.leaves.map((x, i): Tensor => {
    if (x instanceof Tensor && x.ndim > 0) return x;
    throw new ShapeError(
      `${what} of ${nameOf(fn)}: ${flat.name(i)} is ${showAval(x.aval)}, which has no axis 0 to go along\n  capture in the function what is the same for all steps${hereText()}`,
    );
  });
  const sizes = arrays.map((x) => x.shape[0]!);
  const other = sizes.findIndex((n) => n !== sizes[0]);
  const show = (i: number): string => `${flat.name(i)} of type ${showAval(arrays[i]!.aval)}`;
  if (other > 0) {
    throw new ShapeError(
      `${what} of ${nameOf(fn)}: sizes of axis 0 differ, ${sizes[0]} and ${sizes[other]}\n  ${show(0)}\n  ${show(other)}${hereText()}`,
    );
  }
  if (arrays.length === 0 && length === undefined) {
    throw new ShapeError(
      `${what} of ${nameOf(fn)}: there are no arrays to go along, so the number of steps is unknown\n  give it: scan(f, init, null, { length: n })${hereText()}`,
    );
  }
  if (arrays.length > 0 && length !== undefined && length !== sizes[0])
    throw new ShapeError(
      `${what} of ${nameOf(fn)}: length is ${length}, but axis 0 of ${show(0)} has size ${sizes[0]}${hereText()}`,
    );
  const def = flat.def.kind === "array" ? flat.def.items.at(-1)! : flat.def;
  return { arrays, def, length: length ?? sizes[0]! };
}

export interface MapOptions {
  /** Entries that are computed at once, by `vmap`. One by one without it. */
  readonly batchSize?: number;
}

/**
 * `f(x)` for each entry x of `xs` along axis 0, one after the other, stacked: `vmap(f)(xs)` with less memory. With
 * `batchSize`, so many entries at once; those that are left over at the end come last, together.
 */
export function map<X, const Y>(f: (x: Result<X>) => Y, xs: X, options: MapOptions = {}): Result<Y> {
  const fn = checkFunction("map", f);
  checkOptions("map", options, ["batchSize"]);
  const { batchSize } = options;
  const { arrays, def, length } = entriesOf("map", fn, xs, undefined);
  if (batchSize === undefined) {
    return scanTrees(
      "map",
      fn,
      stepOf(fn, (x) => callChecked(fn, [x])),
      [],
      xs,
      {},
    )[1] as Result<Y>;
  }
  if (!Number.isSafeInteger(batchSize) || batchSize < 1)
    throw new LanewiseError(`map: batchSize ${String(batchSize)} is not a whole number ≥ 1${hereText()}`);
  const together = vmap(fn) as (x: unknown) => unknown;
  const full = Math.floor(length / batchSize);
  const cut = full * batchSize;
  const part = (from: number, to: number): Tensor[] => arrays.map((x) => slice(x, [from, to]));
  const results: unknown[] = [];
  if (full > 0) {
    const chunks = part(0, cut).map((x) => reshape(x, [full, batchSize, ...x.shape.slice(1)]));
    const stacked = flatten(scanTrees("map", fn, stepOf(fn, together), [], unflatten(def, chunks), {})[1], isLeaf);
    const joined = (stacked.leaves as Tensor[]).map((y) => reshape(y, [cut, ...y.shape.slice(2)]));
    results.push(unflatten(stacked.def, joined));
  }
  if (cut < length || full === 0) results.push(together(unflatten(def, part(cut, length))));
  const flat = results.map((tree) => flatten(tree, isLeaf));
  const joined = flat[0]!.leaves.map((x, j) =>
    flat.length === 1 ? x : concatenate(flat.map(({ leaves }) => leaves[j] as Tensor)),
  );
  return unflatten(flat[0]!.def, joined) as Result<Y>;
}

/** A step without a carry, called as `fn` is. */
function stepOf(fn: AnyFunction, call: (x: unknown) => unknown): AnyFunction {
  const step = (_: unknown, x: unknown): unknown => [[], call(x)];
  Object.defineProperty(step, "name", { value: fn.name });
  return step;
}

/** The leaves of a carry. */
function startOf(what: string, fn: AnyFunction, init: unknown): Start {
  const { leaves } = flattenArgs(what, fn, what === "foriLoop" ? [undefined, init] : [init]);
  const { def, paths } = flatten(init, isLeaf);
  return { leaves, def, paths };
}
