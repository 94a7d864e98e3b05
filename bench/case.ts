// A case: a piece of work, and ways of doing it on one adapter with the inputs already there.
import type { ByHand } from "./by-hand.js";
import type { Contestant } from "./contestant.js";
import type { Jax } from "./jax.js";

/** A piece of work, and ways of doing it. */
export interface Case {
  readonly name: string;
  readonly title: string;
  /** What is timed: `run`, per call, or `read`. */
  readonly timed: "run" | "read";
  /** Calls in a row before the device is waited for. */
  readonly calls: number;
  /** Rounds for each one asked for: what is short is timed more often. */
  readonly repeats: number;
  /** How far results may be apart, relative to the largest element. */
  readonly tolerance: number;
  /** Share of the elements that may be farther apart: where a rounding decides. Default 0. */
  readonly strays?: number;
  /** Wants JAX on the CPU beside it. */
  readonly usesJax?: boolean;
  contestants(machine: Machine): readonly Contestant[];
}

/** What cases are set up on. */
export interface Machine {
  /** Undefined on the CPU, where there is nothing to write by hand. */
  readonly byHand: ByHand | undefined;
  /** Undefined where there is no JAX. */
  readonly jax: Jax | undefined;
  readonly isSoftware: boolean;
  /** Sizes of an eighth or so, to try the bench itself. */
  readonly isQuick: boolean;
}

/** Numbers in [-2, 2), the same on every run. */
export function numbers(count: number, seed = 1): Float32Array<ArrayBuffer> {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 30 - 2;
  });
}
