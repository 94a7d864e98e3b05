// Boxes at computed places: dynamicSlice reads one, dynamicUpdateSlice writes one.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import { insertAt, removeAt, runFrom, type Shape, sameShape, sizeOf, stridesOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import { type Params, register, shaped, type ViewOp } from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { gatherStrided, scatterStrided } from "../ir/strided.js";
import type { Batched } from "../trace/rules.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { add, max, min } from "./arithmetic.js";
import { broadcast, fill, lanesAt, moveAxis } from "./axes.js";
import { allDTypes, bindOne } from "./define.js";
import { gather } from "./gather.js";
import { MAX_INDEX_ARRAYS } from "./indexed.js";
import { scatter } from "./scatter.js";
import { iota } from "./slicing.js";

/** Sizes of the part that is read. */
interface DynamicSliceParams {
  readonly sizes: readonly number[];
}

const i32 = (value: number) => literal(value, aval("i32", []));

const zeros = (shape: Shape): Tensor => fill(literal(0, aval("f32", [])), shape);

function checkStarts(name: string, x: Aval, starts: readonly Aval[], lanes = 0): void {
  if (starts.length !== x.shape.length - lanes)
    throw new ShapeError(`${name}: ${starts.length} starts given for ${showAval(x)}`);
  const wanted = aval("i32", x.shape.slice(0, lanes));
  starts.forEach((start, k) => {
    if (start.dtype !== "i32" || !sameShape(start.shape, wanted.shape)) {
      throw new DTypeError(
        `${name}: the start of axis ${lanes + k} is ${showAval(start)}, but ${showAval(wanted)} is wanted`,
      );
    }
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

/** Leading axes of the array, the update and the starts that go in step: each lane has its own starts. */
interface DynamicUpdateSliceParams {
  readonly lanes?: number;
}

const lanesIn = (params: Params): number => (params as DynamicUpdateSliceParams).lanes ?? 0;

/** Where the update begins, one u32 for each axis behind the lanes; undefined where it is as long as the axis. */
function firstOf(
  b: ScalarBuilder,
  at: Position,
  operand: (k: number, at: Position) => Scalar,
  [x, update]: readonly Aval[],
  lanes: number,
): (Scalar | undefined)[] {
  const lane = Position.at(b, x!.shape.slice(0, lanes), at.coords.slice(0, lanes));
  return x!.shape.slice(lanes).map((n, k) => {
    const slack = n - update!.shape[lanes + k]!;
    return slack === 0 ? undefined : startIn(b, operand(k + 2, lane), slack);
  });
}

const dynamicUpdateSliceOp: ViewOp = register<ViewOp>({
  name: "dynamicUpdateSlice",
  kind: "view",
  oneOperand: true,
  typeOf([x, update, ...starts], params) {
    checkStarts("dynamicUpdateSlice", x!, starts, lanesIn(params));
    if (update!.dtype !== x!.dtype) {
      throw new DTypeError(
        `dynamicUpdateSlice: the update is ${showAval(update!)}, the array ${showAval(x!)}\n  cast one with astype()`,
      );
    }
    const lanes = lanesIn(params);
    const fits =
      update!.shape.length === x!.shape.length &&
      update!.shape.every((n, axis) => (axis < lanes ? n === x!.shape[axis] : n <= x!.shape[axis]!));
    if (!fits) throw new ShapeError(`dynamicUpdateSlice: ${showAval(update!)} does not fit into ${showAval(x!)}`);
    return [aval(x!.dtype, x!.shape)];
  },
  read(b, at, operand, [x, update], params) {
    if (sizeOf(update!.shape) === 0) return operand(0, at);
    const lanes = lanesIn(params);
    const first = firstOf(b, at, operand, [x!, update!], lanes);
    let inside = b.bool(true);
    const coords = at.coords.map((coord, axis): Scalar => {
      const start = first[axis - lanes];
      if (!start) return coord;
      // in front of the box the difference wraps around and is far above its size
      const from = b.sub(coord, start);
      inside = b.and(inside, b.lt(from, b.u32(update!.shape[axis]!)));
      return from;
    });
    return b.branch(
      inside,
      () => [operand(1, Position.at(b, update!.shape, coords))],
      () => [operand(0, Position.at(b, x!.shape, at.coords))],
    )[0]!;
  },
  overwritesFrom([x, update, ...starts], params) {
    if (lanesIn(params) > 0 || !starts.every((start) => start.kind === "literal")) return undefined;
    const [shape, box] = [x!.aval.shape, update!.aval.shape];
    const clamped = starts.map(({ value }, axis) => Math.min(Math.max(value, 0), shape[axis]! - box[axis]!));
    return runFrom(shape, box, clamped);
  },
  writes(b, at, operand, [x, update], params) {
    const lanes = lanesIn(params);
    const first = firstOf(b, at, operand, [x!, update!], lanes);
    const coords = at.coords.map((coord, axis) => (first[axis - lanes] ? b.add(coord, first[axis - lanes]!) : coord));
    return { at: Position.at(b, x!.shape, coords), value: () => operand(1, at) };
  },
  cpu([x, update, ...starts], params, _context, output) {
    const data = x!.data.slice();
    const lanes = lanesIn(params);
    const [shape, box] = [x!.shape.slice(lanes), update!.shape.slice(lanes)];
    const count = sizeOf(x!.shape.slice(0, lanes));
    for (let lane = 0; lane < count; lane++) {
      const own = starts.map((start) => ({ ...start, data: start.data.subarray(lane) }));
      const part = update!.data.subarray(lane * sizeOf(box), (lane + 1) * sizeOf(box));
      scatterStrided(data, box, part, lane * sizeOf(shape) + offsetOf(shape, box, own), stridesOf(shape));
    }
    return { dtype: output.dtype, shape: output.shape, data };
  },
  batch([x, update, ...starts], params, size) {
    const lanes = lanesIn(params);
    if (lanes === 0 && starts.every((start) => start.axis === null)) {
      const at = (x!.axis ?? update!.axis)!;
      const own = starts.map((start) => start.value);
      const value = dynamicUpdateSlice(lanesAt(x!, at, size), lanesAt(update!, at, size), insertAt(own, at, i32(0)));
      return { value, axis: at };
    }
    const [to, from, ...own] = [x!, update!, ...starts].map((y) => lanesAt(y, 0, size)) as [
      Tensor,
      Tensor,
      ...Tensor[],
    ];
    return { value: writeBoxes(to, from, own, lanes + 1), axis: 0 };
  },
  transpose(ct, [x, update, ...starts], [, box], params) {
    const own = starts.map((start) => start!);
    return [
      x ? undefined : bindOne(dynamicUpdateSliceOp, [ct, zeros(box!.shape), ...own], params),
      update ? undefined : readBoxes(ct, own, box!.shape, lanesIn(params)),
    ];
  },
  samples: allDTypes.flatMap((dtype) =>
    [
      { shape: [7], box: [3], lanes: 0 },
      { shape: [3, 5], box: [1, 5], lanes: 0 },
      { shape: [4, 3, 2], box: [2, 3, 1], lanes: 0 },
      { shape: [2, 3], box: [2, 3], lanes: 0 },
      { shape: [], box: [], lanes: 0 },
      { shape: [3, 2], box: [0, 2], lanes: 0 },
      { shape: [3, 5], box: [3, 1], lanes: 1 },
      { shape: [2, 2, 4, 3], box: [2, 2, 2, 3], lanes: 2 },
    ].map(({ shape, box, lanes }) => ({
      inputs: [
        shaped(dtype, ...shape),
        shaped(dtype, ...box),
        ...shape.slice(lanes).map(() => shaped("i32", ...shape.slice(0, lanes))),
      ],
      params: lanes === 0 ? {} : { lanes },
      domain: [
        ...[0, 1].map(() => [0, dtype === "bool" ? 1 : 9] as const),
        ...shape.slice(lanes).map(() => [-2, 6] as const),
      ],
    })),
  ),
  ulp: 0,
});

/** x with the update of each lane written from the lane's own starts on. */
function writeBoxes(x: Tensor, update: Tensor, starts: readonly Tensor[], lanes: number): Tensor {
  const lane = x.shape.slice(0, lanes);
  const every = lane.map((_, axis) => axis);
  const slack = starts.map((_, k) => x.shape[lanes + k]! - update.shape[lanes + k]!);
  if (slack.filter((n) => n > 0).length <= MAX_INDEX_ARRAYS) {
    // a start that says nothing need not be read
    const own = starts.map((start, k) => (slack[k] === 0 ? broadcast(i32(0), lane, []) : start));
    return bindOne(dynamicUpdateSliceOp, [x, update, ...own], { lanes });
  }
  const indices = starts.map((start, k) =>
    add(
      broadcast(clampStart(start, slack[k]!), update.shape, every),
      broadcast(iota("i32", [update.shape[lanes + k]!], 0), update.shape, [lanes + k]),
    ),
  );
  const axes = starts.map((_, k) => lanes + k);
  return scatter(x, indices, update, { axes, batch: lanes, mode: "clip", combine: "set", unique: true });
}

/** What lies at each lane's own starts: the part of x that the box of `shape` was written to. */
function readBoxes(x: Tensor, starts: readonly Operand[], shape: Shape, lanes: number): Tensor {
  if (lanes === 0) return dynamicSlice(x, starts, shape);
  const lane = shape.slice(0, lanes);
  const every = lane.map((_, axis) => axis);
  return starts.reduce<Tensor>((part, start, k) => {
    const [n, slack] = [shape[lanes + k]!, x.shape[lanes + k]! - shape[lanes + k]!];
    if (slack === 0) return part;
    const first = broadcast(clampStart(start, slack), [...lane, n], every);
    const indices = add(first, broadcast(iota("i32", [n], 0), [...lane, n], [lanes]));
    const read = gather(part, [indices], { axes: [lanes + k], batch: lanes, mode: "clip" });
    return read;
  }, x);
}

/**
 * x with `update`, of the rank of x, written from computed `starts` on: i32 scalars, one per axis, clamped so that the
 * update lies in x.
 */
export const dynamicUpdateSlice = (x: Operand, update: Operand, starts: readonly Operand[]): Tensor =>
  bindOne(dynamicUpdateSliceOp, [x, update, ...starts]);
