// Source locations: which frame is the user's, and its original position under vitest, tsx and plain Node.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runInThisContext } from "node:vm";
import ts from "typescript";
import { afterAll, describe, expect, test } from "vitest";
import type { Location } from "../../compiler/ir/graph.js";
import { captureLocation, isUserFile, parseFrame, showLocation } from "../../compiler/trace/location.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const thisFile = fileURLToPath(import.meta.url);

type Capture = () => Location | undefined;

/** Calls `capture` below `depth` frames of a file of the given name. */
const below = (file: string, depth = 1): ((capture: Capture) => Location | undefined) =>
  runInThisContext(`(capture) => { const go = (n) => n <= 1 ? capture() : go(n - 1); return go(${depth - 1}); }`, {
    filename: file,
  }) as never;

describe("the user's frame", () => {
  test("is where the code asks from, in the original file", () => {
    const line = Number(/:(\d+):\d+\)?$/m.exec(new Error().stack!.split("\n")[1]!)![1]);
    function predict(): Location | undefined {
      return captureLocation();
    }
    const source = predict()!.source!;
    expect(source).toEqual({ file: thisFile, line: line + 2, column: 14, functionName: "predict" });
    expect(readFileSync(thisFile, "utf8").split("\n")[source.line - 1]).toBe("      return captureLocation();");
    expect(showLocation(source)).toBe(`predict (${join("tests", "trace", "location.test.ts")}:${line + 2})`);
  });

  test.each([
    "compiler/ops/x.ts",
    "library/x.js",
    "runtime/x.js",
    "cli/x.js",
    "kernels/x.js",
    "dist/a/x.js",
    "index.ts",
  ])("is never in %s of this package", (file) => {
    expect(below(join(root, file))(captureLocation)?.source?.file).toBe(thisFile);
    expect(below(`file://${join(root, file)}`, 5)(captureLocation)?.source?.file).toBe(thisFile);
  });

  test.each(["tests/x.ts", "examples/x.ts", "bench/x.ts", "compiler.ts"])("may be in %s of this package", (file) => {
    expect(below(join(root, file))(captureLocation)?.source).toMatchObject({ file: join(root, file), line: 1 });
  });

  test("is found below many frames of ours, and again below few", () => {
    const depths = [2, 100, 3, 30, 1, 150].map((depth) => below(join(root, "compiler/x.ts"), depth)(captureLocation));
    expect(depths.map((location) => location?.source?.file)).toEqual(Array(6).fill(thisFile));
  });

  test("is found through built-in callers, after await, and in constructors", async () => {
    const inMap = [0].map(() => captureLocation())[0];
    await Promise.resolve();
    class Model {
      readonly location = captureLocation();
      static build(): Location | undefined {
        return captureLocation();
      }
    }
    const places = [inMap, captureLocation(), new Model().location, Model.build()];
    expect(places.map((location) => location?.source?.file)).toEqual(Array(4).fill(thisFile));
    expect(showLocation(places[3])).toMatch(/build \(tests.trace.location\.test\.ts:\d+\)$/);
  });

  test("of evaluated code is where it is evaluated", () => {
    // biome-ignore lint/security/noGlobalEval: a user may
    const evaluate = globalThis.eval;
    const once = evaluate("(f) => f()") as (capture: Capture) => Location;
    const twice = evaluate("(evaluate) => evaluate('(f) => f()')")(evaluate) as typeof once;
    expect(once(captureLocation).source?.file).toBe(thisFile);
    expect(twice(captureLocation).source?.file).toBe(thisFile);
  });

  test("is missing where there is none", () => {
    expect(showLocation(undefined)).toBe("an unknown place");
    expect(showLocation({ source: undefined })).toBe("an unknown place");
  });
});

describe("capturing", () => {
  test("gives one object per place", () => {
    const all: (Location | undefined)[] = [];
    for (let i = 0; i < 2000; i++) all.push(captureLocation());
    expect(new Set(all).size).toBe(1);
    expect(captureLocation()).not.toBe(all[0]);
  });

  test("tells scripts apart that have one name", () => {
    const file = join(root, "tests/reloaded.js");
    const load = (code: string): Capture => runInThisContext(code, { filename: file }) as never;
    const before = load("(f) => f()") as (f: Capture) => Location;
    const after = load("\n(f) => f()") as (f: Capture) => Location;
    expect(before(captureLocation).source?.line).toBe(1);
    expect(after(captureLocation).source?.line).toBe(2);
  });

  test("leaves Error as it was", () => {
    const { stackTraceLimit, prepareStackTrace } = Error;
    Error.stackTraceLimit = 0;
    expect(captureLocation()?.source?.file).toBe(thisFile);
    expect(Error.stackTraceLimit).toBe(0);
    expect(Error.prepareStackTrace).toBe(prepareStackTrace);
    Error.stackTraceLimit = stackTraceLimit;
  });

  test("falls back to the script's own position when the source-map handler fails", () => {
    const { prepareStackTrace } = Error;
    try {
      Error.prepareStackTrace = () => {
        throw new Error("broken");
      };
      expect(captureLocation()?.source?.file).toBe(thisFile);
    } finally {
      Error.prepareStackTrace = prepareStackTrace;
    }
  });

  test("is cheap", () => {
    const inner = below(join(root, "compiler/x.ts"), 5);
    const start = performance.now();
    for (let i = 0; i < 5000; i++) inner(captureLocation);
    expect((performance.now() - start) / 5000).toBeLessThan(0.05); // ms; some 0.005 on an idle core
  });
});

