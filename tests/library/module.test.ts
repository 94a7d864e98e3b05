// Modules and variables under every transform.
import { beforeAll, describe, expect, test } from "vitest";
import {
  counters,
  grad,
  jit,
  jvp,
  nn,
  scan,
  setDevice,
  type Tensor,
  TraceError,
  tensor,
  valueAndGrad,
  vmap,
} from "../../index.js";
import { gpuTest } from "../support/gpu.js";

beforeAll(() => setDevice("cpu"));

class Dense extends nn.Module {
  readonly weight: nn.Parameter;
  readonly bias: nn.Parameter;

  constructor(weight: number[][], bias: number[]) {
    super();
    this.weight = new nn.Parameter(tensor(weight));
    this.bias = new nn.Parameter(tensor(bias));
  }

  forward(x: Tensor): Tensor {
    return x.matmul(this.weight).add(this.bias);
  }
}

class Net extends nn.Module {
  readonly layers = [
    new Dense(
      [
        [1, 2],
        [3, 4],
      ],
      [0, 1],
    ),
    new Dense([[1], [-1]], [0.5]),
  ];
  readonly calls = new nn.State(tensor(0));

  forward(x: Tensor): Tensor {
    this.calls.assign(this.calls.add(1));
    return this.layers[1]!.forward(this.layers[0]!.forward(x));
  }
}

const x = tensor([1, 1]);
const xs = tensor([
  [1, 1],
  [2, 0],
  [0, 1],
]);

describe("a module", () => {
  test("is called as it is, jitted and mapped", async () => {
    const dense = new Dense([[1, 2]], [10, 20]);
    expect(await dense.forward(tensor([3])).toArray()).toEqual([13, 26]);
    expect(await jit(dense)(tensor([3])).toArray()).toEqual([13, 26]);
    expect(await vmap(dense)(tensor([[3], [4]])).toArray()).toEqual([
      [13, 26],
      [14, 28],
    ]);
    expect(await jit(vmap(dense, 1, 1))(tensor([[3, 4]])).toArray()).toEqual([
      [13, 14],
      [26, 28],
    ]);
  });

  test("names its parameters by their paths", () => {
    const net = new Net();
    expect(Object.keys(net.parameters())).toEqual([
      "layers.0.weight",
      "layers.0.bias",
      "layers.1.weight",
      "layers.1.bias",
    ]);
    expect(Object.keys(net.variables())).toContain("calls");
    net.layers[0]!.freeze();
    expect(Object.keys(net.parameters())).toEqual(["layers.1.weight", "layers.1.bias"]);
  });

  test("given as a class is an error that says so", () => {
    expect(() => jit(Dense as never)).toThrow(/jit\(new Dense\(…\)\)/);
  });

  test("is traced anew when a plain field changes", async () => {
    class Scaled extends nn.Module {
      factor = 2;
      forward(y: Tensor): Tensor {
        return y.mul(this.training ? this.factor : 1);
      }
    }
    const scaled = new Scaled();
    const run = jit(scaled);
    expect(await run(x).toArray()).toEqual([2, 2]);
    scaled.factor = 3;
    expect(await run(x).toArray()).toEqual([3, 3]);
    scaled.eval();
    expect(await run(x).toArray()).toEqual([1, 1]);
    expect(run.cacheSize).toBe(3);
  });

  test("is traced anew when a plain field changes under other transforms too", async () => {
    class Scaled extends nn.Module {
      readonly weight = new nn.Parameter(tensor(2));
      forward(y: Tensor): Tensor {
        return this.training ? y.mul(this.weight) : y;
      }
    }
    const [first, second] = [new Scaled(), new Scaled()];
    const mapped = jit(vmap(first));
    const together = jit(vmap([first, second], { inAxes: null }));
    expect(await mapped(x).toArray()).toEqual([2, 2]);
    expect(await together(tensor(3)).toArray()).toEqual([6, 6]);
    first.eval();
    expect(await mapped(x).toArray()).toEqual([1, 1]);
    expect(() => together(tensor(3))).toThrow(/model 1 is built otherwise/);
    second.eval();
    expect(await together(tensor(3)).toArray()).toEqual([3, 3]);
    expect(together.cacheSize).toBe(2);
  });

  test("is traced anew when it holds other data, which are not read at each call", async () => {
    class Scaled extends nn.Module {
      factors = new Float32Array(2 ** 22).fill(2);
      forward(y: Tensor): Tensor {
        return y.mul(this.factors[0]!);
      }
    }
    const scaled = new Scaled();
    const run = jit(scaled);
    for (let i = 0; i < 50; i++) run(x);
    expect(run.cacheSize).toBe(1);
    scaled.factors = new Float32Array([3]);
    expect(await run(x).toArray()).toEqual([3, 3]);
  });

  test("is traced anew when parameters are frozen", async () => {
    class Trainer extends nn.Module {
      readonly net = new Net();
      forward(y: Tensor): Tensor {
        const params = this.net.parameters();
        const gradients = grad(() => this.net.forward(y).sum(), { wrt: params })();
        for (const [path, p] of Object.entries(params)) p.assign(p.sub(gradients[path]!));
        return y;
      }
    }
    const trainer = new Trainer();
    const step = jit(trainer);
    step(x);
    trainer.net.layers[0]!.freeze();
    const before = trainer.stateDict();
    step(x);
    const after = trainer.stateDict();
    const changed = await Promise.all(
      Object.keys(after).map(async (path) =>
        String(await after[path]!.data()) === String(await before[path]!.data()) ? [] : [path],
      ),
    );
    expect(changed.flat()).toEqual(["net.layers.1.weight", "net.layers.1.bias", "net.calls"]);
  });
});

