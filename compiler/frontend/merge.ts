// Merges: one value for what several paths leave behind, chosen when the kernel runs.
import { type Aval, aval, showAval } from "../core/aval.js";
import { isNode } from "../core/tree.js";
import { literal } from "../ir/graph.js";
import { fill } from "../ops/index.js";
import { type Operand, Tensor } from "../trace/tensor.js";
import {
  asCounter,
  asWhole,
  COUNTER,
  INT32,
  isIntegerTensor,
  isNumeric,
  type Range,
  rangeOf,
  toDType,
} from "./numbers.js";
import { created, isCreated, packOf, relate } from "./store.js";

/** A value of different kinds on different paths: an error as soon as it is used. */
export class Mixed {
  constructor(readonly sides: readonly unknown[]) {}
}

/** A path that has no such value, for nobody reads it there. */
export const ABSENT = Symbol("absent");

/** A scalar or array that is chosen: its type, and the values of all paths. */
export interface Leaf {
  readonly type: Aval;
  /** Bounds of a whole JS number. */
  readonly range: Range | undefined;
  /** One for each path. */
  readonly values: readonly unknown[];
}

/** How the values of all paths become one. */
export type Plan =
  | { readonly kind: "same"; readonly value: unknown }
  | { readonly kind: "leaf"; readonly at: number }
  | {
      readonly kind: "node";
      readonly keys: readonly PropertyKey[];
      readonly items: readonly Plan[];
      /** The object of each path, of which it is one. */
      readonly sides: readonly unknown[];
    }
  | { readonly kind: "mixed"; readonly sides: readonly unknown[] };

const isSame = (x: unknown, y: unknown): boolean =>
  Object.is(x, y) ||
  (x instanceof Tensor && y instanceof Tensor && x.traced !== undefined && x.traced.atom === y.traced?.atom);

/**
 * Plans the merge of one value per path, entering what must be chosen in `leaves`. In a loop, the first path is the start
 * and the others what turns leave behind: whole numbers are counters.
 */
export function planMerge(values: readonly unknown[], leaves: Leaf[], inLoop = false): Plan {
  const there = values.filter((x) => x !== ABSENT);
  const [first, ...others] = there;
  // a value that some path lacks is one that this path computed: nobody else may see it
  if (others.every((x) => isSame(x, first)) && (there.length === values.length || !holdsTensor(first)))
    return { kind: "same", value: first };
  if (there.some((x) => x instanceof Mixed)) return { kind: "mixed", sides: there };
  if (there.every(isNumeric)) {
    const leaf = leafOf(there, inLoop);
    if (!leaf) return { kind: "mixed", sides: there };
    leaves.push({ ...leaf, values });
    return { kind: "leaf", at: leaves.length - 1 };
  }
  // what holds itself cannot be chosen part by part
  const isWithin = underWay.some((list) => list.length === values.length && list.every((x, i) => x === values[i]));
  if (!isWithin && (there.every(isNode) || areAlike(there))) {
    const keys = Reflect.ownKeys(first as object).filter((key) => !(Array.isArray(first) && key === "length"));
    const isAlike =
      there.every((x) => Array.isArray(x) === Array.isArray(first) && keysMatch(x as object, keys)) &&
      there.every((x) => !packOf(x));
    if (isAlike) {
      underWay.push(values);
      const items = keys.map((key) =>
        planMerge(
          values.map((x) => (x === ABSENT ? ABSENT : (x as Record<PropertyKey, unknown>)[key])),
          leaves,
          inLoop,
        ),
      );
      underWay.pop();
      return { kind: "node", keys, items, sides: values };
    }
  }
  return { kind: "mixed", sides: there };
}

/** Objects whose parts are planned. */
const underWay: (readonly unknown[])[] = [];

/** Objects of one class that the function itself made. */
function areAlike(values: readonly unknown[]): values is readonly object[] {
  const [first] = values;
  if (typeof first !== "object" || first === null || first instanceof Tensor) return false;
  const proto: unknown = Object.getPrototypeOf(first);
  return values.every((x) => typeof x === "object" && x !== null && isCreated(x) && Object.getPrototypeOf(x) === proto);
}

function keysMatch(x: object, keys: readonly PropertyKey[]): boolean {
  const own = Reflect.ownKeys(x).filter((key) => !(Array.isArray(x) && key === "length"));
  return own.length === keys.length && keys.every((key) => Object.hasOwn(x, key));
}

function holdsTensor(x: unknown, depth = 4): boolean {
  if (x instanceof Tensor) return true;
  if (depth === 0 || !isNode(x)) return false;
  return Object.values(x).some((item) => holdsTensor(item, depth - 1));
}

