// Elementwise functions under their numpy names, with broadcasting and promotion.
import { checkDType, type DType } from "../../compiler/core/dtype.js";
import { ValueError } from "../../compiler/core/errors.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { type Operand, Tensor } from "../../compiler/trace/tensor.js";
import { withPlace } from "../../compiler/trace/trace.js";
import { alike, operand, promotedDType, toDType, together } from "./promote.js";

type UnaryFunction = (x: TensorLike) => Tensor;
type BinaryFunction = (x: TensorLike, y: TensorLike) => Tensor;

/** Numbers: bool counts as i32. */
function arithmetic(name: string, op: (x: Operand, y: Operand) => Tensor): BinaryFunction {
  return (x, y) => {
    const operands = [operand(x, name), operand(y, name)];
    const common = promotedDType(operands);
    const dtype = common === "bool" ? "i32" : common;
    const [a, b] = alike(
      name,
      operands.map((v) => toDType(v, dtype, name)),
    );
    return op(a!, b!);
  };
}

const isBool = (x: Operand): boolean => x.aval.dtype === "bool";

/** Integers become f32. */
function float(name: string, op: (x: Operand) => Tensor): UnaryFunction {
  return (x) => op(toDType(operand(x, name), "f32", name));
}

function number(name: string, op: (x: Operand) => Tensor): UnaryFunction {
  return (x) => {
    const a = operand(x, name);
    return op(isBool(a) ? toDType(a, "i32", name) : a);
  };
}

function comparison(name: string, op: (x: Operand, y: Operand) => Tensor): BinaryFunction {
  return (x, y) => {
    const [a, b] = together(name, [x, y]);
    const ordered = a!.aval.dtype === "bool" && name !== "equal" && name !== "notEqual";
    return ordered ? op(toDType(a!, "u32", name), toDType(b!, "u32", name)) : op(a!, b!);
  };
}

function logical(name: string, op: (x: Operand, y: Operand) => Tensor): BinaryFunction {
  return (x, y) => {
    const [a, b] = alike(name, [truth(x, name), truth(y, name)]);
    return op(a!, b!);
  };
}

/** x ≠ 0. */
const truth = (x: TensorLike, name: string): Operand => toDType(operand(x, name), "bool", name);

/** x + y. */
export const add = arithmetic("add", ops.add);
/** x − y. */
export const subtract = arithmetic("subtract", ops.sub);
/** x · y. */
export const multiply = arithmetic("multiply", ops.mul);
/** The smaller one; NaN if either is. */
export const minimum = arithmetic("minimum", ops.min);
/** The larger one; NaN if either is. */
export const maximum = arithmetic("maximum", ops.max);

/** x / y as f32, also for integers. */
export function divide(x: TensorLike, y: TensorLike): Tensor {
  const [a, b] = together("divide", [x, y], "f32");
  return ops.div(a!, b!);
}

/** xʸ. A small whole JS number as y is a product of x; otherwise integers become f32. */
export function power(x: TensorLike, y: TensorLike): Tensor {
  if (typeof y === "number" && Number.isInteger(y) && Math.abs(y) <= 16) {
    const base = operand(x, "power");
    const start = isBool(base) ? toDType(base, "i32", "power") : base;
    if (y >= 0) return wholePower(start, y);
    return divide(1, wholePower(toDType(start, "f32", "power"), -y));
  }
  const [a, b] = together("power", [x, y], "f32");
  return ops.pow(a!, b!);
}

/** By squaring. */
function wholePower(x: Operand, n: number): Tensor {
  if (n === 0) return ops.broadcast(toDType(operand(1, "power"), x.aval.dtype, "power"), x.aval.shape, []);
  if (n === 1) return x instanceof Tensor ? x : ops.fill(x, []);
  const half = wholePower(x, n >> 1);
  const even = ops.square(half);
  return n % 2 === 0 ? even : ops.mul(even, x);
}

/** −x. */
export const negative = number("negative", ops.neg);
/** |x|. */
export const abs = number("abs", ops.abs);
/** −1, 0 or 1. */
export const sign = number("sign", ops.sign);
/** x². */
export const square = number("square", ops.square);
/** √x. */
export const sqrt = float("sqrt", ops.sqrt);
/** 1/√x. */
export const rsqrt = float("rsqrt", ops.rsqrt);
/** eˣ. */
export const exp = float("exp", ops.exp);
/** Natural logarithm. */
export const log = float("log", ops.log);
/** Sine, in radians. */
export const sin = float("sin", ops.sin);
/** Cosine, in radians. */
export const cos = float("cos", ops.cos);
/** Hyperbolic tangent. */
export const tanh = float("tanh", ops.tanh);

