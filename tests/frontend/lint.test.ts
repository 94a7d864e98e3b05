// Hazards: what is refused and why, what must pass, and that no code whatever makes the lint itself fail.
import * as fs from "node:fs";
import * as util from "node:util";
import { runInThisContext } from "node:vm";
import * as acorn from "acorn";
import { describe, expect, test } from "vitest";
import { TraceError } from "../../compiler/core/errors.js";
import { checkHazards, type LintOptions } from "../../compiler/frontend/lint.js";
import type { AnyFunction } from "../../compiler/frontend/source.js";

const make = (code: string): AnyFunction => runInThisContext(`(${code})`) as AnyFunction;

/** First line of the refusal; "passes" where there is none. */
function verdict(fn: AnyFunction, options?: LintOptions): string {
  try {
    checkHazards(fn, options);
    return "passes";
  } catch (error) {
    expect(error).toBeInstanceOf(TraceError);
    return (error as TraceError).message.split("\n")[0]!;
  }
}

const refused: readonly (readonly [code: string, start: string])[] = [
  // truthiness of a parameter
  ["x => { if (x) return 1; return 0; }", "if: x is traced, and a traced value has no truth value"],
  ["x => x ? 1 : 2", "conditional: x "],
  ["x => !x", "!: x "],
  ["x => !!x", "!: x "],
  ["(x, y) => x && y", "&&: x "],
  ["(x, y) => x || y", "||: x "],
  ["x => { while (x) {} }", "while: x "],
  ["x => { do {} while (x); }", "do while: x "],
  ["x => { for (; x; ) {} }", "for: x "],
  ["(x, y) => { x &&= y; }", "&&=: x "],
  ["(x, y) => { x ||= y; return x; }", "||=: x "],
  ["x => Boolean(x)", "Boolean(): x "],
  ["x => { if (flag && x) return 1; }", "if: x "],
  ["x => { if (flag || (f(), x)) return 1; }", "if: x "],
  ["x => (x ?? 0) ? 1 : 2", "conditional: x "],
  ["x => { if (cond ? x : false) return 1; }", "if: x "],
  // identity
  ["(x, y) => x === y", "===: x is traced, and this would compare tracer objects"],
  ["(x, y) => x !== y", "!==: x "],
  ["x => x == 0", "==: x "],
  ["x => 1 != x", "!=: x "],
  ["x => x === x", "===: x "],
  ["x => Object.is(x, 0)", "Object.is(): x "],
  ["x => { switch (x) { case 0: return 1; default: return 2; } }", "switch: x "],
  ["x => { switch (true) { case x.lt(0): return 1; } }", "switch: x.lt(0) "],
  // elements
  ["x => x[0]", "index: x is traced, and a traced value has no elements"],
  ["x => x[-1]", "index: x "],
  ["x => { let s = 0; for (let i = 0; i < x.shape[0]; i++) s += x[i]; return s; }", "index: x "],
  ["x => { for (let i = x.shape[0] - 1; i > 0; i--) f(x[i - 1]); }", "index: x "],
  ["x => { x[0] = 1; }", "index: x "],
  // computed from a parameter
  ["x => { if (x.lt(0)) return 1; }", "if: x.lt(0) "],
  ["x => x.mul(2).sum(-1).gt(3) ? 1 : 2", "conditional: x.mul(2).sum(-1).gt(3) "],
  ["x => x?.lt(0) ? 1 : 2", "conditional: x?.lt(0) "],
  ["x => x['lt'](0) ? 1 : 2", "conditional: x['lt'](0) "],
  ["x => { const y = x; return !y; }", "!: y "],
  ["x => { const y = x.mul(2); return y ? 1 : 2; }", "conditional: y "],
  ["x => { let y = x; y = y.mul(2); y = x.add(1); return y ? 1 : 2; }", "conditional: y "],
  ["x => { let y; if ((y = x.lt(0))) return 1; }", "if: y = x.lt(0) "],
  ["(x, y) => { const z = cond ? x : y.neg(); return !z; }", "!: z "],
  ["(x, y) => { const z = x ?? y; return !z; }", "!: z "],
  ["x => { const [a, b] = x; return a ? b : 0; }", "conditional: a "],
  ["x => { for (const row of x) if (row) return row; }", "if: row "],
  ["x => { const [a] = x.split(2); return !a; }", "!: a "],
  // parameters of every form
  ["([a, b]) => !b", "!: b "],
  ["({ w }) => !w", "!: w "],
  ["({ layer: { w: weight } }) => !weight", "!: weight "],
  ["(...xs) => !xs[0]", "!: xs[0] "],
  ["(a, ...[b]) => !b", "!: b "],
  ["(...xs) => { const [, b] = xs; return !b; }", "!: b "],
  ["(...xs) => xs[1].lt(0) ? 1 : 2", "conditional: xs[1].lt(0) "],
  // functions of every form
  ["function (x) { return !x; }", "!: x "],
  ["function f(x) { return !x; }", "!: x "],
  ["async x => !x", "!: x "],
  ["async function (x) { return !x; }", "!: x "],
  ["function* (x) { yield !x; }", "!: x "],
  ["({ f(x) { return !x; } }).f", "!: x "],
  ["({ async *f(x) { yield !x; } }).f", "!: x "],
  ["({ get(x) { return !x; } }).get", "!: x "],
  ["({ function(x) { return !x; } }).function", "!: x "],
  ["({ ['a' + 1](x) { return !x; } }).a1", "!: x "],
  ["({ 'a b'(x) { return !x; } })['a b']", "!: x "],
  ["({ f(x) { return super.f(!x); } }).f", "!: x "],
  ["Object.getOwnPropertyDescriptor({ set f(x) { g(!x); } }, 'f').set", "!: x "],
  ["(class { static f(x) { return !x; } }).f", "!: x "],
  ["new (class { f(x) { return !x; } })().f", "!: x "],
  ["new (class { #k = 1; f(x) { return !x + this.#k; } })().f", "!: x "],
  ["new (class { #f(x) { return !x; } get f() { return this.#f; } })().f", "!: x "],
  ["new (class { f = x => !x; })().f", "!: x "],
  ["x=>{const y=x.mul(2);return y?x:0}", "conditional: y "],
  ['x=>{const g=__name(b=>x?b:0,"g");return g(1)}', "conditional: x "],
  // inner functions see outer parameters
  ["x => [1, 2].map((i) => (x ? i : 0))", "conditional: x "],
  ["x => { function g() { return !x; } return g(); }", "!: x "],
  ["x => { class A { f() { return !x; } } return new A(); }", "!: x "],
  // a part that is not decided by a type question stays in force
  ["x => (typeof x === 'number' ? 1 : !x)", "!: x "],
  ["x => { if (x !== undefined && x) return 1; }", "if: x "],
];

