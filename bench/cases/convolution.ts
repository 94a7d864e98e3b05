// A filter of three taps slides along every row: written for one row, and mapped by vmap.
import { jit as jaxJit, vmap as jaxVmap, numpy as np } from "@jax-js/jax";
import { jit, type Tensor, tensor, vmap } from "lanewise";
import { type Case, numbers } from "../case.js";
import { jaxJs } from "../jax-js.js";
import { lanewise } from "../lanewise.js";

export const convolution: Case = {
  name: "convolution",
  title: "vmap of a three-slice convolution, [4096, 1024]",
  timed: "run",
  calls: 8,
  repeats: 1,
  tolerance: 1e-6,
  contestants({ byHand, isQuick }) {
    const [rows, columns] = [isQuick ? 512 : 4096, 1024];
    const signals = numbers(rows * columns);
    const taps = Float32Array.of(0.25, 0.5, 0.25);

    const xs = tensor(signals, { shape: [rows, columns] });
    const w = tensor(taps);
    const ours = jit(
      vmap(
        (x: Tensor, w: Tensor): Tensor => {
          const left = x.slice([0, -2]).mul(w.at(0));
          const middle = x.slice([1, -1]).mul(w.at(1));
          const right = x.slice([2]).mul(w.at(2));
          return left.add(middle).add(right);
        },
        [0, null],
      ),
    );

    const jaxXs = np.array(signals, { shape: [rows, columns] });
    const jaxW = np.array(taps);
    const theirs = jaxJit(
      jaxVmap(
        (x: np.Array, w: np.Array): np.Array => {
          const left = x.ref.slice([0, -2]).mul(w.ref.slice(0));
          const middle = x.ref.slice([1, -1]).mul(w.ref.slice(1));
          const right = x.slice([2]).mul(w.slice(2));
          return left.add(middle).add(right);
        },
        [0, null],
      ),
    );

    const contestants = [lanewise(() => ours(xs, w)), jaxJs(() => theirs(jaxXs.ref, jaxW.ref))];
    if (byHand) {
      const width = columns - 2;
      const code = `
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read> w: array<f32>;
        @group(0) @binding(2) var<storage, read_write> y: array<f32>;

        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3u) {
          let column = id.x;
          let row = id.y;
          if (column >= ${width}u) { return; }
          let at = row * ${columns}u + column;
          y[row * ${width}u + column] = x[at] * w[0] + x[at + 1u] * w[1] + x[at + 2u] * w[2];
        }
      `;
      const y = byHand.buffer(rows * width);
      const step = byHand.step(code, [byHand.buffer(signals), byHand.buffer(taps), y], [Math.ceil(width / 64), rows]);
      contestants.push(byHand.contestant([step], y));
    }
    return contestants;
  },
};
