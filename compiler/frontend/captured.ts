// What a function sees outside of itself: the variables it closes over, read from V8, or given by its author.
import type { AnyNode, Identifier } from "acorn";
import { TraceError } from "../core/errors.js";
import { type ScopeRecord, scopesAround } from "./inspector.js";
import { isDeclared, isNamedAround } from "./own-names.js";
import { showPlace } from "./place.js";
import { childrenOf, scopesIn } from "./scopes.js";
import { type AnyFunction, type FunctionSource, functionSource } from "./source.js";

export interface CapturedScope {
  /**
   * The variable `name` as the function sees it: the value itself, of the innermost scope that declares it. `undefined`
   * where no such variable is to be seen. One that is not initialized yet reads as `undefined`, as V8 shows it. A
   * getter of a global object or of `with` runs, and may throw.
   */
  read(name: string): { readonly value: unknown } | undefined;
  /** The variables that the user gave. */
  readonly given: Readonly<Record<string, unknown>>;
  /** Whether the scopes around the function can be looked into. Else there are only the variables given, and globals. */
  readonly canSee: boolean;
}

/**
 * The variables around `fn`: `given` first, then its own name, blocks, closures, module or script, imported bindings,
 * globals of its own context. V8 is asked once, when a variable is first read that is not given: it costs some 0.1 ms.
 * Values are those of that moment, so that a scope serves one trace; a later one takes another.
 */
export function capturedScope(fn: AnyFunction, given: Readonly<Record<string, unknown>> = {}): CapturedScope {
  let records: readonly ScopeRecord[] | undefined | null = null; // not asked yet
  const around = (): readonly ScopeRecord[] | undefined => {
    if (records === null) records = scopesAround(fn);
    return records;
  };
  return {
    given,
    read(name) {
      if (Object.hasOwn(given, name)) return { value: given[name] };
      const scopes = around();
      // of a function that V8 shows no scopes of, globals are all we know
      const found = scopes && scopes.length > 0 ? readScopes(scopes, name) : readStandard(name);
      if (found?.value === fn) return found;
      if (ownName(fn) === name) return found && answer(fn, "", isDeclared) ? found : { value: fn };
      return found && !STANDARD.has(name) && answer(fn, name, isNamedAround) ? undefined : found;
    },
    get canSee() {
      return (around()?.length ?? 0) > 0;
    },
  };
}

/**
 * Names of the variables that `fn` and the functions in it use but do not declare, in the order of their first use; not
 * those of global objects that exist. Empty where the source of `fn` cannot be read.
 */
export function freeVariables(fn: AnyFunction): readonly string[] {
  const source = functionSource(fn);
  const uses = source ? usesIn(source).all : [];
  return [...new Set(uses.map(({ name }) => name))].filter((name) => !(name in globalThis));
}

/**
 * Throws a `TraceError` that names every variable of `fn` that `scope` does not hold, with the way to pass them. A
 * variable that is only asked for its `typeof` need not exist.
 */
export function checkVisible(fn: AnyFunction, scope: CapturedScope): void {
  const source = functionSource(fn);
  if (!source) return;
  const dynamic = dynamicIn(source);
  if (dynamic) {
    throw new TraceError(
      [
        `${dynamic.type === "WithStatement" ? "with" : "eval"}: which variables the names mean is known only when the function runs`,
        showPlace(fn, source, dynamic.start, dynamic.end),
        "  hint: name variables and properties plainly",
      ].join("\n"),
    );
  }
  const missing = new Map<string, Identifier>();
  for (const identifier of usesIn(source).firm) {
    const { name } = identifier;
    if (!missing.has(name) && !scope.read(name)) missing.set(name, identifier);
  }
  const [first] = missing.values();
  if (!first) return;
  const names = [...missing.keys()];
  const variables = `variable${names.length > 1 ? "s" : ""} ${names.map((name) => `'${name}'`).join(", ")}`;
  throw new TraceError(
    [
      `cannot see the ${variables} captured by this function`,
      showPlace(fn, source, first.start, first.end),
      scope.canSee
        ? "  no scope that V8 shows around the function declares it, nor the global one"
        : "  the scopes around functions are read through node:inspector, which is not to be had here",
      `  hint: pass ${names.length > 1 ? "them" : "it"} in the options: scope: { ${names.join(", ")} }`,
    ].join("\n"),
  );
}

