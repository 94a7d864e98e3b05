// The environments in which functions must show what they close over: modules, loaders, bundlers, threads, test runners.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Report } from "./environments/probe.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const sources = join(root, "tests/frontend/environments");
mkdirSync(join(root, "out"), { recursive: true });
const folder = mkdtempSync(join(root, "out", "environments-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const source = (name: string): string => join(sources, name);
const frontend = join(folder, "node_modules/lanewise/frontend.mjs"); // installed, for all that read no TypeScript
const author = JSON.stringify(source("user.ts"));

const COMMON: BuildOptions = { logLevel: "error", platform: "node", target: "node20", sourcemap: "inline" };

beforeAll(async () => {
  const entryPoints = [source("frontend.ts")];
  await build({ ...COMMON, entryPoints, outfile: frontend, bundle: true, format: "esm", packages: "external" });
});

/** Writes a file in the folder of an environment and gives its path. */
function write(environment: string, name: string, text: string): string {
  mkdirSync(join(folder, environment), { recursive: true });
  const path = join(folder, environment, name);
  writeFileSync(path, text);
  return path;
}

/** A script, given as modules to import from, that prints the report. */
const script = (from: { frontend: string; user: string; probe: string }): string => `
  import { readFileSync } from "node:fs";
  import * as frontend from ${JSON.stringify(from.frontend)};
  import { cases } from ${JSON.stringify(from.user)};
  import { probe } from ${JSON.stringify(from.probe)};
  console.log(JSON.stringify(probe(frontend, cases, readFileSync(${author}, "utf8"))));
`;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], cwd = root): Promise<Ended> {
  const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, VITEST: ___, ...env } = process.env;
  const child = spawn(process.execPath, args, { cwd, env, timeout: 60_000 });
  const ended = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].on("data", (text) => {
      ended[stream] += text;
    });
  }
  return new Promise((resolve) => void child.on("close", (code) => resolve({ code, ...ended })));
}

/** All cases are seen, and all of their places found in the author's file. */
async function expectSeen(args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await run(args);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  checkReport(JSON.parse(stdout) as Report);
}

function checkReport({ complaints, cases, placed }: Report): void {
  expect(complaints).toEqual([]);
  expect(cases).toBeGreaterThan(12);
  expect(placed).toBe(cases);
}

/** user.ts, outside.ts and probe.ts one by one, each to a file of its own. */
async function transpile(environment: string, format: "esm" | "cjs", options: BuildOptions = {}): Promise<string> {
  const outdir = join(folder, environment);
  const entryPoints = ["user.ts", "outside.ts", "probe.ts"].map(source);
  await build({ ...COMMON, entryPoints, outdir, format, ...options });
  write(environment, "package.json", JSON.stringify({ type: format === "esm" ? "module" : "commonjs" }));
  return outdir;
}

const url = (...path: string[]): string => pathToFileURL(join(...path)).href;

test("Node, ES modules", async () => {
  const at = await transpile("esm", "esm");
  const from = { frontend: url(frontend), user: url(at, "user.js"), probe: url(at, "probe.js") };
  await expectSeen([write("esm", "main.mjs", script(from))]);
});

test("a process that is being debugged", async () => {
  const at = await transpile("debugged", "esm");
  const from = { frontend: url(frontend), user: url(at, "user.js"), probe: url(at, "probe.js") };
  const { stdout } = await run(["--inspect=127.0.0.1:0", write("debugged", "main.mjs", script(from))]);
  checkReport(JSON.parse(stdout) as Report);
});

