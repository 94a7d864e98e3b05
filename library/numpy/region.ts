// Indices as users write them, one spec per leading axis, resolved against the shape they are for.
import { aval, showAval } from "../../compiler/core/aval.js";
import { isInteger } from "../../compiler/core/dtype.js";
import { DTypeError, ShapeError } from "../../compiler/core/errors.js";
import { literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import { hereText } from "../../compiler/trace/here.js";
import { type Operand, Tensor } from "../../compiler/trace/tensor.js";
import { currentTrace } from "../../compiler/trace/trace.js";

/**
 * One axis of an index: a number or a scalar integer tensor (drops the axis), [start, stop, step] with open ends as
 * null, null for all of it, or a tensor of indices.
 */
export type SliceSpec =
  | number
  | Tensor
  | null
  | readonly [start?: number | null, stop?: number | null, step?: number | null];

/** Bounds per axis, those given by tensors whole; a step is ≥ 1. */
export interface Region extends ops.SliceParams {
  /** Axes given by a number: one entry is left, and the axis goes. */
  readonly dropped: readonly number[];
  /** Axes that are walked backwards: the same entries, turned round. */
  readonly flipped: readonly number[];
  /** Axes given by tensors, whose indices count from the front. */
  readonly computed: ReadonlyMap<number, Tensor>;
}

/** The region that `specs` name. Numbers out of range are a `ShapeError`; ranges are cut at the ends of their axis. */
export function regionOf(name: string, x: Tensor, specs: readonly SliceSpec[], instead: string): Region {
  if (specs.length > x.ndim)
    throw new ShapeError(`${name}: ${specs.length} ranges given for ${showAval(x.aval)}${hereText()}`);
  const start = x.shape.map(() => 0);
  const stop = [...x.shape];
  const step = x.shape.map(() => 1);
  const dropped: number[] = [];
  const flipped: number[] = [];
  const computed = new Map<number, Tensor>();
  specs.forEach((spec, axis) => {
    const n = x.shape[axis]!;
    if (spec === null) return;
    if (spec instanceof Tensor) {
      computed.set(axis, indexTensor(name, spec, n, instead));
    } else if (typeof spec === "number") {
      start[axis] = staticIndex(name, x, axis, spec);
      stop[axis] = start[axis]! + 1;
      dropped.push(axis);
    } else {
      const range = resolveRange(name, spec, n, axis);
      start[axis] = range.start;
      stop[axis] = range.stop;
      step[axis] = range.step;
      if (range.flips) flipped.push(axis);
    }
  });
  return { start, stop, step, dropped, flipped, computed };
}

interface ResolvedRange {
  readonly start: number;
  readonly stop: number;
  readonly step: number;
  readonly flips: boolean;
}

function resolveRange(name: string, spec: readonly (number | null | undefined)[], n: number, axis: number) {
  if (spec.length > 3) {
    throw new ShapeError(
      `${name}: axis ${axis} is given ${spec.length} numbers, but [start, stop, step] is wanted\n  make a list of indices a tensor: tensor([${spec.slice(0, 2)}, …], { dtype: "i32" })${hereText()}`,
    );
  }
  const by = spec[2] ?? 1;
  if (!Number.isInteger(by) || by === 0)
    throw new ShapeError(`${name}: step ${by} of axis ${axis} is not a whole number other than 0${hereText()}`);
  for (const bound of [spec[0], spec[1]]) {
    if (bound !== null && bound !== undefined && !Number.isInteger(bound)) {
      throw new ShapeError(`${name}: bound ${bound} of axis ${axis} is not a whole number${hereText()}`);
    }
  }
  const clamp = (bound: number, low: number, high: number) =>
    Math.min(Math.max(bound < 0 ? bound + n : bound, low), high);
  if (by > 0) {
    const start = clamp(spec[0] ?? 0, 0, n);
    return { start, stop: Math.max(start, clamp(spec[1] ?? n, 0, n)), step: by, flips: false };
  }
  // backwards: the same elements forwards, then turned round
  const first = spec[0] === null || spec[0] === undefined ? n - 1 : clamp(spec[0], -1, n - 1);
  const end = spec[1] === null || spec[1] === undefined ? -1 : clamp(spec[1], -1, n - 1);
  const count = Math.max(0, Math.ceil((first - end) / -by));
  const range: ResolvedRange = {
    start: count === 0 ? 0 : first + (count - 1) * by,
    stop: count === 0 ? 0 : first + 1,
    step: -by,
    flips: true,
  };
  return range;
}

/** A number as an index of an axis; negative ones count from its end. */
export function staticIndex(name: string, x: Tensor, axis: number, index: number): number {
  const n = x.shape[axis]!;
  if (!Number.isInteger(index)) throw new ShapeError(`${name}: index ${index} is not a whole number${hereText()}`);
  if (index >= n || index < -n) {
    throw new ShapeError(
      `${name}: index ${index} is out of range for axis ${axis} of ${showAval(x.aval)}${hereText()}`,
    );
  }
  return index < 0 ? index + n : index;
}

/**
 * A tensor of indices into an axis of size n, negative ones counted from its end. Throws `DTypeError` for what is no
 * integer; `instead` tells what to use in place of a mask.
 */
export function indexTensor(name: string, index: Tensor, n: number, instead: string): Tensor {
  if (index.dtype === "bool") {
    throw new DTypeError(
      `${name}: a boolean mask ${showAval(index.aval)} selects a number of entries that is not known beforehand\n  use ${instead}${hereText()}`,
    );
  }
  if (!isInteger(index.dtype)) {
    throw new DTypeError(
      `${name}: the indices are ${showAval(index.aval)}, but i32 or u32 is wanted\n  cast them: indices.astype("i32")${hereText()}`,
    );
  }
  if (index.dtype === "u32") return index;
  return ops.select(ops.lt(index, i32(0)), ops.add(index, i32(n)), index);
}

export const i32 = (value: number): Operand => literal(value, aval("i32", []));

/** What to use where a mask was given to be read by. */
export const READ_INSTEAD = "where(mask, x, other) to keep the shape";

/**
 * A slice with known bounds. In a trace they are part of the Graph, and fuse well; at once they are operands of one
 * program, so that a loop over rows compiles once and not once for every row.
 */
export function cut(x: Tensor, { start, stop, step }: ops.SliceParams): Tensor {
  if (x.shape.every((n, axis) => start[axis] === 0 && stop[axis] === n && step[axis] === 1)) return x;
  if (currentTrace() || step.some((by) => by !== 1)) return ops.slice(x, { start, stop, step });
  return ops.dynamicSlice(
    x,
    start.map(i32),
    stop.map((end, axis) => end - start[axis]!),
  );
}
