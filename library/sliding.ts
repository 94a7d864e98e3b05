// What convolution and pooling have in common: options per axis, and padding.
import { ShapeError, ValueError } from "../compiler/core/errors.js";
import { showShape } from "../compiler/core/shape.js";

import { hereText } from "../compiler/trace/here.js";

/** One whole number for every axis that windows slide along, or one for each of them. */
export type PerAxis = number | readonly number[];

/**
 * Elements around the input.
 * - "valid": none.
 * - "same": as many that with stride 1 there are as many windows as elements (⌈n / stride⌉ with another); of an odd
 *   number the extra one is at the end.
 * - a number: so many at both ends of every axis.
 * - a [low, high] pair for each axis; negative ones cut off.
 */
export type Padding = "valid" | "same" | number | readonly (readonly [low: number, high: number])[];

/** Throws `ValueError` for an option there is not. */
export function checkOptions(name: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key))
      throw new ValueError(`${name}: there is no option '${key}'; there are ${known.join(", ")}${hereText()}`);
  }
}

/** The option for each of `count` axes; 1 where it is not given. */
export function perAxis(name: string, option: string, value: PerAxis | undefined, count: number): readonly number[] {
  const list = typeof value === "object" ? value : Array.from({ length: count }, () => value ?? 1);
  if (list.length !== count)
    throw new ShapeError(
      `${name}: ${option} has ${list.length} numbers, but windows slide along ${count} axes${hereText()}`,
    );
  const wrong = list.find((n) => !(Number.isInteger(n) && n >= 1));
  if (wrong !== undefined)
    throw new ValueError(`${name}: ${option} ${String(wrong)} is not a whole number ≥ 1${hereText()}`);
  return list;
}

/** Size of `n` elements that are `by` apart. */
export const dilated = (n: number, by: number): number => (n === 0 ? 0 : (n - 1) * by + 1);

/** Where windows slide, one entry per axis. */
export interface Sliding {
  /** Elements of the input, base dilation counted in. */
  readonly sizes: readonly number[];
  /** Elements from one end of a window to the other. */
  readonly spans: readonly number[];
  readonly strides: readonly number[];
}

/** Padding as [low, high] pairs. Throws `ShapeError` where a window does not fit in what is padded. */
export function paddingPairs(
  name: string,
  padding: Padding,
  { sizes, spans, strides }: Sliding,
): (readonly [number, number])[] {
  if (typeof padding === "string" && padding !== "valid" && padding !== "same")
    throw new ValueError(
      `${name}: there is no padding '${String(padding)}'; there are "valid", "same", a number, or a [low, high] pair per axis${hereText()}`,
    );
  if (typeof padding === "object" && padding.length !== sizes.length)
    throw new ShapeError(
      `${name}: ${padding.length} pairs of padding, but windows slide along ${sizes.length} axes${hereText()}`,
    );
  return sizes.map((n, i): readonly [number, number] => {
    const pair = pairOf(padding, n, spans[i]!, strides[i]!, i);
    if (!(pair?.length === 2 && pair.every(Number.isInteger)))
      throw new ValueError(`${name}: padding ${JSON.stringify(pair)} is no pair of whole numbers${hereText()}`);
    const padded = n + pair[0] + pair[1];
    if (padded < spans[i]!)
      throw new ShapeError(
        `${name}: a window of ${spans[i]} elements is larger than its input along spatial axis ${i}, ${padded} elements (${n} and padding ${showShape(pair)})${hereText()}`,
      );
    return pair;
  });
}

function pairOf(padding: Padding, n: number, span: number, stride: number, i: number): readonly [number, number] {
  if (typeof padding === "number") return [padding, padding];
  if (padding === "valid") return [0, 0];
  if (padding === "same") {
    const total = Math.max((Math.ceil(n / stride) - 1) * stride + span - n, 0);
    const low = Math.floor(total / 2);
    return [low, total - low];
  }
  return padding[i]!;
}
