// What both ways to scatter say in WGSL: where an element lies, and what an update does to it.
import type { Aval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { sizeOf, stridesOf } from "../core/shape.js";
import { type Combine, indexed, type ScatterParams } from "./indexed.js";

/** Sizes of a scatter, and its coordinates as text. */
export interface ScatterLayout {
  readonly lanes: number;
  readonly outer: number;
  /** Index tuples of a lane. */
  readonly inside: number;
  /** Elements that one index tuple stands for, in one block. */
  readonly rest: number;
  /** Elements from one block of x to the next. */
  readonly block: number;
  /** Sizes of the indexed axes. */
  readonly sizes: readonly number[];
  /** Coordinate along each indexed axis of the element `within` its block. */
  readonly coords: readonly string[];
  /** Which of the `rest` elements it is. */
  readonly offset: string;
}

export function layoutOf(x: Aval, indices: readonly Aval[], params: ScatterParams): ScatterLayout {
  const { axes } = params;
  const s = indexed(x, indices[0]!, params);
  const strides = stridesOf(x.shape);
  const coord = (axis: number) => `within / ${strides[axis]}u % ${x.shape[axis]}u`;
  const restAxes = x.shape.map((_, axis) => axis).filter((axis) => axis > axes[0]! && !axes.includes(axis));
  const restStrides = stridesOf(s.rest);
  return {
    lanes: sizeOf(s.batch),
    outer: sizeOf(s.outer),
    inside: sizeOf(s.inside),
    rest: sizeOf(s.rest),
    block: sizeOf(x.shape.slice(axes[0]!)),
    sizes: s.sizes,
    coords: axes.map(coord),
    offset: restAxes.map((axis, i) => `${coord(axis)} * ${restStrides[i]}u`).join(" + ") || "0u",
  };
}

/** `fold(value, update)`: what becomes of an element and an update that meets it. */
export function foldWgsl(combine: Combine, dtype: DType): string {
  const type = memoryType(dtype);
  const head = `fn fold(x: ${type}, y: ${type}) -> ${type}`;
  switch (combine) {
    case "set":
      return `${head} { return y; }`;
    case "add":
      return `${head} { return x + y; }`;
    case "mul":
      return `${head} { return x * y; }`;
    case "min":
    case "max": {
      if (dtype !== "f32") return `${head} { return ${combine}(x, y); }`;
      const bits = combine === "max" ? "&" : "|";
      // WGSL's own may give anything for NaN, and either zero
      return `fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
${head} {
  let number = select(${combine}(x, y), bitcast<f32>(bitcast<u32>(x) ${bits} bitcast<u32>(y)), x == y);
  return select(select(number, y, is_nan(y)), x, is_nan(x));
}`;
    }
  }
}

/** The nearest index inside an axis of size n for "clip", else the index; as u32, a negative one lies behind every axis. */
export function placeWgsl(index: string, { dtype }: Aval, n: number, mode: ScatterParams["mode"]): string {
  if (mode === "drop") return `u32(${index})`;
  const last = `${n - 1}${dtype === "i32" ? "i" : "u"}`;
  return `u32(${dtype === "i32" ? `clamp(${index}, 0i, ${last})` : `min(${index}, ${last})`})`;
}

/** WGSL's type of an element in memory. */
export const memoryType = (dtype: DType): string => (dtype === "bool" ? "u32" : dtype);
