// lower: every stage of a compilation, for people and tools.
import { type Compilation, compileStages } from "../compiler/compile.js";
import { LanewiseError } from "../compiler/core/errors.js";
import type { Graph } from "../compiler/ir/graph.js";
import type { FusedKernel } from "../compiler/ir/kernel.js";
import { type Stage, showStage, stages } from "../compiler/report.js";
import { showLocation } from "../compiler/trace/location.js";
import { limits, precompile } from "./engine.js";

/** What a function compiles to for one kind of arguments. */
export interface Lowered {
  /** As traced and transformed, before any pass. */
  readonly graph: Graph;
  readonly kernels: readonly FusedKernel[];
  /** One shader per dispatch. */
  readonly wgsl: readonly string[];
  /** Bytes: at once at most, of results, and of scratch memory. */
  readonly memory: { readonly peakBytes: number; readonly outputBytes: number; readonly scratchBytes: number };
  /** A stage as text: graph, simplified, kernels, plan or wgsl. */
  text(stage: Stage): string;
  /** Builds the pipelines on the device, so that the first call need not. */
  compile(): Promise<void>;
}

const total = (list: readonly number[]): number => list.reduce((sum, n) => sum + n, 0);

/**
 * Compiles `graph` for the device in use; for any device while that is not known yet. Results may take the memory of the
 * inputs at the positions `donated`.
 */
export function lowerGraph(name: string, graph: Graph, donated: readonly number[] = []): Lowered {
  const compilation: Compilation = compileStages(graph, limits(), donated);
  const { program, fused } = compilation;
  return {
    graph,
    kernels: fused.kernels,
    wgsl: program.dispatches.map((dispatch) => dispatch.wgsl),
    memory: {
      peakBytes: program.peakBytes,
      outputBytes: total(program.outputBytes),
      scratchBytes: total(program.scratchBytes),
    },
    text(stage) {
      if (!stages.includes(stage))
        throw new LanewiseError(
          `lower of ${name}: there is no stage '${String(stage)}'; there are ${stages.join(", ")}`,
        );
      return showStage(compilation, stage, showLocation);
    },
    compile: () => precompile(graph, name, donated),
  };
}
