// Arithmetic: elementwise ops that the device computes exactly, up to rounding.
import { binary, unary } from "./define.js";

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
});

/** x − y. Integers wrap. */
export const sub = binary("sub", {
  takes: numbers,
  scalar: (b, x, y) => b.sub(x, y),
  identity: ([, y]) => (Object.is(y, 0) ? 0 : undefined),
});

/** x · y. Integers wrap. */
export const mul = binary("mul", {
  takes: numbers,
  scalar: (b, x, y) => b.mul(x, y),
  identity: ([x, y]) => (y === 1 ? 0 : x === 1 ? 1 : undefined),
});

/** x / y. Integers truncate toward zero; by zero they give x, as WGSL does. */
export const div = binary("div", {
  takes: numbers,
  scalar: (b, x, y) => b.div(x, y),
  identity: ([, y]) => (y === 1 ? 0 : undefined),
  ulp: 3, // WGSL promises 2.5 for f32
});

/** The smaller one; NaN if either is NaN. */
export const min = binary("min", { takes: numbers, scalar: (b, x, y) => b.min(x, y) });

/** The larger one; NaN if either is NaN. */
export const max = binary("max", { takes: numbers, scalar: (b, x, y) => b.max(x, y) });

/** −x. */
export const neg = unary("neg", {
  takes: numbers,
  scalar: (b, x) => (x.type === "u32" ? b.sub(b.u32(0), x) : b.neg(x)),
});

/** |x|. */
export const abs = unary("abs", { takes: numbers, scalar: (b, x) => b.abs(x) });

/** −1, 0 or 1; of −0 it is −0, of NaN it is NaN. */
export const sign = unary("sign", {
  takes: numbers,
  scalar: (b, x) => {
    const zero = b.const(0, x.type);
    const one = b.const(1, x.type);
    if (x.type === "u32") return b.min(x, one);
    const signed = b.select(b.lt(zero, x), one, b.select(b.lt(x, zero), b.const(-1, x.type), x));
    return signed;
  },
});

/** x². */
export const square = unary("square", { takes: numbers, scalar: (b, x) => b.mul(x, x) });

/** √x; NaN below zero. */
export const sqrt = unary("sqrt", { takes: ["f32"], scalar: (b, x) => b.sqrt(x), domain: [0, 9], ulp: 3 });

/** Largest whole number that is not above x. */
export const floor = unary("floor", { takes: ["f32"], scalar: (b, x) => b.floor(x) });

/** Smallest whole number that is not below x. */
export const ceil = unary("ceil", { takes: ["f32"], scalar: (b, x) => b.ceil(x) });

/** Nearest whole number, ties to even. */
export const round = unary("round", { takes: ["f32"], scalar: (b, x) => b.nearest(x) });
