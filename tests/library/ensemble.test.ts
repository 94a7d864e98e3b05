// Ensembles: models that are alike as one batched model.
import { beforeAll, describe, expect, test } from "vitest";
import { grad, jit, nn, relu, setDevice, type Tensor, tensor, valueAndGrad, vmap } from "../../index.js";

beforeAll(() => setDevice("cpu"));

class Net extends nn.Module {
  readonly weight: nn.Parameter;
  readonly bias: nn.Parameter;
  readonly calls = new nn.State(tensor(0));

  constructor(
    seed: number,
    readonly slope = 1,
  ) {
    super();
    this.weight = new nn.Parameter(
      tensor([
        [seed, 1],
        [-1, seed],
        [0.5, 2],
      ]),
    );
    this.bias = new nn.Parameter(tensor([0, seed]));
  }

  forward(x: Tensor): Tensor {
    this.calls.assign(this.calls.add(1));
    return relu(x.matmul(this.weight).add(this.bias)).mul(this.slope);
  }
}

/** A net as it is used: it counts nothing. */
class Reader extends nn.Module {
  constructor(readonly net: Net) {
    super();
  }

  forward(x: Tensor): Tensor {
    return relu(x.matmul(this.net.weight).add(this.net.bias));
  }
}

const makeNets = () => [new Net(1), new Net(2), new Net(-1), new Net(0.5)];
const batch = tensor([
  [1, 2, 3],
  [0, 1, 0],
]);
const batches = tensor([
  [
    [1, 2, 3],
    [0, 1, 0],
  ],
  [
    [1, 0, 0],
    [0, 0, 1],
  ],
  [
    [2, 2, 2],
    [1, 1, 1],
  ],
  [
    [0, 0, 0],
    [3, 1, 2],
  ],
]);

const alone = async (nets: readonly Net[], input: (k: number) => Tensor) =>
  Promise.all(nets.map((net, k) => net.forward(input(k)).toArray()));

