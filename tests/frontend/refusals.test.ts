// Refusals of plain-JavaScript functions: what was seen comes first, then the author's line with a caret, then the way out.
import { describe, expect, test } from "vitest";
import { grad, jit, tensor, vmap } from "../../index.js";
import { traced } from "../support/plain-js.js";
import { caught, refused } from "./oracle.js";

let counter = 0;
const outside: any = { a: 1, list: [1, 2] };
const floats = new Float32Array(3);
const entries = new Map<string, number>();

describe("writes to what is outside", () => {
  refused("a variable", (x) => (counter += x), "assignment to 'counter', a variable outside the traced function");
  const writes: Record<string, (x: number) => unknown> = {
    field: (x) => (outside.a = x),
    "element of an alias": (x) => {
      const { list } = outside;
      list.push(x);
      return x;
    },
    map: (x) => entries.set("a", x).size * x,
    "typed array": (x) => (floats[0] = x),
    "deleted field": (x) => {
      delete outside.a;
      return x * 2;
    },
    "assigned object": (x) => Object.assign(outside, { a: x }).a,
    global: (x) => ((globalThis as any).lanewiseTest = x * 2),
  };
  for (const [name, fn] of Object.entries(writes))
    refused(name, fn, "writing to an object that was created outside the traced function");
  refused("an argument", (p) => (p.a = 2 * p.a), "created outside", [{ a: 1 }]);
  test("none of them has happened", () => {
    expect([counter, outside, [...floats], entries.size]).toEqual([0, { a: 1, list: [1, 2] }, [0, 0, 0], 0]);
  });
});

describe("text of traced values", () => {
  const text = "a traced value cannot be converted to a string";
  refused("concatenation", (x) => `${"v"}` + x, text);
  refused("String()", (x) => String(x * 2).length, text);
  refused("toString", (x) => (x * 2).toString().length, text);
  refused("toFixed", (x) => Number((x * 2).toFixed(2)), text);
  refused("a list in a template", (x) => `${[x, 1]}`.length, text);
  refused("JSON", (x) => JSON.stringify({ x: [x * 2] }).length, text);
});

describe("sizes and positions that must be known", () => {
  refused("repeat", (x) => "ab".repeat(x | 0).length, '"ab".repeat() needs a value that is only known');
  refused("slice", (x) => [1, 2, 3].slice(x | 0).length, "[1, 2, 3].slice() needs a value");
  refused("slice of a tensor", (xs) => (xs[0] > 0 ? xs.slice(1).length : 0), "slice with a number", [[1, 2]]);
  refused("length", (x) => new Array(x | 0).length, "new Array() with a traced argument");
  refused(
    "growth under a condition",
    (x) => {
      const a = [0];
      if (x > 0) a.push(1);
      return a.length;
    },
    "an array grows or shrinks (1 -> 2) under a traced condition",
  );
  refused("filter", (xs) => xs.filter((v: number) => v > 1).length, "filter by a traced condition", [[1, 2]]);
  refused("a key", (i) => ({ 1: 10, 2: 20 })[i as 1], "a traced value names a property", [1]);
  refused("a key of a map", (i) => new Map([[1, 10]]).get(i), "Map.prototype.get with traced values", [1]);
});

describe("what traced branches would change for all paths", () => {
  const changes: Record<string, [message: string, fn: (x: number) => unknown]> = {
    Map: [
      "a Map is changed",
      (x) => {
        const m = new Map([["a", 1]]);
        if (x > 0) m.set("a", 2);
        return m.get("a")! * x;
      },
    ],
    Set: [
      "a Set is changed",
      (x) => {
        const s = new Set<number>();
        if (x > 0) s.add(1);
        return s.size * x;
      },
    ],
    Date: [
      "a Date is changed",
      (x) => {
        const d = new Date(0);
        if (x > 0) d.setFullYear(2000);
        return d.getTime() * x;
      },
    ],
    "typed array": [
      "a Float64Array is changed",
      (x) => {
        const a = new Float64Array(2);
        if (x > 0) a.fill(2);
        return a[0]! * x;
      },
    ],
  };
  for (const [name, [message, fn]] of Object.entries(changes)) refused(name, fn, message);
  refused(
    "a traced element of a typed array",
    (x) => {
      const a = new Float64Array(2);
      a[0] = x;
      return a[0];
    },
    "a typed array, Float64Array, cannot hold traced values",
  );
});

