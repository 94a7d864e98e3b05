// Lets `lanewise dump` see the Graphs between transforms.
import type { Graph } from "../ir/graph.js";

/** A Graph as it came out of tracing a function or of a transform. */
export interface TransformEvent {
  /** Name of the user's function. */
  readonly name: string;
  readonly transform: string;
  readonly graph: Graph;
}

let listener: ((event: TransformEvent) => void) | undefined;

/** Calls `observer` for every traced or transformed Graph; undefined stops it. */
export function setTransformObserver(observer: ((event: TransformEvent) => void) | undefined): void {
  listener = observer;
}

export function observeTransform(event: TransformEvent): void {
  listener?.(event);
}