describe("an ensemble", () => {
  test("shows each model the same, or its own", async () => {
    const nets = makeNets();
    const want = await alone(nets, () => batch);
    expect(await vmap(nets, { inAxes: null })(batch).toArray()).toEqual(want);
    expect(await vmap(new nn.ModuleList(nets), { inAxes: null })(batch).toArray()).toEqual(want);
    const own = await alone(nets, (k) => batches.at(k));
    expect(await vmap(nets)(batches).toArray()).toEqual(own);
    expect(await jit(vmap(nets))(batches).toArray()).toEqual(own);
  });

  test("is one batched model: a product for all", () => {
    const nets = makeNets();
    const { graph } = jit(vmap(nets, { inAxes: null })).lower(batch);
    expect(graph.eqns.filter(({ op }) => op.kind === "contraction")).toHaveLength(1);
  });

  test("writes back what each model assigns", async () => {
    const nets = makeNets();
    const run = jit(vmap(nets, { inAxes: null }));
    run(batch);
    run(batch);
    await nets[2]!.forward(batch).data();
    expect(await Promise.all(nets.map((net) => net.calls.item()))).toEqual([2, 2, 3, 2]);
    run(batch);
    expect(await Promise.all(nets.map((net) => net.calls.item()))).toEqual([3, 3, 4, 3]);
  });

  test("works with some of the models, in any order, and with one", async () => {
    const nets = makeNets();
    await vmap(nets, { inAxes: null })(batch).data();
    const some = [nets[2]!, nets[0]!];
    const want = await alone(some, () => batch);
    expect(await vmap(some, { inAxes: null })(batch).toArray()).toEqual(want);
    expect(await vmap([nets[3]!], { inAxes: null })(batch).toArray()).toEqual(await alone([nets[3]!], () => batch));
  });

  test("gives each model its own numbers", async () => {
    const nets = [new Net(1, 2), new Net(1, 3), new Net(1, 2)];
    expect(await vmap(nets, { inAxes: null })(batch).toArray()).toEqual(await alone(nets, () => batch));
  });

  test("of one model is that model, with an axis in front", async () => {
    for (const wrap of [(nets: Net[]) => vmap(nets), (nets: Net[]) => jit(vmap(new nn.ModuleList(nets)))]) {
      const [net, twin] = [new Net(2), new Net(2)];
      const run = wrap([net]);
      for (const x of [batches.slice([1, 2]), batches.slice([2, 3])])
        expect(await run(x).toArray()).toEqual([await twin.forward(x.at(0)).toArray()]);
      expect(await net.calls.item()).toBe(2);
    }
    class Mean extends nn.Module {
      readonly mean = new nn.State(tensor([0, 0, 0]));
      forward(x: Tensor): Tensor {
        this.mean.assign(x.mean(0));
        return x;
      }
    }
    const mean = new Mean();
    vmap([mean])(batches.slice([0, 1]));
    expect(await mean.mean.toArray()).toEqual([0.5, 1.5, 1.5]);
  });

  test("takes arguments that are mapped, and others that all models are shown", async () => {
    class Scaled extends nn.Module {
      constructor(readonly net: Net) {
        super();
      }
      forward(x: Tensor, options: { readonly scale: Tensor; readonly shift: number }): { readonly y: Tensor } {
        return { y: this.net.forward(x).mul(options.scale).add(options.shift) };
      }
    }
    const nets = makeNets();
    const scales = tensor([1, 2, 3, 4]);
    const run = vmap(
      nets.map((net) => new Scaled(net)),
      { inAxes: [null, { scale: 0, shift: null }], outAxes: { y: -1 } },
    );
    const { y } = run(batch, { scale: scales, shift: 1 });
    const want = await Promise.all(
      nets.map((net, k) =>
        net
          .forward(batch)
          .mul(k + 1)
          .add(1)
          .toArray(),
      ),
    );
    expect(y.shape).toEqual([2, 2, 4]);
    for (const [k, one] of want.entries()) expect(await y.slice(null, null, k).toArray()).toEqual(one);
  });

  test("is mapped itself, and differentiated", async () => {
    const nets = makeNets();
    const readers = nets.map((net) => new Reader(net));
    const rows = tensor([
      [1, 2, 3],
      [0, 1, 0],
      [2, 0, 1],
    ]);
    const mapped = vmap((x: Tensor): Tensor => vmap(readers, { inAxes: null })(x))(rows);
    const want = await Promise.all(readers.map((reader) => reader.forward(rows).toArray()));
    expect(mapped.shape).toEqual([3, 4, 2]);
    expect(await mapped.transpose(1, 0, 2).toArray()).toEqual(want);
    const g = grad((x: Tensor) => vmap(readers, { inAxes: null })(x).sum())(rows.at(0));
    const each = readers.map((reader) => grad((x: Tensor) => reader.forward(x).sum())(rows.at(0)));
    expect(await g.toArray()).toEqual(await each.reduce((sum, x) => sum.add(x)).toArray());
  });

  test("of ensembles writes back what each assigns, and trains each of them", async () => {
    class Pair extends nn.Module {
      constructor(readonly nets: readonly [Net, Net]) {
        super();
      }
      forward(x: Tensor): Tensor {
        return vmap(this.nets, { inAxes: null })(x);
      }
    }
    const pairs = (nets: Net[]) => [new Pair([nets[0]!, nets[1]!]), new Pair([nets[2]!, nets[3]!])];
    const [nets, twins] = [makeNets(), makeNets()];
    const run = jit(vmap(pairs(nets), { inAxes: null }));
    for (let i = 0; i < 2; i++) {
      const [got, want] = [await run(batch).toArray(), await alone(twins, () => batch)];
      expect(got).toEqual([want.slice(0, 2), want.slice(2)]);
    }
    expect(run.cacheSize).toBe(1);
    expect(await Promise.all(nets.map((net) => net.calls.item()))).toEqual([2, 2, 2, 2]);
    // in other groups, with one that lies elsewhere
    const mixed = [nets[0]!, new Net(4), nets[3]!, nets[1]!];
    const got = await vmap(pairs(mixed), { inAxes: null })(batch).toArray();
    const want = await alone([twins[0]!, new Net(4), twins[3]!, twins[1]!], () => batch);
    expect(got).toEqual([want.slice(0, 2), want.slice(2)]);
  });

  test("shares what models share", async () => {
    const nets = makeNets();
    const shared = nets.map((net) => {
      const twin = new Net(1);
      Object.assign(twin, { weight: nets[0]!.weight, bias: net.bias });
      return twin;
    });
    expect(await vmap(shared, { inAxes: null })(batch).toArray()).toEqual(await alone(shared, () => batch));
    const someOf = [nets[0]!, shared[1]!, nets[2]!].map((net) => new Reader(net));
    const run = jit(vmap(someOf, { inAxes: null }));
    expect(await run(batch).toArray()).toEqual(await alone(someOf as never, () => batch));
    nets[0]!.weight.assign(nets[0]!.weight.mul(2));
    expect(await run(batch).toArray()).toEqual(await alone(someOf as never, () => batch));
  });

  test("writes a shared variable once, and refuses different values for it", async () => {
    class Sharing extends nn.Module {
      constructor(
        readonly total: nn.State,
        readonly own: nn.State,
      ) {
        super();
      }
      forward(x: Tensor): Tensor {
        this.total.assign(this.total.add(1));
        this.own.assign(x);
        return x;
      }
    }
    const [total, other] = [new nn.State(tensor(0)), new nn.State(tensor(0))];
    const states = [1, 2, 3].map((k) => new nn.State(tensor(k)));
    vmap(states.map((own) => new Sharing(total, own)))(tensor([4, 5, 6]));
    expect(await total.item()).toBe(1);
    expect(await Promise.all(states.map((own) => own.item()))).toEqual([4, 5, 6]);
    const before = await Promise.all([total, other, ...states].map((x) => x.item()));
    expect(() => vmap(states.map((own) => new Sharing(own, total)))(tensor([7, 8, 9]))).toThrow(
      /share a variable f32\[\] assign different values to it/,
    );
    expect(() => vmap([total, other, total].map((x, k) => new Sharing(x, states[k]!)))(tensor([7, 8, 9]))).toThrow(
      /models 0 and 2 share a variable f32\[\] that each assigns, and others have their own/,
    );
    expect(await Promise.all([total, other, ...states].map((x) => x.item()))).toEqual(before);
  });
});

