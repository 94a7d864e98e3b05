// Views that rearrange axes: broadcast (and its transpose, reduceSum), reshape, transpose, expandDims, squeeze, flip.
import { aval, showAval } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { checkShape, insertAt, type Shape, showShape, sizeOf } from "../core/shape.js";
import { type ReduceParams, register, type ViewOp } from "../ir/op.js";
import type { Batched } from "../trace/rules.js";
import { type Operand, Tensor } from "../trace/tensor.js";
import { affineView, bindOne, viewSamples } from "./define.js";
import { fold, reduction } from "./reduction.js";

const identity = (from: number) => ({ from, scale: 1, offset: 0 });

/** The record, for passes that repeat a constant. */
export const fillOp = affineView("broadcast", {
  typeOf(x, { shape, axes }: { shape: Shape; axes: readonly number[] }) {
    checkShape(shape, "broadcast");
    if (axes.length !== x.shape.length) throw new ShapeError(`broadcast: ${axes.length} axes given for ${showAval(x)}`);
    axes.forEach((axis, k) => {
      const n = x.shape[k]!;
      if (n !== 1 && n !== shape[axis]) {
        throw new ShapeError(
          `broadcast: axis ${k} of ${showAval(x)} has size ${n}, which does not stretch to ${shape[axis] ?? "no axis"} in ${showShape(shape)}`,
        );
      }
    });
    return aval(x.dtype, shape, Boolean(x.weak && shape.length === 0));
  },
  axes: (x, output, { axes }: { axes: readonly number[] }) =>
    axes.map((from, k) =>
      x.shape[k] === 1 && output.shape[from] !== 1 ? { from: null, scale: 0, offset: 0 } : identity(from),
    ),
  batch([x], params, size) {
    const { shape, axes } = params as { shape: Shape; axes: readonly number[] };
    const moved = insertAt(
      axes.map((axis) => axis + 1),
      x!.axis!,
      0,
    );
    return { value: broadcast(x!.value, [size, ...shape], moved), axis: 0 };
  },
  transpose(ct, _operands, [x], params) {
    const { shape, axes } = params as { shape: Shape; axes: readonly number[] };
    const own = axes.filter((axis, k) => x!.shape[k] === shape[axis]);
    const repeated = shape.map((_, axis) => axis).filter((axis) => !own.includes(axis));
    const summed = repeated.length === 0 ? ct : reduceSum(ct, repeated);
    // the axes left stand in the order of the result
    const order = [...own].sort((a, b) => a - b);
    return [
      reshape(
        transpose(
          summed,
          own.map((axis) => order.indexOf(axis)),
        ),
        x!.shape,
      ),
    ];
  },
  samples: [
    { shape: [3], params: { shape: [2, 3], axes: [1] } },
    { shape: [2, 1], params: { shape: [2, 4, 3], axes: [0, 2] } },
    { shape: [], params: { shape: [5], axes: [] } },
    { shape: [2, 3], params: { shape: [3, 2], axes: [1, 0] } },
  ],
});

/** Axis k of x becomes axis `axes[k]` of the result; axes of size 1 and new axes are repeated. */
export function broadcast(x: Operand, shape: Shape, axes: readonly number[]): Tensor {
  return bindOne(fillOp, [x], { shape, axes });
}

/** Σ over `axes`; of nothing it is 0. f32 sums on the CPU are carried in f64. */
export const reduceSum = reduction("reduceSum", {
  takes: ["f32", "i32", "u32"],
  ...fold(
    () => 0,
    (b, x, y) => b.add(x, y),
  ),
  finish: (b, [sum]) => b.unsignedZero(sum!),
  row(data, from, to, dtype) {
    let sum = 0;
    if (dtype === "f32") for (let i = from; i < to; i++) sum += data[i]!;
    else for (let i = from; i < to; i++) sum = (sum + data[i]!) | 0;
    return sum;
  },
  jvp: ([dx], _operands, _result, params) => reduceSum(dx!, (params as ReduceParams).axes),
  transpose(ct, _operands, [x], params) {
    const { axes } = params as ReduceParams;
    const kept = x!.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    return [broadcast(ct, x!.shape, kept)];
  },
  domain: [0.1, 4],
  ulp: 16,
});

/** A full tensor of one constant or scalar. */
export const fill = (x: Operand, shape: Shape): Tensor => broadcast(x, shape, []);