describe("assigned values", () => {
  test("are there at once, and written back after a jitted call", async () => {
    const net = new Net();
    await net.forward(x).data();
    expect(await net.calls.item()).toBe(1);
    const run = jit(net);
    run(x);
    run(x);
    expect(await net.calls.item()).toBe(3);
    expect(run.cacheSize).toBe(1);
  });

  test("are read by jitted functions that were traced before", async () => {
    const dense = new Dense([[1]], [0]);
    const run = jit(dense);
    expect(await run(tensor([5])).toArray()).toEqual([5]);
    dense.weight.assign(tensor([[2]]));
    expect(await run(tensor([5])).toArray()).toEqual([10]);
    expect(run.cacheSize).toBe(1);
  });

  test("are seen by what comes after them in the function, also in inner transforms", async () => {
    const state = new nn.State(tensor(1));
    const run = jit((y: Tensor) => {
      state.assign(state.add(y));
      const inner = vmap((z: Tensor) => z.mul(state))(tensor([1, 10]));
      state.assign(state.mul(2));
      return inner;
    });
    expect(await run(tensor(4)).toArray()).toEqual([5, 50]);
    expect(await state.item()).toBe(10);
  });

  test("of a snapshot and of the tensor assigned stay as they are", async () => {
    const p = new nn.Parameter(tensor([1, 2]));
    const before = p.snapshot();
    const next = tensor([3, 4]);
    p.assign(next);
    p.assign(p.mul(2));
    expect(await before.toArray()).toEqual([1, 2]);
    expect(await next.toArray()).toEqual([3, 4]);
    expect(await p.toArray()).toEqual([6, 8]);
  });

  test("that differ between lanes are refused, those that do not are written once", async () => {
    const state = new nn.State(tensor(0));
    const different = (y: Tensor): Tensor => {
      state.assign(y);
      return y;
    };
    expect(() => vmap(different)(x)).toThrow(/differs between lanes is assigned to a variable f32\[\]/);
    const same = (y: Tensor): Tensor => {
      state.assign(state.add(1));
      return y;
    };
    vmap(same)(x);
    expect(await state.item()).toBe(1);
  });

  test("of another type are refused, and so are assignments that nobody could write back", () => {
    const state = new nn.State(tensor(0));
    expect(() => state.assign(tensor([1, 2]))).toThrow(/f32\[2\] for a variable f32\[\]/);
    const counting = (y: Tensor): Tensor => {
      state.assign(state.add(1));
      return y;
    };
    expect(() => jvp(counting, [tensor(1)], [tensor(1)])).toThrow(TraceError);
    expect(() => scan((c: Tensor, y: Tensor) => [counting(c), y], tensor(0), x)).toThrow(/assigns a variable/);
  });
});

