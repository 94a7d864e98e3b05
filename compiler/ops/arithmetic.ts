// Arithmetic: elementwise ops that the device computes exactly, up to rounding.

import { aval } from "../core/aval.js";
import { literal } from "../ir/graph.js";
import type { Operand } from "../trace/tensor.js";
import { eq, gt, lt, select } from "./compare.js";
import { binary, flat, unary } from "./define.js";

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

/** Largest whole number that is not above x. */
export const floor = unary("floor", { takes: ["f32"], scalar: (b, x) => b.floor(x), jvp: flat });

/** Smallest whole number that is not below x. */
export const ceil = unary("ceil", { takes: ["f32"], scalar: (b, x) => b.ceil(x), jvp: flat });

/** Nearest whole number, ties to even. */
export const round = unary("round", { takes: ["f32"], scalar: (b, x) => b.nearest(x), jvp: flat });
