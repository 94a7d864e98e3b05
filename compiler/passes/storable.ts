// storable: constants that must lie in memory become equations, so that a kernel can store them.
import { type Atom, type Eqn, type Graph, type Literal, newEqn, type Var } from "../ir/graph.js";
import type { DeviceLimits } from "../ir/limits.js";
import { fillOp } from "../ops/axes.js";
import { memoryNeeds } from "./root.js";

/** After: every output of the Graph is a variable, and so is every operand of an equation that needs memory. */
export function storable(graph: Graph, limits: DeviceLimits): Graph {
  const needsMemory = memoryNeeds(graph, limits);
  const isConstant = (x: Atom): boolean => x.kind === "literal";
  const wanted = (eqn: Eqn): boolean => needsMemory(eqn) && eqn.inputs.some(isConstant);
  if (!graph.outputs.some(isConstant) && !graph.eqns.some(wanted)) return graph;
  const eqns: Eqn[] = [];
  const known: { readonly of: Literal; readonly v: Var }[] = [];
  const stored = (x: Atom): Var => {
    if (x.kind === "var") return x;
    const same = known.find(({ of }) => Object.is(of.value, x.value) && of.aval.dtype === x.aval.dtype);
    if (same) return same.v;
    const eqn = newEqn(fillOp, [x], { shape: [], axes: [] });
    eqns.push(eqn);
    known.push({ of: x, v: eqn.outputs[0]! });
    return eqn.outputs[0]!;
  };
  for (const eqn of graph.eqns) eqns.push(wanted(eqn) ? { ...eqn, inputs: eqn.inputs.map(stored) } : eqn);
  const outputs = graph.outputs.map(stored);
  return { ...graph, eqns, outputs };
}
