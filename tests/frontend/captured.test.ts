// What functions see of their surroundings: the very values, of the innermost scope, as they are at the time.
import { createContext, runInContext, runInNewContext, runInThisContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { TraceError } from "../../compiler/core/errors.js";
import { capturedScope, checkVisible, freeVariables } from "../../compiler/frontend/captured.js";
import type { AnyFunction } from "../../compiler/frontend/source.js";
import * as outside from "./environments/outside.js";
import settings, { count, double, factors, increment, Mode } from "./environments/outside.js";

const make = <T = AnyFunction>(code: string): T => runInThisContext(`(${code})`) as T;

/** The value of `name`; "unseen" where there is none. */
function read(fn: unknown, name: string, given?: Readonly<Record<string, unknown>>): unknown {
  const found = capturedScope(fn as AnyFunction, given).read(name);
  return found ? found.value : "unseen";
}

const message = (run: () => void): string => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(TraceError);
    return (error as Error).message;
  }
  return "passes";
};

const moduleArray = [1, 2];
let moduleCounter = 0;

describe("the values themselves", () => {
  test.each([
    ["NaN", Number.NaN],
    ["-0", -0],
    ["0", 0],
    ["infinity", -Infinity],
    ["the smallest subnormal", 5e-324],
    ["0.1", 0.1],
    ["a bigint", 2n ** 80n],
    ["undefined", undefined],
    ["null", null],
    ["a boolean", false],
    ["a string with a lone surrogate", "a\ud800\0"],
    ["a symbol", Symbol("s")],
    ["an object", { a: 1 }],
    ["an object without prototype", Object.create(null)],
    ["a typed array", new Float32Array(3)],
    ["a frozen proxy", Object.freeze(new Proxy({}, { get: () => 1 }))],
    ["a function", () => 1],
    ["a class", class {}],
  ])("%s", (_name, value) => {
    const fn = () => value;
    const found = capturedScope(fn).read("value");
    expect(found).toBeDefined();
    expect(Object.is(found!.value, value)).toBe(true);
  });

  test("are those of the moment", () => {
    let k = 1;
    const fn = () => k + moduleCounter;
    expect([read(fn, "k"), read(fn, "moduleCounter")]).toEqual([1, 0]);
    k = 2;
    moduleCounter++;
    expect([read(fn, "k"), read(fn, "moduleCounter")]).toEqual([2, 1]);
  });

  test("of one scope are those of its first read", () => {
    let k = 1;
    const scope = capturedScope(() => k);
    expect(scope.read("k")).toEqual({ value: 1 });
    k = 2;
    expect(scope.read("k")).toEqual({ value: 1 });
  });

  test("of a variable that is not initialized yet are undefined", () => {
    const fn = () => later;
    expect(read(fn, "later")).toBeUndefined();
    const later = 5;
    expect(read(fn, "later")).toBe(5);
  });
});

