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

/** LeNet-5: f32[…, 1, 32, 32] -> f32[…, 10]. */
const leNet = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(1, 6, 5),
    relu,
    new nn.MaxPool(2),
    new nn.Conv2d(6, 16, 5),
    relu,
    new nn.MaxPool(2),
    new nn.Flatten(),
    new nn.Dense(400, 120),
    relu,
    new nn.Dense(120, 84),
    relu,
    new nn.Dense(84, 10),
  );

describe("each layer gives for a batch what it gives for its examples", () => {
  const layers: Record<string, [nn.Module, Tensor]> = {
    Dense: [new nn.Dense(4, 3), random.normal(random.key(2), [5, 4])],
    "Dense without bias": [new nn.Dense(4, 3, { bias: false }), random.normal(random.key(2), [5, 4])],
    "Conv1d, dilated": [
      new nn.Conv1d(2, 3, [2], { rhsDilation: 2, bias: false }),
      random.normal(random.key(3), [4, 2, 9]),
    ],
    Conv1d: [new nn.Conv1d(2, 3, 3), random.normal(random.key(3), [4, 2, 9])],
    Conv2d: [new nn.Conv2d(2, 3, 3, { padding: "same", strides: 2 }), images],
    "Conv2d in groups": [new nn.Conv2d(2, 4, [3, 1], { groups: 2 }), images],
    MaxPool: [new nn.MaxPool(2), images],
    "MaxPool, strides": [new nn.MaxPool(3, { strides: 1, padding: "same" }), images],
    AvgPool: [new nn.AvgPool([2, 2]), images],
    Flatten: [new nn.Flatten(), images],
    LayerNorm: [new nn.LayerNorm(8), images],
    BatchNorm: [new nn.BatchNorm(2, { spatial: 2 }).eval(), images],
    "Flatten of two axes": [new nn.Flatten(2), images],
    "Dropout in use": [new nn.Dropout(0.5).eval(), images],
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

describe("a whole net maps over images in any layout", () => {
  const expectMaps = async (): Promise<void> => {
    const net = leNet();
    const batch = random.normal(random.key(4), [5, 1, 32, 32]);
    const whole = net.forward(batch);
    expect(whole.shape).toEqual([5, 10]);
    await near(vmap(net, { inAxes: -1 })(batch.moveAxis(0, -1)) as Tensor, whole, 4); // [1, 32, 32, 5]
    await near(jit(vmap(net, { inAxes: 2, outAxes: 1 }))(batch.moveAxis(0, 2)).transpose(), whole, 4);
    await near(net.forward(batch.at(3)), whole.at(3), 4);
    // batches of batches: two lanes of two images
    const pairs = batch.slice([0, 4]).reshape([2, 2, 1, 32, 32]);
    await near((vmap(net)(pairs) as Tensor).reshape([4, 10]), whole.slice([0, 4]), 4);
  };

  test("on the CPU", expectMaps, 60_000);

  describeGpu("on the GPU", () => {
    test("as on the CPU", async () => {
      setDevice("gpu");
      try {
        await expectMaps();
      } finally {
        setDevice("cpu");
      }
    }, 180_000);
  });
});

test("weights start as their initialisers say", async () => {
  const { normal, xavierNormal, heUniform, zeros, constant } = nn.initialisers;
  const key = random.key(9);
  for (const weight of [normal(0.01), xavierNormal(), heUniform(), zeros()]) {
    const dense = new nn.Dense(6, 5, { weight, bias: constant(2), key });
    expect(await dense.weight.data()).toEqual(await weight(key, [6, 5]).data());
    expect([...(await dense.bias!.data())]).toEqual([2, 2, 2, 2, 2]);
    // fans of filters are counted over the window
    const conv = new nn.Conv2d(3, 4, 2, { weight, key });
    expect(await conv.weight.data()).toEqual(await weight(key, [4, 3, 2, 2]).data());
    const embedding = new nn.Embedding(4, 3, { table: weight, key });
    expect(await embedding.table.data()).toEqual(await weight(key, [4, 3]).data());
  }
});

test("layers that cannot be are refused", () => {
  expect(() => new nn.Dense(0, 3)).toThrow(/number of inputs is 0, but a whole number from 1 on is wanted/);
  expect(() => new nn.Dense(3, 2.5)).toThrow(/number of outputs is 2\.5/);
  expect(() => new nn.Dense(3, 2, { biass: false } as never)).toThrow(/no option 'biass'; there are weight, bias, key/);
  expect(() => new nn.Conv2d(3, 4, 3, { groups: 2 })).toThrow(/Conv2d: 3 inputs and 4 outputs do not divide into 2/);
  expect(() => new nn.Conv2d(3, 4, [3])).toThrow(/Conv2d: a window of 1 axes is given, but 2 are wanted/);
  expect(() => new nn.Conv1d(3, 4, 0)).toThrow(/Conv1d: the size of the window is 0/);
  expect(() => new nn.Embedding(-1, 4)).toThrow(/number of entries is -1/);
  expect(() => new nn.LayerNorm(0)).toThrow(/number of features is 0/);
  expect(() => new nn.BatchNorm(2, { momentum: 1.5 })).toThrow(/momentum of 1\.5/);
  expect(() => new nn.Sequential(nn.Dense as never)).toThrow(/layer 0 is the class Dense, but a module or a function/);
  expect(() => new nn.Embedding(3, 4).forward(tensor([0.5]))).toThrow(/f32/);
  expect(() => new nn.Conv2d(3, 4, 3).forward(images)).toThrow(/w f32\[4,3,3,3\]/);
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
    this.optimiser.step(gradients);
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
