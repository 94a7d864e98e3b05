// Kernels of every kind on the GPU: the shapes at which another template or another number of dispatches is chosen.
import { describe, expect, test } from "vitest";
import { compileGraph, compileStages } from "../../compiler/compile.js";
import { aval } from "../../compiler/core/aval.js";
import { allocate, type DType } from "../../compiler/core/dtype.js";
import { type Graph, literal } from "../../compiler/ir/graph.js";
import { baseLimits, type DeviceLimits } from "../../compiler/ir/program.js";
import { fill, pad, select } from "../../compiler/ops/index.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { grad } from "../../compiler/transforms/grad.js";
import { conv } from "../../library/conv.js";
import * as np from "../../library/numpy/index.js";
import { difference } from "../support/arrays.js";
import { faultsOfProgram } from "../support/check-program.js";
import { describeGpu, gpuTest } from "../support/gpu.js";
import { runOnGpu } from "../support/run-program.js";
import { array, bool, expectGpuAgrees, f32, i32, inputsFor, trace } from "../support/trace.js";

/** Workgroups of the dispatches. */
const workgroups = (graph: Graph) => compileGraph(graph, baseLimits).dispatches.map((dispatch) => dispatch.workgroups);

describe("dispatches", () => {
  test("beyond 65,535 workgroups spread over two dimensions", () => {
    const graph = trace([f32(65_535 * 64 + 1)], (x) => x.add(1));
    const [[x, y, z]] = workgroups(graph) as [readonly [number, number, number]];
    expect(Math.max(x, y)).toBeLessThanOrEqual(65_535);
    expect(x * y).toBeGreaterThanOrEqual(65_536);
    expect(z).toBe(1);
  });

  test("of a long row are two, of many rows one", () => {
    expect(workgroups(trace([f32(100_000)], (x) => x.sum()))).toHaveLength(2);
    expect(workgroups(trace([f32(50, 1000)], (x) => x.sum(1)))).toEqual([[50, 1, 1]]);
  });

  test("of products with few rows give some columns to each invocation, and cut long sums in parts", () => {
    const product = (m: number, k: number, n: number) => trace([f32(2, m, k), f32(2, k, n)], (x, y) => x.matmul(y));
    expect(workgroups(product(16, 31, 4100))).toEqual([[65, 1, 2]]);
    expect(workgroups(product(16, 320, 4100))).toEqual([
      [33, 8, 2],
      [2050, 1, 1],
    ]);
    expect(workgroups(product(16, 31, 8500))).toEqual([[67, 1, 2]]); // two columns
    expect(workgroups(product(3, 31, 20_000))).toEqual([[79, 1, 2]]); // four
    expect(workgroups(product(17, 31, 4100))).toEqual([[65, 1, 2]]); // by tiles, each as wide
    expect(workgroups(product(2, 31, 30))).toEqual([[2, 1, 1]]);
  });

  test("are none for arrays without elements", () => {
    expect(workgroups(trace([f32(0)], (x) => x.add(1)))).toEqual([]);
    expect(workgroups(trace([f32(3, 0), f32(0, 0)], (x, y) => x.matmul(y)))).toEqual([]);
  });

  test("keep within the workgroups of a device", () => {
    const limits: DeviceLimits = { ...baseLimits, maxWorkgroups: 64 };
    for (const graph of [
      trace([f32(5000)], (x) => x.mul(2)),
      trace([f32(30, 100)], (x) => x.sum(1)),
      trace([f32(100_000)], (x) => [x.max(), x.argmax()]),
      trace([f32(100, 1000)], (x) => x.sum(0)),
      trace([f32(20, 40, 40), f32(20, 40, 40)], (x, y) => x.matmul(y)),
    ]) {
      expect(faultsOfProgram(compileGraph(graph, limits), limits)).toEqual([]);
    }
  });
});

