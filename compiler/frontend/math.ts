// Math and Number on traced values.
import * as ops from "../ops/index.js";
import { type Operand, Tensor } from "../trace/tensor.js";
import {
  aligned,
  asWhole,
  constant,
  INT32,
  leadingZeros,
  multiply32,
  type Numeric,
  power,
  type Range,
  rangeOf,
  toDType,
  toNumber,
  truth,
} from "./numbers.js";

type Wrong = (message: string) => Error;

/** A function of the standard library on numbers, of which at least one is traced. */
export type NumberFunction = (args: readonly Numeric[], wrong: Wrong) => Tensor;

const f32 = (x: Numeric): Operand => toDType(x, "f32");

const float =
  (op: (x: Operand) => Tensor): NumberFunction =>
  ([x]) =>
    op(f32(x ?? Number.NaN));

/** Whole numbers are what they are. */
const rounding =
  (op: (x: Operand) => Tensor): NumberFunction =>
  ([x]) => {
    const value = x as Tensor;
    return value.dtype === "f32" ? op(value) : toNumber(value);
  };

/** Math.round: halves go up, and what is negative to −0. */
function round(x: Operand): Tensor {
  const below = ops.floor(x);
  const isUp = ops.ge(ops.sub(x, below), constant(0.5));
  const above = ops.select(ops.eq(below, constant(-1)), constant(-0), ops.add(below, constant(1)));
  return ops.select(isUp, above, below);
}

/** Math.max and Math.min: NaN if any is; of whole numbers a whole one. */
const extreme =
  (op: (x: Operand, y: Operand) => Tensor, pick: (...xs: number[]) => number): NumberFunction =>
  (args, wrong) =>
    args.reduce((a, b) => {
      if (!(a instanceof Tensor) && !(b instanceof Tensor)) return pick(Number(a), Number(b));
      const [p, q] = [rangeOf(a), rangeOf(b)];
      const dtype =
        p && q
          ? "i32"
          : a instanceof Tensor && b instanceof Tensor && a.dtype === b.dtype && a.dtype !== "bool"
            ? a.dtype
            : "f32";
      const [x, y] = aligned([toDType(a, dtype), toDType(b, dtype)], wrong);
      const result = op(x!, y!);
      if (!p || !q) return result;
      const range: Range = [pick(p[0], q[0]), pick(p[1], q[1])];
      return asWhole(result, range);
    }) as Tensor;

/**
 * Math.hypot, of more than two as V8 computes it: scaled by the largest, with a compensated sum (Kahan, "Further remarks
 * on reducing truncation errors", 1965).
 */
const hypot: NumberFunction = (args) => {
  const xs = args.map((x) => ops.abs(toTensor(f32(x))));
  if (xs.length === 1) return xs[0]!;
  if (xs.length === 2) return ops.hypot(xs[0]!, xs[1]!);
  const largest = xs.reduce((a, b) => ops.max(a, b));
  const isFlat = ops.eq(largest, constant(0));
  const scale = ops.select(isFlat, constant(1), largest);
  let sum: Operand = constant(0);
  let lost: Operand = constant(0);
  for (const x of xs) {
    const n = ops.div(x, scale);
    const summand = ops.sub(ops.mul(n, n), lost);
    const next = ops.add(sum, summand);
    lost = ops.sub(ops.sub(next, sum), summand);
    sum = next;
  }
  const infinite = xs.map((x) => ops.isInf(x)).reduce((a, b) => ops.or(a, b));
  return ops.select(infinite, constant(Number.POSITIVE_INFINITY), ops.mul(ops.sqrt(sum), scale));
};

const toTensor = (x: Operand): Tensor => (x instanceof Tensor ? x : ops.fill(x, []));

