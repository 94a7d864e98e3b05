// Lets `lanewise dump` see the Graphs between transforms.
import type { Eqn, Graph } from "../ir/graph.js";
import { currentTrace } from "../trace/trace.js";
import type { LaneRun } from "./lane-by-lane.js";

/** A Graph as it came out of tracing a function or of a transform. */
export interface TransformEvent {
  /** Name of the transformed function: `vmap(f)`. */
  readonly name: string;
  /** `trace` for the Graph of the function itself. */
  readonly transform: string;
  readonly graph: Graph;
  /** Equations that were run for one lane after the other, for want of a batching rule. */
  readonly laneRuns?: readonly LaneRun[];
  /** The trace that was under way, known by its equations: the Graph that comes out of it has this same list. */
  readonly within: readonly Eqn[] | undefined;
}

type Listener = (event: TransformEvent) => void;

const listeners = new Set<Listener>();

/** Calls `listener` for every traced or transformed Graph, from now on; the function returned ends it. */
export function observeTransforms(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

let isQuiet = false;

/** Runs `work`, whose Graphs nobody will run, without telling the listeners of them. */
export function quietly<T>(work: () => T): T {
  const outer = isQuiet;
  isQuiet = true;
  try {
    return work();
  } finally {
    isQuiet = outer;
  }
}

export function observeTransform(event: Omit<TransformEvent, "within">): void {
  if (listeners.size === 0 || isQuiet) return;
  const within = currentTrace()?.eqns;
  for (const listener of listeners) listener({ ...event, within });
}
