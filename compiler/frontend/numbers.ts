// Numbers as JavaScript has them, where at least one is traced: which dtype holds them, and how their bits are had.
import { aval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { type Shape, sameShape, showShape } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import * as ops from "../ops/index.js";
import { type Operand, Tensor } from "../trace/tensor.js";

/**
 * Bounds of a whole number, both inclusive. A traced JS number that is known to be whole and to stay within 32 bits is
 * held as i32, so that it is exact where f32 would not be; sums and products that may leave the bounds become f32.
 */
export type Range = readonly [low: number, high: number];

export const INT32: Range = [-(2 ** 31), 2 ** 31 - 1];

/** Bounds of a counter: a loop would have to count for longer than any kernel runs to leave them. */
export const COUNTER: Range = [-(2 ** 28), 2 ** 28];

/** i32 values that stand for JS numbers, by the variables of their graphs; other i32 are integer tensors of the user's. */
const ranges = new WeakMap<object, Range>();

/** f32 values computed from whole numbers, with their low 32 bits. Made anew for whoever asks: traces end. */
const wrapped = new WeakMap<object, LowBits>();

interface LowBits {
  readonly bits: () => Operand;
  /** Of the whole number that it is; JavaScript has it exactly. */
  readonly range: Range;
}

/** `variable + offset`, for loop counters and what is counted from them. */
export interface Affine {
  readonly base: object;
  readonly offset: number;
}
const affine = new WeakMap<object, Affine>();

const identityOf = (x: Tensor): object => x.traced?.atom ?? x;

/** Marks an i32 value as a JS number within `range`. */
export function asWhole(x: Tensor, range: Range, counts?: Affine): Tensor {
  ranges.set(identityOf(x), range);
  if (counts) affine.set(identityOf(x), counts);
  return x;
}

/** A loop counter: counted from itself. */
export const asCounter = (x: Tensor, range: Range): Tensor => asWhole(x, range, { base: identityOf(x), offset: 0 });

export const affineOf = (x: unknown): Affine | undefined =>
  x instanceof Tensor ? affine.get(identityOf(x)) : undefined;

/** Whether this is the value that a counter was made of. */
export const isBaseOf = (x: Tensor, { base }: Affine): boolean => identityOf(x) === base;

/** Whether the result of a function's Graph is a JS number that is held as i32. */
export const isWholeNumber = (x: object): boolean => ranges.has(x);

/** Bounds of a traced JS number that is held as i32, or of a JS number that is whole and small. */
export function rangeOf(x: unknown): Range | undefined {
  if (typeof x === "number") return isSmallWhole(x) ? [x, x] : undefined;
  return x instanceof Tensor ? ranges.get(identityOf(x)) : undefined;
}

const isSmallWhole = (x: number): boolean => Number.isInteger(x) && !Object.is(x, -0) && x >= INT32[0] && x <= INT32[1];

/** Whether integer arithmetic that wraps is what its user asked for: an i32 or u32 tensor of his. */
export const isIntegerTensor = (x: unknown): x is Tensor =>
  x instanceof Tensor && (x.dtype === "i32" || x.dtype === "u32") && !ranges.has(identityOf(x));

const inside = ([low, high]: Range, [least, most]: Range): boolean => low >= least && high <= most;

// ---------------------------------------------------------------------------------------------------------------------

/** A number or boolean of JavaScript, or a traced one. */
export type Numeric = number | boolean | Tensor;

export const isNumeric = (x: unknown): x is Numeric =>
  x instanceof Tensor || typeof x === "number" || typeof x === "boolean";

/** A constant; f32 ones keep all their digits, for the interpreter in f64. */
export const constant = (value: number, dtype: DType = "f32"): Operand => literal(value, aval(dtype, []));

/** As an operand of `dtype`. Whole numbers outside of i32 keep their low bits. */
export function toDType(x: Numeric, dtype: DType): Operand {
  if (x instanceof Tensor) {
    return x.dtype === dtype ? x : ops.cast(x, dtype);
  }
  const value = Number(x);
  if (dtype === "i32") return constant(value | 0, dtype);
  return constant(dtype === "u32" ? value >>> 0 : value, dtype);
}

/** Operands stretched to one shape, as numpy does; literals fit any. Throws what `wrong` makes. */
export function aligned(xs: readonly Operand[], wrong: (message: string) => Error): Operand[] {
  const arrays = xs.filter((x): x is Tensor => x instanceof Tensor);
  const rank = Math.max(0, ...arrays.map((x) => x.ndim));
  const shape: Shape = Array.from({ length: rank }, (_, i) => {
    const sizes = arrays.map((x) => x.shape[i - rank + x.ndim] ?? 1).filter((n) => n !== 1);
    const other = sizes.find((n) => n !== sizes[0]);
    if (other === undefined) return sizes[0] ?? 1;
    throw wrong(`shapes ${arrays.map((x) => showShape(x.shape)).join(" and ")} do not broadcast`);
  });
  return xs.map((x) => {
    if (!(x instanceof Tensor) || sameShape(x.shape, shape)) return x;
    return ops.broadcast(
      x,
      shape,
      x.shape.map((_, axis) => axis + rank - x.ndim),
    );
  });
}

/** The value as i32 where it is whole: exact, or its low 32 bits. */
function lowBits(x: Numeric): Operand | undefined {
  if (typeof x === "number") return Number.isSafeInteger(x) ? constant(x | 0, "i32") : undefined;
  if (typeof x === "boolean") return constant(Number(x), "i32");
  if (x.dtype === "f32") return wrapped.get(identityOf(x))?.bits();
  return x.dtype === "i32" ? x : ops.cast(x, "i32");
}

/** The value as i32, by which it is known exactly. */
function exactInt(x: Numeric): { readonly value: Operand; readonly range: Range } | undefined {
  if (typeof x === "boolean") return { value: constant(Number(x), "i32"), range: [Number(x), Number(x)] };
  if (x instanceof Tensor && x.dtype === "bool") return { value: ops.cast(x, "i32"), range: [0, 1] };
  const range = rangeOf(x);
  return range && { value: toDType(x, "i32"), range };
}

/** f32, with the low bits of what it was computed from beside it, unless JavaScript would have rounded that. */
function withLowBits(x: Tensor, range: Range | undefined, bits: () => Operand): Tensor {
  if (range && inside(range, SAFE)) wrapped.set(identityOf(x), { bits, range });
  return x;
}

const SAFE: Range = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];

