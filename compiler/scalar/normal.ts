// Normal numbers from random bits, step by step as JAX has them on XLA's CPU, so that they are the same to the last bit.
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { gilesRatio, gilesTerms } from "./erf-inv.js";
import { bitsOf, fromBits } from "./float.js";

/** (log(1 + f) - f + f²/2) / f³, highest power first, by Cephes (logf.c); XLA adds up three polynomials in f³. */
const LOG = [
  [0.070376836, -0.1151461, 0.116769984],
  [-0.12420141, 0.14249323, -0.16668057],
  [0.20000714, -0.24999994, 0.3333333],
] as const;
/** log 2 in two parts. */
const LN2 = [355 / 512, -0.00021219444] as const;

/** (log(1 + x) - x + x²/2) / x³ as a quotient, highest power first, by Cephes (log1p.c). */
const NUMERATOR = [4.527e-5, 0.49854103, 6.5787325, 29.911919, 60.94967, 57.112965, 20.039553];
const DENOMINATOR = [1, 15.062909, 83.04757, 221.7624, 309.09872, 216.42789, 60.11866];
/** The quotient is for |x| below √2 - 1. */
const NEAR = 0.41421357;

/** Largest f32 below 1. */
const BELOW_ONE = 1 - 2 ** -24;

/**
 * A normal number from 32 random bits, of which the upper 23 count: √2 erf⁻¹(u) for u = 2^-22 m - (1 - 2^-24). u² is
 * rounded, which costs up to 91 ulp near |u| = 0.9998, where w is small beside its error.
 */
export function normalOfBits(b: ScalarBuilder, bits: Scalar): Scalar {
  const mantissa = b.cast(b.shr(bits, b.u32(9)), "f32");
  const u = b.sub(b.mul(mantissa, b.f32(2 ** -22)), b.f32(BELOW_ONE)); // exact: a multiple of 2^-24 below 1
  const { t, c } = gilesTerms(b, b.neg(log1pOf(b, b.neg(b.keep(b.mul(u, u))))));
  const ratio = c.reduceRight((sum, term) => b.fma(sum, t, term));
  return b.mul(b.f32(Math.SQRT2), b.keep(b.mul(ratio, u)));
}

/** The same in f64, but for the rounding of u². */
export function wideNormalOfBits(bits: number): number {
  const u = (bits >>> 9) * 2 ** -22 - BELOW_ONE;
  return Math.SQRT2 * u * gilesRatio(-Math.log1p(-Math.fround(u * u)));
}

/** log(1 + x) for x in (-1, 0], with XLA's roundings: sums of products are fused. */
function log1pOf(b: ScalarBuilder, x: Scalar): Scalar {
  const square = b.keep(b.mul(x, x));
  const quotient = divide(b, horner(b, NUMERATOR, x), horner(b, DENOMINATOR, x));
  const cubic = b.keep(b.mul(b.keep(b.mul(x, square)), quotient));
  const near = b.add(x, b.fma(square, b.f32(-0.5), cubic));
  return b.select(b.lt(b.neg(x), b.f32(NEAR)), near, logOf(b, b.keep(b.add(b.f32(1), x))));
}

/** log x for a normal x above 0. */
function logOf(b: ScalarBuilder, x: Scalar): Scalar {
  const bits = bitsOf(b, x);
  const half = fromBits(b, b.or(b.and(bits, b.u32(0x007fffff)), b.u32(0x3f000000)));
  const isLow = b.lt(half, b.f32(Math.SQRT1_2));
  // x = 2^e (1 + f)
  const e = b.sub(b.cast(b.bitcast(b.shr(bits, b.u32(23)), "i32"), "f32"), b.select(isLow, b.f32(127), b.f32(126)));
  const f = b.add(b.keep(b.sub(half, b.f32(1))), b.select(isLow, half, b.f32(0)));
  const square = b.keep(b.mul(f, f));
  const cube = b.keep(b.mul(square, f));
  const [y0, y1, y2] = LOG.map((c) => horner(b, c, f)) as [Scalar, Scalar, Scalar];
  const tail = b.fma(b.fma(b.fma(y0, cube, y1), cube, y2), cube, b.keep(b.mul(e, b.f32(LN2[1]))));
  return b.fma(e, b.f32(LN2[0]), b.add(b.fma(square, b.f32(-0.5), f), tail));
}

function horner(b: ScalarBuilder, c: readonly number[], x: Scalar): Scalar {
  return c.slice(1).reduce((sum, term) => b.fma(sum, x, b.f32(term)), b.f32(c[0]!));
}

/** x / y rounded once, for numbers of usual size, whatever the device's division is worth. */
function divide(b: ScalarBuilder, x: Scalar, y: Scalar): Scalar {
  const first = b.keep(b.div(x, y));
  return b.add(first, b.div(b.fma(b.neg(first), y, x), y));
}
