// MAML: a net that learns how to learn. Gradients are taken through a gradient step.
//
//   npx tsx examples/maml.ts
//
// A task is a sine curve of some height and shift, of which ten points are seen. The net's first parameters are trained
// so that one gradient step on these points fits the whole curve; beside it, a net is trained on the same curves plainly.
// Every result is printed beside what is expected. The program ends with exit code 1 if anything differs.
// After Finn, Abbeel, Levine: Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks, 2017.
import { dot, grad, jit, sqrt, type Tensor, tanh, tensor, valueAndGrad, vmap } from "lanewise";
import { checkAll, checkBelow, finish, heading, report, showDevice } from "./support/check.js";

const WIDTH = 24;
const SEEN = 10;
const TASKS = 16;
const META_STEPS = 300;
const INNER_RATE = 0.05;
const OUTER_RATE = 3e-3;

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
  let h = first.w.at(0).mul(x.div(5)).add(first.b);
  for (const { w, b } of others) h = dot(tanh(h), w).add(b);
  return h.at(0);
}

/** Mean of the squared errors. */
function loss(params: Params, { x, y }: Points): Tensor {
  const guess = vmap(predict, [null, 0])(params as never, x);
  return guess.sub(y).square().mean();
}

/** Parameters after a gradient step on some points. */
function adapt(params: Params, points: Points): Params {
  const slope = grad(loss)(params as never, points) as Params;
  return zip((p, dp) => p.sub(dp.mul(INNER_RATE)), params, slope);
}

/** How well the adapted net does on the unseen points, over all tasks. */
function metaLoss(params: Params, tasks: Task): Tensor {
  const lossOf = (task: Task): Tensor => loss(adapt(params, task.seen), task.unseen);
  return vmap(lossOf)(tasks).mean();
}

/** For comparison: how well the net does as it is. */
function plainLoss(params: Params, tasks: Task): Tensor {
  return vmap((task: Task) => loss(params, task.unseen))(tasks).mean();
}
