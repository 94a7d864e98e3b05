// Makes a record of every program that one copy of the package compiles.
import type { CompileEvent, Tools, TransformEvent } from "../../index.js";
import type { DumpRecord, ProgramRecord } from "./record.js";

/** How a Graph came to be. */
interface Origin {
  readonly steps: readonly TransformEvent[];
  readonly calledAt: Place | undefined;
}

type Graph = TransformEvent["graph"];
type Place = NonNullable<ReturnType<Tools["captureLocation"]>>["source"];

/** Calls `emit` for each program, as soon as it is compiled. */
export function collectPrograms(tools: Tools, emit: (record: DumpRecord) => void): void {
  emit({ kind: "loaded" });
  const originOf = watchTransforms(tools);
  tools.observeCompiles((event) => {
    const origin = originOf(event.graph);
    try {
      emit(describe(tools, event, origin));
    } catch (error) {
      emit({ kind: "failed", name: nameOf(event, origin), message: String(error) });
    }
  });
}

/** Follows transforms, which happen within the traces of others, to the Graph that is compiled in the end. */
function watchTransforms(tools: Tools): (graph: Graph) => Origin | undefined {
  const within = new WeakMap<object, TransformEvent[]>(); // by the equations of a trace: what happened in it
  const origins = new WeakMap<Graph, Origin>();
  let steps: TransformEvent[] = []; // of the call under way outside of any trace
  tools.observeTransforms((event) => {
    const before = event.transform === "trace" ? (within.get(event.graph.eqns) ?? []) : [];
    if (event.within) {
      const list = within.get(event.within) ?? [];
      within.set(event.within, [...list, ...before, event]);
      return;
    }
    steps = event.transform === "trace" ? [...before, event] : [...steps, event];
    origins.set(event.graph, { steps, calledAt: tools.captureLocation()?.source });
  });
  return (graph) => origins.get(graph);
}

const nameOf = (event: CompileEvent, origin: Origin | undefined): string =>
  plainText(origin?.steps.at(-1)?.name ?? event.label);

function describe(tools: Tools, event: CompileEvent, origin: Origin | undefined): ProgramRecord {
  const compilation = tools.compileStages(event.graph, event.limits, event.donated);
  const { program } = compilation;
  const show = (stage: Parameters<Tools["showStage"]>[1]): string =>
    tools.showStage(compilation, stage, tools.showLocation);
  const steps = origin?.steps ?? [];
  const calledAt = origin ? origin.calledAt : tools.captureLocation()?.source;
  return {
    kind: "program",
    name: nameOf(event, origin),
    functions: [...new Set(steps.map(({ name }) => plainText(innermost(name))))],
    isOperation: origin === undefined,
    calledAt: calledAt && plainText(tools.showLocation(calledAt)),
    places: placesIn([...steps.map(({ graph }) => graph), event.graph], calledAt),
    graph: show("graph"),
    transforms: showSteps(tools, steps),
    simplified: show("simplified"),
    kernels: show("kernels"),
    kernelCount: program.dispatches.length,
    plan: show("plan"),
    wgsl: program.dispatches.map(({ name, wgsl }) => ({ name, code: wgsl })),
  };
}

/** The Graph after each step that changed it. */
function showSteps(tools: Tools, steps: readonly TransformEvent[]): ProgramRecord["transforms"] {
  const shown = steps.map(({ name, transform, graph }) => ({
    name: plainText(transform === "trace" ? `${peeled(name)}, as traced` : `after ${name}`),
    graph: tools.printGraph(graph, { location: tools.showLocation }),
  }));
  return shown.filter(({ graph }, i) => graph !== shown[i - 1]?.graph);
}

function placesIn(graphs: readonly Graph[], calledAt: Place): string[] {
  const places = new Set<string>();
  const add = (place: Place): void => {
    if (place) places.add(`${place.file}:${place.line}`);
  };
  for (const graph of graphs) for (const { location } of graph.eqns) add(location?.source);
  add(calledAt);
  return [...places];
}

/** `f` for `vmap(f)`. */
const peeled = (name: string): string => /^\w+\((.*)\)$/s.exec(name)?.[1] ?? name;

/** `f` for `jit(vmap(f))`. */
const innermost = (name: string): string => (peeled(name) === name ? name : innermost(peeled(name)));

/** Names are the user's, and may hold anything: line ends, and what drives a terminal. */
const plainText = (text: string): string => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\u{fffd}");
