// Merges of what variables and objects hold, location by location.
import { aval } from "../core/aval.js";
import { sameShape } from "../core/shape.js";
import type { Tensor } from "../trace/tensor.js";
import { elementsType } from "./elements.js";
import { buildMerge, Elements, type Leaf, type Plan, planMerge } from "./merge.js";
import { Cell, type Contents, type Location, type Writes } from "./store.js";

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

/**
 * Plans the merge of what a location holds on each path; in a loop, the first is the start. `sources`: all that each path
 * changed.
 */
export function planLocation(
  at: Location,
  versions: readonly unknown[],
  leaves: Leaf[],
  inLoop: boolean,
  sources: readonly (Writes | undefined)[],
): LocationPlan {
  if (at instanceof Cell) return { kind: "cell", plan: planMerge(versions, leaves, inLoop, sources) };
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
  const plan = (values: readonly unknown[]): Plan => planMerge(values, leaves, inLoop, sources);
  const privateNames = new Set(all.flatMap(({ privates }) => [...(privates?.keys() ?? [])]));
  return {
    kind: "object",
    keys: packed.some(Boolean)
      ? new Map()
      : new Map([...names].map((key) => [key, plan(all.map(({ keys }) => keys.get(key)))])),
    length: first.length,
    packed: packed.every((x) => x === packed[0]) ? packed[0] && plan(packed) : planPacked(all, leaves),
    privates:
      privateNames.size === 0
        ? undefined
        : new Map([...privateNames].map((name) => [name, plan(all.map(({ privates }) => privates?.get(name)))])),
    entries: first.entries,
  };
}

/** Plans one tensor of the elements of an array, which some paths have in one and others do not. */
function planPacked(versions: readonly Contents[], leaves: Leaf[]): Plan {
  const listOf = ({ keys, length }: Contents): unknown[] => Array.from({ length }, (_, i) => keys.get(String(i)));
  const values = versions.map((x) => x.packed ?? new Elements(listOf(x)));
  const types = values.map((x) => (x instanceof Elements ? elementsType(x.values) : x.aval));
  const [first] = types;
  const isAlike = types.every((type) => type && sameShape(type.shape, first!.shape));
  const dtypes = new Set(types.map((type) => type?.dtype));
  if (!first || !isAlike || (dtypes.has("bool") && dtypes.size > 1))
    throw new Unmergeable("the elements of an array become of another kind");
  const type = dtypes.size === 1 ? first : aval("f32", first.shape);
  return { kind: "leaf", at: leaves.push({ type, range: undefined, values }) - 1 };
}

const sameEntries = (a: readonly unknown[] | undefined, b: readonly unknown[] | undefined): boolean =>
  a === b ||
  (a !== undefined && b !== undefined && a.length === b.length && a.flat().every((x, i) => Object.is(x, b.flat()[i])));

/** What the location holds behind the merge; `results` stand for the leaves. */
export function buildLocation(plan: LocationPlan, results: readonly Tensor[]): unknown {
  if (plan.kind === "cell") return buildMerge(plan.plan, results);
  const build = <K>(plans: ReadonlyMap<K, Plan>): Map<K, unknown> =>
    new Map([...plans].map(([key, each]) => [key, buildMerge(each, results)]));
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
    const at = each.kind === "leaf" ? each.at : each.kind === "mixed" ? each.number : undefined;
    if (at !== undefined) {
      const { type, range } = leaves[at]!;
      return `${each.kind} ${type.dtype}[${type.shape}]${range ?? ""}`;
    }
    if (each.kind === "node") return `{${each.items.map((item, i) => `${String(each.keys[i])}:${one(item)}`)}}`;
    return each.kind;
  };
  if (plan.kind === "cell") return one(plan.plan);
  const all = [...plan.keys].map(([key, each]) => `${String(key)}:${one(each)}`);
  const hidden = [...(plan.privates?.values() ?? [])].map(one);
  return `{${all}}${plan.packed ? one(plan.packed) : ""}{${hidden}}`;
}
