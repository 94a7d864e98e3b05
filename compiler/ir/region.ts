// What several stages have to know of equations that hold Graphs.
import type { Shape } from "../core/shape.js";
import type { Atom, Eqn, Graph, Var } from "./graph.js";
import type { ScanParams } from "./op.js";

/** Result `k` of a scan is stacked from entries, one of each turn. */
export const isStacked = ({ op, params }: Eqn, k: number): boolean =>
  op.kind === "region" && op.form === "scan" && k >= (params as ScanParams).carry;

/** Shape of what one turn gives to result `k`. */
export function laneShape(eqn: Eqn, k: number): Shape {
  const { shape } = eqn.outputs[k]!.aval;
  return isStacked(eqn, k) ? shape.slice(1) : shape;
}

/** Inputs of `graph` that `outputs` depend on. */
function inputsBehind(graph: Graph, outputs: readonly Atom[]): Set<Var> {
  const needed = new Set<Var>(outputs.filter((x) => x.kind === "var"));
  for (let i = graph.eqns.length - 1; i >= 0; i--) {
    const eqn = graph.eqns[i]!;
    if (!eqn.outputs.some((v) => needed.has(v))) continue;
    for (const x of eqn.inputs) if (x.kind === "var") needed.add(x);
  }
  return new Set(graph.inputs.filter((v) => needed.has(v)));
}

/**
 * Which carried values `wanted` results depend on, through any number of turns. `body` gives the next carry first;
 * input `first + k` of it, and of `cond`, is carried value k.
 */
export function carryBehind(
  body: Graph,
  cond: Graph | undefined,
  first: number,
  carry: number,
  wanted: readonly number[],
): number[] {
  const needed = new Set(wanted.filter((k) => k < carry));
  const read = (graph: Graph, outputs: readonly Atom[]): void => {
    const behind = inputsBehind(graph, outputs);
    for (let k = 0; k < carry; k++) if (behind.has(graph.inputs[first + k]!)) needed.add(k);
  };
  if (cond) read(cond, cond.outputs);
  read(
    body,
    wanted.map((k) => body.outputs[k]!),
  );
  for (let before = -1; before !== needed.size; ) {
    before = needed.size;
    read(
      body,
      [...needed].map((k) => body.outputs[k]!),
    );
  }
  return [...needed].sort((a, b) => a - b);
}
