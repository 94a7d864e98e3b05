// settle: drops what equations keep for transforms alone.
import type { Eqn, Graph } from "../ir/graph.js";
import type { SwitchParams, WhileParams } from "../ir/op.js";

/** Before: all transforms are done. After: a region of lanes holds the Graphs of all lanes, and not those of one. */
export function settle(graph: Graph): Graph {
  let changed = false;
  const eqns = graph.eqns.map((eqn): Eqn => {
    const params = settled(eqn);
    changed ||= params !== eqn.params;
    return params === eqn.params ? eqn : { ...eqn, params };
  });
  return changed ? { ...graph, eqns } : graph;
}

function settled({ op, params }: Eqn): object {
  if (op.kind !== "region" || (op.form !== "switch" && op.form !== "while")) return params;
  if (op.form === "switch") {
    const { branches, lanes, ...others } = params as SwitchParams;
    return Object.keys(others).length === 0 ? params : { branches, lanes };
  }
  const { cond, body, consts, lanes, maxSteps, ...others } = params as WhileParams;
  if (Object.keys(others).length === 0) return params;
  return { cond, body, consts, lanes, ...(maxSteps === undefined ? {} : { maxSteps }) };
}
