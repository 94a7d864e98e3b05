// Layers, and networks of them: on one example, on batches, mapped, as an ensemble, trained.
import { beforeAll, describe, expect, test } from "vitest";
import { grad, jit, nn, optim, random, relu, setDevice, type Tensor, tensor, valueAndGrad, vmap } from "../../index.js";
import { describeGpu } from "../support/gpu.js";

beforeAll(() => setDevice("cpu"));

const near = async (got: Tensor, want: Tensor, digits = 5): Promise<void> => {
  expect(got.shape).toEqual(want.shape);
  const [x, y] = [await got.data(), await want.data()];
  x.forEach((value, i) => void expect(value).toBeCloseTo(y[i]!, digits));
};

const images = random.normal(random.key(1), [3, 2, 8, 8]);

describe("each layer gives for a batch what it gives for its examples", () => {
  const layers: Record<string, [nn.Module, Tensor]> = {
    Dense: [new nn.Dense(4, 3), random.normal(random.key(2), [5, 4])],
    "Dense without bias": [new nn.Dense(4, 3, { bias: false }), random.normal(random.key(2), [5, 4])],
    Conv1d: [new nn.Conv1d(2, 3, 3), random.normal(random.key(3), [4, 2, 9])],
    Conv2d: [new nn.Conv2d(2, 3, 3, { padding: "same", strides: 2 }), images],
    MaxPool: [new nn.MaxPool(2), images],
    AvgPool: [new nn.AvgPool([2, 2]), images],
    Flatten: [new nn.Flatten(), images],
    LayerNorm: [new nn.LayerNorm(8), images],
    BatchNorm: [new nn.BatchNorm(2, { spatial: 2 }).eval(), images],
    Embedding: [new nn.Embedding(7, 3), tensor([0, 6, 2], { dtype: "i32" })],
    Sequential: [
      new nn.Sequential(new nn.Conv2d(2, 4, 3), relu, new nn.MaxPool(2), new nn.Flatten(), new nn.Dense(36, 5)),
      images,
    ],
  };

  for (const [name, [layer, batch]] of Object.entries(layers)) {
    test(name, async () => {
      const whole = layer.forward(batch) as Tensor;
      await near(vmap(layer)(batch) as Tensor, whole);
      await near(layer.forward(batch.at(1)) as Tensor, whole.at(1));
      await near(jit(layer)(batch) as Tensor, whole);
      // the batch along the last axis
      const last = vmap(layer, { inAxes: -1 })(batch.moveAxis(0, -1)) as Tensor;
      await near(last, whole);
    });
  }
});

describe("layers that differ between training and use", () => {
  test("Dropout leaves out some, and keeps the mean", async () => {
    const dropout = new nn.Dropout(0.25);
    const x = tensor(new Float32Array(4000).fill(1));
    const y = await dropout.forward(x, random.key(0)).data();
    const left = [...y].filter((value) => value !== 0);
    expect(left.length / 4000).toBeCloseTo(0.75, 1);
    expect(left.every((value) => Math.abs(value - 4 / 3) < 1e-6)).toBe(true);
    expect(dropout.eval().forward(x, random.key(0))).toBe(x);
    expect(() => new nn.Dropout(1)).toThrow(/rate of 1/);
  });

  test("BatchNorm keeps running statistics, and uses them", async () => {
    const norm = new nn.BatchNorm(2);
    const x = tensor([
      [1, 10],
      [3, 30],
    ]);
    const y = norm.forward(x);
    await near(
      y,
      tensor([
        [-1, -1],
        [1, 1],
      ]),
      4,
    );
    await near(norm.mean, tensor([0.2, 2]));
    await near(norm.variance, tensor([0.9 + 0.1, 0.9 + 10]));
    norm.eval();
    await near(norm.forward(x.at(0)), tensor([0.8, 8 / Math.sqrt(10.9)]), 3);
    expect(() => norm.train().forward(x.at(0))).toThrow(/batch of 2 axes is wanted/);
  });
});

