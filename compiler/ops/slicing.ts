// Views that cut and join: slice, pad, concatenate; and iota, the view of nothing.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate, type DType } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import { checkShape, insertAt, runFrom, type Shape, showShape, sizeOf, stridesOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import { register, shaped, type ViewOp } from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Scalar } from "../ir/scalar.js";
import { gatherStrided, scatterStrided } from "../ir/strided.js";
import type { Batched } from "../trace/rules.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { sub } from "./arithmetic.js";
import { broadcast, fill, lanesAt, reduceSum } from "./axes.js";
import { select } from "./compare.js";
import { affineView, allDTypes, bindOne } from "./define.js";

const zero = literal(0, aval("f32", []));

/** Bounds of a slice, one entry per axis: start ≤ i < stop in steps ≥ 1. */
export interface SliceParams {
  readonly start: readonly number[];
  readonly stop: readonly number[];
  readonly step: readonly number[];
}

const sliceOp = affineView("slice", {
  typeOf(x, { start, stop, step }: SliceParams) {
    if ([start, stop, step].some((list) => list.length !== x.shape.length)) {
      throw new ShapeError(`slice: bounds for ${start.length} axes given for ${showAval(x)}`);
    }
    const shape = x.shape.map((n, axis) => {
      const [from, to, by] = [start[axis]!, stop[axis]!, step[axis]!];
      if (!(from >= 0 && to <= n && from <= to && by >= 1 && [from, to, by].every(Number.isInteger))) {
        throw new ShapeError(`slice: ${from}:${to}:${by} does not lie in axis ${axis} of ${showAval(x)}`);
      }
      return Math.ceil((to - from) / by);
    });
    return aval(x.dtype, shape);
  },
  axes: (_x, _output, { start, step }: SliceParams) =>
    start.map((offset, from) => ({ from, scale: step[from]!, offset })),
  runFrom: (x, output, { start, step }: SliceParams) =>
    step.every((by, axis) => by === 1 || output.shape[axis] === 1) ? runFrom(x.shape, output.shape, start) : undefined,
  batch([x], params, size) {
    const { start, stop, step } = params as SliceParams;
    const b = x!.axis!;
    return {
      value: slice(x!.value, {
        start: insertAt(start, b, 0),
        stop: insertAt(stop, b, size),
        step: insertAt(step, b, 1),
      }),
      axis: b,
    };
  },
  transpose(ct, _operands, [x], params) {
    const { start, step } = params as SliceParams;
    const high = x!.shape.map((n, axis) => {
      const count = ct.shape[axis]!;
      return n - start[axis]! - (count === 0 ? 0 : (count - 1) * step[axis]! + 1);
    });
    return [pad(ct, zero, { low: start, high, interior: step.map((by) => by - 1) })];
  },
  samples: [
    { shape: [7], params: { start: [1], stop: [6], step: [2] } },
    { shape: [4, 5], params: { start: [0, 2], stop: [3, 5], step: [1, 1] } },
    { shape: [3, 4], params: { start: [1, 0], stop: [1, 4], step: [1, 3] } },
  ],
});

/** Elements start, start + step, … below stop, along every axis. */
export const slice = (x: Operand, params: SliceParams): Tensor => bindOne(sliceOp, [x], params);

/** Elements added before, after and between, one entry per axis; negative `low` and `high` cut off. */
export interface PadParams {
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly interior: readonly number[];
}

/** Shape of an array of `shape` when it is padded. */
const paddedShape = (shape: Shape, { low, high, interior }: PadParams): number[] =>
  shape.map((n, axis) => low[axis]! + n + Math.max(n - 1, 0) * interior[axis]! + high[axis]!);

