// Trees: nested arrays and plain objects, taken apart and put together again.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  broadcastPrefix,
  countLeaves,
  flatten,
  isNode,
  PrefixError,
  showPath,
  showTree,
  unflatten,
} from "../../compiler/core/tree.js";

const { tree } = fc.letrec<{ tree: unknown; node: unknown }>((tie) => ({
  node: fc.oneof(
    fc.array(tie("tree"), { maxLength: 3 }),
    fc.dictionary(fc.oneof(fc.constantFrom("a", "b", "w", "__proto__"), fc.string({ maxLength: 3 })), tie("tree"), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  ),
  tree: fc.oneof({ maxDepth: 4 }, fc.integer(), fc.constantFrom(null, undefined), tie("node")),
}));

test("what is taken apart and put together again is the same", () => {
  fc.assert(
    fc.property(tree, (x) => {
      const { leaves, def, paths } = flatten(x);
      expect(unflatten(def, leaves)).toStrictEqual(x);
      expect(countLeaves(def)).toBe(leaves.length);
      paths.forEach((path, i) => {
        const found = path.reduce<unknown>((at, key) => (at as Record<string | number, unknown>)[key], x);
        expect(found).toBe(leaves[i]);
      });
    }),
  );
});

test("equal structures have equal texts, and others have others", () => {
  fc.assert(
    fc.property(tree, tree, (x, y) => {
      const [a, b] = [flatten(x), flatten(y)];
      const same = showTree(a.def) === showTree(b.def);
      const leaves = a.leaves.map((_, i) => i);
      if (same) expect(unflatten(a.def, leaves)).toStrictEqual(unflatten(b.def, leaves));
      else if (a.leaves.length === b.leaves.length)
        expect(unflatten(a.def, leaves)).not.toStrictEqual(unflatten(b.def, leaves));
    }),
  );
});

test("keys of objects are sorted, so that their order makes no other structure", () => {
  expect(flatten({ b: 1, a: 2 }).leaves).toEqual([2, 1]);
  expect(showTree(flatten({ b: 1, a: [2, null] }).def)).toBe('{"a":[*,null],"b":*}');
});

test("null and undefined are nodes without leaves, and stay what they are", () => {
  const { leaves, def } = flatten([null, 1, undefined]);
  expect(leaves).toEqual([1]);
  expect(unflatten(def, [2])).toStrictEqual([null, 2, undefined]);
});

test("a hole in an array is undefined", () => {
  // biome-ignore lint/suspicious/noSparseArray: it is what is tested
  expect(unflatten(flatten([1, , 2]).def, [3, 4])).toStrictEqual([3, undefined, 4]);
});

test("plain objects and arrays are nodes; all else is a leaf", () => {
  class Point {}
  expect([[], {}, Object.create(null)].map(isNode)).toEqual([true, true, true]);
  expect([1, "x", null, new Point(), new Map(), new Date(), () => 1, new Float32Array(1)].map(isNode)).toEqual(
    Array(8).fill(false),
  );
});

test("what should stay whole is a leaf, even where it is a plain object", () => {
  const whole = { a: 1 };
  expect(flatten([whole], (x) => x === whole).leaves).toEqual([whole]);
});

test("a tree that contains itself is refused, but one that holds a part twice is not", () => {
  const x: Record<string, unknown> = { inner: [1] };
  x.inner = [x];
  expect(() => flatten(x)).toThrow("tree: inner[0] contains itself");
  const part = [1];
  expect(flatten([part, part]).leaves).toEqual([1, 1]);
});

test("paths read as JavaScript", () => {
  expect(showPath(["a", 2, "b-c"], "params")).toBe('params.a[2]["b-c"]');
  expect(showPath(["w", 0])).toBe("w[0]");
  expect(showPath([])).toBe("");
});

describe("a prefix", () => {
  test("holds for all that is below it", () => {
    const { def } = flatten([{ w: 1, b: [2, 3] }, 4]);
    expect(broadcastPrefix(0, def)).toEqual([0, 0, 0, 0]);
    expect(broadcastPrefix([null, 1], def)).toEqual([null, null, null, 1]);
    expect(broadcastPrefix([{ w: 5, b: 6 }, 7], def)).toEqual([6, 6, 5, 7]); // b before w
    expect(broadcastPrefix([{ w: 5, b: [6, 8] }, 7], def)).toEqual([6, 8, 5, 7]);
  });

  test("of the tree itself is its leaves", () => {
    fc.assert(
      fc.property(tree, (x) => {
        const marks = unflatten(
          flatten(x).def,
          flatten(x).leaves.map((_, i) => i),
        );
        expect(broadcastPrefix(marks, flatten(x).def)).toEqual(flatten(x).leaves.map((_, i) => i));
      }),
    );
  });

  test.each([
    [[0, 0], [1], "at the root: an array of 2, but the value there is an array of 1"],
    [[[0]], [1], "at [0]: an array of 1, but the value there is a single value"],
    [[{ w: 0 }], [{ w: 1, b: 2 }], "at [0]: an object with keys w, but the value there is an object with keys b, w"],
    [[{ w: 0 }], [[1]], "at [0]: an object with keys w, but the value there is an array of 1"],
    [[[0]], [{ w: 1 }], "at [0]: an array of 1, but the value there is an object with keys w"],
    [[[0]], [null], "at [0]: an array of 1, but the value there is null"],
  ])("%j does not fit %j", (prefix, x, message) => {
    expect(() => broadcastPrefix(prefix, flatten(x).def)).toThrow(PrefixError);
    expect(() => broadcastPrefix(prefix, flatten(x).def)).toThrow(message);
  });
});