const accepted: readonly string[] = [
  // presence and type
  "x => x === undefined",
  "x => x !== undefined && x.mul(2)",
  "x => null === x",
  "x => x == null ? 0 : x",
  "x => x != void 0",
  "(x, y) => x ?? y",
  "(x, y) => { x ??= y; return x; }",
  "x => typeof x === 'number'",
  "(x, bias = null) => (bias ? x.add(bias) : x)",
  "({ x, bias = null }) => (bias ? x.add(bias) : x)",
  "x => (typeof x === 'boolean' ? (x ? 1 : 0) : x.mul(2))",
  "x => { if (typeof x === 'boolean' && !x) return 0; return 1; }",
  "x => { if (typeof x === 'boolean' && x) return 1; return 0; }",
  "x => { if (typeof x === 'object' || x) return 1; return 0; }",
  "x => { if (typeof x === 'object' ? flag : x) return 1; return 0; }",
  "x => { if (typeof x === 'object') return x; else return !x; }",
  "x => { if (x === undefined || x.ndim > 1) return 0; return typeof x !== 'object' ? !x : 1; }",
  "x => { if (typeof x !== 'number') return x; return x > 0; }",
  "x => { if (x == null) return !x; return 1; }",
  "x => (Array.isArray(x) ? !x : 0)",
  "x => (x instanceof Tensor ? x : x ? 1 : 0)",
  "x => { if (isTensor(x)) return x; return x ? 1 : 0; }",
  "x => { if (np.isTensor(x)) return x; return x ? 1 : 0; }",
  "x => ('shape' in x ? x : !x)",
  "x => { switch (x) { case undefined: return 0; default: return x; } }",
  // static properties
  "x => { if (x.ndim === 2) return x.shape[0]; }",
  "x => (x.size ? x : 0)",
  "x => x.shape.length > 1 && x.dtype === 'f32'",
  "x => { const [n, m] = x.shape; return n === m ? 1 : n ? 2 : 3; }",
  "x => { const { shape, ndim } = x; return ndim ? shape[0] : 0; }",
  "x => { const n = x.shape[0]; for (let i = 0; i < n && n; i++) {} return !n; }",
  "x => { for (const n of x.shape) if (n) return n; }",
  "x => { if (x.isContiguous()) return x; return x.hasNext() || x.toString() ? 1 : 2; }",
  "async x => ((await x.item()) ? 1 : 2)",
  // methods that give lists, and what is asked of lists
  "x => { const parts = x.split(2); return parts[0].add(parts[1]); }",
  "x => x.split(2)[1]",
  "x => { let s = 0; const rows = x.unstack(); for (let i = 0; i < rows.length; i++) s = rows[i].add(s); return s; }",
  "x => (x.split(2).every((part) => part.ndim === 1) ? 1 : 2)",
  "x => { const n = x.split(2).reduce((sum, part) => sum + part.size, 0); return n === 3 ? 1 : n ? 2 : 3; }",
  "(x, method) => x[method](1)",
  "x => x[Symbol.iterator]()",
  "x => x['shape'][0]",
  // fields of trees may be optional, or flags
  "params => (params.bias ? params.x.add(params.bias) : params.x)",
  "params => { if (params.training && !params.frozen) return params.w; }",
  "params => params.kind === 'relu' && params.w === params.v",
  "params => params.items.length ? params.items[0] : 0",
  "params => { const { flag } = params; return flag ? 1 : 2; }",
  "layers => { for (const layer of layers.all) if (layer) layer.x; }",
  // not always traced
  "(x, n) => { x = 3; return !x; }",
  "(x, n) => { if (n.ndim) x = null; return x ? 1 : 2; }",
  "x => { let best; for (const row of x) { if (best) best = best.max(row); else best = row; } return best; }",
  "x => { let y = x; y = 0; return !y; }",
  "x => { if (x.ndim) var y = x.mul(2); return y ? 1 : 2; }",
  "x => { const z = flag ? x : 0; return !z; }",
  "x => { const y = f(x); return !y; }",
  "x => { const y = x.shape; return !y; }",
  "x => { const { length } = x; return !length; }",
  // scopes
  "x => { const g = (x) => !x; return g(0); }",
  "x => { { const x = 0; if (x) return 1; } return 2; }",
  "x => { for (let x = 3; x; x--) {} }",
  "x => { try { f(); } catch (x) { if (x) return 1; } }",
  "x => { function g(x) { return x ? 1 : 2; } return g; }",
  "x => { switch (1) { case 1: { let x = 0; return !x; } } }",
  "function f(f) { return g(f); }",
  "x => { function x() {} return !x; }",
  "function (x) { var x = 0; return !x; }",
  "x => { { class x {} return !x; } }",
  "x => ((Boolean) => Boolean(x))",
  "x => { with_: for (;;) { break with_; } return { x, y: x, x: 1 }.x; }",
  // what a tracer intercepts itself when it runs
  "x => x * 2 + -x",
  "x => 'a'.concat(x)",
  "(x, y) => x < y",
  "x => x in {}",
  "x => { x++; x += 1; return x; }",
  // meaning unknowable
  "function (x) { with (x) { return !x; } }",
  "x => { eval('x = 1'); return !x; }",
];

