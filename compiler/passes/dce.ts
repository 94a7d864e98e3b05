// dce: drops equations nobody reads.
import type { Graph, Var } from "../ir/graph.js";

/** Before: any Graph. After: every equation has a result that an output depends on. */
export function dce(graph: Graph): Graph {
  const read = new Set<Var>();
  for (const x of graph.outputs) if (x.kind === "var") read.add(x);
  const eqns = [];
  for (let i = graph.eqns.length - 1; i >= 0; i--) {
    const eqn = graph.eqns[i]!;
    if (!eqn.outputs.some((v) => read.has(v))) continue;
    for (const x of eqn.inputs) if (x.kind === "var") read.add(x);
    eqns.push(eqn);
  }
  return eqns.length === graph.eqns.length ? graph : { ...graph, eqns: eqns.reverse() };
}
