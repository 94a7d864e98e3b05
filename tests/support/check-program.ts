// The promises of fuse and plan, checked on what they made.

import type { NDArray } from "../../compiler/core/ndarray.js";
import { sizeOf } from "../../compiler/core/shape.js";
import type { Var } from "../../compiler/ir/graph.js";
import type { FusedGraph } from "../../compiler/ir/kernel.js";
import type { BufferRef, DeviceLimits, Program } from "../../compiler/ir/program.js";
import { interpret } from "../../compiler/scalar/interpret.js";

/** What is wrong with a Graph cut into kernels; empty when nothing is. */
export function faultsOfFused({ graph, kernels, memory }: FusedGraph, limits: DeviceLimits): string[] {
  const faults: string[] = [];
  const stored = new Set<Var>(graph.inputs);
  for (const { name, kind, roots, loads, stores, size, why } of kernels) {
    for (const v of loads) if (!stored.has(v)) faults.push(`${name} loads what no earlier kernel stored`);
    // an equation by itself stores results of any size, and its dispatches bind what each of them needs
    const alone = kind === "opaque" || kind === "region" || kind === "lanes";
    for (const v of stores) {
      if (stored.has(v)) faults.push(`${name} stores what was there before`);
      if (!alone && sizeOf(v.aval.shape) !== size)
        faults.push(`${name} stores [${v.aval.shape}] beside ${size} elements`);
      stored.add(v);
    }
    if (why.length !== stores.length) faults.push(`${name} does not say why it stores`);
    if (!alone && loads.length + stores.length > limits.maxStorageBuffers)
      faults.push(`${name} binds ${loads.length} + ${stores.length}`);
    if ((kind === "map") !== (roots.length === 0)) faults.push(`${name}: a ${kind} with ${roots.length} roots`);
  }
  for (const v of memory) if (!stored.has(v)) faults.push("a result is stored nowhere");
  return faults;
}

/** What is wrong with a Program; empty when nothing is. */
export function faultsOfProgram(program: Program, limits: DeviceLimits): string[] {
  const faults: string[] = [];
  const name = ({ kind, index }: BufferRef): string => `${kind}${index}`;
  const bytesOf = { input: bytesOfInputs(program), output: program.outputBytes, scratch: program.scratchBytes };
  const written = new Set(program.graph.inputs.map((_, index) => `input${index}`));
  for (const { name: kernel, reads, writes, guards, workgroups, wgsl } of program.dispatches) {
    const [from, to] = [[...reads, ...guards.map(({ buffer }) => buffer)].map(name), writes.map(name)];
    for (const ref of reads) {
      // of an array without elements there is nothing to write
      const hasElements = bytesOf[ref.kind][ref.index]! > 4;
      if (hasElements && !written.has(name(ref))) faults.push(`${kernel} reads ${name(ref)}, which nobody wrote`);
    }
    if (new Set(to).size !== to.length || to.some((x) => from.includes(x)))
      faults.push(`${kernel} writes a buffer that it binds twice: ${from} -> ${to}`);
    if (from.length + to.length > limits.maxStorageBuffers)
      faults.push(`${kernel} binds ${from.length + to.length} buffers`);
    if (workgroups.some((n) => n < 1 || n > limits.maxWorkgroups))
      faults.push(`${kernel} has ${workgroups} workgroups`);
    const bindings = [...wgsl.matchAll(/@binding\((\d+)\)/g)].map((found) => Number(found[1]));
    if (bindings.some((n, i) => n !== i)) faults.push(`${kernel} declares bindings ${bindings}`);
    for (const x of to) {
      if (x.startsWith("input")) faults.push(`${kernel} writes ${x}`);
      written.add(x);
    }
  }
  const { graph, results, peakBytes } = program;
  results.forEach(({ aval, from }, i) => {
    const bytes = sizeOf(aval.shape) * 4;
    const has = bytesOf[from.kind][from.index]!;
    if (has < bytes) faults.push(`result ${i} needs ${bytes} bytes of ${has}`);
    if (bytes > 0 && !written.has(name(from))) faults.push(`result ${i} is in ${name(from)}, which nobody wrote`);
    if (sizeOf(aval.shape) !== sizeOf(graph.outputs[i]!.aval.shape)) faults.push(`result ${i} has the wrong size`);
  });
  const total = Object.values(bytesOf)
    .flat()
    .reduce((sum, bytes) => sum + bytes, 0);
  if (peakBytes !== total) faults.push(`peak ${peakBytes} bytes, but the buffers have ${total}`);
  return faults;
}

/** WebGPU has no empty buffers: four bytes at least. */
const bytesOfInputs = ({ graph }: Program): number[] => graph.inputs.map((v) => Math.max(4, sizeOf(v.aval.shape) * 4));

/** Runs kernel by kernel on the CPU: each from nothing but its loads, by nothing but its equations. */
export function interpretFused({ graph, kernels, memory }: FusedGraph, inputs: readonly NDArray[]): NDArray[] {
  const values = new Map<Var, NDArray>();
  graph.inputs.forEach((v, i) => void values.set(v, inputs[i]!));
  for (const { loads, eqns, stores } of kernels) {
    const results = interpret(
      { inputs: loads, eqns, outputs: stores },
      loads.map((v) => values.get(v)!),
    );
    stores.forEach((v, i) => void values.set(v, results[i]!));
  }
  return graph.outputs.map(({ aval }, i) => ({ ...values.get(memory[i]!)!, shape: aval.shape }));
}