/** Bounds of a whole number whose low bits are known. */
function boundsOf(x: Numeric): Range | undefined {
  if (typeof x === "number") return Number.isSafeInteger(x) ? [x, x] : undefined;
  if (typeof x === "boolean" || x.dtype === "bool") return [0, 1];
  if (x.dtype === "f32") return wrapped.get(identityOf(x))?.range;
  return x.dtype === "u32" ? [0, 2 ** 32 - 1] : (rangeOf(x) ?? INT32);
}

// ---------------------------------------------------------------------------------------------------------------------

type Arithmetic = "+" | "-" | "*";

const arithmetic = {
  "+": { op: ops.add, range: ([a, b]: Range, [c, d]: Range): Range => [a + c, b + d] },
  "-": { op: ops.sub, range: ([a, b]: Range, [c, d]: Range): Range => [a - d, b - c] },
  "*": {
    op: ops.mul,
    range: ([a, b]: Range, [c, d]: Range): Range => {
      const ends = [a * c, a * d, b * c, b * d];
      return [Math.min(...ends), Math.max(...ends)];
    },
  },
} as const;

/** x + y, x − y, x · y, one of them traced. */
export function addMultiply(operator: Arithmetic, x: Numeric, y: Numeric, wrong: (message: string) => Error): Tensor {
  const { op, range } = arithmetic[operator];
  const apply = (a: Operand, b: Operand): Tensor => {
    const [p, q] = aligned([a, b], wrong);
    return op(p!, q!);
  };
  const strong = commonInteger(x, y);
  if (strong) return apply(toDType(x, strong), toDType(y, strong));
  const [a, b] = [exactInt(x), exactInt(y)];
  if (a && b) {
    const bounds = range(a.range, b.range);
    if (inside(bounds, INT32)) return asWhole(apply(a.value, b.value), bounds, counted(operator, x, y));
  }
  const result = apply(toDType(x, "f32"), toDType(y, "f32"));
  const [p, q] = [boundsOf(x), boundsOf(y)];
  return withLowBits(result, p && q && range(p, q), () => apply(lowBits(x)!, lowBits(y)!));
}

