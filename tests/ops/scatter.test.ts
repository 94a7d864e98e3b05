// Scatter with many updates on the GPU, where they are sorted first: many and few to an element, dropped ones, columns.
import { expect } from "vitest";
import { allocate, type DType } from "../../compiler/core/dtype.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { sizeOf } from "../../compiler/core/shape.js";
import { shaped } from "../../compiler/ir/op.js";
import { scatter } from "../../compiler/ops/index.js";
import { indexed, type ScatterParams } from "../../compiler/ops/indexed.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { stage } from "../../compiler/trace/stage.js";
import { difference, differenceBy } from "../support/arrays.js";
import { gpuTest } from "../support/gpu.js";
import { runOnGpu } from "../support/run-program.js";
import { randomStream } from "../support/ulp.js";

interface Case extends ScatterParams {
  readonly what: string;
  readonly dtype: DType;
  readonly x: readonly number[];
  readonly indices: readonly number[];
}

const cases: readonly Case[] = [
  { what: "few cells", dtype: "f32", x: [10], indices: [20_000], axes: [0], batch: 0, mode: "drop", combine: "add" },
  { what: "many cells", dtype: "f32", x: [5000], indices: [3000], axes: [0], batch: 0, mode: "clip", combine: "add" },
  { what: "columns", dtype: "f32", x: [2, 7, 3], indices: [900], axes: [1], batch: 0, mode: "drop", combine: "add" },
  {
    what: "lanes",
    dtype: "f32",
    x: [3, 2, 5, 2],
    indices: [3, 700],
    axes: [2],
    batch: 1,
    mode: "drop",
    combine: "min",
  },
  {
    what: "blocks",
    dtype: "i32",
    x: [2, 4, 2],
    indices: [2, 17_000],
    axes: [1],
    batch: 1,
    mode: "drop",
    combine: "mul",
  },
  {
    what: "two axes",
    dtype: "i32",
    x: [4, 3, 5],
    indices: [40, 50],
    axes: [0, 2],
    batch: 0,
    mode: "drop",
    combine: "mul",
  },
  { what: "the last", dtype: "f32", x: [6, 2], indices: [3000], axes: [0], batch: 0, mode: "clip", combine: "set" },
  { what: "booleans", dtype: "bool", x: [50], indices: [400], axes: [0], batch: 0, mode: "drop", combine: "set" },
  { what: "extremes", dtype: "u32", x: [2], indices: [5000], axes: [0], batch: 0, mode: "drop", combine: "max" },
];

for (const { what, dtype, x, indices, ...params } of cases) {
  gpuTest(`scatter with many updates: ${what}, ${params.combine}`, async () => {
    const type = shaped(dtype, ...x);
    const updates = shaped(dtype, ...indexed(type, { shape: indices }, params).shape);
    const index = shaped("i32", ...indices);
    const types = [type, updates, ...params.axes.map(() => index)];
    const { graph } = stage("scatter", types, ([a, u, ...at]) => ({
      outputs: [scatter(a!, at, u!, params)],
      rest: undefined,
    }));
    const random = randomStream(what.length);
    const drawn = types.map(({ dtype: own, shape }, k): NDArray => {
      const data = allocate(own, sizeOf(shape));
      const n = k < 2 ? 2 : x[params.axes[k - 2]!]! + 2;
      // squared: most updates meet the first cells
      for (let i = 0; i < data.length; i++)
        data[i] = own === "f32" ? random() + 0.5 : Math.floor(random() ** 2 * n) - (k < 2 ? 0 : 1);
      return { dtype: own, shape, data };
    });
    const [got] = await runOnGpu(graph, drawn);
    const [want] = interpret(graph, drawn);
    const near = (a: number, b: number): boolean => Object.is(a, b) || Math.abs(a - b) <= 2e-5 * Math.abs(b);
    expect(differenceBy(got!, want!, params.combine === "add" ? near : Object.is)).toBeUndefined();
    expect(difference((await runOnGpu(graph, drawn))[0]!, got!)).toBeUndefined();
  });
}
