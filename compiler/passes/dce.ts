// dce: drops equations nobody reads.
import type { Eqn, Graph, Var } from "../ir/graph.js";

/** Before: any Graph. After: every equation has a result that an output depends on; regions compute no other ones. */
export function dce(graph: Graph): Graph {
  const read = new Set<Var>();
  for (const x of graph.outputs) if (x.kind === "var") read.add(x);
  const eqns: Eqn[] = [];
  let changed = false;
  for (let i = graph.eqns.length - 1; i >= 0; i--) {
    const eqn = pruned(graph.eqns[i]!, read);
    changed ||= eqn !== graph.eqns[i];
    if (!eqn) continue;
    for (const x of eqn.inputs) if (x.kind === "var") read.add(x);
    eqns.push(eqn);
  }
  return changed ? { ...graph, eqns: eqns.reverse() } : graph;
}

/** The equation without results that are not read, where it can do without; undefined when none is. */
function pruned(eqn: Eqn, read: ReadonlySet<Var>): Eqn | undefined {
  const used = eqn.outputs.map((v) => read.has(v));
  if (!used.includes(true)) return undefined;
  return eqn.op.kind === "region" && eqn.op.prune && used.includes(false) ? eqn.op.prune(eqn, used) : eqn;
}
