// The loop under graph-to-graph passes: equations in order, with some results replaced by other values.
import type { Atom, Eqn, Graph, Var } from "../ir/graph.js";

/**
 * Visits the equations in order, operands already replaced. `visit` gives an atom that stands for the (only) result,
 * or equations to emit instead, the last of which takes over the results.
 */
export function rewrite(graph: Graph, visit: (eqn: Eqn) => Atom | Eqn): Graph {
  const replaced = new Map<Var, Atom>();
  const read = (x: Atom): Atom => (x.kind === "var" ? (replaced.get(x) ?? x) : x);
  const eqns: Eqn[] = [];
  for (const eqn of graph.eqns) {
    const inputs = eqn.inputs.map(read);
    const own = inputs.every((x, i) => x === eqn.inputs[i]) ? eqn : { ...eqn, inputs };
    const result = visit(own);
    if ("kind" in result) replaced.set(eqn.outputs[0]!, result);
    else eqns.push(result);
  }
  return { inputs: graph.inputs, eqns, outputs: graph.outputs.map(read) };
}
