// settle: drops what equations keep for transforms alone.
import type { Eqn, Graph } from "../ir/graph.js";
import type { SwitchParams } from "../ir/op.js";

/** Before: all transforms are done. After: a switch of lanes holds the branches of all lanes, and not those of one. */
export function settle(graph: Graph): Graph {
  let changed = false;
  const eqns = graph.eqns.map((eqn): Eqn => {
    if (eqn.op.kind !== "region" || eqn.op.form !== "switch") return eqn;
    const { branches, lanes, ...others } = eqn.params as SwitchParams;
    if (Object.keys(others).length === 0) return eqn;
    changed = true;
    return { ...eqn, params: { branches, lanes } };
  });
  return changed ? { ...graph, eqns } : graph;
}