/** i + c, i − c, c + i for a counter i. */
function counted(operator: Arithmetic, x: Numeric, y: Numeric): Affine | undefined {
  const [i, j] = [affineOf(x), affineOf(y)];
  if (i && typeof y === "number" && operator !== "*")
    return { base: i.base, offset: operator === "+" ? i.offset + y : i.offset - y };
  return j && typeof x === "number" && operator === "+" ? { base: j.base, offset: j.offset + x } : undefined;
}

/** The integer dtype of the user's that both have, or that one has and the other adapts to. */
function commonInteger(x: Numeric, y: Numeric): "i32" | "u32" | undefined {
  if (!isIntegerTensor(x) && !isIntegerTensor(y)) return undefined;
  const dtypes = [x, y].map((v) => {
    if (typeof v === "number") return isSmallWhole(v) ? (v < 0 ? "i32" : "any") : "f32";
    if (typeof v === "boolean" || v.dtype === "bool") return "any";
    return v.dtype === "i32" && !isIntegerTensor(v) ? "any" : v.dtype;
  });
  if (dtypes.includes("f32")) return undefined;
  return dtypes.includes("i32") ? "i32" : "u32";
}

/** x / y as f32. */
export function divide(x: Numeric, y: Numeric, wrong: (message: string) => Error): Tensor {
  const [a, b] = aligned([toDType(x, "f32"), toDType(y, "f32")], wrong);
  return ops.div(a!, b!);
}

/** x % y with the sign of x. */
export function remainder(x: Numeric, y: Numeric, wrong: (message: string) => Error): Tensor {
  const apply = (a: Operand, b: Operand): Tensor => {
    const [p, q] = aligned([a, b], wrong);
    return ops.rem(p!, q!);
  };
  const strong = commonInteger(x, y);
  if (strong) return apply(toDType(x, strong), toDType(y, strong));
  const [a, b] = [exactInt(x), exactInt(y)];
  // by 0 it is NaN, which integers do not have
  if (a && b && (b.range[0] > 0 || b.range[1] < 0)) {
    const most = Math.min(
      Math.max(Math.abs(b.range[0]), Math.abs(b.range[1])) - 1,
      Math.max(Math.abs(a.range[0]), Math.abs(a.range[1])),
    );
    return asWhole(apply(a.value, b.value), [a.range[0] < 0 ? -most : 0, a.range[1] > 0 ? most : 0]);
  }
  return apply(toDType(x, "f32"), toDType(y, "f32"));
}

/** xʸ. */
export function power(x: Numeric, y: Numeric, wrong: (message: string) => Error): Tensor {
  if (y === 2) return addMultiply("*", x, x, wrong); // the same digits as Math.pow gives
  if (y === 1 && x instanceof Tensor) return x.dtype === "bool" ? ops.cast(x, "f32") : x;
  const [a, b] = aligned([toDType(x, "f32"), toDType(y, "f32")], wrong);
  const result = ops.pow(a!, b!);
  if (typeof y === "number" && Number.isFinite(y)) return result;
  // unlike in IEEE, 1 to the NaN and ±1 to the ±∞ are NaN
  const isOne = ops.eq(ops.abs(a instanceof Tensor ? a : ops.fill(a!, [])), constant(1));
  const isOpen = ops.not(ops.isFiniteNumber(b!));
  const [p, q] = aligned([isOne, isOpen], wrong);
  return ops.select(ops.and(p!, q!), constant(Number.NaN), result);
}