describe("refused", () => {
  test.each(refused)("%s", (code, start) => {
    expect(verdict(make(code)).slice(0, start.length)).toBe(start);
  });
});

describe("accepted", () => {
  test.each(accepted)("%s", (code) => {
    expect(verdict(make(code))).toBe("passes");
  });
});

describe("what is traced", () => {
  const flag = make("(x, training) => (training ? x : 0)");

  test("a static parameter is a plain value", () => {
    expect(verdict(flag)).toMatch(/^conditional: training/);
    expect(verdict(flag, { staticParams: new Set([1]) })).toBe("passes");
  });

  test("an argument that is no tracer is a plain value", () => {
    expect(verdict(flag, { traced: (index) => index === 0 })).toBe("passes");
    expect(verdict(flag, { traced: () => true })).toMatch(/^conditional: training/);
    expect(verdict(flag, { traced: () => true, staticParams: new Set([1]) })).toBe("passes");
  });

  test("a default does not hide an argument that is traced", () => {
    const fn = make("(x, bias = null) => (bias ? x.add(bias) : x)");
    expect(verdict(fn, { traced: (index) => index === 0 })).toBe("passes");
    expect(verdict(fn, { traced: () => true })).toMatch(/^conditional: bias/);
  });

  test("elements of a tree are asked for by their path", () => {
    const traced = (index: number, path: readonly (string | number)[]): boolean =>
      [index, ...path].join(".") === "0.layers.1.w";
    const at = (code: string): string => verdict(make(code), { traced });
    expect(at("({ layers: [, { w }] }) => !w")).toMatch(/^!: w/);
    expect(at("({ layers: [{ w }] }) => !w")).toBe("passes");
    expect(at("(params) => !params.layers[1].w.lt(0)")).toMatch(/^!: params\.layers\[1\]\.w\.lt\(0\)/);
    expect(at("(params) => { const { layers } = params; const layer = layers[1]; return !layer.w.lt(0); }")).toMatch(
      /^!: layer/,
    );
    expect(at("(params) => !params.layers[1].w")).toBe("passes");
    expect(at("(params) => !params.layers.map((layer) => layer.w)")).toBe("passes");
  });

  test("a traced array gives traced rows, and static properties", () => {
    const traced = (_index: number, path: readonly (string | number)[]): boolean => path.length === 0;
    expect(verdict(make("([a, b]) => (a ? b : 0)"), { traced })).toMatch(/^conditional: a/);
    expect(verdict(make("({ ndim }) => (ndim ? 1 : 0)"), { traced })).toBe("passes");
  });

  test("one function may be judged anew for other arguments", () => {
    for (let round = 0; round < 3; round++) {
      expect(verdict(flag, { traced: (index) => index === 1 })).toMatch(/^conditional/);
      expect(verdict(flag, { traced: (index) => index === 0 })).toBe("passes");
      expect(verdict(flag)).toMatch(/^conditional/);
    }
  });
});

