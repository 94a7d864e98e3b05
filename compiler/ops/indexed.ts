// What gather and scatter share: how index arrays name places of an array.
import { type Aval, aval, showAval } from "../core/aval.js";
import { isInteger } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import { type Shape, sameShape, showShape, sizeOf, stridesOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { max, min } from "./arithmetic.js";
import { cast } from "./compare.js";

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
