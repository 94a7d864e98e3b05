// storable: constants among the results become equations, so that a kernel can store them.
import { type Atom, type Eqn, type Graph, newEqn } from "../ir/graph.js";
import { fillOp } from "../ops/axes.js";

/** After: every output of the Graph is a variable. */
export function storable(graph: Graph): Graph {
  if (graph.outputs.every((x) => x.kind === "var")) return graph;
  const eqns: Eqn[] = [...graph.eqns];
  const outputs = graph.outputs.map((x): Atom => {
    if (x.kind === "var") return x;
    const eqn = newEqn(fillOp, [x], { shape: [], axes: [] });
    eqns.push(eqn);
    return eqn.outputs[0]!;
  });
  return { ...graph, eqns, outputs };
}
