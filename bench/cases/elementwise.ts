// Chains of elementwise operations on a long vector.
import { jit as jaxJit, numpy as np } from "@jax-js/jax";
import { jit, type Tensor, tensor } from "lanewise";
import { type Case, type Machine, numbers } from "../case.js";
import type { Contestant } from "../contestant.js";
import { jaxJs } from "../jax-js.js";
import { lanewise } from "../lanewise.js";

export const chain: Case = {
  name: "chain",
  title: "12 elementwise operations on 4 Mi numbers",
  timed: "run",
  calls: 8,
  repeats: 1,
  tolerance: 1e-5,
  contestants: (machine) =>
    elementwise(machine, {
      ours: (x) =>
        x.mul(1.5).add(0.5).abs().sqrt().mul(x).sub(1).maximum(-2).minimum(3).square().add(x).mul(0.25).neg(),
      theirs(x) {
        const scaled = np.sqrt(np.absolute(x.ref.mul(1.5).add(0.5))).mul(x.ref);
        const clipped = np.minimum(np.maximum(scaled.sub(1), -2), 3);
        return np.square(clipped).add(x).mul(0.25).neg();
      },
      wgsl: `
        let clipped = min(max(sqrt(abs(x * 1.5 + 0.5)) * x - 1.0, vec4f(-2.0)), vec4f(3.0));
        let y = -((clipped * clipped + x) * 0.25);
      `,
    }),
};

export const functions: Case = {
  name: "functions",
  title: "log(1 + exp(sin x · cos x)) + tanh x on 4 Mi numbers",
  timed: "run",
  calls: 8,
  repeats: 1,
  tolerance: 1e-5,
  contestants: (machine) =>
    elementwise(machine, {
      ours: (x) => x.sin().mul(x.cos()).exp().add(1).log().add(x.tanh()),
      theirs: (x) => np.log(np.exp(np.sin(x.ref).mul(np.cos(x.ref))).add(1)).add(np.tanh(x)),
      wgsl: "let y = log(exp(sin(x) * cos(x)) + 1.0) + tanh(x);",
    }),
};

interface Forms {
  readonly ours: (x: Tensor) => Tensor;
  readonly theirs: (x: np.Array) => np.Array;
  /** From `x: vec4f` to `y`. */
  readonly wgsl: string;
}

function elementwise({ byHand, isQuick }: Machine, { ours, theirs, wgsl }: Forms): readonly Contestant[] {
  const count = isQuick ? 2 ** 19 : 2 ** 22;
  const data = numbers(count);
  const x = tensor(data);
  const call = jit(ours);
  const jaxX = np.array(data);
  const jaxCall = jaxJit(theirs);
  const contestants = [lanewise(() => call(x)), jaxJs(() => jaxCall(jaxX.ref))];
  if (byHand) {
    const perRow = 256; // workgroups
    const code = `
      @group(0) @binding(0) var<storage, read> xs: array<vec4f>;
      @group(0) @binding(1) var<storage, read_write> ys: array<vec4f>;

      @compute @workgroup_size(64)
      fn main(@builtin(global_invocation_id) id: vec3u) {
        let i = id.y * ${perRow * 64}u + id.x;
        let x = xs[i];
        ${wgsl}
        ys[i] = y;
      }
    `;
    const y = byHand.buffer(count);
    const step = byHand.step(code, [byHand.buffer(data), y], [perRow, count / 4 / 64 / perRow]);
    contestants.push(byHand.contestant([step], y));
  }
  return contestants;
}
