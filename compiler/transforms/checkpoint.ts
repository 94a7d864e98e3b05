// checkpoint and stopGradient: what derivatives keep, and where they end.
import { LanewiseError } from "../core/errors.js";
import { unflatten } from "../core/tree.js";
import { type FrontendOptions, frontendOptionNames, frontendOptions } from "../frontend/choose.js";
import { type CheckpointPolicy, checkpointOp, stopGradient as stopped } from "../ops/index.js";
import { bind, currentTrace } from "../trace/trace.js";
import { checkFunction, checkOptions, flattenArgs, nameAfter, nameOf, stageCall } from "./call.js";
import { runGraph } from "./run.js";
import type { AnyFunction, Args, Result } from "./types.js";

export interface CheckpointOptions extends FrontendOptions {
  /**
   * What is kept for the backward pass beside the arguments. `"nothing"` (the default): all is computed again.
   * `"contractions"`: matrix products and convolutions are kept, what is cheap is computed again. `"everything"`: as
   * without `checkpoint`.
   */
  readonly policy?: CheckpointPolicy;
}

const policies: readonly CheckpointPolicy[] = ["nothing", "contractions", "everything"];

/**
 * `fn`, of which reverse mode keeps only the arguments: its backward pass computes the rest again. Less memory, more
 * arithmetic, the same numbers. Trees in and out; values that `fn` captures are kept as arguments are. Throws
 * `LanewiseError` for a policy that there is not.
 */
export function checkpoint<A extends unknown[], R>(
  fn: (...args: A) => R,
  options: CheckpointOptions = {},
): (...args: Args<A>) => Result<R> {
  const target = checkFunction("checkpoint", fn, frontendOptions("checkpoint", options));
  checkOptions("checkpoint", options, ["policy", ...frontendOptionNames]);
  const { policy = "nothing" } = options;
  if (!policies.includes(policy)) {
    throw new LanewiseError(`checkpoint: there is no policy '${String(policy)}'; there are ${policies.join(", ")}`);
  }
  const made = (...args: unknown[]): unknown => {
    const flat = flattenArgs("checkpoint", target, args);
    const { graph, captures, rest } = stageCall("checkpoint", target, flat);
    const operands = [...flat.leaves, ...captures];
    const results = currentTrace()
      ? bind(checkpointOp, operands, { body: graph, policy })
      : runGraph(graph, operands, `checkpoint(${nameOf(target)})`);
    return unflatten(rest, results);
  };
  nameAfter(made, "checkpoint", target);
  return made as (...args: Args<A>) => Result<R>;
}

/** The same tree, whose tensors are constants for derivatives: tangents and gradients end here. Costs nothing. */
export function stopGradient<T>(tree: T): Result<T> {
  const flat = flattenArgs("stopGradient", stopGradient as AnyFunction, [tree]);
  return (unflatten(flat.def, flat.leaves.map(stopped)) as [Result<T>])[0];
}
