// donate: which results take the memory of inputs that the caller gives up.
import { sizeOf } from "../core/shape.js";
import type { Var } from "../ir/graph.js";
import type { FusedGraph } from "../ir/kernel.js";
import type { Launch } from "../ir/program.js";

/** The memory of an input for a variable that is a result. */
export interface Gift {
  readonly input: Var;
  readonly output: Var;
  /** The launch that writes the output reads the input, each element just before it is overwritten. */
  readonly inPlace: boolean;
}

/**
 * Matches the inputs at the positions `donated` with results of as many bytes. A result takes the memory of an input
 * that nobody reads any more when it is first written; or, in place, of one that the same launch reads, if that launch
 * reads it only at the element written and the dtypes agree, since both go through one binding. Scalars are left out:
 * equal ones share a buffer.
 */
export function donate({ graph, memory }: FusedGraph, launches: readonly Launch[], donated: readonly number[]): Gift[] {
  const firstWrite = new Map<Var, number>();
  const lastRead = new Map<Var, number>();
  launches.forEach(({ reads, writes }, i) => {
    for (const x of reads) if (x.kind === "var") lastRead.set(x, i);
    for (const x of writes) if (x.kind === "var" && !firstWrite.has(x)) firstWrite.set(x, i);
  });
  const shown = new Set(memory);
  const free = new Set(donated.map((i) => graph.inputs[i]!));
  for (const v of free) if (shown.has(v) || sizeOf(v.aval.shape) < 2) free.delete(v);

  const outputs = [...shown].filter((v) => firstWrite.has(v)).sort((a, b) => firstWrite.get(a)! - firstWrite.get(b)!);
  return outputs.flatMap((output): Gift[] => {
    const at = firstWrite.get(output)!;
    const fitting = [...free].filter((v) => sizeOf(v.aval.shape) === sizeOf(output.aval.shape));
    const isInPlace = (v: Var): boolean =>
      lastRead.get(v) === at && v.aval.dtype === output.aval.dtype && launches[at]!.own?.has(v) === true;
    const input = fitting.find(isInPlace) ?? fitting.find((v) => (lastRead.get(v) ?? -1) < at);
    if (!input) return [];
    free.delete(input);
    return [{ input, output, inPlace: isInPlace(input) }];
  });
}

/** The same kernels, those that write in place with the arrays that they read so. */
export function readInPlace(fused: FusedGraph, gifts: readonly Gift[]): FusedGraph {
  const kernels = fused.kernels.map((kernel) => {
    const own = gifts.filter(({ inPlace, output }) => inPlace && kernel.stores.includes(output));
    return own.length === 0 ? kernel : { ...kernel, inPlace: new Map(own.map(({ input, output }) => [input, output])) };
  });
  return { ...fused, kernels };
}
