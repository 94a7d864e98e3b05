// The examples and the benchmark, run as people run them.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PNG } from "pngjs";
import { afterAll, describe, expect, test } from "vitest";
import { gpuTest } from "./support/gpu.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsx = createRequire(import.meta.url).resolve("tsx/cli");
const folder = mkdtempSync(join(tmpdir(), "lanewise-examples-"));
const TIMEOUT_MS = 180_000;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  /** Both streams, to be shown when something is wrong. */
  readonly all: string;
}

function runScript(script: string, device: "gpu" | "cpu", args: readonly string[] = []): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsx, script, ...args], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, LANEWISE_DEVICE: device },
  });
  return { status, stdout, all: `${stdout}\n${stderr}` };
}

describe("vmap-tutorial", () => {
  const check = (device: "gpu" | "cpu"): string => {
    const { status, stdout, all } = runScript("examples/vmap-tutorial.ts", device);
    expect(status, all).toBe(0);
    expect(stdout).not.toContain("✗");
    expect(stdout.match(/✓/g)).toHaveLength(19);
    expect(stdout).toMatch(/^Running on the (GPU|CPU)/);
    return stdout;
  };

  test("is right on the CPU", () => void check("cpu"), TIMEOUT_MS);

  gpuTest(
    "is right on the GPU, where vmap is one kernel, as is the code vectorised by hand",
    () => {
      const stdout = check("gpu");
      expect(stdout).toMatch(/vectorised by hand │ 1 +│/);
      expect(stdout).toMatch(/vmap +│ 1 +│/);
    },
    TIMEOUT_MS,
  );
});

describe("define-op", () => {
  const check = (device: "gpu" | "cpu"): void => {
    const { status, stdout, all } = runScript("examples/define-op.ts", device);
    expect(status, all).toBe(0);
    expect(stdout.match(/✓/g), all).toHaveLength(8);
  };

  test("is right on the CPU", () => check("cpu"), TIMEOUT_MS);

  gpuTest("is right on the GPU", () => check("gpu"), TIMEOUT_MS);
});

/** Programs that only check their numbers, with how many they check on the CPU and on the GPU. */
const checked: Readonly<Record<string, readonly [cpu: number, gpu: number]>> = {
  rosenbrock: [6, 6],
  maml: [3, 3],
  "per-example-gradients": [14, 15],
  "neural-ode": [6, 6],
  "lenet-ensemble": [4, 4],
};

describe.each(Object.entries(checked))("%s", (name, [cpu, gpu]) => {
  const check = (device: "gpu" | "cpu", count: number): void => {
    const { status, stdout, all } = runScript(`examples/${name}.ts`, device);
    expect(status, all).toBe(0);
    expect(stdout).toContain("All is as expected.");
    expect(stdout).not.toContain("✗");
    expect(stdout.match(/✓/g)).toHaveLength(count);
  };

  test("is right on the CPU", () => check("cpu", cpu), TIMEOUT_MS);

  gpuTest("is right on the GPU", () => check("gpu", gpu), TIMEOUT_MS);
});

describe("image-filters", () => {
  const sizeOf = (path: string): readonly [number, number] => {
    const { width, height } = PNG.sync.read(readFileSync(path));
    return [width, height];
  };

  const check = (device: "gpu" | "cpu"): void => {
    const sheet = join(folder, device, "sheet.png");
    const { status, stdout, all } = runScript("examples/image-filters.ts", device, ["--size", "96x64", "--out", sheet]);
    expect(status, all).toBe(0);
    expect(stdout.match(/✓/g)).toHaveLength(device === "gpu" ? 2 : 1);
    expect(sizeOf(sheet)).toEqual([5 * (96 / 2 - 6), 6 * (64 / 2 - 6)]);
  };

  test("filters its own photographs on the CPU", () => check("cpu"), TIMEOUT_MS);

  gpuTest("filters its own photographs on the GPU and on the CPU", () => check("gpu"), TIMEOUT_MS);

  test(
    "takes a folder of pictures, and leaves out those that are too small",
    () => {
      const images = join(folder, "images");
      mkdirSync(images);
      const picture = (name: string, width: number, height: number): void => {
        const png = new PNG({ width, height });
        for (let i = 0; i < png.data.length; i++) png.data[i] = i % 4 === 3 ? 255 : (i * 7) % 256;
        writeFileSync(join(images, name), PNG.sync.write(png));
      };
      picture("a.png", 40, 40);
      picture("b.png", 100, 90);
      picture("small.png", 39, 40);
      writeFileSync(join(images, "notes.txt"), "no picture");
      const sheet = join(folder, "sheet.png");
      const args = ["--images", images, "--size", "40x40", "--batch", "3", "--out", sheet];
      const { status, all } = runScript("examples/image-filters.ts", "cpu", args);
      expect(status, all).toBe(0);
      expect(all).toContain("smaller than 40x40, left out: small.png");
      expect(sizeOf(sheet)).toEqual([5 * 14, 2 * 14]);
    },
    TIMEOUT_MS,
  );

  test("says what is wrong with its options", () => {
    const { status, all } = runScript("examples/image-filters.ts", "cpu", ["--size", "41x40"]);
    expect(all).toContain("two even numbers");
    expect(status).toBe(2);
  });
});

gpuTest(
  "the benchmark finds that all contestants compute the same",
  () => {
    const json = join(folder, "bench.json");
    const { status, all } = runScript("bench/main.ts", "gpu", [
      "--quick",
      "--only",
      "rows",
      "--only",
      "call",
      "--only",
      "conv",
      "--json",
      json,
    ]);
    expect(status, all).toBe(0);
    const { cases } = JSON.parse(readFileSync(json, "utf8"));
    expect(cases.map(({ name }: { name: string }) => name)).toEqual(["rows", "conv", "call"]);
    const [ours] = cases[2].contestants;
    expect(ours.counts).toEqual({
      dispatches: 1,
      submits: 1,
      bindGroups: 0,
      buffers: 0,
      bufferBytes: 0,
      uploadedBytes: 0,
    });
  },
  TIMEOUT_MS,
);
