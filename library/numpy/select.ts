// Reads and writes of regions: as boxes where they have no arrays of indices, so that they fuse, else gather and scatter.
import { aval, showAval } from "../../compiler/core/aval.js";
import { DTypeError, ShapeError } from "../../compiler/core/errors.js";
import { type Shape, sameShape, showShape, sizeOf } from "../../compiler/core/shape.js";
import { literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { type Operand, Tensor } from "../../compiler/trace/tensor.js";
import { alike, operand, promotedDType, stretch, toDType } from "./promote.js";
import { cut, i32, type Region } from "./region.js";

/** What is at the region. */
export function readRegion(name: string, x: Tensor, region: Region): Tensor {
  const { dropped, flipped, computed } = region;
  let part = cut(x, region);
  if (flipped.length > 0) part = ops.flip(part, flipped);
  if (hasArrays(region)) {
    const arrays = indexArrays(name, region, part.shape);
    const read = ops.gather(drop(part, dropped), arrays.indices, { axes: arrays.axes, batch: 0, mode: "clip" });
    return isInOrder(arrays.order) ? read : ops.transpose(read, arrays.order);
  }
  if (computed.size > 0) {
    const starts = part.shape.map((n, axis) => startOf(computed.get(axis), n));
    const sizes = part.shape.map((n, axis) => (computed.has(axis) ? 1 : n));
    part = ops.dynamicSlice(part, starts, sizes);
  }
  return drop(part, [...dropped, ...computed.keys()]);
}

const drop = (x: Tensor, axes: readonly number[]): Tensor => (axes.length > 0 ? ops.squeeze(x, axes) : x);

const hasArrays = ({ computed }: Region): boolean => [...computed.values()].some((index) => index.ndim > 0);

const isInOrder = (axes: readonly number[]): boolean => axes.every((axis, i) => axis === i);

/** A scalar index as the start of a box, which is clamped; 0 without one. */
function startOf(index: Tensor | undefined, n: number): Operand {
  if (!index) return i32(0);
  if (index.dtype === "i32") return index;
  return ops.cast(ops.min(index, literal(Math.max(n - 1, 0), aval("u32", []))), "i32");
}

interface IndexArrays {
  /** Of one shape. */
  readonly indices: readonly Tensor[];
  /** The axes they index, of the array without the dropped ones. */
  readonly axes: readonly number[];
  /** Shape of what gather reads, and its axes in NumPy's order. */
  readonly shape: Shape;
  readonly order: readonly number[];
}

/** The tensors of a region that reads from `shape`, which still has the dropped axes. */
function indexArrays(name: string, { computed, dropped }: Region, shape: Shape): IndexArrays {
  const indices = alike(name, [...computed.values()]) as Tensor[];
  const kept = shape.map((_, axis) => axis).filter((axis) => !dropped.includes(axis));
  const axes = [...computed.keys()].map((axis) => kept.indexOf(axis));
  const sizes = kept.map((axis) => shape[axis]!);
  const read = ops.indexed({ shape: sizes }, indices[0]!, { axes, batch: 0 });
  const [before, inside] = [read.outer.length, read.inside.length];
  const chosen = [...computed.keys(), ...dropped];
  const isAdjacent = Math.max(...chosen) - Math.min(...chosen) + 1 === chosen.length;
  const all = read.shape.map((_, axis) => axis);
  const own = all.slice(before, before + inside);
  const others = all.filter((axis) => !own.includes(axis));
  return { indices, axes, shape: read.shape, order: isAdjacent ? all : [...own, ...others] };
}

const operations = { add: ops.add, mul: ops.mul, min: ops.min, max: ops.max };

/** x with `value`, stretched to the shape of the region, combined into it. */
export function writeRegion(
  name: string,
  x: Tensor,
  region: Region,
  value: TensorLike,
  combine: ops.Combine,
  mode: "clip" | "drop",
): Tensor {
  const isBox = !hasArrays(region) && (mode === "clip" || region.computed.size === 0);
  return isBox ? writeBox(name, x, region, value, combine) : writeArrays(name, x, region, value, combine, mode);
}

function writeArrays(
  name: string,
  x: Tensor,
  region: Region,
  value: TensorLike,
  combine: ops.Combine,
  mode: "clip" | "drop",
): Tensor {
  const { dropped, flipped } = region;
  const whole = cut(x, region);
  const part = drop(flipped.length > 0 ? ops.flip(whole, flipped) : whole, dropped);
  const { indices, axes, shape, order } = indexArrays(name, region, whole.shape);
  const given = valueFor(
    name,
    x,
    value,
    order.map((axis) => shape[axis]!),
  );
  const inverse = order.map((_, axis) => order.indexOf(axis));
  const updates = isInOrder(order) ? given : ops.transpose(given, inverse);
  const written = ops.scatter(part, indices, updates, { axes, batch: 0, mode, combine });
  return writeBox(name, x, { ...region, computed: new Map() }, written, "set");
}

function writeBox(name: string, x: Tensor, region: Region, value: TensorLike, combine: ops.Combine): Tensor {
  const { start, stop, step, dropped, flipped, computed } = region;
  const without = (axis: number) => dropped.includes(axis) || computed.has(axis);
  const counts = x.shape.map((_, axis) =>
    computed.has(axis) ? 1 : Math.ceil((stop[axis]! - start[axis]!) / step[axis]!),
  );
  const given = valueFor(
    name,
    x,
    value,
    counts.filter((_, axis) => !without(axis)),
  );
  const gone = counts.map((_, axis) => axis).filter(without);
  if (sizeOf(x.shape) > 0 && computed.size === 0 && sizeOf(counts) === 0) return x;
  let update = gone.length > 0 ? ops.expandDims(given, gone) : given;
  if (flipped.length > 0) update = ops.flip(update, flipped);
  // a box around the entries, of which every step-th is written
  const sizes = counts.map((n, axis) => (n === 0 ? 0 : (n - 1) * step[axis]! + 1));
  const isStrided = sizes.some((n, axis) => n !== counts[axis]);
  const isWhole = sameShape(sizes, x.shape);
  const starts = x.shape.map((n, axis) => (computed.has(axis) ? startOf(computed.get(axis), n) : i32(start[axis]!)));
  if (combine !== "set" || isStrided) {
    const box = { start, stop: start.map((from, axis) => from + sizes[axis]!), step: step.map(() => 1) };
    const old = computed.size > 0 ? ops.dynamicSlice(x, starts, sizes) : cut(x, box);
    const spread = isStrided ? between(update, 0, step) : update;
    const combined = combine === "set" ? spread : operations[combine](old, spread);
    const isGiven = () => between(ops.fill(literal(1, aval("bool", [])), update.shape), 0, step);
    update = isStrided ? ops.select(isGiven(), combined, old) : combined;
  }
  return isWhole ? update : ops.dynamicUpdateSlice(x, update, starts);
}

/** x with step − 1 times `value` between its entries. */
const between = (x: Tensor, value: number, step: readonly number[]): Tensor =>
  ops.pad(x, literal(value, aval(x.dtype, [])), {
    low: step.map(() => 0),
    high: step.map(() => 0),
    interior: step.map((by) => by - 1),
  });

/** The value in the dtype of x, stretched to `shape`. Throws where that would lose something. */
export function valueFor(name: string, x: Tensor, value: TensorLike, shape: Shape): Tensor {
  const given = operand(value, name);
  if (given instanceof Tensor && promotedDType([x, given]) !== x.dtype) {
    throw new DTypeError(
      `${name}: the value ${showAval(given.aval)} does not fit into ${showAval(x.aval)}\n  cast one of them with astype()${hereText()}`,
    );
  }
  const own = toDType(given, x.dtype, name);
  const from = own.aval.shape;
  const fits = from.length <= shape.length && from.every((n, i) => n === 1 || n === shape.at(i - from.length));
  if (!fits) {
    throw new ShapeError(
      `${name}: the value ${showAval(own.aval)} does not stretch to ${showShape(shape)}, the shape of what it is written to${hereText()}`,
    );
  }
  return own instanceof Tensor ? (stretch(own, shape) as Tensor) : ops.fill(own, shape);
}