const reshapeOp = register<ViewOp>({
  name: "reshape",
  kind: "view",
  keepsOrder: true,
  typeOf([x], params) {
    const { shape } = params as { shape: Shape };
    checkShape(shape, "reshape");
    if (sizeOf(shape) !== sizeOf(x!.shape)) {
      throw new ShapeError(
        `reshape: ${showAval(x!)} has ${sizeOf(x!.shape)} elements, ${showShape(shape)} has ${sizeOf(shape)}`,
      );
    }
    return [aval(x!.dtype, shape)];
  },
  read: (_b, at, operand, [x]) => operand(0, at.reshaped(x!.shape)),
  cpu: ([x], _params, _context, output) => ({ dtype: x!.dtype, shape: output.shape, data: x!.data }),
  batch([x], params, size) {
    const { shape } = params as { shape: Shape };
    const own = x!.value.aval.shape;
    // the batch axis stays where as many elements lie outside of it before and after
    const outer = sizeOf(own.slice(0, x!.axis!));
    if (sizeOf(own) > 0) {
      for (let at = 0; at <= shape.length; at++) {
        if (sizeOf(shape.slice(0, at)) === outer)
          return { value: reshape(x!.value, insertAt(shape, at, size)), axis: at };
      }
    }
    return { value: reshape(moveAxis(x!.value, x!.axis!, 0), [size, ...shape]), axis: 0 };
  },
  transpose: (ct, _operands, [x]) => [reshape(ct, x!.shape)],
  samples: viewSamples([
    { shape: [2, 6], params: { shape: [3, 4] } },
    { shape: [12], params: { shape: [2, 3, 2] } },
    { shape: [1, 1], params: { shape: [] } },
    { shape: [0, 3], params: { shape: [3, 0] } },
  ]),
  ulp: 0,
});

/** The same elements in row-major order, under another shape of as many elements. */
export const reshape = (x: Operand, shape: Shape): Tensor => bindOne(reshapeOp, [x], { shape });

const transposeOp = affineView("transpose", {
  typeOf(x, { perm }: { perm: readonly number[] }) {
    const rank = x.shape.length;
    if (perm.length !== rank || new Set(perm).size !== rank || perm.some((axis) => !(axis >= 0 && axis < rank))) {
      throw new ShapeError(`transpose: ${showShape(perm)} is no order of the ${rank} axes of ${showAval(x)}`);
    }
    return aval(
      x.dtype,
      perm.map((axis) => x.shape[axis]!),
    );
  },
  axes: (x, _output, { perm }: { perm: readonly number[] }) => x.shape.map((_, axis) => identity(perm.indexOf(axis))),
  batch([x], params) {
    const { perm } = params as { perm: readonly number[] };
    const b = x!.axis!;
    const bumped = perm.map((axis) => (axis < b ? axis : axis + 1));
    return { value: transpose(x!.value, insertAt(bumped, b, b)), axis: b };
  },
  transpose(ct, _operands, _types, params) {
    const { perm } = params as { perm: readonly number[] };
    return [
      transpose(
        ct,
        perm.map((_, axis) => perm.indexOf(axis)),
      ),
    ];
  },
  samples: [
    { shape: [2, 3], params: { perm: [1, 0] } },
    { shape: [2, 3, 4], params: { perm: [2, 0, 1] } },
    { shape: [], params: { perm: [] } },
  ],
});

/** Axis i of the result is axis `perm[i]` of x. */
export const transpose = (x: Operand, perm: readonly number[]): Tensor => bindOne(transposeOp, [x], { perm });

/** x with axis `from` at `to`, the others in order. */
export function moveAxis(x: Operand, from: number, to: number): Tensor {
  if (from === to && x instanceof Tensor) return x;
  const rest = x.aval.shape.map((_, axis) => axis).filter((axis) => axis !== from);
  return transpose(x, insertAt(rest, to, from));
}

