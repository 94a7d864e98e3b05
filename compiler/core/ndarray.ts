// Host arrays: dense, row-major, immutable by convention.
import { allocate, castNumber, type DType, type TypedArray } from "./dtype.js";
import { ShapeError } from "./errors.js";
import { checkShape, type Shape, showShape, sizeOf } from "./shape.js";

/** A dense row-major array on the host. Its data may be shared: never written after it was made. */
export interface NDArray {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TypedArray;
}

/** Wraps `data`. Throws `ShapeError` when its length is not the size of `shape`. */
export function ndarray(dtype: DType, shape: Shape, data: TypedArray): NDArray {
  checkShape(shape, "array");
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError(
      `array: ${data.length} elements do not fill shape ${showShape(shape)}, which has ${sizeOf(shape)}`,
    );
  }
  return { dtype, shape, data };
}

/** An array filled with one value. */
export function filled(dtype: DType, shape: Shape, value: number, wide = false): NDArray {
  const data = allocate(dtype, sizeOf(shape), wide);
  const stored = wide && dtype === "f32" ? value : castNumber(value, dtype);
  if (!Object.is(stored, 0)) data.fill(stored);
  return { dtype, shape, data };
}

/** Nested lists for a person: numbers, or booleans when the dtype is bool. Shape [] gives the bare element. */
export type Nested = number | boolean | Nested[];

export function toNested(array: NDArray): Nested {
  const { shape, data, dtype } = array;
  let at = 0;
  const build = (axis: number): Nested => {
    if (axis === shape.length) {
      const x = data[at++]!;
      return dtype === "bool" ? x !== 0 : x;
    }
    return Array.from({ length: shape[axis]! }, () => build(axis + 1));
  };
  return build(0);
}
