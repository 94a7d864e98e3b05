// The bounded map: what was not used for longest is forgotten.
import { expect, test } from "vitest";
import { Lru } from "../../runtime/lru.js";

test("the entry that was not used for longest makes room", () => {
  const forgotten: string[] = [];
  const lru = new Lru<string, number>(2, (value, key) => void forgotten.push(`${key}=${value}`));
  lru.set("a", 1);
  lru.set("b", 2);
  expect(lru.get("a")).toBe(1);
  lru.set("c", 3);
  expect(forgotten).toEqual(["b=2"]);
  expect([lru.get("a"), lru.get("b"), lru.get("c")]).toEqual([1, undefined, 3]);
  expect(lru.size).toBe(2);
});

test("an entry that was deleted and set again is the newest", () => {
  const lru = new Lru<string, number>(2);
  lru.set("a", 1);
  lru.delete("a");
  lru.set("b", 2);
  lru.set("a", 3);
  lru.set("b", 4);
  lru.set("c", 5);
  expect([lru.get("a"), lru.get("b"), lru.get("c")]).toEqual([undefined, 4, 5]);
});
