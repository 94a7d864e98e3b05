// What a function sees outside of itself: the variables it closes over, read from V8, or given by its author.
import type { AnyNode, Identifier } from "acorn";
import { TraceError } from "../core/errors.js";
import { readScript, type ScopeRecord, scopesAround, scriptPositionOf } from "./inspector.js";
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
    read(name) {
      if (Object.hasOwn(given, name)) return { value: given[name] };
      // its own name lies in a scope that V8 counts to the inside
      if (ownName(fn) === name) return { value: fn };
      const scopes = around();
      // of a function that V8 shows no scopes of, globals are all we know
      return scopes && scopes.length > 0 ? readScopes(fn, scopes, name) : readStandard(name);
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
  const free = source ? freeIn(source) : [];
  return [...new Set(free.map(({ name }) => name))].filter((name) => !(name in globalThis));
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
  const asked = typeofOperands(source);
  const missing = new Map<string, Identifier>();
  for (const identifier of freeIn(source)) {
    const { name } = identifier;
    if (missing.has(name) || asked.has(identifier) || scope.read(name)) continue;
    missing.set(name, identifier);
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

function readScopes(fn: AnyFunction, scopes: readonly ScopeRecord[], name: string): { value: unknown } | undefined {
  let named = false; // whether a function of this name lies between
  for (const { kind, variables, functionName } of scopes) {
    if (!(name in variables) || (kind === "with" && isUnscopable(variables, name))) {
      named ||= functionName === name;
      continue;
    }
    const found = valueIn(kind, variables, name);
    return named && found && isHidden(fn, name, found.value) ? undefined : found;
  }
  return undefined;
}

function valueIn(kind: ScopeRecord["kind"], variables: object, name: string): { value: unknown } | undefined {
  if (kind === "with" || kind === "global") return { value: (variables as Record<string, unknown>)[name] };
  // V8 leaves an accessor that throws in place of a variable it has no value of
  const own = Object.getOwnPropertyDescriptor(variables, name);
  return own && "value" in own ? { value: own.value } : undefined;
}

/**
 * Whether `name`, found outside of a function of that name, is hidden from `fn` by that function's own name, which V8
 * does not show: `const f = memo(function f() { return () => f; })`. A method or an arrow so called hides nothing.
 */
function isHidden(fn: AnyFunction, name: string, value: unknown): boolean {
  const text = Function.prototype.toString.call(fn);
  if (typeof value === "function" && Function.prototype.toString.call(value).includes(text)) return false;
  const position = scriptPositionOf(fn);
  const script = position && readScript(position.scriptId);
  if (!script) return true;
  const expression = new RegExp(`\\bfunction\\s*\\*?\\s*${name.replaceAll("$", "\\$")}\\s*\\(`);
  return expression.test(script.source);
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

/**
 * The name that a function bears within itself. Declarations are told from named expressions by nothing in their text;
 * a declared function whose variable was assigned another value is the one that this gets wrong.
 */
function ownName(fn: AnyFunction): string | undefined {
  const node = functionSource(fn)?.node;
  return node?.type === "FunctionExpression" ? node.id?.name : undefined;
}

const free = new WeakMap<FunctionSource, readonly Identifier[]>();

/** Identifiers of variables declared outside, in the order of the source. */
function freeIn(source: FunctionSource): readonly Identifier[] {
  let found = free.get(source);
  if (!found) {
    found = [...(scopesIn(source)?.free ?? [])].sort((a, b) => a.start - b.start);
    free.set(source, found);
  }
  return found;
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

function typeofOperands(source: FunctionSource): ReadonlySet<AnyNode> {
  const found = new Set<AnyNode>();
  for (const node of nodesOf(source)) {
    if (node.type === "UnaryExpression" && node.operator === "typeof") found.add(node.argument);
  }
  return found;
}

function nodesOf({ node }: FunctionSource): AnyNode[] {
  const nodes: AnyNode[] = [node];
  for (let i = 0; i < nodes.length; i++) nodes.push(...childrenOf(nodes[i]!));
  return nodes;
}
