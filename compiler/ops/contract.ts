// Contractions: sums of products over shared axes.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate, type DType, type TypedArray } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import { type Shape, sizeOf, stridesOf } from "../core/shape.js";
import { type ContractionOp, type Gemm, type Place, register, shaped } from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { gatherStrided } from "../ir/strided.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { transpose } from "./axes.js";
import { bindOne } from "./define.js";

/** Axes of lhs and rhs that are paired, [lhs axes, rhs axes]. */
export interface DotDims {
  /** Summed over. */
  readonly contract: readonly [readonly number[], readonly number[]];
  /** Kept, in step. */
  readonly batch: readonly [readonly number[], readonly number[]];
}

const numbers: readonly DType[] = ["f32", "i32", "u32"];

function free(x: { readonly shape: Shape }, batch: readonly number[], contract: readonly number[]): number[] {
  return x.shape.map((_, axis) => axis).filter((axis) => !batch.includes(axis) && !contract.includes(axis));
}

const sizesAt = (x: { readonly shape: Shape }, axes: readonly number[]): number[] => axes.map((axis) => x.shape[axis]!);

function dotAval(lhs: Aval, rhs: Aval, { contract, batch }: DotDims): Aval {
  if (lhs.dtype !== rhs.dtype)
    throw new DTypeError(`dot: operands have dtypes ${lhs.dtype} and ${rhs.dtype}\n  cast one of them with astype()`);
  if (!numbers.includes(lhs.dtype))
    throw new DTypeError(`dot: does not take ${lhs.dtype}, only ${numbers.join(", ")}\n  cast with astype()`);
  for (const [what, [l, r]] of [
    ["contracted", contract],
    ["batch", batch],
  ] as const) {
    l.forEach((axis, i) => {
      const other = r[i]!;
      if (lhs.shape[axis] !== rhs.shape[other]) {
        throw new ShapeError(
          `dot: ${what} sizes differ, ${lhs.shape[axis]} and ${rhs.shape[other]}\n  lhs ${showAval(lhs)} axis ${axis}\n  rhs ${showAval(rhs)} axis ${other}`,
        );
      }
    });
  }
  const shape = [
    ...sizesAt(lhs, batch[0]),
    ...sizesAt(lhs, free(lhs, batch[0], contract[0])),
    ...sizesAt(rhs, free(rhs, batch[1], contract[1])),
  ];
  return aval(lhs.dtype, shape);
}

/** Place in `x` from offsets along groups of its axes. */
function placeOf(
  b: ScalarBuilder,
  x: Aval,
  groups: readonly (readonly [axes: readonly number[], offset: Scalar])[],
): Place {
  const coords = new Array<Scalar>(x.shape.length);
  for (const [axes, offset] of groups) {
    const own = Position.atLinear(b, sizesAt(x, axes), offset).coords;
    axes.forEach((axis, i) => {
      coords[axis] = own[i]!;
    });
  }
  return { at: Position.at(b, x.shape, coords) };
}

function gemm(lhs: Aval, rhs: Aval, { contract, batch }: DotDims): Gemm {
  const lhsFree = free(lhs, batch[0], contract[0]);
  const rhsFree = free(rhs, batch[1], contract[1]);
  return {
    batch: sizeOf(sizesAt(lhs, batch[0])),
    m: sizeOf(sizesAt(lhs, lhsFree)),
    n: sizeOf(sizesAt(rhs, rhsFree)),
    k: sizeOf(sizesAt(lhs, contract[0])),
    left: (b, i, m, k) =>
      placeOf(b, lhs, [
        [batch[0], i],
        [lhsFree, m],
        [contract[0], k],
      ]),
    right: (b, i, k, n) =>
      placeOf(b, rhs, [
        [batch[1], i],
        [contract[1], k],
        [rhsFree, n],
      ]),
  };
}

/** x with its axes in the given order, dense. */
function packed(x: NDArray, order: readonly number[], wide: boolean): TypedArray {
  if (order.every((axis, i) => axis === i)) return x.data;
  const strides = stridesOf(x.shape);
  const data = allocate(x.dtype, x.data.length, wide);
  gatherStrided(
    data,
    order.map((axis) => x.shape[axis]!),
    x.data,
    0,
    order.map((axis) => strides[axis]!),
  );
  return data;
}

