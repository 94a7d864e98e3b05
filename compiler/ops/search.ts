// Places in sorted rows, by binary search in the kernel that needs them.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import { sizeOf } from "../core/shape.js";
import { register, type Sample, shaped, type ViewOp } from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { lanesAt, moveAxis } from "./axes.js";
import { bindOne } from "./define.js";

export interface SearchParams {
  /** Leading axes of the rows and of the values that go in step. */
  readonly batch: number;
  /** "left" is the first place that keeps a row in order, "right" the last one. */
  readonly side: "left" | "right";
}

/** The largest power of two that is at most n; 0 for 0. */
const firstStep = (n: number): number => (n === 0 ? 0 : 2 ** Math.floor(Math.log2(n)));

const searchOp = register<ViewOp>({
  name: "searchsorted",
  kind: "view",
  typeOf([sorted, values], params) {
    const { batch } = params as SearchParams;
    if (sorted!.dtype !== values!.dtype || sorted!.dtype === "bool") {
      throw new DTypeError(
        `searchsorted: rows ${showAval(sorted!)} and values ${showAval(values!)} given, but one dtype of f32, i32, u32 is wanted\n  cast with astype()`,
      );
    }
    const inStep = sorted!.shape.slice(0, batch).every((n, axis) => n === values!.shape[axis]);
    if (sorted!.shape.length !== batch + 1 || !inStep) {
      throw new ShapeError(
        `searchsorted: rows ${showAval(sorted!)} and values ${showAval(values!)} do not go in step along ${batch} axes`,
      );
    }
    return [aval("i32", values!.shape)];
  },
  read(b, at, operand, [sorted, values], params) {
    const { batch, side } = params as SearchParams;
    const n = sorted!.shape[batch]!;
    if (n === 0) return b.i32(0);
    const value = operand(1, Position.at(b, values!.shape, at.coords));
    const isFloat = value.type === "f32";
    const isLast = isFloat ? b.isNaN(value) : b.bool(false);
    const step = firstStep(n);
    const [place] = b.loop(b.u32(Math.log2(step) + 1), [b.u32(0), b.u32(step)], (_, [from, by]) => {
      const next = b.add(from!, by!);
      const last = b.sub(b.min(next, b.u32(n)), b.u32(1));
      const entry = operand(0, Position.at(b, sorted!.shape, [...at.coords.slice(0, batch), last]));
      const before =
        side === "right"
          ? b.or(b.le(entry, value), isLast)
          : b.or(b.lt(entry, value), isFloat ? b.and(isLast, b.not(b.isNaN(entry))) : isLast);
      const moves = b.and(b.le(next, b.u32(n)), before);
      return [b.select(moves, next, from!), b.shr(by!, b.u32(1))];
    });
    return b.cast(place!, "i32");
  },
  cpu([sorted, values], params, { wide }, output) {
    const { batch, side } = params as SearchParams;
    const n = sorted!.shape[batch]!;
    const inside = sizeOf(values!.shape.slice(batch));
    const data = allocate("i32", sizeOf(output.shape), wide);
    const isBefore = (entry: number, value: number): boolean => {
      if (Number.isNaN(value)) return side === "right" || !Number.isNaN(entry);
      return side === "right" ? entry <= value : entry < value;
    };
    for (let i = 0; i < data.length; i++) {
      const row = Math.floor(i / inside) * n;
      let place = 0;
      for (let step = firstStep(n); step >= 1; step >>>= 1) {
        const next = place + step;
        if (next <= n && isBefore(sorted!.data[row + next - 1]!, values!.data[i]!)) place = next;
      }
      data[i] = place;
    }
    return { dtype: "i32", shape: output.shape, data };
  },
  batch([sorted, values], params, size) {
    const p = params as SearchParams;
    if (sorted!.axis === null) {
      const value = searchsorted(sorted!.value, moveAxis(values!.value, values!.axis!, p.batch), p);
      return { value, axis: p.batch };
    }
    const lanes = lanesAt(values!, 0, size);
    return { value: searchsorted(lanesAt(sorted!, 0, size), lanes, { ...p, batch: p.batch + 1 }), axis: 0 };
  },
  // rows that are not sorted have a place too, the same everywhere
  samples: (["f32", "i32", "u32"] as const).flatMap((dtype) =>
    (["left", "right"] as const).flatMap((side) =>
      [
        { sorted: [6], values: [3, 2], batch: 0 },
        { sorted: [2, 5], values: [2, 4], batch: 1 },
        { sorted: [1], values: [], batch: 0 },
        { sorted: [0], values: [2], batch: 0 },
      ].map(
        ({ sorted, values, batch }): Sample => ({
          inputs: [shaped(dtype, ...sorted), shaped(dtype, ...values)] as Aval[],
          params: { batch, side },
          domain: [
            [0, 6],
            [0, 6],
          ],
        }),
      ),
    ),
  ),
  ulp: 0,
});

/**
 * Where `values` [batch, …] would stand in the rising rows `sorted` [batch, n], i32 of the shape of the values. NaN
 * stands last.
 */
export const searchsorted = (sorted: Operand, values: Operand, params: SearchParams): Tensor =>
  bindOne(searchOp, [sorted, values], params);
