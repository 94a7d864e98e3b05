// Transcendental functions. Their f32 values come from one expansion for every backend; WGSL's own are not good enough.

import { aval } from "../core/aval.js";
import { literal } from "../ir/graph.js";
import * as expand from "../scalar/index.js";
import type { Operand } from "../trace/tensor.js";
import { add, div, mul, neg, square, sub } from "./arithmetic.js";
import { eq, gt, select } from "./compare.js";
import { binary, unary } from "./define.js";

/** An f32 constant of a rule. */
const c = (value: number) => literal(value, aval("f32", []));

/** 1 + x², 1 − x². */
const onePlusSquare = (x: Operand) => add(square(x), c(1));
const oneMinusSquare = (x: Operand) => mul(sub(c(1), x), add(c(1), x));

const float = ["f32"] as const;

/** eˣ. */
export const exp = unary("exp", {
  takes: float,
  scalar: expand.exp,
  jvp: (dx, _x, y) => mul(dx, y),
  wide: Math.exp,
  domain: [-20, 20],
  ulp: 4,
});

/** Natural logarithm; NaN below zero. */
export const log = unary("log", {
  takes: float,
  scalar: expand.log,
  jvp: (dx, x) => div(dx, x),
  wide: Math.log,
  domain: [0.01, 50],
  ulp: 4,
});

/** Sine of an angle in radians. */
export const sin = unary("sin", {
  takes: float,
  scalar: expand.sin,
  jvp: (dx, x) => mul(dx, cos(x)),
  wide: Math.sin,
  domain: [-20, 20],
  ulp: 4,
});

/** Cosine of an angle in radians. */
export const cos = unary("cos", {
  takes: float,
  scalar: expand.cos,
  jvp: (dx, x) => neg(mul(dx, sin(x))),
  wide: Math.cos,
  domain: [-20, 20],
  ulp: 4,
});

/** Hyperbolic tangent. */
export const tanh = unary("tanh", {
  takes: float,
  scalar: expand.tanh,
  jvp: (dx, _x, y) => mul(dx, oneMinusSquare(y)),
  wide: Math.tanh,
  ulp: 4,
});

/** 1/√x. */
export const rsqrt = unary("rsqrt", {
  takes: float,
  scalar: expand.rsqrt,
  jvp: (dx, x, y) => mul(dx, mul(c(-0.5), div(y, x))),
  wide: (x) => 1 / Math.sqrt(x),
  domain: [0.01, 9],
  ulp: 4,
});

/** xʸ. For integers, y below 0 gives 0 but for x = ±1. */
export const pow = binary("pow", {
  takes: float,
  scalar: expand.pow,
  jvp: [
    (d, x, y) => mul(d, select(eq(y, c(0)), c(0), mul(y, pow(x, sub(y, c(1)))))),
    // xʸ ln x, which is 0 at x = 0
    (d, x, _y, z) => mul(d, select(gt(x, c(0)), mul(z, log(select(gt(x, c(0)), x, c(1)))), c(0))),
  ],
  wide: (x, y) => (x === 1 || y === 0 ? 1 : x === -1 && Math.abs(y) === Infinity ? 1 : x ** y),
  domain: [
    [0.1, 8],
    [-4, 4],
  ],
  ulp: 4,
});

/** 2ˣ. */
export const exp2 = unary("exp2", {
  takes: float,
  scalar: expand.exp2,
  jvp: (dx, _x, y) => mul(dx, mul(y, c(Math.LN2))),
  wide: (x) => 2 ** x,
  domain: [-20, 20],
  ulp: 4,
});

/** eˣ − 1, accurate near 0. */
export const expm1 = unary("expm1", {
  takes: float,
  scalar: expand.expm1,
  jvp: (dx, _x, y) => mul(dx, add(y, c(1))),
  wide: Math.expm1,
  ulp: 4,
});

/** Logarithm to base 2; NaN below zero. */
export const log2 = unary("log2", {
  takes: float,
  scalar: expand.log2,
  jvp: (dx, x) => div(dx, mul(x, c(Math.LN2))),
  wide: Math.log2,
  domain: [0.01, 50],
  ulp: 4,
});

/** ln(1 + x), accurate near 0. */
export const log1p = unary("log1p", {
  takes: float,
  scalar: expand.log1p,
  jvp: (dx, x) => div(dx, add(x, c(1))),
  wide: Math.log1p,
  domain: [-0.9, 20],
  ulp: 4,
});

/** 1 / (1 + e⁻ˣ). */
export const logistic = unary("logistic", {
  takes: float,
  scalar: expand.logistic,
  jvp: (dx, _x, y) => mul(dx, mul(y, sub(c(1), y))),
  wide: (x) => 1 / (1 + Math.exp(-x)),
  ulp: 4,
});

/** Cube root, also of negative numbers. */
export const cbrt = unary("cbrt", {
  takes: float,
  scalar: expand.cbrt,
  jvp: (dx, x, y) => div(mul(dx, y), mul(x, c(3))),
  wide: Math.cbrt,
  ulp: 4,
});

