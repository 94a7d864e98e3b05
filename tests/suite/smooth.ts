// Inputs and directions to differentiate the calls of op records at, in f64.
import type { Aval } from "../../compiler/core/aval.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { removeAt, sizeOf } from "../../compiler/core/shape.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { differenceBy } from "../support/arrays.js";
import { randomStream } from "../support/ulp.js";
import { type Call, drawInputs, hash } from "./calls.js";

export const wide = { wide: true };

export const isFloat = (x: { readonly dtype: string }): boolean => x.dtype === "f32";

/** Which inputs are float: those have tangents. */
export const activeOf = (graph: Graph): boolean[] => graph.inputs.map((v) => isFloat(v.aval));

/**
 * Inputs from the inner part of each range: functions end at the edges, and difference quotients with them. `avals`
 * stand in for the types of the call.
 */
export function smoothInputs(call: Call, avals?: readonly Aval[]): NDArray[] {
  const random = randomStream(hash(`${call.name} smooth`));
  return drawInputs(call, avals).map((x, k) => {
    if (!isFloat(x)) return x;
    const [low, high] = call.ranges[k] ?? [-8, 8];
    const data = Float64Array.from({ length: x.data.length }, () => low + (high - low) * (0.01 + 0.98 * random()));
    return { ...x, data };
  });
}

/** Numbers in [-1, 1] of these shapes, in f64; `what` seeds them. */
export function directions(
  call: Call,
  types: readonly { readonly shape: readonly number[] }[],
  what = "directions",
): NDArray[] {
  const random = randomStream(hash(`${call.name} ${what}`));
  return types.map(({ shape }) => ({
    dtype: "f32",
    shape,
    data: Float64Array.from({ length: sizeOf(shape) }, () => 2 * random() - 1),
  }));
}

/** The Graph with output `k` in front: that is what a gradient is of. */
export const outputFirst = (graph: Graph, k: number): Graph => ({
  ...graph,
  outputs: [graph.outputs[k]!, ...removeAt(graph.outputs, k)],
});

/** For each float output, the Graph with that one in front. */
export const floatsFirst = (graph: Graph): Graph[] =>
  graph.outputs.flatMap((x, k) => (isFloat(x.aval) ? [outputFirst(graph, k)] : []));

/** How arrays differ by more than `tolerance`, relative above 1, in words; undefined where they do not. */
export function nearFault(
  got: readonly NDArray[],
  want: readonly NDArray[],
  tolerance: number,
  what: string,
): string | undefined {
  if (got.length !== want.length) return `${what}: ${got.length} results, not ${want.length}`;
  const near = (x: number, y: number): boolean =>
    Object.is(x, y) || Math.abs(x - y) <= tolerance * Math.max(1, Math.abs(y));
  for (const [k, x] of want.entries()) {
    const found = differenceBy(got[k]!, x, near);
    if (found) return `${what} ${k}: ${found}`;
  }
  return undefined;
}