/** x with `value` around and between its elements, on the host. */
export function padArray(x: NDArray, value: number, params: PadParams, wide: boolean): NDArray {
  const { low, high, interior } = params;
  const shape = paddedShape(x.shape, params);
  const data = allocate(x.dtype, sizeOf(shape), wide).fill(value);
  const own = stridesOf(x.shape);
  const target = stridesOf(shape);
  // the part of x that is not cut off
  const first = x.shape.map((_, axis) => Math.max(0, Math.ceil(-low[axis]! / (interior[axis]! + 1))));
  const count = x.shape.map((n, axis) => {
    const step = interior[axis]! + 1;
    const last = Math.min(n - 1, n - 1 - Math.ceil(-high[axis]! / step));
    return Math.max(0, last - first[axis]! + 1);
  });
  const part = allocate(x.dtype, sizeOf(count), wide);
  gatherStrided(part, count, x.data, dot(first, own), own);
  const offset = dot(
    first.map((at, axis) => low[axis]! + at * (interior[axis]! + 1)),
    target,
  );
  scatterStrided(
    data,
    count,
    part,
    offset,
    target.map((stride, axis) => stride * (interior[axis]! + 1)),
  );
  return { dtype: x.dtype, shape, data };
}

const padOp = register<ViewOp>({
  name: "pad",
  kind: "view",
  typeOf([x, value], params) {
    const { low, high, interior } = params as PadParams;
    if (value!.shape.length > 0) throw new ShapeError(`pad: the value is ${showAval(value!)}, but a scalar is wanted`);
    if (value!.dtype !== x!.dtype) throw new DTypeError(`pad: the value is ${value!.dtype}, the array ${x!.dtype}`);
    if ([low, high, interior].some((list) => list.length !== x!.shape.length)) {
      throw new ShapeError(`pad: padding for ${low.length} axes given for ${showAval(x!)}`);
    }
    const shape = x!.shape.map((_, axis) => {
      const between = interior[axis]!;
      if (!Number.isInteger(between) || between < 0)
        throw new ShapeError(`pad: interior padding ${between} of axis ${axis} is not a whole number ≥ 0`);
      const padded = paddedShape(x!.shape, params as PadParams)[axis]!;
      if (!Number.isInteger(padded) || padded < 0) {
        throw new ShapeError(
          `pad: ${low[axis]} and ${high[axis]} leave size ${padded} of axis ${axis} of ${showAval(x!)}`,
        );
      }
      return padded;
    });
    return [aval(x!.dtype, shape)];
  },
  read(b, at, operand, [x], params) {
    const { low, interior } = params as PadParams;
    const position = Position.at(b, [], []);
    if (sizeOf(x!.shape) === 0) return operand(1, position);
    let inside = b.bool(true);
    const coords = x!.shape.map((n, axis): Scalar => {
      const step = interior[axis]! + 1;
      // below `low` the difference wraps around and is far above the extent
      const from = b.sub(at.coords[axis]!, b.const(low[axis]! >>> 0, "u32"));
      const whole = low[axis] === 0 && step === 1 && at.shape[axis]! <= n;
      if (!whole) inside = b.and(inside, b.lt(from, b.u32((n - 1) * step + 1)));
      if (step > 1) inside = b.and(inside, b.eq(b.rem(from, b.u32(step)), b.u32(0)));
      return whole ? from : b.min(b.div(from, b.u32(step)), b.u32(n - 1));
    });
    return b.select(inside, operand(0, Position.at(b, x!.shape, coords)), operand(1, position));
  },
  cpu: ([x, value], params, { wide }) => padArray(x!, value!.data[0]!, params as PadParams, wide),
  batch([x, value], params, size) {
    const { low, high, interior } = params as PadParams;
    const padLanes = (arg: Batched, by: Operand): Batched<Tensor> => {
      const at = arg.axis ?? 0;
      const lanes = lanesAt(arg, at, size);
      return {
        value: pad(lanes, by, {
          low: insertAt(low, at, 0),
          high: insertAt(high, at, 0),
          interior: insertAt(interior, at, 0),
        }),
        axis: at,
      };
    };
    if (value!.axis === null) return padLanes(x!, value!.value);
    // every lane has its own value: it is chosen wherever a padded mask says "not x"
    const dtype = x!.value.aval.dtype;
    const padded = padLanes(x!, literal(0, aval(dtype, [])));
    const mask = fill(literal(1, aval("bool", [])), x!.value.aval.shape);
    const inside = padLanes({ value: mask, axis: x!.axis }, literal(0, aval("bool", [])));
    const values = broadcast(value!.value, padded.value.shape, [padded.axis!]);
    return { value: select(inside.value, padded.value, values), axis: padded.axis };
  },
  transpose(ct, [x, value], [type], params) {
    const { low, high, interior } = params as PadParams;
    // what was cut off is zero, what was put between is left out
    const none = interior.map(() => 0);
    const whole = pad(ct, zero, { low: low.map((n) => 0 - n), high: high.map((n) => 0 - n), interior: none });
    const inside = slice(whole, { start: none, stop: whole.shape, step: interior.map((n) => n + 1) });
    const axes = type!.shape.map((_, axis) => axis);
    return [x ? undefined : inside, value ? undefined : sub(reduceSum(ct, axes), reduceSum(inside, axes))];
  },
  samples: allDTypes.flatMap((dtype) =>
    [
      { shape: [3], low: [1], high: [2], interior: [0] },
      { shape: [2, 3], low: [0, 2], high: [1, -1], interior: [2, 0] },
      { shape: [4], low: [-1], high: [1], interior: [1] },
      { shape: [5, 2], low: [-2, 0], high: [-1, 0], interior: [0, 0] },
      { shape: [2, 4], low: [0, 1], high: [0, -2], interior: [0, 1] },
    ].map(({ shape, ...params }) => ({ inputs: [shaped(dtype, ...shape), shaped(dtype)], params })),
  ),
  ulp: 0,
});

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