function leafOf(values: readonly unknown[], inLoop: boolean): Pick<Leaf, "type" | "range"> | undefined {
  const shapes = values.map((x) => (x instanceof Tensor ? x.shape : []));
  if (shapes.some((shape) => shape.join() !== shapes[0]!.join())) return undefined;
  const shape = shapes[0]!;
  const bools = values.filter((x) => typeof x === "boolean" || (x instanceof Tensor && x.dtype === "bool"));
  if (bools.length === values.length) return { type: aval("bool", shape), range: undefined };
  if (bools.length > 0) return undefined; // true and 1 are not the same
  const ranges = values.map(rangeOf);
  if (ranges.every((range) => range !== undefined)) {
    const range: Range = [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))];
    return { type: aval("i32", shape), range: inLoop ? loopRange(range) : range };
  }
  const integers = values.filter(isIntegerTensor);
  const fits = integers.length > 0 && values.every((x, i) => isIntegerTensor(x) || ranges[i] !== undefined);
  if (!fits) return { type: aval("f32", shape), range: undefined };
  const signed = integers.some((x) => x.dtype === "i32") || ranges.some((range) => range && range[0] < 0);
  return { type: aval(signed ? "i32" : "u32", shape), range: undefined };
}

/** How far a counter may be counted on in one turn. */
const STRIDE = 256;

/** What a turn leaves behind is within the bounds it started from, or counted on from there. */
const loopRange = ([low, high]: Range): Range =>
  low >= COUNTER[0] - STRIDE && high <= COUNTER[1] + STRIDE ? COUNTER : INT32;

/** What path `path` gives for a leaf; for one that it lacks, anything. */
export function leafOperand({ type, values }: Leaf, path: number): Operand {
  const x = values[path];
  if (x === ABSENT) {
    const zero = literal(type.dtype === "f32" ? 1 : 0, aval(type.dtype, []));
    return type.shape.length === 0 ? zero : fill(zero, type.shape);
  }
  return toDType(x as Tensor | number | boolean, type.dtype);
}

/** Marks what stands for a leaf: whole numbers stay such. */
export function leafResult(leaf: Leaf, x: Tensor, isCarried = false): Tensor {
  if (!leaf.range) return x;
  return isCarried ? asCounter(x, leaf.range) : asWhole(x, leaf.range);
}

/** Makes the object that stands for `sides`, one for each path. */
export type Make = (sides: readonly unknown[], build: () => object) => object;

/** The merged value; `results` stand for the leaves. */
export function buildMerge(plan: Plan, results: readonly Tensor[], make: Make = oneOf): unknown {
  switch (plan.kind) {
    case "same":
      return plan.value;
    case "leaf":
      return results[plan.at];
    case "mixed":
      return new Mixed(plan.sides);
    case "node":
      return make(plan.sides, () => buildNode(plan, results, make));
  }
}

function buildNode(plan: Plan & { kind: "node" }, results: readonly Tensor[], make: Make): object {
  const items = plan.items.map((item) => buildMerge(item, results, make));
  const like = plan.sides.find((x) => x !== ABSENT) as object;
  const object: object = Array.isArray(like)
    ? new Array(like.length)
    : (Object.create(Object.getPrototypeOf(like) as object | null) as object);
  plan.keys.forEach((key, i) => void Reflect.set(object, key, items[i]));
  return created(object);
}

/** An object that is one of several, nobody knows which: it may be used until one of them changes. */
const oneOf: Make = (sides, build) => {
  const object = build();
  relate(
    object,
    sides.filter((x): x is object => x !== ABSENT),
  );
  return object;
};

/** `a number on one path, undefined on another` */
export function showSides(sides: readonly unknown[]): string {
  const kinds = [...new Set(allSides(sides).map(showKind))];
  if (kinds.length === 1) return `not the same ${kinds[0]!.replace(/^an? /, "")} on every path`;
  return kinds.map((kind, i) => `${kind} on ${i === 0 ? "one path" : "another"}`).join(", ");
}

const allSides = (sides: readonly unknown[]): unknown[] =>
  sides.flatMap((x) => (x instanceof Mixed ? allSides(x.sides) : [x]));

const showObject = (x: object): string => {
  const keys = Object.keys(x);
  return keys.length === 0
    ? "an empty object"
    : `an object of ${keys.slice(0, 4).join(", ")}${keys.length > 4 ? ", …" : ""}`;
};

function showKind(x: unknown): string {
  if (x === null || x === undefined) return String(x);
  if (x instanceof Tensor) return x.ndim > 0 ? showAval(x.aval) : x.dtype === "bool" ? "a boolean" : "a number";
  if (Array.isArray(x)) return `an array of ${x.length}`;
  if (typeof x === "object") return isNode(x) ? showObject(x) : `a ${x.constructor?.name ?? "object"}`;
  return `a ${typeof x}`;
}
