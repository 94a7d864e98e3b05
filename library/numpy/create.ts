// Making tensors.
import { aval, showAval } from "../../compiler/core/aval.js";
import { allocate, castNumber, checkDType, type DType } from "../../compiler/core/dtype.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import type { HostOptions, HostTypedArray, NestedInput } from "../../compiler/core/host.js";
import { checkShape, type Shape } from "../../compiler/core/shape.js";
import { type Literal, literal } from "../../compiler/ir/graph.js";
import { add, broadcast, cast, eq, fill, iota, mul } from "../../compiler/ops/index.js";
import { fromHost, type TensorLike, tensorOf } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { Tensor } from "../../compiler/trace/tensor.js";
import { withPlace } from "../../compiler/trace/trace.js";
import { operand, toDType } from "./promote.js";

/** Element type of a new tensor; f32 unless said otherwise. */
export interface DTypeOption {
  readonly dtype?: DType;
}

/**
 * A tensor of numbers or booleans, nested arrays of them, or a typed array, whose elements are copied. `shape` arranges
 * them. Throws `ValueError` for ragged arrays, elements that are no numbers, NaN or fractions as integers, detached or
 * shared memory; `ShapeError` for a shape of another size, `DTypeError` for a dtype that there is not.
 */
export function tensor(value: NestedInput | HostTypedArray, options: HostOptions = {}): Tensor {
  for (const key of Object.keys(options)) {
    if (key !== "dtype" && key !== "shape")
      throw new ValueError(`tensor: there is no option '${key}'; there are dtype, shape${hereText()}`);
  }
  return tensorOf(value, options);
}

const scalar = (value: number, dtype: DType) => literal(castNumber(value, dtype), aval(dtype, []));

/** Throws unless every size is one and the dtype exists; the error says where. */
function checkNew(sizes: Shape, dtype: DType | undefined, name: string): void {
  withPlace(() => {
    checkShape(sizes, name);
    if (dtype) checkDType(dtype, name);
  });
}

function filled(name: string, shape: Shape | number, value: TensorLike, dtype: DType | undefined): Tensor {
  const sizes = typeof shape === "number" ? [shape] : shape;
  checkNew(sizes, dtype, name);
  const x = operand(value, name);
  if (x.aval.shape.length > 0)
    throw new ShapeError(`${name}: the value is ${showAval(x.aval)}, but a scalar is wanted${hereText()}`);
  const type = dtype ?? x.aval.dtype;
  // a full tensor is no weak scalar, even when it has no axes
  const element =
    x instanceof Tensor ? toDType(x, type, name) : scalar((toDType(x, type, name) as Literal).value, type);
  return fill(element, sizes);
}

/** A tensor of one value everywhere. */
export const full = (shape: Shape | number, value: TensorLike, options: DTypeOption = {}): Tensor =>
  filled("full", shape, value, dtypeIn("full", options));

/** A tensor of zeros. */
export const zeros = (shape: Shape | number, options: DTypeOption = {}): Tensor =>
  filled("zeros", shape, 0, dtypeIn("zeros", options) ?? "f32");

/** A tensor of ones. */
export const ones = (shape: Shape | number, options: DTypeOption = {}): Tensor =>
  filled("ones", shape, 1, dtypeIn("ones", options) ?? "f32");

/** The dtype of options. Throws `ValueError` for what are none: `zeros(2, 3)` for `zeros([2, 3])`. */
function dtypeIn(name: string, options: DTypeOption): DType | undefined {
  if (typeof options !== "object" || options === null) {
    throw new ValueError(
      `${name}: ${String(options)} stands where options belong\n  a shape of several axes is an array: ${name}([2, 3])${hereText()}`,
    );
  }
  for (const key of Object.keys(options)) {
    if (key !== "dtype") throw new ValueError(`${name}: there is no option '${key}'; there is dtype${hereText()}`);
  }
  return options.dtype;
}

/** Zeros of the shape and dtype of `x`. */
export const zerosLike = (x: Tensor): Tensor => zeros(x.shape, { dtype: x.dtype });

/** Ones of the shape and dtype of `x`. */
export const onesLike = (x: Tensor): Tensor => ones(x.shape, { dtype: x.dtype });

/**
 * start, start + step, … below stop; `arange(stop)` starts at 0. f32 unless `dtype` says otherwise. Throws `ValueError`
 * for a step of 0 or a bound that is no number.
 */
export function arange(start: number, stop?: number, step = 1, { dtype = "f32" }: DTypeOption = {}): Tensor {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (![from, to, step].every(Number.isFinite) || step === 0) {
    throw new ValueError(`arange: from ${from} to ${to} in steps of ${step} is no range${hereText()}`);
  }
  const count = Math.max(0, Math.ceil((to - from) / step));
  checkNew([count], dtype, "arange");
  if (dtype === "bool")
    throw new ValueError(`arange: bool has no range\n  compare a range instead: arange(4).lt(2)${hereText()}`);
  if ([from, step, from + (count - 1) * step].every(isI32)) {
    const counted = iota("i32", [count], 0);
    const exact = add(mul(counted, scalar(step, "i32")), scalar(from, "i32"));
    return dtype === "i32" ? exact : cast(exact, dtype);
  }
  const data = allocate(dtype, count);
  for (let i = 0; i < count; i++) data[i] = castNumber(from + i * step, dtype);
  return fromHost({ dtype, shape: [count], data });
}

const isI32 = (x: number): boolean => (x | 0) === x;

/** `count` numbers in equal steps from start to stop, both included unless `endpoint` is false. */
export function linspace(
  start: number,
  stop: number,
  count = 50,
  { endpoint = true, dtype = "f32" }: DTypeOption & { readonly endpoint?: boolean } = {},
): Tensor {
  checkNew([count], dtype, "linspace");
  const steps = endpoint ? count - 1 : count;
  const data = allocate(dtype, count);
  for (let i = 0; i < count; i++) {
    // the last one is exactly stop
    data[i] = castNumber(
      endpoint && i === count - 1 && count > 1 ? stop : start + ((stop - start) * i) / Math.max(steps, 1),
      dtype,
    );
  }
  return fromHost({ dtype, shape: [count], data });
}

/** Ones on the diagonal `k` (0 is the main one, positive above it), zeros elsewhere; [rows, columns]. */
export function eye(
  rows: number,
  columns = rows,
  { k = 0, dtype = "f32" }: DTypeOption & { readonly k?: number } = {},
): Tensor {
  checkNew([rows, columns], dtype, "eye");
  if (!Number.isInteger(k)) throw new ShapeError(`eye: diagonal ${k} is not a whole number${hereText()}`);
  const down = broadcast(iota("i32", [rows], 0), [rows, columns], [0]);
  const across = broadcast(iota("i32", [columns], 0), [rows, columns], [1]);
  const diagonal = eq(add(down, scalar(k, "i32")), across);
  return dtype === "bool" ? diagonal : cast(diagonal, dtype);
}