/** −x. */
export function negate(x: Tensor): Tensor {
  const whole = exactInt(x);
  if (whole && whole.range[0] > INT32[0])
    return asWhole(ops.neg(whole.value), [0 - whole.range[1], 0 - whole.range[0]]);
  if (isIntegerTensor(x)) return ops.neg(x);
  const result = ops.neg(toDType(x, "f32"));
  const bounds = boundsOf(x);
  return withLowBits(result, bounds && [0 - bounds[1], 0 - bounds[0]], () => ops.neg(lowBits(x)!));
}

/** As a number: booleans count 0 and 1. */
export const toNumber = (x: Tensor): Tensor => (x.dtype === "bool" ? asWhole(ops.cast(x, "i32"), [0, 1]) : x);

// ---------------------------------------------------------------------------------------------------------------------

/**
 * ToInt32 (ECMA-262 7.1.6): the whole part modulo 2³²; 0 for NaN and the infinities.
 */
function toInt32(x: Numeric): Operand {
  const bits = lowBits(x);
  if (bits) return bits;
  if (!(x instanceof Tensor)) return constant(Number(x) | 0, "i32");
  const whole = ops.trunc(x);
  // powers of two scale without rounding, so that this is exact where |x| ≥ 2³¹
  const rest = ops.sub(whole, ops.mul(ops.floor(ops.mul(whole, constant(2 ** -32))), constant(2 ** 32)));
  const high = ops.select(ops.ge(rest, constant(2 ** 31)), ops.sub(rest, constant(2 ** 32)), rest);
  return ops.cast(ops.select(ops.lt(ops.abs(whole), constant(2 ** 31)), whole, high), "i32");
}

type Bitwise = "&" | "|" | "^" | "<<" | ">>" | ">>>";

/** Bitwise operators on 32 bits; of u32 tensors of the user's `>>` and `>>>` are the same. */
export function bitwise(operator: Bitwise, x: Numeric, y: Numeric, wrong: (message: string) => Error): Tensor {
  const unsigned = isIntegerTensor(x) && x.dtype === "u32";
  const keepsInteger = unsigned || commonInteger(x, y) !== undefined;
  const [a, b] = aligned([toInt32(x), toInt32(y)], wrong) as [Operand, Operand];
  const result = shiftOrCombine(operator, a, b, x, y, unsigned);
  if (keepsInteger && operator !== ">>>") return forgetRange(unsigned ? ops.cast(result, "u32") : result);
  return result;
}

/** An i32 value that is an integer tensor of the user's. */
const forgetRange = (x: Tensor): Tensor => {
  ranges.delete(identityOf(x));
  return x;
};

function shiftOrCombine(operator: Bitwise, a: Operand, b: Operand, x: Numeric, y: Numeric, unsigned: boolean): Tensor {
  const masks = [x, y].map((v) => rangeOf(v)).filter((range) => range !== undefined && range[0] >= 0);
  const least = Math.min(...masks.map((range) => range![1]));
  switch (operator) {
    case "&":
      return asWhole(ops.and(a, b), masks.length > 0 ? [0, least] : INT32);
    case "|":
      return asWhole(ops.or(a, b), INT32);
    case "^":
      return asWhole(ops.xor(a, b), INT32);
  }
  const count = y instanceof Tensor ? ops.and(b, constant(31, "i32")) : constant(Number(y) & 31, "i32");
  const by = count instanceof Tensor ? ops.cast(count, "u32") : constant(count.value, "u32");
  if (operator === "<<") return asWhole(ops.shiftLeft(a, count), INT32);
  if (operator === ">>" && !unsigned) {
    const [low, high] = rangeOf(x) ?? INT32;
    const steps = typeof y === "number" ? y & 31 : 0;
    return asWhole(ops.shiftRightArithmetic(a, count), [low >> steps, high >> steps]);
  }
  const word = a instanceof Tensor ? ops.cast(a, "u32") : constant(a.value >>> 0, "u32");
  const shifted = ops.shiftRightLogical(word, by);
  const steps = typeof y === "number" ? y & 31 : 0;
  if (steps > 0) return asWhole(ops.cast(shifted, "i32"), [0, 2 ** (32 - steps) - 1]);
  return withLowBits(ops.cast(shifted, "f32"), [0, 2 ** 32 - 1], () => ops.cast(shifted, "i32"));
}

