// Reads at computed positions.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate, isInteger } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import { insertAt, type Shape, sizeOf, stridesOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import { register, shaped, type ViewOp } from "../ir/op.js";
import { Position } from "../ir/position.js";
import { gatherStrided } from "../ir/strided.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { add, max, min, sub } from "./arithmetic.js";
import { broadcast, fill, lanesAt, moveAxis } from "./axes.js";
import { and, cast, eq, ge, lt, select } from "./compare.js";
import { dotGeneral } from "./contract.js";
import { allDTypes, bindOne } from "./define.js";
import { iota } from "./slicing.js";

/** `axis`: the axis of x that is read; `batch`: leading axes of x and of the indices that go in step. */
export interface GatherParams {
  readonly axis: number;
  readonly batch: number;
}

/** x[batch, outer, n, inner] at indices[batch, inside] gives [batch, outer, inside, inner]. */
interface GatherShape {
  readonly batch: Shape;
  readonly outer: Shape;
  readonly n: number;
  readonly inner: Shape;
  readonly inside: Shape;
}

const gatherShape = (x: { shape: Shape }, indices: { shape: Shape }, { axis, batch }: GatherParams): GatherShape => ({
  batch: x.shape.slice(0, batch),
  outer: x.shape.slice(batch, axis),
  n: x.shape[axis]!,
  inner: x.shape.slice(axis + 1),
  inside: indices.shape.slice(batch),
});

const gatherOp = register<ViewOp>({
  name: "gather",
  kind: "view",
  typeOf([x, indices], params) {
    const { axis, batch } = params as GatherParams;
    if (!isInteger(indices!.dtype))
      throw new DTypeError(`gather: the indices are ${showAval(indices!)}, but i32 or u32 is wanted`);
    if (!(axis >= batch && axis < x!.shape.length)) throw new ShapeError(`gather: ${showAval(x!)} has no axis ${axis}`);
    for (let i = 0; i < batch; i++) {
      if (x!.shape[i] !== indices!.shape[i]) {
        throw new ShapeError(
          `gather: batch axis ${i} differs in ${showAval(x!)} and its indices ${showAval(indices!)}`,
        );
      }
    }
    const s = gatherShape(x!, indices!, { axis, batch });
    const shape = [...s.batch, ...s.outer, ...s.inside, ...s.inner];
    if (s.n === 0 && sizeOf(shape) > 0)
      throw new ShapeError(`gather: axis ${axis} of ${showAval(x!)} has size 0, so there is nothing to read`);
    return [aval(x!.dtype, shape)];
  },
  read(b, at, operand, [x, indices], params) {
    const s = gatherShape(x!, indices!, params as GatherParams);
    const [p, q, r] = [
      s.batch.length,
      s.batch.length + s.outer.length,
      s.batch.length + s.outer.length + s.inside.length,
    ];
    const lanes = at.coords.slice(0, p);
    const index = operand(1, Position.at(b, indices!.shape, [...lanes, ...at.coords.slice(q, r)]));
    const last = b.const(s.n - 1, index.type);
    const clamped = b.min(index.type === "i32" ? b.max(index, b.i32(0)) : index, last);
    return operand(
      0,
      Position.at(b, x!.shape, [...lanes, ...at.coords.slice(p, q), b.cast(clamped, "u32"), ...at.coords.slice(r)]),
    );
  },
  cpu([x, indices], params, { wide }, output) {
    const s = gatherShape(x!, indices!, params as GatherParams);
    const data = allocate(output.dtype, sizeOf(output.shape), wide);
    const [lanes, outer, inside, inner] = [s.batch, s.outer, s.inside, s.inner].map(sizeOf) as [
      number,
      number,
      number,
      number,
    ];
    let at = 0;
    for (let lane = 0; lane < lanes; lane++) {
      for (let o = 0; o < outer; o++) {
        const base = (lane * outer + o) * s.n;
        for (let i = 0; i < inside; i++) {
          const index = Math.min(Math.max(indices!.data[lane * inside + i]!, 0), s.n - 1);
          const from = (base + index) * inner;
          for (let k = 0; k < inner; k++) data[at++] = x!.data[from + k]!;
        }
      }
    }
    return { dtype: output.dtype, shape: output.shape, data };
  },
  batch([x, indices], params, size) {
    const { axis, batch } = params as GatherParams;
    if (x!.axis !== null && indices!.axis !== null) {
      const value = gather(lanesAt(x!, 0, size), lanesAt(indices!, 0, size), { axis: axis + 1, batch: batch + 1 });
      return { value, axis: 0 };
    }
    if (indices!.axis !== null) {
      // the lanes are one more axis of the indices, outside of their own
      const value = gather(x!.value, moveAxis(indices!.value, indices!.axis, batch), { axis, batch });
      return { value, axis: axis };
    }
    // the lanes are one more outer axis of x
    const value = gather(moveAxis(x!.value, x!.axis!, batch), indices!.value, { axis: axis + 1, batch });
    return { value, axis: batch };
  },
  transpose(ct, [, indices], [x], params) {
    // Σ over the reads of each element, as a product with the matrix of what reads what: in a fixed order
    const { axis, batch } = params as GatherParams;
    const { n, outer, inner, inside } = gatherShape(x!, indices!.aval, { axis, batch });
    const type = indices!.aval.dtype;
    const constant = (value: number) => literal(value, aval(type, []));
    const clamped = max(min(indices!, constant(n - 1)), constant(0));
    const lanes = indices!.aval.shape;
    const reads = eq(
      broadcast(
        clamped,
        [...lanes, n],
        lanes.map((_, i) => i),
      ),
      iota(type, [...lanes, n], lanes.length),
    );
    const axes = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);
    const back = dotGeneral(ct, cast(reads, "f32"), {
      contract: [axes(batch + outer.length, inside.length), axes(batch, inside.length)],
      batch: [axes(0, batch), axes(0, batch)],
    });
    // [batch, outer, inner, n] to [batch, outer, n, inner]
    return [moveAxis(back, batch + outer.length + inner.length, axis), undefined];
  },
  samples: allDTypes.flatMap((dtype) =>
    [
      { x: [5], indices: [3], axis: 0, batch: 0 },
      { x: [4, 3], indices: [], axis: 1, batch: 0 },
      { x: [2, 4, 3], indices: [2, 2], axis: 1, batch: 0 },
      { x: [2, 3, 4], indices: [2, 3], axis: 2, batch: 1 },
    ].flatMap(({ x, indices, ...params }) =>
      (["i32", "u32"] as const).map((index) => ({
        inputs: [shaped(dtype, ...x), shaped(index, ...indices)] as Aval[],
        params,
        domain: [dtype === "bool" ? ([0, 1] as const) : ([0, 9] as const), [index === "i32" ? -1 : 0, 5] as const],
      })),
    ),
  ),
  ulp: 0,
});

