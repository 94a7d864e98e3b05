// Programs made ready for one device: pipelines found, sizes checked, operands numbered.
import { showAval } from "../../compiler/core/aval.js";
import { DEVICE_ELEMENT_BYTES } from "../../compiler/core/dtype.js";
import { MemoryError } from "../../compiler/core/errors.js";
import { sizeOf } from "../../compiler/core/shape.js";
import type { Graph } from "../../compiler/ir/graph.js";
import type { BufferRef, DeviceLimits, Donation, Program, ResultRef } from "../../compiler/ir/program.js";
import { hereText } from "../../compiler/trace/here.js";
import { lanesOf } from "../../compiler/trace/lanes.js";
import { budget, showBytes } from "../budget.js";
import type { BindGroup } from "./bindings.js";
import type { Pipeline, PipelineCache } from "./pipelines.js";

/** One dispatch. Slots number the buffers of a program: inputs, then outputs, then scratch memory. */
export interface Step {
  readonly pipeline: Pipeline;
  /** The buffer of each binding, by its slot. */
  readonly slots: readonly number[];
  readonly workgroups: readonly [x: number, y: number, z: number];
  /** The group of the last call, which often fits the next. */
  group: BindGroup | undefined;
}

/** A dispatch, or a loop of them. */
export type Action = Step | Repeat | While;

interface Repeat {
  readonly kind: "repeat";
  readonly count: number;
  readonly even: readonly Action[];
  readonly odd: readonly Action[];
}

/** Goes on as long as the first word in slot `flag` is 1. */
interface While {
  readonly kind: "while";
  readonly flag: number;
  readonly body: readonly Action[];
}

export interface Prepared {
  readonly graph: Graph;
  readonly steps: readonly Step[];
  /** The steps in the order they run. */
  readonly actions: readonly Action[];
  /** The host has to look at the device while it runs. */
  readonly isDriven: boolean;
  readonly results: readonly ResultRef[];
  /** Whether some step reads the input; the others need not be on the device. */
  readonly reads: readonly boolean[];
  readonly outputBytes: readonly number[];
  /** By output: the input whose memory it may take. */
  readonly donations: readonly (Donation | undefined)[];
  readonly scratchBytes: readonly number[];
  readonly peakBytes: number;
}

/** Finds or creates the pipelines. Throws `MemoryError` for arrays that the device cannot hold. */
export function prepare(
  graph: Graph,
  program: Program,
  pipelines: PipelineCache,
  device: { readonly name: string; readonly limits: DeviceLimits },
): Prepared {
  checkSizes(graph, program, device);
  const { outputBytes, scratchBytes, results, peakBytes, donations = [] } = program;
  const firstOf = { input: 0, output: graph.inputs.length, scratch: graph.inputs.length + outputBytes.length };
  const slotOf = ({ kind, index }: BufferRef): number => firstOf[kind] + index;
  const byDispatch = program.dispatches.map((dispatch): Step | undefined => {
    const { reads, writes, guards, workgroups } = dispatch;
    if (workgroups.includes(0)) return undefined;
    const slots = [...reads, ...writes, ...guards.map(({ buffer }) => buffer)].map(slotOf);
    return { pipeline: pipelines.get(dispatch), slots, workgroups, group: undefined };
  });
  const steps = byDispatch.filter((step) => step !== undefined);
  const actionsOf = (list: Program["schedule"]): Action[] =>
    list.flatMap((step): Action[] => {
      if (typeof step === "number") return byDispatch[step] ? [byDispatch[step]] : [];
      if (step.kind === "while") return [{ kind: "while", flag: slotOf(step.flag), body: actionsOf(step.body) }];
      return [{ ...step, even: actionsOf(step.even), odd: actionsOf(step.odd) }];
    });
  const actions = actionsOf(program.schedule);
  const used = new Set(steps.flatMap(({ slots }) => slots));
  for (const { input, inPlace } of donations) if (inPlace) used.add(input);
  const reads = graph.inputs.map((_, i) => used.has(i));
  const byOutput = outputBytes.map((_, k) => donations.find(({ output }) => output === k));
  return {
    graph,
    steps,
    actions,
    isDriven: actions.some(isDriven),
    results,
    reads,
    outputBytes,
    donations: donations.length > 0 ? byOutput : [],
    scratchBytes,
    peakBytes,
  };
}

/** There is a loop in it whose end only the device knows. */
export function isDriven(action: Action): boolean {
  if (!("kind" in action)) return false;
  return action.kind === "while" || action.even.some(isDriven) || action.odd.some(isDriven);
}

/** Throws `MemoryError` when the program's arrays together exceed the budget. */
export function checkPeak(prepared: Prepared): void {
  const { peakBytes, graph } = prepared;
  if (peakBytes <= budget.limitBytes) return;
  const part = fittingChunk(prepared);
  throw new MemoryError(
    `memory: this call needs ${showBytes(peakBytes)} at its peak, but the budget is ${showBytes(budget.limitBytes)}\n` +
      `  arguments ${graph.inputs.map((v) => showAval(v.aval)).join(", ")}\n` +
      `  results ${graph.outputs.map((x) => showAval(x.aval)).join(", ")}\n` +
      `  ${part ?? "split the call into smaller ones"}, or raise the budget: setMemoryBudget(bytes)${hereText()}`,
  );
}

/** Fewer lanes at a time need less memory between the kernels; arguments and results stay as they are. */
function fittingChunk({ graph, peakBytes, scratchBytes }: Prepared): string | undefined {
  const lanes = lanesOf(graph);
  const scratch = scratchBytes.reduce((sum, n) => sum + n, 0);
  if (!lanes || scratch === 0) return undefined;
  // a chunk may have to be copied out of its array, so that its kernels need as much again
  const chunk = Math.floor((lanes.size * (budget.limitBytes - (peakBytes - scratch))) / (2 * scratch));
  if (chunk < 1) return undefined;
  return `compute fewer of the ${lanes.size} lanes of ${lanes.name} at a time: vmap(fn, { chunkSize: ${roundDown(chunk)} })`;
}

/** A power of two: what fits is an estimate. */
const roundDown = (n: number): number => 2 ** Math.floor(Math.log2(n));

function checkSizes(
  graph: Graph,
  program: Program,
  { name, limits }: { readonly name: string; readonly limits: DeviceLimits },
): void {
  const most = Math.min(limits.maxBindingBytes, limits.maxBufferBytes);
  const refuse = (what: string, bytes: number): never => {
    throw new MemoryError(
      `memory: ${what} takes ${showBytes(bytes)}, but one array on ${name} can have at most ${showBytes(most)}\n` +
        `  the call's peak is ${showBytes(program.peakBytes)}; split it into smaller calls${hereText()}`,
    );
  };
  for (const { aval } of [...graph.inputs, ...graph.outputs]) {
    const bytes = sizeOf(aval.shape) * DEVICE_ELEMENT_BYTES;
    if (bytes > most) refuse(showAval(aval), bytes);
  }
  for (const bytes of program.scratchBytes) if (bytes > most) refuse("an intermediate array", bytes);
}