describe("messages", () => {
  interface X {
    mul(y: number): X;
  }

  const message = (fn: AnyFunction): string => {
    try {
      checkHazards(fn);
    } catch (error) {
      return (error as Error).message;
    }
    return "passes";
  };

  test("show the author's own lines, types and comments included", () => {
    const relu = (x: X, zero: X): X => {
      const y: X = x.mul(2); // twice
      return y ? x : zero;
    };
    const lines = message(relu).split("\n");
    expect(lines[0]).toBe(
      "conditional: y is traced, and a traced value has no truth value while the function is traced",
    );
    expect(lines[1]).toMatch(/^ {2}at relu \(tests[\\/]frontend[\\/]lint\.test\.ts:\d+:14\)$/);
    expect(lines[3]).toMatch(/^ {4}\d+ \| {7}const y: X = x\.mul\(2\); \/\/ twice$/);
    expect(lines[4]).toMatch(/^ {2}> \d+ \| {7}return y \? x : zero;$/);
    expect(lines[5]!.indexOf("^")).toBe(lines[4]!.indexOf("y"));
    expect(lines[7]).toBe("  hint: use where(y, a, b), which computes both and chooses element by element");
    expect(lines).toHaveLength(8);
  });

  test("of a parameter say how to ask for presence and how to pass a flag", () => {
    expect(message((x: X) => !x)).toMatch(
      /write x !== undefined\n {8}a flag is captured .* or listed in staticArgnums$/,
    );
  });

  test("show the function's text where its file is not known", () => {
    const withoutInspector = Symbol.for("lanewise.inspected");
    Object.defineProperty(process, withoutInspector, { configurable: true, get: () => 1, set: () => undefined });
    const code = "function relu(x) {\n  return (\n    x ? 1 : 2\n  );\n}";
    const lines = message(make(code)).split("\n");
    expect(lines.slice(1, 7)).toEqual([
      "  in function relu, line 3 of its text",
      "    1 | function relu(x) {",
      "    2 |   return (",
      "  > 3 |     x ? 1 : 2",
      "      |     ^",
      "    4 |   );",
    ]);
    expect(lines[7]).toMatch(/^ {2}traced at .*lint\.test\.ts:\d+\)?$/);
  });

  test("cut minified lines to what is around the caret", () => {
    const line = message(make(`x=>{${"f(1);".repeat(100)}return x?1:2}`)).split("\n");
    const code = line.findIndex((text) => text.startsWith("  > "));
    expect(line[code]!.length).toBeLessThan(120);
    expect(line[code]!.slice(line[code + 1]!.indexOf("^"))).toMatch(/^x\?1:2\}/);
  });
});

