// What ensembles refuse, and how they say it.
import { describe, expect, test } from "vitest";
import {
  cond,
  jit,
  LanewiseError,
  nn,
  ones,
  optim,
  relu,
  ShapeError,
  setDevice,
  type Tensor,
  tanh,
  vmap,
} from "../../index.js";

setDevice("cpu");

class Calls extends nn.Module {
  constructor(readonly rule: (x: Tensor) => unknown) {
    super();
  }

  forward(x: Tensor): unknown {
    return this.rule(x);
  }
}

const net = (...layers: readonly (nn.Module | ((x: Tensor) => Tensor))[]): nn.Sequential =>
  new nn.Sequential(...layers);

const x = ones([3]);

/** The error of two models on x. */
function refusal(first: nn.Module, second: nn.Module, input: Tensor = x): string {
  try {
    vmap([first, second], { inAxes: null })(input);
  } catch (error) {
    expect(error).toBeInstanceOf(LanewiseError);
    return (error as Error).message;
  }
  throw new Error("the models were not refused");
}

describe("models that are not alike are refused with the place and both sides", () => {
  test("sizes", () => {
    const message = refusal(net(relu, new nn.Dense(3, 2)), net(relu, new nn.Dense(3, 4)));
    expect(message).toMatch(
      /^vmap\(\[Sequential × 2\]\): model 1 is built otherwise than model 0, at layers\.1\.weight: f32\[3,2\] and f32\[3,4\]\n/,
    );
    expect(message).toContain("\n  model 0 reads f32[3,2] from outside\n  model 1 reads f32[3,4]\n");
    expect(message).toMatch(/same layers, shapes and dtypes\n {2}at .*ensemble-errors\.test\.ts/);
  });

  test("a bias that is missing, and layers more", () => {
    const dense = () => new nn.Dense(3, 3);
    expect(refusal(net(dense()), net(new nn.Dense(3, 3, { bias: false })))).toContain(
      "at layers.0.bias: f32[3] and nothing",
    );
    expect(refusal(net(dense()), net(dense(), dense()))).toContain("at layers: a list of 1 and a list of 2");
    expect(refusal(net(dense()), new Calls((y) => y))).toContain("at the model itself: Sequential and Calls");
  });

  test("classes of layers, where the second model cannot even be traced", () => {
    expect(refusal(net(new nn.Dense(3, 2)), net(new nn.Conv1d(1, 2, 2)))).toMatch(
      /^conv: .*\n.*\n {2}in model 1, which has Conv1d at layers\.0 where model 0 has Dense$/s,
    );
  });

  test("functions, with the lines that differ", () => {
    const message = refusal(net(new nn.Dense(3, 2), relu), net(new nn.Dense(3, 2), tanh));
    expect(message).toMatch(
      /\n {2}model 0 computes le of f32\[2\], f32.*\n {2}model 1 computes tanh of f32\[2\] at .*:\d+/,
    );
    expect(refusal(new Calls((y) => y.mul(2)), new Calls((y) => y.mul(2).add(1)))).toMatch(
      /model 0 ends there\n {2}model 1 goes on with add of f32\[3\], f32~\[\] at /,
    );
    expect(refusal(new Calls((y) => y.mul(2).add(1)), new Calls((y) => y.mul(2)))).toMatch(
      /model 0 goes on with add of .*\n {2}model 1 ends there/,
    );
  });

  test("what stands in a branch", () => {
    const branching = (rule: (y: Tensor) => Tensor) => new Calls((y) => cond(y.sum().gt(0), rule, (z: Tensor) => z, y));
    expect(
      refusal(
        branching((y) => y.mul(2)),
        branching((y) => y.add(2)),
      ),
    ).toMatch(/\n {2}in switch at .*\n {2}model 0 computes mul of .*\n {2}model 1 computes add of /);
  });

  test("results of another structure, and modes", () => {
    expect(refusal(new Calls((y) => [y, y]), new Calls((y) => ({ y })))).toMatch(
      /model 0 returns \[\*,\*\]\n {2}model 1 returns \{"y":\*\}/,
    );
    const norms = [net(new nn.BatchNorm(3)), net(new nn.BatchNorm(3)).eval()] as const;
    expect(refusal(...norms, ones([2, 3]))).toContain("at training: true and false");
  });

  test("numbers that decide what is computed", () => {
    class Dropping extends nn.Module {
      readonly layer: nn.Dropout;
      constructor(rate: number) {
        super();
        this.layer = new nn.Dropout(rate);
      }
      forward(y: Tensor): Tensor {
        return this.layer.rate === 0 ? y : y.mul(2);
      }
    }
    expect(refusal(new Dropping(0.5), new Dropping(0))).toContain("at layer.rate: 0.5 and 0");
  });

  test("what is frozen", () => {
    class Trainer extends nn.Module {
      readonly net = new nn.Dense(3, 1);
      readonly optimiser: nn.Optimiser;
      constructor(isFrozen: boolean) {
        super();
        this.net.freeze(isFrozen);
        this.optimiser = new nn.Optimiser(optim.sgd({ learningRate: 0.1 }), this.net.parameters());
      }
      forward(y: Tensor): Tensor {
        this.optimiser.forward(this.net.parameters());
        return y;
      }
    }
    expect(refusal(new Trainer(false), new Trainer(true))).toMatch(/model 0 (assigns|reads) 3 .*\n {2}model 1/);
  });

  test("nothing of them is assigned", async () => {
    const norms = [net(new nn.BatchNorm(3)), net(new nn.BatchNorm(3)).eval()] as const;
    const before = await norms[0].stateDict()["layers.0.mean"]!.data();
    refusal(...norms, ones([2, 3]));
    expect(await norms[0].stateDict()["layers.0.mean"]!.data()).toEqual(before);
  });
});

describe("lists and sizes", () => {
  const nets = [0, 1, 2].map(() => net(new nn.Dense(3, 2)));

  test("an empty list, in an array and in a ModuleList", () => {
    for (const list of [[], new nn.ModuleList([])])
      expect(() => vmap(list as nn.Module[])).toThrow(/an empty list of models was given\n.*one model at least/);
  });

  test("what are no models", () => {
    expect(() => vmap([nets[0], 3] as never)).toThrow(/vmap: number given, but a function or a module is wanted/);
    expect(() => vmap([nn.Dense] as never)).toThrow(/new Dense\(…\)/);
    expect(() => jit(new nn.ModuleList(nets))(x as never)).toThrow(/a ModuleList computes nothing by itself/);
  });

  test("a mapped axis that is not as long as the list", () => {
    for (const list of [nets, new nn.ModuleList(nets)]) {
      expect(() => vmap(list)(ones([4, 3]))).toThrow(ShapeError);
      expect(() => vmap(list)(ones([4, 3]))).toThrow(
        /vmap of 3 models: the mapped axes have size 4, but each model needs one entry\n {2}map an axis of size 3, or give inAxes: null/,
      );
    }
    expect(() => vmap(nets, { inAxes: null, axisSize: 4 })).toThrow(/axisSize is 4, but there are 3 models/);
  });
});
