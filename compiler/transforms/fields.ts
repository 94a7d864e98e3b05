// Where two models of the user's differ in their fields: for the error that says that they are not alike.
import { showAval } from "../core/aval.js";
import { Tensor } from "../trace/tensor.js";

/** A place in models, and what each has there. */
export interface FieldDifference {
  /** `layers.1.weight` */
  readonly path: string;
  readonly first: string;
  readonly other: string;
}

/**
 * The first place where classes, types of tensors, lengths or names of fields differ; else strings, booleans or the text
 * of functions; else numbers, which may differ, but on which what a model computes can depend.
 */
export function differenceBetween(x: object, y: object): FieldDifference | undefined {
  for (const show of [showStructure, showPlain, showNumber]) {
    const found = search(x, y, "", show, new Set());
    if (found) return found;
  }
  return undefined;
}

/** What is compared of a value, as text. */
type Show = (x: unknown) => string;

function search(x: unknown, y: unknown, path: string, show: Show, seen: Set<unknown>): FieldDifference | undefined {
  const [first, other] = [show(x), show(y)];
  if (first !== other) return { path: path === "" ? "the model itself" : path, first, other };
  if (!isObject(x) || !isObject(y) || x instanceof Tensor || ArrayBuffer.isView(x) || seen.has(x)) return undefined;
  seen.add(x);
  for (const key of Object.keys(x)) {
    const found = search(x[key], y[key], path === "" ? key : `${path}.${key}`, show, seen);
    if (found) return found;
  }
  return undefined;
}

const isObject = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null;

function showStructure(x: unknown): string {
  if (x instanceof Tensor) return showAval(x.aval);
  if (Array.isArray(x)) return `a list of ${x.length}`;
  if (!isObject(x)) return x === null ? "null" : x === undefined ? "nothing" : `a ${typeof x}`;
  const name = x.constructor?.name ?? "an object";
  return name === "Object" ? `an object of ${Object.keys(x).join(", ")}` : name;
}

const showNumber = (x: unknown): string => (typeof x === "number" ? String(x) : "");

function showPlain(x: unknown): string {
  if (typeof x === "string") return JSON.stringify(x);
  if (typeof x === "boolean") return String(x);
  return typeof x === "function" ? x.toString().slice(0, 60) : "";
}
