// Elements of arrays at positions that are traced: tables, tensors, and local arrays that are written.

import { type Aval, aval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { sameShape } from "../core/shape.js";
import { isNode } from "../core/tree.js";

import * as ops from "../ops/index.js";
import { fromHost } from "../trace/create.js";
import { type Operand, Tensor } from "../trace/tensor.js";
import {
  asWhole,
  constant,
  INT32,
  isIntegerTensor,
  isNumeric,
  type Numeric,
  type Range,
  rangeOf,
  toDType,
} from "./numbers.js";
import { created, enterChoice } from "./store.js";

/** Elements of a table as they were written, which the tensor holds as f32. */
const exact = new WeakMap<Tensor, readonly number[]>();

/** All digits of a constant table, for the interpreter in f64. */
export const exactElements = (x: Tensor): readonly number[] | undefined => exact.get(x);

/** A traced position: an i32 scalar that is −1 or less, or n or more, where there is no element. */
function positionOf(index: Tensor): Operand {
  if (index.dtype === "i32") return index;
  if (index.dtype === "u32") return ops.cast(ops.min(index, constant(INT32[1], "u32")), "i32");
  if (index.dtype === "bool") return constant(-1, "i32"); // x[true] is a property of that name
  const whole = ops.floor(index);
  return ops.select(ops.eq(whole, index), ops.cast(whole, "i32"), constant(-1, "i32"));
}

/** Whether a traced position certainly lies in an array of n elements. */
function isInside(index: Tensor, n: number): boolean {
  const range = rangeOf(index);
  return range !== undefined && range[0] >= 0 && range[1] < n;
}

/** x[index] along the first axis: a scalar or a row. NaN where there is none, for integers the smallest one. */
export function readTensor(x: Tensor, index: Tensor): Tensor {
  const mode = isInside(index, x.shape[0]!) ? "clip" : "fill";
  return ops.gather(x, [positionOf(index)], { axes: [0], batch: 0, mode });
}

/** Row i of a tensor. */
export function rowOf(x: Tensor, i: number): Tensor {
  const rest = x.shape.slice(1);
  const row = ops.slice(x, {
    start: [i, ...rest.map(() => 0)],
    stop: [i + 1, ...rest],
    step: x.shape.map(() => 1),
  });
  return ops.squeeze(row, [0]);
}

/** Arrays up to this length are chosen from by comparing positions. */
const FEW = 16;

/** The dtype that elements come together in, and bounds if they are whole. */
function elementType(
  values: readonly Numeric[],
  whole: boolean,
): { readonly dtype: DType; readonly range?: Range } | undefined {
  const bools = values.filter((x) => typeof x === "boolean" || (x instanceof Tensor && x.dtype === "bool"));
  if (bools.length > 0) return bools.length === values.length ? { dtype: "bool" } : undefined;
  if (values.some(isIntegerTensor) && values.every((x) => isIntegerTensor(x) || rangeOf(x) !== undefined)) {
    return { dtype: values.some((x) => x instanceof Tensor && x.dtype === "u32") ? "u32" : "i32" };
  }
  const ranges = values.map(rangeOf);
  if (whole && ranges.every((range) => range !== undefined)) {
    return {
      dtype: "i32",
      range: [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))],
    };
  }
  return { dtype: "f32" };
}

/** The type of what `elementsTensor` gives. */
export function elementsType(values: readonly unknown[]): Aval | undefined {
  if (values.length === 0 || !values.every(isNumeric)) return undefined;
  const [first] = values as readonly [Numeric];
  const shape = first instanceof Tensor ? first.shape : [];
  const type = elementType(values, false);
  const isRegular = values.every((x) => sameShape(x instanceof Tensor ? x.shape : [], shape));
  return type && isRegular ? aval(type.dtype, [values.length, ...shape]) : undefined;
}

/** Elements of an array as one tensor; undefined where they are no numbers of one kind and shape. */
export function elementsTensor(values: readonly unknown[], whole = false): Tensor | undefined {
  if (values.length === 0 || !values.every(isNumeric)) return undefined;
  const numbers = values as readonly Numeric[];
  const shape = numbers[0] instanceof Tensor ? numbers[0].shape : [];
  const isRegular = numbers.every((x) => (x instanceof Tensor ? x.shape : []).join() === shape.join());
  const type = elementType(numbers, whole);
  if (!isRegular || !type) return undefined;
  if (numbers.every((x) => typeof x === "number") && numbers.length > FEW) {
    const data = type.dtype === "i32" ? Int32Array.from(numbers as number[]) : Float32Array.from(numbers as number[]);
    const table = fromHost({ dtype: type.dtype, shape: [numbers.length], data });
    if (type.dtype === "f32") exact.set(table, numbers as readonly number[]);
    return table;
  }
  const entries = numbers.map((x) => {
    const element = toDType(x, type.dtype);
    return element instanceof Tensor ? ops.reshape(element, [1, ...shape]) : ops.fill(element, [1, ...shape]);
  });
  return entries.length === 1 ? entries[0]! : ops.concatenate(entries, 0);
}