/** Functions with a fold, at sizes around those where the way to fold changes. */
const folds: Readonly<Record<string, () => Graph>> = {
  "a short row": () => trace([f32(5, 20)], (x) => x.sum(1)),
  "a row of one workgroup": () => trace([f32(5, 300)], (x) => [x.sum(1), x.max(1).mul(2)]),
  "a row that no power of two divides": () => trace([f32(3, 1023)], (x) => x.mul(x).sum(1).sqrt()),
  "a long row in parts": () => trace([f32(20_001)], (x) => x.square().sum().sqrt()),
  "a few long rows in parts": () => trace([f32(3, 9000), f32(3)], (x, y) => [x.sum(1).add(y), x.min(1)]),
  "positions in long rows": () => trace([f32(2, 17_000)], (x) => [x.argmax(1), x.argmin(1)]),
  "many rows": () => trace([i32(9000, 40)], (x) => x.sum(1)),
  columns: () => trace([f32(40, 7)], (x) => x.sum(0)),
  "long columns in parts": () => trace([f32(3001, 5)], (x) => [x.sum(0).mul(2), x.max(0)]),
  "long columns of integers": () => trace([i32(3001, 5)], (x) => x.add(1).sum(0)),
  "positions in long columns": () => trace([i32(3001, 5)], (x) => [x.argmax(0), x.argmin(0)]),
  "outer and inner axes": () => trace([f32(6, 7, 8)], (x) => [x.sum([0, 2]), x.max([1, 2])]),
  "all axes": () => trace([i32(6, 7, 8)], (x) => [x.sum(), x.prod()]),
  "integers with wrap-around": () => trace([i32(500)], (x) => x.mul(123_456_789).sum()),
  "a dot product": () => trace([f32(20_000), f32(20_000)], (x, y) => np.vdot(x.mul(2), y).mul(3)),
  "a matrix and a vector": () => trace([f32(50, 400), f32(400)], (x, y) => x.matmul(y)),
  "a vector and a matrix": () => trace([f32(400), f32(400, 50), f32(50)], (x, y, z) => x.matmul(y).add(z)),
  "a small matrix product": () => trace([f32(5, 6), f32(6, 7)], (x, y) => x.matmul(y)),
  "tiles that fit": () => trace([f32(64, 64), f32(64, 64)], (x, y) => x.matmul(y)),
  "tiles that stick out": () => trace([f32(65, 33), f32(33, 17), f32(17)], (x, y, b) => x.matmul(y).add(b).tanh()),
  "tiles of integers": () => trace([i32(20, 30), i32(30, 20)], (x, y) => x.matmul(y)),
  "tiles of a batch": () => trace([f32(5, 20, 30), f32(5, 30, 20)], (x, y) => x.matmul(y)),
  "tiles of views and computed operands": () =>
    trace([f32(30, 40), f32(50, 30)], (x, w) => x.T.mul(2).matmul(w.T.add(1)).flip(0)),
  "few rows and many columns": () => trace([f32(6, 40), f32(40, 5000)], (x, y) => x.matmul(y)),
  "few rows, two columns at a time": () =>
    trace([f32(12, 33), f32(33, 17_001), f32(12, 17_001)], (x, y, z) => x.matmul(y).add(z)),
  "few rows, four columns at a time": () => trace([i32(6, 40), i32(40, 33_001)], (x, y) => x.matmul(y)),
  "few rows with what follows": () =>
    trace([f32(2, 40), f32(40, 5000), f32(2, 1)], (x, y, b) => [x.matmul(y).add(b).tanh(), x.matmul(y.mul(2)).sum(1)]),
  "few long rows": () => trace([f32(3, 4001), f32(4001, 70), f32(70)], (x, y, b) => x.matmul(y).add(b)),
  "few rows of integers in a batch": () => trace([i32(3, 16, 100), i32(3, 100, 1500)], (x, y) => x.matmul(y)),
  "few filters": () =>
    trace([f32(8, 3, 30, 30), f32(5, 3, 3, 3)], (x, w) => np.maximum(conv(x, w, { padding: "same" }), 0)),
  "more batches than workgroups": () => trace([f32(70_000, 2, 3), f32(70_000, 3, 2)], (x, y) => x.matmul(y)),
};

