// Reads and writes at computed places, by facts worked out by hand.
import { describe, expect, test } from "vitest";
import type { DType } from "../../compiler/core/dtype.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { printGraph } from "../../compiler/ir/print.js";
import * as ops from "../../compiler/ops/index.js";
import { dce } from "../../compiler/passes/dce.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { batchGraph } from "../../compiler/transforms/batch.js";
import { grad } from "../../compiler/transforms/grad.js";
import { difference } from "../support/arrays.js";
import { gpuTest } from "../support/gpu.js";
import { runOnGpu } from "../support/run-program.js";
import { array, evaluate, f32, i32, trace } from "../support/trace.js";

const vector = (dtype: DType, ...elements: number[]): NDArray => array(dtype, [elements.length], elements);
const counted = (dtype: DType, ...shape: number[]): NDArray => {
  const n = shape.reduce((a, b) => a * b, 1);
  return array(
    dtype,
    shape,
    Array.from({ length: n }, (_, i) => i),
  );
};
const run = (inputs: readonly NDArray[], fn: (...args: Tensor[]) => Tensor): number[] => [...evaluate(inputs, fn).data];

describe("gather", () => {
  const x = counted("f32", 3, 4);

  test("reads along several axes in step", () => {
    const [i, j] = [vector("i32", 0, 2, 9), vector("u32", 3, 1, 0)];
    const both = (mode: "clip" | "fill") => (a: Tensor, k: Tensor, l: Tensor) =>
      ops.gather(a, [k, l], { axes: [0, 1], batch: 0, mode });
    expect(run([x, i, j], both("clip"))).toEqual([3, 9, 8]);
    expect(run([x, i, j], both("fill"))).toEqual([3, 9, NaN]);
  });

  test("has the indices' axes where the first indexed axis was", () => {
    const shape = (axes: number[], batch: number, indices: number[]) =>
      evaluate([counted("f32", 2, 3, 4, 5, 6), ...axes.map(() => counted("i32", ...indices))], (a, ...own) =>
        ops.gather(a, own, { axes, batch, mode: "clip" }),
      ).shape;
    expect(shape([2], 0, [7, 8])).toEqual([2, 3, 7, 8, 5, 6]);
    expect(shape([1, 3], 0, [7])).toEqual([2, 7, 4, 6]);
    expect(shape([2, 4], 1, [2, 7])).toEqual([2, 3, 7, 5]);
  });

  test("fills with what stands for nothing in each dtype", () => {
    const out = vector("i32", -1);
    const read = (a: Tensor, i: Tensor) => ops.gather(a, [i], { axes: [0], batch: 0, mode: "fill" });
    expect(run([vector("f32", 1), out], read)).toEqual([NaN]);
    expect(run([vector("i32", 1), out], read)).toEqual([-2147483648]);
    expect(run([vector("u32", 1), out], read)).toEqual([4294967295]);
    expect(run([vector("bool", 1), out], read)).toEqual([0]);
    expect(run([vector("f32"), out], read)).toEqual([NaN]);
  });

  test("does not repeat an array that all lanes read", () => {
    const graph = trace([f32(1000, 8), i32(5)], (a, i) => ops.gather(a, [i], { axes: [0], batch: 0, mode: "clip" }));
    const batched = batchGraph(graph, [null, 0], 64);
    expect(printGraph(batched.graph)).toBe(
      [
        "graph (a:f32[1000,8], b:i32[64,5]) {",
        "  c:f32[64,5,8] = gather axes=[0] batch=0 mode=clip a b",
        "  return c",
        "}",
      ].join("\n"),
    );
    const slice = trace([f32(1000), i32()], (a, i) => ops.dynamicSlice(a, [i], [5]));
    expect(printGraph(batchGraph(slice, [null, 0], 64).graph)).not.toContain("f32[64,1000]");
  });
});

test("dynamicUpdateSlice writes a box, moved to where it fits", () => {
  const write = (a: Tensor, u: Tensor, i: Tensor, j: Tensor) => ops.dynamicUpdateSlice(a, u, [i, j]);
  const [x, u] = [array("f32", [2, 3], [0, 0, 0, 0, 0, 0]), array("f32", [1, 2], [7, 8])];
  const at = (i: number, j: number) => run([x, u, array("i32", [], [i]), array("i32", [], [j])], write);
  expect(at(1, 0)).toEqual([0, 0, 0, 7, 8, 0]);
  expect(at(0, 1)).toEqual([0, 7, 8, 0, 0, 0]);
  expect(at(-5, 9)).toEqual([0, 7, 8, 0, 0, 0]);
});

