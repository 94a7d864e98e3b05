// plan: gives every variable a buffer, and uses a buffer again once nobody reads it any more.
import { DEVICE_ELEMENT_BYTES } from "../core/dtype.js";
import { InternalError } from "../core/errors.js";
import { sizeOf } from "../core/shape.js";
import type { Var } from "../ir/graph.js";
import type { FusedGraph } from "../ir/kernel.js";
import type { BufferRef, Dispatch, Launch, LaunchStep, Program, Scratch, Step } from "../ir/program.js";
import type { Gift } from "./donate.js";

type Place = Var | Scratch;

/** Bytes of a variable's buffer: WebGPU binds no empty ones. */
const bytesOf = (x: Place): number =>
  x.kind === "scratch" ? x.bytes : Math.max(1, sizeOf(x.aval.shape)) * DEVICE_ELEMENT_BYTES;

/**
 * Buffers for the launches of a fused Graph. A dispatch never reads and writes one buffer, but for arrays that it reads
 * in place. Peak bytes count inputs, outputs and scratch memory; a result in the memory of an input adds none.
 */
export function plan(fused: FusedGraph, steps: readonly LaunchStep[], gifts: readonly Gift[] = []): Program {
  const { graph } = fused;
  const refs = new Map<Place, BufferRef>();
  graph.inputs.forEach((v, index) => void refs.set(v, { kind: "input", index }));
  const outputBytes: number[] = [];
  for (const v of fused.memory) {
    if (refs.has(v)) continue;
    refs.set(v, { kind: "output", index: outputBytes.length });
    outputBytes.push(bytesOf(v));
  }
  const lives = new Lives(steps);
  const scratch = new ScratchBuffers();
  // no kernel writes an array without elements, but one may bind it
  for (const x of lives.launches.flatMap(({ reads }) => reads)) {
    if (x.kind !== "var" || refs.has(x) || sizeOf(x.aval.shape) > 0) continue;
    refs.set(x, scratch.take(bytesOf(x)));
  }
  const dispatches = lives.launches.map((launch, i): Dispatch => {
    for (const x of [...(lives.pinnedAt.get(i) ?? []), ...launch.writes]) {
      if (!refs.has(x)) refs.set(x, scratch.take(bytesOf(x)));
    }
    for (const x of lives.endingAt.get(i) ?? []) {
      const ref = refs.get(x);
      if (ref?.kind === "scratch") scratch.free.push(ref.index);
    }
    const of = (x: Place): BufferRef => {
      const ref = refs.get(x);
      if (!ref) throw new InternalError(`plan: ${launch.name} reads what was not written`);
      return ref;
    };
    const { name, wgsl, usesZero, workgroups, userOps } = launch;
    const guards = (launch.guards ?? []).map(({ buffer, equals }) => ({ buffer: of(buffer), equals }));
    const [reads, writes] = [launch.reads.map(of), launch.writes.map(of)];
    return { name, wgsl, usesZero, guards, workgroups, reads, writes, ...(userOps ? { userOps } : {}) };
  });
  let at = 0;
  const numbered = (list: readonly LaunchStep[]): Step[] =>
    list.map((step): Step => {
      if (!("kind" in step)) return at++;
      if (step.kind === "while") return { kind: "while", flag: refs.get(step.flag)!, body: numbered(step.body) };
      return { kind: "repeat", count: step.count, even: numbered(step.even), odd: numbered(step.odd) };
    });
  const schedule = numbered(steps);
  const results = graph.outputs.map((x, i) => {
    const { kind, index } = refs.get(fused.memory[i]!)!;
    return { aval: x.aval, from: { kind: kind as "input" | "output", index } };
  });
  const total = (list: readonly number[]) => list.reduce((sum, n) => sum + n, 0);
  const scratchBytes = scratch.sizes;
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
    schedule,
    results,
    outputBytes,
    scratchBytes,
    peakBytes,
    ...(donations.length > 0 ? { donations } : {}),
  };
}

/** From where to where each array is needed, by places in the flat list of all launches. */
class Lives {
  readonly launches: Launch[] = [];
  /** Arrays whose last use is in this launch. */
  readonly endingAt = new Map<number, Place[]>();
  /** Arrays that must be there before this launch. */
  readonly pinnedAt = new Map<number, Place[]>();
  readonly #first = new Map<Place, number>();
  readonly #last = new Map<Place, number>();

  constructor(steps: readonly LaunchStep[]) {
    this.#visit(steps);
    for (const [x, at] of this.#last) this.endingAt.set(at, [...(this.endingAt.get(at) ?? []), x]);
  }

  #visit(steps: readonly LaunchStep[]): void {
    for (const step of steps) {
      const start = this.launches.length;
      if ("kind" in step) {
        if (step.kind === "while") this.#visit(step.body);
        else {
          this.#visit(step.even);
          this.#visit(step.odd);
        }
        this.#closeLoop(start, [...step.pinned, ...(step.kind === "while" ? [step.flag] : [])]);
      } else {
        this.launches.push(step);
        for (const x of usedBy(step)) this.#use(x, start);
      }
    }
  }

  #use(x: Place, at: number): void {
    if (!this.#first.has(x)) this.#first.set(x, at);
    this.#last.set(x, Math.max(at, this.#last.get(x) ?? at));
  }

  /** What a loop carries, and what comes from before it, is needed until its last turn. */
  #closeLoop(start: number, pinned: readonly Place[]): void {
    const end = this.launches.length - 1;
    if (end < start) return;
    for (const x of pinned) {
      this.#use(x, end);
      this.#first.set(x, Math.min(start, this.#first.get(x)!));
      this.pinnedAt.set(start, [...(this.pinnedAt.get(start) ?? []), x]);
    }
    for (const launch of this.launches.slice(start)) {
      for (const x of usedBy(launch)) if (this.#first.get(x)! < start) this.#use(x, end);
    }
  }
}

const usedBy = ({ reads, writes, guards }: Launch): Place[] => [
  ...reads,
  ...writes,
  ...(guards ?? []).map(({ buffer }) => buffer),
];

class ScratchBuffers {
  readonly sizes: number[] = [];
  readonly free: number[] = [];

  /** The free buffer that fits most tightly, not wasting more than half; else a new one. */
  take(bytes: number): BufferRef {
    const fitting = this.free
      .filter((i) => this.sizes[i]! >= bytes && this.sizes[i]! <= 2 * bytes)
      .sort((a, b) => this.sizes[a]! - this.sizes[b]!);
    const found = fitting[0];
    if (found !== undefined) {
      this.free.splice(this.free.indexOf(found), 1);
      return { kind: "scratch", index: found };
    }
    this.sizes.push(bytes);
    return { kind: "scratch", index: this.sizes.length - 1 };
  }
}
