// A neural ODE: a net says how fast a point moves, and gradients are taken through the solver's steps.
//
//   npx tsx examples/neural-ode.ts
//
// Runge and Kutta's steps are a `scan`, which is one loop on the device however many steps there are. The net learns to
// move points along spirals. Every result is printed beside what is expected. The program ends with exit code 1 if
// anything differs. After Chen et al.: Neural Ordinary Differential Equations, 2018.
import { dot, grad, jit, scan, sqrt, type Tensor, tanh, tensor, valueAndGrad, vmap } from "lanewise";
import { checkAll, checkBelow, finish, heading, report, showDevice } from "./support/check.js";
import { uniformStream } from "./support/random.js";

const HIDDEN = 12;
const STEPS = 20;
const DT = 0.1;
const PATHS = 8;
const TRAINING = 150;
const RATE = 0.02;

await showDevice();

heading("Runge and Kutta's steps by scan");

/** How fast a point moves. f32[2] -> f32[2] */
type Field = (point: Tensor) => Tensor;

/** The points after each of `steps` steps of size `dt`, by the classical method of fourth order. f32[2] -> f32[steps, 2] */
function integrate(field: Field, start: Tensor, steps: number, dt: number): Tensor {
  const step = (point: Tensor): readonly [Tensor, Tensor] => {
    const k1 = field(point);
    const k2 = field(point.add(k1.mul(dt / 2)));
    const k3 = field(point.add(k2.mul(dt / 2)));
    const k4 = field(point.add(k3.mul(dt)));
    const slope = k1.add(k2.mul(2)).add(k3.mul(2)).add(k4).div(6);
    const next = point.add(slope.mul(dt));
    return [next, next];
  };
  return scan(step, start, null, { length: steps })[1];
}

/** Spirals inwards: turns by 2 a unit of time, and shrinks by e^−0.3. */
const A = tensor([
  [-0.3, -2],
  [2, -0.3],
]);
const spiral: Field = (point) => dot(A, point);

/** Where the spiral from (x, y) is at time t. */
const onSpiral = (x: number, y: number, t: number): [number, number] => {
  const [c, s] = [Math.cos(2 * t), Math.sin(2 * t)].map((v) => v * Math.exp(-0.3 * t)) as [number, number];
  return [c * x - s * y, s * x + c * y];
};

const times = Array.from({ length: STEPS }, (_, k) => (k + 1) * DT);
const path = jit((start: Tensor) => integrate(spiral, start, STEPS, DT));
await checkAll(
  "20 steps along the spiral",
  path(tensor([1, 0.5])),
  times.flatMap((t) => onSpiral(1, 0.5, t)),
  2e-4,
);

const shadersFor = (steps: number): number =>
  jit((start: Tensor) => integrate(spiral, start, steps, DT)).lower(tensor([1, 0.5])).wgsl.length;
const [few, many] = [shadersFor(5), shadersFor(500)];
report("shaders for 5 steps and for 500", few === many, `${few} and ${many}`, "as many");

heading("Gradients through the scan");

interface Params {
  readonly hidden: { readonly w: Tensor; readonly b: Tensor };
  readonly out: { readonly w: Tensor; readonly b: Tensor };
}

/** The net for one point. */
const fieldOf =
  ({ hidden, out }: Params): Field =>
  (point) =>
    dot(tanh(dot(point, hidden.w).add(hidden.b)), out.w).add(out.b);

/** Mean of the squared distances along paths from `starts` f32[paths, 2] to those wanted, f32[paths, steps, 2]. */
function loss(params: Params, starts: Tensor, wanted: Tensor): Tensor {
  const paths = vmap((start: Tensor) => integrate(fieldOf(params), start, STEPS, DT))(starts);
  return paths.sub(wanted).square().sum(-1).mean();
}

const random = uniformStream(1);
const first = initialParams();
const corners = Array.from({ length: PATHS }, () => [2 * random() - 1, 2 * random() - 1] as const);
const starts = tensor(corners.map((corner) => [...corner]));
const wanted = tensor(corners.map(([x, y]) => times.map((t) => onSpiral(x, y, t))));

