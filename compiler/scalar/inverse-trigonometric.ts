// asin, acos, atan and atan2.
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import {
  cappedSize,
  fastTwoDifference,
  flipSign,
  fromBits,
  INFINITY_BITS,
  magnitudeBits,
  magnitudeOf,
  ONE_BITS,
  orNaN,
  type Pair,
  polynomial,
  quotient,
  signOf,
} from "./float.js";
import { rootPair } from "./root.js";

/** (asin x / x - 1) / x² in x², |x| ≤ ½; error 2^-27.6. A minimax fit of ours, as in exp.ts. */
const ASIN = [0.16666754, 0.07495252, 0.04547604, 0.024152093, 0.042211797];
/** (atan x / x - 1) / x² in x², |x| ≤ 1; error 2^-28.5 of atan x. A minimax fit of ours, as in exp.ts. */
const ATAN = [
  -0.333333, 0.19998531, -0.14264052, 0.10951175, -0.08400475, 0.057906546, -0.031127002, 0.010887361, -0.0017875476,
];

const HALF_PI = Math.PI / 2;
const HALF_PI_LOW = HALF_PI - Math.fround(HALF_PI);

/** For |x| > ½: asin s = high + tail, with s = √((1 - |x|) / 2); as fdlibm's e_asinf.c. */
function asinOfComplement(b: ScalarBuilder, x: Scalar): { high: Scalar; tail: Scalar } {
  const square = b.mul(b.sub(b.f32(1), cappedSize(b, x, 1)), b.f32(0.5)); // exact for |x| ≥ ½
  const s = rootPair(b, square);
  const cubic = b.mul(b.mul(b.add(s.high, s.low), square), polynomial(b, square, ASIN));
  return { high: s.high, tail: b.add(cubic, s.low) };
}

/** NaN outside [-1, 1] and for NaN. */
const whereInUnit = (b: ScalarBuilder, x: Scalar, y: Scalar): Scalar =>
  b.select(b.le(magnitudeOf(b, x), b.u32(ONE_BITS)), y, b.f32(NaN));

const isBelowHalf = (b: ScalarBuilder, x: Scalar): Scalar => b.lt(magnitudeOf(b, x), b.u32(magnitudeBits(0.5)));

/** asin x - x for |x| < ½. */
function asinTail(b: ScalarBuilder, x: Scalar): Scalar {
  const square = b.mul(x, x);
  return b.mul(b.mul(x, square), polynomial(b, square, ASIN));
}

export function asin(b: ScalarBuilder, x: Scalar): Scalar {
  const { high, tail } = asinOfComplement(b, x);
  // π/2 - 2 (high + tail)
  const main = b.keep(b.sub(b.f32(HALF_PI), b.add(high, high)));
  const large = b.sub(main, b.sub(b.add(tail, tail), b.f32(HALF_PI_LOW)));
  const y = b.select(isBelowHalf(b, x), b.add(x, asinTail(b, x)), flipSign(b, large, signOf(b, x)));
  return whereInUnit(b, x, y);
}

export function acos(b: ScalarBuilder, x: Scalar): Scalar {
  const { high, tail } = asinOfComplement(b, x);
  const angle = b.add(b.add(high, high), b.add(tail, tail)); // acos |x|
  const obtuse = b.sub(
    b.keep(b.sub(b.f32(Math.PI), b.add(high, high))),
    b.sub(b.add(tail, tail), b.f32(2 * HALF_PI_LOW)),
  );
  const isNegative = b.ne(signOf(b, x), b.u32(0));
  const near = b.sub(b.keep(b.sub(b.f32(HALF_PI), x)), b.sub(asinTail(b, x), b.f32(HALF_PI_LOW)));
  return whereInUnit(b, x, b.select(isBelowHalf(b, x), near, b.select(isNegative, obtuse, angle)));
}

