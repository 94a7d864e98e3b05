// MAML: a net that learns how to learn. Gradients are taken through a gradient step.
//
//   npx tsx examples/maml.ts
//
// A task is a sine curve of some height and shift, of which ten points are seen. The net's first parameters are trained
// so that one gradient step on these points fits the whole curve; beside it, a net is trained on the same curves plainly.
// Every result is printed beside what is expected. The program ends with exit code 1 if anything differs.
// After Finn, Abbeel, Levine: Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks, 2017.
import { dot, grad, jit, sqrt, type Tensor, tanh, tensor, valueAndGrad, vmap } from "lanewise";
import { checkAll, checkBelow, finish, heading, showDevice } from "./support/check.js";
import { uniformStream } from "./support/random.js";

/** Inputs, hidden units, results. */
const SIZES = [1, 16, 16, 1] as const;
const SEEN = 10;
const TASKS = 16;
const META_STEPS = 250;
const INNER_RATE = 0.1;
const OUTER_RATE = 1e-2;

/** Weights are f32[in, out], biases f32[out]. */
type Params = readonly { readonly w: Tensor; readonly b: Tensor }[];

/** Points of a curve; f32[n] each. */
interface Points {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** Points to adapt to, and others to judge by. */
interface Task {
  readonly seen: Points;
  readonly unseen: Points;
}

await showDevice();

/** The net for one number. f32[] -> f32[] */
function predict(params: Params, x: Tensor): Tensor {
  const [first, ...others] = params as [Params[number], ...Params];
  let h = first.w.at(0).mul(x.div(2)).add(first.b);
  for (const { w, b } of others) h = dot(tanh(h), w).add(b);
  return h.at(0);
}

/** Mean of the squared errors. */
function loss(params: Params, { x, y }: Points): Tensor {
  const guess = vmap(predict, [null, 0])(params, x);
  return guess.sub(y).square().mean();
}

/** Parameters after a gradient step on some points. */
function adapt(params: Params, points: Points, rate: Tensor): Params {
  const slope = grad(loss)(params, points);
  return zip((p, dp) => p.sub(dp.mul(rate)), params, slope);
}

/** How well the adapted net does on the unseen points, over all tasks. With a rate of 0 it is not adapted. */
function metaLoss(params: Params, tasks: Task, rate: Tensor): Tensor {
  const lossOf = (task: Task): Tensor => loss(adapt(params, task.seen, rate), task.unseen);
  return vmap(lossOf)(tasks).mean();
}

interface State {
  readonly params: Params;
  /** Running means of the gradient and of its square. */
  readonly mean: Params;
  readonly square: Params;
}

/** A step of Adam, the k-th from 1, after Kingma and Ba, 2015. */
function adamStep({ params, mean, square }: State, slope: Params, k: Tensor): State {
  const nextMean = zip((m, dp) => m.mul(0.9).add(dp.mul(0.1)), mean, slope);
  const nextSquare = zip((v, dp) => v.mul(0.999).add(dp.square().mul(0.001)), square, slope);
  const [short, long] = [0.9, 0.999].map((decay) => k.mul(Math.log(decay)).exp().neg().add(1)) as [Tensor, Tensor];
  const moved = zip(
    (p, m, v) =>
      p.sub(
        m
          .div(short)
          .mul(OUTER_RATE)
          .div(sqrt(v.div(long)).add(1e-8)),
      ),
    params,
    nextMean,
    nextSquare,
  );
  return { params: moved, mean: nextMean, square: nextSquare };
}

const judge = jit(metaLoss);
const train = jit((state: State, tasks: Task, rate: Tensor, k: Tensor) => {
  const [value, slope] = valueAndGrad(metaLoss)(state.params, tasks, rate);
  return { value, slope, state: adamStep(state, slope, k) };
});

heading("The gradient through a gradient step, beside differences");

const random = uniformStream(1);
const first = initialState();
const probe = drawTasks();
const { slope } = train(first, probe, INNER_RATE, 1);
const STEP = 0.01;

/** Changes one weight both ways. */
async function difference(layer: number, index: number): Promise<number> {
  const values = await first.params[layer]!.w.data();
  const at = async (step: number): Promise<number> => {
    const moved = Float32Array.from(values, (w, i) => (i === index ? w + step : w));
    const w = tensor(moved, { shape: first.params[layer]!.w.shape });
    const params = first.params.map((l, k) => (k === layer ? { ...l, w } : l));
    return (await judge(params, probe, INNER_RATE).item()) as number;
  };
  return ((await at(STEP)) - (await at(-STEP))) / (2 * STEP);
}
const chosen: readonly (readonly [layer: number, index: number])[] = [
  [0, 3],
  [0, 12],
  [1, 0],
  [1, 100],
  [1, 200],
  [2, 5],
  [2, 10],
];
const differences: number[] = [];
const slopes: number[] = [];
for (const [layer, index] of chosen) {
  differences.push(await difference(layer, index));
  slopes.push((await slope[layer]!.w.data())[index]!);
}
await checkAll("by seven of the weights", tensor(slopes), differences, 5e-3);

heading(`Training on ${META_STEPS} batches of ${TASKS} curves`);

let meta = first;
let plain = first;
const began = performance.now();
for (let k = 1; k <= META_STEPS; k++) {
  const tasks = drawTasks();
  const trained = train(meta, tasks, INNER_RATE, k);
  meta = trained.state;
  plain = train(plain, tasks, 0, k).state;
  if (k % 50 === 0) console.log(`after ${k} steps the loss after adapting is ${short(await trained.value.item())}`);
}
const seconds = (performance.now() - began) / 1000;
const { kernels } = train.lower(meta, drawTasks(), INNER_RATE, 1);
console.log(`${short(seconds)} s for both nets. A step is one call, of ${kernels.length} kernels.`);

heading("On new curves, with ten points of each seen");

const fresh = Array.from({ length: 8 }, drawTasks);
const zero = await meanOf(({ unseen }) => unseen.y.square().mean());
const unadapted = await meanOf((tasks) => judge(meta.params, tasks, 0));
const adapted = await meanOf((tasks) => judge(meta.params, tasks, INNER_RATE));
const rival = await meanOf((tasks) => judge(plain.params, tasks, INNER_RATE));
console.log(
  `A guess of 0 everywhere has a loss of ${short(zero)}, the net before its gradient step ${short(unadapted)},`,
);
console.log(`and the net that was trained plainly ${short(rival)} after its step.`);
checkBelow("loss after one gradient step", adapted, 2);
checkBelow("as a part of that of the net trained plainly", adapted / rival, 0.4);

finish();

// The curves, and the first parameters.

/** Points of curves: height from 1 to 5, shift from 0 to π, x from −5 to 5. */
function drawTasks(): Task {
  const curves = Array.from({ length: TASKS }, () => [1 + 4 * random(), Math.PI * random()] as const);
  const draw = (): Points => {
    const x = curves.map(() => Array.from({ length: SEEN }, () => 10 * random() - 5));
    const y = curves.map(([height, shift], k) => x[k]!.map((at) => height * Math.sin(at + shift)));
    return { x: tensor(x), y: tensor(y) };
  };
  return { seen: draw(), unseen: draw() };
}

async function meanOf(lossOf: (tasks: Task) => Tensor): Promise<number> {
  let sum = 0;
  for (const tasks of fresh) sum += Number(await lossOf(tasks).item());
  return sum / fresh.length;
}

/** Weights are uniform, with variance 1 / inputs. */
function initialState(): State {
  const uniform = (n: number, bound: number) => Float32Array.from({ length: n }, () => bound * (2 * random() - 1));
  const params = SIZES.slice(1).map((out, k) => {
    const inputs = SIZES[k]!;
    const w = tensor(uniform(inputs * out, Math.sqrt(3 / inputs)), { shape: [inputs, out] });
    return { w, b: tensor(uniform(out, 1)) };
  });
  const zeros = zip((p) => p.mul(0), params);
  return { params, mean: zeros, square: zeros };
}

/** Applies `f` to the leaves that are at the same place in all of the trees. */
function zip(f: (...leaves: Tensor[]) => Tensor, ...trees: readonly Params[]): Params {
  return trees[0]!.map((_, k) => ({
    w: f(...trees.map((tree) => tree[k]!.w)),
    b: f(...trees.map((tree) => tree[k]!.b)),
  }));
}

function short(x: unknown): string {
  return Number(x).toPrecision(3);
}
