// Reductions: axes folded into one element each.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate, type DType, type TypedArray } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import { sizeOf, stridesOf } from "../core/shape.js";
import { type ReduceParams, type ReductionOp, register, shaped } from "../ir/op.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { gatherStrided } from "../ir/strided.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { bindOne } from "./define.js";

interface ReductionSpec extends Pick<ReductionOp, "init" | "element" | "combine" | "finish"> {
  readonly takes: readonly DType[];
  readonly result?: DType;
  /** The axes may not be empty: there is no element to give. */
  readonly nonempty?: boolean;
  /** Folds data[from … to - 1], which lie in row-major order of the reduced axes. */
  row(data: TypedArray, from: number, to: number, dtype: DType): number;
  readonly domain?: readonly [number, number];
  readonly ulp?: number;
}

function reduction(name: string, spec: ReductionSpec): (x: Operand, axes: readonly number[]) => Tensor {
  const op = register<ReductionOp>({
    name,
    kind: "reduction",
    typeOf: ([x], params) => [reducedAval(name, x!, (params as ReduceParams).axes, spec)],
    init: spec.init,
    element: spec.element,
    combine: spec.combine,
    finish: spec.finish,
    cpu: (x, params, { wide }, output) => reduceRows(x, (params as ReduceParams).axes, output, wide, spec.row),
    samples: spec.takes.flatMap((dtype) =>
      [
        { shape: [3, 4], axes: [1] },
        { shape: [3, 4], axes: [0] },
        { shape: [2, 3, 4], axes: [0, 2] },
        { shape: [5], axes: [0] },
        { shape: [2, 3], axes: [] },
        { shape: [2, 700], axes: [1] },
        { shape: [40, 3], axes: [0] },
      ].map(({ shape, axes }) => ({
        inputs: [shaped(dtype, ...shape)],
        params: { axes },
        ...(spec.domain && dtype === "f32" ? { domain: [spec.domain] } : {}),
      })),
    ),
    ulp: spec.ulp ?? 0,
  });
  return (x, axes) => bindOne(op, [x], { axes: [...axes].sort((a, b) => a - b) });
}

function reducedAval(name: string, x: Aval, axes: readonly number[], spec: ReductionSpec): Aval {
  if (!spec.takes.includes(x.dtype)) {
    throw new DTypeError(
      `${name}: does not take ${x.dtype}, only ${spec.takes.join(", ")}\n  operand ${showAval(x)}\n  cast it with astype()`,
    );
  }
  for (const axis of axes) {
    if (!(axis >= 0 && axis < x.shape.length)) throw new ShapeError(`${name}: ${showAval(x)} has no axis ${axis}`);
    if (spec.nonempty && x.shape[axis] === 0) {
      throw new ShapeError(`${name}: axis ${axis} of ${showAval(x)} has size 0, and ${name} of nothing has no value`);
    }
  }
  return aval(
    spec.result ?? x.dtype,
    x.shape.filter((_, axis) => !axes.includes(axis)),
  );
}

/** Puts the reduced axes last and folds row by row. */
function reduceRows(
  x: NDArray,
  axes: readonly number[],
  output: Aval,
  wide: boolean,
  row: ReductionSpec["row"],
): NDArray {
  const strides = stridesOf(x.shape);
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const order = [...kept, ...axes];
  let data = x.data;
  if (order.some((axis, i) => axis !== i)) {
    data = allocate(x.dtype, x.data.length, wide);
    gatherStrided(
      data,
      order.map((axis) => x.shape[axis]!),
      x.data,
      0,
      order.map((axis) => strides[axis]!),
    );
  }
  const n = sizeOf(axes.map((axis) => x.shape[axis]!));
  const out = allocate(output.dtype, sizeOf(output.shape), wide);
  for (let i = 0; i < out.length; i++) out[i] = row(data, i * n, (i + 1) * n, x.dtype);
  return { dtype: output.dtype, shape: output.shape, data: out };
}

const numbers = ["f32", "i32", "u32"] as const;
const lowest = (dtype: DType): number => (dtype === "f32" ? -Infinity : dtype === "i32" ? -2147483648 : 0);
const highest = (dtype: DType): number => (dtype === "f32" ? Infinity : dtype === "i32" ? 2147483647 : 4294967295);

