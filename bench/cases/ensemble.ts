// A training step of four LeNets as one batched model: forward, backward and Adam with AMSGrad, each net on its own
// minibatch and with its own learning rate.
import {
  blockUntilReady,
  jit as jaxJit,
  nn as jaxNn,
  valueAndGrad as jaxValueAndGrad,
  vmap as jaxVmap,
  lax,
  numpy as np,
  type numpy,
  tree,
} from "@jax-js/jax";
import { jit, tensor, vmap } from "lanewise";
import { LeNet, TrainOneStep } from "../../examples/support/lenet.js";
import { type Case, numbers } from "../case.js";
import type { Contestant } from "../contestant.js";
import { lanewise } from "../lanewise.js";

type Arrays = Record<string, numpy.Array>;

const RATES = [1e-2, 1e-3, 2e-3, 3e-3];
const CLASSES = 10;

const shared = {
  timed: "run",
  repeats: 1,
  tolerance: 1e-3, // rounding errors go through Adam, which divides by small numbers
} as const;

export const ensemble: Case = {
  ...shared,
  name: "ensemble",
  title: "a training step of four LeNets, minibatches [4, 64, 1, 32, 32]",
  calls: 2,
  contestants: (machine) => contestants(machine.isQuick ? 4 : 64),
};

export const smallEnsemble: Case = {
  ...shared,
  name: "ensemble-small",
  title: "the same with minibatches [4, 3, 1, 32, 32]",
  calls: 10,
  contestants: () => contestants(3),
};

function contestants(batch: number): readonly Contestant[] {
  const images = numbers(4 * batch * 32 * 32, 1);
  const labels = Int32Array.from({ length: 4 * batch }, (_, i) => (7 * i) % CLASSES);
  const trainers = RATES.map((rate) => new TrainOneStep(new LeNet(), rate));
  const params = firstParams(trainers.map(({ net }) => net));
  return [ours(trainers, images, labels, batch), theirs(params, images, labels, batch)];
}

/** Gives the nets weights that both sides have, and returns them stacked: by name, [4, …]. */
function firstParams(
  nets: readonly LeNet[],
): Record<string, readonly [data: Float32Array<ArrayBuffer>, shape: readonly number[]]> {
  const entries = Object.entries(nets[0]!.parameters()).map(([path, { shape, size, ndim }], k) => {
    const inputs = ndim === 4 ? size / shape[0]! : shape[0]!;
    const scale = ndim === 1 ? 0 : 1 / Math.sqrt(inputs);
    const data = numbers(nets.length * size, k + 2).map((x) => x * scale);
    return [path, [data, [nets.length, ...shape]]] as const;
  });
  for (const [n, net] of nets.entries()) {
    net.loadStateDict(
      Object.fromEntries(
        entries.map(([path, [data, [, ...shape]]]) => {
          const size = data.length / nets.length;
          return [path, tensor(data.slice(n * size, (n + 1) * size), { shape })];
        }),
      ),
    );
  }
  return Object.fromEntries(entries);
}

/** Both sides take a step before they are compared, so that gradients and updates are compared too. */
function ours(
  trainers: readonly TrainOneStep[],
  data: Float32Array<ArrayBuffer>,
  labels: Int32Array<ArrayBuffer>,
  batch: number,
): Contestant {
  const step = jit(vmap(trainers));
  const x = tensor(data, { shape: [4, batch, 1, 32, 32] });
  const y = tensor(labels, { shape: [4, batch] });
  step(x, y).dispose();
  return lanewise(() => step(x, y));
}

