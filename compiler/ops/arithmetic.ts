// Arithmetic: elementwise ops that the device computes exactly, up to rounding.

import { aval } from "../core/aval.js";
import { literal } from "../ir/graph.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { fill } from "./axes.js";
import { and, eq, gt, lt, select } from "./compare.js";
import { binary, flat, ternary, unary } from "./define.js";

/** An f32 constant of a rule. */
const c = (value: number) => literal(value, aval("f32", []));

const numbers = ["f32", "i32", "u32"] as const;

/** x + y. Integers wrap. */
export const add = binary("add", {
  takes: numbers,
  scalar: (b, x, y) => b.add(x, y),
  // x + −0 is x; x + 0 is not, for x = −0
  identity: ([x, y], dtype) => {
    const zero = (c: number | undefined) => (dtype === "f32" ? Object.is(c, -0) : c === 0);
    return zero(y) ? 0 : zero(x) ? 1 : undefined;
  },
  jvp: [(d) => d, (d) => d],
  transpose: (ct, [x, y]) => [x ? undefined : ct, y ? undefined : ct],
});

/** x − y. Integers wrap. */
export const sub = binary("sub", {
  takes: numbers,
  scalar: (b, x, y) => b.sub(x, y),
  identity: ([, y]) => (Object.is(y, 0) ? 0 : undefined),
  jvp: [(d) => d, (d) => neg(d)],
  transpose: (ct, [x, y]) => [x ? undefined : ct, y ? undefined : neg(ct)],
});

/** x · y. Integers wrap. */
export const mul = binary("mul", {
  takes: numbers,
  scalar: (b, x, y) => b.mul(x, y),
  identity: ([x, y]) => (y === 1 ? 0 : x === 1 ? 1 : undefined),
  jvp: [(d, _x, y) => mul(d, y), (d, x) => mul(d, x)],
  transpose: (ct, [x, y]) => (y ? [mul(ct, y), undefined] : [undefined, mul(ct, x!)]),
});

/** x / y. Integers truncate toward zero; by zero they give x, as WGSL does. */
export const div = binary("div", {
  takes: numbers,
  scalar: (b, x, y) => b.div(x, y),
  identity: ([, y]) => (y === 1 ? 0 : undefined),
  jvp: [(d, _x, y) => div(d, y), (d, _x, y, z) => neg(mul(d, div(z, y)))],
  transpose: (ct, [, y]) => [div(ct, y!), undefined],
  ulp: 3, // WGSL promises 2.5 for f32
});

/**
 * What is left of x after whole multiples of y, with the sign of x: C's fmod, exact. Of infinite x or by 0 it is NaN,
 * for integers by 0 it is 0.
 */
export const rem = binary("rem", {
  takes: numbers,
  scalar: (b, x, y) => b.rem(x, y),
  // x − y trunc(x / y)
  jvp: [(d) => d, (d, x, y, z) => neg(mul(d, round(div(sub(x, z), y))))],
  domain: [
    [-8, 8],
    [0.5, 8],
  ],
});

/** x y + z, rounded once. */
export const fma = ternary("fma", {
  takes: ["f32"],
  scalar: (b, x, y, z) => b.fma(x, y, z),
  wide: (x, y, z) => x! * y! + z!,
  jvp: [(d, _x, y) => mul(d, y), (d, x) => mul(d, x), (d) => d],
});

/** x, but at least `low` and at most `high`, which wins; NaN if any is NaN. Flat outside, and at the bounds. */
export const clamp = ternary("clamp", {
  takes: numbers,
  scalar: (b, x, low, high) => b.min(b.max(x, low), high),
  jvp: [
    (d, x, low, high) => select(and(lt(low, x), lt(x, high)), d, zeros(d)),
    (d, x, low) => select(lt(x, low), d, zeros(d)),
    (d, x, _low, high) => select(gt(x, high), d, zeros(d)),
  ],
  domain: [
    [-8, 8],
    [-4, -1],
    [1, 4],
  ],
});

const zeros = (x: Tensor) => fill(c(0), x.aval.shape);

/** The smaller one; NaN if either is NaN. */
export const min = binary("min", {
  takes: numbers,
  scalar: (b, x, y) => b.min(x, y),
  jvp: [(d, x, y) => mul(d, share(lt(x, y), x, y)), (d, x, y) => mul(d, share(lt(y, x), x, y))],
});

