// Functions that control flow runs later: traced, with what they captured as operands.
import type { Aval } from "../../compiler/core/aval.js";
import { castNumber, type DType } from "../../compiler/core/dtype.js";
import type { Path, TreeDef } from "../../compiler/core/tree.js";
import { type Atom, type Graph, literal } from "../../compiler/ir/graph.js";
import { stage } from "../../compiler/trace/stage.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { callChecked, nameOf, resultLeaves } from "../../compiler/transforms/call.js";
import type { AnyFunction } from "../../compiler/transforms/types.js";

/** A traced function. */
export interface Callback {
  /** Inputs: the arguments, then the captures. Results that are JS numbers are constants. */
  readonly graph: Graph;
  readonly captures: readonly Tensor[];
  readonly def: TreeDef;
  readonly paths: readonly Path[];
}

/** Traces the user's `fn` on leaves of these types; `args` puts its arguments together. */
export function traceCallback(
  what: string,
  fn: AnyFunction,
  types: readonly Aval[],
  args: (leaves: readonly Tensor[]) => readonly unknown[],
): Callback {
  const { graph, captures, rest } = stage(`${what}(${nameOf(fn)})`, types, (leaves) => {
    const { outputs, def, paths } = resultLeaves(what, fn, callChecked(fn, args(leaves)));
    return { outputs, rest: { def, paths } };
  });
  return { graph, captures, ...rest };
}

/** A JS number among results: it adapts to what it stands beside. */
export const isNumber = (x: Atom): x is Atom & { kind: "literal" } => x.kind === "literal" && Boolean(x.aval.weak);

/** The JS number as a constant of `dtype`; undefined where the dtype does not hold it. */
export function adapted(x: Atom, dtype: DType): Atom | undefined {
  if (x.aval.dtype === dtype && !x.aval.weak) return x;
  if (!isNumber(x)) return x.aval.dtype === dtype ? x : undefined;
  if (dtype === "bool") return undefined;
  const value = castNumber(x.value, dtype);
  return dtype === "f32" || value === x.value ? literal(value, { dtype, shape: [] }) : undefined;
}
