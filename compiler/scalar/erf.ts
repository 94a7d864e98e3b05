// erf: an odd polynomial near 0, 1 - e^-g elsewhere.
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { expParts } from "./exp.js";
import { cappedSize, flipSign, magnitudeBits, magnitudeOf, orNaN, polynomial, scaleByPower, signOf } from "./float.js";

// The two forms and their split follow N. Juffa's my_erff (2014); the coefficients are minimax fits of ours, as in exp.ts.

const SPLIT = 0.9;
/** erf x / x - 1 in x², |x| < 0.9; error 2^-30 of erf x. */
const NEAR = [0.12837917, -0.3761263, 0.11283624, -0.02685556, 0.005191753, -0.0008039753, 7.9431e-5];
/** (-log(1 - erf x) - x) / x, 0.9 ≤ x ≤ 3.95; error 2^-30 of erf x. */
const FAR = [0.12863708, 0.63519806, 0.106158964, -0.023694443, 0.0036102545, -0.00031482783, 1.0429016e-5];

export function erf(b: ScalarBuilder, x: Scalar): Scalar {
  const size = cappedSize(b, x, 3.95); // erf 3.92 rounds to 1
  // near the smallest normal number x (erf x / x - 1) would be flushed, x (erf x / x) is not
  const ratio = polynomial(b, b.mul(x, x), NEAR);
  const isTiny = b.lt(magnitudeOf(b, x), b.u32(magnitudeBits(2 ** -60)));
  const near = b.select(isTiny, b.mul(x, b.f32(2 / Math.sqrt(Math.PI))), b.add(x, b.mul(x, ratio)));
  const g = b.add(size, b.mul(size, polynomial(b, size, FAR)));
  const { p, n } = expParts(b, b.neg(g));
  const far = b.sub(b.f32(1), scaleByPower(b, p, n));
  const isNear = b.lt(magnitudeOf(b, x), b.u32(magnitudeBits(SPLIT)));
  return orNaN(b, b.select(isNear, near, flipSign(b, far, signOf(b, x))), x);
}