/** Elements of x at `indices` along one axis; indices outside are clamped to the nearest element. */
export const gather = (x: Operand, indices: Operand, params: GatherParams): Tensor =>
  bindOne(gatherOp, [x, indices], params);

/** Sizes of the part that is read. */
interface DynamicSliceParams {
  readonly sizes: readonly number[];
}

const i32 = (value: number) => literal(value, aval("i32", []));

const dynamicSliceOp = register<ViewOp>({
  name: "dynamicSlice",
  kind: "view",
  typeOf([x, ...starts], params) {
    const { sizes } = params as DynamicSliceParams;
    const rank = x!.shape.length;
    if (starts.length !== rank || sizes.length !== rank) {
      throw new ShapeError(`dynamicSlice: ${starts.length} starts and ${sizes.length} sizes given for ${showAval(x!)}`);
    }
    starts.forEach((start, axis) => {
      if (start.dtype !== "i32" || start.shape.length > 0) {
        throw new DTypeError(`dynamicSlice: the start of axis ${axis} is ${showAval(start)}, but i32[] is wanted`);
      }
      if (!(Number.isInteger(sizes[axis]) && sizes[axis]! >= 0 && sizes[axis]! <= x!.shape[axis]!)) {
        throw new ShapeError(
          `dynamicSlice: ${sizes[axis]} elements cannot be taken along axis ${axis} of ${showAval(x!)}`,
        );
      }
    });
    return [aval(x!.dtype, sizes)];
  },
  read(b, at, operand, [x], params) {
    const { sizes } = params as DynamicSliceParams;
    const coords = x!.shape.map((n, axis) => {
      const slack = n - sizes[axis]!;
      if (slack === 0) return at.coords[axis]!;
      const start = operand(axis + 1, Position.at(b, [], []));
      return b.add(at.coords[axis]!, b.cast(b.min(b.max(start, b.i32(0)), b.i32(slack)), "u32"));
    });
    return operand(0, Position.at(b, x!.shape, coords));
  },
  cpu([x, ...starts], params, { wide }, output) {
    const { sizes } = params as DynamicSliceParams;
    const data = allocate(output.dtype, sizeOf(sizes), wide);
    const strides = stridesOf(x!.shape);
    let offset = 0;
    starts.forEach(({ data: [start] }, axis) => {
      offset += Math.min(Math.max(start!, 0), x!.shape[axis]! - sizes[axis]!) * strides[axis]!;
    });
    gatherStrided(data, sizes, x!.data, offset, strides);
    return { dtype: output.dtype, shape: sizes, data };
  },
  batch([x, ...starts], params, size) {
    const { sizes } = params as DynamicSliceParams;
    if (starts.every((start) => start.axis === null)) {
      const at = x!.axis!;
      const own = starts.map((start) => start.value);
      return { value: dynamicSlice(x!.value, insertAt(own, at, i32(0)), insertAt(sizes, at, size)), axis: at };
    }
    // axes whose start is the same for all lanes first, then one read for each that differs
    const lanes = lanesAt(x!, 0, size);
    const shared = starts.map(({ axis, value }) => (axis === null ? value : i32(0)));
    const kept = sizes.map((n, axis) => (starts[axis]!.axis === null ? n : lanes.shape[axis + 1]!));
    let part = dynamicSlice(lanes, [i32(0), ...shared], [size, ...kept]);
    starts.forEach(({ axis: batchAxis, value }, axis) => {
      if (batchAxis === null) return;
      const n = sizes[axis]!;
      const first = max(min(value, i32(lanes.shape[axis + 1]! - n)), i32(0));
      const indices = add(broadcast(first, [size, n], [0]), broadcast(iota("i32", [n], 0), [size, n], [1]));
      part = gather(part, indices, { axis: axis + 1, batch: 1 });
    });
    return { value: part, axis: 0 };
  },
  transpose(ct, [, ...starts], [x], params) {
    // each element of x looks whether it was read, and where
    const { sizes } = params as DynamicSliceParams;
    let back = ct;
    x!.shape.forEach((n, axis) => {
      const size = sizes[axis]!;
      if (size === n) return;
      const first = max(min(starts[axis]!, i32(n - size)), i32(0));
      const place = sub(iota("i32", [n], 0), broadcast(first, [n], []));
      const isRead = and(ge(place, i32(0)), lt(place, i32(size)));
      const shape = back.shape.map((m, i) => (i === axis ? n : m));
      const zero = fill(literal(0, aval("f32", [])), shape);
      back =
        size === 0 ? zero : select(broadcast(isRead, shape, [axis]), gather(back, place, { axis, batch: 0 }), zero);
    });
    return [back];
  },
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
