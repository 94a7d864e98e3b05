// Which Graphs hold values for many lanes: for the error of a call that needs too much memory.
import type { Eqn, Graph } from "../ir/graph.js";
import { currentTrace } from "./trace.js";

/** A vmap that made a Graph, or a part of it. */
export interface Lanes {
  /** `vmap(f)` */
  readonly name: string;
  readonly size: number;
}

const noted = new WeakMap<readonly Eqn[], Lanes>();

/** The widest vmap that a Graph came from. */
export const lanesOf = (graph: Graph): Lanes | undefined => noted.get(graph.eqns);

/** Notes it for `graph`, and for all that is being traced: the Graphs that come out have the same lists of equations. */
export function noteLanes(graph: Graph, name: string, size: number): void {
  const lists = [graph.eqns];
  for (let trace = currentTrace(); trace; trace = trace.parent) lists.push(trace.eqns);
  for (const eqns of lists) if ((noted.get(eqns)?.size ?? 0) < size) noted.set(eqns, { name, size });
}