describe("scatter", () => {
  const meeting = vector("i32", 1, 3, 1, -1, 1, 7);
  const updates = vector("f32", 2, 3, 4, 5, 0.5, 6);
  const x = vector("f32", 1, 1, 1, 1);
  const at = (combine: ops.Combine, mode: "drop" | "clip") => (a: Tensor, i: Tensor, u: Tensor) =>
    ops.scatter(a, [i], u, { axes: [0], batch: 0, mode, combine });
  const written = (combine: ops.Combine, mode: "drop" | "clip") => run([x, meeting, updates], at(combine, mode));

  test("takes updates that meet in their order, and leaves out or moves those out of range", () => {
    expect(written("set", "drop")).toEqual([1, 0.5, 1, 3]);
    expect(written("set", "clip")).toEqual([5, 0.5, 1, 6]);
    expect(written("add", "drop")).toEqual([1, 7.5, 1, 4]);
    expect(written("add", "clip")).toEqual([6, 7.5, 1, 10]);
    expect(written("mul", "drop")).toEqual([1, 4, 1, 3]);
    expect(written("min", "drop")).toEqual([1, 0.5, 1, 1]);
    expect(written("max", "clip")).toEqual([5, 4, 1, 6]);
  });

  test("rounds sums update by update", () => {
    const big = vector("f32", 2 ** 24, 1, 1, -(2 ** 24));
    const sum = run([vector("f32", 0), vector("i32", 0, 0, 0, 0), big], at("add", "drop"));
    expect(sum).toEqual([0]);
  });

  test("wraps integers, and finds NaN", () => {
    const twice = vector("i32", 0, 0);
    expect(run([vector("i32", 2147483647), twice, vector("i32", 1, 1)], at("add", "drop"))).toEqual([-2147483647]);
    expect(run([vector("u32", 65536), twice, vector("u32", 65536, 3)], at("mul", "drop"))).toEqual([0]);
    expect(run([vector("f32", 1), twice, vector("f32", NaN, 5)], at("max", "drop"))).toEqual([NaN]);
  });

  const extremes = vector("f32", NaN, -0, 0, -Infinity, Infinity, NaN, 0, -0);
  const places = vector("i32", 0, 1, 1, 2, 3, 3, 4, 4);

  gpuTest("has the same bits on the GPU, for zeros, NaN and sums that meet", async () => {
    const check = async (combine: ops.Combine, size: number, inputs: readonly [NDArray, NDArray, NDArray]) => {
      const n = inputs[1].data.length;
      const graph = trace([f32(size), i32(n), f32(n)], at(combine, "drop"));
      const [got] = await runOnGpu(graph, inputs);
      expect(difference(got!, interpret(graph, inputs)[0]!), combine).toBeUndefined();
    };
    const start = vector("f32", 1, 0, 1, 1, -0);
    for (const combine of ["set", "min", "max"] as const) await check(combine, 5, [start, places, extremes]);
    const n = 3000;
    const mixed = Array.from({ length: n }, (_, i) => (i * 7919) % 1009);
    const ids = vector("i32", ...mixed.map((m) => m % 10));
    const terms = vector("f32", ...mixed.map((m) => (m - 500) / 7));
    const factors = vector("f32", ...mixed.map((m) => 1 + (m - 500) / 50_000));
    await check("add", 10, [vector("f32", ...new Array<number>(10).fill(0.1)), ids, terms]);
    await check("mul", 10, [vector("f32", ...new Array<number>(10).fill(3)), ids, factors]);
  });

  test("of more axes than a kernel binds arrays works as with one", () => {
    const shape = [2, 2, 3, 2, 2, 2];
    const indices = shape.map((n, k) => vector("i32", k % n, n - 1, 9, 0));
    const axes = shape.map((_, axis) => axis);
    const u = vector("f32", 1, 2, 3, 4);
    const write =
      (mode: "drop" | "clip") =>
      (a: Tensor, v: Tensor, ...own: Tensor[]) =>
        ops.scatter(a, own, v, { axes, batch: 0, mode, combine: "add" });
    const count = (mode: "drop" | "clip") =>
      run([array("f32", shape, new Array(96).fill(0)), u, ...indices], write(mode));
    const place = (coords: number[]) => coords.reduce((sum, c, k) => sum * shape[k]! + c, 0);
    const want = new Array<number>(96).fill(0);
    want[place([0, 1, 2, 1, 0, 1])]! += 1;
    want[95]! += 2;
    want[0]! += 4;
    expect(count("drop")).toEqual(want);
    want[95]! += 3;
    expect(count("clip")).toEqual(want);
    const read = (a: Tensor, ...own: Tensor[]) => ops.gather(a, own, { axes, batch: 0, mode: "fill" });
    expect(run([counted("f32", ...shape), ...indices], read)).toEqual([place([0, 1, 2, 1, 0, 1]), 95, NaN, 0]);
  });

  test("believes that updates are unique when it is told so: derivatives need no second scatter", () => {
    const graphOf = (unique: boolean) =>
      trace([f32(9), i32(4), f32(4)], (a, i, u) =>
        grad((v: Tensor) =>
          ops.reduceSum(ops.scatter(a, [i], v, { axes: [0], batch: 0, mode: "drop", combine: "set", unique }), [0]),
        )(u),
      );
    const scatters = (unique: boolean) => dce(graphOf(unique)).eqns.filter(({ op }) => op.name === "scatter");
    expect(scatters(true)).toHaveLength(0);
    expect(scatters(false)).toHaveLength(1);
  });
});

