// Kernels with an invocation per element; folds loop inside the invocation.

import { fillTemplate } from "../../kernels/index.js";
import { sizeOf } from "../core/shape.js";
import type { Atom, Eqn, Var } from "../ir/graph.js";
import type { FusedKernel, LaneForm } from "../ir/kernel.js";
import { grid } from "../ir/limits.js";
import { Position } from "../ir/position.js";
import type { Names } from "../ir/print.js";
import type { DeviceLimits, Launch, Scratch } from "../ir/program.js";
import { isStacked, laneShape } from "../ir/region.js";
import { type Scalar, ScalarBuilder } from "../ir/scalar.js";
import { combineAll, elementAll, finishAll, initAll, scratchFor, stateTypes, termsAt } from "./folds.js";
import { launch, type Passing, printerFor, store } from "./frame.js";
import { outerFrame } from "./lane-arrays.js";
import { Lowering, lowerRegion } from "./lower.js";

/** Invocations of a workgroup. */
const WIDTH = 64;

/** An invocation for every element of the results, which folds all terms of its roots. */
export function emitMap(kernel: FusedKernel, limits: DeviceLimits, names: Names): Launch {
  const b = new ScalarBuilder();
  const i = b.input("i", "u32");
  const all = termsAt(kernel, b, i);
  const fold = (terms: number) =>
    b.loop(b.u32(terms), initAll(all), (k, state) => combineAll(all, state, elementAll(all, k)));
  const roots = all.length > 0 ? finishAll(all, fold(all[0]!.count)) : undefined;
  store(b, kernel, new Lowering(b, kernel, roots), i);
  return finishMap(kernel, b, kernel.part?.count ?? kernel.size, limits, names, {});
}

/**
 * For folds over outer axes: an invocation for every column and part of it, so that neighbours read neighbouring
 * elements; a second dispatch folds the parts. Partial states lie [part, column].
 */
export function emitColumns(kernel: FusedKernel, parts: number, limits: DeviceLimits, names: Names): Launch[] {
  const columns = kernel.size;
  const scratch = scratchFor(kernel, columns * parts);
  const pass = { parts, cells: columns, cellOf: (_b: ScalarBuilder, i: Scalar) => i, scratch };
  return [partOfColumns(), emitFoldOfParts(kernel, pass, limits, names)];

  function partOfColumns(): Launch {
    const b = new ScalarBuilder();
    const cell = b.input("i", "u32");
    const all = termsAt(kernel, b, b.rem(cell, b.u32(columns)));
    const length = all[0]!.count;
    const part = b.u32(Math.ceil(length / parts));
    // the last parts may have nothing to fold
    const begin = b.min(b.mul(b.div(cell, b.u32(columns)), part), b.u32(length));
    const count = b.min(part, b.sub(b.u32(length), begin));
    const last = b.loop(count, initAll(all), (k, state) => combineAll(all, state, elementAll(all, b.add(begin, k))));
    last.forEach((x, k) => void b.store(`state${k}`, cell, x));
    return finishMap(kernel, b, columns * parts, limits, names, { to: scratch });
  }
}

/** Where partial states lie: those of the result at row-major offset `i` in cell `cellOf(i)` of each part. */
export interface PartialStates {
  readonly parts: number;
  /** Of each part. */
  readonly cells: number;
  cellOf(b: ScalarBuilder, i: Scalar): Scalar;
  readonly scratch: readonly Scratch[];
}

/** The second of two dispatches: folds the partial states of each result and stores what follows from it. */
export function emitFoldOfParts(
  kernel: FusedKernel,
  { parts, cells, cellOf, scratch }: PartialStates,
  limits: DeviceLimits,
  names: Names,
): Launch {
  const types = stateTypes(kernel);
  const b = new ScalarBuilder();
  const i = b.input("i", "u32");
  const all = termsAt(kernel, b, i);
  const cell = cellOf(b, i);
  const last = b.loop(b.u32(parts), initAll(all), (k, state) => {
    const at = b.add(b.mul(k, b.u32(cells)), cell);
    return combineAll(
      all,
      state,
      types.map((type, t) => b.load(`state${t}`, at, type)),
    );
  });
  store(b, kernel, new Lowering(b, kernel, finishAll(all, last)), i);
  return finishMap(kernel, b, kernel.size, limits, names, { from: scratch });
}

