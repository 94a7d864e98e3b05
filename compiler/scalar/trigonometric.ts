// sin, cos and tan of any finite angle: x = q π/2 + r with |r| at most π/4, r held as a pair.
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import {
  bitsOf,
  fastTwoDifference,
  fastTwoSum,
  flipSign,
  fromBits,
  INFINITY_BITS,
  magnitudeBits,
  magnitudeOf,
  type Pair,
  polynomial,
  quotient,
  signOf,
} from "./float.js";

/** π/2 in three parts of 15 bits, so that their products with q < 2^9 are exact, and the rest (Cody and Waite 1980). */
const HALF_PI_PARTS = [1.57073974609375, 5.657970905303955e-5, 9.920881893776823e-10, 5.390302858158119e-15] as const;
const CODY_WAITE_LIMIT = 512;

/** The bits of 2/π behind its point, after 32 zeros: word i has the weights 2^(31 - 32 i) … 2^(-32 i). */
const TWO_OVER_PI = [0, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab];

/** π/2 = HIGH + LOW; HIGH has 8 bits. */
const HALF_PI_HIGH = 1.5703125;
const HALF_PI_LOW = Math.PI / 2 - HALF_PI_HIGH;

/** Quadrant (its last two bits count) and the angle left. */
interface Reduced {
  readonly q: Scalar;
  readonly r: Pair;
}

/** For 0 ≤ x < 512. */
function reduceSmall(b: ScalarBuilder, x: Scalar): Reduced {
  const [c1, c2, c3, c4] = HALF_PI_PARTS;
  const n = b.nearest(b.mul(x, b.f32(2 / Math.PI)));
  const first = b.keep(b.sub(x, b.mul(n, b.f32(c1)))); // exact
  const second = fastTwoDifference(b, first, b.mul(n, b.f32(c2)));
  const third = fastTwoDifference(b, second.high, b.mul(n, b.f32(c3)));
  const low = b.sub(b.add(third.low, second.low), b.mul(n, b.f32(c4)));
  return { q: b.cast(n, "u32"), r: { high: third.high, low } };
}

/** The upper 32 bits of m w, for m < 2^24: from products of 16 bits, as WGSL has no wider ones. */
function multiplyHigh(b: ScalarBuilder, m: Scalar, w: Scalar): Scalar {
  const low16 = b.u32(0xffff);
  const by16 = b.u32(16);
  const [mHigh, mLow] = [b.shr(m, by16), b.and(m, low16)];
  const [wHigh, wLow] = [b.shr(w, by16), b.and(w, low16)];
  const first = b.add(b.mul(mLow, wHigh), b.shr(b.mul(mLow, wLow), by16));
  const second = b.add(b.mul(mHigh, wLow), b.and(first, low16));
  return b.add(b.add(b.mul(mHigh, wHigh), b.shr(first, by16)), b.shr(second, by16));
}

/**
 * For finite x ≥ 2^-7 (Payne and Hanek 1983): x = m 2^(e - 150) with an integer m. Of 2/π only 96 bits matter: those
 * before give multiples of 4 quadrants, those behind less than 2^-70. The closest an f32 comes to a multiple of π/2
 * is 2^-29.
 */
function reduceLarge(b: ScalarBuilder, x: Scalar): Reduced {
  const bits = bitsOf(b, x);
  const m = b.or(b.and(bits, b.u32(0x007fffff)), b.u32(0x00800000));
  const start = b.sub(b.shr(bits, b.u32(23)), b.u32(120)); // of the 96 bits, counted in the table

  // the four words from word start >> 5 on: as start is at most 134, word 4 is the last to start from
  const skip = (words: readonly Scalar[], step: number, count: number): Scalar[] => {
    const isTaken = b.ne(b.and(start, b.u32(32 * step)), b.u32(0));
    return words.slice(0, count).map((word, i) => b.select(isTaken, words[i + step]!, word));
  };
  const table = TWO_OVER_PI.map((word) => b.u32(word));
  const words = skip(skip([...skip(table, 4, 4), ...table.slice(4, 7)], 2, 5), 1, 4);
  const shift = b.and(start, b.u32(31));
  const unshift = b.sub(b.u32(31), shift);
  const [w0, w1, w2] = [0, 1, 2].map((i) => {
    return b.or(b.shl(words[i]!, shift), b.shr(b.shr(words[i + 1]!, b.u32(1)), unshift)); // a shift by 32 is none
  }) as [Scalar, Scalar, Scalar];

  // upper two words of m times them: 2 bits of quadrant, 62 of fraction
  const carried = multiplyHigh(b, m, w2);
  const lower = b.add(b.mul(m, w1), carried);
  const carry = b.cast(b.lt(lower, carried), "u32");
  const upper = b.add(b.add(b.mul(m, w0), multiplyHigh(b, m, w1)), carry);

  // the fraction as a signed number of 64 bits: half a quadrant and more goes to the next one
  const q = b.shr(b.add(b.shr(upper, b.u32(29)), b.u32(1)), b.u32(1));
  const fraction = b.or(b.shl(upper, b.u32(2)), b.shr(lower, b.u32(30)));
  const flip = b.bitcast(b.shr(b.bitcast(fraction, "i32"), b.u32(31)), "u32");
  const high = b.xor(fraction, flip);
  const low = b.xor(b.shl(lower, b.u32(2)), flip);

  // 16, 24 and 24 bits of it as floats, which is exact, times π/2
  const leading = b.mul(b.cast(b.shr(high, b.u32(16)), "f32"), b.f32(2 ** -16));
  const middle = b.cast(b.or(b.shl(b.and(high, b.u32(0xffff)), b.u32(8)), b.shr(low, b.u32(24))), "f32");
  const last = b.cast(b.and(low, b.u32(0xffffff)), "f32");
  const trailing = b.add(b.mul(middle, b.f32(2 ** -40)), b.mul(last, b.f32(2 ** -64)));
  const main = b.mul(leading, b.f32(HALF_PI_HIGH)); // exact
  const small = b.add(b.mul(leading, b.f32(HALF_PI_LOW)), b.mul(trailing, b.f32(Math.PI / 2)));
  const r = fastTwoSum(b, main, small);
  const sign = b.and(flip, b.u32(0x80000000));
  return { q, r: { high: flipSign(b, r.high, sign), low: flipSign(b, r.low, sign) } };
}

