// Writes and reads of objects that go by several names, of which one stands for another only at times.
import { branch } from "./branches.js";
import { choices, outdated, standIns } from "./chosen.js";
import { type Evaluator, isTraceError, type Site } from "./evaluator.js";
import { Mixed } from "./merge.js";
import { assign, attempt, type Contents, currentOf, isStale, noteObject } from "./store.js";

/** To be called behind a change of an object: the objects that it stands for change alike where it does. */
export function changeSides(run: Evaluator, object: object, site: Site, change: (side: object) => void): void {
  for (const each of standIns.get(object) ?? []) outdated.add(each);
  const nothing = (): object => ({});
  for (const side of choices.get(object)?.sides ?? []) {
    const known = outdated.has(object);
    const changed = (): object => {
      change(side.object);
      return {};
    };
    try {
      attempt(() => branch(run, site, side.holds(), changed, nothing));
    } catch (error) {
      if (!isTraceError(error)) throw error;
      forget(side.object); // an array that grows at times
    }
    for (const each of standIns.get(side.object) ?? []) if (each !== object || known) outdated.add(each);
  }
}

/** Makes it an error to read an object, of which it is no longer known what is in it. */
export function forget(object: object): void {
  const contents = currentOf(object) as Contents;
  const keys = [...contents.keys].map(([key, value]) => [key, new Mixed([value, undefined])] as const);
  assign(object, { ...contents, keys: new Map<PropertyKey, unknown>(keys) });
}

/**
 * To be called before an object is used: brings one up to date that stands for others. Throws `TraceError` where it may
 * have been changed under another name, and nobody knows when.
 */
export function refresh(run: Evaluator, object: unknown, site: Site): void {
  if (typeof object !== "object" || object === null) return;
  if (isStale(object))
    throw run.fail(
      site,
      "this object is, depending on a traced condition, the same as one that was changed under another name",
      "change a copy ({ ...x }, [...x]), or choose between the values in the objects rather than between the objects",
    );
  if (!outdated.has(object)) return;
  noteObject(object);
  for (const key of Reflect.ownKeys(object)) {
    const property = Reflect.getOwnPropertyDescriptor(object, key)!;
    if (!property.writable || (key === "length" && Array.isArray(object))) continue;
    let value: unknown = property.value;
    for (const side of choices.get(object)!.sides) {
      const own = value;
      value = branch(
        run,
        site,
        side.holds(),
        () => ({ value: run.get(side.object, key, site) }),
        () => ({ value: own }),
      ).value;
    }
    Reflect.set(object, key, value);
  }
}
