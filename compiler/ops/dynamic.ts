// Boxes at computed places: dynamicSlice reads one, dynamicUpdateSlice writes one.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import { insertAt, removeAt, type Shape, sizeOf, stridesOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import { register, shaped, type ViewOp } from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { gatherStrided, scatterStrided } from "../ir/strided.js";
import type { Batched } from "../trace/rules.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { add, max, min, sub } from "./arithmetic.js";
import { broadcast, fill, lanesAt, moveAxis } from "./axes.js";
import { and, ge, lt, select } from "./compare.js";
import { allDTypes, bindOne } from "./define.js";
import { gather } from "./gather.js";
import { iota } from "./slicing.js";

/** Sizes of the part that is read. */
interface DynamicSliceParams {
  readonly sizes: readonly number[];
}

const i32 = (value: number) => literal(value, aval("i32", []));

const zeros = (shape: Shape): Tensor => fill(literal(0, aval("f32", [])), shape);

function checkStarts(name: string, x: Aval, starts: readonly Aval[]): void {
  if (starts.length !== x.shape.length)
    throw new ShapeError(`${name}: ${starts.length} starts given for ${showAval(x)}`);
  starts.forEach((start, axis) => {
    if (start.dtype !== "i32" || start.shape.length > 0)
      throw new DTypeError(`${name}: the start of axis ${axis} is ${showAval(start)}, but i32[] is wanted`);
  });
}

/** A start clamped so that the box, `slack` smaller than its axis, lies in it. */
const startIn = (b: ScalarBuilder, start: Scalar, slack: number): Scalar =>
  b.cast(b.min(b.max(start, b.i32(0)), b.i32(slack)), "u32");

const clampStart = (start: Operand, slack: number): Tensor => max(min(start, i32(slack)), i32(0));

/** Offset of the box's first element in an array of `shape`. */
function offsetOf(shape: Shape, box: Shape, starts: readonly NDArray[]): number {
  const strides = stridesOf(shape);
  return starts.reduce(
    (sum, { data }, axis) => sum + Math.min(Math.max(data[0]!, 0), shape[axis]! - box[axis]!) * strides[axis]!,
    0,
  );
}

/** How far 0 … n − 1 lie behind each lane's start: [lanes, n]. */
function behindStart(start: Batched, n: number, slack: number, size: number): Tensor {
  const first = broadcast(clampStart(start.value, slack), [size, n], start.axis === null ? [] : [0]);
  return sub(broadcast(iota("i32", [n], 0), [size, n], [1]), first);
}

/** x with every lane read along `axis` at its own indices [lanes, n]; one x for all lanes is not repeated. */
function readPerLane(x: Batched, axis: number, indices: Tensor): Batched<Tensor> {
  if (x.axis === null) return { value: gather(x.value, [indices], { axes: [axis], batch: 0, mode: "clip" }), axis };
  const lanes = moveAxis(x.value, x.axis, 0);
  return { value: gather(lanes, [indices], { axes: [axis + 1], batch: 1, mode: "clip" }), axis: 0 };
}

