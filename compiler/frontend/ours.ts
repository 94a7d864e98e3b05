// Whose a function is: this package's, the engine's or Node's, or the user's.
import { types } from "node:util";
import { isNodeFile, isOwnFile } from "../trace/location.js";
import { boundParts, type ScriptPosition, scriptPositionOf, scriptUrl } from "./inspector.js";
import type { AnyFunction } from "./source.js";

/**
 * Enters functions of this package. Of an object, all that it holds: exports of namespaces, methods and accessors of
 * classes, properties of plain objects and lists. A function given by itself is entered alone, and is not kept alive.
 * They are known from then on without a look at where they stand; where the package and the user's code are bundled in
 * one file, that is what all other knowledge starts from.
 */
export function registerOurs(...roots: readonly unknown[]): void {
  const seen = new Set<unknown>();
  for (const root of roots) {
    if (typeof root === "function") owners.set(root as AnyFunction, "ours");
    else enter(root, seen);
  }
}

/**
 * Whether `fn` is a function of this package: a public one, a method, what `jit`, `vmap`, `grad` or an optimiser made, or
 * any of these bound. The first question about a function costs some 0.1 ms, about a script some 30 ms, later ones
 * nothing. Without an inspector only registered functions are known.
 */
export function isOurs(fn: unknown): boolean {
  return typeof fn === "function" && ownerOf(fn as AnyFunction) === "ours";
}

/**
 * Whether `fn` is built into the engine, or written in JavaScript by Node. Bound functions are what they bind; proxies are
 * not native. Without an inspector, functions of Node that are written in JavaScript are not known.
 */
export function isNative(fn: unknown): boolean {
  return typeof fn === "function" && ownerOf(fn as AnyFunction) === "native";
}

// ---------------------------------------------------------------------------------------------------------------------

type Owner = "ours" | "native" | "user";

const owners = new WeakMap<AnyFunction, Owner>();

function ownerOf(fn: AnyFunction): Owner {
  let owner = owners.get(fn);
  if (!owner) {
    owner = findOwner(fn);
    owners.set(fn, owner);
  }
  return owner;
}

function findOwner(fn: AnyFunction): Owner {
  if (types.isProxy(fn)) return "user"; // its traps run, whatever it stands for
  if (hasNativeText(fn)) {
    const bound = boundParts(fn);
    if (bound) return ownerOf(bound.target);
    return looksBound(fn) ? "user" : "native";
  }
  const position = scriptPositionOf(fn);
  const url = position && scriptUrl(position.scriptId);
  if (url === undefined) return "user";
  if (isNodeFile(url)) return "native";
  return isOwnFile(url) || isWithin(bundledSpans().get(position!.scriptId), position!) ? "ours" : "user";
}

const hasNativeText = (fn: AnyFunction): boolean =>
  /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(fn));

/** As far as that can be told from outside. */
const looksBound = (fn: AnyFunction): boolean => /^bound /.test(String(fn.name)) && !Object.hasOwn(fn, "prototype");

// ---------------------------------------------------------------------------------------------------------------------

/** Those that objects hold, which live as long as the package. */
const registered: AnyFunction[] = [];

function enter(value: unknown, seen: Set<unknown>): void {
  if (seen.has(value)) return;
  seen.add(value);
  if (typeof value === "function") {
    const fn = value as AnyFunction;
    if (hasNativeText(fn)) return;
    owners.set(fn, "ours");
    registered.push(fn);
    spans = undefined;
    enter(Object.getPrototypeOf(fn), seen); // of a class: the one it extends
  } else if (!isContainer(value)) return;
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(value as object))) {
    for (const each of [property.value, property.get, property.set]) enter(each, seen);
    // namespaces made by bundlers and test runners have getters for exports
    if (property.get && property.enumerable) enter((value as Record<string, unknown>)[key], seen);
  }
}

/** Whether to look into an object: a namespace, a plain object, a list, or the prototype of a class. */
function isContainer(value: unknown): value is object {
  if (typeof value !== "object" || value === null || types.isProxy(value)) return false;
  if (types.isModuleNamespaceObject(value) || Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.hasOwn(value, "constructor");
}

// ---------------------------------------------------------------------------------------------------------------------

/** The part of a script from the first to the last function of ours. */
interface Span {
  readonly first: ScriptPosition;
  readonly last: ScriptPosition;
}

let spans: Map<string, Span> | undefined;

/**
 * Bundlers write modules in the order in which they are needed, a package that imports no code of the user's all in one
 * piece. Where our functions stand in a script that is not named as ours, all between the first and the last is ours.
 */
function bundledSpans(): Map<string, Span> {
  if (spans) return spans;
  spans = new Map();
  const [some] = registered;
  const place = some && scriptPositionOf(some);
  if (!place || isOwnFile(scriptUrl(place.scriptId) ?? "")) return spans; // files of our own need no spans
  for (const fn of registered) {
    const start = scriptPositionOf(fn);
    if (!start) continue;
    const end = endOf(fn, start);
    const { first = start, last = end } = spans.get(start.scriptId) ?? {};
    spans.set(start.scriptId, {
      first: isBefore(start, first) ? start : first,
      last: isBefore(last, end) ? end : last,
    });
  }
  return spans;
}

/** A position at or behind the end of `fn`. */
function endOf(fn: AnyFunction, { scriptId, line, column }: ScriptPosition): ScriptPosition {
  const lines = Function.prototype.toString.call(fn).split(/\r\n|[\n\r\u2028\u2029]/);
  const lastColumn = lines.at(-1)!.length;
  return { scriptId, line: line + lines.length - 1, column: lines.length > 1 ? lastColumn : column + lastColumn };
}

const isBefore = (a: ScriptPosition, b: ScriptPosition): boolean =>
  a.line < b.line || (a.line === b.line && a.column < b.column);

const isWithin = (span: Span | undefined, position: ScriptPosition): boolean =>
  span !== undefined && !isBefore(position, span.first) && !isBefore(span.last, position);
