// Reading parts of a tensor: single entries, ranges, and entries at computed positions.
import { aval, showAval } from "../../compiler/core/aval.js";
import { isInteger } from "../../compiler/core/dtype.js";
import { DTypeError, ShapeError } from "../../compiler/core/errors.js";
import { literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { type Operand, Tensor } from "../../compiler/trace/tensor.js";
import { currentTrace } from "../../compiler/trace/trace.js";
import { operand, stretch, toDType } from "./promote.js";
import { asTensor, axisOf } from "./shape.js";

/** One axis of `slice`: an index (drops the axis), [start, stop, step] with open ends as null, or null for all of it. */
export type SliceSpec = number | null | readonly [start?: number | null, stop?: number | null, step?: number | null];

function staticIndex(x: Tensor, axis: number, index: number, name: string): number {
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
 * The entry at `indices` of the leading axes; each is a number or a scalar integer tensor. Negative ones count from the
 * end. Numbers out of range throw `ShapeError`; tensors, whose value is known only later, are clamped.
 */
export function at(x: TensorLike, ...indices: readonly (number | Tensor)[]): Tensor {
  let a = asTensor(x, "at");
  if (indices.length > a.ndim)
    throw new ShapeError(`at: ${indices.length} indices given for ${showAval(a.aval)}${hereText()}`);
  let axis = 0;
  const fixed = new Map<number, number>();
  const computed: [number, Tensor][] = [];
  indices.forEach((index, k) => {
    if (index instanceof Tensor) {
      if (index.ndim > 0)
        throw new ShapeError(
          `at: index ${k} is ${showAval(index.aval)}, but a scalar is wanted\n  use take(x, indices, axis)${hereText()}`,
        );
      computed.push([k, index]);
    } else fixed.set(k, staticIndex(a, k, index, "at"));
  });
  if (fixed.size > 0) {
    a = cut(a, {
      start: a.shape.map((_, k) => fixed.get(k) ?? 0),
      stop: a.shape.map((n, k) => (fixed.has(k) ? fixed.get(k)! + 1 : n)),
      step: a.shape.map(() => 1),
    });
    a = ops.squeeze(a, [...fixed.keys()]);
  }
  for (const [k, index] of computed) {
    axis = k - [...fixed.keys()].filter((f) => f < k).length - computed.filter(([c]) => c < k).length;
    a = take(a, index, axis);
  }
  return a;
}

/** Part of x, one spec per leading axis; later axes are kept whole. Ranges are cut at the ends of the axis, as in JavaScript. */
export function slice(x: TensorLike, ...specs: readonly SliceSpec[]): Tensor {
  const a = asTensor(x, "slice");
  if (specs.length > a.ndim)
    throw new ShapeError(`slice: ${specs.length} ranges given for ${showAval(a.aval)}${hereText()}`);
  const start = a.shape.map(() => 0);
  const stop = [...a.shape];
  const step = a.shape.map(() => 1);
  const dropped: number[] = [];
  const flipped: number[] = [];
  specs.forEach((spec, axis) => {
    const n = a.shape[axis]!;
    if (spec === null) return;
    if (typeof spec === "number") {
      start[axis] = staticIndex(a, axis, spec, "slice");
      stop[axis] = start[axis]! + 1;
      dropped.push(axis);
      return;
    }
    const by = spec[2] ?? 1;
    if (!Number.isInteger(by) || by === 0)
      throw new ShapeError(`slice: step ${by} of axis ${axis} is not a whole number other than 0${hereText()}`);
    for (const bound of [spec[0], spec[1]]) {
      if (bound !== null && bound !== undefined && !Number.isInteger(bound)) {
        throw new ShapeError(`slice: bound ${bound} of axis ${axis} is not a whole number${hereText()}`);
      }
    }
    const clamp = (bound: number, low: number, high: number) =>
      Math.min(Math.max(bound < 0 ? bound + n : bound, low), high);
    if (by > 0) {
      start[axis] = clamp(spec[0] ?? 0, 0, n);
      stop[axis] = Math.max(start[axis]!, clamp(spec[1] ?? n, 0, n));
      step[axis] = by;
      return;
    }
    // backwards: the same elements forwards, then turned round
    const first = spec[0] === null || spec[0] === undefined ? n - 1 : clamp(spec[0], -1, n - 1);
    const end = spec[1] === null || spec[1] === undefined ? -1 : clamp(spec[1], -1, n - 1);
    const count = Math.max(0, Math.ceil((first - end) / -by));
    start[axis] = count === 0 ? 0 : first + (count - 1) * by;
    stop[axis] = count === 0 ? 0 : first + 1;
    step[axis] = -by;
    flipped.push(axis);
  });
  const whole = a.shape.every((n, axis) => start[axis] === 0 && stop[axis] === n && step[axis] === 1);
  let part = whole ? a : cut(a, { start, stop, step });
  if (flipped.length > 0) part = ops.flip(part, flipped);
  return dropped.length > 0 ? ops.squeeze(part, dropped) : part;
}

/**
 * A slice with known bounds. In a trace they are part of the Graph, and fuse well; at once they are operands of one
 * program, so that a loop over rows compiles once and not once for every row.
 */
function cut(x: Tensor, { start, stop, step }: ops.SliceParams): Tensor {
  if (currentTrace() || step.some((by) => by !== 1)) return ops.slice(x, { start, stop, step });
  const starts = start.map((at) => literal(at, aval("i32", [])));
  return ops.dynamicSlice(
    x,
    starts,
    stop.map((end, axis) => end - start[axis]!),
  );
}

/** Integer indices with negative ones counted from the end of an axis of size n. */
function fromFront(indices: Operand, n: number): Operand {
  if (indices.aval.dtype !== "i32") return indices;
  const zero = toDType(operand(0, "take"), "i32", "take");
  const size = stretch(toDType(operand(n, "take"), "i32", "take"), indices.aval.shape);
  return ops.select(ops.lt(indices, zero), ops.add(indices, size), indices);
}

/**
 * Entries of x at integer `indices` along `axis` (of the flattened x without it). Negative indices count from the end;
 * those out of range are clamped to the nearest entry.
 */
export function take(x: TensorLike, indices: TensorLike, axis?: number): Tensor {
  const a = asTensor(x, "take");
  const along = axis === undefined ? 0 : axisOf(axis, a.ndim, "take", showAval(a.aval));
  const from = axis === undefined ? ops.reshape(a, [a.size]) : a;
  if (typeof indices === "number") return at(ops.moveAxis(from, along, 0), indices);
  const index = asTensor(indices, "take");
  if (index.dtype === "bool") {
    throw new DTypeError(
      `take: a boolean mask ${showAval(index.aval)} selects a number of entries that is not known beforehand\n  use where(mask, x, other) to keep the shape${hereText()}`,
    );
  }
  if (!isInteger(index.dtype)) {
    throw new DTypeError(
      `take: the indices are ${showAval(index.aval)}, but i32 or u32 is wanted\n  cast them: indices.astype("i32")${hereText()}`,
    );
  }
  return ops.gather(from, [fromFront(index, from.shape[along]!)], { axes: [along], batch: 0, mode: "clip" });
}