const dotOp = register<ContractionOp>({
  name: "dotGeneral",
  kind: "contraction",
  typeOf: ([lhs, rhs], params) => [dotAval(lhs!, rhs!, params as DotDims)],
  gemm: (lhs, rhs, params) => gemm(lhs, rhs, params as DotDims),
  cpu([lhs, rhs], params, { wide }, output) {
    const { contract, batch } = params as DotDims;
    const sizes = gemm(lhs, rhs, { contract, batch });
    const a = packed(lhs, [...batch[0], ...free(lhs, batch[0], contract[0]), ...contract[0]], wide);
    const b = packed(rhs, [...batch[1], ...contract[1], ...free(rhs, batch[1], contract[1])], wide);
    const data = allocate(output.dtype, sizeOf(output.shape), wide);
    for (let i = 0; i < sizes.batch; i++) multiply(data, a, b, i, sizes, output.dtype);
    return { dtype: output.dtype, shape: output.shape, data };
  },
  batch([x, y], params) {
    const { contract, batch } = params as DotDims;
    const bump = (axes: readonly number[], b: number) => axes.map((axis) => (axis < b ? axis : axis + 1));
    const [lhs, rhs] = [x!.value, y!.value];
    if (x!.axis !== null && y!.axis !== null) {
      const value = dotGeneral(lhs, rhs, {
        contract: [bump(contract[0], x!.axis), bump(contract[1], y!.axis)],
        batch: [
          [x!.axis, ...bump(batch[0], x!.axis)],
          [y!.axis, ...bump(batch[1], y!.axis)],
        ],
      });
      return { value, axis: 0 };
    }
    // the lanes of one operand are a free axis of it: one larger product
    if (x!.axis !== null) {
      const dims: DotDims = {
        contract: [bump(contract[0], x!.axis), contract[1]],
        batch: [bump(batch[0], x!.axis), batch[1]],
      };
      const before = free(lhs.aval, dims.batch[0], dims.contract[0]).indexOf(x!.axis);
      return { value: dotGeneral(lhs, rhs, dims), axis: batch[0].length + before };
    }
    const dims: DotDims = {
      contract: [contract[0], bump(contract[1], y!.axis!)],
      batch: [batch[0], bump(batch[1], y!.axis!)],
    };
    const before = free(rhs.aval, dims.batch[1], dims.contract[1]).indexOf(y!.axis!);
    const lhsFree = free(lhs.aval, batch[0], contract[0]).length;
    return { value: dotGeneral(lhs, rhs, dims), axis: batch[0].length + lhsFree + before };
  },
  transpose(ct, [lhs, rhs], [x, y], params) {
    const dims = params as DotDims;
    if (!lhs) return [transposeDot(ct, rhs!, x!, y!, dims, 0), undefined];
    return [undefined, transposeDot(ct, lhs, y!, x!, dims, 1)];
  },
  samples: (["f32", "i32", "u32"] as const).flatMap((dtype) =>
    [
      { lhs: [3, 4], rhs: [4, 2], params: dims([[1], [0]]) },
      { lhs: [4], rhs: [4], params: dims([[0], [0]]) },
      { lhs: [2, 3, 4], rhs: [2, 5, 4], params: dims([[2], [2]], [[0], [0]]) },
      { lhs: [3], rhs: [2], params: dims([[], []]) },
      {
        lhs: [2, 3],
        rhs: [3, 2, 4],
        params: dims([
          [1, 0],
          [0, 1],
        ]),
      },
      { lhs: [3, 0], rhs: [0, 2], params: dims([[1], [0]]) },
      { lhs: [4, 2, 3], rhs: [3, 2], params: dims([[2], [0]], [[1], [1]]) },
      { lhs: [33, 40], rhs: [40, 35], params: dims([[1], [0]]) },
    ].map(({ lhs, rhs, params }) => ({
      inputs: [shaped(dtype, ...lhs), shaped(dtype, ...rhs)],
      params,
      ...(dtype === "f32" ? { domain: [[0.1, 2] as const, [0.1, 2] as const] } : {}),
    })),
  ),
  ulp: 16,
});

/** Cotangent of operand `side`, of type `own`; the other one has type `other`. */
function transposeDot(
  ct: Tensor,
  partner: Operand,
  own: Aval,
  other: Aval,
  { contract, batch }: DotDims,
  side: 0 | 1,
): Tensor {
  const [ownContract, otherContract] = side === 0 ? contract : [contract[1], contract[0]];
  const [ownBatch, otherBatch] = side === 0 ? batch : [batch[1], batch[0]];
  const ownFree = free(own, ownBatch, ownContract);
  const otherFree = free(other, otherBatch, otherContract);
  // ct is [batch, free axes of lhs, free axes of rhs]
  const lanes = ownBatch.map((_, i) => i);
  const first = lanes.length + (side === 0 ? ownFree.length : 0);
  const theirs = otherFree.map((_, i) => first + i);
  const product = dotGeneral(ct, partner, { contract: [theirs, otherFree], batch: [lanes, otherBatch] });
  // which is [batch, free axes of `own`, contracted axes in the order of `other`]
  const byOther = otherContract.map((_, i) => i).sort((i, j) => otherContract[i]! - otherContract[j]!);
  const axes = [...ownBatch, ...ownFree, ...byOther.map((i) => ownContract[i]!)];
  const perm = axes.map((_, axis) => axes.indexOf(axis));
  return perm.every((axis, i) => axis === i) ? product : transpose(product, perm);
}

