// Tensors from what users pass: host values become tensors, numbers become constants or weak scalars.
import { aval } from "../core/aval.js";
import { type HostOptions, type HostTypedArray, hostArray } from "../core/host.js";
import type { NDArray } from "../core/ndarray.js";
import { type Literal, literal } from "../ir/graph.js";
import { type Operand, Tensor } from "./tensor.js";
import { getExecutor, withPlace } from "./trace.js";

/** What functions of this package take where they want a tensor. */
export type TensorLike = Tensor | number | boolean | HostTypedArray;

/** A tensor of host elements. */
export function fromHost(array: NDArray): Tensor {
  return new Tensor(aval(array.dtype, array.shape), { handle: getExecutor().fromHost(array) });
}

/** A tensor of what the user gave: nested arrays, numbers or a typed array. Throws as `hostArray` does. */
export const tensorOf = (value: unknown, options?: HostOptions): Tensor =>
  fromHost(withPlace(() => hostArray(value, options)));

/** A constant of the Graph. Numbers are weak f32, booleans are bool. */
export function constant(x: number | boolean): Literal {
  return typeof x === "number" ? literal(x, aval("f32", [], true)) : literal(x ? 1 : 0, aval("bool", []));
}

export const isTensorLike = (x: unknown): x is TensorLike =>
  x instanceof Tensor ||
  typeof x === "number" ||
  typeof x === "boolean" ||
  (ArrayBuffer.isView(x) && !(x instanceof DataView));

/** An argument of a transformed function: JS numbers and booleans are scalar constants, not yet on any device. */
export function argument(x: TensorLike): Operand {
  if (x instanceof Tensor) return x;
  return typeof x === "number" || typeof x === "boolean" ? constant(x) : tensorOf(x);
}