describeGpu("on the GPU", () => {
  for (const [what, graph] of Object.entries(folds)) {
    gpuTest(`a fold over ${what} gives what it gives on the CPU`, async () => {
      await expectGpuAgrees(graph());
    });
  }

  gpuTest("the gradient of few filters is folded in parts, in an order of its own", async () => {
    const squares = (x: Tensor, w: Tensor): Tensor => conv(x, w).square().sum();
    const graph = trace([f32(8, 6, 30, 30), f32(5, 6, 3, 3)], (x, w) => grad((w: Tensor) => squares(x, w))(w).add(w));
    expect(workgroups(graph).slice(-2)).toEqual([
      [1, 80, 1],
      [5, 1, 1],
    ]);
    await expectGpuAgrees(graph);
  });

  gpuTest("arithmetic stays as it is written: nothing is contracted, reassociated or cancelled", async () => {
    const graph = trace([f32(64), f32(64)], (x, y) => {
      const sum = x.add(y);
      const part = sum.sub(x);
      const product = x.mul(y);
      return [
        x.sub(sum.sub(part)).add(y.sub(part)), // the rounding error of x + y
        product.add(sum).sub(product),
        product.add(1).sub(1),
        x.sub(y).sub(x),
        sum.mul(3).sub(sum.mul(2)),
        x.mul(0).add(y.sub(y)),
        x.add(16_777_216).sub(16_777_216),
        product.mul(y).sub(x.mul(y.mul(y))),
      ];
    });
    const inputs = inputsFor(graph);
    const want = interpret(graph, inputs);
    const got = await runOnGpu(graph, inputs);
    want.forEach((x, k) => void expect(difference(got[k]!, x), `result ${k}`).toBeUndefined());
  });

  gpuTest("a value beside itself cancels only where it is a number", async () => {
    const graph = trace([f32(6)], (x) => {
      const twice = x.mul(2);
      return [
        x.sub(x),
        x.div(x),
        x.mul(0),
        x.mul(-0),
        twice.sub(twice),
        twice.div(twice),
        x.add(twice.sub(twice)),
        twice.mul(0).add(1),
        x.eq(x),
        twice.ne(twice),
      ];
    });
    const inputs = [array("f32", [6], [Infinity, -Infinity, NaN, 0, -0, 3])];
    const want = interpret(graph, inputs);
    const got = await runOnGpu(graph, inputs);
    want.forEach((x, k) => void expect(difference(got[k]!, x), `result ${k}`).toBeUndefined());
  });

  gpuTest("more than 65,535 workgroups write every element", async () => {
    const n = 65_535 * 64 + 1000;
    const graph = trace([i32(n)], (x) => x.mul(2).add(1));
    const data = new Int32Array(n).map((_, i) => i);
    const [got] = await runOnGpu(graph, [{ dtype: "i32", shape: [n], data }]);
    expect(got!.data.findIndex((x, i) => x !== 2 * i + 1)).toBe(-1);
  });

  gpuTest("two dimensions of workgroups end where the elements end", async () => {
    const limits = { ...baseLimits, maxWorkgroups: 4 };
    await expectGpuAgrees(
      trace([f32(700)], (x) => x.mul(2)),
      undefined,
      limits,
    );
    await expectGpuAgrees(
      trace([f32(7, 100)], (x) => x.sum(1).add(1)),
      undefined,
      limits,
    );
  });

  gpuTest("a fold gives the same bits on every run", async () => {
    const graph = trace([f32(100_000)], (x) => x.sin().sum());
    const inputs = inputsFor(graph);
    const [first] = await runOnGpu(graph, inputs);
    for (let i = 0; i < 3; i++) expect(await runOnGpu(graph, inputs)).toEqual([first]);
  });

  gpuTest("arrays without elements have results", async () => {
    for (const graph of [
      trace([f32(0, 3)], (x) => [x.add(1), x.sum(0), x.sum(1), x.sum(), x.prod(), x.reshape([3, 0]).T]),
      trace([f32(3, 0), f32(0, 4)], (x, y) => x.matmul(y).add(1)),
      trace([f32(20, 0), f32(0, 20)], (x, y) => [x.matmul(y), x.sum(1)]),
      trace([f32(0, 20), f32(3)], (x, y) => [np.concatenate([x.sum(1), y]), np.stack([y, y]).slice([1, 1])]),
      trace([f32(0), f32(2)], (x, y) => [np.concatenate([x, y, x]), x.pad([[2, 3]], 7), x.broadcastTo([2, 0])]),
    ]) {
      await expectGpuAgrees(graph);
    }
  });

  gpuTest("arrays of rank 8 are read through any view", async () => {
    const shape = [2, 1, 3, 2, 1, 2, 2, 3] as const;
    await expectGpuAgrees(
      trace([f32(...shape), f32(...shape)], (x, y) => [
        x.transpose(7, 0, 6, 1, 5, 2, 4, 3).mul(2),
        x.flip([2, 7]).add(y),
        x.slice(null, null, [1, 3], [null, null, 2]).pad([
          [1, 0],
          [0, 0],
          [0, 1],
          [0, 0],
          [2, 0],
          [0, 0],
          [0, 0],
          [1, 1],
        ]),
        x.sum([1, 2, 5, 7]).tanh(),
        np.concatenate([x, y, x], 6),
        x.max([0, 2, 3, 5, 6, 7]),
      ]),
    );
  });

  gpuTest("constants in the code keep -0, infinities, NaN and the extremes of every dtype", async () => {
    const constants: readonly (readonly [DType, number])[] = [
      ...[0, -0, 1, -1, 1e-38, -3.4028234663852886e38, 0.1, 16_777_217, Infinity, -Infinity, NaN].map(
        (x) => ["f32", x] as const,
      ),
      ...[0, -1, 2147483647, -2147483648].map((x) => ["i32", x] as const),
      ...[0, 65_535, 65_536, 4294967295].map((x) => ["u32", x] as const),
      ...[0, 1].map((x) => ["bool", x] as const),
    ];
    const lit = ([dtype, x]: readonly [DType, number]) => literal(allocate(dtype, 1).fill(x)[0]!, aval(dtype, []));
    const graph = trace([bool(2)], (c) =>
      constants.flatMap((entry): Tensor[] => [
        fill(lit(entry), [2]),
        select(c, lit(entry), lit([entry[0], 1])),
        pad(fill(lit([entry[0], 1]), [1]), lit(entry), { low: [1], high: [0], interior: [0] }),
      ]),
    );
    const inputs = [array("bool", [2], [1, 0])];
    const got = await runOnGpu(graph, inputs);
    interpret(graph, inputs).forEach((want, k) => {
      const about = `constant ${constants[Math.floor(k / 3)]}, result ${k % 3}`;
      expect(difference(got[k]!, want), about).toBeUndefined();
    });
  });
});

