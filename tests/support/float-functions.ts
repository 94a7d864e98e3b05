// Every expansion with its reference in f64, the bound it is held to, and where it deserves a closer look.
import type { Scalar, ScalarBuilder } from "../../compiler/ir/scalar.js";
import * as expand from "../../compiler/scalar/index.js";

export interface FloatFunction {
  readonly name: string;
  build(b: ScalarBuilder, x: Scalar): Scalar;
  /** In f64, good to many more bits than f32 has. */
  wide(x: number): number;
  /** Greatest error on IEEE arithmetic, in ulp of f32. */
  readonly ulp: number;
  /** Splits, thresholds, roots and edges of the domain. */
  readonly critical: readonly number[];
}

const everywhere = [0, 2 ** -149, 2 ** -126, 2 ** -25, 2 ** -14, 0.5, 1, 2, 2 ** 24, 3.4028234663852886e38, Infinity];
const both = (points: readonly number[]): number[] => points.flatMap((x) => [x, -x]);

const { pow, atan2, ...expansions } = { ...expand };

function define(
  name: keyof typeof expansions,
  ulp: number,
  wide: (x: number) => number,
  critical: readonly number[] = [],
): FloatFunction {
  return { name, build: expansions[name], wide, ulp, critical: both([...everywhere, ...critical]) };
}

const LN2 = Math.LN2;
const PI = Math.PI;
/** Numbers near multiples of π/2; the first is the f32 that is nearest to one (2^-29). */
const nearRoots = [16367173 * 2 ** 72, 355, 710, 103993, 51819 * PI, 2 ** 100 * PI];

export const floatFunctions: readonly FloatFunction[] = [
  define("exp", 1, Math.exp, [88.72283, -87.33654, -103.97208, -103.27893, LN2 / 2, 1.5 * LN2]),
  define("exp2", 1, (x) => 2 ** x, [127.99999, 128, 126, 149, 149.5, 150, 1.5]),
  define("expm1", 1.1, Math.expm1, [88.72283, 17.32868, 18, LN2 / 2, 1.5 * LN2, 44.015, 44.7]),
  define("logistic", 1.4, logistic, [88.72283, 103.97208, 16.6, 17.4, 104]),
  define("tanh", 1.4, Math.tanh, [0.625, 9.010913, 10]),
  define("sinh", 1.7, Math.sinh, [88.72283, 89.41598, 90]),
  define("cosh", 1.5, Math.cosh, [88.72283, 89.41598, 90]),
  define("erf", 1.4, erf, [0.9, 3.9192059, 3.95, 2 ** -60]),
  define("erfInv", 3.7, erfInv, [0.5, 0.75, 0.99663, 1 - 2 ** -24, 2 ** -60]),
  define("log", 1, Math.log, [Math.SQRT1_2, Math.SQRT2, 0.9999, 1.0001]),
  define("log2", 1.4, Math.log2, [Math.SQRT1_2, Math.SQRT2, 0.9999, 1.0001]),
  define("log1p", 1, Math.log1p, [Math.SQRT1_2 - 1, Math.SQRT2 - 1, -0.99999, 2 ** 100]),
  define("rsqrt", 1, (x) => 1 / Math.sqrt(x), [4]),
  define("cbrt", 1, Math.cbrt, [8, 27, 2 ** -127, 4]),
  define("sin", 1.6, Math.sin, [PI / 4, PI / 2, PI, 512, 1e8, ...nearRoots]),
  define("cos", 1.6, Math.cos, [PI / 4, PI / 2, PI, 512, 1e8, ...nearRoots]),
  define("tan", 1.8, Math.tan, [PI / 4, PI / 2, PI, 512, 1e8, ...nearRoots]),
  define("asin", 1, Math.asin),
  define("acos", 1.1, Math.acos),
  define("atan", 1.3, Math.atan, [2 ** 30]),
  define("asinh", 1.3, Math.asinh, [2 ** 28, Math.SQRT2]),
  define("acosh", 1.9, acosh, [2 ** 28, 1.1]),
  define("atanh", 1.1, Math.atanh),
];

function logistic(x: number): number {
  return x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x));
}

/** Math.acosh loses half its bits near 1. */
function acosh(x: number): number {
  if (x < 1) return Number.NaN;
  return x < 2 ? Math.log1p(x - 1 + Math.sqrt((x - 1) * (x + 1))) : Math.acosh(x);
}

/** Newton's method, from a start that is good to 2^-8 (Winitzki 2008). Near ±1 on erfc = 1 - erf, in f64 still to 2^-28. */
function erfInv(x: number): number {
  if (x === 0 || Number.isNaN(x)) return x;
  if (Math.abs(x) >= 1) return Math.abs(x) === 1 ? x * Infinity : NaN;
  const log = Math.log1p(-x * x);
  const a = 4.33 + log / 2;
  let y = Math.sign(x) * Math.sqrt(Math.max(0, Math.sqrt(a * a - log / 0.147) - a));
  if (Math.abs(x) < 1e-3) y = (Math.sqrt(PI) / 2) * (x + (PI / 12) * x ** 3);
  else for (let i = 0; i < 6; i++) y -= (erf(y) - x) * (Math.sqrt(PI) / 2) * Math.exp(y * y);
  return y;
}

/** 2/√π e^(-x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!, all of whose terms have one sign. */
function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(PI)) * Math.exp(-x * x) * sum;
}
