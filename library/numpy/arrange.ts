// Cutting apart, repeating and turning round.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import { showShape, sizeOf } from "../../compiler/core/shape.js";
import * as ops from "../../compiler/ops/index.js";
import { type TensorLike, tensorOf } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { checkNoMore } from "./options.js";
import { cut } from "./region.js";
import { type AxisSpec, asTensor, axesOf, axisOf, concatenate, flip } from "./shape.js";

/** Entries start … stop − 1 along one axis. */
const part = (x: Tensor, axis: number, start: number, stop: number): Tensor =>
  cut(x, {
    start: x.shape.map((_, k) => (k === axis ? start : 0)),
    stop: x.shape.map((n, k) => (k === axis ? stop : n)),
    step: x.shape.map(() => 1),
  });

function splitAt(name: string, x: TensorLike, sections: number | readonly number[], axis: number, even: boolean) {
  const a = asTensor(x, name);
  const at = axisOf(axis, a.ndim, name, showAval(a.aval));
  const n = a.shape[at]!;
  if (typeof sections !== "number") {
    if (!sections.every(Number.isInteger))
      throw new ShapeError(`${name}: the places ${showShape(sections)} are not whole numbers${hereText()}`);
    const places = sections.map((place) => Math.min(Math.max(place < 0 ? place + n : place, 0), n));
    // as in NumPy, a place in front of the one before gives an empty part
    return [...places, n].map((stop, i) => {
      const start = i === 0 ? 0 : places[i - 1]!;
      return part(a, at, start, Math.max(start, stop));
    });
  }
  if (!(Number.isInteger(sections) && sections > 0))
    throw new ShapeError(`${name}: ${sections} parts wanted, but a whole number above 0 is${hereText()}`);
  if (even && n % sections !== 0) {
    throw new ShapeError(
      `${name}: axis ${at} of ${showAval(a.aval)} does not split into ${sections} equal parts\n  use arraySplit, whose last parts may be smaller${hereText()}`,
    );
  }
  const [size, longer] = [Math.floor(n / sections), n % sections];
  const start = (i: number) => i * size + Math.min(i, longer);
  return Array.from({ length: sections }, (_, i) => part(a, at, start(i), start(i + 1)));
}

/** x cut along `axis` into as many equal parts, or at the given places. Throws `ShapeError` for unequal parts. */
export const split = (x: TensorLike, sections: number | readonly number[], axis = 0): Tensor[] =>
  splitAt("split", x, sections, axis, true);

/** As `split`, but the last parts may be one entry smaller. */
export const arraySplit = (x: TensorLike, sections: number | readonly number[], axis = 0): Tensor[] =>
  splitAt("arraySplit", x, sections, axis, false);

/**
 * Entries moved by `shift` along `axis`, those that leave at the end coming back at the start; of the flattened x
 * without an axis. With several axes, `shift` is one number for all or one for each.
 */
export function roll(x: TensorLike, shift: number | readonly number[], axis?: AxisSpec | null): Tensor {
  const a = asTensor(x, "roll");
  if (axis === undefined || axis === null) {
    if (typeof shift !== "number")
      throw new ShapeError(`roll: shifts ${showShape(shift)} want an axis for each${hereText()}`);
    return ops.reshape(roll(ops.reshape(a, [a.size]), shift, 0), a.shape);
  }
  const axes = axesOf(axis, a, "roll");
  const shifts = typeof shift === "number" ? axes.map(() => shift) : shift;
  if (shifts.length !== axes.length || !shifts.every(Number.isInteger)) {
    throw new ShapeError(
      `roll: the shifts ${showShape(shifts)} are no ${axes.length} whole numbers, one for each axis${hereText()}`,
    );
  }
  return axes.reduce((y, at, i) => {
    const n = y.shape[at]!;
    const by = n === 0 ? 0 : ((shifts[i]! % n) + n) % n;
    return by === 0 ? y : ops.concatenate([part(y, at, n - by, n), part(y, at, 0, n - by)], at);
  }, a);
}

/** Throws unless `count` may be a number of repetitions. */
function checkCount(name: string, count: number): void {
  if (!Number.isInteger(count) || count < 0)
    throw new ShapeError(`${name}: ${count} repetitions wanted, but a whole number ≥ 0 is${hereText()}`);
}

/** x repeated as a whole `reps` times along each axis, counted from the last one. */
export function tile(x: TensorLike, reps: number | readonly number[]): Tensor {
  const a = asTensor(x, "tile");
  const given = typeof reps === "number" ? [reps] : reps;
  for (const count of given) checkCount("tile", count);
  const rank = Math.max(a.ndim, given.length);
  const counts = [...new Array<number>(rank - given.length).fill(1), ...given];
  const sizes = [...new Array<number>(rank - a.ndim).fill(1), ...a.shape];
  const pairs = counts.flatMap((count, axis) => [count, sizes[axis]!]);
  const own = a.shape.map((_, axis) => 2 * (axis + rank - a.ndim) + 1);
  return ops.reshape(
    ops.broadcast(a, pairs, own),
    sizes.map((n, axis) => n * counts[axis]!),
  );
}

