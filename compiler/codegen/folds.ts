// The folds of a kernel's roots: their terms, and the state they carry.
import { DEVICE_ELEMENT_BYTES, type DType } from "../core/dtype.js";
import type { Eqn, Var } from "../ir/graph.js";
import type { FusedKernel } from "../ir/kernel.js";
import { Position } from "../ir/position.js";
import type { Scratch } from "../ir/program.js";
import { type Scalar, ScalarBuilder } from "../ir/scalar.js";
import { Lowering, Terms } from "./lower.js";

/** Terms of every root, for the result at row-major offset `i`. */
export function termsAt(kernel: FusedKernel, b: ScalarBuilder, i: Scalar): Terms[] {
  // roots read only what is loaded or computed before them
  const before = new Lowering(b, kernel);
  return kernel.roots.map((root: Eqn) => new Terms(before, root, Position.atLinear(b, root.outputs[0]!.aval.shape, i)));
}

/** Terms of every root for some result: for what does not depend on which. */
export function someTerms(kernel: FusedKernel): Terms[] {
  const b = new ScalarBuilder();
  return termsAt(kernel, b, b.input("i", "u32"));
}

/** Dtypes of the state of all roots, one behind the other. */
export const stateTypes = (kernel: FusedKernel): DType[] =>
  someTerms(kernel).flatMap((terms) => terms.init().map((x) => x.type));

/** State of all roots before the first term. */
export const initAll = (all: readonly Terms[]): Scalar[] => all.flatMap((terms) => terms.init());

/** State of all roots for term `i`. */
export const elementAll = (all: readonly Terms[], i: Scalar): Scalar[] => all.flatMap((terms) => terms.element(i));

/** Two states of all roots in one. */
export function combineAll(all: readonly Terms[], earlier: readonly Scalar[], later: readonly Scalar[]): Scalar[] {
  const theirs = splitState(all, later);
  return splitState(all, earlier).flatMap((own, r) => all[r]!.combine(own, theirs[r]!));
}

/** The results of all roots, by their variables. */
export const finishAll = (all: readonly Terms[], state: readonly Scalar[]): Map<Var, Scalar> =>
  new Map(splitState(all, state).map((own, r) => [all[r]!.eqn.outputs[0]!, all[r]!.finish(own)]));

/** Memory for `cells` partial states of all roots. */
export const scratchFor = (kernel: FusedKernel, cells: number): Scratch[] =>
  stateTypes(kernel).map(() => ({ kind: "scratch", bytes: cells * DEVICE_ELEMENT_BYTES }));

/** Each root's part of all their state. */
function splitState(all: readonly Terms[], state: readonly Scalar[]): (readonly Scalar[])[] {
  let at = 0;
  return all.map((terms) => {
    const n = terms.init().length;
    at += n;
    return state.slice(at - n, at);
  });
}
