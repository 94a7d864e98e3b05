// Which way a user's function is traced: run on tracers, or interpreted.
import { LanewiseError, TraceError } from "../core/errors.js";
import type { Path } from "../core/tree.js";
import { hereText } from "../trace/here.js";
import { atPlace } from "../trace/location.js";
import { Tensor } from "../trace/tensor.js";
import { capturedScope } from "./captured.js";
import { interpret, isInterpreted } from "./interpreter.js";
import { checkHazards } from "./lint.js";
import { numberFunctions } from "./math.js";
import { needOf } from "./needs.js";
import { isNumeric } from "./numbers.js";
import { isOurs } from "./ours.js";
import { withinBound } from "./roll.js";
import { type AnyFunction, functionSource } from "./source.js";

/** How plain-JavaScript functions are read. */
export interface FrontendOptions {
  /**
   * "auto": a function that asks nothing of traced values that JavaScript would answer by itself is run on them, others
   * are interpreted. "trace": always run; what that cannot see is an error where it would be silent. "source": always
   * interpreted. Default "auto".
   */
  readonly frontend?: "auto" | "trace" | "source";
  /** Variables that the function captures, by name, where they cannot be read from V8. */
  readonly scope?: Readonly<Record<string, unknown>>;
  /** Most turns of each loop whose number of turns is not known, so that it has a reverse mode. */
  readonly maxSteps?: number;
}

export const frontendOptionNames = ["frontend", "scope", "maxSteps"] as const;

/** The options of these that are given. Throws `LanewiseError` for values that they do not take. */
export function frontendOptions(transform: string, options: FrontendOptions): FrontendOptions | undefined {
  const { frontend, scope, maxSteps } = options;
  if (frontend === undefined && scope === undefined && maxSteps === undefined) return undefined;
  if (frontend !== undefined && !["auto", "trace", "source"].includes(frontend))
    throw new LanewiseError(`${transform}: frontend is '${String(frontend)}'; there are auto, trace, source`);
  if (scope !== undefined && (typeof scope !== "object" || scope === null))
    throw new LanewiseError(
      `${transform}: scope is ${String(scope)}, but an object of variables is wanted: { k, helper }`,
    );
  if (maxSteps !== undefined && !(Number.isSafeInteger(maxSteps) && maxSteps >= 0))
    throw new LanewiseError(`${transform}: maxSteps is ${String(maxSteps)}, but a whole number ≥ 0 is wanted`);
  return { ...(frontend && { frontend }), ...(scope && { scope }), ...(maxSteps !== undefined && { maxSteps }) };
}

/** Calls the user's `fn` on traced arguments, in the way that suits. */
export function callTracedFunction(
  fn: AnyFunction,
  self: unknown,
  args: readonly unknown[],
  options: FrontendOptions = {},
): unknown {
  const { frontend = "auto", maxSteps } = options;
  // a closure of interpreted code is under the bounds of the code around it, unless it has its own
  if (isInterpreted(fn)) return withinBound(maxSteps, () => Reflect.apply(fn, self, args) as unknown);
  if (isOurs(fn)) return Reflect.apply(fn, self, args);
  const math = numberFunctions.get(fn);
  if (math && args.every(isNumeric))
    return math(args, (message) => new TraceError(`${fn.name}: ${message}${hereText()}`));
  const source = functionSource(fn);
  if (frontend === "trace" || !source) {
    if (frontend === "source")
      throw new TraceError(
        `${fn.name || "this function"} has no source to interpret: it is native, bound, a class or a proxy\n  give a function or arrow function of your own, e.g. (x) => f(x)${hereText()}`,
      );
    if (source) checkHazards(fn, { traced: (i, path) => entryAt(args[i], path) instanceof Tensor });
    return atPlace(undefined, () => withinBound(maxSteps, () => Reflect.apply(fn, self, args)));
  }
  const scope = capturedScope(fn, options.scope);
  if (frontend === "auto" && !needOf(source, self, args, scope))
    return atPlace(undefined, () => withinBound(maxSteps, () => Reflect.apply(fn, self, args)));
  return interpret(fn, self, args, options);
}

const entryAt = (tree: unknown, path: Path): unknown =>
  path.reduce<unknown>((x, key) => (x as Record<string | number, unknown> | undefined)?.[key], tree);