const dynamicSliceOp = register<ViewOp>({
  name: "dynamicSlice",
  kind: "view",
  typeOf([x, ...starts], params) {
    const { sizes } = params as DynamicSliceParams;
    checkStarts("dynamicSlice", x!, starts);
    if (sizes.length !== x!.shape.length)
      throw new ShapeError(`dynamicSlice: ${sizes.length} sizes given for ${showAval(x!)}`);
    sizes.forEach((n, axis) => {
      if (!(Number.isInteger(n) && n >= 0 && n <= x!.shape[axis]!))
        throw new ShapeError(`dynamicSlice: ${n} elements cannot be taken along axis ${axis} of ${showAval(x!)}`);
    });
    return [aval(x!.dtype, sizes)];
  },
  read(b, at, operand, [x], params) {
    const { sizes } = params as DynamicSliceParams;
    const coords = x!.shape.map((n, axis) => {
      const slack = n - sizes[axis]!;
      if (slack === 0) return at.coords[axis]!;
      return b.add(at.coords[axis]!, startIn(b, operand(axis + 1, Position.at(b, [], [])), slack));
    });
    return operand(0, Position.at(b, x!.shape, coords));
  },
  cpu([x, ...starts], params, { wide }, output) {
    const { sizes } = params as DynamicSliceParams;
    const data = allocate(output.dtype, sizeOf(sizes), wide);
    gatherStrided(data, sizes, x!.data, offsetOf(x!.shape, sizes, starts), stridesOf(x!.shape));
    return { dtype: output.dtype, shape: sizes, data };
  },
  batch([x, ...starts], params, size) {
    const { sizes } = params as DynamicSliceParams;
    // axes whose start is the same for all lanes first, then one read for each that differs
    const own = x!.axis === null ? x!.value.aval.shape : removeAt(x!.value.aval.shape, x!.axis);
    const shared = starts.map(({ axis, value }) => (axis === null ? value : i32(0)));
    const kept = sizes.map((n, axis) => (starts[axis]!.axis === null ? n : own[axis]!));
    const value =
      x!.axis === null
        ? dynamicSlice(x!.value, shared, kept)
        : dynamicSlice(x!.value, insertAt(shared, x!.axis, i32(0)), insertAt(kept, x!.axis, size));
    let part: Batched<Tensor> = { value, axis: x!.axis };
    starts.forEach((start, axis) => {
      const [n, slack] = [sizes[axis]!, own[axis]! - sizes[axis]!];
      if (start.axis === null || slack === 0) return;
      const first = broadcast(clampStart(start.value, slack), [size, n], [0]);
      const indices = add(first, broadcast(iota("i32", [n], 0), [size, n], [1]));
      part = readPerLane(part, axis, indices);
    });
    return part;
  },
  transpose: (ct, [, ...starts], [x]) => [
    dynamicUpdateSlice(
      zeros(x!.shape),
      ct,
      starts.map((start) => start!),
    ),
  ],
  samples: allDTypes.flatMap((dtype) =>
    [
      { shape: [7], sizes: [3] },
      { shape: [3, 5], sizes: [1, 5] },
      { shape: [4, 3, 2], sizes: [2, 3, 1] },
      { shape: [], sizes: [] },
      { shape: [3, 0], sizes: [2, 0] },
    ].map(({ shape, sizes }) => ({
      inputs: [shaped(dtype, ...shape), ...shape.map(() => shaped("i32"))],
      params: { sizes },
      domain: [dtype === "bool" ? ([0, 1] as const) : ([0, 9] as const), ...shape.map(() => [-2, 6] as const)],
    })),
  ),
  ulp: 0,
});

/** `sizes` elements of x from computed `starts` on, i32 scalars, one per axis; starts are clamped so that all lie in x. */
export const dynamicSlice = (x: Operand, starts: readonly Operand[], sizes: readonly number[]): Tensor =>
  bindOne(dynamicSliceOp, [x, ...starts], { sizes });