/** As its users write it: arrays that are read again are `ref`ed, what a call is given is taken over. */
function theirs(
  params: ReturnType<typeof firstParams>,
  data: Float32Array<ArrayBuffer>,
  labels: Int32Array<ArrayBuffer>,
  batch: number,
): Contestant {
  const start: Arrays = Object.fromEntries(
    Object.entries(params).map(([path, [values, shape]]) => [path, np.array(values, { shape: [...shape] })]),
  );
  const none = (): Arrays => tree.map((x: numpy.Array) => np.zerosLike(x.ref), start) as Arrays;
  let state = { params: start, step: np.zeros([4]), first: none(), second: none(), largest: none() };
  const rates = np.array(RATES);
  const x = np.array(data, { shape: [4, batch, 1, 32, 32] });
  const y = np.array(labels, { shape: [4, batch] });
  const step = jaxJit(jaxVmap(trainOneStep));
  const call = (): numpy.Array => {
    const [losses, next] = step(state, rates.ref, x.ref, y.ref) as [numpy.Array, typeof state];
    state = next;
    return losses;
  };
  call().dispose();
  return {
    name: "jax-js",
    async run(calls) {
      const losses = Array.from({ length: calls }, call);
      await blockUntilReady([...losses, ...tree.leaves<numpy.Array>(state)]);
      for (const loss of losses) loss.dispose();
    },
    read: async () => (await call().data()) as Float32Array,
  };
}

type JaxState = Record<"params" | "first" | "second" | "largest", Arrays> & { step: numpy.Array };

/** One net: its loss, and its state behind the step. */
function trainOneStep(state: JaxState, rate: numpy.Array, x: numpy.Array, y: numpy.Array): [numpy.Array, JaxState] {
  const [loss, gradients] = jaxValueAndGrad((params: Arrays) => crossEntropy(params, x, y))(tree.ref(state.params)) as [
    numpy.Array,
    Arrays,
  ];
  const step = state.step.add(1);
  const correction = (beta: number): numpy.Array => np.subtract(1, np.exp(step.ref.mul(Math.log(beta))));
  const [firstPart, secondPart] = [correction(0.9), correction(0.999)];
  const next = { params: {} as Arrays, step, first: {} as Arrays, second: {} as Arrays, largest: {} as Arrays };
  for (const [path, gradient] of Object.entries(gradients)) {
    const first = state.first[path]!.mul(0.9).add(gradient.ref.mul(0.1));
    const second = state.second[path]!.mul(0.999).add(np.square(gradient).mul(0.001));
    const largest = np.maximum(state.largest[path]!, second.ref);
    const root = np.sqrt(largest.ref.div(secondPart.ref)).add(1e-8);
    next.params[path] = state.params[path]!.sub(first.ref.div(firstPart.ref).div(root).mul(rate.ref));
    Object.assign(next.first, { [path]: first });
    Object.assign(next.second, { [path]: second });
    Object.assign(next.largest, { [path]: largest });
  }
  for (const used of [firstPart, secondPart, rate]) used.dispose();
  return [loss, next];
}

/** The net of examples/support/lenet.ts. */
function crossEntropy(params: Arrays, x: numpy.Array, labels: numpy.Array): numpy.Array {
  const of = (layer: number, name: string): numpy.Array => params[`layers.layers.${layer}.${name}`]!;
  const conv = (x: numpy.Array, layer: number): numpy.Array =>
    lax.conv(x, of(layer, "weight"), [1, 1], "VALID").add(of(layer, "bias").reshape([-1, 1, 1]));
  /** The maximum of two by two: its reduceWindow has no rule for vmap. */
  const pool = (x: numpy.Array): numpy.Array => {
    const [count, channels, height, width] = x.shape as [number, number, number, number];
    return np.max(x.reshape([count, channels, height / 2, 2, width / 2, 2]), [3, 5]);
  };
  const dense = (x: numpy.Array, layer: number): numpy.Array =>
    np.matmul(x, of(layer, "weight")).add(of(layer, "bias"));
  const features = pool(jaxNn.relu(conv(pool(jaxNn.relu(conv(x, 0))), 3))).reshape([-1, 400]);
  const logits = dense(jaxNn.relu(dense(jaxNn.relu(dense(features, 7)), 9)), 11);
  return jaxNn.logSoftmax(logits).mul(jaxNn.oneHot(labels, CLASSES)).sum(-1).mean().neg();
}
