// Whole quotients and remainders under their numpy names.
import { ValueError } from "../../compiler/core/errors.js";
import { literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Operand, Tensor } from "../../compiler/trace/tensor.js";
import { alike, full, operand, promotedDType, toDType } from "./promote.js";

/** Both in one dtype, bool as i32, and one shape. */
function numbers(name: string, x: TensorLike, y: TensorLike): [Tensor, Tensor] {
  const operands = [operand(x, name), operand(y, name)];
  const common = promotedDType(operands);
  const dtype = common === "bool" ? "i32" : common;
  return full(
    name,
    operands.map((v) => toDType(v, dtype, name)),
  ) as [Tensor, Tensor];
}

const zeroOf = (x: Operand, value = 0): Operand => literal(value, { dtype: x.aval.dtype, shape: [] });

/** x and y have different signs; false for 0. */
const isApart = (x: Operand, y: Operand): Tensor => ops.xor(ops.lt(x, zeroOf(x)), ops.lt(y, zeroOf(y)));

function modOf(x: Tensor, y: Tensor): Tensor {
  const rest = ops.rem(x, y);
  if (x.aval.dtype === "u32") return rest;
  const isWhole = ops.eq(rest, zeroOf(x));
  const moved = ops.select(isApart(rest, y), ops.add(rest, y), rest);
  if (x.aval.dtype === "i32") return ops.select(isWhole, rest, moved);
  // a zero has the sign of y too
  return ops.select(isWhole, ops.select(ops.lt(y, zeroOf(y)), zeroOf(x, -0), zeroOf(x)), moved);
}

function floorDivideOf(x: Tensor, y: Tensor): Tensor {
  const zero = zeroOf(x);
  if (x.aval.dtype === "u32") return ops.select(ops.eq(y, zero), zero, ops.div(x, y));
  const rest = ops.rem(x, y);
  const isBelow = ops.and(ops.ne(rest, zero), isApart(rest, y));
  if (x.aval.dtype === "i32") {
    const quotient = ops.sub(ops.div(x, y), ops.cast(isBelow, "i32"));
    return ops.select(ops.eq(y, zero), zero, quotient);
  }
  // x − rest is a multiple of y: only the division is rounded
  const quotient = ops.sub(ops.div(ops.sub(x, rest), y), ops.cast(isBelow, "f32"));
  const plain = ops.div(x, y);
  const nearest = ops.round(quotient);
  const signed = ops.select(ops.eq(nearest, zero), ops.mul(zero, ops.sign(plain)), nearest);
  return ops.select(ops.eq(y, zero), plain, signed);
}

/** x − y ⌊x / y⌋: the remainder with the sign of y. NaN by 0; for integers 0. */
export const mod = (x: TensorLike, y: TensorLike): Tensor => modOf(...numbers("mod", x, y));

/** As `mod`. */
export const remainder = (x: TensorLike, y: TensorLike): Tensor => modOf(...numbers("remainder", x, y));

/** The remainder with the sign of x: C's fmod, exact. NaN by 0; for integers 0. */
export const fmod = (x: TensorLike, y: TensorLike): Tensor => ops.rem(...numbers("fmod", x, y));

/** ⌊x / y⌋ in the dtype of x and y. By 0 it is x / y; for integers 0. */
export const floorDivide = (x: TensorLike, y: TensorLike): Tensor => floorDivideOf(...numbers("floorDivide", x, y));

/** `floorDivide` and `mod`. */
export function divmod(x: TensorLike, y: TensorLike): [Tensor, Tensor] {
  const [a, b] = numbers("divmod", x, y);
  return [floorDivideOf(a, b), modOf(a, b)];
}

/**
 * x, but at least `low` and at most `high`; null is no bound. NaN stays. The gradient passes where low < x < high: at
 * the bounds it is 0. Throws `ValueError` without any bound.
 */
export function clip(x: TensorLike, low: TensorLike | null = null, high: TensorLike | null = null): Tensor {
  if (low === null && high === null) {
    throw new ValueError(`clip: there is no bound\n  give one of them: clip(x, 0) or clip(x, null, 1)${hereText()}`);
  }
  const given = [x, low, high].map((v) => (v === null ? null : operand(v, "clip")));
  const common = promotedDType(given.filter((v) => v !== null));
  const dtype = common === "bool" ? "i32" : common;
  const least = { f32: -Infinity, i32: -2147483648, u32: 0 }[dtype];
  const most = { f32: Infinity, i32: 2147483647, u32: 4294967295 }[dtype];
  const [a, b, c] = alike(
    "clip",
    given.map((v, k) => (v ? toDType(v, dtype, "clip") : literal(k === 1 ? least : most, { dtype, shape: [] }))),
  );
  return ops.clamp(a!, b!, c!);
}
