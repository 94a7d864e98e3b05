// The meaning of vmap: a batched Graph does what the Graph does for each lane by itself.
import { filled, type NDArray } from "../../compiler/core/ndarray.js";
import { removeAt } from "../../compiler/core/shape.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { printGraph } from "../../compiler/ir/print.js";
import { verify } from "../../compiler/ir/verify.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { batchGraph } from "../../compiler/transforms/batch.js";
import { batchedAval, difference, lane, stackLanes } from "./arrays.js";

/** A batch axis, or null, for each operand. */
export type LaneAxes = readonly (number | null)[];

/**
 * All ways to batch operands of these ranks with at least one batched, at most `most` of them: then they are picked by
 * `random`.
 */
export function waysToBatch(ranks: readonly number[], most: number, random: () => number): LaneAxes[] {
  const total = ranks.reduce((n, rank) => n * (rank + 2), 1);
  const picked = new Set<number>();
  if (total - 1 <= most) for (let i = 1; i < total; i++) picked.add(i);
  else while (picked.size < most) picked.add(1 + Math.floor(random() * (total - 1)));
  return [...picked].map((way) =>
    ranks.map((rank) => {
      const digit = way % (rank + 2);
      way = Math.floor(way / (rank + 2));
      return digit === 0 ? null : digit - 1;
    }),
  );
}

/** What the lanes of `graph` give one by one, stacked where the batched Graph has its batch axis; in f64 if `wide`. */
export function loopOverLanes(
  graph: Graph,
  inputs: readonly NDArray[],
  inAxes: LaneAxes,
  outAxes: LaneAxes,
  size: number,
  wide = false,
): NDArray[] {
  const runLane = (cut: (x: NDArray, axis: number) => NDArray): NDArray[] =>
    interpret(
      graph,
      inputs.map((x, k) => (inAxes[k] === null ? x : cut(x, inAxes[k]!))),
      { wide },
    );
  const lanes = Array.from({ length: size }, (_, i) => runLane((x, axis) => lane(x, axis, i)));
  // what no lane differs in has a value even if there are no lanes
  const common = lanes[0] ?? runLane((x, axis) => filled(x.dtype, removeAt(x.shape, axis), 0, wide));
  return graph.outputs.map(({ aval }, k) => {
    const axis = outAxes[k]!;
    if (axis === null) return common[k]!;
    return stackLanes(
      lanes.map((results) => results[k]!),
      axis,
      aval,
      wide,
    );
  });
}

/** How the batched Graph differs from a loop over lanes, in words; undefined when it does not. */
export function batchingFault(
  graph: Graph,
  inAxes: LaneAxes,
  size: number,
  drawInputs: (batched: Graph) => readonly NDArray[],
): string | undefined {
  const where = (text: string): string =>
    `batched along [${inAxes.map(String)}], ${size} lanes: ${text}\n${printGraph(graph)}`;
  const batched = batchGraph(graph, inAxes, size);
  verify(batched.graph, "vmap");
  const expected = graph.inputs.map((v, k) => batchedAval(v.aval, inAxes[k]!, size));
  const inputs = drawInputs(batched.graph);
  for (const [k, type] of expected.entries()) {
    if (batched.graph.inputs[k]!.aval.shape.join() !== type.shape.join()) return where(`input ${k} has the wrong type`);
  }
  const want = loopOverLanes(graph, inputs, inAxes, batched.outAxes, size);
  const got = interpret(batched.graph, inputs);
  for (const [k, x] of want.entries()) {
    const found = difference(got[k]!, x);
    if (found) return `${where(`result ${k}: ${found}`)}\nbecame\n${printGraph(batched.graph)}`;
  }
  return undefined;
}