/** Each entry along `axis` (of the flattened x without it) repeated: a number of times for all, or one for each. */
export function repeat(x: TensorLike, repeats: number | readonly number[], axis?: number | null): Tensor {
  const a = asTensor(x, "repeat");
  if (axis === undefined || axis === null) return repeat(ops.reshape(a, [a.size]), repeats, 0);
  const at = axisOf(axis, a.ndim, "repeat", showAval(a.aval));
  const n = a.shape[at]!;
  if (typeof repeats === "number") {
    checkCount("repeat", repeats);
    const shape = [...a.shape.slice(0, at + 1), repeats, ...a.shape.slice(at + 1)];
    const own = a.shape.map((_, k) => (k <= at ? k : k + 1));
    return ops.reshape(
      ops.broadcast(a, shape, own),
      a.shape.map((size, k) => (k === at ? size * repeats : size)),
    );
  }
  for (const count of repeats) checkCount("repeat", count);
  if (repeats.length !== n) {
    throw new ShapeError(
      `repeat: ${repeats.length} counts given for axis ${at} of ${showAval(a.aval)}, but one for each entry is wanted${hereText()}`,
    );
  }
  const from = Int32Array.from(repeats.flatMap((count, i) => new Array<number>(count).fill(i)));
  return ops.gather(a, [tensorOf(from)], { axes: [at], batch: 0, mode: "clip" });
}

/** Axis 0 reversed. */
export const flipud = (x: TensorLike): Tensor => flip(x, 0);

/** Axis 1 reversed. */
export const fliplr = (x: TensorLike): Tensor => flip(x, 1);

/** x turned by `turns` right angles in the plane of two axes, from the first towards the second. */
export function rot90(x: TensorLike, turns = 1, axes: readonly [number, number] = [0, 1]): Tensor {
  const a = asTensor(x, "rot90");
  const [first, second] = axesOf(axes, a, "rot90") as [number, number];
  if (!Number.isInteger(turns)) throw new ShapeError(`rot90: ${turns} turns are no whole number${hereText()}`);
  const swapped = (y: Tensor) =>
    ops.transpose(
      y,
      y.shape.map((_, k) => (k === first ? second : k === second ? first : k)),
    );
  switch (((turns % 4) + 4) % 4) {
    case 1:
      return swapped(ops.flip(a, [second]));
    case 2:
      return ops.flip(a, [first, second]);
    case 3:
      return ops.flip(swapped(a), [second]);
    default:
      return a;
  }
}

/** Arrays below each other: along axis 0, vectors as rows. */
export function vstack(xs: readonly TensorLike[], ...surplus: readonly never[]): Tensor {
  checkNoMore("vstack", surplus, "vstack([x, y])");
  return concatenate(listOf(xs, "vstack").map((x) => (x.ndim < 2 ? ops.reshape(x, [1, x.size]) : x)));
}

/** Arrays beside each other: along axis 1, vectors one behind the other. */
export function hstack(xs: readonly TensorLike[], ...surplus: readonly never[]): Tensor {
  checkNoMore("hstack", surplus, "hstack([x, y])");
  const list = listOf(xs, "hstack").map((x) => (x.ndim < 1 ? ops.reshape(x, [1]) : x));
  return concatenate(list, list[0] && list[0].ndim > 1 ? 1 : 0);
}

function listOf(xs: readonly TensorLike[], name: string): Tensor[] {
  if (!Array.isArray(xs) && !(Symbol.iterator in Object(xs)))
    throw new ShapeError(`${name}: an array of tensors is wanted${hereText()}`);
  return [...xs].map((x) => asTensor(x, name));
}

/** How the first two axes of grids stand: "xy" has that of the second vector first, "ij" that of the first. */
export interface MeshgridOptions {
  readonly indexing?: "xy" | "ij";
}

/** Coordinates of all places of a grid, one array for each of the vectors that span it. */
export function meshgrid(xs: readonly TensorLike[], { indexing = "xy", ...rest }: MeshgridOptions = {}): Tensor[] {
  for (const key of Object.keys(rest))
    throw new ValueError(`meshgrid: there is no option '${key}'; there is indexing${hereText()}`);
  if (indexing !== "xy" && indexing !== "ij")
    throw new ValueError(`meshgrid: there is no indexing '${String(indexing)}'; there are xy, ij${hereText()}`);
  const list = listOf(xs, "meshgrid").map((x, i) => {
    if (x.ndim > 1)
      throw new ShapeError(`meshgrid: array ${i} is ${showAval(x.aval)}, but a vector is wanted${hereText()}`);
    return ops.reshape(x, [sizeOf(x.shape)]);
  });
  const places = list.map((_, i) => (indexing === "xy" && list.length > 1 && i < 2 ? 1 - i : i));
  const shape = places.map((i) => list[i]!.size);
  return list.map((x, i) => ops.broadcast(x, shape, [places[i]!]));
}
