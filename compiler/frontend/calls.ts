// Calls: of interpreted functions, of this package's, of native ones, and of the user's from outside.
import type { AnyNode } from "acorn";
import { LanewiseError } from "../core/errors.js";
import { isNode } from "../core/tree.js";
import { Tensor, UnknownValueError } from "../trace/tensor.js";
import { argumentMutators, builtins, checkSize, mutators, readers } from "./builtins.js";
import { constructOutside, hasPrivateNames } from "./classes.js";
import { type Evaluator, type Site, Thrown, used, usedNumber } from "./evaluator.js";
import { closureOf, interpretOutside, invoke, outsideOf, unitOf } from "./functions.js";
import { numberFunctions } from "./math.js";
import { Mixed } from "./merge.js";
import { needOf } from "./needs.js";
import { isNumeric, type Numeric } from "./numbers.js";
import { isNative, isOurs } from "./ours.js";
import { checkOwn, noTraced, unpack } from "./properties.js";
import { childrenOf } from "./scopes.js";
import { type AnyFunction, classSource, functionSource } from "./source.js";
import { created, isCreated, isOutside, markOutside, noteObject, packOf } from "./store.js";

const { call: callMethod, apply: applyMethod, bind: bindMethod } = Function.prototype;

/** callee.call(self, ...args) */
export function callValue(
  run: Evaluator,
  callee: unknown,
  self: unknown,
  args: readonly unknown[],
  site: Site,
): unknown {
  if (typeof callee !== "function") {
    throw new Thrown(new TypeError(`${showCallee(site)} is not a function`), site);
  }
  const fn = callee as AnyFunction;
  const closure = closureOf(fn);
  if (closure) return invoke(run, closure, self, args, undefined, site);
  if (fn === callMethod) return run.call(self, args[0], args.slice(1), site);
  if (fn === applyMethod) return run.call(self, args[0], (args[1] as unknown[] | undefined) ?? [], site);
  if (fn === bindMethod) return bound(run, self, args, site);
  const builtin = builtins.get(fn)?.(run, self, args, site);
  if (builtin) return builtin.value;
  const math = numberFunctions.get(fn);
  if (math && args.some((x) => x instanceof Tensor || x instanceof Mixed))
    return math(numbers(run, fn, args, site), (message) => run.fail(site, message));
  if (isOurs(fn)) return callOurs(run, fn, self, args, site);
  if (isNative(fn)) return callNative(run, fn, self, args, site);
  if (!holdsTraced(self) && !args.some((x) => holdsTraced(x))) return native(fn, self, args, site);
  return callOutside(run, fn, self, args, site);
}

function showCallee({ node, scope }: Site): string {
  const { source } = scope.activation.unit;
  const callee = node.type === "CallExpression" ? node.callee : node;
  return source.text.slice(callee.start - source.shift, callee.end - source.shift);
}

/** ToNumber of arguments; one that asks for their kind gets them as they are. */
function numbers(run: Evaluator, fn: unknown, args: readonly unknown[], site: Site): Numeric[] {
  const isAsking =
    fn === Number.isNaN || fn === Number.isFinite || fn === Number.isInteger || fn === Number.isSafeInteger;
  return args.map((arg) => {
    const x = isAsking ? used(run, arg, site) : usedNumber(run, arg, site);
    if (isNumeric(x)) return x;
    if (x === null) return 0;
    if (typeof x === "object" || typeof x === "function" || typeof x === "symbol")
      throw run.fail(
        site,
        `a number is wanted, but ${Array.isArray(x) ? "an array" : `a ${typeof x}`} is given`,
        Array.isArray(x) ? "spread it: Math.max(...list)" : undefined,
      );
    return Number(x);
  });
}

/** Whether a value is traced, or holds one, or may when it is called. */
function holdsTraced(x: unknown, depth = 4): boolean {
  if (x instanceof Tensor || x instanceof Mixed) return true;
  if (typeof x === "function") return closureOf(x) !== undefined;
  if (typeof x !== "object" || x === null || depth === 0) return false;
  if (packOf(x)) return true;
  if (x instanceof Map || x instanceof Set) return [...x.values()].some((item) => holdsTraced(item, depth - 1));
  if (!isNode(x) && !isCreated(x) && depth < 3) return false;
  return Object.values(x).some((item) => holdsTraced(item, depth - 1));
}

/** A function of this package's gets what it would get without an interpreter. */
function callOurs(run: Evaluator, fn: AnyFunction, self: unknown, args: readonly unknown[], site: Site): unknown {
  for (const x of [self, ...args]) {
    used(run, x, site);
    settle(x);
  }
  return native(fn, self, args, site);
}

/** Puts the elements of packed arrays in a tree in their places. */
export function settle(x: unknown, depth = 6): void {
  unpack(x);
  if (depth > 0 && isNode(x)) for (const item of Object.values(x)) settle(item, depth - 1);
}