/** 2ˣ. */
export const exp2 = float("exp2", ops.exp2);
/** eˣ − 1, accurate near 0. */
export const expm1 = float("expm1", ops.expm1);
/** Logarithm to base 2. */
export const log2 = float("log2", ops.log2);
/** ln(1 + x), accurate near 0. */
export const log1p = float("log1p", ops.log1p);
/** 1 / (1 + e⁻ˣ). */
export const logistic = float("logistic", ops.logistic);
/** Cube root. */
export const cbrt = float("cbrt", ops.cbrt);
/** Tangent, in radians. */
export const tan = float("tan", ops.tan);
/** Arc sine. */
export const asin = float("asin", ops.asin);
/** Arc cosine. */
export const acos = float("acos", ops.acos);
/** Arc tangent. */
export const atan = float("atan", ops.atan);
/** Hyperbolic sine. */
export const sinh = float("sinh", ops.sinh);
/** Hyperbolic cosine. */
export const cosh = float("cosh", ops.cosh);
/** Inverse of sinh. */
export const asinh = float("asinh", ops.asinh);
/** Inverse of cosh. */
export const acosh = float("acosh", ops.acosh);
/** Inverse of tanh. */
export const atanh = float("atanh", ops.atanh);
/** Error function. */
export const erf = float("erf", ops.erf);

/** Inverse of erf; NaN outside of [−1, 1]. */
export const erfInv = float("erfInv", ops.erfInv);

/** √(x² + y²), without overflow on the way. At the origin its gradient is taken to be 0. */
export function hypot(x: TensorLike, y: TensorLike): Tensor {
  const [a, b] = together("hypot", [x, y], "f32");
  return ops.hypot(a!, b!);
}

/** Angle of the point (x, y), in [−π, π]. */
export function atan2(y: TensorLike, x: TensorLike): Tensor {
  const [a, b] = together("atan2", [y, x], "f32");
  return ops.atan2(a!, b!);
}

/** Whole numbers are what they are. */
const rounding = (name: string, op: (x: Operand) => Tensor): UnaryFunction => {
  return (x) => {
    const a = operand(x, name);
    if (a.aval.dtype === "f32") return op(a);
    return a instanceof Tensor ? a : ops.fill(a, []);
  };
};

/** Largest whole number not above x. */
export const floor = rounding("floor", ops.floor);
/** Smallest whole number not below x. */
export const ceil = rounding("ceil", ops.ceil);
/** Nearest whole number, ties to even. */
export const round = rounding("round", ops.round);

/** Nearest whole number toward zero. */
export const trunc = rounding("trunc", ops.trunc);

/** x = y. */
export const equal = comparison("equal", ops.eq);
/** x ≠ y. */
export const notEqual = comparison("notEqual", ops.ne);
/** x < y. */
export const less = comparison("less", ops.lt);
/** x ≤ y. */
export const lessEqual = comparison("lessEqual", ops.le);
/** x > y. */
export const greater = comparison("greater", ops.gt);
/** x ≥ y. */
export const greaterEqual = comparison("greaterEqual", ops.ge);

/** Both are not zero. */
export const logicalAnd = logical("logicalAnd", ops.and);
/** One of them is not zero. */
export const logicalOr = logical("logicalOr", ops.or);
/** Just one of them is not zero. */
export const logicalXor = logical("logicalXor", ops.xor);
/** x is zero. */
export const logicalNot = (x: TensorLike): Tensor => ops.not(truth(x, "logicalNot"));

/**
 * `yes` where `condition` holds, else `no`, all broadcast together. NumPy's form with the condition alone, which gives
 * as many places as there are true entries, is a `ValueError`: shapes do not depend on values.
 *
 * The gradient of the case that is not taken is 0, but 0 times an infinite derivative behind it is NaN: keep its operand
 * off such points with a second `where`, as in `where(x.gt(0), where(x.gt(0), x, 1).log(), 0)`.
 */
export function where(condition: TensorLike, yes: TensorLike, no: TensorLike): Tensor {
  if (yes === undefined || no === undefined) {
    throw new ValueError(
      `where: two cases are wanted beside the condition; the places of true entries alone would be as many as the values say\n  choose with where(condition, yes, no), count with condition.sum(), or find the first one with condition.argmax()${hereText()}`,
    );
  }
  const cases = [operand(yes, "where"), operand(no, "where")];
  const dtype = promotedDType(cases);
  const [c, a, b] = alike("where", [truth(condition, "where"), ...cases.map((x) => toDType(x, dtype, "where"))]);
  return ops.select(c!, a!, b!);
}

/** Elements converted to `dtype`: floats truncate toward zero and saturate, NaN becomes 0, bool is "not zero". */
export function astype(x: TensorLike, dtype: DType): Tensor {
  withPlace(() => checkDType(dtype, "astype"));
  const a = operand(x, "astype");
  if (a instanceof Tensor) return a.dtype === dtype && !a.aval.weak ? a : ops.cast(a, dtype);
  return ops.cast(ops.fill(a, []), dtype);
}