describe("frames", () => {
  test.each([
    ["    at predict (/a/mlp.ts:14:5)", "/a/mlp.ts", 14, 5, "predict"],
    ["    at /a/mlp.ts:14:5", "/a/mlp.ts", 14, 5, undefined],
    ["    at file:///a/my%20mlp.ts:14:5", "/a/my mlp.ts", 14, 5, undefined],
    ["    at f (file:///a/mlp.ts?v=3:14:5)", "/a/mlp.ts", 14, 5, "f"],
    ["    at async predict (file:///a/mlp.ts:14:5)", "/a/mlp.ts", 14, 5, "predict"],
    ["    at async file:///a/mlp.ts:14:5", "/a/mlp.ts", 14, 5, undefined],
    ["    at new Model (/a/mlp.ts:14:5)", "/a/mlp.ts", 14, 5, "new Model"],
    ["    at Model.forward [as call] (/a/mlp.ts:14:5)", "/a/mlp.ts", 14, 5, "Model.forward"],
    ["    at Object.<anonymous> (/a/mlp.ts:14:5)", "/a/mlp.ts", 14, 5, undefined],
    ["    at Object.predict (/a/(group)/my (x)/mlp.ts:14:5)", "/a/(group)/my (x)/mlp.ts", 14, 5, "predict"],
    ["    at /a/(group)/mlp.ts:14:5", "/a/(group)/mlp.ts", 14, 5, undefined],
    ["    at f (C:\\a\\mlp.ts:14:5)", "C:\\a\\mlp.ts", 14, 5, "f"],
    ["    at C:\\a b\\mlp.ts:14:5", "C:\\a b\\mlp.ts", 14, 5, undefined],
    ["    at eval (eval at run (/a/mlp.ts:14:5), <anonymous>:1:3)", "/a/mlp.ts", 14, 5, "run"],
    ["    at eval (eval at <anonymous> (/a/mlp.ts:14:5), <anonymous>:1:3)", "/a/mlp.ts", 14, 5, undefined],
    ["    at eval (eval at g (eval at f (/a/mlp.ts:14:5)), <anonymous>:1:3)", "/a/mlp.ts", 14, 5, "f"],
  ])("%s", (frame, file, line, column, functionName) => {
    expect(parseFrame(frame)).toEqual({ file, line, column, functionName });
  });

  test.each([
    "Error: at f (/a.ts:1:2)",
    "    at Array.map (<anonymous>)",
    "    at async Promise.all (index 0)",
    "    at f (native)",
    "    at <anonymous>:1:2",
  ])("%s names no file", (frame) => {
    expect(parseFrame(frame)).toBeUndefined();
  });

  test.each([
    ["node:internal/timers", false],
    [join(root, "compiler/trace/bind.ts"), false],
    [`file://${join(root, "index.ts")}`, false],
    ["/app/node_modules/lanewise/dist/index.js", false],
    ["C:\\app\\node_modules\\lanewise\\dist\\index.js", false],
    ["/app/node_modules/other/index.js", true],
    [join(root, "examples/mlp.ts"), true],
    [join(root, "indexes.ts"), true],
    ["/app/compiler/x.ts", true],
    ["evalmachine.<anonymous>", true],
  ])("isUserFile(%s) is %s", (file, is) => {
    expect(isUserFile(file)).toBe(is);
  });
});

describe("the original position", () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lanewise-location-")));
  afterAll(() => rmSync(folder, { recursive: true }));

  const program = (from: string): string => `import { captureLocation, showLocation } from "${from}";

/** A comment that no transpiler keeps in its place. */
interface Never {
  readonly x: number;
}

export function predict(never?: Never): unknown {
  return captureLocation(); // line 9
}

console.log(showLocation(predict() as never));
`;
  const node = (...args: string[]): string =>
    execFileSync(process.execPath, args, {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "" },
      stdio: ["ignore", "pipe", "inherit"],
    }).trim();

  test("under tsx", () => {
    writeFileSync(join(folder, "user.mts"), program(join(root, "compiler/trace/location.ts")));
    const loader = import.meta.resolve("tsx");
    expect(node("--import", loader, "user.mts")).toBe("predict (user.mts:9)");
  });

  test("under plain Node, from a built package: with source maps and without", () => {
    const compile = (code: string, to: string): void => {
      const { outputText } = ts.transpileModule(code, {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, inlineSourceMap: true },
        fileName: to.replace(/\.mjs$/, ".mts"),
      });
      writeFileSync(join(folder, to), outputText);
    };
    const built = "node_modules/tracer/dist/compiler/trace";
    mkdirSync(join(folder, built), { recursive: true });
    compile(readFileSync(join(root, "compiler/trace/location.ts"), "utf8"), `${built}/location.mjs`);
    compile(program(`./${built}/location.mjs`), "plain.mjs");
    expect(node("--enable-source-maps", "plain.mjs")).toBe("predict (plain.mts:9)");
    expect(node("plain.mjs")).toMatch(/^predict \(plain\.mjs:\d+\)$/);
  });
});
