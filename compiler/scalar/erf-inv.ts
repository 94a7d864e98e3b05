// The inverse of erf.
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { fastTwoDifference, fromBits, magnitudeBits, magnitudeOf, ONE_BITS, orNaN } from "./float.js";
import { logOfPair } from "./log.js";
import { rootPair } from "./root.js";

/**
 * erf⁻¹(x) / x as polynomials in w - 2.5 for w < 5, else in √w - 3, where w = -log(1 - x²): Giles, "Approximating the
 * erfinv function" (GPU Computing Gems 2, 2011), in single precision. XLA has the same.
 */
const MIDDLE = [
  1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-6, -3.5233877e-6, 3.43273939e-7,
  2.81022636e-8,
];
const TAIL = [
  2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844, 0.00134934322, 0.000100950558,
  -0.000200214257,
];

/** The polynomials' coefficients and argument for w, the square root rounded once whatever the device's is worth. */
export function gilesTerms(b: ScalarBuilder, w: Scalar): { t: Scalar; c: readonly Scalar[] } {
  const isMiddle = b.lt(w, b.f32(5));
  const root = rootPair(b, b.select(isMiddle, b.f32(9), w));
  const t = b.select(isMiddle, b.sub(w, b.f32(2.5)), b.sub(b.keep(b.add(root.high, root.low)), b.f32(3)));
  return { t, c: MIDDLE.map((middle, i) => b.select(isMiddle, b.f32(middle), b.f32(TAIL[i]!))) };
}

/** erf⁻¹(x) / x by the same polynomials in f64. */
export function gilesRatio(w: number): number {
  const [c, t] = w < 5 ? [MIDDLE, w - 2.5] : [TAIL, Math.sqrt(w) - 3];
  return c.reduceRight((sum, term) => sum * t + term, 0);
}

/** The inverse of erf; ±∞ at ±1, NaN outside of [−1, 1]. */
export function erfInv(b: ScalarBuilder, x: Scalar): Scalar {
  const size = magnitudeOf(b, x);
  const one = b.f32(1);
  const inside = fromBits(b, b.min(size, b.u32(ONE_BITS - 1)));
  // 1 - x² = 1 - x x = 2 d - d d with d = 1 - |x|, which is exact from ½ on
  const isSmall = b.lt(size, b.u32(magnitudeBits(0.5)));
  const d = b.keep(b.sub(one, inside));
  const part = b.select(isSmall, inside, d);
  const whole = b.select(isSmall, one, b.add(d, d));
  const rest = fastTwoDifference(b, whole, b.keep(b.mul(part, part)));
  const { t, c } = gilesTerms(b, b.neg(logOfPair(b, rest, b.i32(0))));
  const y = b.mul(
    c.reduceRight((sum, term) => b.add(b.mul(sum, t), term)),
    x,
  );
  const edge = b.select(b.eq(size, b.u32(ONE_BITS)), b.mul(x, b.f32(Infinity)), b.f32(NaN));
  return orNaN(b, b.select(b.lt(size, b.u32(ONE_BITS)), y, edge), x);
}