const lossOf = jit(loss);
const slope = jit(grad(loss))(first, starts, wanted);
const STEP = 5e-3;
const chosen = [0, 5, 13, 22];
const differences: number[] = [];
for (const k of chosen) {
  const at = async (step: number): Promise<number> => {
    const weights = Float32Array.from(await first.hidden.w.data(), (w, i) => (i === k ? w + step : w));
    const hidden = { ...first.hidden, w: tensor(weights, { shape: [2, HIDDEN] }) };
    return Number(await lossOf({ ...first, hidden }, starts, wanted).item());
  };
  differences.push(((await at(STEP)) - (await at(-STEP))) / (2 * STEP));
}
const slopes = slope.hidden.w.ravel().take(tensor(chosen, { dtype: "i32" }));
await checkAll("by four of the weights, beside differences", slopes, differences, 5e-3);

// where the path along the spiral ends, by where it starts: a row of e^At
const end = (start: Tensor): Tensor => integrate(spiral, start, STEPS, DT).at(-1, 0);
const row = [onSpiral(1, 0, STEPS * DT)[0], onSpiral(0, 1, STEPS * DT)[0]];
await checkAll("by the start, beside the formula", jit(grad(end))(tensor([1, 0.5])), row, 1e-3);

heading(`Training on ${PATHS} paths`);

/** A step of gradient descent with momentum. */
const train = jit((params: Params, speed: Params) => {
  const [value, slope] = valueAndGrad(loss)(params, starts, wanted);
  const faster = zip((v, dp) => v.mul(0.9).add(dp), speed, slope);
  return { value, params: zip((p, v) => p.sub(v.mul(RATE)), params, faster), speed: faster };
});

const before = Number(await lossOf(first, starts, wanted).item());
let params = first;
let speed = zip((p) => p.mul(0), first);
const began = performance.now();
for (let k = 1; k <= TRAINING; k++) {
  const step = train(params, speed);
  ({ params, speed } = step);
  if (k % 50 === 0) console.log(`after ${k} steps the loss is ${short(Number(await step.value.item()))}`);
}
const seconds = (performance.now() - began) / 1000;
const { wgsl } = train.lower(params, speed);
console.log(
  `${short(seconds)} s. A step is one call, of ${wgsl.length} shaders, some of which run once for each step of the solver.`,
);
const after = Number(await lossOf(params, starts, wanted).item());
console.log(`The loss was ${short(before)} at first.`);
checkBelow("loss", after, 0.02);

const fresh = [0.6, -0.4] as const;
const learnt = jit((start: Tensor) => integrate(fieldOf(params), start, STEPS, DT))(tensor([...fresh]));
const away = learnt
  .sub(tensor(times.map((t) => onSpiral(...fresh, t))))
  .square()
  .sum(1);
checkBelow("farthest from the spiral, on a path from another start", Number(await sqrt(away).max().item()), 0.25);

finish();

// The first parameters.

function initialParams(): Params {
  const uniform = (n: number, bound: number) => Float32Array.from({ length: n }, () => bound * (2 * random() - 1));
  return {
    hidden: { w: tensor(uniform(2 * HIDDEN, 1), { shape: [2, HIDDEN] }), b: tensor(uniform(HIDDEN, 0.5)) },
    out: { w: tensor(uniform(2 * HIDDEN, 0.5), { shape: [HIDDEN, 2] }), b: tensor([0, 0]) },
  };
}

/** Applies `f` to the leaves that are at the same place in all of the trees. */
function zip(f: (...leaves: Tensor[]) => Tensor, ...trees: readonly Params[]): Params {
  const layer = (name: keyof Params) => ({
    w: f(...trees.map((tree) => tree[name].w)),
    b: f(...trees.map((tree) => tree[name].b)),
  });
  return { hidden: layer("hidden"), out: layer("out") };
}

function short(x: number): string {
  return x.toPrecision(3);
}