/** One value folded by one instruction. */
const fold = (identity: (dtype: DType) => number, step: (b: ScalarBuilder, x: Scalar, y: Scalar) => Scalar) => ({
  init: (b: ScalarBuilder, dtype: DType) => [b.const(identity(dtype), dtype)],
  element: (_b: ScalarBuilder, x: Scalar) => [x],
  combine: (b: ScalarBuilder, [x]: readonly Scalar[], [y]: readonly Scalar[]) => [step(b, x!, y!)],
  finish: (_b: ScalarBuilder, [x]: readonly Scalar[]) => x!,
});

/** Σ over `axes`; of nothing it is 0. f32 sums on the CPU are carried in f64. */
export const reduceSum = reduction("reduceSum", {
  takes: numbers,
  ...fold(
    () => 0,
    (b, x, y) => b.add(x, y),
  ),
  row(data, from, to, dtype) {
    let sum = 0;
    if (dtype === "f32") for (let i = from; i < to; i++) sum += data[i]!;
    else for (let i = from; i < to; i++) sum = (sum + data[i]!) | 0;
    return sum;
  },
  domain: [0.1, 4],
  ulp: 16,
});

/** Π over `axes`; of nothing it is 1. */
export const reduceProd = reduction("reduceProd", {
  takes: numbers,
  ...fold(
    () => 1,
    (b, x, y) => b.mul(x, y),
  ),
  row(data, from, to, dtype) {
    let product = 1;
    if (dtype === "f32") for (let i = from; i < to; i++) product *= data[i]!;
    else for (let i = from; i < to; i++) product = Math.imul(product, data[i]!);
    return product;
  },
  domain: [0.9, 1.1],
  ulp: 1024, // one rounding per factor
});

/** The largest element over `axes`; NaN if there is one. */
export const reduceMax = reduction("reduceMax", {
  takes: numbers,
  nonempty: true,
  ...fold(lowest, (b, x, y) => b.max(x, y)),
  row(data, from, to) {
    let best = data[from]!;
    for (let i = from + 1; i < to; i++) {
      const x = data[i]!;
      // a NaN is taken, and no comparison replaces it
      if (x > best || Number.isNaN(x)) best = x;
    }
    return best;
  },
});

/** The smallest element over `axes`; NaN if there is one. */
export const reduceMin = reduction("reduceMin", {
  takes: numbers,
  nonempty: true,
  ...fold(highest, (b, x, y) => b.min(x, y)),
  row(data, from, to) {
    let best = data[from]!;
    for (let i = from + 1; i < to; i++) {
      const x = data[i]!;
      if (x < best || Number.isNaN(x)) best = x;
    }
    return best;
  },
});

/** Position of the extreme element: state is (its value, its index). The first of equals wins; NaN is the extreme. */
function argExtreme(
  name: string,
  worst: (dtype: DType) => number,
  beats: (b: ScalarBuilder, x: Scalar, y: Scalar) => Scalar,
  better: (x: number, y: number) => boolean,
) {
  return reduction(name, {
    takes: numbers,
    result: "i32",
    nonempty: true,
    init: (b, dtype) => [b.const(worst(dtype), dtype), b.u32(0xffffffff)],
    element: (_b, x, index) => [x, index],
    combine(b, [x, i], [y, j]) {
      const yFirst = b.lt(j!, i!);
      let take = b.or(beats(b, y!, x!), b.and(b.eq(x!, y!), yFirst));
      if (x!.type === "f32") {
        const xNaN = b.isNaN(x!);
        const yNaN = b.isNaN(y!);
        take = b.select(xNaN, b.and(yNaN, yFirst), b.or(yNaN, take));
      }
      return [b.select(take, y!, x!), b.select(take, j!, i!)];
    },
    finish: (b, [, index]) => b.cast(index!, "i32"),
    row(data, from, to) {
      let at = from;
      for (let i = from + 1; i < to; i++) {
        const x = data[i]!;
        const best = data[at]!;
        if (better(x, best) || (Number.isNaN(x) && !Number.isNaN(best))) at = i;
      }
      return at - from;
    },
  });
}

/** Index of the largest element, counted row-major over `axes`, as i32. */
export const argmax = argExtreme(
  "argmax",
  lowest,
  (b, x, y) => b.gt(x, y),
  (x, y) => x > y,
);

/** Index of the smallest element, counted row-major over `axes`, as i32. */
export const argmin = argExtreme(
  "argmin",
  highest,
  (b, x, y) => b.lt(x, y),
  (x, y) => x < y,
);
