// rsqrt, cbrt, and √ to more than 24 bits.
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import {
  bitsOf,
  flipSign,
  fromBits,
  highHalf,
  INFINITY_BITS,
  magnitudeOf,
  type Pair,
  polynomial,
  signOf,
} from "./float.js";

/** 1 / √x: ∞ for 0, -∞ for -0, NaN below. One step of Newton's makes good what the device's √ and / lack. */
export function rsqrt(b: ScalarBuilder, x: Scalar): Scalar {
  const first = b.div(b.f32(1), b.sqrt(x));
  const rest = b.sub(b.f32(1), b.keep(b.mul(b.keep(b.mul(x, first)), first)));
  const better = b.add(first, b.mul(b.mul(b.f32(0.5), first), rest));
  const size = magnitudeOf(b, x);
  const isZero = b.eq(size, b.u32(0));
  const isInfinite = b.eq(bitsOf(b, x), b.u32(INFINITY_BITS));
  const isPositive = b.lt(bitsOf(b, x), b.u32(INFINITY_BITS));
  const edge = b.select(isZero, flipSign(b, b.f32(Infinity), signOf(b, x)), b.select(isInfinite, b.f32(0), b.f32(NaN)));
  return b.select(b.and(isPositive, b.not(isZero)), better, edge);
}

/** √x = high + low to about 2^-33, whatever the device's √ is worth; high has 12 bits. For 0 and normal x above. */
export function rootPair(b: ScalarBuilder, x: Scalar): Pair {
  const first = b.sqrt(x);
  const high = highHalf(b, first);
  const divisor = b.select(b.eq(bitsOf(b, x), b.u32(0)), b.f32(1), b.add(first, high)); // not 0 / 0
  return { high, low: b.div(b.sub(x, b.mul(high, high)), divisor) }; // the difference is exact
}

/** ∛m on [1, 2], relative error 2^-10.6: a minimax fit of ours, made as those of exp.ts. */
const CBRT = [0.6215143, 0.4394408, -0.060319036];

/** ∛x, of all numbers. */
export function cbrt(b: ScalarBuilder, x: Scalar): Scalar {
  const size = magnitudeOf(b, x);
  const isSubnormal = b.lt(size, b.u32(0x00800000));
  const bits = b.select(isSubnormal, bitsOf(b, b.cast(size, "f32")), size); // a subnormal x is bits · 2^-149
  // |x| = 2^(e - 150) m, and e is a multiple of 3 plus 0, 1 or 2
  const e = b.sub(b.add(b.shr(bits, b.u32(23)), b.u32(23)), b.select(isSubnormal, b.u32(149), b.u32(0)));
  const third = b.shr(b.mul(e, b.u32(171)), b.u32(9)); // e / 3, for e < 512
  const rest = b.sub(e, b.mul(third, b.u32(3)));
  const m = fromBits(b, b.or(b.and(bits, b.u32(0x007fffff)), b.u32(0x3f800000)));
  const isOne = b.eq(rest, b.u32(1));
  const isTwo = b.eq(rest, b.u32(2));
  const scaled = b.mul(m, b.select(isTwo, b.f32(4), b.select(isOne, b.f32(2), b.f32(1))));
  const root = b.select(isTwo, b.f32(Math.cbrt(4)), b.select(isOne, b.f32(Math.cbrt(2)), b.f32(1)));
  const guess = b.mul(polynomial(b, m, CBRT), root);
  // to 8 bits, so that its cube is exact; then a step of Halley's, whose error is the cube of the guess's
  const t = fromBits(b, b.and(b.add(bitsOf(b, guess), b.u32(0x8000)), b.u32(0xffff0000)));
  const cube = b.mul(b.mul(t, t), t);
  const step = b.div(b.mul(t, b.keep(b.sub(scaled, cube))), b.add(scaled, b.add(cube, cube)));
  const y = b.add(t, step);
  const scale = fromBits(b, b.shl(b.add(third, b.u32(77)), b.u32(23)));
  const finite = flipSign(b, b.mul(y, scale), signOf(b, x));
  const isItself = b.or(b.eq(size, b.u32(0)), b.le(b.u32(INFINITY_BITS), size));
  return b.select(isItself, x, finite);
}
