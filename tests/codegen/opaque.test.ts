// Ops with dispatches of their own: what is around them is fused, what they read and write is in memory.
import { expect, test } from "vitest";
import { compileStages } from "../../compiler/compile.js";
import { aval } from "../../compiler/core/aval.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { type Graph, literal } from "../../compiler/ir/graph.js";
import { type OpaqueOp, shaped } from "../../compiler/ir/op.js";
import { baseLimits } from "../../compiler/ir/program.js";
import { add, mul, neg, reduceSum, reshape, sqrt, transpose } from "../../compiler/ops/index.js";
import { showStage } from "../../compiler/report.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { stage } from "../../compiler/trace/stage.js";
import type { Operand, Tensor } from "../../compiler/trace/tensor.js";
import { bind } from "../../compiler/trace/trace.js";
import { difference } from "../support/arrays.js";
import { faultsOfFused, faultsOfProgram, interpretFused } from "../support/check-program.js";
import { gpuTest } from "../support/gpu.js";
import { runOnGpu } from "../support/run-program.js";

/** x: f32[n], factor: f32[] -> factor · x backwards: f32[n], and factor · x[0]: f32[]. In two dispatches. */
const backwards: OpaqueOp = {
  name: "backwards",
  kind: "opaque",
  typeOf: ([x]) => [aval("f32", x!.shape), aval("f32", [])],
  samples: [],
  ulp: 0,
  cpu([x, factor]) {
    const data = Float32Array.from(x!.data, (value) => Math.fround(value * factor!.data[0]!)).reverse();
    return [
      { dtype: "f32", shape: x!.shape, data },
      { dtype: "f32", shape: [], data: data.slice(-1) },
    ];
  },
  kernels([x]) {
    const [n] = x!.shape as [number];
    return {
      scratch: [4 * n],
      dispatches: [
        {
          wgsl: `@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < ${n}u) { tmp0[id.x] = bitcast<u32>(in1[0] * in0[id.x]); }
}`,
          reads: ["in0", "in1"],
          writes: ["tmp0"],
          workgroups: [Math.ceil(n / 64), 1, 1],
        },
        {
          wgsl: `@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < ${n}u) { out0[${n - 1}u - id.x] = bitcast<f32>(tmp0[id.x]); }
  if (id.x == 0u) { out1[0] = bitcast<f32>(tmp0[0]); }
}`,
          reads: ["tmp0"],
          writes: ["out0", "out1"],
          workgroups: [Math.ceil(n / 64), 1, 1],
        },
      ],
    };
  },
};

const back = (x: Operand, factor: Operand): [Tensor, Tensor] => bind(backwards, [x, factor], {}) as [Tensor, Tensor];
const two = literal(2, aval("f32", []));

const programs: Record<string, Graph> = {
  "between fused kernels": staged((x) => {
    const [all, first] = back(add(sqrt(x), x), two);
    return [mul(neg(all), all), neg(first)];
  }),
  "on arguments alone": staged((x) => back(x, two)),
  "of which one result is not read": staged((x) => [back(x, two)[1]]),
  "one behind the other": staged((x) => {
    const [all, first] = back(x, two);
    return [back(back(all, first)[0], first)[0]];
  }),
  "on views that keep the order, and through them": staged((x) => {
    const [all] = back(reshape(neg(reshape(x, [5, 20])), [100]), two);
    return [reshape(all, [4, 25]), reshape(x, [10, 10])];
  }),
  "on another view": staged((x) => [back(reshape(transpose(reshape(x, [5, 20]), [1, 0]), [100]), two)[0]]),
  "beside reductions": staged((x) => {
    const total = reduceSum(x, [0]);
    return [back(x, total)[0], total];
  }),
};

function staged(f: (x: Tensor) => Operand[]): Graph {
  return stage("f", [shaped("f32", 100)], ([x]) => ({ outputs: f(x!), rest: undefined })).graph;
}

const input: NDArray = { dtype: "f32", shape: [100], data: Float32Array.from({ length: 100 }, (_, i) => i / 4) };

for (const [name, graph] of Object.entries(programs)) {
  test(`an op with dispatches of its own, ${name}, is a kernel by itself`, () => {
    const { fused, program } = compileStages(graph, baseLimits);
    expect([...faultsOfFused(fused, baseLimits), ...faultsOfProgram(program, baseLimits)]).toEqual([]);
    const got = interpretFused(fused, [input]);
    interpret(graph, [input]).forEach((x, k) => {
      expect(difference(got[k]!, x)).toBeUndefined();
    });
    for (const { kind, eqns } of fused.kernels)
      expect(kind === "opaque").toBe(eqns.some(({ op }) => op.kind === "opaque"));
  });

  gpuTest(`and gives, ${name}, what it gives on the CPU`, async () => {
    const got = await runOnGpu(graph, [input]);
    interpret(graph, [input]).forEach((x, k) => {
      expect(difference(got[k]!, x)).toBeUndefined();
    });
  });
}

test("what is around it is fused, and the listing says so", () => {
  const compilation = compileStages(programs["between fused kernels"]!, baseLimits);
  const text = showStage(compilation, "kernels");
  expect(text).toContain("5 kernels, 6 dispatches");
  expect(text).toContain("a kernel of its own, 101 elements");
  expect(text).toContain("because dispatches of their own read it");
  expect(compilation.program.dispatches.map((d) => d.name)).toContain("k2.1");
});

test("a dispatch that binds more than the device can is refused", () => {
  expect(() => compileStages(programs["on arguments alone"]!, { ...baseLimits, maxStorageBuffers: 2 })).toThrow(
    "a dispatch of backwards binds 2 + 1 arrays, but the device binds 2",
  );
});
