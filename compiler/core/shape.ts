// Shapes: lists of sizes, their strides, and axes that may be counted from the end.
import { ShapeError } from "./errors.js";

/** Sizes of the axes, outermost first. */
export type Shape = readonly number[];

/** Number of elements. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis]!;
  }
  return strides;
}

/** Where a box that begins at `start` lies in an array, row-major, if its elements follow one another there. */
export function runFrom(shape: Shape, box: Shape, start: readonly number[]): number | undefined {
  const last = box.findLastIndex((n, axis) => n < shape[axis]!);
  if (!box.slice(0, Math.max(last, 0)).every((n) => n === 1)) return undefined;
  const strides = stridesOf(shape);
  return start.reduce((sum, at, axis) => sum + at * strides[axis]!, 0);
}

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, axis) => n === b[axis]);

export const showShape = (shape: Shape): string => `[${shape.join(",")}]`;

/** `axis` counted from the front; a negative one counts from the end. Throws `ShapeError` when `rank` has no such axis. */
export function resolveAxis(axis: number, rank: number, what: string, of = `rank ${rank}`): number {
  if (typeof axis === "object" && axis !== null)
    throw new ShapeError(`${what}: an object is given for the axis, but a number is wanted`);
  if (!Number.isInteger(axis)) throw new ShapeError(`${what}: axis ${String(axis)} is not an integer`);
  if (axis >= rank || axis < -rank) {
    const valid = rank === 0 ? "it has no axes" : `valid ${-rank}..${rank - 1}`;
    throw new ShapeError(`${what}: axis ${axis} is out of range for ${of}, ${valid}`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** Axes counted from the front, in the given order; `undefined` or `null` is all of them. Throws on a repeated axis. */
export function resolveAxes(
  axes: number | readonly number[] | null | undefined,
  rank: number,
  what: string,
  of?: string,
): number[] {
  if (axes === undefined || axes === null) return Array.from({ length: rank }, (_, axis) => axis);
  const list = typeof axes === "number" ? [axes] : axes;
  if (!Array.isArray(list)) {
    const seen = typeof list === "object" ? "an object" : `a ${typeof list}`;
    throw new ShapeError(`${what}: ${seen} is given for the axes, but a number or an array of numbers is wanted`);
  }
  const found = list.map((axis) => resolveAxis(axis, rank, what, of));
  const repeated = found.find((axis, i) => found.indexOf(axis) !== i);
  if (repeated !== undefined) throw new ShapeError(`${what}: axis ${repeated} is named twice in ${showShape(list)}`);
  return found;
}

/** Throws `ShapeError` unless every size is a whole number that is not negative. */
export function checkShape(shape: Shape, what: string): void {
  if (!Array.isArray(shape)) {
    const seen = typeof shape === "object" ? "an object" : `a ${typeof shape}`;
    throw new ShapeError(`${what}: ${seen} is given for the shape, but an array of sizes is wanted`);
  }
  for (const [axis, n] of shape.entries()) {
    if (!Number.isSafeInteger(n) || n < 0) {
      throw new ShapeError(
        `${what}: size ${String(n)} of axis ${axis} is not a whole number ≥ 0, in shape ${showShape(shape)}`,
      );
    }
  }
}

export const insertAt = <T>(list: readonly T[], at: number, item: T): T[] => [
  ...list.slice(0, at),
  item,
  ...list.slice(at),
];

export const removeAt = <T>(list: readonly T[], at: number): T[] => [...list.slice(0, at), ...list.slice(at + 1)];
