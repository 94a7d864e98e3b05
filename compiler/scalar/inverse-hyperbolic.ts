// asinh, acosh and atanh, as logarithms of 1 + u with u accurate near 0.
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import {
  cappedSize,
  fastTwoSum,
  flipSign,
  fromBits,
  INFINITY_BITS,
  magnitudeBits,
  magnitudeOf,
  ONE_BITS,
  type Pair,
  polynomial,
  signOf,
} from "./float.js";
import { logOfPair } from "./log.js";
import { rootPair } from "./root.js";

/** From here on asinh and acosh are log 2x. */
const LARGE = 2 ** 28;

/** Below, asinh x rounds to x. */
const TINY_BITS = magnitudeBits(2 ** -14);

/** (atanh x / x - 1) / x² in x², |x| < ½; error 2^-29 of atanh x. A minimax fit of ours, as in exp.ts. */
const ATANH = [0.33333302, 0.20002453, 0.14223786, 0.11816386, 0.05160436, 0.1763785];

/** log(1 + x.high + x.low) for x.high ≥ 0, or log 2 `size` where that is large. */
function logOnePlus(b: ScalarBuilder, x: Pair, size: Scalar): Scalar {
  const isLarge = b.le(b.f32(LARGE), size);
  const one = b.f32(1);
  const isBelowOne = b.lt(x.high, one);
  const sum = fastTwoSum(b, b.select(isBelowOne, one, x.high), b.select(isBelowOne, x.high, one));
  const high = b.select(isLarge, size, sum.high);
  const low = b.select(isLarge, b.f32(0), b.add(b.keep(sum.low), x.low));
  return logOfPair(b, { high, low }, b.select(isLarge, b.i32(1), b.i32(0)));
}

/** asinh x = log(1 + |x| + x² / (1 + √(1 + x²))), with the sign of x. */
export function asinh(b: ScalarBuilder, x: Scalar): Scalar {
  const size = fromBits(b, magnitudeOf(b, x));
  const capped = cappedSize(b, x, LARGE);
  const square = b.mul(capped, capped);
  const root = rootPair(b, b.add(b.f32(1), square));
  const more = b.div(square, b.add(b.f32(1), b.keep(b.add(root.high, root.low))));
  const y = flipSign(b, logOnePlus(b, fastTwoSum(b, capped, more), size), signOf(b, x));
  // x itself where it is tiny, and infinities and NaN
  const isMiddle = b.lt(b.sub(magnitudeOf(b, x), b.u32(TINY_BITS)), b.u32(INFINITY_BITS - TINY_BITS));
  return b.select(isMiddle, y, x);
}

/** acosh x = log(1 + t + √(t (t + 2))) with t = x - 1; NaN below 1. */
export function acosh(b: ScalarBuilder, x: Scalar): Scalar {
  const t = b.sub(cappedSize(b, x, LARGE), b.f32(1));
  const above = b.select(b.lt(t, b.f32(0)), b.f32(0), t);
  const root = rootPair(b, b.mul(above, b.add(above, b.f32(2))));
  const size = fromBits(b, magnitudeOf(b, x));
  const rootHigh = b.add(root.high, root.low);
  const y = logOnePlus(b, fastTwoSum(b, rootHigh, above), size);
  const bits = b.bitcast(x, "u32");
  const isValid = b.lt(b.sub(bits, b.u32(ONE_BITS)), b.u32(INFINITY_BITS - ONE_BITS));
  return b.select(isValid, y, b.select(b.eq(bits, b.u32(INFINITY_BITS)), x, b.f32(NaN)));
}

/** atanh x = ½ log(1 + 2 |x| / (1 - |x|)), with the sign of x; NaN outside [-1, 1]. */
export function atanh(b: ScalarBuilder, x: Scalar): Scalar {
  const square = b.mul(x, x);
  const near = b.add(x, b.mul(b.mul(x, square), polynomial(b, square, ATANH)));
  const size = cappedSize(b, x, 1 - 2 ** -24);
  const ratio = b.div(b.add(size, size), b.sub(b.f32(1), size));
  const far = b.mul(b.f32(0.5), logOnePlus(b, { high: ratio, low: b.f32(0) }, b.f32(0)));
  const magnitude = magnitudeOf(b, x);
  const edge = b.select(b.eq(magnitude, b.u32(ONE_BITS)), b.f32(Infinity), b.f32(NaN));
  const large = flipSign(b, b.select(b.lt(magnitude, b.u32(ONE_BITS)), far, edge), signOf(b, x));
  return b.select(b.lt(magnitude, b.u32(magnitudeBits(0.5))), near, large);
}