describe("gradients", () => {
  test("by the parameters of a module, all, some, shared ones", async () => {
    const net = new Net();
    const loss = (y: Tensor): Tensor => net.forward(y).sum();
    const [value, gradients] = valueAndGrad(loss, { wrt: net.parameters() })(x);
    // (1·1 + 1·3 + 0) − (2 + 4 + 1) + 0.5
    expect(await value.item()).toBe(-2.5);
    expect(await gradients["layers.0.weight"]!.toArray()).toEqual([
      [1, -1],
      [1, -1],
    ]);
    expect(await gradients["layers.1.weight"]!.toArray()).toEqual([[4], [7]]);
    expect(await net.calls.item()).toBe(1);
    const { "layers.1.bias": bias } = net.parameters();
    expect(await grad(loss, { wrt: [bias!] })(x)[0]!.toArray()).toEqual([1]);

    const shared = new nn.Parameter(tensor(3));
    const twice = { a: shared, b: { c: shared } };
    const g = grad((y: Tensor) => y.mul(twice.a).mul(twice.b.c), { wrt: shared })(tensor(2));
    expect(await g.item()).toBe(12);
  });

  test("of mapped modules sum over the lanes", async () => {
    const dense = new Dense([[1], [2]], [0]);
    const g = grad((ys: Tensor) => vmap(dense)(ys), { wrt: dense.parameters() })(xs);
    expect(await g.weight!.toArray()).toEqual([[3], [2]]);
    expect(await g.bias!.toArray()).toEqual([3]);
  });
});

describe("a training step", () => {
  const train = async (): Promise<number[]> => {
    const dense = new Dense([[0.5], [-0.5]], [0]);
    const targets = tensor([[1], [4], [-1]]);
    const step = jit((inputs: Tensor, wanted: Tensor) => {
      const loss = (): Tensor => dense.forward(inputs).sub(wanted).square().mean();
      const [value, gradients] = valueAndGrad(loss, { wrt: dense.parameters() })();
      for (const [path, p] of Object.entries(dense.parameters())) p.assign(p.sub(gradients[path]!.mul(0.1)));
      return value;
    });
    const losses: number[] = [];
    for (let i = 0; i < 30; i++) losses.push(await step(xs, targets).item());
    expect(step.cacheSize).toBe(1);
    return losses;
  };

  test("assigns every parameter in one call", async () => {
    const losses = await train();
    expect(losses[29]!).toBeLessThan(losses[0]! / 20);
  });

  gpuTest("and makes no buffers but those it began with on the GPU", async () => {
    setDevice("gpu");
    try {
      const losses = await train();
      expect(losses[29]!).toBeLessThan(losses[0]! / 20);
      const p = new nn.Parameter(tensor(new Float32Array(1024)));
      const step = jit(() => void p.assign(p.add(1)));
      for (let i = 0; i < 3; i++) step();
      await p.data();
      const before = counters();
      for (let i = 0; i < 5; i++) step();
      expect((await p.data())[7]).toBe(8);
      expect(counters().buffersCreated - before.buffersCreated).toBeLessThanOrEqual(1);
    } finally {
      setDevice("cpu");
    }
  });
});

describe("state dictionaries", () => {
  test("carry all values over", async () => {
    const from = new Net();
    from.layers[0]!.bias.assign(tensor([7, 8]));
    const values = from.stateDict();
    const to = new Net();
    to.loadStateDict(values);
    expect(await to.layers[0]!.bias.toArray()).toEqual([7, 8]);
    expect(await to.forward(x).toArray()).toEqual(await from.forward(x).toArray());
  });

  test("that do not fit change nothing", async () => {
    const net = new Net();
    const values = net.stateDict();
    const { calls, ...rest } = values;
    void calls;
    expect(() => net.loadStateDict(rest)).toThrow(/no value for calls/);
    expect(() => net.loadStateDict({ ...values, more: tensor(1) })).toThrow(/there is no more/);
    const wrong = { ...values, "layers.0.bias": tensor([9, 9, 9]), "layers.1.bias": tensor([9]) };
    expect(() => net.loadStateDict(wrong)).toThrow(/layers\.0\.bias is f32\[2\], but a value f32\[3\] is given/);
    expect(await net.layers[1]!.bias.toArray()).toEqual([0.5]);
  });
});
