// Elements as bytes: what files hold, and the dtypes they are read as.
import { allocate, type DType, type TypedArray } from "../../compiler/core/dtype.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { type Shape, showShape } from "../../compiler/core/shape.js";
import type { Fail } from "./source.js";

/** How a file stores an element. */
export interface Encoding {
  readonly name: string;
  readonly bytes: number;
  /** What it is read as. */
  readonly dtype: DType;
  /** Its typed array is that of the dtype: bytes are copied. */
  readonly same?: boolean;
  readonly get: (view: DataView, offset: number, little: boolean) => number | bigint;
}

const encoding = (
  name: string,
  bytes: number,
  dtype: DType,
  get: Encoding["get"],
  same = false,
): readonly [string, Encoding] => [name, { name, bytes, dtype, get, same }];

/** All that can be read, by names that say kind and bits. */
export const encodings: ReadonlyMap<string, Encoding> = new Map([
  encoding("bool", 1, "bool", (view, at) => view.getUint8(at)),
  encoding("u8", 1, "u32", (view, at) => view.getUint8(at)),
  encoding("i8", 1, "i32", (view, at) => view.getInt8(at)),
  encoding("u16", 2, "u32", (view, at, little) => view.getUint16(at, little)),
  encoding("i16", 2, "i32", (view, at, little) => view.getInt16(at, little)),
  encoding("u32", 4, "u32", (view, at, little) => view.getUint32(at, little), true),
  encoding("i32", 4, "i32", (view, at, little) => view.getInt32(at, little), true),
  encoding("u64", 8, "u32", (view, at, little) => view.getBigUint64(at, little)),
  encoding("i64", 8, "i32", (view, at, little) => view.getBigInt64(at, little)),
  encoding("f16", 2, "f32", (view, at, little) => halfToNumber(view.getUint16(at, little))),
  encoding("bf16", 2, "f32", (view, at, little) => bfloatToNumber(view.getUint16(at, little))),
  encoding("f32", 4, "f32", (view, at, little) => view.getFloat32(at, little), true),
  encoding("f64", 8, "f32", (view, at, little) => view.getFloat64(at, little)),
]);

/** The value of an IEEE binary16. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const word = new DataView(new ArrayBuffer(4));

/** The value of a bfloat16: the upper half of an f32. */
function bfloatToNumber(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

const MAX_AXES = 64; // NumPy's
const MAX_SIZE = 2 ** 31 - 1; // indices are i32

/**
 * Checks a shape out of a file against the bytes there are for it. All sizes are checked before any is multiplied
 * with another, and the product stays below 2^53, so that nothing overflows.
 */
export function checkSizes(shape: unknown, type: Encoding, byteLength: number, fail: Fail): Shape {
  if (!Array.isArray(shape)) return fail("its shape is no list", "a list of sizes");
  if (shape.length > MAX_AXES) fail(`its shape has ${shape.length} axes`, `at most ${MAX_AXES}`);
  const bad = shape.find((n) => !Number.isInteger(n) || n < 0 || n > MAX_SIZE);
  if (bad !== undefined)
    fail(`its shape has the size ${String(bad).slice(0, 40)}`, `whole numbers from 0 to ${MAX_SIZE}`);
  const sizes = shape as number[];
  // sizes beside a 0 are multiplied too: an empty array has strides
  const spread = sizes.reduce((product, n) => product * Math.max(n, 1), type.bytes);
  if (spread > Number.MAX_SAFE_INTEGER) fail("its shape is too large", "fewer than 2^53 bytes");
  const bytes = sizes.includes(0) ? 0 : spread;
  if (bytes !== byteLength)
    fail(`it has ${byteLength} bytes`, `${bytes}, as its shape is ${showShape(sizes).slice(0, 80)} of ${type.name}`);
  return sizes;
}

const hostIsLittle = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Elements of an array in the file's order; `bytes` hold them exactly. Calls `fail` for one that the dtype cannot hold. */
export function decode(bytes: Uint8Array, type: Encoding, little: boolean, fail: Fail): TypedArray {
  const length = bytes.length / type.bytes;
  const data = allocate(type.dtype, length);
  if (type.same && little === hostIsLittle) {
    new Uint8Array(data.buffer).set(bytes);
    return data;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < length; i++) {
    const x = type.get(view, i * type.bytes, little);
    data[i] = Number(x);
    if (data[i] === x || Number.isNaN(x)) continue;
    // integers must be kept as they are, f64 is rounded but may not become infinite, a bool is 0 or 1
    if (type.dtype !== "f32" ? BigInt(data[i]!) !== BigInt(x) : !Number.isFinite(data[i]))
      fail(`element ${i} is ${x}`, `what ${type.dtype} can hold, which ${type.name} is read as`);
  }
  if (type.dtype === "bool") {
    const i = data.findIndex((x: number) => x > 1);
    if (i >= 0) fail(`element ${i} is ${data[i]}`, "0 or 1 for bool");
  }
  return data;
}

/** Elements as files hold them: little-endian, bool as a byte. They may be the array's own memory. */
export function encode({ dtype, data }: NDArray): Uint8Array {
  const own = data instanceof Float64Array ? new Float32Array(data) : data;
  const bytes = new Uint8Array(own.buffer, own.byteOffset, own.byteLength);
  if (hostIsLittle || dtype === "bool") return bytes;
  const swapped = bytes.slice();
  for (let i = 0; i < swapped.length; i += 4) swapped.subarray(i, i + 4).reverse();
  return swapped;
}
