// The way of a Graph to a Program.
import { emitKernel } from "./codegen/emit.js";
import type { Graph } from "./ir/graph.js";
import type { FusedGraph } from "./ir/kernel.js";
import { Names, printGraph } from "./ir/print.js";
import type { DeviceLimits, Launch, Program } from "./ir/program.js";
import { verify } from "./ir/verify.js";
import { cse } from "./passes/cse.js";
import { dce } from "./passes/dce.js";
import { donate, readInPlace } from "./passes/donate.js";
import { fold } from "./passes/fold.js";
import { fuse } from "./passes/fuse.js";
import { narrow } from "./passes/narrow.js";
import { plan } from "./passes/plan.js";
import { everywhere } from "./passes/rewrite.js";
import { simplify } from "./passes/simplify.js";
import { storable } from "./passes/storable.js";

/** A pass changes nothing it was given. */
export interface Pass {
  readonly name: string;
  run(graph: Graph, limits: DeviceLimits): Graph;
}

export const pipeline: readonly Pass[] = [
  { name: "simplify", run: everywhere(simplify) }, // first: x · 1 hides equal equations from cse
  { name: "fold", run: everywhere(fold) },
  { name: "cse", run: everywhere(cse) },
  { name: "narrow", run: everywhere(narrow) }, // before fuse, which cannot take one equation apart
  { name: "storable", run: everywhere(storable) }, // a result must be a variable that some kernel can store
  { name: "dce", run: everywhere(dce) }, // last on the Graph: fuse counts readers
];

/** Every stage of one compilation, for people. */
export interface Compilation {
  readonly program: Program;
  /** The Graph as it came, then after each pass that changed it. */
  readonly graphs: readonly { readonly name: string; readonly graph: Graph }[];
  readonly fused: FusedGraph;
  /** Names of variables, the same in every stage. */
  readonly names: Names;
}

/** Compiles, keeping every stage. Results may take the memory of the inputs at the positions `donated`. */
export function compileStages(graph: Graph, limits: DeviceLimits, donated: readonly number[] = []): Compilation {
  const graphs = [{ name: "graph", graph: verify(graph, "tracing") }];
  let current = graph;
  for (const pass of pipeline) {
    const next = verify(pass.run(current, limits), pass.name);
    if (next !== current && printGraph(next) !== printGraph(current)) graphs.push({ name: pass.name, graph: next });
    current = next;
  }
  const names = new Names();
  for (const { graph: stage } of graphs) printGraph(stage, {}, names);
  return { ...toProgram(current, limits, names, donated), graphs, names };
}

/** Compiles a Graph for a device. Results may take the memory of the inputs at the positions `donated`. */
export function compileGraph(graph: Graph, limits: DeviceLimits, donated: readonly number[] = []): Program {
  let current = graph;
  for (const pass of pipeline) current = verify(pass.run(current, limits), pass.name);
  const names = new Names();
  printGraph(current, {}, names);
  return toProgram(current, limits, names, donated).program;
}

function toProgram(
  graph: Graph,
  limits: DeviceLimits,
  names: Names,
  donated: readonly number[],
): { readonly program: Program; readonly fused: FusedGraph } {
  const emit = ({ kernels }: FusedGraph): Launch[] => kernels.flatMap((kernel) => emitKernel(kernel, limits, names));
  const fused = fuse(graph, limits);
  const launches = emit(fused);
  // what a launch reads in place is known when it was emitted; its code is another then
  const gifts = donated.length > 0 ? donate(fused, launches, donated) : [];
  if (gifts.length === 0) return { program: plan(fused, launches), fused };
  const again = readInPlace(fused, gifts);
  return { program: plan(again, emit(again), gifts), fused: again };
}
