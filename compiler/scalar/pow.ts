// pow: 2^(y log2 |x|), with the logarithm and the product held as pairs of f32.
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { exp2OfPair } from "./exp.js";
import {
  bitsOf,
  cappedSize,
  flipSign,
  fromBits,
  highHalf,
  INFINITY_BITS,
  magnitudeOf,
  ONE_BITS,
  type Pair,
  polynomial,
  signOf,
} from "./float.js";
import { splitExponent } from "./log.js";

// The scheme is that of fdlibm's e_powf.c (Sun Microsystems, Ian Lance Taylor): atanh series in s = (m - 1) / (m + 1),
// each product made exact by cutting its factors to 12 bits. Here m is in [√½, √2), without the table of two.

/** 3 (atanh s / s - 1 - s²/3) / s⁴ in s², |s| ≤ 0.172; error 2^-43 of atanh s. A minimax fit of ours, as in exp.ts. */
const ATANH = [0.59999996, 0.4285796, 0.33269423, 0.29339194];

/** 2 / (3 log 2) = HIGH + LOW; HIGH has 12 bits. */
const SCALE = 0.9617966939259756;
const SCALE_HIGH = 0.961669921875;
const SCALE_LOW = SCALE - SCALE_HIGH;

/** log2 x to about 2^-34 of itself, for positive finite x; `high` has 12 bits. */
function log2Pair(b: ScalarBuilder, x: Scalar): Pair {
  const { e, m } = splitExponent(b, x);
  const one = b.f32(1);
  const above = b.sub(m, one); // exact
  const sum = b.add(m, one);
  const sumHigh = highHalf(b, sum);
  const sumLow = b.sub(m, b.keep(b.sub(sumHigh, one))); // m + 1 = sumHigh + sumLow exactly
  const s = b.div(above, sum);
  const sHigh = highHalf(b, s);
  // what is left of (m - 1) after sHigh (m + 1): exact, so that s is good even where the device's division is not
  const rest = b.sub(b.keep(b.sub(above, b.mul(sHigh, sumHigh))), b.mul(sHigh, sumLow));
  const sLow = b.div(rest, sum);

  // 3 atanh(s) / s = 3 + s² + s⁴ (…) = threeHigh + threeLow
  const square = b.mul(s, s);
  const squareHigh = b.mul(sHigh, sHigh); // exact
  const fourth = b.add(b.mul(b.mul(square, square), polynomial(b, square, ATANH)), b.mul(sLow, b.add(sHigh, s)));
  const threeHigh = highHalf(b, b.add(b.add(b.f32(3), squareHigh), fourth));
  const threeLow = b.sub(fourth, b.keep(b.sub(b.keep(b.sub(threeHigh, b.f32(3))), squareHigh)));

  // times s
  const main = b.mul(sHigh, threeHigh); // exact
  const small = b.add(b.mul(sLow, threeHigh), b.mul(threeLow, s));
  const high = highHalf(b, b.add(main, small));
  const low = b.sub(small, b.keep(b.sub(high, main)));

  // times 2 / (3 log 2), plus e
  const mainLog = b.mul(b.f32(SCALE_HIGH), high); // exact
  const smallLog = b.add(b.mul(b.f32(SCALE_LOW), high), b.mul(low, b.f32(SCALE)));
  const n = b.cast(e, "f32");
  const logHigh = highHalf(b, b.add(b.keep(b.add(mainLog, smallLog)), n));
  const logLow = b.sub(smallLog, b.keep(b.sub(b.keep(b.sub(logHigh, n)), mainLog)));
  return { high: logHigh, low: logLow };
}

/** x^y with all the special cases of C99 (F.10.4.4): pow(x, 0) = pow(1, y) = 1, also for NaN. */
export function pow(b: ScalarBuilder, x: Scalar, y: Scalar): Scalar {
  const sizeX = magnitudeOf(b, x);
  const sizeY = magnitudeOf(b, y);
  const zero = b.u32(0);
  const infinity = b.u32(INFINITY_BITS);

  // from |y| = 2^31 on the result is 0, 1 or ∞ for every x, and y even
  const size = cappedSize(b, y, 2 ** 31);
  const power = flipSign(b, size, signOf(b, y));
  const isInteger = b.eq(b.trunc(size), size);
  const isOdd = b.and(isInteger, b.eq(b.and(b.cast(size, "u32"), b.u32(1)), b.u32(1)));
  const isNegativeX = b.ne(signOf(b, x), zero);
  const isNegativeY = b.ne(signOf(b, y), zero);

  // y log2 |x| = high + low
  const logarithm = log2Pair(b, fromBits(b, sizeX));
  const powerHigh = highHalf(b, power);
  const main = b.mul(powerHigh, logarithm.high); // exact
  const rest = b.add(b.mul(b.sub(power, powerHigh), logarithm.high), b.mul(power, logarithm.low));
  const sum = b.add(main, rest);
  const isFar = b.le(b.f32(151), b.abs(sum));
  const far = b.select(b.lt(sum, b.f32(0)), b.f32(-160), b.f32(160));
  const finite = exp2OfPair(b, b.select(isFar, far, main), b.select(isFar, b.f32(0), rest));

  const isZeroX = b.eq(sizeX, zero);
  const isEdgeX = b.or(isZeroX, b.eq(sizeX, infinity));
  const edge = b.select(b.xor(isZeroX, isNegativeY), b.f32(0), b.f32(Infinity));
  const positive = b.select(isEdgeX, edge, finite);
  const isFlipped = b.and(isNegativeX, isOdd);
  const signed = flipSign(b, positive, b.select(isFlipped, b.u32(0x80000000), zero));
  const isInvalid = b.or(
    b.and(b.and(isNegativeX, b.not(isInteger)), b.not(isEdgeX)),
    b.or(b.lt(infinity, sizeX), b.lt(infinity, sizeY)),
  );
  const isOne = b.or(b.eq(sizeY, zero), b.eq(bitsOf(b, x), b.u32(ONE_BITS)));
  return b.select(isOne, b.f32(1), b.select(isInvalid, b.f32(NaN), signed));
}
