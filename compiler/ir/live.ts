// What of a Graph its outputs depend on.
import type { Eqn, Graph, Var } from "./graph.js";

/** The Graph without equations that no output depends on; regions in it compute no results that nobody reads. */
export function dropDead(graph: Graph): Graph {
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

/** Variables that equations or outputs read. */
export function readVars(graph: Graph): Set<Var> {
  const read = new Set<Var>();
  for (const x of [...graph.eqns.flatMap((eqn) => eqn.inputs), ...graph.outputs]) if (x.kind === "var") read.add(x);
  return read;
}
