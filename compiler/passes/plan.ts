// plan: gives every variable a buffer, and uses a buffer again once nobody reads it any more.
import { DEVICE_ELEMENT_BYTES } from "../core/dtype.js";
import { InternalError } from "../core/errors.js";
import { sizeOf } from "../core/shape.js";
import type { Var } from "../ir/graph.js";
import type { FusedGraph } from "../ir/kernel.js";
import type { BufferRef, Launch, Program, Scratch } from "../ir/program.js";
import type { Gift } from "./donate.js";

/** Bytes of a variable's buffer: WebGPU binds no empty ones. */
const bytesOf = (v: Var): number => Math.max(1, sizeOf(v.aval.shape)) * DEVICE_ELEMENT_BYTES;

/**
 * Buffers for the launches of a fused Graph. A dispatch never reads and writes one buffer, but for arrays that it reads
 * in place. Peak bytes count inputs, outputs and scratch memory; a result in the memory of an input adds none.
 */
export function plan(fused: FusedGraph, launches: readonly Launch[], gifts: readonly Gift[] = []): Program {
  const { graph } = fused;
  const refs = new Map<Var | Scratch, BufferRef>();
  graph.inputs.forEach((v, index) => void refs.set(v, { kind: "input", index }));
  const outputBytes: number[] = [];
  for (const v of fused.memory) {
    if (refs.has(v)) continue;
    refs.set(v, { kind: "output", index: outputBytes.length });
    outputBytes.push(bytesOf(v));
  }

  const last = new Map<Var | Scratch, number>();
  launches.forEach((launch, i) => {
    for (const x of [...launch.reads, ...launch.writes]) last.set(x, i);
  });
  const scratchBytes: number[] = [];
  const free: number[] = [];
  // no kernel writes an array without elements, but one may bind it
  for (const x of launches.flatMap(({ reads }) => reads)) {
    if (x.kind !== "var" || refs.has(x) || sizeOf(x.aval.shape) > 0) continue;
    refs.set(x, { kind: "scratch", index: scratchBytes.length });
    scratchBytes.push(bytesOf(x));
  }
  const dispatches = launches.map((launch, i) => {
    for (const x of launch.writes) {
      if (!refs.has(x))
        refs.set(x, {
          kind: "scratch",
          index: takeScratch(x.kind === "scratch" ? x.bytes : bytesOf(x), scratchBytes, free),
        });
    }
    for (const x of new Set([...launch.reads, ...launch.writes])) {
      const ref = refs.get(x);
      if (ref?.kind === "scratch" && last.get(x) === i) free.push(ref.index);
    }
    const of = (x: Var | Scratch): BufferRef => {
      const ref = refs.get(x);
      if (!ref) throw new InternalError(`plan: ${launch.name} reads what was not written`);
      return ref;
    };
    const { name, wgsl, usesZero, workgroups } = launch;
    return { name, wgsl, usesZero, workgroups, reads: launch.reads.map(of), writes: launch.writes.map(of) };
  });
  const results = graph.outputs.map((x, i) => {
    const { kind, index } = refs.get(fused.memory[i]!)!;
    return { aval: x.aval, from: { kind: kind as "input" | "output", index } };
  });
  const total = (list: readonly number[]) => list.reduce((sum, n) => sum + n, 0);
  const donations = gifts.map(({ input, output, inPlace }) => ({
    input: refs.get(input)!.index,
    output: refs.get(output)!.index,
    inPlace,
  }));
  const given = total(donations.map(({ output }) => outputBytes[output]!));
  const peakBytes = total(graph.inputs.map(bytesOf)) + total(outputBytes) + total(scratchBytes) - given;
  return {
    graph,
    dispatches,
    results,
    outputBytes,
    scratchBytes,
    peakBytes,
    ...(donations.length > 0 ? { donations } : {}),
  };
}

/** The free buffer that fits most tightly, not wasting more than half; else a new one. */
function takeScratch(bytes: number, sizes: number[], free: number[]): number {
  const fitting = free
    .filter((i) => sizes[i]! >= bytes && sizes[i]! <= 2 * bytes)
    .sort((a, b) => sizes[a]! - sizes[b]!);
  const found = fitting[0];
  if (found !== undefined) {
    free.splice(free.indexOf(found), 1);
    return found;
  }
  sizes.push(bytes);
  return sizes.length - 1;
}
