// narrow: equations that read more arrays than a kernel can bind become trees of smaller ones.
import { type Atom, type Eqn, type Graph, newEqn, type Var } from "../ir/graph.js";
import type { DeviceLimits } from "../ir/program.js";
import { isRoot } from "./root.js";

/**
 * Before: any Graph. After: an op of many operands that come from more arrays than the device binds is a tree of
 * equations, each of few enough: joining twenty arrays becomes joining three joined arrays.
 */
export function narrow(graph: Graph, limits: DeviceLimits): Graph {
  const limit = Math.max(2, limits.maxStorageBuffers - 1);
  if (!graph.eqns.some((eqn) => eqn.inputs.length > limit)) return graph;
  const arrays = new Map<Var, ReadonlySet<Var>>();
  for (const v of graph.inputs) arrays.set(v, new Set([v]));
  const arraysOf = (inputs: readonly Atom[]): Set<Var> => {
    const all = new Set<Var>();
    for (const x of inputs) if (x.kind === "var") for (const v of arrays.get(x)!) all.add(v);
    return all;
  };
  const eqns: Eqn[] = [];
  const push = (eqn: Eqn): void => {
    eqns.push(eqn);
    const from = arraysOf(eqn.inputs);
    for (const v of eqn.outputs) arrays.set(v, isRoot(eqn) || from.size > limit ? new Set([v]) : from);
  };
  for (const eqn of graph.eqns) {
    const { op } = eqn;
    let inputs: readonly Atom[] = eqn.inputs;
    while (op.kind === "view" && op.split && inputs.length > limit && arraysOf(inputs).size > limit) {
      const groups = op.split(
        inputs.map((x) => x.aval),
        eqn.params,
        limit,
      );
      inputs = groups.map((group): Atom => {
        if (group.length === 1) return inputs[group[0]!]!;
        const part = newEqn(
          op,
          group.map((i) => inputs[i]!),
          eqn.params,
          eqn.location,
        );
        push(part);
        arrays.set(part.outputs[0]!, new Set(part.outputs));
        return part.outputs[0]!;
      });
    }
    push(inputs === eqn.inputs ? eqn : { ...eqn, inputs });
  }
  return { ...graph, eqns };
}
