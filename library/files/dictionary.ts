// Flat dictionaries of tensors, on their way into files and out of them.
import { ValueError } from "../../compiler/core/errors.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { fromHost } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { Tensor } from "../../compiler/trace/tensor.js";
import { type Fail, showName } from "./source.js";

/** A tensor's elements on the host, by its name. */
export interface Named {
  readonly name: string;
  readonly array: NDArray;
}

const isDictionary = (x: unknown): x is Record<string, unknown> => {
  if (typeof x !== "object" || x === null) return false;
  const proto: unknown = Object.getPrototypeOf(x);
  return proto === Object.prototype || proto === null;
};

const describe = (x: unknown): string => {
  if (x === null || typeof x !== "object") return x === null ? "null" : typeof x;
  return isDictionary(x) ? "an object" : `a ${x.constructor?.name ?? "nameless object"}`;
};

/** The elements of `x`. Throws `ValueError` for what is no tensor. */
export async function hostOf(caller: string, x: unknown, what = "its value"): Promise<NDArray> {
  if (!(x instanceof Tensor))
    throw new ValueError(`${caller}: ${what} is ${describe(x)}, but a Tensor is wanted${hereText()}`);
  return x.handle.read();
}

/** Names in the order of their UTF-8 bytes: the same on every run, and that of other writers. */
export const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));

/** Throws `ValueError` unless `x` is a flat dictionary whose names a file can hold. */
export function checkDictionary(caller: string, x: unknown, what: string): asserts x is Record<string, unknown> {
  if (!isDictionary(x))
    throw new ValueError(`${caller}: ${describe(x)} given, but a flat dictionary of ${what} is wanted${hereText()}`);
  for (const name of Object.keys(x)) {
    if (name === "__proto__" || /\p{Surrogate}/u.test(name))
      throw new ValueError(`${caller}: ${showName(name)} cannot be a name in a file${hereText()}`);
  }
}

/** The tensors of a dictionary, read, by name. Throws `ValueError` for anything but a flat dictionary of tensors. */
export async function collect(caller: string, tensors: unknown): Promise<Named[]> {
  checkDictionary(caller, tensors, "tensors");
  const reads = Object.entries(tensors).map(async ([name, x]) => ({
    name,
    array: await hostOf(caller, x, showName(name)),
  }));
  return (await Promise.all(reads)).sort(byName);
}

/** Calls `fail` for a name that would not become an ordinary property. */
export function checkName(name: string, fail: Fail): void {
  if (name === "__proto__") fail("a tensor is called __proto__", "names that are no part of every object");
}

/** Tensors of arrays that were all read and checked. Nothing stays on the device if one of them finds no room. */
export function tensorsOf(arrays: readonly Named[]): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  try {
    for (const { name, array } of arrays) tensors[name] = fromHost(array);
  } catch (error) {
    for (const x of Object.values(tensors)) x.dispose();
    throw error;
  }
  return tensors;
}
