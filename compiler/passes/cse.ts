// cse: equal equations are computed once.
import { type Atom, type Graph, showParams, type Var } from "../ir/graph.js";
import { rewrite } from "./rewrite.js";

/** Before: any Graph. After: no two equations with one result have the same op, params and operands. */
export function cse(graph: Graph): Graph {
  const ids = new Map<Var, number>();
  const idOf = (v: Var): number => {
    let id = ids.get(v);
    if (id === undefined) {
      id = ids.size;
      ids.set(v, id);
    }
    return id;
  };
  // literals are equal when their bits are: -0 is not 0, NaN is NaN
  const key = (x: Atom): string =>
    x.kind === "var" ? `v${idOf(x)}` : `${Object.is(x.value, -0) ? "-0" : x.value}${x.aval.dtype}`;
  const seen = new Map<string, Var>();
  return rewrite(graph, (eqn) => {
    if (eqn.outputs.length !== 1 || (eqn.op.kind === "view" && eqn.op.fence)) return eqn;
    const text = `${eqn.op.name} ${showParams(eqn.params)} ${eqn.inputs.map(key).join(" ")}`;
    const earlier = seen.get(text);
    if (earlier) return earlier;
    seen.set(text, eqn.outputs[0]!);
    return eqn;
  });
}
