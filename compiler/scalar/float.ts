// Small tools for building f32 functions: bits and signs, polynomials, error-free sums, scaling by powers of two.
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";

/** Bits of f32 infinity. A magnitude above them is a NaN. */
export const INFINITY_BITS = 0x7f800000;
/** Bits of 1. */
export const ONE_BITS = 0x3f800000;

/** log 2 = LN2_HIGH + LN2_LOW. LN2_HIGH has 9 bits (the split of Cephes, expf.c): products with 15 bits are exact. */
export const LN2_HIGH = 355 / 512;
export const LN2_LOW = -0.00021219444005469057;

export const bitsOf = (b: ScalarBuilder, x: Scalar): Scalar => b.bitcast(x, "u32");
export const fromBits = (b: ScalarBuilder, bits: Scalar): Scalar => b.bitcast(bits, "f32");

/** Bits of |x|, a u32. They are ordered as the magnitudes are, NaN last: comparing them is safe on every device. */
export const magnitudeOf = (b: ScalarBuilder, x: Scalar): Scalar => b.and(bitsOf(b, x), b.u32(0x7fffffff));

/** The sign bit of x in its place, a u32. */
export const signOf = (b: ScalarBuilder, x: Scalar): Scalar => b.and(bitsOf(b, x), b.u32(0x80000000));

/** x with its sign changed where `sign`, a u32, has its top bit set. */
export const flipSign = (b: ScalarBuilder, x: Scalar, sign: Scalar): Scalar => fromBits(b, b.xor(bitsOf(b, x), sign));

/** Bits of x as an f32, for comparing magnitudes with. */
export function magnitudeBits(x: number): number {
  return new Uint32Array(new Float32Array([x]).buffer)[0]!;
}

/** |x|, at most `limit`; NaN becomes the limit. */
export const cappedSize = (b: ScalarBuilder, x: Scalar, limit: number): Scalar =>
  fromBits(b, b.min(magnitudeOf(b, x), b.u32(magnitudeBits(limit))));

/** `value`, but x where x is NaN: carries NaN past code that may lose it. */
export const orNaN = (b: ScalarBuilder, value: Scalar, x: Scalar): Scalar => b.select(b.isNaN(x), x, value);

/** The 12 leading bits of x: products of two such numbers are exact. */
export const highHalf = (b: ScalarBuilder, x: Scalar): Scalar => fromBits(b, b.and(bitsOf(b, x), b.u32(0xfffff000)));

/** c[0] + c[1] x + c[2] x² + …, by Horner's rule. */
export function polynomial(b: ScalarBuilder, x: Scalar, c: readonly number[]): Scalar {
  let sum = b.f32(c[c.length - 1]!);
  for (let i = c.length - 2; i >= 0; i--) sum = b.add(b.mul(sum, x), b.f32(c[i]!));
  return sum;
}

/** A number as the unevaluated sum of two. */
export interface Pair {
  readonly high: Scalar;
  readonly low: Scalar;
}

/** x + y and its rounding error, exact where |x| ≥ |y| or x = 0 (Dekker 1971). */
export function fastTwoSum(b: ScalarBuilder, x: Scalar, y: Scalar): Pair {
  const high = b.keep(b.add(x, y));
  return { high, low: b.sub(y, b.keep(b.sub(high, x))) };
}

/** x - y and its rounding error, exact where |x| ≥ |y| or x = 0. */
export function fastTwoDifference(b: ScalarBuilder, x: Scalar, y: Scalar): Pair {
  const high = b.keep(b.sub(x, y));
  return { high, low: b.sub(b.keep(b.sub(x, high)), y) };
}

/**
 * x / y to about 2^-34 of itself, however loose the device's division (WGSL grants it 2.5 ulp). For x, y and x / y of
 * a size in [2^-100, 2^100]: elsewhere `low` may be anything.
 */
export function quotient(b: ScalarBuilder, x: Scalar, y: Scalar): Pair {
  const high = b.div(x, y);
  const leading = highHalf(b, high);
  const leadingY = highHalf(b, y);
  // x - y high, in products that are exact but for the last, which is small
  const first = b.keep(b.sub(x, b.mul(leading, leadingY)));
  const second = b.keep(b.sub(first, b.mul(leading, b.sub(y, leadingY))));
  return { high, low: b.div(b.sub(second, b.mul(b.sub(high, leading), y)), y) };
}

/** 2^n for an i32 n in [-126, 127]. */
export const powerOfTwo = (b: ScalarBuilder, n: Scalar): Scalar =>
  fromBits(b, b.bitcast(b.shl(b.add(n, b.i32(127)), b.u32(23)), "u32"));

/**
 * x 2^n for an i32 n in [-252, 254], rounded once: the first of two factors leaves x normal. Overflow gives infinity,
 * underflow a subnormal number, which devices may flush.
 */
export function scaleByPower(b: ScalarBuilder, x: Scalar, n: Scalar): Scalar {
  const half = b.shr(n, b.u32(1));
  return b.mul(b.keep(b.mul(x, powerOfTwo(b, half))), powerOfTwo(b, b.sub(n, half)));
}
