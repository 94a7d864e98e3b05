// The interpreter of plain-JavaScript functions: it runs their source on traced values, recording what is not known yet.
import type { BlockStatement, Expression, Pattern, Statement, Super } from "acorn";
import { TraceError } from "../core/errors.js";
import { isNode } from "../core/tree.js";
import { atPlace } from "../trace/location.js";
import { Tensor } from "../trace/tensor.js";
import { fromNative } from "./active.js";
import { callValue, constructValue, settle } from "./calls.js";
import { evaluateClass } from "./classes.js";
import { type Completion, type Evaluator, type Scope, type Site, Thrown } from "./evaluator.js";
import { exceptionOf } from "./exceptions.js";
import { condition, evaluate } from "./expressions.js";
import { closureOf, inSession, interpretOutside, makeClosure, unitOf } from "./functions.js";
import { Mixed, showSides } from "./merge.js";
import { bind } from "./patterns.js";
import { locationOf, showPlace } from "./place.js";
import { getAbove, getProperty, removeProperty, setProperty } from "./properties.js";
import { withinBound } from "./roll.js";
import type { AnyFunction } from "./source.js";
import { execute, executeBlock } from "./statements.js";
import { isStale, markOutside } from "./store.js";

const run: Evaluator = {
  evaluate(node: Expression | Super, scope: Scope): unknown {
    switch (node.type) {
      case "FunctionExpression":
      case "ArrowFunctionExpression":
        return makeClosure(run, node, scope);
      case "ClassExpression":
        return evaluateClass(run, node, scope);
      case "Literal":
      case "Identifier":
      case "ThisExpression":
        return evaluate(run, node, scope);
      default: {
        const { fn, source } = scope.activation.unit;
        return atPlace(locationOf(fn, source, node.start), () => evaluate(run, node, scope));
      }
    }
  },
  condition: (node: Expression, scope: Scope) => condition(run, node, scope),
  execute: (node: Statement, scope: Scope, labels: readonly string[] = []): Completion =>
    execute(run, node, scope, labels),
  executeBody: (node: BlockStatement, scope: Scope): Completion => executeBlock(run, node.body, scope),
  call: (callee, self, args, site) => callValue(run, callee, self, args, site),
  construct: (callee, args, site, newTarget) => constructValue(run, callee, args, site, newTarget),
  bind: (pattern: Pattern, value: unknown, scope: Scope, isNew: boolean) => bind(run, pattern, value, scope, isNew),
  get: (object, key, site) => getProperty(run, object, key, site),
  set: (object, key, value, site) => setProperty(run, object, key, value, site),
  getAbove: (above, key, self, site) => getAbove(run, above, key, self, site),
  remove: (object, key, site) => removeProperty(run, object, key, site),
  setHome(method, home) {
    const closure = closureOf(method);
    if (closure) closure.home = home;
  },
  fail({ node, scope }: Site, message: string, hint?: string): TraceError {
    const { fn, source } = scope.activation.unit;
    const place = showPlace(fn, source, node.start, node.end);
    return new TraceError([message, place, ...(hint ? [`  hint: ${hint}`] : [])].join("\n"));
  },
};

/** What a user may tell of a function that is interpreted. */
export interface InterpretOptions {
  /** Variables that it captures, by name; the others are read from V8. */
  readonly scope?: Readonly<Record<string, unknown>>;
  /** Most turns of each loop whose number of turns is not known. */
  readonly maxSteps?: number;
}

/** Whether `fn` was made by interpreted code, and so is interpreted when it is called. */
export const isInterpreted = (fn: AnyFunction): boolean => closureOf(fn) !== undefined;

/**
 * Calls `fn` by interpreting its source: a trace is under way. Throws `TraceError` with a code frame for what cannot be
 * traced, and what the function itself throws.
 */
export function interpret(
  fn: AnyFunction,
  self: unknown,
  args: readonly unknown[],
  options: InterpretOptions = {},
): unknown {
  const call = (): unknown =>
    fromNative(() => {
      for (const x of args) markTree(x);
      try {
        const unit = unitOf(fn);
        if (!unit) return Reflect.apply(fn, self, args);
        const result = interpretOutside(run, unit, self, args);
        settle(result);
        checkResult(fn, result);
        return result;
      } catch (error) {
        throw error instanceof Thrown ? exceptionOf(error) : error;
      }
    });
  return inSession(options.scope ?? {}, () => withinBound(options.maxSteps, call));
}

/** Arguments are the caller's. */
function markTree(x: unknown): void {
  if (x instanceof Tensor || !isNode(x)) return;
  markOutside(x);
  for (const item of Object.values(x)) markTree(item);
}

/** Throws `TraceError` where a result is of another kind on each path. */
function checkResult(fn: AnyFunction, result: unknown): void {
  const found = findUnusable(result);
  if (found === undefined) return;
  const { source } = unitOf(fn)!;
  const place = showPlace(fn, source, source.node.start, source.node.start + 1);
  if (!(found instanceof Mixed))
    throw new TraceError(
      `this function returns an object that may have been changed under another name, depending on a traced condition\n${place}\n  hint: copy it where it is chosen, e.g. { ...(c ? a : b) }`,
    );
  const mixed = found;
  const isMissing = result === mixed && mixed.sides.includes(undefined);
  const message = isMissing
    ? "this function does not return a value on every path"
    : `this function returns ${showSides(mixed.sides)}`;
  throw new TraceError(`${message}\n${place}\n  hint: return values of one kind on every path`);
}

/** What is of another kind on each path, or was perhaps changed under another name. */
function findUnusable(x: unknown): Mixed | object | undefined {
  if (x instanceof Mixed || isStale(x)) return x as object;
  if (!isNode(x)) return undefined;
  for (const item of Object.values(x)) {
    const found = findUnusable(item);
    if (found) return found;
  }
  return undefined;
}