test("nets differ, and a run repeats", async () => {
  nn.seed(3);
  const [a, b] = [new nn.Dense(3, 2), new nn.Dense(3, 2)];
  nn.seed(3);
  const again = new nn.Dense(3, 2);
  expect(await a.weight.toArray()).toEqual(await again.weight.toArray());
  expect(await a.weight.toArray()).not.toEqual(await b.weight.toArray());
  expect(() => new nn.Dense(4, 2).forward(tensor([1, 2, 3]))).toThrow(/4 features along axis -1 are wanted/);
});

/** A dense net that takes a step of its own optimiser, as one module. */
class Trainer extends nn.Module {
  readonly net = new nn.Sequential(new nn.Dense(3, 4), relu, new nn.Dense(4, 2));
  readonly optimiser: nn.Optimiser;

  constructor(learningRate: number) {
    super();
    this.optimiser = new nn.Optimiser(optim.adam({ learningRate, amsgrad: true }), this.net.parameters());
  }

  forward(x: Tensor, labels: Tensor): Tensor {
    const loss = (): Tensor => nn.softmaxCrossEntropy(this.net.forward(x), labels);
    const [value, gradients] = valueAndGrad(loss, { wrt: this.net.parameters() })();
    this.optimiser.forward(gradients);
    return value;
  }
}

const trainers = (): Trainer[] => {
  nn.seed(1);
  return [0.1, 0.01, 0.001].map((rate) => new Trainer(rate));
};
const examples = random.normal(random.key(8), [5, 3]);
const labels = tensor([0, 1, 1, 0, 1], { dtype: "i32" });

const trainTogether = async (): Promise<void> => {
  const [together, apart] = [trainers(), trainers()];
  const step = jit(vmap(together, { inAxes: null }));
  const steps = apart.map((trainer) => jit(trainer));
  for (let i = 0; i < 6; i++) {
    const losses = [...(await step(examples, labels).data())];
    const alone = await Promise.all(steps.map((train) => train(examples, labels).item()));
    losses.forEach((loss, k) => void expect(loss).toBeCloseTo(alone[k]!, 4));
  }
  expect(step.cacheSize).toBe(1);
  for (const [k, trainer] of together.entries()) {
    const values = trainer.stateDict();
    const want = apart[k]!.stateDict();
    expect(Object.keys(values)).toEqual(Object.keys(want));
    expect(await values["optimiser.states.step"]!.item()).toBe(6);
    for (const [path, x] of Object.entries(values)) await near(x, want[path]!, 4);
  }
};

test("nets with their own learning rates train together as they do apart", trainTogether, 60_000);

describeGpu("on the GPU", () => {
  test("nets train together as they do apart", async () => {
    setDevice("gpu");
    try {
      await trainTogether();
    } finally {
      setDevice("cpu");
    }
  }, 180_000);
});

test("training goes on from a checkpoint with the same numbers", async () => {
  const [first] = trainers() as [Trainer];
  for (let i = 0; i < 3; i++) await first.forward(examples, labels).data();
  const resumed = new Trainer(0.1);
  resumed.loadStateDict(first.stateDict());
  for (let i = 0; i < 3; i++) {
    const [a, b] = [first.forward(examples, labels), resumed.forward(examples, labels)];
    expect(await a.item()).toBe(await b.item());
  }
});

test("the gradient of a whole net has the paths of its parameters", async () => {
  const net = new nn.Sequential(new nn.Dense(3, 4), relu, new nn.Dense(4, 1));
  const gradients = grad((x: Tensor) => net.forward(x).sum(), { wrt: net.parameters() })(tensor([1, 2, 3]));
  expect(Object.keys(gradients).sort()).toEqual([
    "layers.0.bias",
    "layers.0.weight",
    "layers.2.bias",
    "layers.2.weight",
  ]);
  expect(await gradients["layers.2.bias"]!.toArray()).toEqual([1]);
});
