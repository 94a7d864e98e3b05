// Reductions: axes folded into one element each.
import { aval } from "../core/aval.js";
import type { DType, TypedArray } from "../core/dtype.js";
import { type Shape, sizeOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import type { ReduceParams } from "../ir/op.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import type { JvpRule } from "../trace/rules.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { div, mul } from "./arithmetic.js";
import { broadcast, fill, moveAxis, reduceSum, reshape } from "./axes.js";
import { cast, eq, select } from "./compare.js";
import { fold, reduction } from "./reduction.js";
import { iota, pad } from "./slicing.js";

const numbers = ["f32", "i32", "u32"] as const;
const lowest = (dtype: DType): number => (dtype === "f32" ? -Infinity : dtype === "i32" ? -2147483648 : 0);
const highest = (dtype: DType): number => (dtype === "f32" ? Infinity : dtype === "i32" ? 2147483647 : 4294967295);

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
  jvp([dx], [x], _result, params) {
    // Σ dxᵢ Π xⱼ over j ≠ i: no division, so zeros are no trouble
    const { axes } = params as ReduceParams;
    const [flatX, flatDx] = [rows(x!, axes), rows(dx!, axes)];
    const others = mul(productsBefore(flatX, 1), productsBefore(flatX, -1));
    return reduceSum(mul(flatDx, others), [flatX.ndim - 1]);
  },
  domain: [0.9, 1.1],
  ulp: 1024, // one rounding per factor
});

/** x with the reduced axes joined to one, which comes last. */
function rows(x: Operand, axes: readonly number[]): Tensor {
  const { shape } = x.aval;
  const last = axes.reduce<Operand>((y, axis, i) => moveAxis(y, axis - i, shape.length - 1), x);
  const kept = shape.filter((_, axis) => !axes.includes(axis));
  return reshape(last, [...kept, sizeOf(axes.map((axis) => shape[axis]!))]);
}

/** Π of the elements before each one along the last axis, or behind it (−1), in log₂ n steps (Hillis and Steele, 1986). */
function productsBefore(x: Tensor, direction: 1 | -1): Tensor {
  const one = literal(1, aval("f32", []));
  const n = x.shape.at(-1)!;
  const shifted = (y: Tensor, by: number): Tensor => {
    const end = (size: number) => x.shape.map((_, axis) => (axis === x.ndim - 1 ? size : 0));
    return pad(y, one, { low: end(by * direction), high: end(-by * direction), interior: end(0) });
  };
  let product = shifted(x, Math.min(1, n));
  for (let by = 1; by < n; by *= 2) product = mul(product, shifted(product, by));
  return product;
}

/** Mean of the tangents at the extreme elements. */
function ofExtremes(...[[dx], [x], y, params]: Parameters<JvpRule>): Tensor {
  const { axes } = params as ReduceParams;
  const { shape }: { shape: Shape } = x!.aval;
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const isExtreme = cast(eq(x!, broadcast(y, shape, kept)), "f32");
  return div(reduceSum(mul(dx!, isExtreme), axes), reduceSum(isExtreme, axes));
}

const maximum = {
  takes: numbers,
  nonempty: true,
  ...fold(lowest, (b, x, y) => b.max(x, y)),
  row(data: TypedArray, from: number, to: number) {
    let best = data[from]!;
    // NaN stays, and 0 is above -0
    for (let i = from + 1; i < to; i++) best = Math.max(best, data[i]!);
    return best;
  },
} as const;

const minimum = {
  takes: numbers,
  nonempty: true,
  ...fold(highest, (b, x, y) => b.min(x, y)),
  row(data: TypedArray, from: number, to: number) {
    let best = data[from]!;
    for (let i = from + 1; i < to; i++) best = Math.min(best, data[i]!);
    return best;
  },
} as const;

/** The largest element over `axes`; NaN if there is one. The tangent is the mean over all largest ones. */
export const reduceMax = reduction("reduceMax", { ...maximum, jvp: ofExtremes });

/** The smallest element over `axes`; NaN if there is one. The tangent is the mean over all smallest ones. */
export const reduceMin = reduction("reduceMin", { ...minimum, jvp: ofExtremes });

/** As `reduceMax`, with the tangent of the first of the largest elements, row-major over `axes`. */
export const reduceFirstMax = reduction("reduceFirstMax", {
  ...maximum,
  jvp: ([dx], [x], _result, params) => ofFirst(dx!, x!, (params as ReduceParams).axes, argmax),
});

/** As `reduceMin`, with the tangent of the first of the smallest elements, row-major over `axes`. */
export const reduceFirstMin = reduction("reduceFirstMin", {
  ...minimum,
  jvp: ([dx], [x], _result, params) => ofFirst(dx!, x!, (params as ReduceParams).axes, argmin),
});

/** dx at the position that `find` gives. */
function ofFirst(dx: Tensor, x: Operand, axes: readonly number[], find: typeof argmax): Tensor {
  const { shape }: { shape: Shape } = x.aval;
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const folded = axes.map((axis) => shape[axis]!);
  const position = reshape(iota("i32", [sizeOf(folded)], 0), folded);
  const isFirst = eq(broadcast(find(x, axes), shape, kept), broadcast(position, shape, axes));
  return reduceSum(select(isFirst, dx, fill(literal(0, aval("f32", [])), shape)), axes);
}

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
