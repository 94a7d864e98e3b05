// Compiled programs by the structure of their Graphs, and the observers who want to see each one.
import { equalGraphs, type Graph, hashGraph } from "../compiler/ir/graph.js";
import type { DeviceLimits, Program } from "../compiler/ir/program.js";
import { Lru } from "./lru.js";

/** One compilation. `label` is the name of the user's function, or of the op. */
export interface CompileEvent {
  readonly graph: Graph;
  readonly program: Program;
  readonly limits: DeviceLimits;
  /** Inputs whose memory results may take. */
  readonly donated: readonly number[];
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

const none: readonly number[] = [];

/** What was made of each Graph and the inputs donated to it; equal ones are given the same. */
export class ProgramCache<P> {
  readonly #byGraph = new WeakMap<Graph, P>();
  readonly #byHash = new Lru<string, { readonly graph: Graph; readonly made: P }[]>(CAPACITY);
  /** By the donated inputs, where there are any. */
  readonly #donating = new Map<string, ProgramCache<P>>();

  get(graph: Graph, donated: readonly number[] = none): P | undefined {
    return donated.length === 0 ? this.#byGraph.get(graph) : this.#donating.get(donated.join())?.get(graph);
  }

  /** What was made of an equal Graph, else what `make` gives. */
  getOrMake(graph: Graph, make: () => P, donated: readonly number[] = none): P {
    if (donated.length > 0) {
      const key = donated.join();
      const own = this.#donating.get(key) ?? new ProgramCache<P>();
      this.#donating.set(key, own);
      return own.getOrMake(graph, make);
    }
    const hash = hashGraph(graph);
    const alike = this.#byHash.get(hash) ?? [];
    const made = alike.find((other) => equalGraphs(other.graph, graph))?.made ?? make();
    if (!alike.some((other) => other.made === made)) this.#byHash.set(hash, [...alike, { graph, made }]);
    this.#byGraph.set(graph, made);
    return made;
  }
}
