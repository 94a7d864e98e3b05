// Bits of integers, predicates of floats, and neighbours, under their numpy names.
import { showAval } from "../../compiler/core/aval.js";
import { checkDType, type DType } from "../../compiler/core/dtype.js";
import { DTypeError } from "../../compiler/core/errors.js";
import { type Literal, literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { type Operand, Tensor } from "../../compiler/trace/tensor.js";
import { withPlace } from "../../compiler/trace/trace.js";
import { alike, full, operand, promotedDType, toDType } from "./promote.js";
import { all } from "./statistics.js";

/** Numbers alone are i32. Throws `DTypeError` for what has no whole numbers. */
function integers(name: string, xs: readonly TensorLike[]): Operand[] {
  const operands = xs.map((x) => operand(x, name));
  const isConstant = (x: Operand): x is Literal => !(x instanceof Tensor);
  const common = operands.every((x) => isConstant(x) && Number.isInteger(x.value)) ? "i32" : promotedDType(operands);
  if (common === "f32") {
    throw new DTypeError(
      `${name}: ${operands.map((x) => (isConstant(x) ? x.value : showAval(x.aval))).join(" and ")} given, but integers are wanted\n  cast with astype("i32"), or take the bits of floats: bitcast(x, "u32")${hereText()}`,
    );
  }
  return alike(
    name,
    operands.map((x) => toDType(x, common, name)),
  );
}

function bitwise(name: string, op: (x: Operand, y: Operand) => Tensor) {
  return (x: TensorLike, y: TensorLike): Tensor => {
    const [a, b] = integers(name, [x, y]);
    return op(a!, b!);
  };
}

/** bool counts as i32. */
function shift(name: string, op: (x: Operand, y: Operand) => Tensor) {
  return bitwise(name, (x, y) => (x.aval.dtype === "bool" ? op(ops.cast(x, "i32"), ops.cast(y, "i32")) : op(x, y)));
}

/** And of all bits; of bool the logical one. */
export const bitwiseAnd = bitwise("bitwiseAnd", ops.and);
/** Or of all bits; of bool the logical one. */
export const bitwiseOr = bitwise("bitwiseOr", ops.or);
/** Exclusive or of all bits; of bool the logical one. */
export const bitwiseXor = bitwise("bitwiseXor", ops.xor);
/** All bits turned; of bool the logical not. */
export const bitwiseNot = (x: TensorLike): Tensor => ops.not(integers("bitwiseNot", [x])[0]!);
/** x · 2ʸ without the bits that leave; 0 for a y below 0 or above 31. */
export const leftShift = shift("leftShift", ops.shiftLeft);
/** ⌊x / 2ʸ⌋; for a y below 0 or above 31 it is 0, or −1 for an x below 0. */
export const rightShift = shift("rightShift", (x, y) =>
  x.aval.dtype === "u32" ? ops.shiftRightLogical(x, y) : ops.shiftRightArithmetic(x, y),
);

/** Number of ones among the bits of |x|, as numpy counts them. */
export function bitCount(x: TensorLike): Tensor {
  const [a] = integers("bitCount", [x]);
  if (a!.aval.dtype === "bool") return ops.cast(a!, "i32");
  return ops.popcount(a!.aval.dtype === "i32" ? ops.abs(a!) : a!);
}

/** Number of zeros above the first one among the 32 bits of x; 32 for 0. */
export function countLeadingZeros(x: TensorLike): Tensor {
  const [a] = integers("countLeadingZeros", [x]);
  return ops.clz(a!.aval.dtype === "bool" ? ops.cast(a!, "i32") : a!);
}

/** The same 32 bits as f32, i32 or u32; no gradient passes. Throws `DTypeError` for bool. */
export function bitcast(x: TensorLike, dtype: DType): Tensor {
  withPlace(() => checkDType(dtype, "bitcast"));
  const a = operand(x, "bitcast");
  return ops.bitcast(a instanceof Tensor ? a : literal(a.value, { dtype: a.aval.dtype, shape: [] }), dtype);
}

/** Whole numbers are none of NaN and the infinities. */
function predicate(name: string, op: (x: Operand) => Tensor, ofWhole: boolean) {
  return (x: TensorLike): Tensor => {
    const a = operand(x, name);
    if (a.aval.dtype === "f32") return op(a);
    return ops.fill(literal(ofWhole ? 1 : 0, { dtype: "bool", shape: [] }), a.aval.shape);
  };
}

/** Whether x is NaN. */
export const isNan = predicate("isNan", ops.isNan, false);
/** Whether x is ∞ or −∞. */
export const isInf = predicate("isInf", ops.isInf, false);
const finite = predicate("isFinite", ops.isFiniteNumber, true);

/** Whether x is neither NaN nor infinite. */
export { finite as isFinite };

const floats = (name: string, xs: readonly TensorLike[]): [Tensor, Tensor] =>
  full(
    name,
    xs.map((x) => toDType(operand(x, name), "f32", name)),
  ) as [Tensor, Tensor];

export interface CloseOptions {
  /** Relative to |y|; 1e-5. */
  readonly rtol?: number;
  /** 1e-8. */
  readonly atol?: number;
  /** Whether NaN is close to NaN; it is not. */
  readonly equalNan?: boolean;
}

/** |x − y| ≤ atol + rtol |y|, element by element; infinities only are close to themselves. */
export function isClose(
  x: TensorLike,
  y: TensorLike,
  { rtol = 1e-5, atol = 1e-8, equalNan = false }: CloseOptions = {},
): Tensor {
  const f32 = (value: number): Operand => literal(Math.fround(value), { dtype: "f32", shape: [] });
  const [a, b] = floats("isClose", [x, y]);
  const isNear = ops.le(ops.abs(ops.sub(a, b)), ops.add(f32(atol), ops.mul(f32(rtol), ops.abs(b))));
  const close = ops.or(ops.eq(a, b), ops.and(isNear, ops.isFiniteNumber(b)));
  return equalNan ? ops.or(close, ops.and(ops.isNan(a), ops.isNan(b))) : close;
}

/** Whether all elements of x are close to those of y: a bool scalar. */
export const allClose = (x: TensorLike, y: TensorLike, options?: CloseOptions): Tensor => all(isClose(x, y, options));

/** The f32 next to x on the way to y; y where they are equal, NaN if either is. No gradient passes. */
export function nextAfter(x: TensorLike, y: TensorLike): Tensor {
  const [a, b] = floats("nextAfter", [x, y]);
  const i32 = (value: number): Operand => literal(value, { dtype: "i32", shape: [] });
  const f32 = (value: number): Operand => literal(value, { dtype: "f32", shape: [] });
  const bits = ops.bitcast(a, "i32");
  // magnitudes rise with the bits: up and away from 0 it is + 1
  const isOutward = ops.eq(ops.lt(a, b), ops.lt(f32(0), a));
  const stepped = ops.add(bits, ops.select(isOutward, i32(1), i32(-1)));
  const fromZero = ops.select(ops.lt(b, f32(0)), i32(1 - 2 ** 31), i32(1));
  const next = ops.bitcast(ops.select(ops.eq(a, f32(0)), fromZero, stepped), "f32");
  const isNan = ops.or(ops.isNan(a), ops.isNan(b));
  return ops.select(isNan, f32(Number.NaN), ops.select(ops.eq(a, b), ops.bitcast(ops.bitcast(b, "i32"), "f32"), next));
}