/** Reduces |x|. Infinities and NaN give some angle. */
function reduceAngle(b: ScalarBuilder, x: Scalar): Reduced {
  const size = fromBits(b, magnitudeOf(b, x));
  const isLarge = b.le(b.u32(magnitudeBits(CODY_WAITE_LIMIT)), magnitudeOf(b, x));
  const flat = ({ q, r }: Reduced): Scalar[] => [q, r.high, r.low];
  const [q, high, low] = b.rarely(
    isLarge,
    () => flat(reduceLarge(b, size)),
    () => flat(reduceSmall(b, size)),
  );
  return { q: q!, r: { high: high!, low: low! } };
}

// Minimax fits of ours on |r| ≤ π/4, made as those of exp.ts.

/** (sin r / r - 1) / r² in r²; error 2^-28. */
const SIN = [-0.16666655, 0.00833219, -0.00019518408];
/** (cos r - 1 + r²/2) / r⁴ in r²; error 2^-33. */
const COS = [0.041666646, -0.0013887301, 2.4430668e-5];
/** (tan r / r - 1) / r² in r²; error 2^-29. */
const TAN = [0.33333352, 0.13332586, 0.054068033, 0.021242931, 0.010932022, -2.6643133e-5, 0.004431195];

/** sin(r.high + r.low). */
function sinOfPair(b: ScalarBuilder, r: Pair): Scalar {
  const square = b.mul(r.high, r.high);
  return b.add(r.high, b.add(b.mul(b.mul(r.high, square), polynomial(b, square, SIN)), r.low));
}

/** cos(r.high + r.low). */
function cosOfPair(b: ScalarBuilder, r: Pair): Scalar {
  const square = b.mul(r.high, r.high);
  const main = fastTwoDifference(b, b.f32(1), b.mul(b.f32(0.5), square));
  const fourth = b.mul(b.mul(square, square), polynomial(b, square, COS));
  return b.add(main.high, b.add(b.sub(fourth, b.mul(r.high, r.low)), main.low));
}

/** NaN for infinities and NaN. */
const whereFinite = (b: ScalarBuilder, x: Scalar, y: Scalar): Scalar =>
  b.select(b.lt(magnitudeOf(b, x), b.u32(INFINITY_BITS)), y, b.f32(NaN));

const isOddQuadrant = (b: ScalarBuilder, q: Scalar): Scalar => b.ne(b.and(q, b.u32(1)), b.u32(0));

/** The sign bit of sin in quadrants 2 and 3. */
const lowerHalf = (b: ScalarBuilder, q: Scalar): Scalar => b.shl(b.and(q, b.u32(2)), b.u32(30));

export function sin(b: ScalarBuilder, x: Scalar): Scalar {
  const { q, r } = reduceAngle(b, x);
  const y = b.select(isOddQuadrant(b, q), cosOfPair(b, r), sinOfPair(b, r));
  return whereFinite(b, x, flipSign(b, y, b.xor(lowerHalf(b, q), signOf(b, x))));
}

export function cos(b: ScalarBuilder, x: Scalar): Scalar {
  const { q, r } = reduceAngle(b, x);
  const y = b.select(isOddQuadrant(b, q), sinOfPair(b, r), cosOfPair(b, r));
  return whereFinite(b, x, flipSign(b, y, lowerHalf(b, b.add(q, b.u32(1)))));
}

export function tan(b: ScalarBuilder, x: Scalar): Scalar {
  const { q, r } = reduceAngle(b, x);
  const square = b.mul(r.high, r.high);
  const cubic = b.mul(b.mul(r.high, square), polynomial(b, square, TAN));
  // d tan = (1 + tan²) dr; the square of r is near enough to that of tan for so small a term
  const tail = b.add(cubic, b.add(r.low, b.mul(r.low, square)));
  const tangent = fastTwoSum(b, r.high, tail);
  const inverse = quotient(b, b.f32(-1), tangent.high);
  const lost = b.mul(b.mul(inverse.high, inverse.high), tangent.low);
  const cotangent = b.add(inverse.high, b.add(inverse.low, lost)); // -1 / tan
  const y = b.select(isOddQuadrant(b, q), cotangent, tangent.high);
  return whereFinite(b, x, flipSign(b, y, signOf(b, x)));
}
