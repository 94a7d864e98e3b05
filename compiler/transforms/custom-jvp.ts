// customJvp: a function whose tangents the user gives.
import type { Aval } from "../core/aval.js";
import { TraceError } from "../core/errors.js";
import { unflatten } from "../core/tree.js";
import type { Graph } from "../ir/graph.js";
import { type CustomJvpParams, customJvpOp } from "../ops/index.js";
import { hereText } from "../trace/here.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { callChecked, checkFunction, leavesLike, nameAfter } from "./call.js";
import { type CustomCall, callCustom, stageRule } from "./custom.js";
import { zeros } from "./run.js";
import type { AnyFunction, Args, Result } from "./types.js";

/**
 * `fn` with derivatives by `rule(primals, tangents)`, which returns `[value, tangent]`, each in the structure of the
 * result of `fn`. `primals` is the list of arguments, `tangents` has the same structure; tangents of arguments that are
 * not differentiated, and of integers, are zeros. The tangent must be linear in the tangents: then it serves reverse mode
 * too. Derivatives of higher order differentiate the rule.
 *
 * The rule may use values from outside; gradients do not flow to them, and a captured value that is differentiated is a
 * `TraceError`. A rule whose results do not have the types of those of `fn` is a `ShapeError` or `DTypeError`.
 */
export function customJvp<A extends unknown[], R>(
  fn: (...args: A) => R,
  rule: (primals: A, tangents: A) => readonly [R, R],
): (...args: Args<A>) => Result<R> {
  const target = checkFunction("customJvp", fn);
  const ofTangents = checkFunction("customJvp: the rule", rule);
  const made = (...args: unknown[]): unknown =>
    callCustom("customJvp", customJvpOp, { made, target }, args, {
      trialTypes: (call) => [...call.types, ...call.types.filter(isFloat)],
      trial: (call, leaves) => void runRule(ofTangents, call, call.types.map(isFloat), leaves),
      params: (call) => ({ rule: jvpRule(ofTangents, call) }),
    });
  nameAfter(made, "customJvp", target);
  return made as (...args: Args<A>) => Result<R>;
}

const isFloat = (type: Aval): boolean => type.dtype === "f32";

/** The rule as the record wants it, under the user's name for it. */
function jvpRule(fn: AnyFunction, call: CustomCall): CustomJvpParams["rule"] {
  const byActive = new Map<string, Graph>();
  const rule = (active: readonly boolean[]): Graph => {
    const key = active.join();
    let graph = byActive.get(key);
    if (!graph) {
      const isActive = active.slice(0, call.types.length);
      const types = [...call.types, ...call.types.filter((_, i) => isActive[i])];
      graph = stageRule(call, types, call.types.length, (leaves) => ({
        outputs: runRule(fn, call, isActive, leaves),
        rest: undefined,
      })).graph;
      byActive.set(key, graph);
    }
    return graph;
  };
  return Object.defineProperty(rule, "name", { value: fn.name });
}

/** The user's rule on primals, then tangents of the active ones; its value, then the tangents of float results. */
function runRule(
  fn: AnyFunction,
  call: CustomCall,
  active: readonly boolean[],
  leaves: readonly Tensor[],
): readonly Operand[] {
  const { label, def, types, outDef, outTypes } = call;
  let at = types.length;
  const tangents = types.map((type, i) => (active[i] ? leaves[at++]! : zeros(type)));
  const result = callChecked(fn, [unflatten(def, leaves.slice(0, types.length)), unflatten(def, tangents)]);
  if (!Array.isArray(result) || result.length !== 2) {
    throw new TraceError(
      `${label}: its rule returns ${Array.isArray(result) ? `an array of ${result.length}` : typeof result}, but [value, tangent] is wanted${hereText()}`,
    );
  }
  const value = leavesLike(label, "value that its rule gives", result[0], outDef, outTypes, true);
  const tangent = leavesLike(label, "tangent that its rule gives", result[1], outDef, outTypes);
  return [...value, ...tangent.filter((_, k) => isFloat(outTypes[k]!))];
}
