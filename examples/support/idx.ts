// Reads IDX files, the form in which MNIST is given: http://yann.lecun.com/exdb/mnist/.

/** Unsigned bytes with their shape. */
export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const UNSIGNED_BYTES = 0x08; // the code of the only element type that MNIST has

/**
 * Two zero bytes, one for the type of the elements, one for the number of axes, the sizes as big-endian u32, and the
 * elements. Throws with the file's name where the bytes are something else, or fewer or more than the sizes say.
 */
export function readIdx(bytes: Uint8Array, name: string): IdxArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rank = bytes[3] ?? 0;
  const start = 4 + 4 * rank;
  if (bytes.length < start || view.getUint16(0) !== 0)
    throw new Error(`${name}: no IDX file, which begins with two zero bytes, a type, and the sizes of its axes`);
  if (bytes[2] !== UNSIGNED_BYTES)
    throw new Error(`${name}: elements of type 0x${bytes[2]!.toString(16)}, but unsigned bytes (0x8) are wanted`);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const size = shape.reduce((product, n) => product * n, 1);
  if (bytes.length - start !== size)
    throw new Error(`${name}: ${bytes.length - start} elements, but [${shape}] has ${size}; the file is damaged`);
  return { shape, data: bytes.subarray(start) };
}
