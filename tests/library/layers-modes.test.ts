// Layers that differ between training and use: dropout and batch normalisation, alone and under every transform.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  counters,
  type DeviceKind,
  grad,
  jit,
  nn,
  random,
  relu,
  setDevice,
  type Tensor,
  TraceError,
  tensor,
  vmap,
} from "../../index.js";
import { gpuTest } from "../support/gpu.js";

beforeAll(() => setDevice("cpu"));
afterAll(() => setDevice("cpu"));

const near = async (got: Tensor, want: Tensor, digits = 5): Promise<void> => {
  expect(got.shape).toEqual(want.shape);
  const [x, y] = [await got.data(), await want.data()];
  x.forEach((value, i) => void expect(value).toBeCloseTo(y[i]!, digits));
};

const ones = tensor(new Float32Array(4000).fill(1));
const key = random.key(0);

describe("Dropout", () => {
  test("leaves out some, and keeps the mean", async () => {
    const dropout = new nn.Dropout(0.25);
    const y = await dropout.forward(ones, key).data();
    const left = [...y].filter((value) => value !== 0);
    expect(left.length / 4000).toBeCloseTo(0.75, 1);
    expect(left.every((value) => Math.abs(value - 4 / 3) < 1e-6)).toBe(true);
    expect(dropout.eval().forward(ones, key)).toBe(ones);
    expect(() => new nn.Dropout(1)).toThrow(/rate of 1/);
  });

  test("leaves out the same for the same key, and others for another", async () => {
    const dropout = new nn.Dropout(0.5);
    const run = jit(dropout);
    const want = await dropout.forward(ones, key).data();
    expect(await run(ones, key).data()).toEqual(want);
    expect(await run(ones, random.key(1)).data()).not.toEqual(want);
    expect(run.cacheSize).toBe(1);
    dropout.eval();
    expect(await run(ones, key).data()).toEqual(await ones.data());
  });

  test("takes a key for each lane, or one for all", async () => {
    const dropout = new nn.Dropout(0.5);
    const lanes = ones.reshape([4, 1000]);
    const keys = random.split(key, 4);
    const own = await (vmap(dropout)(lanes, keys) as Tensor).data();
    const alone = await dropout.forward(lanes.at(2), keys.at(2)).data();
    expect(own.slice(2000, 3000)).toEqual(alone);
    expect(own.slice(0, 1000)).not.toEqual(alone);
    const shared = await (vmap(dropout, [0, null])(lanes, key) as Tensor).data();
    expect(shared.slice(0, 1000)).toEqual(shared.slice(3000));
  });

  test("passes gradients where it passes values, as large", async () => {
    const dropout = new nn.Dropout(0.5);
    const y = await dropout.forward(ones, key).data();
    const dx = await grad((x: Tensor) => dropout.forward(x, key).sum())(ones).data();
    expect(dx).toEqual(y);
  });

  test("without a key is an error while it trains, with the way out", () => {
    expect(() => new nn.Dropout(0.5).forward(ones)).toThrow(TraceError);
    expect(() => new nn.Sequential(new nn.Dropout(0.5)).forward(ones)).toThrow(
      /forward\(x, random\.key\(0\)\).*eval\(\)/,
    );
  });

  test("has a rate of its own in each model of an ensemble", async () => {
    const models = [new nn.Dropout(0.2), new nn.Dropout(0.8)];
    const together = vmap(models, { inAxes: null })(ones, key) as Tensor;
    for (const [k, model] of models.entries()) await near(together.at(k), model.forward(ones, key));
  });
});

