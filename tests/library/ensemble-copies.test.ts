// Ensembles share memory: which calls copy parameters, and how often.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  counters,
  jit,
  nn,
  ones,
  optim,
  relu,
  setDevice,
  type Tensor,
  tensor,
  valueAndGrad,
  vmap,
} from "../../index.js";
import { countersSince } from "../../runtime/counters.js";
import { describeGpu } from "../support/gpu.js";

class Net extends nn.Module {
  readonly weight: nn.Parameter;
  readonly bias = new nn.Parameter(tensor([0.1, -0.1]));
  readonly calls = new nn.State(tensor([0]));

  constructor(seed: number) {
    super();
    const row = [seed, 1 / seed];
    this.weight = new nn.Parameter(tensor([row, [-0.5, 0.25], row]));
  }

  forward(x: Tensor): Tensor {
    this.calls.assign(this.calls.add(1));
    return relu(x.matmul(this.weight).add(this.bias));
  }
}

class Trainer extends nn.Module {
  readonly optimiser: nn.Optimiser;

  constructor(
    readonly net: Net,
    learningRate: number,
  ) {
    super();
    this.optimiser = new nn.Optimiser(optim.adam({ learningRate }), net.parameters());
  }

  forward(inputs: Tensor, targets: Tensor): Tensor {
    const loss = (): Tensor => nn.meanSquaredError(this.net.forward(inputs), targets);
    const [value, gradients] = valueAndGrad(loss, { wrt: this.net.parameters() })();
    this.optimiser.forward(gradients);
    return value;
  }
}

const inputs = tensor([
  [1, 2, 3],
  [0, 1, 0],
]);
const targets = tensor([
  [1, 2],
  [0, 1],
]);

const make = () => {
  const nets = [1, 2, 0.5, 3].map((seed) => new Net(seed));
  return { nets, trainers: nets.map((net, k) => new Trainer(net, 0.01 * (k + 1))) };
};

/** Weight, bias, calls; step, and two moments of both parameters. */
const VARIABLES = 3 + 1 + 4;

/** What `work` copied: stacked, gathered, and read out one by one. */
async function copied(work: () => unknown): Promise<readonly number[]> {
  const before = counters();
  await work();
  const { arraysStacked, arraysGathered, entriesCopied } = countersSince(before);
  return [arraysStacked, arraysGathered, entriesCopied];
}