/**
 * values[index]: of numbers a number, NaN where there is none; of arrays and objects that are alike, one of the same keys.
 * undefined where the elements are of different kinds.
 */
export function readElements(values: readonly unknown[], index: Tensor): unknown {
  if (values.length === 0) return undefined;
  if (values.every(isNumeric)) return readNumbers(values as readonly Numeric[], index);
  if (!values.every(isNode)) return undefined;
  const [first] = values as readonly object[];
  const keys = Object.keys(first!);
  const isAlike = values.every(
    (x) => Array.isArray(x) === Array.isArray(first) && Object.keys(x as object).join("\0") === keys.join("\0"),
  );
  if (!isAlike) return undefined;
  const items = keys.map((key) =>
    readElements(
      values.map((x) => (x as Record<string, unknown>)[key]),
      index,
    ),
  );
  if (items.includes(undefined)) return undefined;
  const read = created(Array.isArray(first) ? items : Object.fromEntries(keys.map((key, i) => [key, items[i]])));
  const at = positionOf(index);
  enterChoice(read, { sides: values as object[], holds: (k) => ops.eq(at, constant(k, "i32")) });
  return read;
}

function readNumbers(values: readonly Numeric[], index: Tensor): unknown {
  const certain = isInside(index, values.length);
  const type = elementType(values, certain);
  if (!type || (type.dtype === "bool" && !certain)) return undefined;
  const isFew = values.length <= FEW && values.every((x) => !(x instanceof Tensor) || x.ndim === 0);
  if (!isFew) {
    const table = elementsTensor(values, certain);
    if (!table) return undefined;
    const read = readTensor(table, index);
    return type.range ? asWhole(read, type.range) : read;
  }
  const at = positionOf(index);
  const none = constant(type.dtype === "f32" ? Number.NaN : 0, type.dtype);
  const start = certain ? toDType(values[0]!, type.dtype) : none;
  const chosen = values.reduce<Operand>((rest, x, i) => {
    if (certain && i === 0) return rest;
    return ops.select(ops.eq(at, constant(i, "i32")), toDType(x, type.dtype), rest);
  }, start);
  const read = chosen instanceof Tensor ? chosen : ops.fill(chosen, []);
  return type.range ? asWhole(read, type.range) : read;
}

/** What `writeElements` gives: other elements, or one tensor of them. */
export type Written =
  | { readonly kind: "elements"; readonly values: readonly unknown[] }
  | { readonly kind: "packed"; readonly elements: Tensor };

/**
 * Elements behind `values[index] = value`; a position where there is none writes nothing. undefined where the elements
 * and the value are no numbers of one kind.
 */
export function writeElements(values: readonly unknown[], index: Tensor, value: unknown): Written | undefined {
  if (![...values, value].every(isNumeric)) return undefined;
  const numbers = values as readonly Numeric[];
  if (values.length > FEW) {
    const packed = elementsTensor([...values, value as Numeric].slice(0, -1));
    return packed && writePacked(packed, index, value);
  }
  const type = elementType([...numbers, value as Numeric], true);
  if (!type) return undefined;
  const at = positionOf(index);
  const next = toDType(value as Numeric, type.dtype);
  const written = numbers.map((x, i) => {
    const chosen = ops.select(ops.eq(at, constant(i, "i32")), next, toDType(x, type.dtype));
    return type.range ? asWhole(chosen, type.range) : chosen;
  });
  return { kind: "elements", values: written };
}

/** As `writeElements`, of elements in one tensor; a position may be known. */
export function writePacked(packed: Tensor, index: Tensor | number, value: unknown): Written | undefined {
  if (!isNumeric(value) || (value instanceof Tensor && value.ndim !== packed.ndim - 1)) return undefined;
  const isBool = typeof value === "boolean" || (value instanceof Tensor && value.dtype === "bool");
  if (isBool !== (packed.dtype === "bool")) return undefined;
  const fits =
    packed.dtype === "f32" || packed.dtype === "bool" || isIntegerTensor(value) || rangeOf(value) !== undefined;
  const array = fits ? packed : ops.cast(packed, "f32");
  const at = typeof index === "number" ? constant(index, "i32") : positionOf(index);
  const place = at instanceof Tensor ? at : ops.fill(at, []);
  const update = toDType(value, array.dtype);
  const elements = ops.scatter(array, [place], update instanceof Tensor ? update : ops.fill(update, []), {
    axes: [0],
    batch: 0,
    mode: "drop",
    combine: "set",
  });
  return { kind: "packed", elements };
}

/** Elements of a tensor along its first axis. */
export const rowsOf = (x: Tensor): Tensor[] => Array.from({ length: x.shape[0]! }, (_, i) => rowOf(x, i));
