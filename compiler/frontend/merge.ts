// Merges: one value for what several paths leave behind, chosen when the kernel runs.
import { type Aval, aval, showAval } from "../core/aval.js";
import { isNode } from "../core/tree.js";
import { literal } from "../ir/graph.js";
import { fill } from "../ops/index.js";
import { type Operand, Tensor } from "../trace/tensor.js";
import { elementsTensor } from "./elements.js";
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
import {
  type Contents,
  contentsIn,
  created,
  enterStale,
  isCreated,
  isStaleIn,
  linkSides,
  setPrivate,
  type Writes,
} from "./store.js";

/** A value of different kinds on different paths: an error as soon as it is used as one of them. */
export class Mixed {
  constructor(
    readonly sides: readonly unknown[],
    /** ToNumber of it, where the kinds are numbers and booleans. */
    readonly number?: Tensor,
  ) {}
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
      readonly privates: ReadonlyMap<object, Plan> | undefined;
      /** One of the objects, and all of them. */
      readonly like: object;
      readonly sides: readonly object[];
      readonly isStale: boolean;
    }
  | { readonly kind: "mixed"; readonly sides: readonly unknown[]; readonly number?: number };

const isSame = (x: unknown, y: unknown): boolean =>
  Object.is(x, y) ||
  (x instanceof Tensor && y instanceof Tensor && x.traced !== undefined && x.traced.atom === y.traced?.atom);

/** Objects that were planned with these leaves: the same ones become the same. */
const planned = new WeakMap<Leaf[], { readonly values: readonly unknown[]; readonly plan: Plan }[]>();

/**
 * Plans the merge of one value per path, entering what must be chosen in `leaves`. In a loop, the first path is the start
 * and the others what turns leave behind: whole numbers are counters. `sources` holds what each path changed, by which
 * objects have other contents there.
 */
export function planMerge(
  values: readonly unknown[],
  leaves: Leaf[],
  inLoop = false,
  sources: readonly (Writes | undefined)[] = [],
): Plan {
  const there = values.filter((x) => x !== ABSENT);
  const [first, ...others] = there;
  // a value that some path lacks is one that this path computed: nobody else may see it
  if (others.every((x) => isSame(x, first)) && (there.length === values.length || !holdsTensor(first)))
    return { kind: "same", value: first };
  const numbers = values.map((x) => (x instanceof Mixed ? (x.number ?? x) : x));
  const enter = (leaf: Pick<Leaf, "type" | "range">): number => leaves.push({ ...leaf, values: numbers }) - 1;
  if (there.every(isNumeric)) {
    const leaf = leafOf(there, inLoop);
    if (leaf) return { kind: "leaf", at: enter(leaf) };
  }
  const known = numbers.filter((x) => x !== ABSENT);
  const leaf = known.every(isNumeric) ? leafOf(known, inLoop, true) : undefined;
  if (leaf) return { kind: "mixed", sides: there, number: enter(leaf) };
  if (there.some((x) => x instanceof Mixed)) return { kind: "mixed", sides: there };
  if (there.every(isNode) || areAlike(there)) {
    const known = planned.get(leaves)?.find((each) => each.values.every((x, p) => x === values[p]));
    if (known) return known.plan;
    // what holds itself cannot be chosen part by part
    if (underWay.some((list) => list.length === values.length && list.every((x, p) => x === values[p])))
      return { kind: "mixed", sides: there };
    underWay.push(values);
    const plan = planObject(values, leaves, inLoop, sources);
    underWay.pop();
    if (plan) {
      planned.set(leaves, [...(planned.get(leaves) ?? []), { values, plan }]);
      return plan;
    }
  }
  return { kind: "mixed", sides: there };
}

/** Objects whose parts are planned. */
const underWay: (readonly unknown[])[] = [];

/** Objects or arrays with the same keys; undefined where they are not. */
function planObject(
  values: readonly unknown[],
  leaves: Leaf[],
  inLoop: boolean,
  sources: readonly (Writes | undefined)[],
): Plan | undefined {
  const contents = values.map((x, p) => (x === ABSENT ? undefined : contentsIn(x as object, sources[p])));
  const sides = values.filter((x): x is object => x !== ABSENT);
  const there = contents.filter((x): x is Contents => x !== undefined);
  const [first] = there as [Contents];
  const [like] = sides as [object];
  const keys = [...first.keys.keys()];
  const names = [...(first.privates?.keys() ?? [])];
  const isAlike = there.every(
    (x) =>
      !x.packed &&
      x.length === first.length &&
      x.keys.size === keys.length &&
      keys.every((key) => x.keys.has(key)) &&
      (x.privates?.size ?? 0) === names.length &&
      names.every((name) => x.privates!.has(name)),
  );
  if (!isAlike || sides.some((x) => Array.isArray(x) !== Array.isArray(like))) return undefined;
  const plan = (read: (x: Contents) => unknown): Plan =>
    planMerge(
      contents.map((x) => (x ? read(x) : ABSENT)),
      leaves,
      inLoop,
      sources,
    );
  return {
    kind: "node",
    keys,
    items: keys.map((key) => plan((x) => x.keys.get(key))),
    privates: names.length > 0 ? new Map(names.map((name) => [name, plan((x) => x.privates!.get(name))])) : undefined,
    like,
    sides: [...new Set(sides)],
    isStale: values.some((x, p) => x !== ABSENT && isStaleIn(x as object, sources[p])),
  };
}

