// One fused kernel to its dispatches: chooses the template by the shape of the work.
import { InternalError } from "../core/errors.js";
import type { Eqn } from "../ir/graph.js";
import type { FusedKernel } from "../ir/kernel.js";
import type { ReduceParams } from "../ir/op.js";
import type { Names } from "../ir/print.js";
import type { DeviceLimits, Launch } from "../ir/program.js";
import { someTerms } from "./folds.js";
import { emitColumns, emitLanes, emitMap } from "./map.js";
import { emitMatmul } from "./matmul.js";
import { emitOpaque } from "./opaque.js";
import { emitRows } from "./rows.js";
import { emitSkinny, skinnyParts } from "./skinny.js";

/** Sides of a matrix product from which tiles pay. */
const TILED_SIDE = 16;

/** Rows at least this long get a workgroup each; columns at least twice as long may be cut in parts. */
const LONG = 32;

/** Invocations that fill a device. */
const MANY_INVOCATIONS = 65536;

/** The dispatches of one kernel; none when it has nothing to store. */
export function emitKernel(kernel: FusedKernel, limits: DeviceLimits, names: Names): Launch[] {
  if (kernel.size === 0 || kernel.stores.length === 0) return [];
  if (kernel.kind === "map") return [emitMap(kernel, limits, names)];
  if (kernel.kind === "lanes") return [emitLanes(kernel, limits, names)];
  if (kernel.kind === "opaque") return emitOpaque(kernel, limits, names);
  if (kernel.kind === "region") throw new InternalError(`emit: ${kernel.roots[0]!.op.name} holds Graphs`);
  const [root] = kernel.roots as [Eqn];
  const cut = kernel.roots.length === 1 ? skinnyParts(root, limits) : undefined;
  if (cut !== undefined) return emitSkinny(kernel, cut, limits, names);
  if (isTiled(root, limits)) return [emitMatmul(kernel, names)];
  const terms = someTerms(kernel)[0]!.count;
  if (terms < LONG) return [emitMap(kernel, limits, names)];
  if (!alongColumns(root)) return emitRows(kernel, terms, limits, names);
  const parts = Math.min(Math.ceil(MANY_INVOCATIONS / kernel.size), Math.floor(terms / LONG));
  return parts > 1 ? emitColumns(kernel, parts, limits, names) : [emitMap(kernel, limits, names)];
}

function isTiled({ op, inputs, params }: Eqn, limits: DeviceLimits): boolean {
  if (op.kind !== "contraction") return false;
  const { m, n, batch } = op.gemm(inputs[0]!.aval, inputs[1]!.aval, params);
  return m >= TILED_SIDE && n >= TILED_SIDE && Math.max(m / TILED_SIDE, n / TILED_SIDE, batch) <= limits.maxWorkgroups;
}

/** Neighbouring results are folded from neighbouring elements: the innermost axis is kept. */
function alongColumns({ op, inputs, params }: Eqn): boolean {
  const [x, y] = inputs;
  if (op.kind === "contraction") {
    const { m, n } = op.gemm(x!.aval, y!.aval, params);
    return m < TILED_SIDE && n >= TILED_SIDE;
  }
  const { shape } = x!.aval;
  const innermost = shape.findLastIndex((n) => n > 1);
  return innermost >= 0 && !(params as ReduceParams).axes.includes(innermost);
}