const dynamicUpdateSliceOp = register<ViewOp>({
  name: "dynamicUpdateSlice",
  kind: "view",
  oneOperand: true,
  typeOf([x, update, ...starts]) {
    checkStarts("dynamicUpdateSlice", x!, starts);
    if (update!.dtype !== x!.dtype) {
      throw new DTypeError(
        `dynamicUpdateSlice: the update is ${showAval(update!)}, the array ${showAval(x!)}\n  cast one with astype()`,
      );
    }
    const fits = update!.shape.length === x!.shape.length && update!.shape.every((n, axis) => n <= x!.shape[axis]!);
    if (!fits) throw new ShapeError(`dynamicUpdateSlice: ${showAval(update!)} does not fit into ${showAval(x!)}`);
    return [aval(x!.dtype, x!.shape)];
  },
  read(b, at, operand, [x, update]) {
    if (sizeOf(update!.shape) === 0) return operand(0, at);
    let inside = b.bool(true);
    const coords = x!.shape.map((n, axis): Scalar => {
      const size = update!.shape[axis]!;
      if (size === n) return at.coords[axis]!;
      // in front of the box the difference wraps around and is far above its size
      const from = b.sub(at.coords[axis]!, startIn(b, operand(axis + 2, Position.at(b, [], [])), n - size));
      inside = b.and(inside, b.lt(from, b.u32(size)));
      return from;
    });
    return b.branch(
      inside,
      () => [operand(1, Position.at(b, update!.shape, coords))],
      () => [operand(0, Position.at(b, x!.shape, at.coords))],
    )[0]!;
  },
  cpu([x, update, ...starts], _params, _context, output) {
    const data = x!.data.slice();
    const offset = offsetOf(x!.shape, update!.shape, starts);
    scatterStrided(data, update!.shape, update!.data, offset, stridesOf(x!.shape));
    return { dtype: output.dtype, shape: output.shape, data };
  },
  batch([x, update, ...starts], _params, size) {
    const box = update!.axis === null ? update!.value.aval.shape : removeAt(update!.value.aval.shape, update!.axis);
    if (starts.every((start) => start.axis === null)) {
      const at = (x!.axis ?? update!.axis)!;
      const own = starts.map((start) => start.value);
      const value = dynamicUpdateSlice(lanesAt(x!, at, size), lanesAt(update!, at, size), insertAt(own, at, i32(0)));
      return { value, axis: at };
    }
    const lanes = lanesAt(x!, 0, size);
    if (sizeOf(box) === 0) return { value: lanes, axis: 0 };
    // each element looks whether it lies in its lane's box, and where
    let read: Batched = update!;
    let inside: Tensor | undefined;
    starts.forEach((start, axis) => {
      const [n, own] = [lanes.shape[axis + 1]!, box[axis]!];
      if (own === n) return;
      const place = behindStart(start, n, n - own, size);
      const isIn = broadcast(and(ge(place, i32(0)), lt(place, i32(own))), lanes.shape, [0, axis + 1]);
      inside = inside ? and(inside, isIn) : isIn;
      read = readPerLane(read, axis, place);
    });
    const updated = lanesAt(read, 0, size);
    return { value: inside ? select(inside, updated, lanes) : updated, axis: 0 };
  },
  transpose(ct, [x, update, ...starts], [, box]) {
    const own = starts.map((start) => start!);
    return [
      x ? undefined : dynamicUpdateSlice(ct, zeros(box!.shape), own),
      update ? undefined : dynamicSlice(ct, own, box!.shape),
    ];
  },
  samples: allDTypes.flatMap((dtype) =>
    [
      { shape: [7], box: [3] },
      { shape: [3, 5], box: [1, 5] },
      { shape: [4, 3, 2], box: [2, 3, 1] },
      { shape: [2, 3], box: [2, 3] },
      { shape: [], box: [] },
      { shape: [3, 2], box: [0, 2] },
    ].map(({ shape, box }) => ({
      inputs: [shaped(dtype, ...shape), shaped(dtype, ...box), ...shape.map(() => shaped("i32"))],
      params: {},
      domain: [...[0, 1].map(() => [0, dtype === "bool" ? 1 : 9] as const), ...shape.map(() => [-2, 6] as const)],
    })),
  ),
  ulp: 0,
});

/**
 * x with `update`, of the rank of x, written from computed `starts` on: i32 scalars, one per axis, clamped so that the
 * update lies in x.
 */
export const dynamicUpdateSlice = (x: Operand, update: Operand, starts: readonly Operand[]): Tensor =>
  bindOne(dynamicUpdateSliceOp, [x, update, ...starts]);
