// stage: runs a function once on traced arguments and gives its Graph; replay: records a Graph again.
import type { Aval } from "../core/aval.js";
import type { Atom, Graph, Var } from "../ir/graph.js";
import type { Operand, Tensor } from "./tensor.js";
import { bind, inTrace, withLocation } from "./trace.js";

export interface Staged<R> {
  /** Inputs: the arguments, then the captures. */
  readonly graph: Graph;
  /** Values the function took from outside: tensors, or values of an outer trace. */
  readonly captures: readonly Tensor[];
  /** What `fn` gave beside its outputs: the structure of its result. */
  readonly rest: R;
}

/** Traces `fn` on arguments of the given types. */
export function stage<R>(
  name: string,
  avals: readonly Aval[],
  fn: (args: Tensor[]) => { readonly outputs: readonly Operand[]; readonly rest: R },
): Staged<R> {
  return inTrace(name, (trace) => {
    const { outputs, rest } = fn(avals.map((aval) => trace.input(aval)));
    const graph = trace.finish(outputs);
    return { graph, captures: trace.captures, rest };
  });
}

/** Applies the equations of `graph` to `operands`, keeping their places in the user's code. */
export function replay(graph: Graph, operands: readonly Operand[]): Operand[] {
  const values = new Map<Var, Operand>();
  graph.inputs.forEach((v, i) => void values.set(v, operands[i]!));
  const read = (x: Atom): Operand => (x.kind === "literal" ? x : values.get(x)!);
  for (const eqn of graph.eqns) {
    const results = withLocation(eqn.location, () => bind(eqn.op, eqn.inputs.map(read), eqn.params));
    eqn.outputs.forEach((v, k) => void values.set(v, results[k]!));
  }
  return graph.outputs.map(read);
}
