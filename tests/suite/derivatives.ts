// What derivatives of a call have to do with each other and with difference quotients, in f64.
import type { NDArray } from "../../compiler/core/ndarray.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { add, mul, reduceSum } from "../../compiler/ops/index.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { replay, stage } from "../../compiler/trace/stage.js";
import "../../compiler/transforms/batch.js";
import { gradGraph } from "../../compiler/transforms/grad.js";
import { jvpGraph } from "../../compiler/transforms/jvp.js";
import { linearize } from "../../compiler/transforms/linearize.js";
import { transposeGraph } from "../../compiler/transforms/transpose.js";
import type { Call } from "./calls.js";
import type { Relation } from "./exclusions.js";
import { activeOf, directions, floatsFirst, isFloat, nearFault, smoothInputs, wide } from "./smooth.js";

/** How a call breaks a relation, in words; undefined where it holds. */
export type Check = (call: Call) => string | undefined;

const STEP = 1e-5;
const EXACT = 1e-9;

export const derivativeChecks: Partial<Record<Relation, Check>> = {
  "jvp = difference quotient": (call) => tangentFault(call, call.graph, 1e-6),
  "⟨ct, jvp⟩ = ⟨transpose, dx⟩": transposeFault,
  "jvp of grad = difference quotient": (call) =>
    firstFault(floatsFirst(call.graph), (graph) => tangentFault(call, gradientsOf(graph), 1e-5)),
  "grad of ⟨grad, v⟩ = jvp of grad": (call) =>
    firstFault(floatsFirst(call.graph), (graph) => hessianFault(call, graph)),
};

/** What is wrong with the first of them with which something is. */
export function firstFault<T>(list: readonly T[], fault: (x: T) => string | undefined): string | undefined {
  for (const x of list) {
    const found = fault(x);
    if (found) return found;
  }
  return undefined;
}

/** The Graph of the gradients alone, of the first output by each float input. */
export function gradientsOf(graph: Graph): Graph {
  const made = gradGraph(graph, activeOf(graph));
  return { ...made, outputs: made.outputs.slice(graph.outputs.length) };
}

/** Tangents that are missing are zero. */
function tangentFault(call: Call, graph: Graph, tolerance: number): string | undefined {
  const inputs = smoothInputs(call);
  const moves = directions(call, inputs.filter(isFloat));
  const count = graph.outputs.length;
  const pushed = jvpGraph(
    graph,
    activeOf(graph),
    graph.outputs.map((x) => isFloat(x.aval)),
  );
  const tangents = interpret(pushed.graph, [...inputs, ...moves], wide).slice(count);
  const above = interpret(graph, moved(inputs, moves, STEP), wide).filter(isFloat);
  const below = interpret(graph, moved(inputs, moves, -STEP), wide).filter(isFloat);
  const quotients = above.map((x, k) => ({
    ...x,
    data: Float64Array.from(x.data as Float64Array, (value, i) => (value - below[k]!.data[i]!) / (2 * STEP)),
  }));
  return nearFault(tangents, quotients, tolerance, "tangent");
}

/** x + t·dx for the float arrays, `moves` giving dx for those in turn. */
function moved(inputs: readonly NDArray[], moves: readonly NDArray[], t: number): NDArray[] {
  let at = 0;
  return inputs.map((x) => {
    if (!isFloat(x)) return x;
    const dx = moves[at++]!;
    return { ...x, data: Float64Array.from(x.data as Float64Array, (value, i) => value + t * dx.data[i]!) };
  });
}

function transposeFault(call: Call): string | undefined {
  const { graph } = call;
  const inputs = smoothInputs(call);
  const moves = directions(call, inputs.filter(isFloat));
  const count = graph.outputs.length;
  const pushed = jvpGraph(
    graph,
    activeOf(graph),
    graph.outputs.map((x) => isFloat(x.aval)),
  );
  const { known, linear, residuals } = linearize(pushed.graph, graph.inputs.length, count);
  const kept = interpret(known, inputs, wide).slice(count);
  const tangents = interpret(linear, [...kept, ...moves], wide);
  const cts = directions(call, tangents, "ct");
  const back = interpret(transposeGraph(linear, residuals), [...kept, ...cts], wide);
  const types = (list: readonly NDArray[]): string => list.map((x) => `[${x.shape}]`).join(" ");
  if (types(back) !== types(moves)) return `cotangents are ${types(back)}, the inputs ${types(moves)}`;
  const forward = cts.reduce((sum, ct, i) => sum + dot(ct, tangents[i]!), 0);
  const reverse = back.reduce((sum, x, i) => sum + dot(x, moves[i]!), 0);
  const off = Math.abs(forward - reverse) / Math.max(1, Math.abs(forward));
  return off < EXACT ? undefined : `inner products are ${forward} and ${reverse}`;
}

function dot(a: NDArray, b: NDArray): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += a.data[i]! * b.data[i]!;
  return sum;
}

/** Second derivatives may be taken in either order: reverse over reverse is forward over reverse. */
function hessianFault(call: Call, graph: Graph): string | undefined {
  const active = activeOf(graph);
  const inputs = smoothInputs(call);
  const v = directions(call, inputs.filter(isFloat));
  const gradients = gradientsOf(graph);
  const pushed = jvpGraph(
    gradients,
    active,
    v.map(() => true),
  ).graph;
  const forward = interpret(pushed, [...inputs, ...v], wide).slice(v.length);
  const reverse = interpret(
    gradGraph(alongGraph(gradients, v), [...active, ...v.map(() => false)]),
    [...inputs, ...v],
    wide,
  );
  return nearFault(reverse.slice(1), forward, EXACT, "derivative by input");
}

/** ⟨outputs, v⟩ as a Graph: the inputs of `graph`, then v. */
function alongGraph(graph: Graph, v: readonly NDArray[]): Graph {
  const types = [...graph.inputs.map((x) => x.aval), ...v.map(({ dtype, shape }) => ({ dtype, shape }))];
  return stage("along", types, (args) => {
    const terms = replay(graph, args.slice(0, graph.inputs.length)).map((x, i) => {
      const axes = x.aval.shape.map((_, axis) => axis);
      return reduceSum(mul(x, args[graph.inputs.length + i]!), axes);
    });
    return { outputs: [terms.reduce((sum, x) => add(sum, x))], rest: undefined };
  }).graph;
}