describe("scopes", () => {
  test("the innermost wins, and blocks are scopes", () => {
    const x = 1;
    const y = 1;
    const fns: AnyFunction[] = [() => x + y];
    {
      const x = 2;
      fns.push(() => x + y);
      if (y > 0) {
        const y = 3;
        fns.push(() => x + y);
      }
    }
    expect(fns.map((fn) => [read(fn, "x"), read(fn, "y")])).toEqual([
      [1, 1],
      [2, 1],
      [2, 3],
    ]);
  });

  test("each function made in a loop has its own", () => {
    const fns: AnyFunction[] = [];
    for (let i = 0; i < 3; i++) fns.push(() => i);
    for (const v of ["a", "b"]) fns.push(() => v);
    for (const key in { p: 1, q: 2 }) fns.push(() => key);
    expect(fns.slice(0, 3).map((fn) => read(fn, "i"))).toEqual([0, 1, 2]);
    expect(fns.slice(3, 5).map((fn) => read(fn, "v"))).toEqual(["a", "b"]);
    expect(fns.slice(5).map((fn) => read(fn, "key"))).toEqual(["p", "q"]);
  });

  test("var in a loop is one for all", () => {
    const fns = make<() => AnyFunction[]>(
      "function () { const fns = []; for (var i = 0; i < 2; i++) fns.push(() => i); return fns; }",
    )();
    expect(fns.map((fn) => read(fn, "i"))).toEqual([2, 2]);
  });

  test("functions of one factory have their own", () => {
    const scale = (k: number) => (x: number) => x * k;
    expect([2, 3].map(scale).map((fn) => read(fn, "k"))).toEqual([2, 3]);
  });

  test("a default of a parameter does not see the body", () => {
    const fns = make<() => AnyFunction[]>(
      "() => { const v = 'outer'; return (function (a, first = () => [v, a]) { var v = 'body'; return [first, () => [v, a]]; })(7); }",
    )();
    expect(fns.map((fn) => [read(fn, "v"), read(fn, "a")])).toEqual([
      ["outer", 7],
      ["body", 7],
    ]);
  });

  test("catch, switch and finally", () => {
    let fn: AnyFunction = () => 0;
    try {
      throw 5;
    } catch (caught) {
      fn = () => caught;
    }
    expect(read(fn, "caught")).toBe(5);
    switch (1) {
      default: {
        const inSwitch = 6;
        fn = () => inSwitch;
      }
    }
    expect(read(fn, "inSwitch")).toBe(6);
  });

  test("a class sees itself, also from methods, fields and accessors", () => {
    class Model {
      static readonly gain = 2;
      field = (x: number): number => x * Model.gain;
      method(x: number): number {
        return x * Model.gain + moduleArray.length;
      }
      static of(): Model {
        return new Model();
      }
    }
    const inner = (() =>
      class Inner {
        field = () => Inner;
      })();
    const model = new Model();
    for (const fn of [model.field, model.method, Model.of]) expect(read(fn, "Model")).toBe(Model);
    expect(read(model.method, "moduleArray")).toBe(moduleArray);
    expect(read(new inner().field, "Inner")).toBe(inner);
  });

  test("a function's own name is the function, whatever is so called outside", () => {
    const expression = make<() => [AnyFunction, unknown]>(
      "() => { const fact = (f) => [f, 'outer']; return fact(function fact(n) { return n ? n * fact(n - 1) : 1; }); }",
    )()[0];
    expect(read(expression, "fact")).toBe(expression);
    expect(freeVariables(expression)).toEqual([]);
    const replaced = make<() => [AnyFunction, unknown]>(
      "() => { function f() { return f; } const old = f; f = 5; return [old, f]; }",
    )();
    expect(read(replaced[0], "f")).toBe(replaced[1]);
    function declared(n: number): number {
      return n > 0 ? declared(n - 1) : 0;
    }
    expect(read(declared, "declared")).toBe(declared);
  });

  test("what the name of a function around hides is not taken for it", () => {
    const hidden = make<() => { inner: AnyFunction }>(
      "() => { const memo = (f) => ({ inner: f() }); const named = memo(function named(p) { return () => [named, p]; }); return named; }",
    )();
    expect(read(hidden.inner, "named")).toBe("unseen"); // V8 does not show it
    const bare = make<() => { inner: AnyFunction }>(
      "() => { const memo = (f) => ({ inner: f() }); const bare = memo(function bare() { return () => bare; }); return bare; }",
    )();
    expect(read(bare.inner, "bare")).toBe("unseen"); // nor the scope that holds nothing else
    const outer = make<() => () => AnyFunction>("() => { function outer() { return () => outer; } return outer; }")();
    expect(read(outer(), "outer")).toBe(outer);
    const method = make<() => AnyFunction>(
      "() => { const gain = 3; return { gain() { return () => gain; } }.gain(); }",
    );
    expect(read(method(), "gain")).toBe(3);
    const arrow = make<() => AnyFunction>("() => { const again = () => () => again; return again(); }")();
    expect(read(arrow, "again")).toBeTypeOf("function");
  });

  test("a method does not see its own name", () => {
    expect(read({ method: (): number => 1 }.method, "method")).toBe("unseen");
    expect(read(make("{ size() { return size; } }.size"), "size")).toBe("unseen");
  });

  test("arguments of the function around an arrow", () => {
    const fn = make<(...args: number[]) => AnyFunction>("function () { return () => arguments[1]; }")(4, 5);
    expect((read(fn, "arguments") as ArrayLike<number>)[1]).toBe(5);
    expect(freeVariables(fn)).toEqual(["arguments"]);
    expect(freeVariables(make("function () { return arguments; }"))).toEqual([]);
  });

  test("names with a meaning for objects are names", () => {
    const fn = make<() => AnyFunction>(
      "() => { const toString = 1, constructor = 2, __proto__ = 3, hasOwnProperty = 4; return () => toString + constructor + __proto__ + hasOwnProperty; }",
    )();
    const names = ["toString", "constructor", "__proto__", "hasOwnProperty"];
    expect(names.map((name) => read(fn, name))).toEqual([1, 2, 3, 4]);
  });

  test("variables of eval and with are seen where they are by then", () => {
    const sloppy = make<() => AnyFunction>("function () { eval('var hidden = 8'); return () => hidden; }")();
    expect(read(sloppy, "hidden")).toBe(8);
    const box = { inBox: 1, [Symbol.unscopables]: { masked: true }, masked: 2 };
    const boxed = make<(box: object) => AnyFunction>(
      "function (box) { const masked = 'closure'; with (box) { return () => inBox + masked; } }",
    )(box);
    expect([read(boxed, "inBox"), read(boxed, "masked")]).toEqual([1, "closure"]);
    box.inBox = 9;
    expect(read(boxed, "inBox")).toBe(9);
  });
});

