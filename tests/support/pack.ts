// Many Graphs as one: what a device compiles is what tests pay for, so small Graphs share programs.
import { aval } from "../../compiler/core/aval.js";
import { allocate, type DType, dtypes } from "../../compiler/core/dtype.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { sizeOf } from "../../compiler/core/shape.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { reshape, slice } from "../../compiler/ops/index.js";
import { replay, stage } from "../../compiler/trace/stage.js";
import type { Operand } from "../../compiler/trace/tensor.js";

/** A Graph and what to run it on. */
export interface Job {
  readonly graph: Graph;
  readonly inputs: readonly NDArray[];
}

/**
 * One Graph that does all jobs: its inputs are one array per dtype, of which the jobs' inputs are parts, and its outputs
 * are those of the jobs in order. Kernels of several jobs then read the same few buffers and can be one.
 */
export function pack(jobs: readonly Job[]): Job {
  const parts = new Map<DType, NDArray[]>();
  const places = jobs.map(({ inputs }) =>
    inputs.map((x) => {
      const before = parts.get(x.dtype) ?? [];
      parts.set(x.dtype, [...before, x]);
      return before.reduce((n, y) => n + y.data.length, 0);
    }),
  );
  const used = dtypes.filter((dtype) => parts.has(dtype));
  const inputs = used.map((dtype) => join(dtype, parts.get(dtype)!));
  const types = inputs.map((x) => aval(x.dtype, x.shape));
  const { graph } = stage("pack", types, (packs) => {
    const outputs = jobs.flatMap((job, j) =>
      replay(
        job.graph,
        job.inputs.map((x, k): Operand => {
          const start = places[j]![k]!;
          const all = packs[used.indexOf(x.dtype)]!;
          return reshape(slice(all, { start: [start], stop: [start + x.data.length], step: [1] }), x.shape);
        }),
      ),
    );
    return { outputs, rest: undefined };
  });
  return { graph, inputs };
}

function join(dtype: DType, list: readonly NDArray[]): NDArray {
  const data = allocate(
    dtype,
    list.reduce((n, x) => n + sizeOf(x.shape), 0),
  );
  let at = 0;
  for (const x of list) {
    data.set(x.data, at);
    at += x.data.length;
  }
  return { dtype, shape: [data.length], data };
}

/** `list` in runs of at most `size`. */
export const chunks = <T>(list: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
