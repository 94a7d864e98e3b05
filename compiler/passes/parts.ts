// parts: which kernels store only what they change of an array whose memory they take.
import { sizeOf } from "../core/shape.js";
import type { Atom, Var } from "../ir/graph.js";
import type { FusedGraph, FusedKernel, StoredPart } from "../ir/kernel.js";
import type { Gift } from "./donate.js";

/**
 * The same kernels; those that write rows of inputs at the positions `donated` over, and nothing else, store these rows
 * alone. That holds only if `donate` finds the memory of the inputs for all of their results.
 */
export function storeParts(fused: FusedGraph, donated: readonly number[]): FusedGraph {
  const given = new Set<Atom>(donated.map((i) => fused.graph.inputs[i]!));
  return replaced(fused, (kernel) => {
    const part = kernel.kind === "map" ? partOf(kernel, given) : undefined;
    return part ? { ...kernel, part } : kernel;
  });
}

function partOf({ eqns, stores }: FusedKernel, given: ReadonlySet<Atom>): StoredPart | undefined {
  const parts = stores.map((v): StoredPart | undefined => {
    const eqn = eqns.find(({ outputs }) => outputs.includes(v));
    if (eqn?.op.kind !== "view") return undefined;
    const from = eqn.op.overwritesFrom?.(eqn.inputs, eqn.params);
    const [array, values] = eqn.inputs as [Atom, Atom];
    if (from === undefined || array.kind !== "var" || !given.has(array)) return undefined;
    return { from, count: sizeOf(values.aval.shape), of: new Map([[v, { array, values }]]) };
  });
  const [first] = parts;
  if (!first || !parts.every((part) => part?.from === first.from && part.count === first.count)) return undefined;
  return { ...first, of: new Map(parts.flatMap((part) => [...part!.of])) };
}

/** Without the parts of kernels whose results do not all take the memory that they must; itself if there are none. */
export const withoutLostParts = (fused: FusedGraph, gifts: readonly Gift[]): FusedGraph =>
  replaced(fused, (kernel) => {
    const { part, ...whole } = kernel;
    const isGiven = ([output, { array }]: readonly [Var, { readonly array: Var }]): boolean =>
      gifts.some((gift) => gift.output === output && gift.input === array);
    return part && ![...part.of].every(isGiven) ? whole : kernel;
  });

/** With other kernels; itself where `change` gives back all of them. */
function replaced(fused: FusedGraph, change: (kernel: FusedKernel) => FusedKernel): FusedGraph {
  const kernels = fused.kernels.map(change);
  return kernels.every((kernel, k) => kernel === fused.kernels[k]) ? fused : { ...fused, kernels };
}