const suite = (): void => {
  test("the same models in the same order copy nothing, whoever holds them", async () => {
    const { nets, trainers } = make();
    const step = jit(vmap(trainers, { inAxes: null }));
    expect(await copied(() => step(inputs, targets).data())).toEqual([VARIABLES, 0, 0]);
    expect(await copied(() => step(inputs, targets).data())).toEqual([0, 0, 0]);
    const others = new nn.ModuleList(nets.map((net) => new nn.Sequential(net)));
    const infer = jit(vmap(nets, { inAxes: null }));
    for (let i = 0; i < 2; i++) {
      expect(await copied(() => infer(inputs).data())).toEqual([0, 0, 0]);
      expect(await copied(() => vmap(nets, { inAxes: null })(inputs).data())).toEqual([0, 0, 0]);
      expect(await copied(() => vmap(others, { inAxes: null })(inputs).data())).toEqual([0, 0, 0]);
      expect(await copied(() => step(inputs, targets).data())).toEqual([0, 0, 0]);
    }
    expect([step.cacheSize, infer.cacheSize]).toEqual([1, 1]);
    const ops = [step.lower(inputs, targets), infer.lower(inputs)].flatMap(({ graph }) => graph.eqns);
    expect(ops.filter(({ op }) => ["concatenate", "gather", "dynamicUpdateSlice"].includes(op.name))).toEqual([]);
  });

  test("one of them in between is read and written where it is", async () => {
    const { nets, trainers } = make();
    const step = jit(vmap(trainers, { inAxes: null }));
    await step(inputs, targets).data();
    const single = jit(nets[1]!);
    const train = jit(trainers[2]!);
    for (let i = 0; i < 2; i++) {
      expect(await copied(() => single(inputs).data())).toEqual([0, 0, 0]);
      expect(await copied(() => nets[0]!.forward(inputs).data())).toEqual([0, 0, 0]);
      expect(await copied(() => train(inputs, targets).data())).toEqual([0, 0, 0]);
      expect(await copied(() => nets[3]!.bias.assign(tensor([i, 1])))).toEqual([0, 0, 0]);
      expect(await copied(() => step(inputs, targets).data())).toEqual([0, 0, 0]);
    }
    expect([step.cacheSize, single.cacheSize, train.cacheSize]).toEqual([1, 1, 1]);
    expect(await copied(() => nets[0]!.bias.data())).toEqual([0, 0, 1]);
  });

  test("some of them, or another order, are gathered once, and again when they have changed", async () => {
    const { nets, trainers } = make();
    const step = jit(vmap(trainers, { inAxes: null }));
    await step(inputs, targets).data();
    for (const net of nets) net.calls.assign(tensor([0]));
    const frozen = (net: Net): nn.Sequential =>
      new nn.Sequential((x: Tensor) => relu(x.matmul(net.weight).add(net.bias)));
    for (const order of [
      [1, 2],
      [3, 2, 1, 0],
      [0, 3, 1],
    ]) {
      const some = jit(
        vmap(
          order.map((k) => frozen(nets[k]!)),
          { inAxes: null },
        ),
      );
      const all = vmap(nets.map(frozen), { inAxes: null });
      const check = async (): Promise<void> => {
        const [got, want] = [await some(inputs).toArray(), (await all(inputs).toArray()) as unknown[]];
        expect(got).toEqual(order.map((k) => want[k]));
      };
      expect(await copied(check)).toEqual([0, 2, 0]);
      expect(await copied(check)).toEqual([0, 0, 0]);
      await step(inputs, targets).data();
      expect(await copied(check)).toEqual([0, 2, 0]);
      expect(await copied(check)).toEqual([0, 0, 0]);
      expect(some.cacheSize).toBe(1);
    }
    expect(step.cacheSize).toBe(1);
  });

  test("some of them are trained where they are, in turns with all", async () => {
    const { nets, trainers } = make();
    const apart = make();
    const step = jit(vmap(trainers, { inAxes: null }));
    const orders = [
      [1, 2],
      [3, 0],
    ];
    const some = orders.map((order) =>
      jit(
        vmap(
          order.map((k) => trainers[k]!),
          { inAxes: null },
        ),
      ),
    );
    const alone = apart.trainers.map((trainer) => jit(trainer));
    await step(inputs, targets).data();
    for (const train of alone) await train(inputs, targets).data();
    for (let i = 0; i < 3; i++) {
      for (const [j, order] of orders.entries()) {
        const losses: number[] = [];
        expect(await copied(async () => losses.push(...(await some[j]!(inputs, targets).data())))).toEqual([0, 0, 0]);
        for (const [at, k] of order.entries())
          expect(losses[at]!).toBeCloseTo(await alone[k]!(inputs, targets).item(), 5);
      }
      expect(await copied(() => step(inputs, targets).data())).toEqual([0, 0, 0]);
      for (const train of alone) await train(inputs, targets).data();
    }
    expect([step, ...some].map(({ cacheSize }) => cacheSize)).toEqual([1, 1, 1]);
    for (const [k, net] of nets.entries()) {
      expect(await net.calls.toArray()).toEqual([7]);
      const want = await apart.nets[k]!.weight.data();
      for (const [i, x] of (await net.weight.data()).entries()) expect(x).toBeCloseTo(want[i]!, 5);
    }
  });

  test("sets that overlap come to rest in one stack", async () => {
    const { trainers } = make();
    const pair = (j: number, k: number) => jit(vmap([trainers[j]!, trainers[k]!], { inAxes: null }));
    const steps = [pair(0, 1), pair(2, 3), pair(1, 2)];
    for (const step of steps) await step(inputs, targets).data();
    for (const step of steps) await step(inputs, targets).data();
    expect(
      await copied(async () => {
        for (const step of steps) await step(inputs, targets).data();
      }),
    ).toEqual([0, 0, 0]);
  });

  test("constants of the models are put side by side once", async () => {
    class Shifted extends nn.Module {
      readonly shift: Tensor;
      constructor(
        readonly net: Net,
        k: number,
      ) {
        super();
        this.shift = tensor([k, -k]);
      }
      forward(x: Tensor): Tensor {
        return x.matmul(this.net.weight).add(this.shift);
      }
    }
    const { nets } = make();
    const models = nets.map((net, k) => new Shifted(net, k));
    const run = jit(vmap(models, { inAxes: null }));
    expect(await copied(() => run(inputs).data())).toEqual([1, 1, 0]);
    for (let i = 0; i < 2; i++) {
      expect(await copied(() => run(inputs).data())).toEqual([0, 0, 0]);
      expect(await copied(() => vmap(models, { inAxes: null })(inputs).data())).toEqual([0, 0, 0]);
    }
    const want = await Promise.all(models.map((model) => model.forward(inputs).toArray()));
    expect(await run(inputs).toArray()).toEqual(want);
  });

  test("one is copied out when it is read by itself, once while it stays as it is, and can be given away", async () => {
    const { nets } = make();
    const run = jit(vmap(nets, { inAxes: null }));
    await run(inputs).data();
    const [first, second] = nets as [Net, Net];
    const double = jit((x: Tensor) => x.mul(2), { donateArgnums: 0 });
    expect(await copied(() => double(first.bias).data())).toEqual([0, 0, 1]);
    expect(await first.bias.toArray()).toEqual(await second.bias.toArray());
    expect(await double(first.bias).toArray()).toEqual(await second.bias.mul(2).toArray());
    const kept = second.bias.snapshot();
    second.bias.assign(tensor([0, 0]));
    expect(await second.bias.toArray()).toEqual([0, 0]);
    expect(await kept.toArray()).toEqual(await first.bias.toArray());
  });

  test("each of them alone gives its row of the ensemble", async () => {
    const { nets, trainers } = make();
    const step = jit(vmap(trainers, { inAxes: null }));
    for (let i = 0; i < 5; i++) await step(inputs, targets).data();
    const rows = (await vmap(nets, { inAxes: null })(inputs).toArray()) as number[][][];
    for (const [k, net] of nets.entries()) {
      for (const one of [net.forward(inputs), jit(net)(inputs)]) {
        const got = (await one.toArray()) as number[][];
        got.flat().forEach((x, i) => {
          const want = rows[k]!.flat()[i]!;
          expect(Math.abs(x - want)).toBeLessThanOrEqual(1e-6 * Math.abs(want));
        });
      }
    }
  });
};

