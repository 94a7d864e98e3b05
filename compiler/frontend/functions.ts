// Functions of interpreted code: closures, which native code can call too, and functions from outside.
import type { AnyNode, Function as FunctionSyntax } from "acorn";
import { fromNative } from "./active.js";
import { type CapturedScope, capturedScope, checkVisible } from "./captured.js";
import { hoistVars } from "./declarations.js";
import { type Activation, type Completion, type Evaluator, Scope, type Site, Thrown, type Unit } from "./evaluator.js";
import { Mixed } from "./merge.js";
import { type AnyFunction, functionSource } from "./source.js";
import { Cell, created } from "./store.js";

/** A function that interpreted code has made. */
export interface Closure {
  readonly node: FunctionSyntax & AnyNode;
  readonly scope: Scope;
  home: object | undefined;
  /** Of a class: makes an object; the class itself cannot be called. */
  readonly construct?: (args: readonly unknown[], newTarget: unknown) => object;
}

const closures = new WeakMap<object, Closure>();

export const closureOf = (x: unknown): Closure | undefined => (typeof x === "function" ? closures.get(x) : undefined);

/** What one trace of a function's is given, and what it has seen. */
export interface Session {
  /** Variables by name that its user gave. */
  readonly given: Readonly<Record<string, unknown>>;
  readonly units: Map<AnyFunction, Unit>;
}

let session: Session = { given: {}, units: new Map() };

/** Runs `work` as a trace of its own. */
export function inSession<T>(given: Session["given"], work: () => T): T {
  const outer = session;
  session = { given, units: new Map() };
  try {
    return work();
  } finally {
    session = outer;
  }
}

/** The source of a function from outside and what it sees; undefined where there is none to read. */
export function unitOf(fn: AnyFunction): Unit | undefined {
  const known = session.units.get(fn);
  if (known) return known;
  const source = functionSource(fn);
  if (!source) return undefined;
  const outside = outsideOf(fn);
  checkVisible(fn, outside);
  const unit = { fn, source, outside };
  session.units.set(fn, unit);
  return unit;
}

/** What a function or class from outside sees. */
export const outsideOf = (fn: AnyFunction): CapturedScope => capturedScope(fn, session.given);

/** Makes a function of interpreted code, which is a function of JavaScript too. */
export function makeClosure(run: Evaluator, node: FunctionSyntax & AnyNode, scope: Scope): AnyFunction {
  const isArrow = node.type === "ArrowFunctionExpression";
  // a function expression knows itself by its name
  const itself = node.type === "FunctionExpression" && node.id ? new Scope(scope, scope.activation) : undefined;
  const closure: Closure = { node, scope: itself ?? scope, home: undefined };
  const made = isArrow
    ? (...args: unknown[]): unknown => enter(run, closure, undefined, args, undefined)
    : function (this: unknown, ...args: unknown[]): unknown {
        return enter(run, closure, this, args, new.target);
      };
  itself?.declare(new Cell(node.id!.name, made, true));
  return dress(made as AnyFunction, closure, node.id?.name ?? "");
}

/** Enters a closure under the function that stands for it. */
export function dress(made: AnyFunction, closure: Closure, name: string): AnyFunction {
  const { params } = closure.node;
  const first = params.findIndex((each) => each.type === "AssignmentPattern" || each.type === "RestElement");
  Object.defineProperty(made, "name", { value: name, configurable: true });
  Object.defineProperty(made, "length", { value: first < 0 ? params.length : first, configurable: true });
  closures.set(made, closure);
  return created(made);
}

/** A call from native code, or from this package's own, which may be tracing another function by it. */
function enter(run: Evaluator, closure: Closure, self: unknown, args: readonly unknown[], newTarget: unknown): unknown {
  const site: Site = { node: closure.node, scope: closure.scope };
  const call = (): unknown => invoke(run, closure, self, args, newTarget, site);
  return fromNative(call);
}

