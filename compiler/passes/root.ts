// Equations that kernels are built around, and those that are kernels of their own.
import type { Eqn } from "../ir/graph.js";
import { foldsMuch } from "./cost.js";
import { isBranchInPlace, isLocal } from "./local.js";

/** Its operands and results are whole arrays in memory; it is a kernel of its own, and nothing is fused into it. */
export const needsMemory = (eqn: Eqn): boolean =>
  eqn.op.kind === "opaque" || (eqn.op.kind === "region" && !isLocal(eqn));

/** A kernel is built around this equation; all others are computed wherever they are needed. */
export const isRoot = (eqn: Eqn): boolean =>
  eqn.op.kind === "opaque" || (eqn.op.kind === "region" && !isBranchInPlace(eqn)) || foldsMuch(eqn);

/** Reads of the operands happen where the result is: same place in memory order. */
export const readsInPlace = (eqn: Eqn): boolean =>
  eqn.op.kind === "elementwise" || (eqn.op.kind === "view" && Boolean(eqn.op.keepsOrder)) || isBranchInPlace(eqn);
