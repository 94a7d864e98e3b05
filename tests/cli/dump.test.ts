// `lanewise dump`: what it prints of scripts that run well, fail, are killed, or compile nothing.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writePrograms } from "../../cli/dump/files.js";
import type { ProgramRecord } from "../../cli/dump/record.js";
import { findTsx, runScript, ScriptError } from "../../cli/dump/run.js";
import { isWanted } from "../../cli/dump/select.js";
import { showProgram, showStage, way } from "../../cli/dump/show.js";
import { gpuTest } from "../support/gpu.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
mkdirSync(join(root, "out"), { recursive: true });
const folder = mkdtempSync(join(root, "out", "dump-")); // inside the package, where `import "lanewise"` finds it
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a script and gives its path from the package's folder. */
function script(name: string, ...lines: readonly string[]): string {
  writeFileSync(join(folder, name), `${lines.join("\n")}\n`);
  return relative(root, join(folder, name));
}

const tsx = createRequire(import.meta.url).resolve("tsx/cli");

/** Runs `lanewise dump`; the exit code, and what came on stdout and stderr. */
function dump(args: readonly string[], device = "cpu") {
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsx, "cli/main.ts", "dump", ...args], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, LANEWISE_DEVICE: device },
  });
  return { status, stdout, stderr };
}

const convolve = [
  'import { jit, tensor, type Tensor, vmap, zeros } from "lanewise";',
  "function convolve(x: Tensor, w: Tensor): Tensor {",
  "  const [a, b, c] = [x.slice([0, -2]), x.slice([1, -1]), x.slice([2])] as const;",
  "  return a.mul(w.at(0)).add(b.mul(w.at(1))).add(c.mul(w.at(2)));",
  "}",
  "const xs = tensor([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]);",
  "const rows = vmap(convolve, [0, null])(xs, tensor([1, 2, 3]));",
  'console.log("the script says", await rows.toArray(), process.argv.slice(2));',
];

