// exp, exp2, expm1 and logistic: e^x = 2^n e^r, with |r| at most half of log 2.
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import {
  cappedSize,
  fastTwoDifference,
  fastTwoSum,
  highHalf,
  LN2_HIGH,
  LN2_LOW,
  magnitudeBits,
  magnitudeOf,
  orNaN,
  polynomial,
  powerOfTwo,
  quotient,
  scaleByPower,
} from "./float.js";

// All polynomials here are minimax fits of ours (least squares on 1,500 Chebyshev nodes, reweighted by Lawson's method,
// in 64 bits against 40 digits; coefficients rounded to f32 one by one from the lowest, the others fitted again).

/** (e^r - 1 - r) / r², |r| ≤ 0.348; error 2^-28 of e^r. */
const EXP = [0.49999994, 0.1666652, 0.04166826, 0.008368857, 0.0013821768];
/** (e^r - 1 - r - r²/2) / r³, |r| ≤ 0.348; error 2^-31 of r. */
const EXPM1 = [0.16666667, 0.041666485, 0.0083332015, 0.001393307, 0.00019950092];

/** x brought into [low, high]; NaN stays NaN. */
function clampFloat(b: ScalarBuilder, x: Scalar, low: number, high: number): Scalar {
  const raised = b.select(b.lt(x, b.f32(low)), b.f32(low), x);
  return b.select(b.lt(b.f32(high), x), b.f32(high), raised);
}

/** n, an integer held as a float, and r = high + low with x = n log 2 + r, for |x| < 2^14 (Cody and Waite 1980). */
function reduce(b: ScalarBuilder, x: Scalar): { n: Scalar; high: Scalar; low: Scalar } {
  const n = b.nearest(b.mul(x, b.f32(Math.LOG2E)));
  const rest = b.keep(b.sub(x, b.mul(n, b.f32(LN2_HIGH)))); // exact
  return { n, ...fastTwoDifference(b, rest, b.mul(n, b.f32(LN2_LOW))) };
}

/** e^x = 2^n (1 + high + tail) with |high| ≤ 0.348 and n an i32, for |x| < 2^14. */
function expTerms(b: ScalarBuilder, x: Scalar): { n: Scalar; high: Scalar; tail: Scalar } {
  const { n, high, low } = reduce(b, x);
  const tail = b.add(b.mul(b.mul(high, high), polynomial(b, high, EXP)), low);
  return { n: b.cast(n, "i32"), high, tail };
}

/** e^x = p 2^n with p in [0.7, 1.42] and n an i32, for |x| < 2^14. */
export function expParts(b: ScalarBuilder, x: Scalar): { p: Scalar; n: Scalar } {
  const { n, high, tail } = expTerms(b, x);
  return { p: b.add(b.f32(1), b.keep(b.add(high, tail))), n };
}

/** e^x. */
export function exp(b: ScalarBuilder, x: Scalar): Scalar {
  const { p, n } = expParts(b, clampFloat(b, x, -104, 89)); // e^-104 rounds to 0, e^89 overflows
  return orNaN(b, scaleByPower(b, p, n), x);
}

/** 2^(high + low) for |high| ≤ 160 and |low| ≤ 0.1. */
export function exp2OfPair(b: ScalarBuilder, high: Scalar, low: Scalar): Scalar {
  const n = b.nearest(b.add(high, low));
  const rest = b.keep(b.sub(high, n)); // exact
  // (rest + low) log 2 = main + small, the product as in fdlibm's e_powf.c
  const leading = highHalf(b, b.add(rest, low));
  const trailing = b.sub(low, b.keep(b.sub(leading, rest)));
  const main = b.mul(leading, b.f32(LN2_HIGH)); // exact
  const small = b.add(b.mul(trailing, b.f32(Math.LN2)), b.mul(leading, b.f32(LN2_LOW)));
  const r = b.add(main, small);
  const tail = b.add(b.mul(b.mul(r, r), polynomial(b, r, EXP)), small);
  return scaleByPower(b, b.add(b.f32(1), b.keep(b.add(main, tail))), b.cast(n, "i32"));
}

/** 2^x. */
export function exp2(b: ScalarBuilder, x: Scalar): Scalar {
  return orNaN(b, exp2OfPair(b, clampFloat(b, x, -151, 129), b.f32(0)), x);
}

/** e^x - 1, accurate near 0. */
export function expm1(b: ScalarBuilder, x: Scalar): Scalar {
  const clamped = clampFloat(b, x, -18, 89); // e^-18 - 1 rounds to -1
  const { n, high, low } = reduce(b, clamped);
  const square = b.mul(high, high);
  const cubic = b.mul(b.mul(square, high), polynomial(b, high, EXPM1));
  // e^r - 1 = high + tail; 2^n is applied in two factors, as 2^128 is not a number
  const tail = b.add(b.add(b.keep(b.mul(square, b.f32(0.5))), cubic), low);
  const power = b.cast(n, "i32");
  const most = b.min(power, b.i32(64));
  const scale = powerOfTwo(b, most);
  const sum = fastTwoSum(b, b.sub(scale, b.f32(1)), b.mul(scale, high));
  const scaled = b.keep(b.add(sum.high, b.add(sum.low, b.mul(scale, tail))));
  const y = b.mul(scaled, powerOfTwo(b, b.sub(power, most)));
  // x itself where it is tiny: keeps -0 and subnormal numbers
  return orNaN(b, b.select(b.lt(magnitudeOf(b, x), b.u32(magnitudeBits(2 ** -25))), x, y), x);
}

/** 1 / (1 + e^-x). */
export function logistic(b: ScalarBuilder, x: Scalar): Scalar {
  const one = b.f32(1);
  const { n, high, tail } = expTerms(b, b.neg(cappedSize(b, x, 104)));
  const p = fastTwoSum(b, one, b.add(high, tail));
  const e = scaleByPower(b, p.high, n); // e^-|x|
  const divisor = fastTwoSum(b, one, e);
  const inverse = quotient(b, one, divisor.high);
  // what the roundings of e and of the divisor are worth, relative to them; 1 / p is about 2 - p
  const lostOfE = b.mul(p.low, b.sub(b.f32(2), p.high));
  const lostOfDivisor = b.mul(b.add(divisor.low, b.mul(e, lostOfE)), inverse.high);
  const lost = b.sub(b.mul(inverse.low, divisor.high), lostOfDivisor);
  const isNegative = b.lt(x, b.f32(0));
  const y = b.select(isNegative, b.mul(e, inverse.high), inverse.high);
  return orNaN(b, b.add(y, b.mul(y, b.select(isNegative, b.add(lost, lostOfE), lost))), x);
}