/** atan x - x for 0 ≤ x ≤ 1. */
function atanTail(b: ScalarBuilder, x: Scalar): Scalar {
  const square = b.mul(x, x);
  return b.mul(b.mul(x, square), polynomial(b, square, ATAN));
}

/** high - (y.high + y.low) + low. */
const subtractPair = (b: ScalarBuilder, high: number, y: Pair, low: number): Scalar => {
  const main = fastTwoDifference(b, b.f32(high), y.high);
  return b.add(main.high, b.add(main.low, b.sub(b.f32(low), y.low)));
};

export function atan(b: ScalarBuilder, x: Scalar): Scalar {
  const size = fromBits(b, magnitudeOf(b, x));
  const isLarge = b.lt(b.u32(ONE_BITS), magnitudeOf(b, x));
  // 1/x of an infinity or NaN is not asked for: atan is π/2 long before
  const capped = cappedSize(b, x, 2 ** 30);
  const unit = b.select(isLarge, b.div(b.f32(1), capped), size);
  const y: Pair = { high: unit, low: atanTail(b, unit) };
  const angle = b.select(isLarge, subtractPair(b, HALF_PI, y, HALF_PI_LOW), b.add(y.high, y.low));
  return orNaN(b, flipSign(b, angle, signOf(b, x)), x);
}

/** The angle of the point (x, y), in [-π, π]; signs of zeros and infinities as in C99 (F.10.1.4). */
export function atan2(b: ScalarBuilder, y: Scalar, x: Scalar): Scalar {
  const [sizeX, sizeY] = [magnitudeOf(b, x), magnitudeOf(b, y)];
  const least = b.min(sizeX, sizeY);
  const most = b.max(sizeX, sizeY);
  // far from 1 both are scaled: a device's division may flush 1 / most to 0
  const scale = b.select(
    b.lt(b.u32(magnitudeBits(2 ** 64)), most),
    b.f32(2 ** -64),
    b.select(b.lt(most, b.u32(magnitudeBits(2 ** -64))), b.f32(2 ** 64), b.f32(1)),
  );
  const near = b.mul(fromBits(b, least), scale);
  const far = b.mul(fromBits(b, most), scale);
  const isSame = b.eq(least, most); // 0 / 0 and ∞ / ∞ too
  const isZero = b.eq(most, b.u32(0));
  const ratio = quotient(b, near, b.select(isZero, b.f32(1), far));
  const unit = b.select(isSame, b.select(isZero, b.f32(0), b.f32(1)), ratio.high);
  // d atan q = dq / (1 + q²), for which 1 - q²/2 will do; what is behind tiny numbers may have been flushed
  const hasLow = b.and(b.not(isSame), b.and(b.le(b.f32(2 ** -100), near), b.le(b.f32(2 ** -100), unit)));
  const slope = b.sub(b.f32(1), b.mul(b.f32(0.5), b.mul(unit, unit)));
  const low = b.select(hasLow, b.mul(ratio.low, slope), b.f32(0));
  const angle: Pair = { high: unit, low: b.add(atanTail(b, unit), low) };

  const isSteep = b.lt(sizeX, sizeY);
  const isLeft = b.ne(signOf(b, x), b.u32(0));
  // right: a or π/2 - a; left: π - a or π/2 + a
  const mirror = b.select(isLeft, b.u32(0x80000000), b.u32(0));
  const steep: Pair = { high: flipSign(b, angle.high, mirror), low: flipSign(b, angle.low, mirror) };
  const fromSteep = subtractPair(b, HALF_PI, steep, HALF_PI_LOW);
  const flat = b.select(isLeft, subtractPair(b, Math.PI, angle, 2 * HALF_PI_LOW), b.add(angle.high, angle.low));
  const found = flipSign(b, b.select(isSteep, fromSteep, flat), signOf(b, y));
  return b.select(b.lt(b.u32(INFINITY_BITS), most), b.f32(NaN), found);
}