const expandDimsOp = affineView("expandDims", {
  keepsOrder: true,
  typeOf(x, { axes }: { axes: readonly number[] }) {
    const rank = x.shape.length + axes.length;
    if (new Set(axes).size !== axes.length || axes.some((axis) => !(axis >= 0 && axis < rank))) {
      throw new ShapeError(`expandDims: ${showShape(axes)} are no ${axes.length} axes of a result of rank ${rank}`);
    }
    let at = 0;
    return aval(
      x.dtype,
      Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : x.shape[at++]!)),
    );
  },
  axes(_x, output, { axes }: { axes: readonly number[] }) {
    return output.shape
      .map((_, axis) => axis)
      .filter((axis) => !axes.includes(axis))
      .map(identity);
  },
  batch([x], params) {
    // the batch axis stands before the same operand axis as it did, or first
    const { axes } = params as { axes: readonly number[] };
    const rank = x!.value.aval.shape.length - 1 + axes.length;
    const kept = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !axes.includes(axis));
    const at = x!.axis === 0 ? 0 : (kept[x!.axis!] ?? rank);
    return {
      value: expandDims(
        x!.value,
        axes.map((axis) => (axis < at ? axis : axis + 1)),
      ),
      axis: at,
    };
  },
  transpose: (ct, _operands, _types, params) => [squeeze(ct, (params as { axes: readonly number[] }).axes)],
  samples: [
    { shape: [3], params: { axes: [0] } },
    { shape: [2, 3], params: { axes: [1, 3] } },
    { shape: [], params: { axes: [0] } },
  ],
});

/** New axes of size 1 at the positions `axes` of the result. */
export const expandDims = (x: Operand, axes: readonly number[]): Tensor => bindOne(expandDimsOp, [x], { axes });

const squeezeOp = affineView("squeeze", {
  keepsOrder: true,
  typeOf(x, { axes }: { axes: readonly number[] }) {
    for (const axis of axes) {
      if (x.shape[axis] !== 1) throw new ShapeError(`squeeze: axis ${axis} of ${showAval(x)} does not have size 1`);
    }
    return aval(
      x.dtype,
      x.shape.filter((_, axis) => !axes.includes(axis)),
    );
  },
  axes(x, _output, { axes }: { axes: readonly number[] }) {
    let at = 0;
    return x.shape.map((_, axis) => (axes.includes(axis) ? { from: null, scale: 0, offset: 0 } : identity(at++)));
  },
  batch([x], params) {
    const { axes } = params as { axes: readonly number[] };
    const b = x!.axis!;
    const bumped = axes.map((axis) => (axis < b ? axis : axis + 1));
    return { value: squeeze(x!.value, bumped), axis: b - bumped.filter((axis) => axis < b).length };
  },
  transpose: (ct, _operands, _types, params) => [expandDims(ct, (params as { axes: readonly number[] }).axes)],
  samples: [
    { shape: [1, 3], params: { axes: [0] } },
    { shape: [2, 1, 3, 1], params: { axes: [1, 3] } },
  ],
});

/** x without `axes`, each of size 1. */
export const squeeze = (x: Operand, axes: readonly number[]): Tensor => bindOne(squeezeOp, [x], { axes });

const flipOp = affineView("flip", {
  typeOf: (x) => aval(x.dtype, x.shape),
  axes: (x, _output, { axes }: { axes: readonly number[] }) =>
    x.shape.map((n, from) => (axes.includes(from) ? { from, scale: -1, offset: Math.max(n - 1, 0) } : identity(from))),
  batch([x], params) {
    const { axes } = params as { axes: readonly number[] };
    const b = x!.axis!;
    return {
      value: flip(
        x!.value,
        axes.map((axis) => (axis < b ? axis : axis + 1)),
      ),
      axis: b,
    };
  },
  transpose: (ct, _operands, _types, params) => [flip(ct, (params as { axes: readonly number[] }).axes)],
  samples: [
    { shape: [4], params: { axes: [0] } },
    { shape: [2, 3], params: { axes: [0, 1] } },
  ],
});

/** x with the order along `axes` reversed. */
export const flip = (x: Operand, axes: readonly number[]): Tensor => bindOne(flipOp, [x], { axes });

/** All lanes of `arg` along axis `to`: moved there, or repeated when it is the same for all. */
export function lanesAt(arg: Batched, to: number, size: number): Tensor {
  if (arg.axis !== null) return moveAxis(arg.value, arg.axis, to);
  const shape = arg.value.aval.shape;
  return broadcast(
    arg.value,
    insertAt(shape, to, size),
    shape.map((_, axis) => (axis < to ? axis : axis + 1)),
  );
}
