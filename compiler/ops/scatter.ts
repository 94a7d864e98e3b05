// Writes at computed positions: the counterpart of gather.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate, type DType } from "../core/dtype.js";
import { DTypeError, InternalError, ShapeError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import { type Shape, sizeOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import {
  type CpuContext,
  type OpaqueOp,
  type Overwrite,
  type Params,
  register,
  type Sample,
  shaped,
} from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import type { Batched } from "../trace/rules.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { withPlace } from "../trace/trace.js";
import { add, div, mul } from "./arithmetic.js";
import { broadcast, fill, lanesAt, reshape } from "./axes.js";
import { cast, eq, select } from "./compare.js";
import { bindOne, sumOf } from "./define.js";
import { coordinate, gather, lanesOf } from "./gather.js";
import {
  type Combine,
  checkIndexed,
  indexed,
  joinAxes,
  MAX_INDEX_ARRAYS,
  placesOf,
  type ScatterParams,
} from "./indexed.js";
import { scatterKernels } from "./scatter-kernels.js";
import { sortedScatterKernels } from "./scatter-sorted.js";
import { iota } from "./slicing.js";

/** So many updates of a lane every element looks through; more are sorted first. */
const FEW_UPDATES = 128;

const constant = (value: number) => literal(value, aval("f32", []));
const filled = (value: number, shape: Shape): Tensor => fill(constant(value), shape);

/** Elements at the same places, 0 where there is none. */
const readBack = (x: Operand, indices: readonly Operand[], { axes, batch, mode }: ScatterParams): Tensor =>
  gather(x, indices, mode === "clip" ? { axes, batch, mode } : { axes, batch, mode: "fill", fill: 0 });

function scatterType([x, updates, ...indices]: readonly Aval[], params: Params): Aval {
  const p = params as ScatterParams;
  checkIndexed("scatter", x!, indices, p);
  if (updates!.dtype !== x!.dtype) {
    throw new DTypeError(
      `scatter: the updates are ${showAval(updates!)}, the array ${showAval(x!)}\n  cast one with astype()`,
    );
  }
  if (x!.dtype === "bool" && p.combine !== "set") {
    throw new DTypeError(
      `scatter: ${p.combine} does not take bool, only f32, i32, u32\n  array ${showAval(x!)}\n  cast it with astype()`,
    );
  }
  const { shape, sizes } = indexed(x!, indices[0]!, p);
  if (shape.length !== updates!.shape.length || shape.some((n, axis) => n !== updates!.shape[axis])) {
    throw new ShapeError(
      `scatter: the updates are ${showAval(updates!)}, but the indices ${showAval(indices[0]!)} into ${showAval(x!)} want [${shape}]`,
    );
  }
  const none = sizes.indexOf(0);
  if (p.mode === "clip" && none >= 0 && sizeOf(shape) > 0)
    throw new ShapeError(`scatter: axis ${p.axes[none]} of ${showAval(x!)} has size 0, so there is nowhere to write`);
  return aval(x!.dtype, x!.shape);
}

const onHost: Record<Combine, (dtype: DType) => (old: number, update: number) => number> = {
  set: () => (_old, update) => update,
  add: () => (old, update) => old + update,
  mul: (dtype) => (dtype === "f32" ? (old, update) => old * update : Math.imul),
  min: () => Math.min,
  max: () => Math.max,
};

function scatterOnCpu([x, updates, ...indices]: readonly NDArray[], params: Params, { wide }: CpuContext): NDArray {
  const p = params as ScatterParams;
  const { lanes, outer, block, inside, at, rest } = placesOf(x!, indices, p, p.mode === "drop");
  const combine = onHost[p.combine](x!.dtype);
  const data = allocate(x!.dtype, x!.data.length, wide);
  data.set(x!.data);
  let from = 0;
  for (let o = 0; o < lanes * outer; o++) {
    const lane = Math.floor(o / outer) * inside;
    for (let i = 0; i < inside; i++, from += rest.length) {
      const to = at[lane + i]!;
      if (to < 0) continue;
      for (let r = 0; r < rest.length; r++) {
        const place = o * block + to + rest[r]!;
        data[place] = combine(data[place]!, updates!.data[from + r]!);
      }
    }
  }
  return { dtype: x!.dtype, shape: x!.shape, data };
}

const inLane: Record<Combine, (b: ScalarBuilder, old: Scalar, update: Scalar) => Scalar> = {
  set: (_b, _old, update) => update,
  add: (b, old, update) => b.add(old, update),
  mul: (b, old, update) => b.mul(old, update),
  min: (b, old, update) => b.min(old, update),
  max: (b, old, update) => b.max(old, update),
};

function overwrite(
  b: ScalarBuilder,
  at: Position,
  operand: (k: number, at: Position) => Scalar,
  [x, , ...indices]: readonly Aval[],
  params: Params,
): Overwrite {
  const p = params as ScatterParams;
  const s = indexed(x!, indices[0]!, p);
  const [lanes, before] = [s.batch.length, s.batch.length + s.outer.length];
  let rest = before + s.inside.length;
  const tuple = [...at.coords.slice(0, lanes), ...at.coords.slice(before, rest)];
  let isInside = b.bool(true);
  const coords = x!.shape.map((n, axis): Scalar => {
    const k = p.axes.indexOf(axis);
    if (k < 0) return at.coords[axis < before ? axis : rest++]!;
    const { coord, inside } = coordinate(b, operand(k + 2, Position.at(b, indices[k]!.shape, tuple)), n);
    isInside = b.and(isInside, inside);
    return coord;
  });
  return {
    at: Position.at(b, x!.shape, coords),
    ...(p.mode === "drop" ? { inside: isInside } : {}),
    value: (old) => inLane[p.combine](b, old, operand(1, at)),
  };
}

function batchScatter(args: readonly Batched[], params: Params, size: number): Batched<Tensor> {
  const p = params as ScatterParams;
  const [x, updates, ...indices] = args as [Batched, Batched, ...Batched[]];
  const axes = p.axes.map((axis) => axis + 1);
  if (indices.every((index) => index.axis === null)) {
    // the lanes are one more outer axis
    const own = indices.map((index) => index.value);
    const value = scatter(lanesAt(x, p.batch, size), own, lanesAt(updates, p.batch, size), { ...p, axes });
    return { value, axis: p.batch };
  }
  const value = scatter(lanesAt(x, 0, size), lanesOf(indices, 0, size), lanesAt(updates, 0, size), {
    ...p,
    axes,
    batch: p.batch + 1,
  });
  return { value, axis: 0 };
}

function scatterTangent(
  [dx, du]: readonly (Tensor | undefined)[],
  [x, updates, ...indices]: readonly Operand[],
  y: Tensor,
  params: Params,
): Tensor {
  const p = params as ScatterParams;
  const zerosLike = (like: Operand) => filled(0, like.aval.shape);
  const addUp = (terms: Operand): Tensor => scatter(zerosLike(x!), indices, terms, { ...p, combine: "add" });
  switch (p.combine) {
    case "set":
      // the update that wins is the same one
      return scatter(dx ?? zerosLike(x!), indices, du ?? zerosLike(updates!), p);
    case "add":
      return du ? scatter(dx ?? zerosLike(x!), indices, du, p) : dx!;
    case "mul": {
      const ofX = dx && scatter(dx, indices, updates!, p);
      const ofUpdates = du && addUp(mul(du, otherFactors(x!, updates!, indices, p)));
      return sumOf([ofX, ofUpdates])!;
    }
    case "min":
    case "max": {
      // the mean over x and all updates that equal the result
      const isX = cast(eq(x!, y), "f32");
      const isUpdate = cast(eq(updates!, readBack(y, indices, p)), "f32");
      const sum = sumOf([dx && mul(dx, isX), du && addUp(mul(du, isUpdate))])!;
      return div(sum, add(isX, addUp(isUpdate)));
    }
  }
}

/**
 * For each update the product of x and all other updates of its element. Zeros are counted apart, so that nothing is
 * divided by them.
 */
function otherFactors(x: Operand, updates: Operand, indices: readonly Operand[], p: ScatterParams): Tensor {
  if (p.unique) return readBack(x, indices, p);
  const { shape } = updates.aval;
  const [zero, one] = [filled(0, shape), filled(1, shape)];
  const isZero = eq(updates, zero);
  const factors = select(isZero, one, updates);
  const product = div(readBack(scatter(x, indices, factors, p), indices, p), factors);
  const counts = scatter(filled(0, x.aval.shape), indices, cast(isZero, "f32"), { ...p, combine: "add" });
  const otherZeros = add(readBack(counts, indices, p), select(isZero, filled(-1, shape), zero));
  return select(eq(otherZeros, zero), product, zero);
}

/** Which updates are the last ones of their element: bool, of the updates' shape. */
function winners(type: Aval, indices: readonly Operand[], shape: Shape, p: ScatterParams): Tensor {
  const { batch, outer, inside, sizes } = indexed(type, indices[0]!.aval, p);
  const lanes = [...batch, ...inside];
  const all = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);
  // each update writes its number, and looks whether it is still there
  const numbered = iota("i32", [sizeOf(inside)], 0);
  const numbers = broadcast(reshape(numbered, inside), lanes, all(inside.length, batch.length));
  const none = fill(literal(-1, aval("i32", [])), [...batch, ...sizes]);
  const own = { ...p, axes: all(sizes.length, batch.length) };
  const isLast = eq(readBack(scatter(none, indices, numbers, own), indices, own), numbers);
  return broadcast(isLast, shape, [...all(batch.length), ...all(inside.length, batch.length + outer.length)]);
}

function transposeScatter(
  ct: Tensor,
  [x, updates, ...indices]: readonly (Operand | undefined)[],
  [xType, updatesType]: readonly Aval[],
  params: Params,
): readonly (Tensor | undefined)[] {
  const p = params as ScatterParams;
  const own = indices.map((index) => index!);
  const none = () => filled(0, updatesType!.shape);
  switch (p.combine) {
    case "set": {
      const read = () => readBack(ct, own, p);
      const won = () => select(winners(xType!, own, updatesType!.shape, p), read(), none());
      return [x ? undefined : scatter(ct, own, none(), p), updates ? undefined : p.unique ? read() : won()];
    }
    case "add":
      return [x ? undefined : ct, updates ? undefined : readBack(ct, own, p)];
    case "mul":
      return [scatter(ct, own, updates!, p)];
    case "min":
    case "max":
      throw new InternalError(`transpose: scatter ${p.combine} is not linear`);
  }
}

const scatterOp = register<OpaqueOp>({
  name: "scatter",
  kind: "opaque",
  typeOf: (inputs, params) => [scatterType(inputs, params)],
  cpu: (inputs, params, context) => [scatterOnCpu(inputs, params, context)],
  kernels([x, , ...indices], _outputs, params, limits) {
    const p = params as ScatterParams;
    const isLong = sizeOf(indexed(x!, indices[0]!, p).inside) > FEW_UPDATES;
    return (isLong ? sortedScatterKernels : scatterKernels)(x!, indices, p, limits);
  },
  writes: overwrite,
  batch: (args, params, size) => [batchScatter(args, params, size)],
  jvp: (tangents, operands, [y], params) => [scatterTangent(tangents, operands, y!, params)],
  transpose: ([ct], operands, types, params) => transposeScatter(ct!, operands, types, params),
  samples: [
    ...(["set", "add", "mul", "min", "max"] as const).flatMap((combine) => [
      sample("f32", "i32", { x: [4], indices: [6], axes: [0], batch: 0, mode: "drop", combine }),
      sample("f32", "u32", { x: [2, 3, 2], indices: [2, 2], axes: [1], batch: 0, mode: "clip", combine }),
      sample("f32", "i32", { x: [2, 3, 2, 3, 2], indices: [2, 4], axes: [1, 3], batch: 1, mode: "drop", combine }),
      sample("i32", "i32", { x: [2, 3], indices: [4], axes: [0, 1], batch: 0, mode: "clip", combine }),
      sample("u32", "i32", { x: [3, 4], indices: [3, 2], axes: [1], batch: 1, mode: "drop", combine }),
    ]),
    sample("f32", "i32", { x: [5], indices: [], axes: [0], batch: 0, mode: "clip", combine: "set" }),
    sample("f32", "i32", { x: [3], indices: [0], axes: [0], batch: 0, mode: "clip", combine: "add" }),
    sample("f32", "i32", { x: [0], indices: [2], axes: [0], batch: 0, mode: "drop", combine: "add" }),
    sample("f32", "i32", { x: [3, 0], indices: [2], axes: [0], batch: 0, mode: "clip", combine: "set" }),
    sample("f32", "i32", { x: [5], indices: [300], axes: [0], batch: 0, mode: "drop", combine: "add" }),
    sample("f32", "u32", { x: [3, 2, 2], indices: [3, 200], axes: [1], batch: 1, mode: "clip", combine: "max" }),
    sample("i32", "i32", { x: [2, 4, 3], indices: [2, 80], axes: [1, 2], batch: 0, mode: "drop", combine: "set" }),
    sample("bool", "i32", { x: [4, 2], indices: [6], axes: [0], batch: 0, mode: "drop", combine: "set" }),
    sample("bool", "u32", { x: [2, 4], indices: [2, 3], axes: [1], batch: 1, mode: "clip", combine: "set" }),
  ],
  ulp: 32, // f32 sums and products are rounded update by update
});

/** Indices are drawn so that some meet, and some are out of range. */
function sample(
  dtype: DType,
  index: DType,
  { x, indices, ...params }: { readonly x: Shape; readonly indices: Shape } & ScatterParams,
): Sample {
  const type = shaped(dtype, ...x);
  const { shape } = indexed(type, { shape: indices }, params);
  const range = dtype === "f32" ? ([0.5, 1.5] as const) : dtype === "bool" ? ([0, 1] as const) : ([0, 9] as const);
  return {
    inputs: [type, shaped(dtype, ...shape), ...params.axes.map(() => shaped(index, ...indices))],
    params,
    domain: [range, range, ...params.axes.map(() => [index === "i32" ? -1 : 0, 5] as const)],
  };
}

/**
 * x with `updates`, which have the shape of what gather reads at `indices`, combined into its elements. Updates that
 * meet one element are taken in their own order: sums and products have the same bits on every run, and the last "set"
 * wins. Derivatives: a gradient of "set" goes to the update that wins; equal extremes share one. Second derivatives of
 * "mul" by updates that are exactly 0 and meet another one are given as 0.
 */
export function scatter(x: Operand, indices: readonly Operand[], updates: Operand, params: ScatterParams): Tensor {
  if (params.axes.length <= MAX_INDEX_ARRAYS) return bindOne(scatterOp, [x, updates, ...indices], params);
  withPlace(() =>
    scatterOp.typeOf(
      [x, updates, ...indices].map((y) => y.aval),
      params,
    ),
  );
  const joined = joinAxes(x, indices, params, params.mode === "clip");
  return joined.restore(bindOne(scatterOp, [joined.x, updates, joined.index], { ...params, ...joined.params }));
}