describe("on the CPU", () => {
  beforeAll(() => setDevice("cpu"));
  suite();

  test("steps of one, and of some, are compiled to write their rows alone, in the memory of the stacks", async () => {
    class Wide extends nn.Module {
      readonly layers = new nn.Sequential(new nn.Dense(64, 48), relu, new nn.Dense(48, 32));
      readonly optimiser = new nn.Optimiser(optim.adam({ learningRate: 0.1 }), this.layers.parameters());

      forward(x: Tensor): Tensor {
        const loss = (): Tensor => this.layers.forward(x).square().mean();
        const [value, gradients] = valueAndGrad(loss, { wrt: this.layers.parameters() })();
        this.optimiser.forward(gradients);
        return value;
      }
    }
    const models = [0, 1, 2, 3].map(() => new Wide());
    const x = ones([128, 64]);
    await jit(vmap(models, { inAxes: null }))(x).data();
    for (const [step, count] of [
      [jit(models[2]!), 1],
      [jit(vmap(models.slice(1, 3), { inAxes: null })), 2],
    ] as const) {
      const lowered = step.lower(x);
      // two weights with their moments
      const weights = lowered.text("plan").match(/output\d+: (49152|24576) bytes.*/g)!;
      expect(weights).toHaveLength(6);
      for (const line of weights) expect(line).toContain("in the memory of");
      const kernels = lowered.text("kernels");
      for (const size of [64 * 48, 48 * 32]) expect(kernels).toContain(`${count * size} from `);
    }
  });
});

describeGpu("on the GPU", () => {
  beforeAll(() => setDevice("gpu"));
  afterAll(() => setDevice("cpu"));
  suite();

  test("steps of all, of some and of one make no buffers and no dispatches beside their own", async () => {
    const { trainers } = make();
    const steps = [
      jit(vmap(trainers, { inAxes: null })),
      jit(vmap(trainers.slice(1, 3), { inAxes: null })),
      jit(trainers[0]!),
    ];
    const round = async (): Promise<void> => {
      for (const step of steps) await step(inputs, targets).data();
    };
    for (let i = 0; i < 3; i++) await round();
    const kernels = steps.map((step) => step.lower(inputs, targets).wgsl.length);
    const before = counters();
    for (let i = 0; i < 3; i++) await round();
    const since = countersSince(before);
    expect(since.dispatches).toBe(3 * kernels.reduce((sum, n) => sum + n, 0));
    expect(since.buffersCreated).toBe(0);
    expect(since.bytesUploaded).toBe(0);
    expect(since.donationsKept).toBe(0);
  });
});
