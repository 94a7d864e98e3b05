// jit: traces a function once per kind of arguments, and runs the compiled program afterwards.
import { type Aval, sameAval, showAval } from "../compiler/core/aval.js";
import { LanewiseError } from "../compiler/core/errors.js";
import { showTree, type TreeDef, unflatten } from "../compiler/core/tree.js";
import type { Graph } from "../compiler/ir/graph.js";
import { axisScopeKey } from "../compiler/trace/axis-names.js";
import { type Operand, Tensor } from "../compiler/trace/tensor.js";
import { untraced } from "../compiler/trace/trace.js";
import {
  type Args,
  checkFunction,
  checkOptions,
  type FlatArgs,
  flattenArgs,
  nameAfter,
  nameOf,
  type Result,
  stageCall,
} from "../compiler/transforms/call.js";
import { runGraph } from "../compiler/transforms/run.js";
import { type Lowered, lowerGraph } from "./lower.js";
import { Lru } from "./lru.js";

export interface JitOptions {
  /** Arguments by position that are not traced: their values are part of the key, and plain JavaScript inside. */
  readonly staticArgnums?: number | readonly number[];
}

/** A compiled function. */
export interface Jitted<A extends readonly unknown[], R> {
  (...args: Args<A>): Result<R>;
  /** Traces for these arguments and gives every stage of the compilation, without running it. */
  lower(...args: Args<A>): Lowered;
  /** Number of traces kept. */
  readonly cacheSize: number;
}

/** Traces kept per function: a static argument that changes at every call makes one each time. */
const CAPACITY = 1024;

/** One trace of the function. */
interface Entry {
  readonly graph: Graph;
  readonly captures: readonly Tensor[];
  readonly rest: TreeDef;
}

/** A call ready to run. */
interface Prepared {
  readonly entry: Entry;
  readonly leaves: readonly Operand[];
}

/** One tensor per type, of just that type. */
function areTensorsOf(args: readonly unknown[], types: readonly Aval[]): args is readonly Tensor[] {
  if (args.length !== types.length) return false;
  for (let i = 0; i < types.length; i++) {
    const x = args[i];
    if (!(x instanceof Tensor)) return false;
    const [own, type] = [x.aval, types[i]!];
    if (own !== type && !(sameAval(own, type) && Boolean(own.weak) === Boolean(type.weak))) return false;
  }
  return true;
}

/**
 * Compiles `fn`. Called again with arguments of the same structure, types and static values, it runs without tracing:
 * JavaScript values that `fn` captured are those of the first call; captured tensors are read at every call. A call is
 * one submit to the device and returns at once.
 */
export function jit<A extends unknown[], R>(fn: (...args: A) => R, options: JitOptions = {}): Jitted<A, R> {
  const target = checkFunction("jit", fn);
  checkOptions("jit", options, ["staticArgnums"]);
  const statics = new Set(options.staticArgnums === undefined ? [] : [options.staticArgnums].flat());
  for (const i of statics) {
    if (!Number.isInteger(i) || i < 0)
      throw new LanewiseError(`jit: staticArgnums has ${String(i)}, but positions from 0 are wanted`);
  }
  const cache = new Lru<string, Entry>(CAPACITY);
  const identities = new Identities();
  let last: { readonly entry: Entry; readonly types: readonly Aval[]; readonly axes: string } | undefined;

  const prepare = (args: readonly unknown[]): Prepared => {
    const axes = axisScopeKey();
    if (last && last.axes === axes && areTensorsOf(args, last.types)) return { entry: last.entry, leaves: args };
    const fixed = new Map<number, unknown>();
    const dynamic = args.map((x, i) => {
      if (!statics.has(i)) return x;
      fixed.set(i, x);
      return null;
    });
    const flat = flattenArgs("jit", target, dynamic);
    const key = `${axes} ${keyOf(flat, fixed, identities)}`;
    let entry = cache.get(key);
    if (!entry) {
      entry = stageCall("jit", target, flat, fixed);
      // what an outer function is tracing belongs to that trace alone
      if (entry.captures.some((x) => x.traced)) return { entry, leaves: flat.leaves };
      cache.set(key, entry);
    }
    // the next call is likely to be like this one: then nothing is taken apart
    if (fixed.size === 0 && args.every((x) => x instanceof Tensor)) {
      last = { entry, types: args.map((x) => x.aval), axes };
    }
    return { entry, leaves: flat.leaves };
  };

  const label = `jit(${nameOf(target)})`;
  const jitted = (...args: unknown[]): unknown => {
    const { entry, leaves } = prepare(args);
    const operands = entry.captures.length === 0 ? leaves : [...leaves, ...entry.captures];
    const results = runGraph(entry.graph, operands, label);
    return entry.rest.kind === "leaf" ? results[0] : unflatten(entry.rest, results);
  };
  nameAfter(jitted, "jit", target);
  Object.defineProperties(jitted, {
    cacheSize: { get: () => cache.size },
    lower: { value: (...args: unknown[]) => untraced(() => lowerGraph(nameOf(target), prepare(args).entry.graph)) },
  });
  return jitted as unknown as Jitted<A, R>;
}

/** Equal keys exactly for equal structure, types and static values. */
function keyOf(flat: FlatArgs, statics: ReadonlyMap<number, unknown>, identities: Identities): string {
  const types = flat.leaves.map((x) => showAval(x.aval)).join(" ");
  const fixed = [...statics].map(([i, x]) => `${i}=${identities.show(x)}`).join(" ");
  return `${showTree(flat.def)} ${types} ${fixed}`;
}

/** Static values as text: equal for equal plain data; functions and other objects by identity. */
class Identities {
  readonly #numbers = new WeakMap<object, number>();
  #next = 0;

  show(x: unknown): string {
    if (typeof x === "string") return JSON.stringify(x);
    if (Object.is(x, -0)) return "-0";
    if (typeof x === "bigint") return `${x}n`;
    if (typeof x === "symbol")
      throw new LanewiseError("jit: a symbol cannot be a static argument\n  use a string or a number");
    if ((typeof x !== "object" || x === null) && typeof x !== "function") return String(x);
    const proto: unknown = Object.getPrototypeOf(x);
    if (Array.isArray(x)) return `[${x.map((item) => this.show(item)).join(",")}]`;
    if (proto === Object.prototype) {
      const entries = Object.entries(x).sort(([a], [b]) => (a < b ? -1 : 1));
      return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${this.show(item)}`).join(",")}}`;
    }
    let id = this.#numbers.get(x);
    if (id === undefined) {
      id = this.#next++;
      this.#numbers.set(x, id);
    }
    return `#${id}`;
  }
}