/** x with `value` around and between its elements. */
export const pad = (x: Operand, value: Operand, params: PadParams): Tensor => bindOne(padOp, [x, value], params);

const concatenateOp = register<ViewOp>({
  name: "concatenate",
  kind: "view",
  oneOperand: true,
  split: (inputs, _params, limit) => chunks(inputs.length, limit),
  typeOf(inputs, params) {
    const { axis } = params as { axis: number };
    const first = inputs[0];
    if (!first) throw new ShapeError("concatenate: no arrays given");
    let total = 0;
    inputs.forEach((x, k) => {
      if (x.dtype !== first.dtype)
        throw new DTypeError(
          `concatenate: array ${k} is ${showAval(x)}, array 0 is ${showAval(first)}\n  cast one with astype()`,
        );
      const fits = x.shape.length === first.shape.length && x.shape.every((n, i) => i === axis || n === first.shape[i]);
      if (!fits || axis >= x.shape.length) {
        throw new ShapeError(
          `concatenate: array ${k} is ${showAval(x)}, array 0 is ${showAval(first)}; they may differ only along axis ${axis}`,
        );
      }
      total += x.shape[axis]!;
    });
    return [
      aval(
        first.dtype,
        first.shape.map((n, i) => (i === axis ? total : n)),
      ),
    ];
  },
  read(b, at, operand, inputs, params) {
    const { axis } = params as { axis: number };
    const starts = startsOf(inputs, axis);
    const coord = at.coords[axis]!;
    // only the operand that holds the element is computed
    const pick = (from: number, to: number): Scalar => {
      if (to - from === 1) {
        const coords = at.coords.map((c, i) => (i === axis ? b.sub(c, b.u32(starts[from]!)) : c));
        return operand(from, Position.at(b, inputs[from]!.shape, coords));
      }
      const middle = (from + to) >> 1;
      return b.branch(
        b.lt(coord, b.u32(starts[middle]!)),
        () => [pick(from, middle)],
        () => [pick(middle, to)],
      )[0]!;
    };
    return pick(0, inputs.length);
  },
  cpu(inputs, params, { wide }, output) {
    const { axis } = params as { axis: number };
    const data = allocate(output.dtype, sizeOf(output.shape), wide);
    const strides = stridesOf(output.shape);
    const starts = startsOf(inputs, axis);
    inputs.forEach((x, k) => void scatterStrided(data, x.shape, x.data, starts[k]! * strides[axis]!, strides));
    return { dtype: output.dtype, shape: output.shape, data };
  },
  batch(args, params, size) {
    const { axis } = params as { axis: number };
    const b = args.find((x) => x.axis !== null)!.axis!;
    const lanes = args.map((x) => lanesAt(x, b, size));
    return { value: concatenate(lanes, axis < b ? axis : axis + 1), axis: b };
  },
  transpose(ct, operands, types, params) {
    const { axis } = params as { axis: number };
    const starts = startsOf(types, axis);
    return types.map((type, k) => {
      if (operands[k]) return undefined;
      const start = ct.shape.map((_, i) => (i === axis ? starts[k]! : 0));
      return slice(ct, { start, stop: start.map((from, i) => from + type.shape[i]!), step: start.map(() => 1) });
    });
  },
  samples: allDTypes.flatMap((dtype) => [
    { inputs: [shaped(dtype, 2, 3), shaped(dtype, 1, 3), shaped(dtype, 4, 3)], params: { axis: 0 } },
    { inputs: [shaped(dtype, 2, 1), shaped(dtype, 2, 0), shaped(dtype, 2, 3)], params: { axis: 1 } },
    { inputs: [shaped(dtype, 5)], params: { axis: 0 } },
  ]),
  ulp: 0,
});

