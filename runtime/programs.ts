// Compiled programs by the structure of their Graphs, and the observers who want to see each one.
import { equalGraphs, type Graph, hashGraph } from "../compiler/ir/graph.js";
import type { DeviceLimits, Program } from "../compiler/ir/program.js";
import { Lru } from "./lru.js";

/** One compilation. `label` is the name of the user's function, or of the op. */
export interface CompileEvent {
  readonly graph: Graph;
  readonly program: Program;
  readonly limits: DeviceLimits;
  readonly label: string;
}

type Listener = (event: CompileEvent) => void;

const listeners = new Set<Listener>();

/** Calls `listener` for every Graph that is compiled, from now on; the function returned ends it. */
export function observeCompiles(listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export const hasCompileObservers = (): boolean => listeners.size > 0;

export function announceCompile(event: CompileEvent): void {
  for (const listener of listeners) listener(event);
}

/** Graphs of this many structures are remembered, besides those that the program itself still holds. */
const CAPACITY = 1024;

/** What was made of each Graph; an equal one is given the same. */
export class ProgramCache<P> {
  readonly #byGraph = new WeakMap<Graph, P>();
  readonly #byHash = new Lru<string, { readonly graph: Graph; readonly made: P }[]>(CAPACITY);

  get(graph: Graph): P | undefined {
    return this.#byGraph.get(graph);
  }

  /** What was made of an equal Graph, else what `make` gives. */
  getOrMake(graph: Graph, make: () => P): P {
    const hash = hashGraph(graph);
    const alike = this.#byHash.get(hash) ?? [];
    const made = alike.find((other) => equalGraphs(other.graph, graph))?.made ?? make();
    if (!alike.some((other) => other.made === made)) this.#byHash.set(hash, [...alike, { graph, made }]);
    this.#byGraph.set(graph, made);
    return made;
  }
}
