// Whole programs as text: the Graph, what the passes made of it, its kernels, buffers and WGSL. Read a diff there as code.
import { expect, test } from "vitest";
import { compileStages } from "../../compiler/compile.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { baseLimits } from "../../compiler/ir/program.js";
import { showStage, stages } from "../../compiler/report.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { grad } from "../../compiler/transforms/grad.js";
import { vmap } from "../../compiler/transforms/vmap.js";
import { conv } from "../../library/conv.js";
import * as np from "../../library/numpy/index.js";
import { maxPool } from "../../library/pool.js";
import { f32, i32, trace } from "../support/trace.js";

const slices = (x: Tensor, w: Tensor): Tensor => {
  const n = x.shape[0]!;
  const [a, b, c] = [0, 1, 2].map((i) => x.slice([i, n - 2 + i]).mul(w.at(i)));
  return a!.add(b!).add(c!);
};

const windows = (x: Tensor, w: Tensor): Tensor => {
  const out: Tensor[] = [];
  for (let i = 1; i < x.shape[0]! - 1; i++) out.push(np.dot(x.slice([i - 1, i + 2]), w));
  return np.stack(out);
};

const programs: Readonly<Record<string, () => Graph>> = {
  "convolution-of-slices": () => trace([f32(4096, 1024), f32(3)], vmap(slices, [0, null])),
  "loop-of-windows": () => trace([f32(8, 6), f32(8, 3)], vmap(windows)),
  softmax: () =>
    trace([f32(128, 1000)], (x) => {
      const e = x.sub(x.max(1, { keepDims: true })).exp();
      return e.div(e.sum(1, { keepDims: true }));
    }),
  layer: () => trace([f32(64, 100), f32(100, 50), f32(50)], (x, w, b) => x.matmul(w).add(b).tanh()),
  "conv-bias-relu": () =>
    trace([f32(8, 32, 16, 16), f32(64, 32, 3, 3), f32(64, 1, 1)], (x, w, b) =>
      conv(x, w, { padding: "same" }).add(b).maximum(0),
    ),
  "max-pool-gradient": () =>
    trace(
      [f32(8, 32, 16, 16)],
      grad((x: Tensor) => maxPool(x, 3, { strides: 2, padding: 1 })),
    ),
  argmax: () => trace([f32(10, 500)], (x) => x.argmax(1)),
  "gather-and-where": () =>
    trace([f32(100, 8), i32(20)], (x, i) => {
      const rows = np.take(x, i, 0);
      return np.where(rows.gt(0), rows, -Infinity);
    }),
  layernorm: () =>
    trace([f32(32, 512), f32(512), f32(512)], (x, scale, shift) => {
      const centred = x.sub(x.mean(1, { keepDims: true }));
      const variance = centred.square().mean(1, { keepDims: true });
      return centred.mul(variance.add(1e-5).rsqrt()).mul(scale).add(shift);
    }),
  "nested-vdot": () => trace([f32(3, 4), f32(4, 5)], vmap(vmap(np.vdot, [0, null], 0), [null, 1], 1)),
  "sum-of-a-long-row": () => trace([f32(100_000)], (x) => x.square().sum().sqrt()),
  "sum-of-columns": () => trace([f32(10_000, 3)], (x) => x.sum(0)),
};

for (const [name, graph] of Object.entries(programs)) {
  test(name, async () => {
    const compilation = compileStages(graph(), baseLimits);
    const text = stages.map((stage) => `== ${stage} ==\n\n${showStage(compilation, stage)}\n`).join("\n");
    await expect(text).toMatchFileSnapshot(`./${name}.txt`);
  });
}
