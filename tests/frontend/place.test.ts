// Places in functions: the author's file, line and column, whatever was done to the code before it ran.
import { readFileSync } from "node:fs";
import { Script } from "node:vm";
import type { AnyNode } from "acorn";
import { expect, test } from "vitest";
import { locationOf, showPlace } from "../../compiler/frontend/place.js";
import { childrenOf } from "../../compiler/frontend/scopes.js";
import { type AnyFunction, functionSource } from "../../compiler/frontend/source.js";

const here = import.meta.filename;
const lines = readFileSync(here, "utf8").split("\n");

/** The nodes of `fn` that are written `code`, in the order of the source. */
function nodesOf(fn: AnyFunction, code: string): AnyNode[] {
  const source = functionSource(fn)!;
  const all: AnyNode[] = [source.node];
  for (let i = 0; i < all.length; i++) all.push(...childrenOf(all[i]!));
  return all
    .filter(({ start, end }) => source.text.slice(start - source.shift, end - source.shift) === code)
    .sort((a, b) => a.start - b.start);
}

const show = (fn: AnyFunction, code: string): string[] => {
  const [node] = nodesOf(fn, code);
  return showPlace(fn, functionSource(fn)!, node!.start, node!.end).split("\n");
};

interface Options {
  readonly scale: number;
}

const typed = (x: number, { scale }: Options): number => {
  const y: number = (x as number) * scale;
  return y > 0 /* as is */ ? Math.sin(y) : -y;
};

/** The only line of this file from `text` on, and the column of `part` in it: both from 1. */
function positionOf(text: string, part: string): { line: number; column: number } {
  const index = lines.findIndex((line) => line.includes(text));
  return { line: index + 1, column: lines[index]!.indexOf(part, lines[index]!.indexOf(text)) + 1 };
}

test("a node is shown where its author wrote it, types, comments and all", () => {
  const { line, column } = positionOf("return y > 0 /*", "Math.sin(y)");
  const shown = show(typed, "Math.sin(y)");
  expect(shown[0]).toMatch(
    new RegExp(`^  at typed \\(tests[\\\\/]frontend[\\\\/]place\\.test\\.ts:${line}:${column}\\)$`),
  );
  const at = shown.findIndex((each) => each.startsWith("  > "));
  expect(shown[at]).toBe(`  > ${line} |   return y > 0 /* as is */ ? Math.sin(y) : -y;`);
  expect(shown[at + 1]!.trimEnd().slice(shown[at]!.indexOf("Math"))).toBe("^".repeat("Math.sin(y)".length));
  expect(shown[at + 1]!.indexOf("^")).toBe(shown[at]!.indexOf("Math"));
});

test("every identifier of a function is found at its own column", () => {
  for (const name of ["x", "y", "scale", "Math"]) {
    for (const { start } of nodesOf(typed, name)) {
      const { source } = locationOf(typed, functionSource(typed)!, start);
      expect(source!.file).toBe(here);
      expect(lines[source!.line - 1]!.slice(source!.column - 1)).toMatch(new RegExp(`^${name}\\b`));
    }
  }
});

test("methods, accessors and functions in functions", () => {
  const object = {
    method(x: number): number {
      return [x].map((v) => v * 3)[0]!;
    },
    get size(): number {
      return Object.keys(this).length;
    },
  };
  const method = show(object.method as AnyFunction, "v * 3");
  expect(method[0]).toContain(
    `:${positionOf("return [x].map", "v * 3").line}:${positionOf("return [x].map", "v * 3").column}`,
  );
  const { get } = Object.getOwnPropertyDescriptor(object, "size")!;
  expect(show(get as AnyFunction, "Object.keys(this)")[0]).toContain(
    `:${positionOf("return Object.keys(this)", "Object").line}:`,
  );
  class Counter {
    static #n = 1;
    k = 1;
    static next(): number {
      return Counter.#n + 1;
    }
  }
  expect(show(Counter.next as AnyFunction, "Counter.#n")[0]).toContain(
    `:${positionOf("return Counter.#n", "Counter").line}:`,
  );
});

test("a node over several lines is underlined to the end of its first", () => {
  const fn = new Script("(x =>\n  f(x,\n    1))", { filename: "/made/up.js" }).runInThisContext() as AnyFunction;
  expect(show(fn, "f(x,\n    1)")).toEqual([
    "  at /made/up.js:2:3",
    "    1 | (x =>",
    "  > 2 |   f(x,",
    "      |   ^^^^",
    "    3 |     1))",
  ]);
});

test("a function without a file is shown by its own text", () => {
  const fn = new Script("function f(x) {\n  return x + k;\n}; f", { filename: "" }).runInThisContext() as AnyFunction;
  const shown = show(fn, "x + k");
  expect(shown.slice(0, 4)).toEqual([
    "  in function f, line 2 of its text",
    "    1 | function f(x) {",
    "  > 2 |   return x + k;",
    "      |          ^^^^^",
  ]);
  expect(shown.at(-1)).toMatch(/^ {2}traced at .*place\.test\.ts:\d+\)?$/);
  expect(locationOf(fn, functionSource(fn)!, 0).source).toBeUndefined();
});

test("a script that starts inside of a file counts from there", () => {
  const options = { filename: "/made/page.html", lineOffset: 10, columnOffset: 20 };
  const fn = new Script("x => x + k", options).runInThisContext() as AnyFunction;
  expect(locationOf(fn, functionSource(fn)!, 5).source).toMatchObject({
    file: "/made/page.html",
    line: 11,
    column: 26,
  });
});

test("functions of one text on different lines have their own places", () => {
  const fns = new Script("[\n  x => x + 1,\n  x => x + 1,\n]", { filename: "/made/twice.js" }).runInThisContext();
  const found = (fns as AnyFunction[]).map(
    (fn) => locationOf(fn, functionSource(fn)!, nodesOf(fn, "x + 1")[0]!.start).source!.line,
  );
  expect(found).toEqual([2, 3]);
});

test("equal places are one object, and read once", () => {
  const source = functionSource(typed)!;
  const [node] = nodesOf(typed, "Math.sin(y)");
  const location = locationOf(typed, source, node!.start);
  expect(locationOf(typed, source, node!.start)).toBe(location);
  expect(locationOf(typed, source, node!.start + 1)).not.toBe(location);
  expect(location.source).toBe(location.source);
  expect(location.source!.functionName).toBe("typed");
});

test("a location lives longer than its function", async () => {
  const { setFlagsFromString } = await import("node:v8");
  setFlagsFromString("--expose-gc");
  const gc = new Script("gc").runInNewContext() as () => void;
  const make = (): [WeakRef<AnyFunction>, ReturnType<typeof locationOf>] => {
    const big = new Float32Array(10);
    const fn = (x: number): number => x + big.length;
    return [new WeakRef<AnyFunction>(fn), locationOf(fn, functionSource(fn)!, nodesOf(fn, "x + big.length")[0]!.start)];
  };
  const [ref, location] = make();
  await new Promise((resolve) => setTimeout(resolve, 20));
  gc();
  expect(ref.deref()).toBeUndefined();
  expect(location.source).toMatchObject({ file: here, ...positionOf("=> x + big.length", "x + big") });
});
