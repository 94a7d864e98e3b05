// donate: which results take the memory of inputs that the caller gives up.
import { sizeOf } from "../core/shape.js";
import type { Var } from "../ir/graph.js";
import type { FusedGraph } from "../ir/kernel.js";
import type { Launch, LaunchStep } from "../ir/program.js";

/** The memory of an input for a variable that is a result. */
export interface Gift {
  readonly input: Var;
  readonly output: Var;
  /** The launch that writes the output reads the input, each element just before it is overwritten. */
  readonly inPlace: boolean;
}

/**
 * Matches the inputs at the positions `donated` with results of as many bytes. A result takes the memory of an input
 * that nobody reads any more when it is first written, a loop of launches taken as one; or, in place, of one that the same launch reads, if that launch
 * reads it only at the element written and the dtypes agree, since both go through one binding. Scalars are left out:
 * equal ones share a buffer.
 */
export function donate(
  { graph, memory }: FusedGraph,
  steps: readonly LaunchStep[],
  donated: readonly number[],
): Gift[] {
  const firstWrite = new Map<Var, number>();
  const lastRead = new Map<Var, number>();
  steps.forEach((step, i) => {
    for (const { reads, writes, guards = [] } of launchesOf(step)) {
      for (const x of [...reads, ...guards.map(({ buffer }) => buffer)]) if (x.kind === "var") lastRead.set(x, i);
      for (const x of writes) if (x.kind === "var" && !firstWrite.has(x)) firstWrite.set(x, i);
    }
  });
  const shown = new Set(memory);
  const free = new Set(donated.map((i) => graph.inputs[i]!));
  for (const v of free) if (shown.has(v) || sizeOf(v.aval.shape) < 2) free.delete(v);

  const over = new Map(steps.flatMap((step) => ("kind" in step ? [] : [...(step.over ?? [])])));
  const reserved = new Set(over.values());
  const outputs = [...shown].filter((v) => firstWrite.has(v)).sort((a, b) => firstWrite.get(a)! - firstWrite.get(b)!);
  return outputs.flatMap((output): Gift[] => {
    const at = firstWrite.get(output)!;
    const whole = over.get(output);
    const fitting = [...free].filter(
      (v) => sizeOf(v.aval.shape) === sizeOf(output.aval.shape) && (whole ? v === whole : !reserved.has(v)),
    );
    const writer = steps[at]!;
    const own = "kind" in writer ? undefined : writer.own;
    const isInPlace = (v: Var): boolean => {
      if (v === whole && (lastRead.get(v) ?? -1) < at) return true;
      return lastRead.get(v) === at && v.aval.dtype === output.aval.dtype && own?.has(v) === true;
    };
    const input = fitting.find(isInPlace) ?? fitting.find((v) => (lastRead.get(v) ?? -1) < at);
    if (!input) return [];
    free.delete(input);
    return [{ input, output, inPlace: isInPlace(input) }];
  });
}

function launchesOf(step: LaunchStep): readonly Launch[] {
  if (!("kind" in step)) return [step];
  return (step.kind === "while" ? step.body : [...step.even, ...step.odd]).flatMap(launchesOf);
}

/** The same kernels, those that write in place with the arrays that they read so. */
export function readInPlace(fused: FusedGraph, gifts: readonly Gift[]): FusedGraph {
  const kernels = fused.kernels.map((kernel) => {
    const own = gifts.filter(({ inPlace, output }) => inPlace && kernel.stores.includes(output));
    return own.length === 0 ? kernel : { ...kernel, inPlace: new Map(own.map(({ input, output }) => [input, output])) };
  });
  return { ...fused, kernels };
}
