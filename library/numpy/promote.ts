// Promotion: how operands of different dtypes and shapes come together.
//
//   two tensors            bool < i32, u32 < f32; i32 with u32 gives i32
//   tensor and JS number   the tensor's dtype; but a fraction beside an integer gives f32, a number beside bool gives
//                          i32 (whole) or f32 (fraction)
//   JS numbers alone       f32
//   a JS number passed to  f32, also beside an integer: whether it is whole is not known while the function is traced
//   a transformed function
import { aval } from "../../compiler/core/aval.js";
import { castNumber, type DType, isInteger } from "../../compiler/core/dtype.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import { type Shape, sameShape, showShape } from "../../compiler/core/shape.js";
import { literal } from "../../compiler/ir/graph.js";
import { broadcast, cast, fill } from "../../compiler/ops/index.js";
import { constant, type TensorLike, tensorOf } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { type Operand, Tensor } from "../../compiler/trace/tensor.js";

const rank: Record<DType, number> = { bool: 0, u32: 1, i32: 2, f32: 3 };

/** The dtype two tensors meet in. */
const joinDTypes = (a: DType, b: DType): DType => (rank[a] >= rank[b] ? a : b);

/** A tensor, or a constant for a JS number or boolean. Throws `ValueError` for anything else. */
export function operand(x: TensorLike, name: string): Operand {
  if (x instanceof Tensor) return x;
  if (typeof x === "number" || typeof x === "boolean") return constant(x);
  if (ArrayBuffer.isView(x)) return tensorOf(x);
  throw new ValueError(
    `${name}: ${describe(x)} given, but a tensor or number is wanted\n  make a tensor of it: tensor(x)${hereText()}`,
  );
}

function describe(x: unknown): string {
  if (x === null || x === undefined) return String(x);
  if (Array.isArray(x)) return "an array";
  return typeof x === "object" ? "an object" : `a ${typeof x}`;
}

/** The dtype all operands are brought to. `atLeast` is the lowest kind the operation gives. */
export function promotedDType(operands: readonly Operand[], atLeast: DType = "bool"): DType {
  const strong = operands.filter((x) => !x.aval.weak).map((x) => x.aval.dtype);
  const weak = operands.filter((x) => x.aval.weak);
  if (strong.length === 0) return "f32";
  let dtype = strong.reduce(joinDTypes, atLeast);
  for (const x of weak) {
    const whole = !(x instanceof Tensor) && Number.isInteger(x.value) && !Object.is(x.value, -0);
    if (!whole && dtype !== "f32") dtype = "f32";
    else if (dtype === "bool") dtype = "i32";
  }
  return dtype;
}

/** `x` as `dtype`. A constant that the dtype cannot hold throws `ValueError`. */
export function toDType(x: Operand, dtype: DType, name: string): Operand {
  if (x instanceof Tensor) return x.aval.dtype === dtype ? x : cast(x, dtype);
  if (x.aval.dtype === dtype && !x.aval.weak) return x;
  const value = castNumber(x.value, dtype);
  if (isInteger(dtype) && value !== x.value) {
    throw new ValueError(
      `${name}: the constant ${x.value} does not fit ${dtype}\n  cast the tensor first: x.astype("f32")${hereText()}`,
    );
  }
  return literal(value, aval(dtype, [], dtype === "f32" && Boolean(x.aval.weak)));
}

/** The shape all shapes stretch to, aligned at their last axes. Throws `ShapeError`. */
export function broadcastShapes(shapes: readonly Shape[], name: string): Shape {
  const length = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length }, (_, i) => {
    const fromEnd = length - i;
    let size = 1;
    for (const shape of shapes) {
      const n = shape[shape.length - fromEnd];
      if (n === undefined || n === 1) continue;
      if (size !== 1 && size !== n) {
        throw new ShapeError(
          `${name}: shapes ${shapes.map(showShape).join(" and ")} do not broadcast: axis ${-fromEnd} has sizes ${size} and ${n}${hereText()}`,
        );
      }
      size = n;
    }
    return size;
  });
}

/** `x` stretched to `shape`, aligned at the last axes. */
export function stretch(x: Operand, shape: Shape): Operand {
  const own = x.aval.shape;
  if (sameShape(own, shape)) return x;
  return broadcast(
    x,
    shape,
    own.map((_, axis) => axis + shape.length - own.length),
  );
}

/** Operands of an elementwise op in one dtype and one shape; constants stay scalars. */
export function together(name: string, xs: readonly TensorLike[], dtype?: DType): Operand[] {
  const operands = xs.map((x) => operand(x, name));
  const common = dtype ?? promotedDType(operands);
  return alike(
    name,
    operands.map((x) => toDType(x, common, name)),
  );
}

/** Operands stretched to one shape; constants stay scalars. */
export function alike(name: string, operands: readonly Operand[]): Operand[] {
  const shape = broadcastShapes(
    operands.map((x) => x.aval.shape),
    name,
  );
  return operands.map((x) => (x instanceof Tensor ? stretch(x, shape) : x));
}

/** Operands stretched to one shape, constants too: for compositions of several ops. */
export function full(name: string, operands: readonly Operand[]): Tensor[] {
  const stretched = alike(name, operands);
  const { shape } = (stretched.find((x) => x instanceof Tensor) ?? stretched[0]!).aval;
  return stretched.map((x) => (x instanceof Tensor ? x : fill(x, shape)));
}