const absolute: NumberFunction = ([x]) => {
  const value = toNumber(x as Tensor);
  const range = rangeOf(value);
  if (!range) return ops.abs(value);
  if (range[0] === INT32[0]) return ops.abs(f32(value));
  return asWhole(ops.abs(value), [range[0] > 0 ? range[0] : 0, Math.max(Math.abs(range[0]), Math.abs(range[1]))]);
};

/** A question for numbers; a boolean is one only where it is converted first. */
const predicate =
  (op: (x: Operand) => Tensor, ofWhole: boolean, converts = false): NumberFunction =>
  ([x]) => {
    const value = x as Tensor;
    if (value.dtype === "f32") return op(value);
    return ops.fill(constant(Number(ofWhole && (converts || value.dtype !== "bool")), "bool"), value.shape);
  };

const isWhole = (x: Operand): Tensor => ops.and(ops.isFiniteNumber(x), ops.eq(ops.trunc(x), x));
const isSafe = (x: Operand): Tensor => ops.and(isWhole(x), ops.le(ops.abs(toTensor(x)), constant(2 ** 53 - 1)));

/** Functions of whole standard objects by their own identity, so that `const { sin } = Math` is the same. */
export const numberFunctions: ReadonlyMap<unknown, NumberFunction> = new Map<unknown, NumberFunction>([
  [Math.abs, absolute],
  [Math.sign, ([x]) => ops.sign(toNumber(x as Tensor))],
  [Math.floor, rounding(ops.floor)],
  [Math.ceil, rounding(ops.ceil)],
  [Math.trunc, rounding(ops.trunc)],
  [Math.round, rounding(round)],
  [Math.sqrt, float(ops.sqrt)],
  [Math.cbrt, float(ops.cbrt)],
  [Math.exp, float(ops.exp)],
  [Math.expm1, float(ops.expm1)],
  [Math.log, float(ops.log)],
  [Math.log1p, float(ops.log1p)],
  [Math.log2, float(ops.log2)],
  [Math.log10, float((x) => ops.div(ops.log(x), constant(Math.LN10)))],
  [Math.sin, float(ops.sin)],
  [Math.cos, float(ops.cos)],
  [Math.tan, float(ops.tan)],
  [Math.asin, float(ops.asin)],
  [Math.acos, float(ops.acos)],
  [Math.atan, float(ops.atan)],
  [Math.sinh, float(ops.sinh)],
  [Math.cosh, float(ops.cosh)],
  [Math.tanh, float(ops.tanh)],
  [Math.asinh, float(ops.asinh)],
  [Math.acosh, float(ops.acosh)],
  [Math.atanh, float(ops.atanh)],
  [Math.fround, float(toTensor)],
  [
    Math.atan2,
    ([y, x], wrong) => {
      const [a, b] = aligned([f32(y ?? Number.NaN), f32(x ?? Number.NaN)], wrong);
      return ops.atan2(a!, b!);
    },
  ],
  [Math.pow, ([x, y], wrong) => power(x ?? Number.NaN, y ?? Number.NaN, wrong)],
  [Math.max, extreme(ops.max, Math.max)],
  [Math.min, extreme(ops.min, Math.min)],
  [Math.hypot, hypot],
  [Math.imul, ([x, y]) => multiply32(x ?? 0, y ?? 0)],
  [Math.clz32, ([x]) => leadingZeros(x as Tensor)],
  [Number, ([x]) => toNumber(x as Tensor)],
  [Boolean, ([x]) => truth(x as Tensor)],
  [Number.isNaN, predicate(ops.isNan, false)],
  // biome-ignore lint/suspicious/noGlobalIsNan: users call it
  [globalThis.isNaN, predicate(ops.isNan, false)],
  [Number.isFinite, predicate(ops.isFiniteNumber, true)],
  // biome-ignore lint/suspicious/noGlobalIsFinite: users call it
  [globalThis.isFinite, predicate(ops.isFiniteNumber, true, true)],
  [Number.isInteger, predicate(isWhole, true)],
  [Number.isSafeInteger, predicate(isSafe, true)],
]);