describe("code", () => {
  const programs: readonly (() => Graph)[] = [
    ...Object.values(folds),
    () => trace([f32(10), f32(10)], (x, y) => [x.add(y).sin(), np.where(x.lt(y), x, NaN)]),
  ];

  test("is the same text on every run", () => {
    const text = (make: () => Graph): string[] =>
      compileGraph(make(), baseLimits).dispatches.map((dispatch) => dispatch.wgsl);
    for (const make of programs) expect(text(make)).toEqual(text(make));
  });

  test("is the same text whether or not somebody looks at the stages", () => {
    for (const make of programs) {
      const texts = compileStages(make(), baseLimits).program.dispatches.map((dispatch) => dispatch.wgsl);
      expect(texts).toEqual(compileGraph(make(), baseLimits).dispatches.map((dispatch) => dispatch.wgsl));
    }
  });

  test("has one comment per line and no text from outside", () => {
    for (const make of programs) {
      for (const { wgsl } of compileGraph(make(), baseLimits).dispatches) {
        expect(wgsl).toMatch(/^[\n\x20-\x7eΣ·×…]*$/);
        expect(wgsl).not.toContain("/*");
      }
    }
  });
});

gpuTest("sums of nothing but -0 are 0, in kernels of every kind", async () => {
  for (const [rows, terms] of [
    [1, 1],
    [3, 2],
    [2, 10],
    [2, 40],
    [2, 20_000],
  ] as const) {
    const graph = trace([f32(rows, terms), f32(terms, 3)], (x, y) => [x.sum(1), x.sum(0), x.matmul(y)]);
    const zeros = array("f32", [rows, terms], new Array(rows * terms).fill(-0));
    const inputs = [zeros, array("f32", [terms, 3], new Array(3 * terms).fill(1))];
    const want = interpret(graph, inputs);
    const got = await runOnGpu(graph, inputs);
    want.forEach((x, k) => void expect(difference(got[k]!, x), `[${rows}, ${terms}], result ${k}`).toBeUndefined());
    expect([...got[0]!.data].every((x) => Object.is(x, 0))).toBe(true);
  }
  const square = trace([f32(40, 40), f32(40, 40)], (x, y) => x.matmul(y));
  const zeros = array("f32", [40, 40], new Array(1600).fill(-0));
  const ones = array("f32", [40, 40], new Array(1600).fill(1));
  expect([...(await runOnGpu(square, [zeros, ones]))[0]!.data].every((x) => Object.is(x, 0))).toBe(true);
});