test("without an inspector there are what is given and what the language defines", async () => {
  const main = `
    import * as frontend from ${JSON.stringify(url(frontend))};
    const k = 2, h = (x) => x;
    const performance = { now: () => 1 };
    const fn = function step(x) {
      return Math.sin(k) + h(x) + step.length + performance.now();
    };
    const { capturedScope, checkVisible, isNative, isOurs } = frontend;
    const bare = capturedScope(fn);
    const message = (given) => {
      try {
        checkVisible(fn, capturedScope(fn, given));
      } catch (error) {
        return error.name + ": " + error.message;
      }
    };
    frontend.registerOurs(frontend);
    console.log(JSON.stringify({
      read: ["k", "h", "performance", "process", "toString"].map((name) => bare.read(name) === undefined),
      seen: [bare.read("Math").value === Math, bare.read("step").value === fn, bare.canSee],
      message: message(),
      others: message({ k }),
      given: message({ h, k, performance }),
      owners: [isOurs(checkVisible), isOurs(fn), isNative(fn), isNative(Math.sin), isNative(fn.bind(null)), isOurs(fn.bind(1))],
    }));
  `;
  const script = write("denied", "main.mjs", main);
  const flag = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";
  const { code, stdout, stderr } = await run([flag, "--allow-fs-read=*", script]); // which refuses the inspector
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  const seen = JSON.parse(stdout) as Record<string, unknown>;
  expect(seen).toMatchObject({
    read: [true, true, true, true, true],
    seen: [true, true, false],
    owners: [true, false, false, true, false, false],
  });
  expect(seen.given).toBeUndefined();
  expect(seen.others).toMatch(/^TraceError: cannot see the variables 'h', 'performance' captured by this function\n/);
  expect((seen.message as string).split("\n")).toEqual([
    "TraceError: cannot see the variables 'k', 'h', 'performance' captured by this function",
    "  in function step, line 2 of its text",
    "    1 | function step(x) {",
    "  > 2 |       return Math.sin(k) + h(x) + step.length + performance.now();",
    "      |                       ^",
    "    3 |     }",
    expect.stringMatching(/^ {2}traced at .*main\.mjs:\d+\)$/),
    "  the scopes around functions are read through node:inspector, which is not to be had here",
    "  hint: pass them in the options: scope: { k, h, performance }",
  ]);
});

test("closures of ours are known in a file that holds both ours and the user's", async () => {
  const entry = `
    import * as frontend from ${JSON.stringify(source("frontend.ts"))};
    import { cases } from ${JSON.stringify(source("user.ts"))};
    frontend.registerOurs(frontend);
    const mine = frontend.capturedScope(() => 1).read;
    console.log(JSON.stringify({ mine: frontend.isOurs(mine), users: cases().map(({ fn }) => frontend.isOurs(fn)) }));
  `;
  const outfile = join(folder, "together", "main.mjs");
  const entryPoints = [write("together", "entry.ts", entry)];
  await build({ ...COMMON, entryPoints, outfile, bundle: true, format: "esm", minify: true });
  const { stdout, stderr } = await run([outfile]);
  expect(stderr).toBe("");
  const { mine, users } = JSON.parse(stdout) as { mine: boolean; users: boolean[] };
  expect(mine).toBe(true);
  expect(users.length).toBeGreaterThan(12);
  expect(users).not.toContain(true);
});

test("Node, CommonJS, with esbuild's names kept", async () => {
  const at = await transpile("cjs", "cjs", { keepNames: true });
  const from = { frontend: url(frontend), user: url(at, "user.js"), probe: url(at, "probe.js") };
  await expectSeen([write("cjs", "main.mjs", script(from))]);
});

test("a worker thread", async () => {
  const at = await transpile("worker", "esm");
  const from = { frontend: url(frontend), user: url(at, "user.js"), probe: url(at, "probe.js") };
  const inner = JSON.stringify(write("worker", "inner.mjs", script(from)));
  await expectSeen([
    write("worker", "main.mjs", `import { Worker } from "node:worker_threads"; new Worker(${inner});`),
  ]);
});

