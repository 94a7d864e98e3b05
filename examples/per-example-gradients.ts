// The gradient of every example by itself, and a private training step made of them (DP-SGD).
//
//   npx tsx examples/per-example-gradients.ts
//
// A small classifier's loss is written for one example; vmap of grad gives the gradients of a batch, as the loop does.
// Every result is printed beside what is expected. The program ends with exit code 1 if anything differs.
// DP-SGD after Abadi et al.: Deep Learning with Differential Privacy, 2016.
import {
  counters,
  currentDevice,
  divide,
  dot,
  grad,
  jit,
  sqrt,
  stack,
  type Tensor,
  tanh,
  tensor,
  vmap,
} from "lanewise";
import { checkAll, checkBelow, finish, heading, report, showDevice } from "./support/check.js";
import { uniformStream } from "./support/random.js";

const COUNT = 128;
const FEATURES = 12;
const HIDDEN = 16;
const CLASSES = 4;

interface Params {
  readonly hidden: { readonly w: Tensor; readonly b: Tensor };
  readonly out: { readonly w: Tensor; readonly b: Tensor };
}

/** The parameters by name. */
const leaves: readonly (readonly [name: string, of: (params: Params) => Tensor])[] = [
  ["hidden.w", ({ hidden }) => hidden.w],
  ["hidden.b", ({ hidden }) => hidden.b],
  ["out.w", ({ out }) => out.w],
  ["out.b", ({ out }) => out.b],
];

await showDevice();
const { kind } = await currentDevice();

/** Scores of the classes for one example. f32[features] -> f32[classes] */
const scores = ({ hidden, out }: Params, x: Tensor): Tensor =>
  dot(tanh(dot(x, hidden.w).add(hidden.b)), out.w).add(out.b);

/** Cross entropy of one example of class `label`. f32[features], i32[] -> f32[] */
function loss(params: Params, x: Tensor, label: Tensor): Tensor {
  const logits = scores(params, x);
  const largest = logits.max();
  return logits.sub(largest).exp().sum().log().add(largest).sub(logits.at(label));
}

const noiseStream = uniformStream(3);
const { xs, labels } = clusters();
const params = initialParams();

heading(`Gradients of ${COUNT} examples, each by itself`);

const perExample = jit(vmap(grad(loss), [null, 0, 0]));
const one = jit((params: Params, xs: Tensor, labels: Tensor, i: Tensor) => grad(loss)(params, xs.at(i), labels.at(i)));
const numbers = Array.from({ length: COUNT }, (_, i) => tensor(i, { dtype: "i32" }));
const loop = (): Params[] => numbers.map((i) => one(params, xs, labels, i));

const together = perExample(params, xs, labels);
const apart = loop();
for (const [name, of] of leaves) {
  const inLoop = await stack(apart.map(of)).data();
  await checkAll(`${name}, f32[${of(together).shape}], beside the loop`, of(together), inLoop, 1e-6);
}

heading("Their mean, and the gradient of the mean");

const batchLoss = (params: Params): Tensor => vmap(loss, [null, 0, 0])(params, xs, labels).mean();
const ofBatch = jit(grad(batchLoss))(params);
for (const [name, of] of leaves) await checkAll(name, of(together).mean(0), await of(ofBatch).data(), 1e-5);

heading("A private step: gradients are clipped one by one, added up, and blurred by noise");

const BOUND = 3;
const NOISE = 0.5;
const RATE = 1;

/** Length of a gradient with all its parts. */
const norm = (slope: Params): Tensor => sqrt(leaves.map(([, of]) => of(slope).square().sum()).reduce(plus));

/** The gradient, shortened to BOUND where it is longer. */
function clip(slope: Params): Params {
  const factor = divide(BOUND, norm(slope).maximum(BOUND));
  return map((dp) => dp.mul(factor), slope);
}

/** All of the step, with the noise as an argument: normal numbers of the shapes of the parameters. */
const privateStep = jit((params: Params, xs: Tensor, labels: Tensor, noise: Params) => {
  const slopes = vmap(grad(loss), [null, 0, 0])(params, xs, labels);
  const clipped = vmap(clip)(slopes);
  const next = map(
    (p, dp, n) => {
      const mean = dp
        .sum(0)
        .add(n.mul(NOISE * BOUND))
        .div(COUNT);
      return p.sub(mean.mul(RATE));
    },
    params,
    clipped,
    noise,
  );
  return { next, norms: vmap(norm)(slopes) };
});

const noise = drawNoise();
const { next, norms } = privateStep(params, xs, labels, noise);
const byHand = await privateStepByHand();
const above = byHand.norms.filter((length) => length > BOUND).length;
console.log(`${above} of the ${COUNT} gradients are longer than ${BOUND}.`);
await checkAll("lengths", norms, byHand.norms, 1e-6);
for (const [name, of] of leaves) await checkAll(`${name} after the step`, of(next), byHand.next.get(name)!, 1e-6);

