// jit: traces a function once per kind of arguments, and runs the compiled program afterwards.
import { type Aval, sameAval, showAval } from "../compiler/core/aval.js";
import { LanewiseError } from "../compiler/core/errors.js";
import { showTree, type TreeDef, unflatten } from "../compiler/core/tree.js";
import { type FrontendOptions, frontendOptionNames, frontendOptions } from "../compiler/frontend/choose.js";
import type { Graph } from "../compiler/ir/graph.js";
import { axisScopeKey } from "../compiler/trace/axis-names.js";
import { writeBack } from "../compiler/trace/stage.js";
import { type Operand, type Row, Tensor } from "../compiler/trace/tensor.js";
import { currentTrace, untraced } from "../compiler/trace/trace.js";
import type { Variable } from "../compiler/trace/variable.js";
import {
  argumentName,
  checkFunction,
  checkOptions,
  type FlatArgs,
  type Forwarding,
  fieldsKey,
  flattenArgs,
  nameAfter,
  nameOf,
  stageCall,
} from "../compiler/transforms/call.js";
import { runGraph } from "../compiler/transforms/run.js";
import type { AnyFunction, Args, Result } from "../compiler/transforms/types.js";
import { type Lowered, lowerGraph } from "./lower.js";
import { Lru } from "./lru.js";
import { RETRACES, RetraceWatch, type Signature, type StaticArgument } from "./retrace.js";

export interface JitOptions extends FrontendOptions {
  /** Arguments by position that are not traced: their values are part of the key, and plain JavaScript inside. */
  readonly staticArgnums?: number | readonly number[];
  /**
   * Arguments by position whose tensors the caller gives up: results may take their memory, and using one of them after
   * the call throws `DonatedError`. Numbers and typed arrays in them are not affected, and neither is a call within
   * another traced function.
   */
  readonly donateArgnums?: number | readonly number[];
  /**
   * A warning on stderr when the function is traced more often than this in a row, 8 times by default; false for none.
   * It names what changed between the calls.
   */
  readonly retraceWarning?: number | false;
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
  /** Variables whose new values are the last results, and where among the operands their old values are. */
  readonly writes: readonly Variable[];
  readonly replaced: readonly number[];
  /** Where variables that it reads had their elements. */
  readonly rowsRead: ReadonlyMap<Tensor, Row | undefined>;
  /** Leaves of donated arguments, and what each leaf is called. */
  readonly donated: readonly number[];
  readonly names: readonly string[];
}

/** A call ready to run. */
interface Prepared {
  readonly entry: Entry;
  readonly leaves: readonly Operand[];
}

