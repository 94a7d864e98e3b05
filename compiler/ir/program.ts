// Programs: what the compiler hands to a device. Dispatches in order, and the buffers they read and write.
import type { Aval } from "../core/aval.js";
import type { Graph, Var } from "./graph.js";

export { baseLimits, type DeviceLimits } from "./limits.js";

/** A buffer of a Program: one of its inputs, a result, or scratch memory that lives during the call. */
export interface BufferRef {
  readonly kind: "input" | "output" | "scratch";
  readonly index: number;
}

/** One dispatch of one pipeline. Entry point `main`; bindings 0 … in group 0 are storage buffers in this order. */
export interface Dispatch {
  /** Generated name, for labels and `dump`. */
  readonly name: string;
  readonly wgsl: string;
  readonly reads: readonly BufferRef[];
  /** Bound behind `reads`, as read_write. */
  readonly writes: readonly BufferRef[];
  /** The code has, at the binding behind these, `var<uniform> zero: vec4u` of zeros (the `keep` barrier). */
  readonly usesZero: boolean;
  /** Words that the code looks at first, bound behind everything else: it does nothing when one has another value. */
  readonly guards: readonly Guard<BufferRef>[];
  /** Ops of the user's whose WGSL is in the code. */
  readonly userOps?: readonly string[];
  readonly workgroups: readonly [x: number, y: number, z: number];
}

/** A condition of a dispatch: the first word of a buffer has a certain value. */
export interface Guard<B> {
  readonly buffer: B;
  readonly equals: number;
}

/** A dispatch by its place in the list, or a loop. */
export type Step = number | RepeatStep | WhileStep;

/** Steps done `count` times: `even` the first time, `odd` the second, and so on by turns. */
interface RepeatStep {
  readonly kind: "repeat";
  readonly count: number;
  readonly even: readonly Step[];
  readonly odd: readonly Step[];
}

/** Steps done as long as the first word of `flag` is 1. They do nothing when it is 0. */
interface WhileStep {
  readonly kind: "while";
  readonly flag: BufferRef;
  readonly body: readonly Step[];
}

/** Where a result is found: in a buffer written by the Program, or it is one of the inputs (same elements, own shape). */
export interface ResultRef {
  readonly aval: Aval;
  readonly from:
    | { readonly kind: "output"; readonly index: number }
    | { readonly kind: "input"; readonly index: number };
}

/** An input whose memory an output may take, if the caller gives it up. */
export interface Donation {
  readonly input: number;
  readonly output: number;
  /** The dispatch that reads the input last writes the output, through the output's binding alone. */
  readonly inPlace: boolean;
}

export interface Program {
  /** The Graph it was made from, which is also what the CPU runs. */
  readonly graph: Graph;
  readonly dispatches: readonly Dispatch[];
  /** In which order they run. */
  readonly schedule: readonly Step[];
  readonly results: readonly ResultRef[];
  /** Bytes of each buffer of kind output; at least 4, a multiple of 4. */
  readonly outputBytes: readonly number[];
  /** Bytes of each scratch buffer. */
  readonly scratchBytes: readonly number[];
  /** Bytes alive at once at most: inputs, outputs and scratch. What is donated counts once. */
  readonly peakBytes: number;
  readonly donations?: readonly Donation[];
}

/** Memory that lives between two dispatches of one kernel. */
export interface Scratch {
  readonly kind: "scratch";
  readonly bytes: number;
}

/** A dispatch before buffers are assigned: what it reads and writes are variables of the Graph, or scratch memory. */
export interface Launch {
  readonly name: string;
  readonly wgsl: string;
  readonly reads: readonly (Var | Scratch)[];
  readonly writes: readonly (Var | Scratch)[];
  /** Of what it reads: arrays of which each invocation reads only the element that it writes afterwards. */
  readonly own?: ReadonlySet<Var>;
  /** Results that are written in part: the arrays that they are otherwise, whose memory they must take. */
  readonly over?: ReadonlyMap<Var, Var>;
  readonly usesZero: boolean;
  readonly guards?: readonly Guard<Var | Scratch>[];
  /** No guard is put before it. */
  readonly always?: boolean;
  /** Ops of the user's whose WGSL is in the code. */
  readonly userOps?: readonly string[];
  readonly workgroups: readonly [x: number, y: number, z: number];
}

/** Launches, and loops of them. `pinned` arrays keep what they hold from one turn to the next. */
export type LaunchStep = Launch | LaunchRepeat | LaunchWhile;

interface LaunchRepeat {
  readonly kind: "repeat";
  readonly count: number;
  readonly even: readonly LaunchStep[];
  readonly odd: readonly LaunchStep[];
  readonly pinned: readonly (Var | Scratch)[];
}

interface LaunchWhile {
  readonly kind: "while";
  readonly flag: Var | Scratch;
  readonly body: readonly LaunchStep[];
  readonly pinned: readonly (Var | Scratch)[];
}
