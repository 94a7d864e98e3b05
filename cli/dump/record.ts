// What the script's process tells the command: one line of JSON in a file for each thing, so that a crash loses nothing.

export type DumpRecord = LoadedRecord | ProgramRecord | FailedRecord;

/** The script loaded a copy of this package. */
interface LoadedRecord {
  readonly kind: "loaded";
}

export interface ProgramRecord {
  readonly kind: "program";
  /** The function as it was called: `jit(vmap(convolve))`; or the name of a single op. */
  readonly name: string;
  /** Names of all functions that were traced for it, without their transforms. */
  readonly functions: readonly string[];
  /** It is one operation outside of any transformed function. */
  readonly isOperation: boolean;
  /** Where it was called, in words. */
  readonly calledAt: string | undefined;
  /** Every place in the user's code that it has equations from, and where it was called: `/path/x.ts:12`. */
  readonly places: readonly string[];
  /** What vmap ran for one lane after the other: `cumulate, 8 lanes, at f (x.ts:3)`. */
  readonly laneByLane: readonly string[];
  readonly graph: string;
  /** The Graphs on the way to `graph`, which is the last one. */
  readonly transforms: readonly { readonly name: string; readonly graph: string }[];
  readonly simplified: string;
  readonly kernels: string;
  readonly kernelCount: number;
  readonly plan: string;
  /** Each shader by the name of its dispatch. */
  readonly wgsl: readonly { readonly name: string; readonly code: string }[];
}

/** A program that could not be shown: a bug of ours, which must not stop the user's script. */
interface FailedRecord {
  readonly kind: "failed";
  readonly name: string;
  readonly message: string;
}

/** The environment variable that names the file. */
export const DUMP_FILE = "LANEWISE_DUMP_FILE";
