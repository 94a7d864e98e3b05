// log, log2 and log1p: x = 2^e (1 + f) with 1 + f in [√½, √2).
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import {
  bitsOf,
  fastTwoSum,
  fromBits,
  INFINITY_BITS,
  LN2_HIGH,
  LN2_LOW,
  magnitudeBits,
  magnitudeOf,
  ONE_BITS,
  type Pair,
  polynomial,
  powerOfTwo,
} from "./float.js";

/** (log(1 + f) - f + f²/2) / f³; error 2^-30 of log(1 + f). A minimax fit of ours, made as those of exp.ts. */
const LOG = [
  0.33333313, -0.2500001, 0.20002072, -0.1666799, 0.14220363, -0.124062076, 0.118834704, -0.11670192, 0.06749556,
];

const ROOT_HALF_BITS = 0x3f3504f3;
const LEAST_NORMAL_BITS = 0x00800000;

/**
 * x = 2^e m for a positive finite x, m in [√½, √2); e is an i32. Also for a subnormal x, though the device flush
 * them: its bits are converted as an integer.
 */
export function splitExponent(b: ScalarBuilder, x: Scalar): { e: Scalar; m: Scalar } {
  const bits = bitsOf(b, x);
  const isSubnormal = b.lt(bits, b.u32(LEAST_NORMAL_BITS));
  const normal = b.select(isSubnormal, bitsOf(b, b.cast(bits, "f32")), bits); // a subnormal x is bits · 2^-149
  const shifted = b.sub(normal, b.u32(ROOT_HALF_BITS)); // wraps below √½: the shift that follows is arithmetic
  const e = b.shr(b.bitcast(shifted, "i32"), b.u32(23));
  const m = fromBits(b, b.add(b.and(shifted, b.u32(0x007fffff)), b.u32(ROOT_HALF_BITS)));
  return { e: b.select(isSubnormal, b.sub(e, b.i32(149)), e), m };
}

/** log(0) = -∞, log(+∞) = +∞; NaN for NaN and for what is below 0. Bits tell them apart on every device. */
function withEdges(b: ScalarBuilder, x: Scalar, y: Scalar): Scalar {
  const bits = bitsOf(b, x);
  const isZero = b.eq(magnitudeOf(b, x), b.u32(0));
  const isPositive = b.lt(bits, b.u32(INFINITY_BITS));
  const isInfinite = b.eq(bits, b.u32(INFINITY_BITS));
  const outside = b.select(isZero, b.f32(-Infinity), b.select(isInfinite, x, b.f32(NaN)));
  return b.select(b.and(isPositive, b.not(isZero)), y, outside);
}

/** The terms of log(1 + f) beyond f: -f²/2 + f³ (…). */
function tailOfLog(b: ScalarBuilder, f: Scalar): { halfSquare: Scalar; cubic: Scalar } {
  const square = b.mul(f, f);
  return { halfSquare: b.mul(b.f32(0.5), square), cubic: b.mul(b.mul(f, square), polynomial(b, f, LOG)) };
}

/** The natural logarithm. */
export function log(b: ScalarBuilder, x: Scalar): Scalar {
  const { e, m } = splitExponent(b, x);
  const f = b.sub(m, b.f32(1));
  const n = b.cast(e, "f32");
  const { halfSquare, cubic } = tailOfLog(b, f);
  // from the smallest term to the largest, n LN2_HIGH, which is exact
  const tail = b.add(b.sub(cubic, halfSquare), b.mul(n, b.f32(LN2_LOW)));
  return withEdges(b, x, b.add(b.keep(b.add(tail, f)), b.mul(n, b.f32(LN2_HIGH))));
}

/** The logarithm to base 2. */
export function log2(b: ScalarBuilder, x: Scalar): Scalar {
  const { e, m } = splitExponent(b, x);
  const f = b.sub(m, b.f32(1));
  const { halfSquare, cubic } = tailOfLog(b, f);
  // log2 m = (f + tail) + (f + tail) (log2 e - 1), as Cephes, log2f.c
  const tail = b.sub(cubic, halfSquare);
  const c = b.f32(Math.LOG2E - 1);
  const small = b.add(b.keep(b.mul(tail, c)), b.mul(f, c));
  const y = b.add(b.keep(b.add(b.keep(b.add(small, tail)), f)), b.cast(e, "f32"));
  return withEdges(b, x, y);
}

/** log(2^n (x.high + x.low)) for a normal x.high above 0 and |x.low| of at most its last place. */
export function logOfPair(b: ScalarBuilder, x: Pair, n: Scalar): Scalar {
  const { e, m } = splitExponent(b, x.high);
  const one = b.f32(1);
  const f = b.sub(m, one);
  // low / high to 4 bits or more, 2^-e and 1 / (1 + f) apart; at e > 100 it no longer counts
  const low = b.mul(x.low, powerOfTwo(b, b.neg(b.min(e, b.i32(100)))));
  const correction = b.mul(low, b.sub(one, b.sub(f, b.mul(f, f))));
  const { halfSquare, cubic } = tailOfLog(b, f);
  const count = b.cast(b.add(e, n), "f32");
  const tail = b.add(b.sub(cubic, halfSquare), b.mul(count, b.f32(LN2_LOW)));
  return b.add(b.keep(b.add(b.add(tail, correction), f)), b.mul(count, b.f32(LN2_HIGH)));
}

/** log(1 + x), accurate near 0. */
export function log1p(b: ScalarBuilder, x: Scalar): Scalar {
  const size = magnitudeOf(b, x);
  const one = b.f32(1);
  const isBelowOne = b.lt(size, b.u32(ONE_BITS));
  const sum = fastTwoSum(b, b.select(isBelowOne, one, x), b.select(isBelowOne, x, one));
  const y = withEdges(b, sum.high, logOfPair(b, sum, b.i32(0)));
  // x itself where it is tiny: keeps -0 and subnormal numbers
  return b.select(b.lt(size, b.u32(magnitudeBits(2 ** -25))), x, y);
}
