// Objects that stand for one of several, chosen when the kernel runs: what is written to one name is read by the others.
import * as ops from "../ops/index.js";
import type { Tensor } from "../trace/tensor.js";
import type { Make } from "./merge.js";
import { constant } from "./numbers.js";
import { isBornSince, relate } from "./store.js";

/** The objects that one stands for, and when it does for each; those are left out that nobody else can reach. */
interface Choice {
  readonly sides: readonly { readonly object: object; readonly holds: () => Tensor }[];
}

export const choices = new WeakMap<object, Choice>();
/** Those that stand for an object at times. */
export const standIns = new WeakMap<object, Set<object>>();
/** Stand-ins of objects that have changed since; they stay so, whatever is undone. */
export const outdated = new WeakSet<object>();

/** Enters what stands for `sides[k]` where `holds(k)`. Those born since `serial` are known by this name alone. */
export function enterChoice(
  standIn: object,
  sides: readonly unknown[],
  holds: (k: number) => Tensor,
  serial = Number.POSITIVE_INFINITY,
): void {
  const kept = sides.flatMap((object, k) =>
    typeof object === "object" && object !== null && !isBornSince(object, serial)
      ? [{ object, holds: () => holds(k) }]
      : [],
  );
  // of a choice within a path, when it holds is not known outside of that
  for (const x of sides) {
    const behind = [...objectsBehind(x, serial)].filter((object) => !kept.some((side) => side.object === object));
    if (behind.length > 0) relate(standIn, behind);
  }
  if (kept.length === 0) return;
  choices.set(standIn, { sides: kept });
  for (const { object } of kept) {
    const known = standIns.get(object) ?? new Set();
    standIns.set(object, known.add(standIn));
  }
}

/** Objects from before `serial` that one born since stands for. */
function* objectsBehind(x: unknown, serial: number): Generator<object> {
  if (typeof x !== "object" || x === null || !isBornSince(x, serial)) return;
  for (const { object } of choices.get(x)?.sides ?? []) {
    if (isBornSince(object, serial)) yield* objectsBehind(object, serial);
    else yield object;
  }
}

/** Whether `x` stands for `y` at times. */
export const standsFor = (x: unknown, y: unknown): boolean =>
  typeof x === "object" && x !== null && (choices.get(x)?.sides.some(({ object }) => object === y) ?? false);

/** Merges of the same objects are one object, under whatever name. `holds(k)`: whether path k is taken. */
export function chooser(holds: (k: number) => Tensor, serial: number): Make {
  const made: { readonly sides: readonly unknown[]; readonly object: object }[] = [];
  return (sides, build) => {
    const known = made.find((each) => each.sides.every((x, k) => x === sides[k]));
    if (known) return known.object;
    const object = build();
    made.push({ sides, object });
    enterChoice(object, sides, holds, serial);
    return object;
  };
}

/** Whether path `k` is taken by a chooser that is a condition or the number of a path. */
export const holdsAt = (by: Tensor, k: number): Tensor => {
  if (by.dtype === "bool") return k === 1 ? by : ops.not(by);
  return ops.eq(by, constant(k, "i32"));
};