/** An invocation for every lane of a region, which runs in it; then what follows from its last values. */
export function emitLanes(kernel: FusedKernel, limits: DeviceLimits, names: Names): Launch {
  const b = new ScalarBuilder();
  const i = b.input("i", "u32");
  if (kernel.form) return emitArrayLanes(kernel, kernel.form, limits, names);
  const [root] = kernel.roots as [Eqn];
  const read = new Set<Atom>([...kernel.stores, ...kernel.eqns.flatMap((eqn) => eqn.inputs)]);
  const isWhole = (k: number): boolean => sizeOf(laneShape(root, k)) === kernel.size;
  const wanted = root.outputs.flatMap((v, k) => (read.has(v) && (isWhole(k) || isShared(root, k)) ? [k] : []));
  const whole = wanted.find(isWhole);
  const lanes = whole === undefined ? Position.at(b, [], []) : Position.atLinear(b, laneShape(root, whole), i);
  const slot = (v: Var): string => `out${kernel.stores.indexOf(v)}`;
  const results = lowerRegion(new Lowering(b, kernel), root, lanes, wanted, (k, turn, entry) => {
    b.store(slot(root.outputs[k]!), b.add(b.mul(turn, b.u32(kernel.size)), i), entry);
  });
  const last = new Map<Var, Scalar>();
  root.outputs.forEach((v, k) => {
    if (results[k]) last.set(v, results[k]);
  });
  const lowering = new Lowering(b, kernel, last);
  for (const v of kernel.stores) {
    const isEntry = root.outputs.includes(v) && !last.has(v);
    if (!isEntry) storeLane(b, slot(v), v, i, lowering);
  }
  return finishMap(kernel, b, kernel.size, limits, names, {});
}

/** The same where each lane keeps arrays of its own: results are stored element by element. */
function emitArrayLanes(kernel: FusedKernel, form: LaneForm, limits: DeviceLimits, names: Names): Launch {
  const b = new ScalarBuilder();
  const i = b.input("i", "u32");
  const [root] = kernel.roots as [Eqn];
  const lane = { b, form, coords: Position.atLinear(b, form.shape, i).coords, name: kernel.name };
  const frame = outerFrame(lane, new Lowering(b, kernel));
  const read = new Set<Atom>([...kernel.stores, ...kernel.eqns.flatMap((eqn) => eqn.inputs)]);
  const isWanted = (v: Var, k: number): boolean => read.has(v) && (form.vars.has(v) || isShared(root, k));
  const wanted = root.outputs.flatMap((v, k) => (isWanted(v, k) ? [k] : []));
  const slot = (v: Var): string => `out${kernel.stores.indexOf(v)}`;
  frame.region(root, 0, wanted, (k, turn, own, entry) => {
    const v = root.outputs[k]!;
    const first = b.mul(turn, b.u32(sizeOf(laneShape(root, k))));
    own.repeat(
      own.size(entry),
      (j) => void b.store(slot(v), b.add(first, own.at(entry, j).linear), own.element(entry, j)),
    );
  });
  const { roots, arrays } = frame.bound;
  const after = new Lowering(b, kernel, roots);
  for (const v of kernel.stores) {
    const array = arrays.get(v);
    if (array) frame.repeat(frame.size(v), (j) => void b.store(slot(v), frame.at(v, j).linear, b.get(array, j)));
    else if (!root.outputs.includes(v) || roots.has(v)) storeLane(b, slot(v), v, i, after);
  }
  return finishMap(kernel, b, kernel.size, limits, names, {});
}

/** A number that every lane knows when the region ends. */
const isShared = (root: Eqn, k: number): boolean => root.outputs[k]!.aval.shape.length === 0 && !isStacked(root, k);

/** The lane's element of v; what all lanes share is stored by the first one. */
function storeLane(b: ScalarBuilder, slot: string, v: Var, i: Scalar, lowering: Lowering): void {
  const value = lowering.value(v, Position.atLinear(b, v.aval.shape, i));
  if (v.aval.shape.length > 0) b.store(slot, i, value);
  else
    b.branch(
      b.eq(i, b.u32(0)),
      () => {
        b.store(slot, i, value);
        return [];
      },
      () => [],
    );
}

function finishMap(
  kernel: FusedKernel,
  b: ScalarBuilder,
  size: number,
  limits: DeviceLimits,
  names: Names,
  passing: Passing,
): Launch {
  const printer = printerFor(kernel, passing);
  const body = printer.print(b.body, [], "");
  const workgroups = grid(Math.ceil(size / WIDTH), limits);
  return launch(kernel, names, printer, passing, workgroups, (frame) =>
    fillTemplate("map", { ...frame, body, size, stride: workgroups[0] * WIDTH }),
  );
}