/** The variables that were read have their elements where they had them then. */
function areInPlace({ rowsRead }: Pick<Entry, "rowsRead">): boolean {
  for (const [x, row] of rowsRead) if (x.row?.of !== row?.of || x.row?.index !== row?.index) return false;
  return true;
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
export function jit<A extends unknown[], R>(fn: (...args: A) => R, options?: JitOptions): Jitted<A, R>;
export function jit<A extends unknown[], R>(module: Forwarding<A, R>, options?: JitOptions): Jitted<A, R>;
export function jit(fn: unknown, options: JitOptions = {}): Jitted<unknown[], unknown> {
  checkOptions("jit", options, ["staticArgnums", "donateArgnums", "retraceWarning", ...frontendOptionNames]);
  const target = checkFunction("jit", fn, frontendOptions("jit", options));
  const statics = positions("staticArgnums", options.staticArgnums);
  const donated = positions("donateArgnums", options.donateArgnums);
  for (const i of donated) {
    if (statics.has(i))
      throw new LanewiseError(
        `jit of ${nameOf(target)}: argument ${i} is in staticArgnums and in donateArgnums, but a static argument has no memory to give\n  leave it out of one of them`,
      );
  }
  const label = `jit(${nameOf(target)})`;
  const cache = new Lru<string, Entry>(CAPACITY);
  const identities = new Identities();
  const watch = new RetraceWatch(label, retraceLimit(options.retraceWarning));
  let last: { readonly entry: Entry; readonly types: readonly Aval[]; readonly axes: string } | undefined;

  const prepare = (args: readonly unknown[], isCall: boolean): Prepared => {
    const axes = `${axisScopeKey()}${fieldsKey(target)}`;
    if (last && last.axes === axes && areTensorsOf(args, last.types) && areInPlace(last.entry)) {
      if (isCall) watch.hit();
      return { entry: last.entry, leaves: args };
    }
    const fixed = new Map<number, unknown>();
    const dynamic = args.map((x, i) => {
      if (!statics.has(i)) return x;
      fixed.set(i, x);
      return null;
    });
    const flat = flattenArgs("jit", target, dynamic);
    const key = `${axes} ${keyOf(flat, fixed, identities)}`;
    let entry = cache.get(key);
    if (entry && !areInPlace(entry)) entry = undefined;
    if (!entry) {
      let staged = stageCall("jit", target, flat, fixed, true);
      // it read what it moved into stacks later on; now they are where they stay
      if (!areInPlace(staged)) staged = stageCall("jit", target, flat, fixed, true);
      const { graph, captures, rest, writes, rowsRead } = staged;
      const names = flat.leaves.map((_, i) => flat.name(i));
      entry = {
        graph,
        captures,
        rest,
        writes,
        rowsRead,
        // what is about to be replaced gives its memory to what replaces it
        replaced: captures.flatMap((x, i) => (writes.includes(x as Variable) ? [flat.leaves.length + i] : [])),
        names,
        donated: names.flatMap((_, i) => (donated.has(flat.position(i)) ? i : [])),
      };
      // what an outer function is tracing belongs to that trace alone
      if (captures.some((x) => x.traced)) return { entry, leaves: flat.leaves };
      cache.set(key, entry);
      if (isCall && !currentTrace()) watch.traced(() => signatureOf(target, flat, names, fixed, identities));
    } else if (isCall) watch.hit();
    // the next call is likely to be like this one: then nothing is taken apart
    if (fixed.size === 0 && args.every((x) => x instanceof Tensor)) {
      last = { entry, types: args.map((x) => x.aval), axes };
    }
    return { entry, leaves: flat.leaves };
  };

  const jitted = (...args: unknown[]): unknown => {
    const { entry, leaves } = prepare(args, true);
    const operands = entry.captures.length === 0 ? leaves : [...leaves, ...entry.captures];
    const given = [...entry.donated, ...entry.replaced];
    const gives = given.length > 0 && !currentTrace();
    const results = runGraph(entry.graph, operands, label, gives ? given : undefined);
    if (gives) {
      for (const i of entry.donated) {
        const x = leaves[i];
        if (x instanceof Tensor) x.donate({ to: label, argument: entry.names[i]! });
      }
    }
    if (entry.writes.length > 0) writeBack(entry.writes, results.slice(results.length - entry.writes.length));
    return entry.rest.kind === "leaf" ? results[0] : unflatten(entry.rest, results);
  };
  nameAfter(jitted, "jit", target);
  Object.defineProperties(jitted, {
    cacheSize: { get: () => cache.size },
    lower: {
      value: (...args: unknown[]) =>
        untraced(() => {
          const { graph, donated: given, replaced } = prepare(args, false).entry;
          return lowerGraph(nameOf(target), graph, [...given, ...replaced]);
        }),
    },
  });
  return jitted as unknown as Jitted<unknown[], unknown>;
}

/** Positions of arguments. Throws `LanewiseError` for what is none. */
function positions(option: string, given: number | readonly number[] | undefined): ReadonlySet<number> {
  const list = given === undefined ? [] : [given].flat();
  for (const i of list) {
    if (!Number.isInteger(i) || i < 0)
      throw new LanewiseError(`jit: ${option} has ${String(i)}, but positions from 0 are wanted`);
  }
  return new Set(list);
}

function retraceLimit(given: number | false | undefined): number {
  if (given === undefined) return RETRACES;
  if (given === false) return Number.POSITIVE_INFINITY;
  if (typeof given === "number" && given >= 1) return given;
  throw new LanewiseError(`jit: retraceWarning is ${String(given)}, but a number of traces from 1 or false is wanted`);
}

function signatureOf(
  fn: AnyFunction,
  flat: FlatArgs,
  names: readonly string[],
  statics: ReadonlyMap<number, unknown>,
  identities: Identities,
): Signature {
  return {
    def: flat.def,
    names,
    types: flat.leaves.map((x) => x.aval),
    statics: [...statics].map(([i, x]): StaticArgument => {
      const name = argumentName(fn, [i]);
      return {
        name: `argument ${i}${name.startsWith("arguments[") ? "" : ` (${name})`}`,
        key: identities.show(x),
        text: describeStatic(x, identities),
        isPlain: typeof x === "number" || typeof x === "boolean",
      };
    }),
  };
}

/** Plain data as it is, all else by its kind. */
function describeStatic(x: unknown, identities: Identities): string {
  if (typeof x === "function") return x.name ? `function ${x.name}` : "function";
  const text = identities.show(x);
  if (/#\d/.test(text) && typeof x === "object" && x !== null) return x.constructor?.name ?? "object";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
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