function dims(contract: DotDims["contract"], batch: DotDims["batch"] = [[], []]): DotDims {
  return { contract, batch };
}

/**
 * Σ over the contracted axes of lhs · rhs. The result has the batch axes, then the free axes of lhs, then those of
 * rhs. Throws `ShapeError` when paired sizes differ.
 */
export const dotGeneral = (lhs: Operand, rhs: Operand, params: DotDims): Tensor => bindOne(dotOp, [lhs, rhs], params);

const BLOCK_K = 64;
const BLOCK_N = 128;

/** out[i] = a[i] · b[i] for dense [m, k] and [k, n], four rows at a time over blocks of b that stay in cache. */
function multiply(out: TypedArray, a: TypedArray, b: TypedArray, i: number, { m, n, k }: Gemm, dtype: DType): void {
  const [a0, b0, c0] = [i * m * k, i * k * n, i * m * n];
  if (dtype !== "f32") {
    multiplyIntegers(out.subarray(c0, c0 + m * n), a.subarray(a0, a0 + m * k), b.subarray(b0, b0 + k * n), m, n, k);
    return;
  }
  if (m === 0 || n === 0) return;
  const rows = new Float64Array(4 * BLOCK_N);
  for (let left = 0; left < n; left += BLOCK_N) {
    const width = Math.min(BLOCK_N, n - left);
    for (let top = 0; top < m; top += 4) {
      const height = Math.min(4, m - top);
      rows.fill(0);
      for (let p0 = 0; p0 < k; p0 += BLOCK_K) {
        const p1 = Math.min(p0 + BLOCK_K, k);
        if (height === 4) fourRows(rows, a, b, a0 + top * k, b0 + left, k, n, p0, p1, width);
        else
          for (let r = 0; r < height; r++)
            oneRow(rows, r * BLOCK_N, a, b, a0 + (top + r) * k, b0 + left, n, p0, p1, width);
      }
      for (let r = 0; r < height; r++) {
        const at = c0 + (top + r) * n + left;
        for (let j = 0; j < width; j++) out[at + j] = rows[r * BLOCK_N + j]!;
      }
    }
  }
}

function fourRows(
  rows: Float64Array,
  a: TypedArray,
  b: TypedArray,
  aAt: number,
  bAt: number,
  k: number,
  n: number,
  p0: number,
  p1: number,
  width: number,
): void {
  for (let p = p0; p < p1; p++) {
    const x0 = a[aAt + p]!;
    const x1 = a[aAt + k + p]!;
    const x2 = a[aAt + 2 * k + p]!;
    const x3 = a[aAt + 3 * k + p]!;
    const row = bAt + p * n;
    for (let j = 0; j < width; j++) {
      const y = b[row + j]!;
      rows[j]! += x0 * y;
      rows[BLOCK_N + j]! += x1 * y;
      rows[2 * BLOCK_N + j]! += x2 * y;
      rows[3 * BLOCK_N + j]! += x3 * y;
    }
  }
}

function oneRow(
  rows: Float64Array,
  at: number,
  a: TypedArray,
  b: TypedArray,
  aAt: number,
  bAt: number,
  n: number,
  p0: number,
  p1: number,
  width: number,
): void {
  for (let p = p0; p < p1; p++) {
    const x = a[aAt + p]!;
    const row = bAt + p * n;
    for (let j = 0; j < width; j++) rows[at + j]! += x * b[row + j]!;
  }
}

function multiplyIntegers(out: TypedArray, a: TypedArray, b: TypedArray, m: number, n: number, k: number): void {
  for (let row = 0; row < m; row++) {
    for (let p = 0; p < k; p++) {
      const x = a[row * k + p]!;
      for (let col = 0; col < n; col++) {
        out[row * n + col] = (out[row * n + col]! + Math.imul(x, b[p * n + col]!)) | 0;
      }
    }
  }
}
