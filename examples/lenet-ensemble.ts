// Four LeNets as one batched model: each has its own minibatch, its own learning rate and its own Adam with AMSGrad, and
// all four are trained by one call a step.
//
//   npx tsx examples/lenet-ensemble.ts
//
// Every result is printed beside what is expected. The program ends with exit code 1 if anything differs.
import { jit, nn, optim, random, relu, type Tensor, valueAndGrad, vmap } from "lanewise";
import { checkAll, checkBelow, finish, heading, showDevice } from "./support/check.js";

const STEPS = 10;
const RATES = [1e-2, 1e-3, 2e-3, 3e-3];

/** LeNet-5: f32[…, 1, 32, 32] -> f32[…, 10], the logits of ten classes. */
class LeNet extends nn.Module {
  readonly layers: nn.Sequential;

  constructor() {
    super();
    const weight = nn.initialisers.normal(0.01);
    this.layers = new nn.Sequential(
      new nn.Conv2d(1, 6, 5, { weight }),
      relu,
      new nn.MaxPool(2),
      new nn.Conv2d(6, 16, 5, { weight }),
      relu,
      new nn.MaxPool(2),
      new nn.Flatten(),
      new nn.Dense(400, 120, { weight }),
      relu,
      new nn.Dense(120, 84, { weight }),
      relu,
      new nn.Dense(84, 10, { weight }),
    );
  }

  forward(images: Tensor): Tensor {
    return this.layers.forward(images);
  }
}

/** A net with its loss and its optimiser: called on a minibatch, it takes a step and gives the loss. */
class TrainOneStep extends nn.Module {
  readonly optimiser: nn.Optimiser;

  constructor(
    readonly net: LeNet,
    learningRate: number,
  ) {
    super();
    this.optimiser = new nn.Optimiser(optim.adam({ learningRate, amsgrad: true }), net.parameters());
  }

  forward(images: Tensor, labels: Tensor): Tensor {
    const loss = (): Tensor => nn.softmaxCrossEntropy(this.net.forward(images), labels);
    const [value, gradients] = valueAndGrad(loss, { wrt: this.net.parameters() })();
    this.optimiser.forward(gradients);
    return value;
  }
}

await showDevice();
const nets = RATES.map(() => new LeNet());
const trainers = nets.map((net, k) => new TrainOneStep(net, RATES[k]!));
const images = random.normal(random.key(0), [4, 3, 1, 32, 32]);
const labels = random.randint(random.key(1), [4, 3], 0, 10);

heading("Training, each model on its own minibatch");

const step = jit(vmap(trainers));
const losses: number[][] = [];
const start = performance.now();
for (let i = 0; i < STEPS; i++) losses.push(Array.from(await step(images, labels).data()));
const seconds = (performance.now() - start) / 1000;
losses.forEach((row, i) => void console.log(`step ${i + 1}: ${row.map((loss) => loss.toFixed(4)).join("  ")}`));
console.log(
  `${seconds.toFixed(2)} s, compiling included. A step is one call, of ${step.lower(images, labels).wgsl.length} dispatches for all models.`,
);
const first = losses[0]!;
const last = losses.at(-1)!;
checkBelow("first losses, away from ln 10", Math.max(...first.map((loss) => Math.abs(loss - Math.log(10)))), 0.02);
checkBelow("last losses, as parts of the first", Math.max(...last.map((loss, k) => loss / first[k]!)), 1);

heading("Inference");

const together = vmap(nets, { inAxes: null });
const shown = images.at(0);
await checkAll("all models on one minibatch, beside each alone", together(shown), await alone(() => shown), 1e-5);
await checkAll("each model on its own", vmap(nets)(images), await alone((k) => images.at(k)), 1e-5);

finish();

/** What each net gives by itself, one behind the other. */
async function alone(input: (k: number) => Tensor): Promise<number[]> {
  const results = await Promise.all(nets.map(async (net, k) => Array.from(await net.forward(input(k)).data())));
  return results.flat();
}
