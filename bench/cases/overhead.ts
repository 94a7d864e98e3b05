// What a call costs beside its work: x + 1 on 16 elements.
import { jit as jaxJit, numpy as np } from "@jax-js/jax";
import { jit, type Tensor, tensor } from "lanewise";
import { type Case, type Machine, numbers } from "../case.js";
import type { Contestant } from "../contestant.js";
import { jaxJsChain } from "../jax-js.js";
import { lanewiseChain } from "../lanewise.js";

const plusOne = (x: Tensor): Tensor => x.add(1);
const jaxPlusOne = (x: np.Array): np.Array => x.add(1);

const shared = { repeats: 10, tolerance: 0 } as const;

export const call: Case = {
  ...shared,
  name: "call",
  title: "x + 1 on 16 elements, each call submitted by itself, the last of 100 waited for",
  timed: "run",
  calls: 100,
  contestants: (machine) => contestants(machine, jit(plusOne), jaxJit(jaxPlusOne), true),
};

export const callsInARow: Case = {
  ...call,
  name: "calls-in-a-row",
  title: "the same, without turning to other work between the calls: lanewise submits them together",
  contestants: (machine) => contestants(machine, jit(plusOne), jaxJit(jaxPlusOne), false),
};

export const callAndRead: Case = {
  ...shared,
  name: "call-and-read",
  title: "x + 1 on 16 elements, and its result read",
  timed: "read",
  calls: 10,
  contestants: call.contestants,
};

export const eager: Case = {
  ...call,
  name: "eager",
  title: "the calls of `call` without jit",
  contestants: (machine) => contestants(machine, plusOne, jaxPlusOne, true),
};

function contestants(
  { byHand }: Machine,
  ours: (x: Tensor) => Tensor,
  theirs: (x: np.Array) => np.Array,
  yields: boolean,
): readonly Contestant[] {
  const data = numbers(16);
  const contestants = [lanewiseChain(ours, tensor(data), yields), jaxJsChain(theirs, np.array(data))];
  if (byHand) {
    const code = `
      @group(0) @binding(0) var<storage, read> x: array<f32>;
      @group(0) @binding(1) var<storage, read_write> y: array<f32>;

      @compute @workgroup_size(16)
      fn main(@builtin(global_invocation_id) id: vec3u) {
        y[id.x] = x[id.x] + 1.0;
      }
    `;
    const y = byHand.buffer(16);
    contestants.push(byHand.contestant([byHand.step(code, [byHand.buffer(data), y], [1, 1])], y));
  }
  return contestants;
}
