// Checkpoints: training that goes on from files has the numbers of training that was never interrupted, bit for bit.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  FileError,
  files,
  jit,
  nn,
  optim,
  random,
  StateDictError,
  setDevice,
  type Tensor,
  tanh,
  valueAndGrad,
  vmap,
} from "lanewise";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";

type Rule = (rate: number) => optim.Optimiser;

/** Each with all the moments that it can have. */
const rules: Readonly<Record<string, Rule>> = {
  sgd: (learningRate) => optim.sgd({ learningRate }),
  nesterov: (learningRate) => optim.sgd({ learningRate, momentum: 0.9, nesterov: true }),
  rmsprop: (learningRate) => optim.rmsprop({ learningRate, momentum: 0.9, centered: true }),
  amsgrad: (learningRate) => optim.adam({ learningRate, amsgrad: true }),
  "adamw on a schedule": (initial) =>
    optim.adamw({ learningRate: optim.cosineDecay({ initial, steps: 20 }), weightDecay: 0.1 }),
};

/** A net with parameters and running statistics, and its optimiser: a call is a step. */
class Trainer extends nn.Module {
  readonly net = new nn.Sequential(new nn.Dense(4, 8), new nn.BatchNorm(8), tanh, new nn.Dense(8, 3));
  readonly optimiser: nn.Optimiser;

  constructor(rule: optim.Optimiser) {
    super();
    this.optimiser = new nn.Optimiser(rule, this.net.parameters());
  }

  forward(x: Tensor, labels: Tensor): Tensor {
    const loss = (): Tensor => nn.softmaxCrossEntropy(this.net.forward(x), labels);
    const [value, gradients] = valueAndGrad(loss, { wrt: this.net.parameters() })();
    this.optimiser.forward(gradients);
    return value;
  }
}

/** Two models with a learning rate each, whose weights come from `seed`. */
function trainersOf(rule: Rule, seed: number): nn.ModuleList<Trainer> {
  nn.seed(seed);
  return new nn.ModuleList([new Trainer(rule(1e-2)), new Trainer(rule(3e-2))]);
}

/** Losses of the steps `from` … `to`, each with data of its own. */
async function train(trainers: nn.ModuleList<Trainer>, from: number, to: number): Promise<number[][]> {
  const step = jit(vmap(trainers));
  const losses: number[][] = [];
  for (let i = from; i < to; i++) {
    const x = random.normal(random.key(i), [2, 6, 4]);
    const labels = random.randint(random.key(100 + i), [2, 6], 0, 3);
    losses.push(Array.from(await step(x, labels).data()));
  }
  return losses;
}

let folder: string;
beforeAll(() => {
  setDevice("cpu");
  folder = mkdtempSync(join(tmpdir(), "lanewise-checkpoint-"));
});
afterEach(() => void setDevice("cpu"));
afterAll(() => rmSync(folder, { recursive: true }));

type Weights = Record<string, Tensor>;
interface Format {
  save(path: string, weights: Weights): Promise<void>;
  load(path: string): Promise<Weights>;
}
const formats: Readonly<Record<"safetensors" | "npz", Format>> = {
  safetensors: { save: files.saveSafetensors, load: files.loadSafetensors },
  npz: { save: files.saveNpz, load: files.loadNpz },
};

/** Trains once without interruption, and once with other objects from the file of step 3 on. */
async function checkResumed(rule: Rule, format: keyof typeof formats): Promise<void> {
  const { save, load } = formats[format];
  const path = (name: string): string => join(folder, `${name}.${format}`);
  const straight = trainersOf(rule, 1);
  await train(straight, 0, 3);
  await save(path("half"), straight.stateDict());
  const losses = await train(straight, 3, 8);
  await save(path("straight"), straight.stateDict());

  const resumed = trainersOf(rule, 2);
  const [other] = await train(resumed, 0, 1); // these have been trained on something else
  expect(other).not.toEqual(losses[0]);
  resumed.loadStateDict(await load(path("half")));
  expect(await train(resumed, 3, 8)).toEqual(losses);
  await save(path("resumed"), resumed.stateDict());
  expect(readFileSync(path("resumed")).equals(readFileSync(path("straight")))).toBe(true);
  expect(readFileSync(path("resumed")).equals(readFileSync(path("half")))).toBe(false);
}

describe("training goes on from a file with the same bits", () => {
  test.each(Object.entries(rules))("%s", async (_, rule) => {
    await checkResumed(rule, "safetensors");
  });

  test("from npz too", () => checkResumed(rules.amsgrad!, "npz"));

  gpuTest(
    "on the GPU",
    async () => {
      setDevice("gpu");
      await checkResumed(rules.amsgrad!, "safetensors");
    },
    180_000,
  );
});

describe("a checkpoint", () => {
  test("holds nets, running statistics and moments by their paths", () => {
    const paths = Object.keys(trainersOf(rules.nesterov!, 1).stateDict());
    expect(paths).toContain("items.0.net.layers.0.weight");
    expect(paths).toContain("items.1.net.layers.1.variance");
    expect(paths).toContain("items.1.optimiser.states.moments.velocity.layers.3.bias");
    expect(paths).toContain("items.0.optimiser.states.step");
  });

  test("of one model goes on in an ensemble", async () => {
    const [first, second] = trainersOf(rules.amsgrad!, 1).items as [Trainer, Trainer];
    const lone = jit(first);
    await lone(random.normal(random.key(0), [6, 4]), random.randint(random.key(1), [6], 0, 3)).data();
    const bytes = await files.saveSafetensors(first.stateDict());
    const trainers = trainersOf(rules.amsgrad!, 2);
    await train(trainers, 0, 1); // its parameters lie in a stack now
    trainers.items[0]!.loadStateDict(await files.loadSafetensors(bytes));
    trainers.items[1]!.loadStateDict(second.stateDict());
    const alone = [await train(new nn.ModuleList([first, second]), 3, 5), await train(trainers, 3, 5)];
    expect(alone[1]).toEqual(alone[0]);
  });

  test("that does not fit changes nothing", async () => {
    const trainers = trainersOf(rules.amsgrad!, 1);
    const before = await files.saveSafetensors(trainers.stateDict());
    const { "items.0.optimiser.states.step": _, ...missing } = trainers.stateDict();
    expect(() => trainers.loadStateDict(missing)).toThrow(StateDictError);
    expect(() => trainers.loadStateDict(trainersOf(rules.sgd!, 1).stateDict())).toThrow(
      /no value for items.0.optimiser.states.moments.first/,
    );
    const wide = { ...trainers.stateDict(), "items.1.net.layers.3.bias": random.normal(random.key(0), [4]) };
    expect(() => trainers.loadStateDict(wide)).toThrow(StateDictError);
    const torn = before.slice(0, before.length - 10);
    await expect(files.loadSafetensors(torn)).rejects.toThrow(FileError);
    expect(await files.saveSafetensors(trainers.stateDict())).toEqual(before);
  });
});
