// Graphs from functions and from text, and runs of them on the CPU and the GPU, for tests of the compiler.
import "../../library/methods.js";
import { expect } from "vitest";
import { type Aval, aval } from "../../compiler/core/aval.js";
import { allocate, type DType } from "../../compiler/core/dtype.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { type Shape, sizeOf } from "../../compiler/core/shape.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { printGraph } from "../../compiler/ir/print.js";
import { baseLimits, type DeviceLimits } from "../../compiler/ir/program.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { stage } from "../../compiler/trace/stage.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { differenceBy, draw } from "./arrays.js";
import { errorBounds } from "./error-bound.js";
import { runOnGpu } from "./run-program.js";
import { randomStream } from "./ulp.js";

/** `f32(2, 3)` is the type f32[2,3]. */
export const f32 = (...shape: number[]): Aval => aval("f32", shape);
export const i32 = (...shape: number[]): Aval => aval("i32", shape);
export const bool = (...shape: number[]): Aval => aval("bool", shape);

/** The Graph of `fn` for arguments of these types. */
export function trace(types: readonly Aval[], fn: (...args: Tensor[]) => Tensor | readonly Tensor[]): Graph {
  return stage("test", types, (args) => ({ outputs: [fn(...args)].flat(), rest: undefined })).graph;
}

/** A host array of these elements. */
export function array(dtype: DType, shape: Shape, elements: readonly number[]): NDArray {
  const data = allocate(dtype, sizeOf(shape));
  if (elements.length !== data.length) throw new Error(`${elements.length} elements for [${shape}]`);
  data.set(elements);
  return { dtype, shape, data };
}

/** Inputs for a Graph, the same on every run. */
export function inputsFor(graph: Graph, seed = 1): NDArray[] {
  const random = randomStream(seed);
  return graph.inputs.map((v) => draw(random, v.aval));
}

/** Runs the Graph on the GPU and holds it to the interpreter, within what rounding may do to it. */
export async function expectGpuAgrees(
  graph: Graph,
  inputs: readonly NDArray[] = inputsFor(graph),
  limits: DeviceLimits = baseLimits,
): Promise<NDArray[]> {
  const want = interpret(graph, inputs);
  const bounds = errorBounds(graph, inputs);
  const got = await runOnGpu(graph, inputs, limits);
  for (const [k, x] of want.entries()) {
    const same = (a: number, b: number, i: number): boolean => Object.is(a, b) || Math.abs(a - b) <= bounds[k]![i]!;
    const text = graph.eqns.length < 100 ? printGraph(graph) : `${graph.eqns.length} equations`;
    expect(differenceBy(got[k]!, x, same), `result ${k}\n${text}`).toBeUndefined();
  }
  return got;
}

/** The one result of `fn` on host arrays, on the CPU. */
export function evaluate(inputs: readonly NDArray[], fn: (...args: Tensor[]) => Tensor): NDArray {
  const types = inputs.map((x) => aval(x.dtype, x.shape));
  return interpret(trace(types, fn), inputs)[0]!;
}
