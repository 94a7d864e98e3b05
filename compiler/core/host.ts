// Host values to dense arrays: what a user may hand to `tensor()`, checked before anything is made of it.
import { allocate, castNumber, checkDType, type DType, isInteger, type TypedArray } from "./dtype.js";
import { ShapeError, ValueError } from "./errors.js";
import { filled, type NDArray } from "./ndarray.js";
import { checkShape, type Shape, showShape, sizeOf } from "./shape.js";
import { isNode } from "./tree.js";

/** Typed arrays a tensor can be made of. */
export type HostTypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array;

/** Nested arrays of numbers or booleans, all of one shape. */
export type NestedInput = number | boolean | readonly NestedInput[];

export interface HostOptions {
  readonly dtype?: DType | undefined;
  readonly shape?: Shape | undefined;
}

/**
 * A dense array of `value`. Numbers become f32 and booleans bool unless `dtype` says otherwise; typed arrays keep their
 * kind (f64 becomes f32, small integers i32 or u32) and are copied. Throws `ValueError` for ragged arrays, elements
 * that are no numbers, NaN or infinity as an integer, detached or shared memory; `ShapeError` when `shape` does not
 * hold as many elements; `DTypeError` for a dtype that there is not.
 */
export function hostArray(value: unknown, { dtype, shape }: HostOptions = {}): NDArray {
  if (shape) checkShape(shape, "tensor");
  if (dtype) checkDType(dtype, "tensor");
  const made = ArrayBuffer.isView(value) ? fromTypedArray(value, dtype) : fromNested(value, dtype);
  if (!shape) return made;
  if (made.shape.length === 0 && sizeOf(shape) !== 1 && !Array.isArray(value))
    return filled(made.dtype, shape, made.data[0]!);
  if (sizeOf(shape) !== made.data.length) {
    throw new ShapeError(
      `tensor: ${made.data.length} elements do not fill shape ${showShape(shape)}, which has ${sizeOf(shape)}`,
    );
  }
  return { ...made, shape };
}

/** Throws `ValueError` when the memory behind `array` is shared between threads or was taken away. */
export function checkMemory(array: ArrayBufferView): void {
  if (typeof SharedArrayBuffer !== "undefined" && array.buffer instanceof SharedArrayBuffer) {
    throw new ValueError(
      "tensor: the typed array lies in shared memory, which another thread may change\n  copy it first: array.slice()",
    );
  }
  const detached =
    (array.buffer as ArrayBuffer & { detached?: boolean }).detached ?? isDetached(array.buffer as ArrayBuffer);
  if (detached) {
    throw new ValueError(
      "tensor: the typed array's memory was detached (transferred to a worker, or grown away)\n  make the tensor before the transfer, or copy the array",
    );
  }
}

function isDetached(buffer: ArrayBuffer): boolean {
  if (buffer.byteLength > 0) return false;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true; // a view of a detached buffer cannot be made
  }
}

function naturalDType(array: ArrayBufferView): DType | undefined {
  if (array instanceof Float32Array || array instanceof Float64Array) return "f32";
  if (array instanceof Int8Array || array instanceof Int16Array || array instanceof Int32Array) return "i32";
  if (
    array instanceof Uint8Array ||
    array instanceof Uint8ClampedArray ||
    array instanceof Uint16Array ||
    array instanceof Uint32Array
  )
    return "u32";
  return undefined;
}

function fromTypedArray(array: ArrayBufferView, wanted: DType | undefined): NDArray {
  checkMemory(array);
  const natural = naturalDType(array);
  if (!natural) {
    throw new ValueError(
      `tensor: a ${array.constructor.name} has no dtype here\n  use Float32Array, Int32Array, Uint32Array or Uint8Array`,
    );
  }
  const from = array as HostTypedArray;
  const dtype = wanted ?? natural;
  const data = allocate(dtype, from.length);
  if (sameKind(from, data)) data.set(from);
  else for (let i = 0; i < from.length; i++) data[i] = checked(from[i]!, dtype, () => `element ${i}`);
  return { dtype, shape: [from.length], data };
}

const sameKind = (from: HostTypedArray, to: TypedArray): boolean =>
  from.constructor === to.constructor && !(to instanceof Uint8Array);

function fromNested(value: unknown, wanted: DType | undefined): NDArray {
  const shape: number[] = [];
  for (let x = value; Array.isArray(x); x = x[0]) {
    shape.push(x.length);
    if (shape.length > 64)
      throw new ValueError("tensor: the array is nested more than 64 levels deep (does it contain itself?)");
  }
  const total = sizeOf(shape);
  const numbers = new Float64Array(total);
  let booleans = 0;
  let at = 0;
  const visit = (x: unknown, axis: number, path: readonly number[]): void => {
    if (axis === shape.length) {
      if (typeof x === "boolean") booleans++;
      else if (typeof x !== "number") {
        throw new ValueError(
          `tensor: ${where(path)} is ${describe(x)}, but a number${shape.length ? ` (depth ${shape.length})` : ""} is wanted`,
        );
      }
      numbers[at++] = Number(x);
      return;
    }
    if (!Array.isArray(x) || x.length !== shape[axis]) {
      const seen = Array.isArray(x) ? `an array of ${x.length}` : describe(x);
      throw new ValueError(
        `tensor: ragged array: ${where(path)} is ${seen}, but an array of ${shape[axis]} is wanted, as in its first neighbour`,
      );
    }
    for (let i = 0; i < x.length; i++) visit(x[i], axis + 1, [...path, i]);
  };
  visit(value, 0, []);
  const dtype = wanted ?? (total > 0 && booleans === total ? "bool" : "f32");
  const data = allocate(dtype, total);
  for (let i = 0; i < total; i++) data[i] = checked(numbers[i]!, dtype, () => where(coordsOf(i, shape)));
  return { dtype, shape, data };
}

function checked(x: number, dtype: DType, where: () => string): number {
  if (isInteger(dtype)) {
    if (!Number.isFinite(x)) throw new ValueError(`tensor: ${where()} is ${x}, which is no ${dtype}`);
    const stored = castNumber(x, dtype);
    if (stored !== Math.trunc(x))
      throw new ValueError(`tensor: ${where()} is ${x}, which is out of range for ${dtype}`);
    if (stored !== x)
      throw new ValueError(
        `tensor: ${where()} is ${x}, which is not whole, as ${dtype} wants\n  use dtype "f32", or round it`,
      );
    return stored;
  }
  return castNumber(x, dtype);
}

function coordsOf(i: number, shape: Shape): number[] {
  const coords: number[] = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    coords.unshift(i % shape[axis]!);
    i = Math.floor(i / shape[axis]!);
  }
  return coords;
}

const where = (path: readonly number[]): string => (path.length ? `element [${path.join("][")}]` : "the value");

function describe(x: unknown): string {
  if (x === null || x === undefined) return String(x);
  if (typeof x === "string") return `the string ${JSON.stringify(x.slice(0, 20))}`;
  if (Array.isArray(x)) return `an array of ${x.length}`;
  if (typeof x === "object") return isNode(x) ? "an object" : `a ${x.constructor.name}`;
  return `a ${typeof x}`;
}
