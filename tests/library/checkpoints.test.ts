// Nets and their training in files: what is saved comes back, on any device, and a damaged file changes nothing.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  type DeviceKind,
  FileError,
  files,
  jit,
  nn,
  optim,
  random,
  relu,
  StateDictError,
  setDevice,
  type Tensor,
  tensor,
  ValueError,
  valueAndGrad,
  vmap,
} from "lanewise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";

const formats = ["safetensors", "npz"] as const;

let folder: string;
beforeAll(async () => {
  await setDevice("cpu");
  folder = mkdtempSync(join(tmpdir(), "lanewise-checkpoints-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A net with running statistics, and its optimiser. */
class Trainer extends nn.Module {
  readonly net = new nn.Sequential(new nn.Dense(3, 4), new nn.BatchNorm(4), relu, new nn.Dense(4, 2));
  readonly optimiser: nn.Optimiser;

  constructor(rule: optim.Optimiser) {
    super();
    this.optimiser = new nn.Optimiser(rule, this.net.parameters());
  }

  forward(x: Tensor, labels: Tensor): Tensor {
    const loss = (): Tensor => nn.softmaxCrossEntropy(this.net.forward(x), labels);
    const [value, gradients] = valueAndGrad(loss, { wrt: this.net.parameters() })();
    this.optimiser.step(gradients);
    return value;
  }
}

const rules: Record<string, () => optim.Optimiser> = {
  sgd: () => optim.sgd({ learningRate: 0.1 }),
  momentum: () => optim.sgd({ learningRate: 0.1, momentum: 0.9 }),
  rmsprop: () => optim.rmsprop({ learningRate: 0.01, centered: true, momentum: 0.5 }),
  adam: () =>
    optim.adam({ learningRate: optim.exponentialDecay({ initial: 0.1, decay: 0.5, steps: 3 }), amsgrad: true }),
};

const x = random.normal(random.key(5), [6, 3]);
const labels = tensor([0, 1, 1, 0, 1, 0], { dtype: "i32" });

const train = async (step: (x: Tensor, labels: Tensor) => Tensor, steps: number): Promise<number[]> => {
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) losses.push(await step(x, labels).item());
  return losses;
};

const elementsOf = async (net: nn.Module): Promise<Record<string, number[]>> =>
  Object.fromEntries(
    await Promise.all(
      Object.entries(net.stateDict()).map(async ([path, v]) => [path, [...(await v.data())]] as [string, number[]]),
    ),
  );

/** Three steps, a file, a fresh trainer that goes on from it: the same numbers as going on without. */
async function expectResumes(rule: () => optim.Optimiser, format: (typeof formats)[number]): Promise<void> {
  const path = join(folder, `trainer.${format}`);
  const first = new Trainer(rule());
  await train(jit(first), 3);
  await first.save(path);
  const resumed = new Trainer(rule());
  await resumed.load(path);
  expect(await elementsOf(resumed)).toEqual(await elementsOf(first));
  expect(Object.keys(resumed.stateDict())).toContain("net.layers.1.variance");
  expect(await resumed.optimiser.states.step!.item()).toBe(3);
  expect(await train(jit(resumed), 3)).toEqual(await train(jit(first), 3));
  expect(await elementsOf(resumed)).toEqual(await elementsOf(first));
}

describe("training goes on from a file with the same numbers", () => {
  for (const format of formats)
    test.each(Object.keys(rules))(`%s, ${format}`, (name) => expectResumes(rules[name]!, format));

  gpuTest(
    "on the GPU",
    async () => {
      await setDevice("gpu");
      try {
        for (const format of formats) await expectResumes(rules.adam!, format);
      } finally {
        await setDevice("cpu");
      }
    },
    180_000,
  );
});

describe("a file", () => {
  gpuTest("goes from device to device", async () => {
    const path = join(folder, "travels.safetensors");
    const give = async (from: DeviceKind, to: DeviceKind): Promise<void> => {
      await setDevice(from);
      const net = new nn.Sequential(new nn.Dense(3, 4), new nn.BatchNorm(4));
      await net.forward(x).data(); // moves the statistics, on the device
      await net.save(path);
      const want = await elementsOf(net);
      await setDevice(to);
      const other = new nn.Sequential(new nn.Dense(3, 4), new nn.BatchNorm(4));
      await other.load(path);
      expect(await elementsOf(other)).toEqual(want);
      const [there, here] = [await net.eval().forward(x).data(), await other.eval().forward(x).data()];
      here.forEach((value, i) => void expect(value).toBeCloseTo(there[i]!, 5));
    };
    try {
      await give("gpu", "cpu");
      await give("cpu", "gpu");
    } finally {
      await setDevice("cpu");
    }
  });

  test("holds the values of the time it was asked for, also of models that train together", async () => {
    const trainers = [1, 2, 3].map(() => new Trainer(rules.adam!()));
    const step = jit(vmap(trainers, { inAxes: null }));
    await step(x, labels).data();
    const want = await elementsOf(trainers[1]!);
    const path = join(folder, "together.npz");
    const saved = trainers[1]!.save(path);
    await step(x, labels).data();
    await saved;
    expect(await elementsOf(trainers[1]!)).not.toEqual(want);
    // into one of them, while they are together
    await trainers[2]!.load(path);
    expect(await elementsOf(trainers[2]!)).toEqual(want);
    const alone = new Trainer(rules.adam!());
    await alone.load(path);
    const [, , third] = [...(await step(x, labels).data())];
    expect(third).toBeCloseTo(await alone.forward(x, labels).item(), 5);
  });

  test("is told by what is in it, as a path, a URL or bytes", async () => {
    const net = new nn.Dense(2, 2);
    const want = await elementsOf(net);
    for (const format of formats) {
      const path = join(folder, `dense.${format}`);
      await net.save(pathToFileURL(path));
      const bytes = readFileSync(path);
      writeFileSync(join(folder, "nameless"), bytes);
      for (const from of [path, pathToFileURL(path), new Uint8Array(bytes), join(folder, "nameless")]) {
        const other = new nn.Dense(2, 2);
        await other.load(from);
        expect(await elementsOf(other)).toEqual(want);
      }
    }
  });

  test("of another extension is refused before anything is written", async () => {
    const net = new nn.Dense(2, 2);
    await expect(net.save(join(folder, "dense.pt"))).rejects.toThrow(ValueError);
    await expect(net.save(join(folder, "dense"))).rejects.toThrow(/ends in \.safetensors or \.npz/);
    await expect(files.save(undefined as never, {})).rejects.toThrow(/undefined given/);
  });
});

describe("a module is left as it is", () => {
  const expectUntouched = async (
    bytes: Uint8Array,
    wrong: typeof FileError | typeof StateDictError,
    message: RegExp,
  ): Promise<void> => {
    const net = new nn.Sequential(new nn.Dense(3, 4), new nn.BatchNorm(4));
    const before = await elementsOf(net);
    const loading = net.load(bytes);
    await expect(loading).rejects.toThrow(wrong);
    await expect(loading).rejects.toThrow(message);
    expect(await elementsOf(net)).toEqual(before);
  };
  const good = async (format: (typeof formats)[number]): Promise<Uint8Array> => {
    const values = new nn.Sequential(new nn.Dense(3, 4), new nn.BatchNorm(4)).stateDict();
    return format === "npz" ? files.saveNpz(values) : files.saveSafetensors(values);
  };

  test.each(formats)("by any %s that is cut off", async (format) => {
    const bytes = await good(format);
    for (const length of [0, 1, 2, 8, 9, 40, bytes.length >> 1, bytes.length - 1])
      await expectUntouched(bytes.subarray(0, length), FileError, /wanted/);
  });

  test("by a damaged member of an archive, the last one too", async () => {
    const bytes = (await good("npz")).slice();
    const last = Buffer.from(bytes).lastIndexOf(Buffer.from("PK\x03\x04", "latin1"));
    const at = Buffer.from(bytes).indexOf("PK\x01\x02", last, "latin1") - 2;
    bytes[at]! ^= 1;
    await expectUntouched(bytes, FileError, /CRC-32/);
  });

  test("by a header that lies", async () => {
    const bytes = Buffer.from(await good("safetensors"));
    const text = bytes.toString("latin1").replace("[3,4]", "[4,4]");
    await expectUntouched(Buffer.from(text, "latin1"), FileError, /layers\.0\.weight/);
  });

  test("by files that are of other things", async () => {
    await expectUntouched(await files.saveNpy(tensor([1])), FileError, /npy file/);
    await expectUntouched(Buffer.from("\x80\x02}q\x00.", "latin1"), FileError, /header/);
    const pickle = readFileSync(new URL("../files/pytorch/pickle.pt", import.meta.url));
    await expectUntouched(pickle, FileError, /pickle of PyTorch.*\n.*safetensors\.torch\.save_file/);
    const other = await files.saveSafetensors(new nn.Dense(3, 4).stateDict());
    await expectUntouched(other, StateDictError, /no value for layers\.0\.weight/);
    const types = {
      ...(await files.load(await good("npz"))),
      "layers.1.shift": tensor([1, 2, 3, 4], { dtype: "i32" }),
    };
    await expectUntouched(
      await files.saveNpz(types),
      StateDictError,
      /layers\.1\.shift is f32\[4\], but a value i32\[4\]/,
    );
  });

  test("by values that were disposed, and by what is no tensor", async () => {
    const net = new nn.Dense(2, 2);
    const before = await elementsOf(net);
    const values = { weight: tensor(new Float32Array(4), { shape: [2, 2] }), bias: tensor([1, 2]) };
    values.bias.dispose();
    expect(() => net.loadStateDict(values)).toThrow(/disposed/);
    expect(() => net.loadStateDict({ ...values, bias: "zeros" as never })).toThrow(/but a value a string is given/);
    expect(await elementsOf(net)).toEqual(before);
  });
});
