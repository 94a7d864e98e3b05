// Small ensembles whose numbers are worked out by hand.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jit, nn, setDevice, type Tensor, tensor, valueAndGrad, vmap } from "../../index.js";
import { describeGpu } from "../support/gpu.js";

/** y = weight · x + power · bias; counts what it has seen. */
class Line extends nn.Module {
  readonly seen = new nn.State(tensor(0));

  constructor(
    readonly weight: nn.Parameter,
    readonly bias: nn.Parameter,
    readonly power: number,
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    this.seen.assign(this.seen.add(x));
    return x.mul(this.weight).add(this.bias.mul(this.power));
  }
}

/** A step of gradient descent on (y − target)². */
class Trainer extends nn.Module {
  constructor(
    readonly line: Line,
    readonly rate: number,
  ) {
    super();
  }

  forward(x: Tensor, target: Tensor): Tensor {
    const params = this.line.parameters();
    const loss = (): Tensor => this.line.forward(x).sub(target).square();
    const [value, gradients] = valueAndGrad(loss, { wrt: params })();
    for (const [name, p] of Object.entries(params)) p.assign(p.sub(gradients[name]!.mul(this.rate)));
    return value;
  }
}

const parameter = (value: number) => new nn.Parameter(tensor(value));

const items = (list: readonly Tensor[]) => Promise.all(list.map((x) => x.item()));

const suite = (): void => {
  test("unshared parameters, a learning rate and a constant for each model", async () => {
    // y = 1 · 2 + 1 · 3 = 5, 2 · 2 + 2 · 1 = 6; targets 4 and 8
    const lines = [new Line(parameter(1), parameter(3), 1), new Line(parameter(2), parameter(1), 2)];
    const trainers = [new Trainer(lines[0]!, 0.25), new Trainer(lines[1]!, 0.125)];
    const step = jit(vmap(trainers, { inAxes: [null, 0] }));
    expect(await step(tensor(2), tensor([4, 8])).toArray()).toEqual([1, 4]);
    // d loss = 2(y − t): 2 and −4; times x = 2 for weights, times the power for biases
    expect(await items(lines.map(({ weight }) => weight))).toEqual([1 - 0.25 * 4, 2 + 0.125 * 8]);
    expect(await items(lines.map(({ bias }) => bias))).toEqual([3 - 0.25 * 2, 1 + 0.125 * 8]);
    expect(await items(lines.map(({ seen }) => seen))).toEqual([2, 2]);
    // y = 0 · 1 + 2.5, 3 · 1 + 2 · 2 for x = 1; each its own x
    const each = vmap(lines);
    expect(await each(tensor([1, -1])).toArray()).toEqual([2.5, 1]);
    expect(await items(lines.map(({ seen }) => seen))).toEqual([3, 1]);
    expect(await vmap(lines, { inAxes: null })(tensor(1)).toArray()).toEqual([2.5, 7]);
    expect(await items(lines.map((line) => line.forward(tensor(1))))).toEqual([2.5, 7]);
    expect(await items(lines.map(({ seen }) => seen))).toEqual([5, 3]);
    // the second step goes on from the first: y = 0 · 2 + 2.5, 3 · 2 + 2 · 2
    expect(await step(tensor(2), tensor([2.5, 9])).toArray()).toEqual([0, 1]);
    expect(await items(lines.map(({ weight }) => weight))).toEqual([0, 3 - 0.125 * 4]);
    expect(await items(lines.map(({ bias }) => bias))).toEqual([2.5, 2 - 0.125 * 4]);
    expect(step.cacheSize).toBe(1);
  });

  test("a parameter that is shared, read by all and trained through all", async () => {
    const shared = parameter(2);
    const lines = [1, 3].map((bias) => new Line(shared, parameter(bias), 1));
    const all = (x: Tensor): Tensor => vmap(lines, { inAxes: null })(x);
    // y = 2 · 3 + 1, 2 · 3 + 3
    expect(await all(tensor(3)).toArray()).toEqual([7, 9]);
    const params = new nn.ModuleList(lines).parameters();
    expect(Object.keys(params)).toEqual(["items.0.weight", "items.0.bias", "items.1.bias"]);
    const step = jit((x: Tensor) => {
      const [value, gradients] = valueAndGrad((): Tensor => all(x).square().sum(), { wrt: params })();
      for (const [name, p] of Object.entries(params)) p.assign(p.sub(gradients[name]!.mul(1 / 64)));
      return value;
    });
    // Σ y² = 49 + 81; by the shared weight 2 · 3 · (7 + 9), by the biases 2 · 7 and 2 · 9
    expect(await step(tensor(3)).item()).toBe(130);
    expect(await shared.item()).toBe(2 - 96 / 64);
    expect(await items(lines.map(({ bias }) => bias))).toEqual([1 - 14 / 64, 3 - 18 / 64]);
    expect(await items(lines.map(({ seen }) => seen))).toEqual([6, 6]);
  });
};

describe("on the CPU", () => {
  beforeAll(() => setDevice("cpu"));
  suite();
});

describeGpu("on the GPU", () => {
  beforeAll(() => setDevice("gpu"));
  afterAll(() => setDevice("cpu"));
  suite();
});
