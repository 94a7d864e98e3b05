// Maker of reductions: what is common to all of them.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate, type DType, type TypedArray } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import { sizeOf, stridesOf } from "../core/shape.js";
import { type ReduceParams, type ReductionOp, register, shaped } from "../ir/op.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { gatherStrided } from "../ir/strided.js";
import type { JvpRule, TransposeRule } from "../trace/rules.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { bindOne } from "./define.js";

export interface ReductionSpec extends Pick<ReductionOp, "init" | "element" | "combine" | "finish"> {
  readonly takes: readonly DType[];
  readonly result?: DType;
  /** The axes may not be empty: there is no element to give. */
  readonly nonempty?: boolean;
  /** Folds data[from … to - 1], which lie in row-major order of the reduced axes. */
  row(data: TypedArray, from: number, to: number, dtype: DType): number;
  readonly jvp?: JvpRule;
  readonly transpose?: TransposeRule;
  readonly domain?: readonly [number, number];
  readonly ulp?: number;
}

export function reduction(name: string, spec: ReductionSpec): (x: Operand, axes: readonly number[]) => Tensor {
  const op = register<ReductionOp>({
    name,
    kind: "reduction",
    typeOf: ([x], params) => [reducedAval(name, x!, (params as ReduceParams).axes, spec)],
    init: spec.init,
    element: spec.element,
    combine: spec.combine,
    finish: spec.finish,
    cpu: (x, params, { wide }, output) => reduceRows(x, (params as ReduceParams).axes, output, wide, spec.row),
    samples: spec.takes.flatMap((dtype) =>
      [
        { shape: [3, 4], axes: [1] },
        { shape: [3, 4], axes: [0] },
        { shape: [2, 3, 4], axes: [0, 2] },
        { shape: [5], axes: [0] },
        { shape: [2, 3], axes: [] },
        { shape: [2, 700], axes: [1] },
        { shape: [40, 3], axes: [0] },
      ].map(({ shape, axes }) => ({
        inputs: [shaped(dtype, ...shape)],
        params: { axes },
        ...(spec.domain && dtype === "f32" ? { domain: [spec.domain] } : {}),
      })),
    ),
    ulp: spec.ulp ?? 0,
    ...(spec.jvp ? { jvp: spec.jvp } : {}),
    ...(spec.transpose ? { transpose: spec.transpose } : {}),
  });
  return (x, axes) => bindOne(op, [x], { axes: [...axes].sort((a, b) => a - b) });
}

function reducedAval(name: string, x: Aval, axes: readonly number[], spec: ReductionSpec): Aval {
  if (!spec.takes.includes(x.dtype)) {
    throw new DTypeError(
      `${name}: does not take ${x.dtype}, only ${spec.takes.join(", ")}\n  operand ${showAval(x)}\n  cast it with astype()`,
    );
  }
  for (const axis of axes) {
    if (!(axis >= 0 && axis < x.shape.length)) throw new ShapeError(`${name}: ${showAval(x)} has no axis ${axis}`);
    if (spec.nonempty && x.shape[axis] === 0) {
      throw new ShapeError(`${name}: axis ${axis} of ${showAval(x)} has size 0, and ${name} of nothing has no value`);
    }
  }
  return aval(
    spec.result ?? x.dtype,
    x.shape.filter((_, axis) => !axes.includes(axis)),
  );
}

/** Puts the reduced axes last and folds row by row. */
function reduceRows(
  x: NDArray,
  axes: readonly number[],
  output: Aval,
  wide: boolean,
  row: ReductionSpec["row"],
): NDArray {
  const strides = stridesOf(x.shape);
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const order = [...kept, ...axes];
  let data = x.data;
  if (order.some((axis, i) => axis !== i)) {
    data = allocate(x.dtype, x.data.length, wide);
    gatherStrided(
      data,
      order.map((axis) => x.shape[axis]!),
      x.data,
      0,
      order.map((axis) => strides[axis]!),
    );
  }
  const n = sizeOf(axes.map((axis) => x.shape[axis]!));
  const out = allocate(output.dtype, sizeOf(output.shape), wide);
  for (let i = 0; i < out.length; i++) out[i] = row(data, i * n, (i + 1) * n, x.dtype);
  return { dtype: output.dtype, shape: output.shape, data: out };
}

/** One value folded by one instruction. */
export const fold = (identity: (dtype: DType) => number, step: (b: ScalarBuilder, x: Scalar, y: Scalar) => Scalar) => ({
  init: (b: ScalarBuilder, dtype: DType) => [b.const(identity(dtype), dtype)],
  element: (_b: ScalarBuilder, x: Scalar) => [x],
  combine: (b: ScalarBuilder, [x]: readonly Scalar[], [y]: readonly Scalar[]) => [step(b, x!, y!)],
  finish: (_b: ScalarBuilder, [x]: readonly Scalar[]) => x!,
});