/** Objects of one class that the function itself made. */
function areAlike(values: readonly unknown[]): values is readonly object[] {
  const [first] = values;
  if (typeof first !== "object" || first === null || first instanceof Tensor) return false;
  const proto: unknown = Object.getPrototypeOf(first);
  return values.every((x) => typeof x === "object" && x !== null && isCreated(x) && Object.getPrototypeOf(x) === proto);
}

function holdsTensor(x: unknown, depth = 4): boolean {
  if (x instanceof Tensor) return true;
  if (depth === 0 || !isNode(x)) return false;
  return Object.values(x).some((item) => holdsTensor(item, depth - 1));
}

/** The type of values in one; booleans are numbers among them only if `countsBooleans`. */
function leafOf(
  values: readonly unknown[],
  inLoop: boolean,
  countsBooleans = false,
): Pick<Leaf, "type" | "range"> | undefined {
  const shapes = values.map((x) => (x instanceof Tensor ? x.shape : []));
  if (shapes.some((shape) => shape.join() !== shapes[0]!.join())) return undefined;
  const shape = shapes[0]!;
  const bools = values.filter((x) => typeof x === "boolean" || (x instanceof Tensor && x.dtype === "bool"));
  if (bools.length === values.length) return { type: aval("bool", shape), range: undefined };
  if (bools.length > 0 && !countsBooleans) return undefined; // true and 1 are not the same
  const ranges = values.map((x): Range | undefined => (bools.includes(x) ? [0, 1] : rangeOf(x)));
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

/** Elements of an array, where other paths hold them in a tensor. */
export class Elements {
  constructor(readonly values: readonly unknown[]) {}
}

/** What path `path` gives for a leaf; for one that it lacks, anything. */
export function leafOperand({ type, values }: Leaf, path: number): Operand {
  const x = values[path];
  if (x === ABSENT) {
    const zero = literal(type.dtype === "f32" ? 1 : 0, aval(type.dtype, []));
    return type.shape.length === 0 ? zero : fill(zero, type.shape);
  }
  return toDType(x instanceof Elements ? elementsTensor(x.values)! : (x as Tensor | number | boolean), type.dtype);
}

/** Marks what stands for a leaf: whole numbers stay such. */
export function leafResult(leaf: Leaf, x: Tensor, isCarried = false): Tensor {
  if (!leaf.range) return x;
  return isCarried ? asCounter(x, leaf.range) : asWhole(x, leaf.range);
}

/** Objects that were built of these results. */
const built = new WeakMap<readonly Tensor[], Map<Plan, object>>();

/** The merged value; `results` stand for the leaves. */
export function buildMerge(plan: Plan, results: readonly Tensor[]): unknown {
  switch (plan.kind) {
    case "same":
      return plan.value;
    case "leaf":
      return results[plan.at];
    case "mixed":
      return new Mixed(plan.sides, plan.number === undefined ? undefined : results[plan.number]);
    case "node": {
      const known = built.get(results)?.get(plan);
      if (known) return known;
      const items = plan.items.map((item) => buildMerge(item, results));
      const made = created(
        Array.isArray(plan.like)
          ? new Array<unknown>(plan.like.length)
          : (Object.create(Object.getPrototypeOf(plan.like) as object | null) as object),
      );
      plan.keys.forEach((key, i) => void Reflect.set(made, key, items[i]));
      for (const [name, item] of plan.privates ?? []) setPrivate(made, name, buildMerge(item, results));
      built.set(results, (built.get(results) ?? new Map()).set(plan, made));
      return made;
    }
  }
}

/** Tells of the objects that were built of `results` which ones they may be: when all of a merge is assigned. */
export function linkBuilt(results: readonly Tensor[]): void {
  for (const [plan, made] of built.get(results) ?? []) {
    if (plan.kind !== "node") continue;
    linkSides(made, plan.sides);
    if (plan.isStale) enterStale(made);
  }
}

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