/** 0 … n - 1 in runs of at most `limit`. */
const chunks = (n: number, limit: number): number[][] =>
  Array.from({ length: Math.ceil(n / limit) }, (_, i) =>
    Array.from({ length: Math.min(limit, n - i * limit) }, (_, k) => i * limit + k),
  );

/** Where each array begins along the joined axis. */
function startsOf(inputs: readonly { readonly shape: Shape }[], axis: number): number[] {
  let at = 0;
  return inputs.map((x) => {
    const start = at;
    at += x.shape[axis]!;
    return start;
  });
}

/** Arrays one behind the other along `axis`. */
export const concatenate = (xs: readonly Operand[], axis: number): Tensor => bindOne(concatenateOp, xs, { axis });

const iotaOp = register<ViewOp>({
  name: "iota",
  kind: "view",
  typeOf(_inputs: readonly Aval[], params) {
    const { dtype, shape, axis } = params as { dtype: DType; shape: Shape; axis: number };
    checkShape(shape, "iota");
    if (dtype === "bool") throw new DTypeError("iota: does not give bool");
    if (!(axis >= 0 && axis < shape.length)) throw new ShapeError(`iota: ${showShape(shape)} has no axis ${axis}`);
    return [aval(dtype, shape)];
  },
  read: (b, at, _operand, _inputs, params) => {
    const { dtype, axis } = params as { dtype: DType; axis: number };
    return b.cast(at.coords[axis]!, dtype);
  },
  cpu(_inputs, params, { wide }, output) {
    const { axis } = params as { axis: number };
    const n = output.shape[axis]!;
    const counts = allocate(output.dtype, n, wide);
    for (let i = 0; i < n; i++) counts[i] = i;
    const data = allocate(output.dtype, sizeOf(output.shape), wide);
    gatherStrided(
      data,
      output.shape,
      counts,
      0,
      output.shape.map((_, i) => (i === axis ? 1 : 0)),
    );
    return { dtype: output.dtype, shape: output.shape, data };
  },
  samples: (["f32", "i32", "u32"] as const).map((dtype) => ({
    inputs: [],
    params: { dtype, shape: [2, 5, 3], axis: 1 },
  })),
  ulp: 0,
});

/** 0, 1, 2, … along `axis`. */
export const iota = (dtype: DType, shape: Shape, axis: number): Tensor => bindOne(iotaOp, [], { dtype, shape, axis });