describe("around all functions", () => {
  test("variables of the module, imported bindings, namespaces, enums", () => {
    const fn = (x: number): number =>
      double(x) * factors[0]! + settings.gain + Mode.Cubic + Mode.Linear + outside.factors.length + moduleArray[0]!;
    // a bundler gives imports names of its own; they are read as the function's own text has them
    const scope = capturedScope(fn);
    expect(scope.read("moduleArray")!.value).toBe(moduleArray);
    const names = freeVariables(fn);
    expect(names.length).toBeGreaterThanOrEqual(2);
    for (const name of names) expect(scope.read(name)).toBeDefined();
    const values = new Set(names.flatMap((name) => Object.values(scope.read(name)!.value as object)));
    for (const value of [double, settings, Mode]) expect(values).toContain(value);
    checkVisible(fn, scope);
  });

  test("an imported binding that changes is read anew", () => {
    const fn = () => count;
    const [name] = freeVariables(fn);
    const before = (read(fn, name!) as typeof outside).count;
    increment();
    expect((read(fn, name!) as typeof outside).count).toBe(before + 1);
  });

  test("let, const and class of classic scripts, and globals", () => {
    runInThisContext("const scriptConst = [1]; let scriptLet = 2; class ScriptClass {};");
    const fn = runInThisContext("() => [scriptConst, scriptLet, ScriptClass, Math]") as AnyFunction;
    expect(read(fn, "scriptConst")).toEqual([1]);
    expect(read(fn, "scriptLet")).toBe(2);
    expect(read(fn, "ScriptClass")).toBeTypeOf("function");
    expect(read(fn, "Math")).toBe(Math);
    runInThisContext("scriptLet = 3");
    expect(read(fn, "scriptLet")).toBe(3);
  });

  test("a variable hides a global of its name", () => {
    const performance = { now: () => 0 };
    expect(read(() => performance.now(), "performance")).toBe(performance);
    expect(read(() => 0, "Number")).toBe(Number);
  });

  test("a function of another context sees that one's globals", () => {
    const context = createContext({ shared: moduleArray });
    const fn = runInContext("const own = 6; () => [shared, own, Math]", context) as AnyFunction;
    expect(read(fn, "shared")).toBe(moduleArray);
    expect(read(fn, "own")).toBe(6);
    expect(read(fn, "Math")).toBe(runInContext("Math", context));
    expect(read(fn, "process")).toBe("unseen");
  });

  test("text made a function sees globals only", () => {
    const hidden = 1;
    const fn = new Function("return Math.sin(1) + hidden") as AnyFunction;
    expect([read(fn, "Math"), read(fn, "hidden"), hidden]).toEqual([Math, "unseen", 1]);
  });

  test.each([
    ["native", Math.sin],
    ["bound", ((x: number) => x * factors[0]!).bind(null)],
    ["a proxy", new Proxy((x: number) => x * factors[0]!, {})],
  ])("%s functions see only what the language defines", (_name, fn) => {
    const scope = capturedScope(fn as AnyFunction);
    expect(scope.canSee).toBe(false);
    expect(scope.read("Math")!.value).toBe(Math);
    expect(scope.read("factors")).toBeUndefined();
    checkVisible(fn as AnyFunction, scope);
  });
});

describe("what is given", () => {
  test("comes before what is seen, if it is its own property", () => {
    const k = 1;
    const fn = () => k;
    expect(read(fn, "k", { k: 2 })).toBe(2);
    expect(read(fn, "k", { k: undefined })).toBeUndefined();
    expect(read(fn, "k", Object.create({ k: 2 }))).toBe(1);
    expect(read(fn, "toString", {})).toBe(globalThis.toString);
  });

  test("comes even before a function's own name", () => {
    expect(read(make("function f() { return f; }"), "f", { f: 3 })).toBe(3);
  });
});

