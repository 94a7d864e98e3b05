// What gather and scatter share: how index arrays name places of an array.
import { type Aval, aval, showAval } from "../core/aval.js";
import { type DType, isInteger } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import { type Shape, sameShape, showShape, sizeOf, stridesOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { add, max, min, mul } from "./arithmetic.js";
import { fill, reshape, transpose } from "./axes.js";
import { and, cast, ge, lt, select } from "./compare.js";

/** Places of x[batch, …]: one index array [batch, inside] for each of `axes`. */
export interface IndexedParams {
  /** The indexed axes of x, in rising order. */
  readonly axes: readonly number[];
  /** Number of leading axes of x and of every index array that go in step. */
  readonly batch: number;
}

/** What becomes of an element and an update that meets it. "set" keeps the last update. */
export type Combine = "set" | "add" | "mul" | "min" | "max";

export interface ScatterParams extends IndexedParams {
  /** An index out of range: "drop" leaves its update out, "clip" takes the nearest element instead. */
  readonly mode: "drop" | "clip";
  readonly combine: Combine;
  /** The caller's promise that no two updates meet one element: saves work in derivatives. */
  readonly unique?: boolean;
}

/** The axes of x and of its indices by what they are for; all are shapes. */
export interface Indexed {
  readonly batch: Shape;
  /** Axes of x between the batch and the first indexed one. */
  readonly outer: Shape;
  /** Axes of the indices behind the batch. */
  readonly inside: Shape;
  /** Axes of x behind the first indexed one that are not indexed. */
  readonly rest: Shape;
  /** The indexed axes. */
  readonly sizes: Shape;
  /** [batch, outer, inside, rest]: what is read or written. */
  readonly shape: Shape;
}

export function indexed(x: { shape: Shape }, indices: { shape: Shape }, { axes, batch }: IndexedParams): Indexed {
  const first = axes[0]!;
  const parts = {
    batch: x.shape.slice(0, batch),
    outer: x.shape.slice(batch, first),
    inside: indices.shape.slice(batch),
    rest: x.shape.filter((_, axis) => axis > first && !axes.includes(axis)),
  };
  return {
    ...parts,
    sizes: axes.map((axis) => x.shape[axis]!),
    shape: [...parts.batch, ...parts.outer, ...parts.inside, ...parts.rest],
  };
}

/** Throws unless `params` and `indices` name places of `x`. */
export function checkIndexed(name: string, x: Aval, indices: readonly Aval[], { axes, batch }: IndexedParams): void {
  const inOrder = axes.every(
    (axis, k) => Number.isInteger(axis) && axis >= (k === 0 ? batch : axes[k - 1]! + 1) && axis < x.shape.length,
  );
  if (axes.length === 0 || !inOrder) {
    throw new ShapeError(
      `${name}: ${showShape(axes)} are no rising axes of ${showAval(x)}${batch > 0 ? ` behind its ${batch} batch axes` : ""}`,
    );
  }
  if (indices.length !== axes.length) {
    throw new ShapeError(
      `${name}: ${indices.length} index arrays given for ${axes.length} axes of ${showAval(x)}, but one for each is wanted`,
    );
  }
  const [first] = indices;
  indices.forEach((index, k) => {
    if (!isInteger(index.dtype)) {
      throw new DTypeError(
        `${name}: the indices of axis ${axes[k]} are ${showAval(index)}, but i32 or u32 is wanted\n  cast them: indices.astype("i32")`,
      );
    }
    if (!sameShape(index.shape, first!.shape)) {
      throw new ShapeError(
        `${name}: the indices of axis ${axes[k]} are ${showAval(index)}, those of axis ${axes[0]} ${showAval(first!)}; one shape is wanted`,
      );
    }
  });
  for (let i = 0; i < batch; i++) {
    if (x.shape[i] !== first!.shape[i]) {
      throw new ShapeError(`${name}: batch axis ${i} differs in ${showAval(x)} and its indices ${showAval(first!)}`);
    }
  }
}

/** Where the indices point, as offsets into the host's data. */
export interface Places {
  /** Number of blocks: the batch and outer axes together; and of those, how many to one lane of the batch. */
  readonly lanes: number;
  readonly outer: number;
  /** Elements from one block of x to the next. */
  readonly block: number;
  /** Index tuples of a lane. */
  readonly inside: number;
  /** For each lane and index tuple the offset in its block; −1 is out of range. */
  readonly at: Int32Array;
  /** Offsets of the elements that one index tuple stands for. */
  readonly rest: Int32Array;
}

/** Indices are clamped, unless `keepsOut`: then those out of range are marked. */
export function placesOf(
  x: { shape: Shape },
  indices: readonly NDArray[],
  params: IndexedParams,
  keepsOut: boolean,
): Places {
  const { axes } = params;
  const s = indexed(x, indices[0]!, params);
  const strides = stridesOf(x.shape);
  const at = new Int32Array(indices[0]!.data.length);
  axes.forEach((axis, k) => {
    const n = x.shape[axis]!;
    const { data } = indices[k]!;
    for (let i = 0; i < at.length; i++) {
      const index = data[i]!;
      if (at[i]! < 0) continue;
      if (keepsOut && (index < 0 || index >= n)) at[i] = -1;
      else at[i] = at[i]! + Math.min(Math.max(index, 0), n - 1) * strides[axis]!;
    }
  });
  const restAxes = x.shape.map((_, axis) => axis).filter((axis) => axis > axes[0]! && !axes.includes(axis));
  let rest = [0];
  for (const axis of restAxes) {
    rest = rest.flatMap((base) => Array.from({ length: x.shape[axis]! }, (_, i) => base + i * strides[axis]!));
  }
  return {
    lanes: sizeOf(s.batch),
    outer: sizeOf(s.outer),
    block: sizeOf(x.shape.slice(axes[0]!)),
    inside: sizeOf(s.inside),
    at,
    rest: Int32Array.from(rest),
  };
}

/** An index as i32, clamped to an axis of size n ≥ 1. */
export function clampIndex(index: Operand, n: number): Tensor {
  const constant = (value: number) => literal(value, aval(index.aval.dtype, []));
  return cast(max(min(index, constant(n - 1)), constant(0)), "i32");
}

/** Index arrays of one equation at most: beside them its kernels bind x, what is read or written, and the result. */
export const MAX_INDEX_ARRAYS = 4;

interface Joined {
  /** x with the indexed axes as one, in the place of the first of them. */
  readonly x: Tensor;
  /** One index into it; −1 where any of `indices` is out of range, or clamped with `clips`. */
  readonly index: Tensor;
  readonly params: IndexedParams;
  /** An array of the shape of the joined x back in that of x. */
  restore(y: Tensor): Tensor;
}

/** Makes one axis of all the indexed ones. */
export function joinAxes(x: Operand, indices: readonly Operand[], params: IndexedParams, clips: boolean): Joined {
  const { axes, batch } = params;
  const { shape } = x.aval;
  const s = indexed(x.aval, indices[0]!.aval, params);
  const all = shape.map((_, axis) => axis);
  const [before, rest] = [all.slice(0, axes[0]), all.filter((axis) => axis > axes[0]! && !axes.includes(axis))];
  const order = [...before, ...axes, ...rest];
  const ordered = transpose(x, order);
  const strides = stridesOf(s.sizes);
  const one = (value: number, dtype: DType) => literal(value, aval(dtype, []));
  const index = indices
    .map((y, k) => mul(s.sizes[k] === 0 ? cast(y, "i32") : clampIndex(y, s.sizes[k]!), one(strides[k]!, "i32")))
    .reduce(add);
  const isInside = () =>
    indices.map((y, k) => and(ge(y, one(0, y.aval.dtype)), lt(y, one(s.sizes[k]!, y.aval.dtype)))).reduce(and);
  return {
    x: reshape(ordered, [...s.batch, ...s.outer, sizeOf(s.sizes), ...s.rest]),
    index: clips ? index : select(isInside(), index, fill(one(-1, "i32"), index.shape)),
    params: { axes: [axes[0]!], batch },
    restore: (y) =>
      transpose(
        reshape(y, ordered.shape),
        all.map((axis) => order.indexOf(axis)),
      ),
  };
}
