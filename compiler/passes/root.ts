// Equations that kernels are built around, and those that are kernels of their own.
import type { Eqn, Graph } from "../ir/graph.js";
import type { DeviceLimits } from "../ir/limits.js";
import { foldsMuch } from "./cost.js";
import { isBranchInPlace, whyNotLocal } from "./local.js";

/** Its operands and results are whole arrays in memory; it is a kernel of its own, and nothing is fused into it. */
export type NeedsMemory = (eqn: Eqn) => boolean;

/** For the equations of this Graph, on such a device. */
export function memoryNeeds(graph: Graph, limits: DeviceLimits): NeedsMemory {
  const whyNot = whyNotLocal(graph, limits);
  return (eqn) => eqn.op.kind === "opaque" || (eqn.op.kind === "region" && whyNot(eqn) !== undefined);
}

/** A kernel is built around this equation; all others are computed wherever they are needed. */
export const isRoot = (eqn: Eqn): boolean =>
  eqn.op.kind === "opaque" || (eqn.op.kind === "region" && !isBranchInPlace(eqn)) || foldsMuch(eqn);

/** Reads of the operands happen where the result is: same place in memory order. */
export const readsInPlace = (eqn: Eqn): boolean =>
  eqn.op.kind === "elementwise" || (eqn.op.kind === "view" && Boolean(eqn.op.keepsOrder)) || isBranchInPlace(eqn);
