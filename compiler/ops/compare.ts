// Comparisons, logic, choice and conversion.
import { aval, showAval } from "../core/aval.js";
import { type DType, dtypes } from "../core/dtype.js";
import { DTypeError } from "../core/errors.js";
import { literal } from "../ir/graph.js";
import { type ElementwiseOp, register, shaped } from "../ir/op.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { fill } from "./axes.js";
import { allDTypes, binary, bindOne, elementwiseAval, unary } from "./define.js";

const numbers = ["f32", "i32", "u32"] as const;

/** x = y; false for NaN. */
export const eq = binary("eq", { takes: allDTypes, result: "bool", scalar: (b, x, y) => b.eq(x, y), domain: [-1, 1] });

/** x ≠ y; true for NaN. */
export const ne = binary("ne", { takes: allDTypes, result: "bool", scalar: (b, x, y) => b.ne(x, y), domain: [-1, 1] });

/** x < y; false for NaN. */
export const lt = binary("lt", { takes: numbers, result: "bool", scalar: (b, x, y) => b.lt(x, y) });

/** x ≤ y; false for NaN. */
export const le = binary("le", { takes: numbers, result: "bool", scalar: (b, x, y) => b.le(x, y) });

/** x > y; false for NaN. */
export const gt = binary("gt", { takes: numbers, result: "bool", scalar: (b, x, y) => b.gt(x, y) });

/** x ≥ y; false for NaN. */
export const ge = binary("ge", { takes: numbers, result: "bool", scalar: (b, x, y) => b.ge(x, y) });

/** Whether x is NaN. */
export const isNan = unary("isNan", {
  takes: ["f32"],
  result: "bool",
  scalar: (b, x) => b.isNaN(x),
  wide: (x) => Number(Number.isNaN(x)),
});

const sizeBits = (b: ScalarBuilder, x: Scalar): Scalar => b.and(b.bitcast(x, "u32"), b.u32(0x7fffffff));

/** Whether x is ∞ or −∞. */
export const isInf = unary("isInf", {
  takes: ["f32"],
  result: "bool",
  scalar: (b, x) => b.eq(sizeBits(b, x), b.u32(0x7f800000)),
  wide: (x) => Number(Math.abs(x!) === Infinity),
});

/** Whether x is a number, and not infinite. */
export const isFiniteNumber = unary("isFinite", {
  takes: ["f32"],
  result: "bool",
  scalar: (b, x) => b.lt(sizeBits(b, x), b.u32(0x7f800000)),
  wide: (x) => Number(Number.isFinite(x)),
});

const bits = ["bool", "i32", "u32"] as const;

/** Logical and; of all bits for integers. */
export const and = binary("and", { takes: bits, scalar: (b, x, y) => b.and(x, y) });

/** Logical or; of all bits for integers. */
export const or = binary("or", { takes: bits, scalar: (b, x, y) => b.or(x, y) });

/** Exclusive or; of all bits for integers. */
export const xor = binary("xor", { takes: bits, scalar: (b, x, y) => (x.type === "bool" ? b.ne(x, y) : b.xor(x, y)) });

/** Logical not; of all bits for integers. */
export const not = unary("not", { takes: bits, scalar: (b, x) => b.not(x) });

export const selectOp = register<ElementwiseOp>({
  name: "select",
  kind: "elementwise",
  typeOf: (inputs) => {
    const [condition, yes, no] = inputs as [(typeof inputs)[0], (typeof inputs)[0], (typeof inputs)[0]];
    if (condition.dtype !== "bool")
      throw new DTypeError(`select: the condition is ${showAval(condition)}, but bool is wanted`);
    if (yes.dtype !== no.dtype)
      throw new DTypeError(
        `select: the cases have dtypes ${yes.dtype} and ${no.dtype}\n  cast one of them with astype()`,
      );
    const { shape } = elementwiseAval("select", inputs, yes.dtype);
    return [aval(yes.dtype, shape, Boolean(yes.weak && no.weak))];
  },
  scalar: (b, [condition, yes, no]) => b.select(condition!, yes!, no!),
  jvp: ([, dyes, dno], [condition], result) => {
    const zero = fill(literal(0, aval("f32", [])), result.aval.shape);
    return select(condition!, dyes ?? zero, dno ?? zero);
  },
  transpose(ct, [condition, yes, no]) {
    const zero = fill(literal(0, aval("f32", [])), ct.aval.shape);
    return [undefined, yes ? undefined : select(condition!, ct, zero), no ? undefined : select(condition!, zero, ct)];
  },
  identity: ([condition]) => (condition === undefined ? undefined : condition ? 1 : 2),
  samples: allDTypes.map((dtype) => ({
    inputs: [shaped("bool", 3, 4), shaped(dtype, 3, 4), shaped(dtype, 3, 4)],
    params: {},
  })),
  ulp: 0,
});

/** `yes` where `condition` holds, else `no`. */
export const select = (condition: Operand, yes: Operand, no: Operand): Tensor =>
  bindOne(selectOp, [condition, yes, no]);

export const castOp = register<ElementwiseOp>({
  name: "cast",
  kind: "elementwise",
  typeOf: ([x], params) => [aval((params as { dtype: DType }).dtype, x!.shape)],
  scalar: (b, [x], params) => b.cast(x!, (params as { dtype: DType }).dtype),
  // from float to float there is but one way
  jvp: ([dx]) => dx,
  transpose: (ct) => [ct],
  samples: dtypes.flatMap((from) =>
    dtypes.filter((dtype) => dtype !== from).map((dtype) => ({ inputs: [shaped(from, 3, 4)], params: { dtype } })),
  ),
  ulp: 0,
});

/** Converts elements; floats truncate toward zero and saturate, NaN becomes 0, bool is "not zero". */
export const cast = (x: Operand, dtype: DType): Tensor => bindOne(castOp, [x], { dtype });
