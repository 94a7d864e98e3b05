// The examples and the benchmark, run as people run them.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PNG } from "pngjs";
import { afterAll, describe, expect, test } from "vitest";
import { readIdx } from "../examples/support/idx.js";
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
  "dense-module": [10, 10],
  "black-scholes": [7, 7],
  "newton-roots": [5, 5],
  "option-price": [5, 5],
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

const sizeOf = (path: string): readonly [number, number] => {
  const { width, height } = PNG.sync.read(readFileSync(path));
  return [width, height];
};

describe("mandelbrot", () => {
  const check = (device: "gpu" | "cpu"): void => {
    const picture = join(folder, device, "mandelbrot.png");
    const { status, stdout, all } = runScript("examples/mandelbrot.ts", device, ["--size", "90x60", "--out", picture]);
    expect(status, all).toBe(0);
    expect(stdout.match(/✓/g)).toHaveLength(2);
    expect(stdout).toMatch(/^ *loop \{.*\n(.*\n)+ *if \(!\(.+\)\) \{ break; \}/m);
    expect(sizeOf(picture)).toEqual([90, 60]);
  };

  test("draws its picture with one kernel on the CPU", () => check("cpu"), TIMEOUT_MS);

  gpuTest("draws its picture with one kernel on the GPU", () => check("gpu"), TIMEOUT_MS);

  test("says what is wrong with its options", () => {
    const { status, all } = runScript("examples/mandelbrot.ts", "cpu", ["--size", "1x60"]);
    expect(all).toContain("two numbers from 2 are wanted");
    expect(status).toBe(2);
  });
});

describe("trojans", () => {
  const check = (device: "gpu" | "cpu", side: string): void => {
    const { status, stdout, all } = runScript("examples/trojans.ts", device, ["--side", side]);
    expect(status, all).toBe(0);
    expect(stdout.match(/✓/g)).toHaveLength(4);
  };

  test("follows a few asteroids on the CPU", () => check("cpu", "8"), TIMEOUT_MS);

  gpuTest("follows some on the GPU", () => check("gpu", "32"), TIMEOUT_MS);
});

describe("lenet-ensemble", () => {
  const train = (device: "gpu" | "cpu", images: number, args: readonly string[]): Outcome => {
    const amounts = ["--images", `${images}`, "--batch", "3", "--test", "20"];
    return runScript("examples/lenet-ensemble.ts", device, [...amounts, ...args]);
  };

  const check = (device: "gpu" | "cpu"): void => {
    const picture = join(folder, device, "lenets.png");
    const { status, stdout, all } = train(device, 60, ["--epochs", "1", "--out", picture]);
    expect(status, all).toBe(0);
    expect(stdout).toContain("All is as expected.");
    expect(stdout.match(/✓/g)).toHaveLength(5);
    expect(stdout).toMatch(/averaged ensemble +│ +│ +│ +'\d+\.00 %'/);
    expect(all).toMatch(/epoch 1 .* 20 of 20 steps, \d+ s, losses (\d\.\d{3} ?){4}\n/);
    expect(sizeOf(picture)).toEqual([1500, 720]);
  };

  test("trains on random images and on digits on the CPU", () => check("cpu"), TIMEOUT_MS);

  gpuTest("trains on random images and on digits on the GPU", () => check("gpu"), TIMEOUT_MS);

  test(
    "goes on from a checkpoint with the same bits, and with the same digits alone",
    () => {
      const at = (name: string): string => join(folder, name);
      const epochs = (count: number, ...args: readonly string[]) => [
        ...["--epochs", `${count}`, "--out", at("lenets.png")],
        ...args,
      ];
      for (const args of [
        epochs(2, "--save", at("straight")),
        epochs(1, "--save", at("half")),
        epochs(2, "--resume", at("half"), "--save", at("resumed")),
      ]) {
        const { status, all } = train("cpu", 12, args);
        expect(status, all).toBe(0);
      }
      const bytes = (name: string): Buffer => readFileSync(at(name));
      expect(bytes("resumed").equals(bytes("straight"))).toBe(true);
      expect(bytes("half").equals(bytes("straight"))).toBe(false);
      const { status, all } = train("cpu", 15, epochs(2, "--resume", at("half")));
      expect(all).toContain("made with --images 12, which cannot become 15 now");
      expect(status).toBe(2);
    },
    TIMEOUT_MS,
  );

  test("says what is wrong with its options", () => {
    const { status, all } = train("cpu", 60_001, []);
    expect(all).toContain("A whole number from 0 to 60000 is wanted.");
    expect(status).toBe(1);
  });
});

describe("IDX files", () => {
  const bytes = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];

  test("give their elements with their shape", () => {
    expect(readIdx(Uint8Array.from(bytes), "digits")).toEqual({
      shape: [2, 3],
      data: Uint8Array.of(1, 2, 3, 4, 5, 6),
    });
  });

  test("are refused where they are something else, or damaged", () => {
    const read = (changed: readonly number[]) => () => readIdx(Uint8Array.from(changed), "digits");
    expect(read([])).toThrow("digits: no IDX file");
    expect(read(bytes.slice(0, 10))).toThrow("digits: no IDX file");
    expect(read([80, 75, ...bytes.slice(2)])).toThrow("digits: no IDX file");
    expect(read(bytes.with(2, 13))).toThrow("digits: elements of type 0xd, but unsigned bytes (0x8) are wanted");
    expect(read(bytes.slice(0, -1))).toThrow("digits: 5 elements, but [2,3] has 6; the file is damaged");
    expect(read([...bytes, 7])).toThrow("digits: 7 elements, but [2,3] has 6; the file is damaged");
  });
});

describe("image-filters", () => {
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
      "--only",
      "collatz",
      "--json",
      json,
    ]);
    expect(status, all).toBe(0);
    const { cases } = JSON.parse(readFileSync(json, "utf8"));
    expect(cases.map(({ name }: { name: string }) => name)).toEqual(["rows", "conv", "collatz", "call"]);
    const [ours] = cases[3].contestants;
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