/** ~x */
export function complement(x: Tensor): Tensor {
  const result = ops.not(toInt32(x));
  return isIntegerTensor(x) ? result : asWhole(result, INT32);
}

/** Product of 32 bits, as Math.imul. */
export const multiply32 = (x: Numeric, y: Numeric): Tensor => asWhole(ops.mul(toInt32(x), toInt32(y)), INT32);

/** Zeros above the first one of 32 bits. */
export const leadingZeros = (x: Tensor): Tensor => asWhole(ops.clz(toInt32(x)), [0, 32]);

// ---------------------------------------------------------------------------------------------------------------------

export type Order = "<" | "<=" | ">" | ">=";

/** A comparison of a counter with a number that does not change. */
export interface Comparison {
  readonly operator: Order | "!==";
  readonly left: Affine;
  readonly bound: number;
}
const comparisons = new WeakMap<object, Comparison>();

/** What a condition compares, where it is a counter with a number. */
export const comparisonOf = (x: unknown): Comparison | undefined =>
  x instanceof Tensor ? comparisons.get(identityOf(x)) : undefined;

const orders = { "<": ops.lt, "<=": ops.le, ">": ops.gt, ">=": ops.ge } as const;
const mirrored = { "<": ">", "<=": ">=", ">": "<", ">=": "<=" } as const;

/** x < y and its kin, in whole numbers where both are. */
export function compare(operator: Order, x: Numeric, y: Numeric, wrong: (message: string) => Error): Tensor {
  const [a, b] = aligned(inCommon(x, y), wrong);
  const result = orders[operator](a!, b!);
  const [i, j] = [affineOf(x), affineOf(y)];
  if (i && typeof y === "number") comparisons.set(identityOf(result), { operator, left: i, bound: y });
  if (j && typeof x === "number")
    comparisons.set(identityOf(result), { operator: mirrored[operator], left: j, bound: x });
  return result;
}

/** Whether two numbers, or two booleans, are equal. */
export function equal(x: Numeric, y: Numeric, negated: boolean, wrong: (message: string) => Error): Tensor {
  const isBool = (v: Numeric): boolean => typeof v === "boolean" || (v instanceof Tensor && v.dtype === "bool");
  const pair = isBool(x) && isBool(y) ? [toDType(x, "bool"), toDType(y, "bool")] : inCommon(x, y);
  const [a, b] = aligned(pair, wrong);
  const result = (negated ? ops.ne : ops.eq)(a!, b!);
  const i = affineOf(x);
  if (negated && i && typeof y === "number")
    comparisons.set(identityOf(result), { operator: "!==", left: i, bound: y });
  return result;
}

/** Both in a dtype in which they compare as JavaScript would. */
function inCommon(x: Numeric, y: Numeric): [Operand, Operand] {
  const strong = commonInteger(x, y);
  if (strong) return [toDType(x, strong), toDType(y, strong)];
  const [a, b] = [exactInt(x), exactInt(y)];
  return a && b ? [a.value, b.value] : [toDType(x, "f32"), toDType(y, "f32")];
}

/** Whether a scalar holds in a condition: not 0, not NaN. */
export function truth(x: Tensor): Tensor {
  if (x.dtype === "bool") return x;
  const zero = constant(0, x.dtype);
  const isThere = ops.ne(x, zero);
  return x.dtype === "f32" ? ops.and(isThere, ops.not(ops.isNan(x))) : isThere;
}