describe("mistakes", () => {
  const x = counted("f32", 2, 3);
  const i = vector("i32", 0, 1);
  const gather = (axes: number[], batch: number, ...indices: NDArray[]) =>
    run([x, ...indices], (a, ...own) => ops.gather(a, own, { axes, batch, mode: "clip" }));
  const scatter = (combine: ops.Combine, updates: NDArray, a: NDArray = x) =>
    run([a, i, updates], (y, k, u) => ops.scatter(y, [k], u, { axes: [0], batch: 0, mode: "clip", combine }));
  const mistakes: Readonly<Record<string, () => unknown>> = {
    "gather: [1,0] are no rising axes of f32[2,3]": () => gather([1, 0], 0, i, i),
    "gather: [0] are no rising axes of f32[2,3] behind its 1 batch axes": () => gather([0], 1, i),
    "gather: [2] are no rising axes of f32[2,3]": () => gather([2], 0, i),
    "gather: 1 index arrays given for 2 axes of f32[2,3], but one for each is wanted": () => gather([0, 1], 0, i),
    "gather: the indices of axis 1 are i32[3], those of axis 0 i32[2]; one shape is wanted": () =>
      gather([0, 1], 0, i, vector("i32", 0, 1, 2)),
    "gather: batch axis 0 differs in f32[2,3] and its indices i32[3]": () => gather([1], 1, vector("i32", 0, 1, 2)),
    "scatter: the updates are i32[2,3], the array f32[2,3]\n  cast one with astype()": () =>
      scatter("set", counted("i32", 2, 3)),
    "scatter: the updates are f32[2], but the indices i32[2] into f32[2,3] want [2,3]": () =>
      scatter("add", vector("f32", 1, 2)),
    "scatter: min does not take bool, only f32, i32, u32": () =>
      scatter("min", array("bool", [2, 3], [0, 0, 0, 0, 0, 0]), array("bool", [2, 3], [0, 0, 0, 0, 0, 0])),
    "scatter: axis 0 of f32[0,3] has size 0, so there is nowhere to write": () =>
      scatter("set", x, counted("f32", 0, 3)),
    "dynamicUpdateSlice: f32[2,3] does not fit into f32[2]": () =>
      run([vector("f32", 0, 0), x, array("i32", [], [0])], (a, u, s) => ops.dynamicUpdateSlice(a, u, [s])),
    "dynamicUpdateSlice: 1 starts given for f32[2,3]": () =>
      run([x, x, array("i32", [], [0])], (a, u, s) => ops.dynamicUpdateSlice(a, u, [s])),
    "dynamicUpdateSlice: the start of axis 0 is f32[2], but i32[] is wanted": () =>
      run([vector("f32", 0, 0)], (a) => ops.dynamicUpdateSlice(a, a, [a])),
  };

  test.each(Object.entries(mistakes))("%s", (message, mistake) => {
    expect(mistake).toThrow(message);
    expect(mistake).toThrow("\n  at tests/");
  });
});