describe("free variables", () => {
  test.each([
    ["x => x * k + h(x)", "k h"],
    ["x => { const k = 1; { let h = 2; } return k + h; }", "h"],
    ["x => [1].map((v) => v * k + (() => deep)())", "k deep"],
    ["(x, y = k, { z = h, ...rest }) => rest", "k h"],
    ["x => { out = x; ({ a: other } = x); made++; for (item of x); }", "out other made item"],
    ["x => { try { f(); } catch ({ message = fallback }) { return message; } }", "f fallback"],
    ["x => { class A extends Base { [key] = init; static { stat; } } return new A(); }", "Base key init stat"],
    [`x => \`\${k}\${tag\`a\`}\``, "k tag"],
    ["x => ({ short, long: value, [computed]: 1, method() { return inner; } })", "short value computed inner"],
    ["x => obj.name?.[index].more", "obj index"],
    ["x => { label: for (;;) break label; }", ""],
    ["x => Math.sin(Number(undefined) + NaN + parseInt(globalThis)) + console", ""],
    ["function f(n) { return f(n - 1); }", ""],
    ["x => typeof maybe === 'undefined' ? 1 : x", "maybe"],
    ["x => { return hoisted(); function hoisted() { return v; } var v; }", ""],
    ["x => { if (x) { var v = 1; } return v; }", ""],
    ["async x => { for await (const a of stream) yield_(a); }", "stream yield_"],
    ["function* (x) { yield* other(); }", "other"],
  ])("%s", (code, names) => {
    expect(freeVariables(make(code)).join(" ")).toBe(names);
  });

  test("of an accessor and of a method", () => {
    const { get } = Object.getOwnPropertyDescriptor(make("{ get size() { return k; } }"), "size")!;
    expect(freeVariables(get as AnyFunction)).toEqual(["k"]);
    expect(freeVariables(make("{ size(x) { return this.k + size; } }.size"))).toEqual(["size"]);
  });

  test("of a function without source there are none", () => {
    expect(freeVariables(Math.sin)).toEqual([]);
    expect(freeVariables(make(`x => ${"[".repeat(800)}k${"]".repeat(800)}`))).toEqual(expect.any(Array));
  });
});

describe("what cannot be seen", () => {
  test("is named, with the first place of use and the way to pass it", () => {
    const fn = make("function step(x) {\n  const y = h(x);\n  return typeof maybe === 'string' ? y : y * k + h(k);\n}");
    const lines = message(() => checkVisible(fn, capturedScope(fn))).split("\n");
    expect(lines[0]).toBe("cannot see the variables 'h', 'k' captured by this function");
    expect(lines[1]).toMatch(/^ {2}at step \(evalmachine\.<anonymous>:2:13\)$/);
    expect(lines.find((line) => line.startsWith("  > 2"))).toBe("  > 2 |   const y = h(x);");
    expect(lines.at(-1)).toBe("  hint: pass them in the options: scope: { h, k }");
    expect(message(() => checkVisible(fn, capturedScope(fn, { h: 1 })))).toMatch(
      /^cannot see the variable 'k' captured/,
    );
    expect(message(() => checkVisible(fn, capturedScope(fn, { h: 1, k: 2 })))).toBe("passes");
  });

  test("eval and with in the function itself are refused", () => {
    const evaluated = make("x => {\n  return eval('x');\n}");
    expect(message(() => checkVisible(evaluated, capturedScope(evaluated)))).toMatch(
      /^eval: which variables the names mean is known only when the function runs\n(.*\n)*.*> 2 \| {3}return eval\('x'\);\n.*\^{9}\n/,
    );
    const within = make("function (x) { with (x) { return y; } }");
    expect(message(() => checkVisible(within, capturedScope(within)))).toMatch(/^with: which variables/);
  });

  test("a global that is not there is found out", () => {
    expect(message(() => checkVisible(make("x => notThere(x)"), capturedScope(make("x => notThere(x)"))))).toMatch(
      /^cannot see the variable 'notThere'/,
    );
  });
});

describe("cost", () => {
  test("nothing is held: values read can be collected, and so can the function", async () => {
    const { setFlagsFromString } = await import("node:v8");
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    const refs: WeakRef<object>[] = [];
    (() => {
      const big = { big: new Float32Array(10) };
      const fn = () => big;
      expect(read(fn, "big")).toBe(big);
      refs.push(new WeakRef(big), new WeakRef(fn));
    })();
    await new Promise((resolve) => setTimeout(resolve, 10));
    gc();
    expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined]);
  });
});
