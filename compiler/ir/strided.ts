// Strided reads and writes on the host: the loops under every view on the CPU.
import type { TypedArray } from "../core/dtype.js";
import { type Shape, sizeOf } from "../core/shape.js";

/** Fills `out`, row-major of `shape`, from `data[offset + Σ coord·stride]`. Strides may be 0 or negative. */
export function gatherStrided(
  out: TypedArray,
  shape: Shape,
  data: TypedArray,
  offset: number,
  strides: readonly number[],
): void {
  walk(shape, strides, offset, (from, step, at, n) => {
    if (step === 1) out.set(data.subarray(from, from + n), at);
    else if (step === 0) out.fill(data[from]!, at, at + n);
    else for (let i = 0; i < n; i++) out[at + i] = data[from + i * step]!;
  });
}

/** Writes `data`, row-major of `shape`, to `out[offset + Σ coord·stride]`. */
export function scatterStrided(
  out: TypedArray,
  shape: Shape,
  data: TypedArray,
  offset: number,
  strides: readonly number[],
): void {
  walk(shape, strides, offset, (to, step, at, n) => {
    if (step === 1) out.set(data.subarray(at, at + n), to);
    else for (let i = 0; i < n; i++) out[to + i * step] = data[at + i]!;
  });
}

/** Calls `row(strided offset, inner stride, linear offset, length)` for every innermost row. */
function walk(
  shape: Shape,
  strides: readonly number[],
  offset: number,
  row: (strided: number, step: number, linear: number, n: number) => void,
): void {
  if (sizeOf(shape) === 0) return;
  const merged = mergeAxes(shape, strides);
  const rank = merged.shape.length;
  if (rank === 0) {
    row(offset, 1, 0, 1);
    return;
  }
  const inner = rank - 1;
  const n = merged.shape[inner]!;
  const step = merged.strides[inner]!;
  const coords = new Int32Array(inner);
  let at = offset;
  for (let linear = 0; ; linear += n) {
    row(at, step, linear, n);
    let axis = inner - 1;
    for (; axis >= 0; axis--) {
      at += merged.strides[axis]!;
      if (++coords[axis]! < merged.shape[axis]!) break;
      at -= merged.strides[axis]! * merged.shape[axis]!;
      coords[axis] = 0;
    }
    if (axis < 0) return;
  }
}

/** Drops axes of size 1 and joins neighbours that are walked in one stride. */
function mergeAxes(shape: Shape, strides: readonly number[]): { shape: number[]; strides: number[] } {
  const sizes: number[] = [];
  const steps: number[] = [];
  shape.forEach((n, axis) => {
    if (n === 1) return;
    const stride = strides[axis]!;
    const last = sizes.length - 1;
    if (last >= 0 && steps[last] === stride * n) {
      sizes[last] = sizes[last]! * n;
      steps[last] = stride;
    } else {
      sizes.push(n);
      steps.push(stride);
    }
  });
  return { shape: sizes, strides: steps };
}