/** Tangent of an angle in radians. */
export const tan = unary("tan", {
  takes: float,
  scalar: expand.tan,
  jvp: (dx, _x, y) => mul(dx, onePlusSquare(y)),
  wide: Math.tan,
  domain: [-20, 20],
  ulp: 4,
});

/** Arc sine in [−π/2, π/2]; NaN outside of [−1, 1]. */
export const asin = unary("asin", {
  takes: float,
  scalar: expand.asin,
  jvp: (dx, x) => mul(dx, rsqrt(oneMinusSquare(x))),
  wide: Math.asin,
  domain: [-1, 1],
  ulp: 4,
});

/** Arc cosine in [0, π]; NaN outside of [−1, 1]. */
export const acos = unary("acos", {
  takes: float,
  scalar: expand.acos,
  jvp: (dx, x) => neg(mul(dx, rsqrt(oneMinusSquare(x)))),
  wide: Math.acos,
  domain: [-1, 1],
  ulp: 4,
});

/** Arc tangent in [−π/2, π/2]. */
export const atan = unary("atan", {
  takes: float,
  scalar: expand.atan,
  jvp: (dx, x) => div(dx, onePlusSquare(x)),
  wide: Math.atan,
  ulp: 4,
});

/** Angle of the point (x, y) = (second operand, first operand), in [−π, π]. */
export const atan2 = binary("atan2", {
  takes: float,
  scalar: expand.atan2,
  jvp: [
    (d, y, x) => mul(d, div(x, add(square(x), square(y)))),
    (d, y, x) => neg(mul(d, div(y, add(square(x), square(y))))),
  ],
  wide: Math.atan2,
  ulp: 4,
});

/** Hyperbolic sine. */
export const sinh = unary("sinh", {
  takes: float,
  scalar: expand.sinh,
  jvp: (dx, x) => mul(dx, cosh(x)),
  wide: Math.sinh,
  ulp: 4,
});

/** Hyperbolic cosine. */
export const cosh = unary("cosh", {
  takes: float,
  scalar: expand.cosh,
  jvp: (dx, x) => mul(dx, sinh(x)),
  wide: Math.cosh,
  ulp: 4,
});

/** Inverse of sinh. */
export const asinh = unary("asinh", {
  takes: float,
  scalar: expand.asinh,
  jvp: (dx, x) => mul(dx, rsqrt(onePlusSquare(x))),
  wide: Math.asinh,
  ulp: 4,
});

/** Inverse of cosh; NaN below 1. */
export const acosh = unary("acosh", {
  takes: float,
  scalar: expand.acosh,
  jvp: (dx, x) => mul(dx, rsqrt(mul(sub(x, c(1)), add(x, c(1))))),
  wide: Math.acosh,
  domain: [1, 20],
  ulp: 4,
});

/** Inverse of tanh; NaN outside of [−1, 1]. */
export const atanh = unary("atanh", {
  takes: float,
  scalar: expand.atanh,
  jvp: (dx, x) => div(dx, oneMinusSquare(x)),
  wide: Math.atanh,
  domain: [-0.95, 0.95],
  ulp: 4,
});

/** Error function, 2/√π ∫₀ˣ e^(−t²) dt. */
export const erf = unary("erf", {
  takes: float,
  scalar: expand.erf,
  jvp: (dx, x) => mul(dx, mul(c(2 / Math.sqrt(Math.PI)), exp(neg(square(x))))),
  wide: wideErf,
  domain: [-5, 5],
  ulp: 4,
});

/** Inverse of erf; NaN outside of [−1, 1]. */
export const erfInv = unary("erfInv", {
  takes: float,
  scalar: expand.erfInv,
  jvp: (dx, _x, y) => mul(dx, mul(c(Math.sqrt(Math.PI) / 2), exp(square(y)))),
  wide: wideErfInv,
  domain: [-0.99, 0.99],
  ulp: 4,
});

/** Steps of Halley's from Winitzki's approximation ("A handy approximation for the error function", 2008). */
function wideErfInv(x: number): number {
  if (!(Math.abs(x) < 1)) return x * Infinity * (Math.abs(x) > 1 ? 0 : 1);
  const log = Math.log1p(-x * x);
  const a = 2 / (Math.PI * 0.147) + log / 2;
  let y = Math.sign(x) * Math.sqrt(-log / 0.147 / (a + Math.sqrt(a * a - log / 0.147)));
  for (let i = 0; i < 4; i++) {
    const step = (wideErf(y) - x) / ((2 / Math.sqrt(Math.PI)) * Math.exp(-y * y));
    y -= step / (1 + y * step);
  }
  return x === 0 ? x : y;
}

/** Kummer's series erf x = 2/√π e^(−x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!, all of one sign (Abramowitz and Stegun 7.1.6). */
function wideErf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