/** The larger one; NaN if either is NaN. */
export const max = binary("max", {
  takes: numbers,
  scalar: (b, x, y) => b.max(x, y),
  jvp: [(d, x, y) => mul(d, share(gt(x, y), x, y)), (d, x, y) => mul(d, share(gt(y, x), x, y))],
});

/** 1 where an operand is the extreme one, ½ where both are, else 0. */
const share = (wins: Operand, x: Operand, y: Operand) => select(wins, c(1), select(eq(x, y), c(0.5), c(0)));

/** −x. */
export const neg = unary("neg", {
  takes: numbers,
  scalar: (b, x) => (x.type === "u32" ? b.sub(b.u32(0), x) : b.neg(x)),
  jvp: (dx) => neg(dx),
  transpose: (ct) => [neg(ct)],
});

/** |x|. */
export const abs = unary("abs", { takes: numbers, scalar: (b, x) => b.abs(x), jvp: (dx, x) => mul(dx, sign(x)) });

/** −1, 0 or 1; of −0 it is −0, of NaN it is NaN. */
export const sign = unary("sign", {
  takes: numbers,
  jvp: flat,
  scalar: (b, x) => {
    const zero = b.const(0, x.type);
    const one = b.const(1, x.type);
    if (x.type === "u32") return b.min(x, one);
    const signed = b.select(b.lt(zero, x), one, b.select(b.lt(x, zero), b.const(-1, x.type), x));
    return signed;
  },
});

/** x². */
export const square = unary("square", {
  takes: numbers,
  scalar: (b, x) => b.mul(x, x),
  jvp: (dx, x) => mul(dx, mul(x, c(2))),
});

/** √x; NaN below zero. */
export const sqrt = unary("sqrt", {
  takes: ["f32"],
  scalar: (b, x) => b.sqrt(x),
  jvp: (dx, _x, y) => div(mul(dx, c(0.5)), y),
  domain: [0, 9],
  ulp: 3,
});

/**
 * √(x² + y²) without overflow or underflow on the way; infinite if x or y is, also beside NaN. At the origin its
 * gradient is taken to be 0.
 */
export const hypot = binary("hypot", {
  takes: ["f32"],
  scalar(b, x, y) {
    const size = b.max(b.abs(x), b.abs(y));
    const isBig = b.lt(b.f32(2 ** 62), size);
    const isSmall = b.lt(size, b.f32(2 ** -30));
    const scale = b.select(isBig, b.f32(2 ** -70), b.select(isSmall, b.f32(2 ** 70), b.f32(1)));
    const back = b.select(isBig, b.f32(2 ** 70), b.select(isSmall, b.f32(2 ** -70), b.f32(1)));
    const [p, q] = [b.mul(x, scale), b.mul(y, scale)];
    const length = b.mul(b.sqrt(b.add(b.mul(p, p), b.mul(q, q))), back);
    return b.select(b.or(isInfinite(b, x), isInfinite(b, y)), b.f32(Infinity), length);
  },
  wide: Math.hypot,
  jvp: [(d, x, _y, z) => mul(d, cosine(x, z)), (d, _x, y, z) => mul(d, cosine(y, z))],
  ulp: 4,
});

const isInfinite = (b: ScalarBuilder, x: Scalar) =>
  b.eq(b.and(b.bitcast(x, "u32"), b.u32(0x7fffffff)), b.u32(0x7f800000));

/** Side over hypotenuse. */
const cosine = (side: Operand, z: Tensor) => div(side, select(eq(z, c(0)), c(1), z));

/** Nearest whole number toward zero. */
export const trunc = unary("trunc", { takes: ["f32"], scalar: (b, x) => b.trunc(x), jvp: flat });

/** Largest whole number that is not above x. */
export const floor = unary("floor", { takes: ["f32"], scalar: (b, x) => b.floor(x), jvp: flat });

/** Smallest whole number that is not below x. */
export const ceil = unary("ceil", { takes: ["f32"], scalar: (b, x) => b.ceil(x), jvp: flat });

/** Nearest whole number, ties to even. */
export const round = unary("round", { takes: ["f32"], scalar: (b, x) => b.nearest(x), jvp: flat });
