// customVmap: a function whose batching rule the user gives.
import { aval } from "../core/aval.js";
import { ShapeError, TraceError } from "../core/errors.js";
import { broadcastPrefix, PrefixError, showPath, unflatten } from "../core/tree.js";
import { type CustomVmapParams, customVmapOp } from "../ops/index.js";
import { hereText } from "../trace/here.js";
import type { Tensor } from "../trace/tensor.js";
import { callChecked, checkFunction, leavesLike, nameAfter } from "./call.js";
import { type CustomCall, callCustom, stageRule } from "./custom.js";
import type { AnyFunction, Args, Result } from "./types.js";

/**
 * `fn` with a batching rule. Under `vmap`, `rule(axisSize, inBatched, args)` is called in its place: `inBatched` has the
 * structure of the list of arguments, true where they differ between lanes; those have their lanes along axis 0 in
 * `args`. It returns `[result, outBatched]`: the result in the structure of that of `fn`, lanes along axis 0 where
 * `outBatched`, a tree prefix of it, is true.
 *
 * A vmap around that vmap batches what the rule did, and calls the rule again where the rule calls this function. The
 * derivative is that of `fn`, also under vmap: the rule is for values alone. The rule may use values from outside, but an
 * argument is the only way to be batched. Results of other structures or types than wanted are a `TraceError`,
 * `ShapeError` or `DTypeError`.
 */
export function customVmap<A extends unknown[], R>(
  fn: (...args: A) => R,
  rule: (axisSize: number, inBatched: { readonly [K in keyof A]: Batched<A[K]> }, args: A) => readonly [R, unknown],
): (...args: Args<A>) => Result<R> {
  const target = checkFunction("customVmap", fn);
  const own = checkFunction("customVmap: the rule", rule);
  const made = (...args: unknown[]): unknown =>
    callCustom("customVmap", customVmapOp, { made, target }, args, {
      // a batch of one
      trialTypes: (call) => call.types.map(({ dtype, shape }) => aval(dtype, [1, ...shape])),
      trial: (call, leaves) =>
        void runRule(
          own,
          call,
          1,
          call.types.map(() => true),
          leaves,
        ),
      params: (call) => ({ rule: vmapRule(own, call) }),
    });
  nameAfter(made, "customVmap", target);
  return made as (...args: Args<A>) => Result<R>;
}

/** true where a tree has tensors that are batched. */
export type Batched<T> = T extends Tensor | number | boolean
  ? boolean
  : T extends object
    ? { readonly [K in keyof T]: Batched<T[K]> }
    : boolean;

/** The rule as the record wants it, under the user's name for it. */
function vmapRule(fn: AnyFunction, call: CustomCall): CustomVmapParams["rule"] {
  const rule = (size: number, batched: readonly boolean[]) => {
    const types = call.types.map((type, i) => (batched[i] ? aval(type.dtype, [size, ...type.shape]) : type));
    const { graph, rest } = stageRule(call, types, types.length, (leaves) => runRule(fn, call, size, batched, leaves));
    return { graph, batched: rest };
  };
  return Object.defineProperty(rule, "name", { value: fn.name });
}

function runRule(
  fn: AnyFunction,
  call: CustomCall,
  size: number,
  batched: readonly boolean[],
  leaves: readonly Tensor[],
) {
  const { label, def, outDef, outTypes } = call;
  const result = callChecked(fn, [size, unflatten(def, batched), unflatten(def, leaves)]);
  if (!Array.isArray(result) || result.length !== 2) {
    throw new TraceError(
      `${label}: its rule returns ${Array.isArray(result) ? `an array of ${result.length}` : typeof result}, but [result, outBatched] is wanted${hereText()}`,
    );
  }
  const rest = outBatched(call, result[1]);
  const types = outTypes.map((type, k) => (rest[k] ? aval(type.dtype, [size, ...type.shape]) : type));
  return { outputs: leavesLike(label, "result that its rule gives", result[0], outDef, types, true), rest };
}

function outBatched({ label, outDef }: CustomCall, tree: unknown): boolean[] {
  const wanted = `but true or false is wanted for each result${hereText()}`;
  try {
    return broadcastPrefix(tree, outDef).map((x) => {
      if (typeof x === "boolean") return x;
      throw new TraceError(`${label}: outBatched, which its rule gives, has ${String(x)}, ${wanted}`);
    });
  } catch (error) {
    if (!(error instanceof PrefixError)) throw error;
    throw new ShapeError(
      `${label}: outBatched, which its rule gives, is ${error.seen} at ${showPath(error.path, "outBatched")}, but ${error.wanted}; true or false is wanted for each result${hereText()}`,
    );
  }
}