describe("the command", () => {
  test("prints the one kernel of a vmapped convolution; the script's own words go to stderr", () => {
    const path = script("convolve.ts", ...convolve);
    const { status, stdout, stderr } = dump([path, "--", "--fast", "3"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^== program 1: vmap\(convolve\) ==\ncalled at .*convolve\.ts:7\n\n1 kernel, 1 dispatch\n\nk0: /,
    );
    expect(stdout).toContain("because it is a result");
    expect(stdout.match(/^== /gm)).toHaveLength(1);
    expect(stdout).not.toContain("the script says");
    expect(stderr).toContain("the script says [ [ 8, 14, 20 ], [ 8, 14, 20 ] ] [ '--fast', '3' ]");
    expect(stderr).toContain("lanewise dump: 1 program, 1 kernel");
  });

  gpuTest("shows the same kernels where they run on a GPU", () => {
    const path = script("gpu.ts", ...convolve);
    expect(dump([path], "gpu").stdout).toBe(dump([path]).stdout);
  });

  test("--emit wgsl prints shaders and comments alone, whatever functions are called", () => {
    const path = script(
      "names.ts",
      'import { jit, tensor, type Tensor } from "lanewise";',
      "const { [`a\\u2028b\\n}`]: odd } = { [`a\\u2028b\\n}`]: (x: Tensor) => x.mul(2) };",
      "await jit(odd!)(tensor([1, 2])).data();",
    );
    const { stdout } = dump([path, "--emit", "wgsl"]);
    expect(stdout).toMatch(/^\/\/ program 1: jit\(a\u{fffd}b\u{fffd}\}\)\n\/\/ called at .*names\.ts:3\n\n\/\/ k0\n/u);
    expect(stdout).toContain("@compute @workgroup_size");
  });

  test("a script that throws keeps its exit code, and what it compiled until then is shown", () => {
    const path = script(
      "throws.ts",
      'import { tensor } from "lanewise";',
      "await tensor([1, 2]).exp().data();",
      'throw new Error("enough");',
    );
    const { status, stdout, stderr } = dump([path]);
    expect(status).toBe(1);
    expect(stdout).toContain("== program 1: the operation exp ==");
    expect(stderr).toContain("Error: enough");
    expect(stderr).toContain("ended with exit code 1");
  });

  test("a script that is killed is shown too, and the exit code says by what", () => {
    const path = script(
      "killed.mjs",
      'import { tensor } from "lanewise";',
      "await tensor([1, 2]).exp().data();",
      'process.kill(process.pid, "SIGKILL");',
      "await new Promise((resolve) => setTimeout(resolve, 10_000));",
    );
    const { status, stdout, stderr } = dump([path]);
    expect(status).toBe(137);
    expect(stdout).toContain("the operation exp");
    expect(stderr).toContain("was ended by SIGKILL");
  });

  test("a script that compiles nothing, or loads nothing, is said to", () => {
    const idle = dump([script("idle.ts", 'import { tensor } from "lanewise";', "tensor([1]);", "process.exit(7);")]);
    expect(idle).toMatchObject({ status: 7, stdout: "" });
    expect(idle.stderr).toContain("idle.ts compiled nothing\n");
    const plain = dump([script("plain.cjs", "console.log(typeof require);")]);
    expect(plain).toMatchObject({ status: 0, stdout: "" });
    expect(plain.stderr).toContain("function\n");
    expect(plain.stderr).toContain("plain.cjs compiled nothing: it did not load lanewise\n");
  });

  test("a script that does not exist is an error in one line", () => {
    expect(dump(["nowhere.ts"])).toMatchObject({ status: 1, stderr: "lanewise dump: there is no file nowhere.ts\n" });
    expect(dump(["cli"])).toMatchObject({ status: 1, stderr: "lanewise dump: cli is not a file\n" });
  });

  test("--fn with a name that no program has says which there are", () => {
    const path = script("named.ts", ...convolve);
    const { status, stdout, stderr } = dump([path, "--fn", "konvolve"]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
    expect(stderr).toContain('has "konvolve"; there are vmap(convolve)');
  });

  test("--out writes a folder for each program, with all stages unless one is named", () => {
    const path = script("files.ts", ...convolve);
    const home = join(folder, "files");
    const { stdout } = dump([path, "--out", home]);
    const files = readdirSync(join(home, "01-convolve")).sort();
    expect(files).toEqual(["graph.txt", "k0.wgsl", "kernels.txt", "plan.txt", "simplified.txt", "transforms.txt"]);
    expect(stdout.trim().split("\n").sort()).toEqual(files.map((name) => join(home, "01-convolve", name)));
    expect(readFileSync(join(home, "01-convolve", "graph.txt"), "utf8")).toMatch(/^== program 1: vmap\(convolve\) ==/);
    expect(readFileSync(join(home, "01-convolve", "k0.wgsl"), "utf8")).toMatch(/^\/\/ k0\n/);
  });
});

test("a TypeScript script without tsx is told how to get it", () => {
  const elsewhere = mkdtempSync(join(tmpdir(), "lanewise-no-tsx-"));
  expect(() => findTsx(join(elsewhere, "x.ts"), [])).toThrow(ScriptError);
  expect(() => findTsx(join(elsewhere, "x.ts"), [])).toThrow(
    /x\.ts is TypeScript, .*not installed\n {2}npm i -D tsx$/s,
  );
  rmSync(elsewhere, { recursive: true });
});

describe("the programs of a script", () => {
  let programs: readonly ProgramRecord[];
  let path: string;

  beforeAll(async () => {
    path = script(
      "all.ts",
      ...convolve.slice(0, -1),
      "const scaled = (x: Tensor) => vmap((y: Tensor) => y.mul(2).sum())(x).add(1);",
      "const failing = vmap((x: Tensor) => { vmap(convolve)(x, x); throw new Error(); });",
      "const twice = jit(scaled);",
      "await twice(zeros([2, 3])).data();",
      "try { failing(zeros([2, 3, 5])); } catch {}",
      "await twice(zeros([4, 3])).data();",
      "await vmap(vmap(convolve, [null, 0]), [0, null])(zeros([3, 5]), zeros([2, 3])).data();",
      "await xs.neg().data();",
      "await twice(zeros([2, 3])).data();",
      "await jit(scaled).lower(zeros([1, 3])).compile();",
    );
    const device = process.env.LANEWISE_DEVICE;
    process.env.LANEWISE_DEVICE = "cpu";
    const { records, exitCode } = await runScript(join(root, path), []);
    if (device === undefined) delete process.env.LANEWISE_DEVICE;
    else process.env.LANEWISE_DEVICE = device;
    expect(exitCode).toBe(0);
    expect(records[0]).toEqual({ kind: "loaded" });
    programs = records.flatMap((record) => (record.kind === "program" ? [record] : []));
  });

  const named = (name: string): ProgramRecord => programs.find((program) => program.name === name)!;
  const wanted = (fn: string): string[] => programs.filter((program) => isWanted(program, fn)).map(({ name }) => name);

  test("are all shown, once each, in the order they were compiled", () => {
    expect(programs.filter(({ isOperation }) => !isOperation).map(({ name }) => name)).toEqual([
      "vmap(convolve)",
      "jit(scaled)",
      "jit(scaled)",
      "vmap(vmap(convolve))",
      "jit(scaled)", // lowered, but never called
    ]);
    expect(named("neg")).toMatchObject({ isOperation: true, calledAt: expect.stringMatching(/all\.ts:15$/) });
  });

  test("show the Graph before and after every vmap, each line with its place", () => {
    const { transforms } = named("vmap(vmap(convolve))");
    expect(transforms.map(({ name }) => name)).toEqual([
      "convolve, as traced",
      "after vmap(convolve)",
      "after vmap(vmap(convolve))",
    ]);
    const [first, second, third] = transforms.map(({ graph }) => graph.split("\n")[0]);
    expect(first).toBe("graph (a:f32[5], b:f32[3]) {");
    expect(second).toBe("graph (a:f32[5], b:f32[2,3]) {");
    expect(third).toBe("graph (a:f32[3,5], b:f32[2,3]) {");
    expect(transforms[0]!.graph).toMatch(/slice .* # convolve \(.*all\.ts:3\)$/m);
  });

  test("show a function that calls vmap with the vmap inside of it, but nothing of a trace that failed", () => {
    const { transforms, functions } = named("jit(scaled)");
    expect(functions).toEqual(["anonymous function", "scaled"]);
    expect(transforms.map(({ name }) => name)).toEqual([
      "anonymous function, as traced",
      "after vmap(anonymous function)",
      "scaled, as traced",
    ]);
  });

  test("show every stage under one heading, and no Graph twice", () => {
    const text = showProgram(named("vmap(convolve)"), 3, way);
    expect(text.match(/^(==|--) .*$/gm)).toEqual([
      "== program 3: vmap(convolve) ==",
      "-- transforms --",
      "-- simplified --",
      "-- kernels --",
      "-- plan --",
      "-- wgsl --",
    ]);
    expect(text).toContain("after vmap(convolve), which is compiled:\n");
    expect(text).toMatch(/-- plan --\npeak \d+ bytes/);
    expect(showProgram(named("neg"), 1, way)).toContain("-- graph --\ngraph (a:f32[2,5]) {");
    expect(showStage(named("neg"), "transforms")).toContain("no function was traced");
  });

  test("are chosen by the name of a function, with or without its transforms", () => {
    expect(wanted("convolve")).toEqual(["vmap(convolve)", "vmap(vmap(convolve))"]);
    expect(wanted("vmap(vmap(convolve))")).toEqual(["vmap(vmap(convolve))"]);
    expect(wanted("scaled")).toEqual(Array(3).fill("jit(scaled)"));
    expect(wanted("neg")).toEqual(["neg"]);
    expect(wanted("nothing")).toEqual([]);
  });

  test("are chosen by a line of code: of an equation, or of the call", () => {
    expect(wanted(`${path}:4`)).toEqual(["vmap(convolve)", "vmap(vmap(convolve))"]);
    expect(wanted("all.ts:4")).toEqual(["vmap(convolve)", "vmap(vmap(convolve))"]);
    expect(wanted(`${join(root, path)}:8`)).toEqual(Array(3).fill("jit(scaled)"));
    expect(wanted("all.ts:15")).toEqual(["neg"]);
    expect(wanted("ll.ts:15")).toEqual([]);
    expect(wanted("all.ts:1")).toEqual([]);
  });

  test("are written to folders that sort, named after the function", () => {
    const home = join(folder, "sorted");
    const written = writePrograms(programs, ["kernels", "wgsl"], home);
    const names = [...new Set(written.map((file) => relative(home, file).split(sep)[0]))];
    expect(names[0]).toMatch(/^01-/);
    expect([...names].sort()).toEqual(names);
    expect(names.some((name) => name!.endsWith("-scaled"))).toBe(true);
    rmSync(home, { recursive: true });
  });
});