test.each([
  ["bundled", {}],
  ["bundled, with its map beside it", { sourcemap: "linked" }],
  ["minified", { minify: true }],
  ["minified, with names kept", { minify: true, keepNames: true }],
  ["minified, for a script of its own", { minify: true, format: "iife", globalName: "bundle" }],
] satisfies [string, BuildOptions][])("a file that is %s", async (name, options: BuildOptions) => {
  const environment = name.replace(/\W+/g, "-");
  const exports = { cases: source("user.ts"), probe: source("probe.ts") };
  const entry = Object.entries(exports).map(([each, path]) => `export { ${each} } from ${JSON.stringify(path)};`);
  const entryPoints = [write(environment, "entry.ts", entry.join("\n"))];
  const outfile = join(folder, environment, "bundle.js");
  await build({ ...COMMON, entryPoints, outfile, bundle: true, format: "esm", ...options });
  const from = { frontend: url(frontend), user: url(outfile), probe: url(outfile) };
  if (options.format !== "iife") return expectSeen([write(environment, "main.mjs", script(from))]);
  const text = `
    import { readFileSync } from "node:fs";
    import { Script } from "node:vm";
    import * as frontend from ${JSON.stringify(from.frontend)};
    new Script(readFileSync(${JSON.stringify(outfile)}, "utf8"), { filename: ${JSON.stringify(outfile)} }).runInThisContext();
    console.log(JSON.stringify(bundle.probe(frontend, bundle.cases, readFileSync(${author}, "utf8"))));
  `;
  return expectSeen([write(environment, "main.mjs", text)]);
});

const tsx = createRequire(import.meta.url).resolve("tsx/cli");

test("tsx, ES modules", async () => {
  const from = { frontend: source("frontend.ts"), user: source("user.ts"), probe: source("probe.ts") };
  await expectSeen([tsx, write("tsx", "main.ts", script(from))]);
});

test("tsx, CommonJS", async () => {
  for (const name of ["user.ts", "outside.ts", "probe.ts"]) write("tsx-cjs", name, readFileSync(source(name), "utf8"));
  write("tsx-cjs", "package.json", JSON.stringify({ type: "commonjs" }));
  const main = `
    import { readFileSync } from "node:fs";
    import { probe } from "./probe.js";
    import { cases } from "./user.js";
    import(${JSON.stringify(url(frontend))}).then((frontend) => {
      console.log(JSON.stringify(probe(frontend, cases, readFileSync(${author}, "utf8"))));
    });
  `;
  await expectSeen([tsx, write("tsx-cjs", "main.ts", main)]);
});

test.each([
  ["threads", "without coverage"],
  ["vmThreads", "without coverage"],
  ["forks", "v8"],
  ["threads", "v8"],
  ["forks", "istanbul"],
  ["threads", "istanbul"],
] as const)("vitest in %s, coverage: %s", async (pool, provider) => {
  const environment = `vitest-${pool}-${provider.replace(" ", "-")}`;
  const report = join(folder, environment, "report.json");
  write(
    environment,
    "sees.test.ts",
    `
    import { readFileSync, writeFileSync } from "node:fs";
    import { test } from "vitest";
    import * as frontend from ${JSON.stringify(source("frontend.ts"))};
    import { cases } from ${JSON.stringify(source("user.ts"))};
    import { probe } from ${JSON.stringify(source("probe.ts"))};
    test("sees", () => {
      const seen = probe(frontend, cases, readFileSync(${author}, "utf8"));
      const instrumented = String(cases()[0].fn).includes("cov_");
      writeFileSync(${JSON.stringify(report)}, JSON.stringify({ ...seen, instrumented }));
    });
  `,
  );
  const coverage = provider === "without coverage" ? { enabled: false } : { enabled: true, provider };
  const config = {
    root,
    test: {
      include: [`out/**/${environment}/*.test.ts`],
      pool,
      maxWorkers: 1,
      coverage: {
        ...coverage,
        include: ["tests/frontend/environments/*.ts"],
        reportsDirectory: join(folder, environment, "coverage"),
        reporter: ["json-summary"],
      },
    },
  };
  const path = write(environment, "vitest.config.mjs", `export default ${JSON.stringify(config)};`);
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const { code, stdout, stderr } = await run([vitest, "run", "--config", path]);
  expect({ code, output: code === 0 ? "" : stdout + stderr }).toEqual({ code: 0, output: "" });
  const seen = JSON.parse(readFileSync(report, "utf8")) as Report & { instrumented: boolean };
  expect(seen.instrumented).toBe(provider === "istanbul");
  checkReport(seen);
});
