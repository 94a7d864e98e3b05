// Functions that control flow runs later: traced, with what they captured as operands.
import type { Aval } from "../../compiler/core/aval.js";
import { castNumber, type DType } from "../../compiler/core/dtype.js";
import type { Path, TreeDef } from "../../compiler/core/tree.js";
import { type Atom, type Graph, literal, newVar } from "../../compiler/ir/graph.js";
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

/** Graphs that take the captures of all callbacks first, then their arguments. */
export function shareCaptures(callbacks: readonly Pick<Callback, "graph" | "captures">[]): {
  readonly graphs: readonly Graph[];
  readonly captures: readonly Tensor[];
} {
  const all = new Map<unknown, Tensor>();
  for (const x of callbacks.flatMap(({ captures }) => captures)) all.set(identityOf(x), x);
  const graphs = callbacks.map(({ graph, captures }): Graph => {
    const count = graph.inputs.length - captures.length;
    const own = new Map(captures.map((x, i) => [identityOf(x), graph.inputs[count + i]!]));
    const shared = [...all].map(([identity, x]) => own.get(identity) ?? newVar(x.aval));
    return { ...graph, inputs: [...shared, ...graph.inputs.slice(0, count)] };
  });
  return { graphs, captures: [...all.values()] };
}

const identityOf = (x: Tensor): unknown => x.traced?.atom ?? x;

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