describe("arrays of arguments do not change", () => {
  for (const fn of [(xs: any) => xs.push(1) * xs[0], (xs: any) => (xs.reverse(), xs[0] * 2)])
    refused(String(fn), fn, /(push|reverse): traced arrays are immutable/, [[1, 2]]);
  refused(
    "sorted as a statement",
    (xs) => {
      xs.sort();
      return xs[0] * 2;
    },
    "sort: traced arrays are immutable",
    [[1, 2]],
  );
  refused("written", (xs) => (xs[0] = 2 * xs[1]), "traced arrays are immutable", [[1, 2]]);
});

describe("values of another kind on each path", () => {
  refused("number and text", (x) => (x > 0 ? 1 : ("a" as any)) + 1, "a string on one path, a number on another");
  refused("text", (x) => ((x > 0 ? "a" : "b") === "a" ? 1 : 2), "not the same string on every path");
  refused("functions", (x) => (x > 0 ? Math.sin : Math.cos)(x), "not the same function on every path");
  refused("objects", (x) => (x > 0 ? { a: 1 } : ({ b: 1 } as any)).a, "an object of b on one path, an object of a on");
  refused("three kinds", (xs) => (xs.find((v: number) => v > 2) ?? "none") * 2, /undefined on one path, a number/, [
    [1, 2],
  ]);
  refused("results", (x) => (x > 0 ? [x] : x), "this function returns a number on one path, an array of 1 on another");
});

describe("exceptions", () => {
  const chk = (v: number): number => {
    if (v < 0) throw new RangeError("negative");
    return v;
  };
  refused("thrown under a traced condition, in a helper", (x) => chk(x) * 2, "throw under a traced condition");
  const none: any = {};
  refused("a call of nothing", (x) => none.f(x * 2), "none.f is not a function", [1], "TypeError");
  refused("a property of nothing", (x) => none.a.b * x, "Cannot read properties of undefined", [1], "TypeError");
  refused(
    "a call of nothing on one path",
    (x) => (x > 0 ? none.f(x) : 1),
    "TypeError under a traced condition: none.f is",
  );
  test("what the program throws itself is its own, and its stack begins in the program", () => {
    const error = caught(() =>
      traced(
        (x) => {
          if (floats.length > 1) throw new RangeError("a table of 3");
          return x * 2;
        },
        [1],
      ),
    );
    expect(error).toMatchObject({ name: "RangeError", message: "a table of 3" });
    expect(error.stack!.split("\n")[1]).toMatch(/refusals\.test\.ts:\d+/);
    expect(error.stack).not.toMatch(/compiler\/frontend/);
  });
  test("and can be caught by it, without the place", () => {
    const f = traced(
      (x) => {
        try {
          return none.f(x) * x;
        } catch (error) {
          return x * (error as Error).message.length;
        }
      },
      [2],
    );
    expect(f.run([2])).toBe(2 * "none.f is not a function".length);
  });
});

describe("recursion and randomness", () => {
  refused(
    "a recursion that ends in the kernel",
    function fact(n): number {
      return n <= 1 ? 1 : n * fact(n - 1);
    },
    "functions call each other too deep",
    [5],
  );
  refused("Math.random", (x) => x + Math.random(), "Math.random() in a traced function");
});

describe("an unbounded loop has no reverse mode, and says how it gets one", () => {
  const doubles = (x: number): number => {
    let v = x;
    while (v < 100) v = v * 2 + x;
    return v;
  };
  test.each([
    ["grad", () => grad(doubles)(2)],
    ["vmap of grad", () => vmap(grad(doubles))(tensor([1, 2]))],
  ] as const)("%s", (_, work) => {
    expect(caught(work).message).toMatch(/while \(bounded\(n\) && …\).*\{ maxSteps: n \}/);
  });
});

test("options that there are not are named", () => {
  expect(caught(() => jit((x: number) => x * 2, { frontend: "sauce" as any })).message).toBe(
    "jit: frontend is 'sauce'; there are auto, trace, source",
  );
});
