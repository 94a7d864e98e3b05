// Element types and the typed arrays that hold them on the host.

import { DTypeError } from "./errors.js";

/** Element types of a tensor. `bool` is one byte on the host and a `u32` 0 or 1 on the device. */
export type DType = "f32" | "i32" | "u32" | "bool";

/** Host storage of one array: row-major elements. */
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

export const dtypes: readonly DType[] = ["f32", "i32", "u32", "bool"];

/** Throws `DTypeError` for what is no element type. */
export function checkDType(dtype: DType, what: string): void {
  if (!dtypes.includes(dtype))
    throw new DTypeError(`${what}: there is no dtype '${String(dtype)}'; there are ${dtypes.join(", ")}`);
}

/** Bytes of one element on the device. */
export const DEVICE_ELEMENT_BYTES = 4;

export const isInteger = (dtype: DType): boolean => dtype === "i32" || dtype === "u32";

/** A new array of `length` zeros for `dtype`; with `wide`, f32 is held in 64 bits (the oracle's mode). */
export function allocate(dtype: DType, length: number, wide = false): TypedArray {
  switch (dtype) {
    case "f32":
      return wide ? new Float64Array(length) : new Float32Array(length);
    case "i32":
      return new Int32Array(length);
    case "u32":
      return new Uint32Array(length);
    case "bool":
      return new Uint8Array(length);
  }
}

/** The value `x` takes when it is stored as `dtype`, by WGSL's conversions: floats truncate toward zero and saturate. */
export function castNumber(x: number, dtype: DType): number {
  switch (dtype) {
    case "f32":
      return Math.fround(x);
    case "i32":
      return Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, -2147483648), 2147483647));
    case "u32":
      return Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, 0), 4294967295));
    case "bool":
      return x !== 0 ? 1 : 0;
  }
}