describe("a Sequential", () => {
  test("gives each layer that takes a key its own", async () => {
    const seen: (Tensor | undefined)[] = [];
    class Spy extends nn.Module {
      forward(x: Tensor, own?: Tensor): Tensor {
        seen.push(own);
        return x;
      }
    }
    class Plain extends nn.Module {
      forward(x: Tensor, ...more: unknown[]): Tensor {
        expect(more).toEqual([]);
        return x;
      }
    }
    const net = new nn.Sequential(new Spy(), new Plain(), relu, new nn.Sequential(new Spy()), new nn.Dropout(0.5));
    await net.forward(ones, key).data();
    const [first, second] = await Promise.all(seen.map((x) => x!.data()));
    expect(first).not.toEqual(second);
    expect(first).not.toEqual(await key.data());
    net.eval();
    expect(await net.forward(ones).data()).toEqual(await ones.data());
  });
});

describe("BatchNorm", () => {
  const x = tensor([
    [1, 10],
    [3, 30],
  ]);

  test("keeps running statistics, and uses them", async () => {
    const norm = new nn.BatchNorm(2);
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

  /** A jitted net in training, then in use, with each of two models alone and both together. */
  async function expectModes(device: DeviceKind): Promise<void> {
    await setDevice(device);
    const make = (): nn.Sequential => {
      nn.seed(2);
      return new nn.Sequential(new nn.Dense(2, 3), new nn.BatchNorm(3), relu);
    };
    const [eager, jitted, first, second] = [make(), make(), make(), make()];
    (second.layers[0] as nn.Dense).weight.assign(tensor([[1, 2, 3], [-1, 0, 1]])); // biome-ignore format: rows
    const run = jit(jitted);
    const together = jit(vmap([first, second], { inAxes: null }));
    for (let i = 0; i < 3; i++) {
      const want = eager.forward(x);
      await near(run(x), want, 4);
      await near((together(x) as Tensor).at(0), want, 4);
    }
    const statistics = (net: nn.Sequential): Tensor => net.stateDict()["layers.1.mean"]!;
    await near(statistics(jitted), statistics(eager));
    await near(statistics(first), statistics(eager));
    expect(await statistics(second).toArray()).not.toEqual(await statistics(first).toArray());
    for (const net of [eager, jitted, first, second]) net.eval();
    const want = eager.forward(x);
    const before = await statistics(eager).data();
    await near(run(x), want, 4);
    await near((together(x) as Tensor).at(0), want, 4);
    await near(vmap(jitted, { inAxes: -1 })(x.transpose()) as Tensor, want, 4);
    expect(await statistics(jitted).data()).toEqual(await statistics(first).data());
    expect(await statistics(eager).data()).toEqual(before);
    await near(together(x).at(1), second.forward(x), 4);
  }

  test("moves them under jit and in ensembles, and leaves them in use", () => expectModes("cpu"));

  gpuTest("and so it does on the GPU", async () => {
    await expectModes("gpu");
    // the statistics of a jitted step stay in their memory
    const norm = new nn.BatchNorm(64);
    const run = jit(norm);
    const batch = random.normal(key, [8, 64]);
    for (let i = 0; i < 3; i++) await run(batch).data();
    const before = counters();
    await run(batch).data();
    expect(counters().submits - before.submits).toBe(1);
    await setDevice("cpu");
  });

  test("takes gradients through the statistics of its batch", async () => {
    const norm = new nn.BatchNorm(1);
    // y = (x − mean) / sd does not change when all x move alike, nor (but for ε) when they all grow
    const w = tensor([[1], [0], [2]]);
    const dx = await grad((v: Tensor) => norm.forward(v).mul(w).sum())(tensor([[1], [2], [6]])).data();
    expect(dx[0]! + dx[1]! + dx[2]!).toBeCloseTo(0, 4);
    expect(dx[0]! + 2 * dx[1]! + 6 * dx[2]!).toBeCloseTo(0, 4);
    expect(Math.abs(dx[1]!)).toBeGreaterThan(0.1);
  });

  test("over lanes needs the name of their axis", () => {
    const norm = new nn.BatchNorm(2, { axisName: "batch" });
    expect(() => vmap(norm)(x)).toThrow(/name the axis that examples are mapped over/);
    expect(() => vmap(new nn.BatchNorm(2))(tensor([[[1, 2]], [[3, 4]]]))).toThrow(/differs between lanes is assigned/);
  });
});