describe("training an ensemble", () => {
  /** One step of gradient descent, with its own rate. */
  class Trainer extends nn.Module {
    constructor(
      readonly net: Net,
      readonly rate: number,
    ) {
      super();
    }

    forward(inputs: Tensor, targets: Tensor): Tensor {
      const params = this.net.parameters();
      const loss = (): Tensor => this.net.forward(inputs).sub(targets).square().mean();
      const [value, gradients] = valueAndGrad(loss, { wrt: params })();
      for (const [path, p] of Object.entries(params)) p.assign(p.sub(gradients[path]!.mul(this.rate)));
      return value;
    }
  }

  const targets = tensor([
    [1, 2],
    [0, 1],
  ]);
  const rates = [0.1, 0.01, 0.02, 0.03];

  test("is training each model alone", async () => {
    const [together, apart] = [makeNets(), makeNets()];
    const step = jit(
      vmap(
        together.map((net, k) => new Trainer(net, rates[k]!)),
        { inAxes: null },
      ),
    );
    const trainers = apart.map((net, k) => jit(new Trainer(net, rates[k]!)));
    for (let i = 0; i < 5; i++) {
      const got = [...(await step(batch, targets).data())];
      const want = await Promise.all(trainers.map(async (train) => await train(batch, targets).item()));
      got.forEach((x, k) => void expect(x).toBeCloseTo(want[k]!, 5));
    }
    expect(step.cacheSize).toBe(1);
    for (const [k, net] of together.entries()) {
      const [got, want] = [await net.weight.data(), await apart[k]!.weight.data()];
      got.forEach((x, i) => void expect(x).toBeCloseTo(want[i]!, 5));
    }
    // infer with the nets, one of them, and go on
    expect(await vmap(together, { inAxes: null })(batch).at(1).toArray()).toEqual(
      await together[1]!.forward(batch).toArray(),
    );
    await step(batch, targets).data();
    expect(step.cacheSize).toBe(1);
  });

  test("trains what is not frozen, by the numbers of each model", async () => {
    const trainers = makeNets().map((net, k) => new Trainer(net, rates[k]!));
    for (const { net } of trainers) net.weight.trainable = false;
    const before = await Promise.all(trainers.map(({ net }) => net.weight.toArray()));
    const step = jit(vmap(trainers, { inAxes: null }));
    const losses: number[][] = [];
    for (let i = 0; i < 3; i++) losses.push([...(await step(batch, targets).data())]);
    losses[0]!.forEach((loss, k) => void expect(losses[2]![k]!).toBeLessThan(loss));
    expect(await Promise.all(trainers.map(({ net }) => net.weight.toArray()))).toEqual(before);
  });

  test("can be differentiated as a whole", async () => {
    const nets = makeNets();
    const loss = (): Tensor => vmap(nets, { inAxes: null })(batch).sum();
    const want = await grad(() => nets[1]!.forward(batch).sum(), { wrt: nets[1]!.bias })().toArray();
    expect(await grad(loss, { wrt: nets[1]!.bias })().toArray()).toEqual(want);
    // all of them, with what the nets lie in by now
    const everything = new nn.ModuleList(nets);
    for (const run of [
      grad(loss, { wrt: everything.parameters() }),
      jit(grad(loss, { wrt: everything.parameters() })),
    ]) {
      const gradients = run();
      for (const [k, net] of nets.entries()) {
        const own = grad(() => new Reader(net).forward(batch).sum(), { wrt: net.parameters() })();
        for (const [name, g] of Object.entries(own))
          expect(await gradients[`items.${k}.${name}`]!.toArray()).toEqual(await g.toArray());
      }
    }
  });
});
