// The way of a Graph to a Program.
import { emitKernel } from "./codegen/emit.js";
import { type Cut, emitRegion } from "./codegen/regions.js";
import type { Graph } from "./ir/graph.js";
import type { FusedGraph } from "./ir/kernel.js";
import { Names, printGraph } from "./ir/print.js";
import type { DeviceLimits, LaunchStep, Program } from "./ir/program.js";
import { verify } from "./ir/verify.js";
import { count } from "./passes/count.js";
import { cse } from "./passes/cse.js";
import { dce } from "./passes/dce.js";
import { donate, type Gift, readInPlace } from "./passes/donate.js";
import { fold } from "./passes/fold.js";
import { fuse } from "./passes/fuse.js";
import { ifConvert } from "./passes/if-convert.js";
import { inline } from "./passes/inline.js";
import { type NotLocal, notLocalRegions } from "./passes/local.js";
import { lockstep } from "./passes/lockstep.js";
import { narrow } from "./passes/narrow.js";
import { storeParts, withoutLostParts } from "./passes/parts.js";
import { plan } from "./passes/plan.js";
import { everywhere } from "./passes/rewrite.js";
import { settle } from "./passes/settle.js";
import { simplify } from "./passes/simplify.js";
import { storable } from "./passes/storable.js";

/** A pass changes nothing it was given. */
export interface Pass {
  readonly name: string;
  run(graph: Graph, limits: DeviceLimits): Graph;
}

export const pipeline: readonly Pass[] = [
  { name: "settle", run: everywhere(settle) }, // what is dropped need not be compiled
  { name: "inline", run: everywhere(inline) }, // first: passes see what calls do
  { name: "count", run: everywhere(count) }, // what comes after knows conditions alone
  { name: "simplify", run: everywhere(simplify) }, // x · 1 hides equal equations from cse
  { name: "fold", run: everywhere(fold) },
  { name: "ifConvert", run: everywhere(ifConvert) }, // before cse, which joins what the branches have in common
  { name: "cse", run: everywhere(cse) },
  { name: "lockstep", run: everywhere(lockstep) }, // before storable, which asks what needs memory
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
  /** Control flow that does not run in the lanes of a kernel, and why. */
  readonly notLocal: readonly NotLocal[];
  /** Names of variables, the same in every stage. */
  readonly names: Names;
}

/** Compiles, keeping every stage. Results may take the memory of the inputs at the positions `donated`. */
export function compileStages(graph: Graph, limits: DeviceLimits, donated: readonly number[] = []): Compilation {
  const graphs = [{ name: "graph", graph: verify(graph, "tracing") }];
  let current = graph;
  let notLocal: readonly NotLocal[] = [];
  for (const pass of pipeline) {
    // behind it there are no lanes to speak of
    if (pass.name === "lockstep") notLocal = notLocalRegions(current, limits);
    const next = verify(pass.run(current, limits), pass.name);
    if (next !== current && printGraph(next) !== printGraph(current)) graphs.push({ name: pass.name, graph: next });
    current = next;
  }
  const names = new Names();
  for (const { graph: stage } of graphs) printGraph(stage, {}, names);
  return { ...toProgram(current, limits, names, donated), graphs, notLocal, names };
}

/** Compiles a Graph for a device. Results may take the memory of the inputs at the positions `donated`. */
export function compileGraph(graph: Graph, limits: DeviceLimits, donated: readonly number[] = []): Program {
  const names = new Names();
  const current = runPasses(graph, limits);
  printGraph(current, {}, names);
  return toProgram(current, limits, names, donated).program;
}

function toProgram(
  graph: Graph,
  limits: DeviceLimits,
  names: Names,
  donated: readonly number[],
): { readonly program: Program; readonly fused: FusedGraph } {
  const { emit, cut } = cutter(names);
  const { fused, steps } = cut(graph, limits);
  if (donated.length === 0) return { program: plan(fused, steps), fused };
  const { kernels, launches, gifts } = matched(fused, steps);
  if (!gifts.some(({ inPlace }) => inPlace)) return { program: plan(kernels, launches, gifts), fused: kernels };
  // what a launch reads in place is known when it was emitted; its code is another then
  const again = readInPlace(kernels, gifts);
  return { program: plan(again, emit(again, limits), gifts), fused: again };

  /** Results and the memory they take. Kernels that write rows over store these alone, where all of theirs can. */
  function matched(whole: FusedGraph, ofWhole: readonly LaunchStep[]): Matched {
    let kernels = storeParts(whole, donated);
    for (;;) {
      const launches = kernels === whole ? ofWhole : emit(kernels, limits);
      const gifts = donate(kernels, launches, donated);
      const kept = withoutLostParts(kernels, gifts);
      if (kept === kernels) return { kernels, launches, gifts };
      kernels = kept;
    }
  }
}

interface Matched {
  readonly kernels: FusedGraph;
  readonly launches: readonly LaunchStep[];
  readonly gifts: readonly Gift[];
}

function runPasses(graph: Graph, limits: DeviceLimits): Graph {
  let current = graph;
  for (const pass of pipeline) current = verify(pass.run(current, limits), pass.name);
  return current;
}

/** Cuts Graphs that went through the passes; Graphs that their regions are made of go through them first. */
function cutter(names: Names): {
  readonly cut: Cut;
  emit(fused: FusedGraph, limits: DeviceLimits): LaunchStep[];
} {
  const inner: Cut = (graph, limits) => cut(runPasses(graph, limits), limits);
  const emit = ({ kernels }: FusedGraph, limits: DeviceLimits): LaunchStep[] =>
    kernels.flatMap((kernel): LaunchStep[] =>
      kernel.kind === "region" ? emitRegion(kernel, limits, inner) : emitKernel(kernel, limits, names),
    );
  const cut: Cut = (graph, limits) => {
    const fused = fuse(graph, limits);
    return { fused, steps: emit(fused, limits) };
  };
  return { cut, emit };
}
