// Optimisers as modules: stepping is what their functions do, alone, jitted and in ensembles with numbers of their own.
import { type DeviceKind, jit, nn, optim, random, setDevice, type Tensor, tensor, valueAndGrad, vmap } from "lanewise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";

beforeAll(() => setDevice("cpu"));
afterAll(() => setDevice("cpu"));

const x = random.normal(random.key(1), [6, 3]);
const targets = random.normal(random.key(2), [6, 2]);

/** Each rule with a learning rate. */
const rules: Record<string, (learningRate: number) => optim.Optimiser> = {
  sgd: (learningRate) => optim.sgd({ learningRate }),
  momentum: (learningRate) => optim.sgd({ learningRate, momentum: 0.9 }),
  nesterov: (learningRate) => optim.sgd({ learningRate, momentum: 0.9, nesterov: true }),
  rmsprop: (learningRate) => optim.rmsprop({ learningRate, centered: true, momentum: 0.5 }),
  adam: (learningRate) => optim.adam({ learningRate }),
  adamw: (learningRate) =>
    optim.adamw({ learningRate, weightDecay: 0.1, decayMask: ([path]) => String(path).endsWith("weight") }),
  amsgrad: (learningRate) => optim.adam({ learningRate, amsgrad: true }),
  "amsgrad, corrected": (learningRate) => optim.adam({ learningRate, amsgrad: "corrected" }),
  "a schedule": (initial) => optim.adam({ learningRate: optim.exponentialDecay({ initial, decay: 0.5, steps: 2 }) }),
  "clipping by norm": (learningRate) => optim.chain(optim.clipByGlobalNorm(0.1), optim.adam({ learningRate })),
  "clipping by value": (learningRate) => optim.chain(optim.clipByValue(0.05), optim.sgd({ learningRate })),
};

const STEPS = 4;
const RATES = [0.1, 0.02, 0.003];

class Trainer extends nn.Module {
  readonly net: nn.Dense;
  readonly optimiser: nn.Optimiser;

  constructor(rule: optim.Optimiser, seed: number) {
    super();
    this.net = new nn.Dense(3, 2, { key: random.key(seed) });
    this.optimiser = new nn.Optimiser(rule, this.net.parameters());
  }

  forward(): Tensor {
    const loss = (): Tensor => nn.huber(this.net.forward(x), targets);
    const [value, gradients] = valueAndGrad(loss, { wrt: this.net.parameters() })();
    this.optimiser.step(gradients);
    return value;
  }
}

/** The losses and the last weights of plain functions. */
async function byFunctions(rule: optim.Optimiser, seed: number): Promise<number[]> {
  const { weight, bias } = new nn.Dense(3, 2, { key: random.key(seed) }).stateDict() as {
    weight: Tensor;
    bias: Tensor;
  };
  let params = { weight, bias };
  let state = rule.init(params);
  const loss = (p: typeof params): Tensor => nn.huber(x.matmul(p.weight).add(p.bias), targets);
  const losses: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    const [value, gradients] = valueAndGrad(loss)(params);
    losses.push(await value.item());
    [params, state] = rule.update(gradients, state, params);
  }
  return [...losses, ...(await params.weight.data()), ...(await params.bias.data())];
}

const expectClose = (got: readonly number[], want: readonly number[]): void => {
  expect(got.length).toBe(want.length);
  want.forEach((y, i) => void expect(got[i]).toBeCloseTo(y, 4));
};

const weightsOf = async ({ net }: Trainer): Promise<number[]> => [
  ...(await net.weight.data()),
  ...(await net.bias!.data()),
];

async function expectAlike(name: string, device: DeviceKind): Promise<void> {
  await setDevice(device);
  const make = rules[name]!;
  const want = await Promise.all(RATES.map((rate, k) => byFunctions(make(rate), k)));
  const trainers = RATES.map((rate, k) => new Trainer(make(rate), k));
  const together = jit(vmap(trainers, { inAxes: null }));
  const losses: number[][] = [];
  for (let i = 0; i < STEPS; i++) losses.push([...(await together().data())]);
  expect(together.cacheSize).toBe(1);
  for (const [k, trainer] of trainers.entries()) {
    expectClose([...losses.map((row) => row[k]!), ...(await weightsOf(trainer))], want[k]!);
    expect(await trainer.optimiser.states.step!.item()).toBe(STEPS);
  }
  const alone = new Trainer(make(RATES[1]!), 1);
  const step = jit(alone);
  const own: number[] = [];
  for (let i = 0; i < STEPS; i++) own.push(await step().item());
  expectClose([...own, ...(await weightsOf(alone))], want[1]!);
}

describe("models with a learning rate each step as the functions do", () => {
  test.each(Object.keys(rules))("%s", (name) => expectAlike(name, "cpu"));

  gpuTest(
    "on the GPU",
    async () => {
      for (const name of ["momentum", "rmsprop", "adamw", "amsgrad"]) await expectAlike(name, "gpu");
      await setDevice("cpu");
    },
    180_000,
  );
});

test("the two forms of amsgrad differ, as do their learning rates' models", async () => {
  const [plain, corrected] = await Promise.all(
    ["amsgrad", "amsgrad, corrected"].map((name) => byFunctions(rules[name]!(0.1), 0)),
  );
  expect(plain).not.toEqual(corrected);
});

test("a step takes gradients by the names of the parameters, and refuses others", async () => {
  const net = new nn.Dense(1, 1, { weight: nn.initialisers.ones() });
  const optimiser = new nn.Optimiser(optim.sgd({ learningRate: 0.5 }), net.parameters());
  optimiser.step({ weight: tensor([[1]]), bias: tensor([4]) });
  expect(await net.weight.toArray()).toEqual([[0.5]]);
  expect(await net.bias!.toArray()).toEqual([-2]);
  expect(() => optimiser.step({ weight: tensor([[1]]) })).toThrow(/gradients is an object with keys weight/);
  expect(() => optimiser.step({ weight: tensor([1]), bias: tensor([4]) })).toThrow(/gradients\.weight is f32\[1\]/);
  expect(await net.weight.toArray()).toEqual([[0.5]]);
});

test("frozen parameters stay as they are", async () => {
  const net = new nn.Sequential(new nn.Dense(3, 4), new nn.Dense(4, 2));
  net.layers[0]!.freeze();
  const optimiser = new nn.Optimiser(optim.adam({ learningRate: 0.1 }), net.parameters());
  const before = net.stateDict();
  const loss = (): Tensor => nn.meanSquaredError(net.forward(x), targets);
  optimiser.step(valueAndGrad(loss, { wrt: net.parameters() })()[1]);
  const after = net.stateDict();
  expect(await after["layers.0.weight"]!.data()).toEqual(await before["layers.0.weight"]!.data());
  expect(await after["layers.1.weight"]!.data()).not.toEqual(await before["layers.1.weight"]!.data());
  expect(Object.keys(optimiser.states)).toEqual([
    "moments.first.layers.1.bias",
    "moments.first.layers.1.weight",
    "moments.second.layers.1.bias",
    "moments.second.layers.1.weight",
    "step",
  ]);
});
