// What vmap has to do with derivatives, of Graphs: mapped gradients and tangents are those of the lanes.
import type { NDArray } from "../../compiler/core/ndarray.js";
import { sizeOf } from "../../compiler/core/shape.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { gradGraph } from "../../compiler/transforms/grad.js";
import { jvpGraph } from "../../compiler/transforms/jvp.js";
import { transforms } from "../../compiler/transforms/table.js";
import { batchedAval, lane } from "../support/arrays.js";
import { batchingFault, type LaneAxes, loopOverLanes, waysToBatch } from "../support/lanes.js";
import { randomStream } from "../support/ulp.js";
import { type Call, drawInputs, hash } from "./calls.js";
import { firstFault, gradientsOf } from "./derivatives.js";
import type { Relation } from "./exclusions.js";
import { activeOf, directions, floatsFirst, isFloat, nearFault, smoothInputs, wide } from "./smooth.js";

const EXACT = 1e-9;
const SIZES = [2, 10, 1, 0];

/** A call with a place for its batch axes. */
export interface Mapped {
  readonly call: Call;
  /** For failure messages: that of the call, the axes and the number of lanes. */
  readonly name: string;
  readonly inAxes: LaneAxes;
  readonly size: number;
}

/** How a mapped call breaks a relation, in words. */
type MappedCheck = (mapped: Mapped) => string | undefined;

export const nestedChecks: Partial<Record<Relation, MappedCheck>> = {
  "vmap(grad) = loop of grads": mappedGradFault,
  "grad(vmap) = grads of the lanes": gradOfMappedFault,
  "jvp(vmap) = vmap(jvp)": jvpOfMappedFault,
};

/** At most `most` ways to map the call, picked by its name; each has another number of lanes. */
export function waysOf(call: Call, most: number): Mapped[] {
  const random = randomStream(hash(`${call.name} ways`));
  const ranks = call.graph.inputs.map((v) => v.aval.shape.length);
  const ways = waysToBatch(ranks, most, random);
  const first = Math.floor(random() * SIZES.length);
  return ways.map((inAxes, i) => {
    const size = SIZES[(first + i) % SIZES.length]!;
    return { call, name: `${call.name} along [${inAxes.map(String)}], ${size} lanes`, inAxes, size };
  });
}

/** Types of the inputs, all lanes side by side. */
export const mappedAvals = ({ call, inAxes, size }: Mapped) =>
  call.graph.inputs.map((v, k) => batchedAval(v.aval, inAxes[k]!, size));

/** Bit for bit: each equation of the gradient does for a lane what it does alone. */
function mappedGradFault({ call, inAxes, size }: Mapped): string | undefined {
  return firstFault(floatsFirst(call.graph), (graph) => {
    const inputs = (batched: Graph) =>
      drawInputs(
        call,
        batched.inputs.map((v) => v.aval),
      );
    return batchingFault(gradGraph(graph, activeOf(graph)), inAxes, size, inputs);
  });
}

/** The Graph of all lanes, every result with its batch axis in front. */
const mappedGraph = (graph: Graph, inAxes: LaneAxes, size: number): Graph =>
  transforms.batch(
    graph,
    inAxes,
    { size },
    graph.outputs.map(() => 0),
  ).graph;

function gradOfMappedFault(mapped: Mapped): string | undefined {
  const inputs = smoothInputs(mapped.call, mappedAvals(mapped));
  return firstFault(floatsFirst(mapped.call.graph), (graph) => {
    const got = interpret(gradOfMapped(graph, mapped), inputs, wide);
    return nearFault(got, gradsOfLanes(graph, mapped, inputs), EXACT, "gradient");
  });
}

/** Gradients, by the inputs that are float, of the sum of all lanes of the first result. */
export const gradOfMapped = (graph: Graph, { inAxes, size }: Mapped): Graph =>
  gradientsOf(mappedGraph(graph, inAxes, size));

/** The gradients of the lanes, in f64: side by side for a mapped input, their sum for one that all lanes share. */
export function gradsOfLanes(graph: Graph, { inAxes, size }: Mapped, inputs: readonly NDArray[]): NDArray[] {
  const active = activeOf(graph);
  const grads = gradientsOf(graph);
  const axes = inAxes.filter((_, k) => active[k]);
  const outAxes = axes.map((axis) => axis ?? 0);
  return loopOverLanes(grads, inputs, inAxes, outAxes, size, true).map((x, k) =>
    axes[k] === null ? sumOfLanes(x, grads.outputs[k]!.aval.shape, size) : x,
  );
}

function sumOfLanes(x: NDArray, shape: readonly number[], size: number): NDArray {
  const data = new Float64Array(sizeOf(shape));
  for (let i = 0; i < size; i++) {
    const { data: own } = lane(x, 0, i);
    for (let j = 0; j < data.length; j++) data[j]! += own[j]!;
  }
  return { dtype: x.dtype, shape, data };
}

function jvpOfMappedFault(mapped: Mapped): string | undefined {
  const { call, inAxes, size } = mapped;
  const { graph } = call;
  const active = activeOf(graph);
  const wanted = graph.outputs.map((x) => isFloat(x.aval));
  const inputs = smoothInputs(call, mappedAvals(mapped));
  const moves = directions(call, inputs.filter(isFloat));
  const axes = [...inAxes, ...inAxes.filter((_, k) => active[k])];
  const inner = jvpGraph(mappedGraph(graph, inAxes, size), active, wanted).graph;
  const outer = mappedGraph(jvpGraph(graph, active, wanted).graph, axes, size);
  const run = (made: Graph): NDArray[] => interpret(made, [...inputs, ...moves], wide);
  return nearFault(run(inner), run(outer), EXACT, "result");
}