function callNative(run: Evaluator, fn: AnyFunction, self: unknown, args: readonly unknown[], site: Site): unknown {
  for (const x of [self, ...args]) unpack(x);
  for (const x of args) if (x instanceof Mixed && !keeps(fn)) used(run, x, site);
  const target = mutators.has(fn) ? self : argumentMutators.has(fn) ? args[0] : undefined;
  if (typeof target === "object" && target !== null) {
    checkOwn(run, target, site);
    noteObject(target);
  }
  // functions given to it are called as they would be here
  const given = args.map((x) => (typeof x === "function" ? bridge(run, x as AnyFunction, site) : x));
  if (ArrayBuffer.isView(target) && args.some((x) => x instanceof Tensor || holdsTraced(x)))
    throw noTraced(run, target, site);
  const result = askNative(run, fn, self, given, site);
  if (typeof result !== "object" || result === null || isCreated(result) || result instanceof Tensor) return result;
  const isOld = readers.has(fn) || result === self || args.includes(result);
  if (!isOld) created(result);
  if (typeof self === "object" && self !== null && isOutside(self)) {
    if (isOld) markOutside(result);
    else for (const item of Object.values(result as object)) markOutside(item);
  }
  return result;
}

/** As `native`; what it asks of a traced value is shown at its place. */
function askNative(run: Evaluator, fn: AnyFunction, self: unknown, args: readonly unknown[], site: Site): unknown {
  try {
    return native(fn, self, args, site);
  } catch (error) {
    if (!(error instanceof UnknownValueError)) throw error;
    throw run.fail(
      site,
      `${showCallee(site)}() needs a value that is only known when the kernel runs`,
      "sizes, positions in lists and text must be known while tracing",
    );
  }
}

/** Methods that only move values. */
const KEEPERS = new Set<unknown>([
  Array.prototype.push,
  Array.prototype.unshift,
  Array.prototype.concat,
  Array.prototype.fill,
  Array.of,
]);
const keeps = (fn: unknown): boolean => KEEPERS.has(fn);

/** A function of the user's, or a native one, called by native code. */
function bridge(run: Evaluator, fn: AnyFunction, site: Site): AnyFunction {
  if (closureOf(fn) || isOurs(fn) || classSource(fn)) return fn;
  const made = function (this: unknown, ...args: unknown[]): unknown {
    return run.call(fn, this, args, site);
  };
  return made as AnyFunction;
}

function bound(run: Evaluator, fn: unknown, [self, ...first]: readonly unknown[], site: Site): unknown {
  const made = (...args: unknown[]): unknown => run.call(fn, self, [...first, ...args], site);
  return created(made);
}

/** Runs it as JavaScript does. Its exceptions are the program's. */
function native(fn: AnyFunction, self: unknown, args: readonly unknown[], site: Site): unknown {
  try {
    return Reflect.apply(fn, self, args);
  } catch (error) {
    throw asThrown(error, site);
  }
}

function asThrown(error: unknown, site: Site): unknown {
  return error instanceof LanewiseError || error instanceof Thrown || typeof error === "symbol"
    ? error
    : new Thrown(error, site);
}

function callOutside(run: Evaluator, fn: AnyFunction, self: unknown, args: readonly unknown[], site: Site): unknown {
  const unit = classSource(fn) ? undefined : unitOf(fn);
  // without a source to read it runs as it is, and complains by itself where it needs what is not known
  if (!unit) return native(fn, self, args, site);
  // private names are known to the code of their class alone: it runs, if traced values come to no harm in it
  if (namesPrivates(unit.source.node) && !needOf(unit.source, self, args, unit.outside))
    return native(fn, self, args, site);
  return interpretOutside(run, unit, self, args);
}

const namers = new WeakMap<AnyNode, boolean>();

function namesPrivates(node: AnyNode): boolean {
  let names = namers.get(node);
  if (names === undefined) {
    names = node.type === "PrivateIdentifier" || childrenOf(node).some(namesPrivates);
    namers.set(node, names);
  }
  return names;
}

/** new callee(...args) */
export function constructValue(
  run: Evaluator,
  callee: unknown,
  args: readonly unknown[],
  site: Site,
  newTarget: unknown = callee,
): object {
  if (typeof callee !== "function") throw new Thrown(new TypeError(`${showCallee(site)} is not a constructor`), site);
  const fn = callee as AnyFunction;
  const closure = closureOf(fn);
  if (closure?.construct) return closure.construct(args, newTarget);
  checkSize(run, fn, args, site);
  const make = (): object => {
    for (const x of args) settle(used(run, x, site));
    try {
      return created(Reflect.construct(fn as never, args, newTarget as never) as object);
    } catch (error) {
      throw asThrown(error, site);
    }
  };
  if (closure) {
    const self = created(Object.create((newTarget as AnyFunction).prototype as object) as object);
    const result = invoke(run, closure, self, args, newTarget, site);
    return typeof result === "object" && result !== null ? result : self;
  }
  if (isOurs(fn) || isNative(fn) || !args.some((x) => holdsTraced(x))) return make();
  const written = classSource(fn);
  if (written) {
    if (hasPrivateNames(written.node)) return make();
    const unit = { fn, source: { ...written, node: undefined as never }, outside: outsideOf(fn) };
    return constructOutside(run, unit, written.node, args, newTarget, site);
  }
  if (!functionSource(fn)) return make();
  const self = created(Object.create((newTarget as AnyFunction).prototype as object) as object);
  return interpretOutside(run, unitOf(fn)!, self, args, newTarget) as object;
}