describe("no code makes it fail", () => {
  /** Functions found in a module: exported, in objects, on prototypes. */
  function functionsIn(root: object): AnyFunction[] {
    const found = new Set<AnyFunction>();
    const seen = new Set<unknown>();
    const visit = (value: unknown, depth: number): void => {
      if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) return;
      seen.add(value);
      if (typeof value === "function") found.add(value as AnyFunction);
      if (depth === 0) return;
      for (const property of Object.values(Object.getOwnPropertyDescriptors(value))) {
        for (const each of [property.value, property.get, property.set]) visit(each, depth - 1);
      }
    };
    visit(root, 4);
    return [...found];
  }

  test.each([
    ["node:util", util, 100],
    ["node:fs", fs, 100],
    ["acorn", acorn, 200],
    ["the globals", globalThis, 500],
  ])("functions of %s pass or are refused with a frame", (_name, module, atLeast) => {
    const functions = functionsIn(module);
    expect(functions.length).toBeGreaterThan(atLeast);
    let shown = 0;
    for (const fn of functions) {
      expect(verdict(fn, { traced: () => false })).toBe("passes");
      const found = shown < 20 ? verdict(fn) : "passes"; // a frame costs some milliseconds
      if (found !== "passes") shown++;
    }
  });

  test.each([
    ["native", Math.sin],
    ["bound", ((x: unknown) => !x).bind(null)],
    ["class", class {} as unknown as AnyFunction],
    ["proxy", new Proxy((x: unknown) => !x, {})],
    ["deep nesting", make(`x => ${"[".repeat(800)}!x${"]".repeat(800)}`)],
    ["a long chain", make(`x => x${".add(1)".repeat(2000)}`)],
    ["a long sum", make(`x => x${" + x".repeat(2000)}`)],
  ])("%s", (_name, fn) => {
    expect(["passes", expect.stringMatching(/^!: x/)]).toContainEqual(verdict(fn as AnyFunction));
  });

  test("a second look costs next to nothing", () => {
    const fn = make("(x, y) => { const z = x.mul(y); return z.sum(); }");
    checkHazards(fn, { traced: () => true });
    const start = performance.now();
    for (let i = 0; i < 10_000; i++) checkHazards(fn, { traced: () => true });
    expect((performance.now() - start) / 10_000).toBeLessThan(0.05); // ms
  });
});
