// Host arrays for tests: drawn at random, cut into lanes, stacked, and compared.
import { type Aval, aval, showAval } from "../../compiler/core/aval.js";
import { allocate, type DType } from "../../compiler/core/dtype.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { insertAt, removeAt, type Shape, sizeOf } from "../../compiler/core/shape.js";
import { ulpError } from "./ulp.js";

/** Smallest and largest number that may be drawn. */
export type Range = readonly [low: number, high: number];

const usualRange: Record<DType, Range> = { f32: [-4, 4], i32: [-20, 20], u32: [0, 40], bool: [0, 1] };

/** Numbers in `range`; integers are whole, and so is every third float: equal elements are to occur. */
export function draw(random: () => number, { dtype, shape }: Aval, range: Range = usualRange[dtype]): NDArray {
  const [low, high] = range;
  const data = allocate(dtype, sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    const whole = dtype !== "f32" || (random() < 1 / 3 && Math.ceil(low) <= Math.floor(high));
    const from = whole ? Math.ceil(low) : low;
    data[i] = whole
      ? from + Math.floor(random() * (Math.floor(high) - from + 1))
      : Math.fround(low + random() * (high - low));
  }
  return { dtype, shape, data };
}

/** The numbers at which functions, comparisons and identities show what they do. No subnormals: devices flush them. */
const specials: Record<DType, readonly number[]> = {
  f32: [
    0,
    -0,
    1,
    -1,
    0.5,
    -2.5,
    3.5,
    2 ** 24 + 2,
    -(2 ** 31),
    2 ** 32,
    3.4028234663852886e38,
    -3.4028234663852886e38,
    2 ** -126,
    Infinity,
    -Infinity,
    NaN,
  ],
  i32: [0, 1, -1, 2, 7, -7, 31, 65536, 2147483647, -2147483648, -2147483647],
  u32: [0, 1, 2, 7, 31, 32, 65536, 0x7fffffff, 0x80000000, 0xffffffff],
  bool: [0, 1],
};

/** Every combination of special values: operands of one shape `[n]`. */
export function specialOperands(dtypes: readonly DType[]): NDArray[] {
  const lists = dtypes.map((dtype) => specials[dtype]);
  const total = lists.reduce((n, list) => n * list.length, 1);
  let step = total;
  return lists.map((list, k) => {
    step /= list.length;
    const dtype = dtypes[k]!;
    const data = allocate(dtype, total);
    for (let i = 0; i < total; i++) data[i] = list[Math.floor(i / step) % list.length]!;
    return { dtype, shape: [total], data };
  });
}

/** Constants that identities and inlining may trip over. */
export const specialConstants = (dtype: DType): readonly number[] => specials[dtype];

/** The same numbers, f32 in 64 bits. */
export const widened = (x: NDArray): NDArray => (x.dtype === "f32" ? { ...x, data: Float64Array.from(x.data) } : x);

/** Entry `i` of `x` along `axis`. */
export function lane(x: NDArray, axis: number, i: number): NDArray {
  const [outer, n, inner] = around(x.shape, axis);
  const data = allocate(x.dtype, outer * inner, x.data instanceof Float64Array);
  for (let o = 0; o < outer; o++) {
    const from = (o * n + i) * inner;
    data.set(x.data.subarray(from, from + inner), o * inner);
  }
  return { dtype: x.dtype, shape: removeAt(x.shape, axis), data };
}

/** Lanes of type `of` side by side along `axis`; floats in 64 bits if `wide`. */
export function stackLanes(lanes: readonly NDArray[], axis: number, of: Aval, wide = false): NDArray {
  const shape = insertAt(of.shape, axis, lanes.length);
  const [outer, n, inner] = around(shape, axis);
  const data = allocate(of.dtype, sizeOf(shape), wide);
  lanes.forEach((x, i) => {
    for (let o = 0; o < outer; o++) data.set(x.data.subarray(o * inner, (o + 1) * inner), (o * n + i) * inner);
  });
  return { dtype: of.dtype, shape, data };
}

function around(shape: Shape, axis: number): [outer: number, n: number, inner: number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis]!, sizeOf(shape.slice(axis + 1))];
}

/** The type of all lanes of an `x` side by side along `axis`; x itself for null. */
export const batchedAval = (x: Aval, axis: number | null, size: number): Aval =>
  axis === null ? x : aval(x.dtype, insertAt(x.shape, axis, size));

/** How two arrays differ, in words; undefined when they have one type and the same bits, NaN counting as one value. */
export const difference = (got: NDArray, want: NDArray): string | undefined =>
  differenceBy(got, want, (x, y) => Object.is(x, y));

/** As `difference`, but f32 may be `ulp` units in the last place off, and results below 2^-126 may be flushed to 0. */
export function differenceBeyond(got: NDArray, want: NDArray, ulp: number): string | undefined {
  if (want.dtype !== "f32") return difference(got, want);
  return differenceBy(got, want, (x, y) => ulpError(x, y) <= ulp || isFlushed(x, y));
}

/** x is the zero, or the smallest normal number, that a device makes of the subnormal y. */
const isFlushed = (x: number, y: number): boolean =>
  y !== 0 && Math.abs(y) < 2 ** -126 * (1 + 2 ** -20) && (x === 0 || Math.abs(Math.abs(x) - 2 ** -126) < 2 ** -148);

/** As `difference`, with elements compared by `same`. */
export function differenceBy(
  got: NDArray,
  want: NDArray,
  same: (got: number, want: number, i: number) => boolean,
): string | undefined {
  if (got.dtype !== want.dtype || got.shape.join() !== want.shape.join())
    return `the type is ${showAval(got)}, not ${showAval(want)}`;
  if (got.data.length !== want.data.length) return `${got.data.length} elements, not ${want.data.length}`;
  for (let i = 0; i < want.data.length; i++) {
    const [x, y] = [got.data[i]!, want.data[i]!];
    if (!same(x, y, i)) return `element ${i} of ${showAval(want)} is ${show(x)}, not ${show(y)}`;
  }
  return undefined;
}

const show = (x: number): string => (Object.is(x, -0) ? "-0" : String(x));
