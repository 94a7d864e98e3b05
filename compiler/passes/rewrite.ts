// The loop under graph-to-graph passes: equations in order, with some results replaced by other values.
import { type Atom, type Eqn, type Graph, mapRegions, type Var } from "../ir/graph.js";

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

/** The pass, run on Graphs in params too, the innermost first. */
export function everywhere<C>(pass: (graph: Graph, context: C) => Graph): (graph: Graph, context: C) => Graph {
  const run = (graph: Graph, context: C): Graph => {
    let changed = false;
    const eqns = graph.eqns.map((eqn) => {
      if (eqn.op.kind !== "region") return eqn;
      const params = mapRegions(eqn.params, (inner) => run(inner, context));
      changed ||= params !== eqn.params;
      return params === eqn.params ? eqn : { ...eqn, params };
    });
    return pass(changed ? { ...graph, eqns } : graph, context);
  };
  return run;
}