let trained = params;
for (let k = 0; k < 60; k++) trained = privateStep(trained, xs, labels, drawNoise()).next;
const guesses = vmap(scores, [null, 0])(trained, xs).argmax(1);
const wrong = Number(await guesses.ne(labels).astype("f32").mean().item());
checkBelow("share of examples that are wrong after 60 steps", wrong, 0.1);

heading("What it takes");

const costs = {
  "a loop over the examples": await cost(loop),
  "vmap of grad": await cost(() => [perExample(params, xs, labels)]),
  "a private step": await cost(() => [privateStep(params, xs, labels, noise).next]),
};
console.table(costs);
const times = costs["a loop over the examples"].ms / costs["vmap of grad"].ms;
console.log(`vmap of grad is ${times.toPrecision(2)} times as fast as the loop.`);
if (kind === "gpu") {
  const { submits } = await countsOf(() => [privateStep(params, xs, labels, noise).next]);
  report("submits for a private step", submits === 1, `${submits}`, "1");
}

finish();

// The data, the first parameters, and the step once more by hand.

/** Clusters of points, one for each class. */
function clusters(): { readonly xs: Tensor; readonly labels: Tensor } {
  const random = uniformStream(1);
  const centres = Array.from({ length: CLASSES }, () => Array.from({ length: FEATURES }, () => 2 * random() - 1));
  const labels = Array.from({ length: COUNT }, (_, i) => i % CLASSES);
  const xs = labels.map((label) => centres[label]!.map((at) => at + 1.5 * (random() - 0.5)));
  return { xs: tensor(xs), labels: tensor(labels, { dtype: "i32" }) };
}

function initialParams(): Params {
  const random = uniformStream(2);
  const uniform = (...shape: number[]): Tensor => {
    const size = shape.reduce((a, b) => a * b);
    return tensor(
      Float32Array.from({ length: size }, () => random() - 0.5),
      { shape },
    );
  };
  return {
    hidden: { w: uniform(FEATURES, HIDDEN), b: uniform(HIDDEN) },
    out: { w: uniform(HIDDEN, CLASSES), b: uniform(CLASSES) },
  };
}

/** Normal numbers of the shapes of the parameters, by Box and Muller. */
function drawNoise(): Params {
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - noiseStream())) * Math.cos(2 * Math.PI * noiseStream());
  return map((p) => tensor(Float32Array.from({ length: p.size }, normal), { shape: p.shape }), params);
}

/** From the gradients of the loop, in 64 bits. */
async function privateStepByHand() {
  const slopes = await Promise.all(apart.map((slope) => Promise.all(leaves.map(([, of]) => of(slope).data()))));
  const norms = slopes.map((parts) => Math.hypot(...parts.flatMap((part) => [...part])));
  const next = new Map<string, Float64Array>();
  for (const [k, [name, of]] of leaves.entries()) {
    const [before, blur] = await Promise.all([of(params).data(), of(noise).data()]);
    const after = Float64Array.from(before, (p, j) => {
      const clipped = slopes.map((parts, i) => parts[k]![j]! * Math.min(1, BOUND / norms[i]!));
      const mean = (clipped.reduce((a, b) => a + b) + blur[j]! * NOISE * BOUND) / COUNT;
      return p - RATE * mean;
    });
    next.set(name, after);
  }
  return { norms, next };
}

/** Applies `f` to the leaves that are at the same place in all of the trees. */
function map(f: (...leaves: Tensor[]) => Tensor, ...trees: readonly Params[]): Params {
  const [hiddenW, hiddenB, outW, outB] = leaves.map(([, of]) => f(...trees.map(of)));
  return { hidden: { w: hiddenW!, b: hiddenB! }, out: { w: outW!, b: outB! } };
}

function plus(x: Tensor, y: Tensor): Tensor {
  return x.add(y);
}

/** What `work` adds to the counters. */
async function countsOf(work: () => readonly Params[]) {
  const before = counters();
  const results = work();
  for (const result of results) await result.out.b.data();
  const after = counters();
  return { dispatches: after.dispatches - before.dispatches, submits: after.submits - before.submits };
}

/** The time is the median of seven runs, each from the call until a part of the last result was read. */
async function cost(work: () => readonly Params[]) {
  const times: number[] = [];
  for (let round = 0; round < 7; round++) {
    const start = performance.now();
    await work().at(-1)!.out.b.data();
    times.push(performance.now() - start);
  }
  const { dispatches } = await countsOf(work);
  const ms = Number(times.sort((a, b) => a - b)[3]!.toPrecision(3));
  return { ...(kind === "gpu" && { kernels: dispatches }), ms };
}