/** Calls a closure. */
export function invoke(
  run: Evaluator,
  closure: Closure,
  self: unknown,
  args: readonly unknown[],
  newTarget: unknown,
  site: Site,
): unknown {
  const { node, scope } = closure;
  if (closure.construct) {
    if (newTarget === undefined)
      throw new Thrown(new TypeError("Class constructor cannot be invoked without 'new'"), site);
    return closure.construct(args, newTarget);
  }
  const outer = scope.activation;
  if (node.type === "ArrowFunctionExpression") return callFunction(run, node, scope, outer, args, site);
  const activation: Activation = {
    unit: outer.unit,
    self: { value: self, isSet: true },
    args,
    newTarget,
    home: closure.home,
  };
  const value = callFunction(run, node, scope, activation, args, site);
  if (newTarget === undefined) return value;
  return typeof value === "object" && value !== null ? value : self;
}

/** Runs the body of a function on arguments. */
export function callFunction(
  run: Evaluator,
  node: FunctionSyntax,
  outer: Scope,
  activation: Activation,
  args: readonly unknown[],
  site: Site,
): unknown {
  if (node.generator)
    throw run.fail(site, "generator functions cannot be called in a traced function", "collect the values in an array");
  if (node.async)
    throw run.fail(site, "async functions cannot be traced", "await the data outside and pass it as an argument");
  const scope = new Scope(outer, activation);
  deepen(run, site, () => {
    node.params.forEach((pattern, i) => {
      if (pattern.type === "RestElement") run.bind(pattern.argument, created(args.slice(i)), scope, true);
      else run.bind(pattern, args[i], scope, true);
    });
  });
  if (node.expression || node.body.type !== "BlockStatement")
    return deepen(run, site, () => run.evaluate(node.body as never, scope));
  hoistVars(node.body, scope);
  const body = node.body;
  return returnedBy(deepen(run, site, () => run.executeBody(body, scope)));
}

/** Calls within calls; those of this interpreter's own stack are deep. */
const DEEPEST = 400;
/** Where there is room again on the stack to say that it was too small. */
const SHALLOW = 16;
let depth = 0;

const tooDeep = (run: Evaluator, site: Site): Error =>
  run.fail(
    site,
    "functions call each other too deep: a recursion whose end is only known when the kernel runs does not end",
    "recur on values that are known while tracing, or write a loop",
  );

function deepen<T>(run: Evaluator, site: Site, work: () => T): T {
  if (depth >= DEEPEST) throw tooDeep(run, site);
  depth++;
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError && depth <= SHALLOW && /call stack/.test(error.message)) throw tooDeep(run, site);
    throw error;
  } finally {
    depth--;
  }
}

/** What a call returns: nothing where the end of the body is reached. */
function returnedBy(end: Completion): unknown {
  if (end?.kind === "return") return end.value;
  if (end?.kind !== "parted") return undefined;
  const returned = end.cases.find((each) => each?.kind === "return");
  const value = returned?.kind === "return" ? returned.value : undefined;
  return end.cases.includes(undefined) && value !== undefined ? new Mixed([value, undefined]) : value;
}

/** Calls a function from outside by interpreting it. */
export function interpretOutside(
  run: Evaluator,
  unit: Unit,
  self: unknown,
  args: readonly unknown[],
  newTarget?: unknown,
): unknown {
  const { node } = unit.source;
  const isArrow = node.type === "ArrowFunctionExpression";
  const activation: Activation = {
    unit,
    self: isArrow ? undefined : { value: self, isSet: true },
    args: isArrow ? undefined : args,
    newTarget,
    home: isArrow ? undefined : homeOf(unit.fn, self),
  };
  const scope = new Scope(undefined, activation);
  const value = callFunction(run, node, scope, activation, args, { node, scope });
  if (newTarget === undefined) return value;
  return typeof value === "object" && value !== null ? value : self;
}

/** The object whose own method `fn` is, at or above `self`. */
function homeOf(fn: AnyFunction, self: unknown): object | undefined {
  if ((typeof self !== "object" && typeof self !== "function") || self === null) return undefined;
  for (let at: object | null = self; at; at = Object.getPrototypeOf(at) as object | null) {
    for (const property of Object.values(Object.getOwnPropertyDescriptors(at)))
      if (property.value === fn || property.get === fn || property.set === fn) return at;
  }
  return undefined;
}
