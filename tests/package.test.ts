// The packed package, installed into an empty project: it imports, computes, type-checks and has its command.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gpuTest } from "./support/gpu.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "lanewise-package-"));
const project = join(folder, "project");

/** Runs a command to its end and gives its stdout. Throws with all that it printed when it fails. */
function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): string {
  // What `npm test` tells its children of this package would mislead the npm that works on another.
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(package|lifecycle|command|config_local_prefix)|INIT_CWD)/.test(name),
  );
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...Object.fromEntries(own), ...env },
    shell: process.platform === "win32", // npm is a script there
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${error ?? status}\n${stdout}\n${stderr}`);
  return stdout;
}

const node = (args: readonly string[], env?: Readonly<Record<string, string>>): string =>
  run(process.execPath, args, project, env);

beforeAll(() => {
  run("npm", ["pack", "--pack-destination", folder], root); // builds first, by `prepare`
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"))!;
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", join(folder, tarball)], project);
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the packed package in an empty project", () => {
  test("brings what it runs with, and nothing of what it is built and tested with", () => {
    const installed = readdirSync(join(project, "node_modules"));
    expect(installed).toEqual(expect.arrayContaining(["lanewise", "webgpu", "acorn", "commander"]));
    for (const name of ["@sparticuz", "typescript", "vitest", "tsx"]) expect(installed).not.toContain(name);
    expect(readdirSync(join(project, "node_modules/lanewise")).sort()).toEqual(
      ["CHANGELOG.md", "LICENSE", "README.md", "dist", "package.json"].sort(),
    );
  });

  const program = `
    import { matmul, tensor } from "lanewise";
    const c = matmul(tensor([[1, 2], [3, 4]]), tensor([[5, 6], [7, 8]]));
    console.log(JSON.stringify(await c.toArray()));
  `;

  const multiply = (device: "cpu" | "gpu"): void => {
    writeFileSync(join(project, "main.js"), program);
    expect(node(["main.js"], { LANEWISE_DEVICE: device }).trim()).toBe("[[19,22],[43,50]]");
  };

  test("multiplies matrices on the CPU", () => multiply("cpu"));

  gpuTest("multiplies matrices on the GPU", () => multiply("gpu"));

  test("has types", () => {
    const lines = [
      'import { matmul, tensor } from "lanewise";',
      "export const size: number = matmul(tensor([[1, 2]]), tensor([[3], [4]])).size;",
      "// @ts-expect-error: no operand is a function",
      "matmul(() => 1, tensor([1]));",
    ];
    writeFileSync(join(project, "main.ts"), `${lines.join("\n")}\n`);
    const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
    const options = ["--strict", "--noEmit", "--skipLibCheck", "--module", "NodeNext", "--target", "ES2022"];
    node([tsc, ...options, "main.ts"]);
  });

  const bin = join(project, "node_modules/.bin", process.platform === "win32" ? "lanewise.cmd" : "lanewise");

  test("has the command `lanewise`", () => {
    expect(run(bin, ["--version"], project).trim()).toMatch(/^\d+\.\d+\.\d+$/);
    expect(run(bin, ["--help"], project)).toContain("doctor");
  });

  test("shows the kernels of a script with `lanewise dump`", () => {
    expect(run(bin, ["dump", "main.js", "--emit", "kernels"], project, { LANEWISE_DEVICE: "cpu" })).toContain(
      "dotGeneral",
    );
  });

  gpuTest("has a doctor that finds what the tests run on", () => {
    const { ok, findings } = JSON.parse(run(bin, ["doctor", "--json"], project));
    expect(ok).toBe(true);
    expect(findings).toContainEqual(expect.objectContaining({ check: "kernel", status: "fine" }));
  });
});
