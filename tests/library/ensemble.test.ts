// Ensembles: models that are alike as one batched model.
import { beforeAll, describe, expect, test } from "vitest";
import { grad, jit, nn, relu, setDevice, softmax, type Tensor, tensor, valueAndGrad, vmap } from "../../index.js";

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

  test("shares what models share", async () => {
    const nets = makeNets();
    const shared = nets.map((net) => {
      const twin = new Net(1);
      Object.assign(twin, { weight: nets[0]!.weight, bias: net.bias });
      return twin;
    });
    expect(await vmap(shared, { inAxes: null })(batch).toArray()).toEqual(await alone(shared, () => batch));
  });
});

describe("models that are not alike are refused", () => {
  test("with what differs", () => {
    class Other extends Net {
      override forward(x: Tensor): Tensor {
        return softmax(super.forward(x));
      }
    }
    expect(() => vmap([new Net(1), new Other(1)], { inAxes: null })(batch)).toThrow(
      /model 1 is built otherwise than model 0/,
    );
    const wide = new Net(1);
    Object.assign(wide, { bias: new nn.Parameter(tensor(3)) });
    expect(() => vmap([new Net(1), wide], { inAxes: null })(batch)).toThrow(/, at bias: f32\[2\] and f32\[\]/);
  });

  test("and so are none at all, classes, and batches of another size", () => {
    expect(() => vmap([] as Net[])).toThrow(/empty list/);
    expect(() => vmap([Net] as never)).toThrow(/new Net\(…\)/);
    expect(() => vmap(makeNets().slice(0, 3))(batches)).toThrow(/vmap of 3 models: the mapped axes have size 4/);
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

  test("can be differentiated as a whole", async () => {
    const nets = makeNets();
    const loss = (): Tensor => vmap(nets, { inAxes: null })(batch).sum();
    const want = await grad(() => nets[1]!.forward(batch).sum(), { wrt: nets[1]!.bias })().toArray();
    expect(await grad(loss, { wrt: nets[1]!.bias })().toArray()).toEqual(want);
  });
});
