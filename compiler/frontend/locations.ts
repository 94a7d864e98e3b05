// Merges of what variables and objects hold, location by location.
import type { Tensor } from "../trace/tensor.js";
import { buildMerge, type Leaf, type Make, type Plan, planMerge } from "./merge.js";
import { Cell, type Contents, type Location } from "./store.js";

/** How the values of a variable, or the contents of an object, become one. */
export type LocationPlan =
  | { readonly kind: "cell"; readonly plan: Plan }
  | {
      readonly kind: "object";
      readonly keys: ReadonlyMap<PropertyKey, Plan>;
      readonly length: number;
      readonly packed: Plan | undefined;
      readonly privates: ReadonlyMap<object, Plan> | undefined;
      readonly entries: readonly unknown[] | undefined;
    };

/** Why contents cannot become one. */
export class Unmergeable extends Error {
  override name = "Unmergeable";
}

/** Plans the merge of what a location holds on each path; in a loop, the first is the start. */
export function planLocation(at: Location, versions: readonly unknown[], leaves: Leaf[], inLoop = false): LocationPlan {
  if (at instanceof Cell) return { kind: "cell", plan: planMerge(versions, leaves, inLoop) };
  const all = versions as readonly Contents[];
  const [first] = all as readonly [Contents];
  const other = all.find(({ length }) => length !== first.length);
  if (other) throw new Unmergeable(`an array grows or shrinks (${first.length} -> ${other.length})`);
  if (all.some(({ entries }) => !sameEntries(entries, first.entries)))
    throw new Unmergeable(`a ${at.constructor.name} is changed`);
  if (
    ArrayBuffer.isView(at) &&
    all.some(({ keys }) => [...keys].some(([key, x]) => !Object.is(x, first.keys.get(key))))
  )
    throw new Unmergeable(`a ${at.constructor.name} is changed`);
  const names = new Set(all.flatMap(({ keys }) => [...keys.keys()]));
  const packed = all.map((x) => x.packed);
  if (packed.some(Boolean) && !packed.every(Boolean))
    throw new Unmergeable("elements of different kinds are in an array that is written at traced positions");
  const plan = (values: readonly unknown[]): Plan => planMerge(values, leaves, inLoop);
  const privateNames = new Set(all.flatMap(({ privates }) => [...(privates?.keys() ?? [])]));
  return {
    kind: "object",
    keys: packed.some(Boolean)
      ? new Map()
      : new Map([...names].map((key) => [key, plan(all.map(({ keys }) => keys.get(key)))])),
    length: first.length,
    packed: packed.some(Boolean) ? plan(packed) : undefined,
    privates:
      privateNames.size === 0
        ? undefined
        : new Map([...privateNames].map((name) => [name, plan(all.map(({ privates }) => privates?.get(name)))])),
    entries: first.entries,
  };
}

const sameEntries = (a: readonly unknown[] | undefined, b: readonly unknown[] | undefined): boolean =>
  a === b ||
  (a !== undefined && b !== undefined && a.length === b.length && a.flat().every((x, i) => Object.is(x, b.flat()[i])));

/** What the location holds behind the merge; `results` stand for the leaves. */
export function buildLocation(plan: LocationPlan, results: readonly Tensor[], make?: Make): unknown {
  if (plan.kind === "cell") return buildMerge(plan.plan, results, make);
  const build = <K>(plans: ReadonlyMap<K, Plan>): Map<K, unknown> =>
    new Map([...plans].map(([key, each]) => [key, buildMerge(each, results, make)]));
  const contents: Contents = {
    keys: build(plan.keys),
    length: plan.length,
    packed: plan.packed && (buildMerge(plan.packed, results) as Tensor),
    privates: plan.privates && build(plan.privates),
    entries: plan.entries,
  };
  return contents;
}

/** Text that is equal for plans that are merged alike. */
export function showPlan(plan: LocationPlan, leaves: readonly Leaf[]): string {
  const one = (each: Plan): string => {
    if (each.kind === "leaf") {
      const { type, range } = leaves[each.at]!;
      return `${type.dtype}[${type.shape}]${range ?? ""}`;
    }
    if (each.kind === "node") return `{${each.items.map((item, i) => `${String(each.keys[i])}:${one(item)}`)}}`;
    return each.kind;
  };
  if (plan.kind === "cell") return one(plan.plan);
  const all = [...plan.keys].map(([key, each]) => `${String(key)}:${one(each)}`);
  const hidden = [...(plan.privates?.values() ?? [])].map(one);
  return `{${all}}${plan.packed ? one(plan.packed) : ""}{${hidden}}`;
}
