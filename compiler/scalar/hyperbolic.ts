// tanh, sinh and cosh: odd polynomials near 0, exponentials elsewhere.
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { expParts } from "./exp.js";
import {
  cappedSize,
  flipSign,
  magnitudeBits,
  magnitudeOf,
  ONE_BITS,
  orNaN,
  polynomial,
  scaleByPower,
  signOf,
} from "./float.js";

// Minimax fits of ours, made as those of exp.ts.

/** (tanh x / x - 1) / x² in x², |x| < 0.625 (the split of Cephes, tanhf.c); error 2^-27.8 of tanh x. */
const TANH = [-0.33333284, 0.13331485, -0.053743005, 0.020649103, -0.005715499];
const TANH_SPLIT = 0.625;
/** (sinh x / x - 1) / x² in x², |x| < 1; error 2^-31.6 of sinh x. */
const SINH = [0.16666667, 0.0083333105, 0.00019842896, 2.7822132e-6];

/** x + x³ q(x²). */
function odd(b: ScalarBuilder, x: Scalar, q: readonly number[]): Scalar {
  const square = b.mul(x, x);
  return b.add(x, b.mul(b.mul(x, square), polynomial(b, square, q)));
}

export function tanh(b: ScalarBuilder, x: Scalar): Scalar {
  const size = cappedSize(b, x, 10); // tanh 9.02 rounds to 1
  const { p, n } = expParts(b, b.add(size, size));
  const large = b.sub(b.f32(1), b.div(b.f32(2), b.add(scaleByPower(b, p, n), b.f32(1))));
  const isSmall = b.lt(magnitudeOf(b, x), b.u32(magnitudeBits(TANH_SPLIT)));
  // of |x|, as the terms of -0 have different signs
  return orNaN(b, flipSign(b, b.select(isSmall, odd(b, size, TANH), large), signOf(b, x)), x);
}

/** e^|x| / 2; overflows where it must. */
function halfExp(b: ScalarBuilder, x: Scalar): Scalar {
  const { p, n } = expParts(b, cappedSize(b, x, 90));
  return scaleByPower(b, p, b.sub(n, b.i32(1)));
}

export function sinh(b: ScalarBuilder, x: Scalar): Scalar {
  const half = halfExp(b, x);
  const large = b.sub(half, b.div(b.f32(0.25), half));
  const isSmall = b.lt(magnitudeOf(b, x), b.u32(ONE_BITS));
  return orNaN(b, b.select(isSmall, odd(b, x, SINH), flipSign(b, large, signOf(b, x))), x);
}

export function cosh(b: ScalarBuilder, x: Scalar): Scalar {
  const half = halfExp(b, x);
  return orNaN(b, b.add(half, b.div(b.f32(0.25), half)), x);
}