// ---------------------------------------------------------------------------------------------------------------------

function readScopes(scopes: readonly ScopeRecord[], name: string): { value: unknown } | undefined {
  for (const { kind, variables } of scopes) {
    if (!(name in variables) || (kind === "with" && isUnscopable(variables, name))) continue;
    return valueIn(kind, variables, name);
  }
  return undefined;
}

function valueIn(kind: ScopeRecord["kind"], variables: object, name: string): { value: unknown } | undefined {
  if (kind === "with" || kind === "global") return { value: (variables as Record<string, unknown>)[name] };
  // V8 leaves an accessor that throws in place of a variable it has no value of
  const own = Object.getOwnPropertyDescriptor(variables, name);
  return own && "value" in own ? { value: own.value } : undefined;
}

function isUnscopable(object: object, name: string): boolean {
  const unscopables = (object as { [Symbol.unscopables]?: Record<string, unknown> })[Symbol.unscopables];
  return Boolean(unscopables?.[name]);
}

// Names that the language defines. A closure that we cannot see may well declare a `performance` of its own.
const STANDARD = new Set(
  (
    "undefined NaN Infinity globalThis Math Number BigInt String Boolean Symbol Object Function Array ArrayBuffer " +
    "SharedArrayBuffer DataView Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array " +
    "BigInt64Array BigUint64Array Float32Array Float64Array Map Set WeakMap WeakSet WeakRef Date RegExp JSON Reflect " +
    "Proxy Promise Intl Atomics Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError " +
    "URIError isNaN isFinite parseInt parseFloat encodeURI encodeURIComponent decodeURI decodeURIComponent console"
  ).split(" "),
);

function readStandard(name: string): { value: unknown } | undefined {
  return STANDARD.has(name) ? { value: (globalThis as Record<string, unknown>)[name] } : undefined;
}

/** The name that `fn` bears in its own text: of a named expression, or of a declaration. */
function ownName(fn: AnyFunction): string | undefined {
  const node = functionSource(fn)?.node;
  return node?.type === "FunctionExpression" ? node.id?.name : undefined;
}

const answers = new WeakMap<AnyFunction, Map<string, boolean>>();

/** What `ask` says of a function and a name in it, which never changes. */
function answer(fn: AnyFunction, name: string, ask: (fn: AnyFunction, name: string) => boolean): boolean {
  const known = answers.get(fn) ?? new Map<string, boolean>();
  answers.set(fn, known);
  const said = known.get(name) ?? ask(fn, name);
  known.set(name, said);
  return said;
}

/** Uses of variables declared outside, in the order of the source. */
interface Uses {
  readonly all: readonly Identifier[];
  /** Those in which the variable must exist: not `typeof x`. */
  readonly firm: readonly Identifier[];
}

const usesOf = new WeakMap<FunctionSource, Uses>();

function usesIn(source: FunctionSource): Uses {
  let uses = usesOf.get(source);
  if (!uses) {
    const all = [...(scopesIn(source)?.free ?? [])].sort((a, b) => a.start - b.start);
    const asked = new Set<AnyNode>();
    for (const node of nodesOf(source)) {
      if (node.type === "UnaryExpression" && node.operator === "typeof") asked.add(node.argument);
    }
    uses = { all, firm: all.filter((identifier) => !asked.has(identifier)) };
    usesOf.set(source, uses);
  }
  return uses;
}

/** The `with` or `eval` that makes the meaning of names unknowable. */
function dynamicIn(source: FunctionSource): AnyNode | undefined {
  if (!scopesIn(source)?.dynamic) return undefined;
  return nodesOf(source).find(
    (node) =>
      node.type === "WithStatement" ||
      (node.type === "CallExpression" && node.callee.type === "Identifier" && node.callee.name === "eval"),
  );
}

function nodesOf({ node }: FunctionSource): AnyNode[] {
  const nodes: AnyNode[] = [node];
  for (let i = 0; i < nodes.length; i++) nodes.push(...childrenOf(nodes[i]!));
  return nodes;
}
