// parse and print: Graphs as text, and what is wrong with a text.
import "../../compiler/ops/index.js";
import { describe, expect, test } from "vitest";
import { equalGraphs, type Graph, hashGraph, newVar } from "../../compiler/ir/graph.js";
import { parseGraph } from "../../compiler/ir/parse.js";
import { Names, printGraph } from "../../compiler/ir/print.js";
import { f32, i32, trace } from "../support/trace.js";

describe("printGraph", () => {
  test("writes an equation a line", () => {
    const graph = trace([f32(2, 3), i32()], (x, i) => [x.mul(2).sum(1), x.at(i)]);
    expect(printGraph(graph)).toBe(
      [
        "graph (a:f32[2,3], b:i32[]) {",
        "  c:f32[2,3] = mul a 2:f32~",
        "  d:f32[2] = reduceSum axes=[1] c",
        "  e:bool[] = lt b 0:i32",
        "  f:i32[] = add b 2:i32",
        "  g:i32[] = select e f b",
        "  h:f32[3] = gather axes=[0] batch=0 mode=clip a g",
        "  return d, h",
        "}",
      ].join("\n"),
    );
  });

  test("names variables a to z, then a1 to z1", () => {
    const names = new Names();
    const all = Array.from({ length: 54 }, () => names.of(newVar(f32())));
    expect([all[0], all[25], all[26], all[51], all[52]]).toEqual(["a", "z", "a1", "z1", "a2"]);
  });

  test("shows places in the user's code on demand, which are read over", () => {
    const graph = trace([f32(2)], (x) => x.sin());
    const text = printGraph(graph, { location: ({ line }) => `line ${line > 0}` });
    expect(text).toMatch(/b:f32\[2\] = sin a +# line true\n/);
    expect(equalGraphs(parseGraph(text), graph)).toBe(true);
  });
});

describe("parseGraph", () => {
  test.each([
    "graph () {\n  return\n}",
    "graph () {\n  return NaN:f32, -0:f32~, Infinity:f32, -2147483648:i32, 1:bool\n}",
    "graph (a:f32~[], b:bool[0,2]) {\n  return b, a\n}",
    "graph (a:f32[2]) {\n  b:f32[2] = add a -Infinity:f32\n  return b\n}",
    "graph (a:f32[2,2], b:f32[2,2]) {\n  c:f32[2,2] = dotGeneral batch=[[],[]] contract=[[1],[0]] a b\n  return c\n}",
  ])("reads back what is printed: %s", (text) => {
    expect(printGraph(parseGraph(text))).toBe(text);
  });

  test.each([
    ["graph a {\n  return\n}", "line 1: 'graph (…) {' wanted"],
    ["graph (a:f64[2]) {\n  return a\n}", "line 1: 'a:f64[2]' is not NAME:TYPE"],
    ["graph (a:f32[2], a:f32[2]) {\n  return a\n}", "line 1: 'a' is defined twice"],
    ["graph (a:f32[2]) {\n  return b\n}", "line 2: 'b' is not defined"],
    ["graph (a:f32[2]) {\n  b:f32[2] = sine a\n  return b\n}", "line 2: there is no op 'sine'"],
    ["graph (a:f32[2]) {\n  b:f32[2]\n  return b\n}", "line 2: 'RESULTS = OP …' wanted"],
    ["graph (a:f32[2]) {\n  return 2:f65\n}", "line 2: '2:f65' is not VALUE:DTYPE"],
    ["graph (a:f32[2]) {\n}", "'return …' is missing"],
  ])("says what is wrong with %j", (text, message) => {
    expect(() => parseGraph(text)).toThrow(message);
  });
});

describe("equalGraphs", () => {
  const parse = (body: string): Graph => parseGraph(`graph (a:f32[2], b:f32[2]) {\n${body}\n}`);
  const base = parse("  c:f32[2] = sub a b\n  d:f32[2] = add c 0:f32\n  return d, c");

  test("looks at structure, not at the identity of variables", () => {
    expect(equalGraphs(base, parse("  x:f32[2] = sub a b\n  y:f32[2] = add x 0:f32\n  return y, x"))).toBe(true);
  });

  test.each([
    "  c:f32[2] = sub b a\n  d:f32[2] = add c 0:f32\n  return d, c",
    "  c:f32[2] = add a b\n  d:f32[2] = add c 0:f32\n  return d, c",
    "  c:f32[2] = sub a b\n  d:f32[2] = add c -0:f32\n  return d, c",
    "  c:f32[2] = sub a b\n  d:f32[2] = add c 0:f32\n  return c, d",
    "  c:f32[2] = sub a b\n  d:f32[2] = add c 0:f32\n  return d",
    "  c:f32[2] = sub a b\n  d:f32[2] = add b 0:f32\n  return d, c",
  ])("tells apart:\n%s", (body) => {
    expect(equalGraphs(base, parse(body))).toBe(false);
  });

  test("tells weak scalars and params apart", () => {
    expect(
      equalGraphs(parseGraph("graph (a:f32~[]) {\n  return a\n}"), parseGraph("graph (a:f32[]) {\n  return a\n}")),
    ).toBe(false);
    const sum = (axes: string): Graph =>
      parseGraph(`graph (a:f32[2,2]) {\n  b:f32[2] = reduceSum axes=[${axes}] a\n  return b\n}`);
    expect(equalGraphs(sum("0"), sum("1"))).toBe(false);
    expect(hashGraph(sum("0"))).not.toBe(hashGraph(sum("1")));
  });
});
