// Losses and their gradients, held to PyTorch's in float64: see losses.py.
import { readFileSync } from "node:fs";
import { type DeviceKind, grad, jit, nn, setDevice, type Tensor, tensor, vmap } from "lanewise";
import { afterAll, describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";

afterAll(() => setDevice("cpu"));

interface Case {
  readonly name: string;
  readonly loss: "softmaxCrossEntropy" | "meanSquaredError" | "binaryCrossEntropyWithLogits" | "huber";
  readonly options: { readonly reduction: "mean" | "sum" | "none"; readonly delta?: number };
  readonly arguments: readonly [number[][], number[] | number[][]];
  readonly isClasses: boolean;
  readonly value: number[];
  readonly gradient: number[];
}

const cases = readFileSync(new URL("losses.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Case);

async function expectClose(got: Tensor, want: readonly number[]): Promise<void> {
  const numbers = await got.data();
  expect(numbers.length).toBe(want.length);
  want.forEach((y, i) => void expect(Math.abs(numbers[i]! - y)).toBeLessThan(2e-6 * Math.max(1, Math.abs(y))));
}

async function expectGolden(device: DeviceKind, { loss, options, isClasses, ...golden }: Case): Promise<void> {
  await setDevice(device);
  const run = nn[loss] as (x: Tensor, y: Tensor, options: Case["options"]) => Tensor;
  const x = tensor(golden.arguments[0]);
  const y = tensor(golden.arguments[1] as number[][], { dtype: isClasses ? "i32" : "f32" });
  const value = jit((a: Tensor, b: Tensor) => run(a, b, options));
  await expectClose(value(x, y), golden.value);
  await expectClose(grad((a: Tensor) => run(a, y, options).sum())(x), golden.gradient);
  if (options.reduction !== "none") return;
  // an example in each lane, the examples along the last axis
  const lanes = vmap((a: Tensor, b: Tensor) => run(a, b, options), { inAxes: -1 });
  const each = lanes(x.moveAxis(0, -1), y.moveAxis(0, -1));
  await expectClose(each, golden.value);
}

describe("losses are those of PyTorch, and so are their gradients", () => {
  test.each(cases.map((c) => [c.name, c] as const))("%s", (_, golden) => expectGolden("cpu", golden));

  gpuTest(
    "on the GPU",
    async () => {
      for (const golden of cases) await expectGolden("gpu", golden);
    },
    120_000,
  );
});

gpuTest("measures count on the GPU as they do on the CPU", async () => {
  const measure = async (device: DeviceKind) => {
    await setDevice(device);
    const scores = tensor([[1, 3, 2], [5, 0, 1], [0, 0, 7], [2, 9, 1]]); // biome-ignore format: rows
    const labels = tensor([1, 0, 1, 1], { dtype: "i32" });
    return [await nn.accuracy(scores, labels).item(), await nn.confusionMatrix(labels, scores, 3).toArray()];
  };
  const want = [0.75, [[1, 0, 0], [0, 2, 1], [0, 0, 0]]]; // biome-ignore format: rows
  expect(await measure("cpu")).toEqual(want);
  expect(await measure("gpu")).toEqual(want);
});
