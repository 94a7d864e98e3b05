// The programs of docs/ensembles.md.
import { jit, nn, optim, random, relu, setDevice, type Tensor, tensor, valueAndGrad, vmap } from "lanewise";
import { expect, test } from "vitest";

setDevice("cpu");

class Trainer extends nn.Module {
  readonly optimiser: nn.Optimiser;

  constructor(
    readonly net: nn.Sequential,
    learningRate: number,
  ) {
    super();
    this.optimiser = new nn.Optimiser(optim.adam({ learningRate }), net.parameters());
  }

  forward(x: Tensor, labels: Tensor): Tensor {
    const loss = () => nn.softmaxCrossEntropy(this.net.forward(x), labels);
    const [value, gradients] = valueAndGrad(loss, { wrt: this.net.parameters() })();
    this.optimiser.step(gradients);
    return value;
  }
}

const make = (outputs = 3) => new nn.Sequential(new nn.Dense(4, 16), relu, new nn.Dense(16, outputs));

const x = random.normal(random.key(1), [5, 4]);
const labels = tensor([0, 1, 2, 0, 1]).astype("i32");

test("nets and trainers of nets", async () => {
  const nets = [make(), make(), make(), make()];
  expect(vmap(nets, { inAxes: null })(x).shape).toEqual([4, 5, 3]);
  expect(vmap(nets)(random.normal(random.key(2), [4, 5, 4])).shape).toEqual([4, 5, 3]);
  const trainers = nets.map((net, k) => new Trainer(net, 0.01 * (k + 1)));
  const step = jit(vmap(trainers, { inAxes: null }));
  const first = await step(x, labels).data();
  for (let i = 0; i < 20; i++) step(x, labels);
  const last = await step(x, labels).data();
  last.forEach((loss, k) => void expect(loss).toBeLessThan(first[k]!));
  const two = jit(vmap([trainers[0]!, trainers[3]!], { inAxes: null }));
  const losses = await two(x, labels).data();
  expect(losses[0]!).toBeLessThan(last[0]!);
  expect(nets[2]!.forward(x).shape).toEqual([5, 3]);
});

test("nets that are not alike", () => {
  expect(() => vmap([make(), make(4), make(), make()], { inAxes: null })(x)).toThrow(
    `vmap([Sequential × 4]): model 1 is built otherwise than model 0, at layers.2.weight: f32[16,3] and f32[16,4]
  model 0 reads f32[16,3] from outside
  model 1 reads f32[16,4]
  models of one ensemble may differ in numbers and parameters only: same layers, shapes and dtypes`,
  );
});
