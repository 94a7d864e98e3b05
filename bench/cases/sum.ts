// Sums: of a long vector, and of each row of a matrix.
import { jit as jaxJit, numpy as np } from "@jax-js/jax";
import { jit, type Tensor, tensor } from "lanewise";
import { type Case, numbers } from "../case.js";
import { jaxJs } from "../jax-js.js";
import { lanewise } from "../lanewise.js";

export const sum: Case = {
  name: "sum",
  title: "sum of 16 Mi numbers",
  timed: "run",
  calls: 8,
  repeats: 1,
  tolerance: 5e-4, // jax-js on the CPU adds one number after another
  contestants({ byHand, isQuick }) {
    const count = isQuick ? 2 ** 21 : 2 ** 24;
    const data = numbers(count).map((x) => x + 2); // no sum near 0
    const x = tensor(data);
    const ours = jit((x: Tensor) => x.sum());
    const jaxX = np.array(data);
    const theirs = jaxJit((x: np.Array) => x.sum());
    const contestants = [lanewise(() => ours(x)), jaxJs(() => theirs(jaxX.ref))];
    if (byHand) {
      const groups = 512;
      const partials = byHand.buffer(groups);
      const total = byHand.buffer(1);
      const first = byHand.step(rowSums(count / groups), [byHand.buffer(data), partials], [groups, 1]);
      const second = byHand.step(rowSums(groups), [partials, total], [1, 1]);
      contestants.push(byHand.contestant([first, second], total));
    }
    return contestants;
  },
};

export const rows: Case = {
  name: "rows",
  title: "sums of the rows of [4096, 4096]",
  timed: "run",
  calls: 8,
  repeats: 1,
  tolerance: 1e-5,
  contestants({ byHand, isQuick }) {
    const [rows, columns] = [isQuick ? 512 : 4096, 4096];
    const data = numbers(rows * columns).map((x) => x + 2);
    const x = tensor(data, { shape: [rows, columns] });
    const ours = jit((x: Tensor) => x.sum(1));
    const jaxX = np.array(data, { shape: [rows, columns] });
    const theirs = jaxJit((x: np.Array) => x.sum(1));
    const contestants = [lanewise(() => ours(x)), jaxJs(() => theirs(jaxX.ref))];
    if (byHand) {
      const sums = byHand.buffer(rows);
      const step = byHand.step(rowSums(columns), [byHand.buffer(data), sums], [rows, 1]);
      contestants.push(byHand.contestant([step], sums));
    }
    return contestants;
  },
};

/** A workgroup of 64 for each row: four numbers at a time, then a tree. */
const rowSums = (columns: number): string => `
  @group(0) @binding(0) var<storage, read> x: array<vec4f>;
  @group(0) @binding(1) var<storage, read_write> y: array<f32>;

  var<workgroup> partials: array<vec4f, 64>;

  @compute @workgroup_size(64)
  fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    var sum = vec4f();
    for (var i = lane; i < ${columns / 4}u; i += 64u) { sum += x[group.x * ${columns / 4}u + i]; }
    partials[lane] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
      workgroupBarrier();
      if (lane < half) { partials[lane] += partials[lane + half]; }
    }
    if (lane == 0u) { y[group.x] = dot(partials[0], vec4f(1.0)); }
  }
`;
