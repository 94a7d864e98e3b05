// Ops on the bits of integers, and between floats and their bits.
import { showAval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { DTypeError } from "../core/errors.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { type Operand, Tensor } from "../trace/tensor.js";
import { withPlace } from "../trace/trace.js";
import { fill } from "./axes.js";
import { cast } from "./compare.js";
import { binary, unary } from "./define.js";

const integers = ["i32", "u32"] as const;

/** A shift by y as u32: what is negative is large. */
const amountOf = (b: ScalarBuilder, y: Scalar): Scalar => b.bitcast(y, "u32");

/** `shifted` where y is a shift by less than all bits, else 0. */
const orZero = (b: ScalarBuilder, y: Scalar, shifted: Scalar): Scalar =>
  b.select(b.lt(amountOf(b, y), b.u32(32)), shifted, b.const(0, shifted.type));

/** x with its bits y places up, zeros behind them; 0 for a y below 0 or above 31. */
export const shiftLeft = binary("shiftLeft", {
  takes: integers,
  scalar: (b, x, y) => orZero(b, y, b.shl(x, inRange(b, y))),
  identity: ([, y]) => (y === 0 ? 0 : undefined),
});

/** x with its bits y places down, zeros before them; 0 for a y below 0 or above 31. */
export const shiftRightLogical = binary("shiftRightLogical", {
  takes: integers,
  scalar: (b, x, y) => orZero(b, y, b.bitcast(b.shr(b.bitcast(x, "u32"), inRange(b, y)), x.type)),
  identity: ([, y]) => (y === 0 ? 0 : undefined),
});

/** x with its bits y places down, copies of the topmost before them; nothing else is left for a y below 0 or above 31. */
export const shiftRightArithmetic = binary("shiftRightArithmetic", {
  takes: integers,
  scalar: (b, x, y) => b.bitcast(b.shr(b.bitcast(x, "i32"), inRange(b, y)), x.type),
  identity: ([, y]) => (y === 0 ? 0 : undefined),
});

/** At most 31: WGSL refuses constant shifts by more. */
const inRange = (b: ScalarBuilder, y: Scalar): Scalar => b.min(amountOf(b, y), b.u32(31));

/** Number of ones among the bits. */
export const popcount = unary("popcount", { takes: integers, scalar: (b, x) => b.popcount(x) });

/** Number of zeros above the first one among the bits; 32 for 0. */
export const clz = unary("clz", { takes: integers, scalar: (b, x) => b.clz(x) });

const scratch = new DataView(new ArrayBuffer(4));

/** The bits of an f32, as u32. Constant for gradients. */
const bitsOfFloat = unary("bitsOfFloat", {
  takes: ["f32"],
  result: "u32",
  scalar: (b, x) => b.bitcast(x, "u32"),
  wide(x) {
    scratch.setFloat32(0, x);
    return scratch.getUint32(0);
  },
});

/** The f32 with the bits of a u32. */
const floatOfBits = unary("floatOfBits", {
  takes: ["u32"],
  result: "f32",
  scalar: (b, x) => b.bitcast(x, "f32"),
  wide(x) {
    scratch.setUint32(0, x);
    return scratch.getFloat32(0);
  },
});

/** The same 32 bits as another of f32, i32 and u32. Throws `DTypeError` for bool. */
export function bitcast(x: Operand, dtype: DType): Tensor {
  const from = x.aval.dtype;
  if (from === "bool" || dtype === "bool") {
    withPlace(() => {
      throw new DTypeError(
        `bitcast: ${showAval(x.aval)} to ${dtype}: a bool has no bits of its own\n  cast it with astype()`,
      );
    });
  }
  if (from === dtype) return x instanceof Tensor ? x : fill(x, []);
  if (from === "f32") return dtype === "u32" ? bitsOfFloat(x) : cast(bitsOfFloat(x), dtype);
  if (dtype === "f32") return floatOfBits(from === "u32" ? x : cast(x, "u32"));
  return cast(x, dtype); // integers into each other keep their bits
}
