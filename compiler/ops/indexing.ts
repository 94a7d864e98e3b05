// Reads at computed positions.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate, isInteger } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import { type Shape, sizeOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import { register, shaped, type ViewOp } from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { max, min } from "./arithmetic.js";
import { broadcast, lanesAt, moveAxis } from "./axes.js";
import { cast, eq } from "./compare.js";
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
