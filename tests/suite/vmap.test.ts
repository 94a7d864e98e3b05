// Every op record under vmap: batched along any axes it does what a loop over the lanes does.
import { describe, expect, test } from "vitest";
import type { Graph } from "../../compiler/ir/graph.js";
import type { Op } from "../../compiler/ir/op.js";
import { batchGraph } from "../../compiler/transforms/batch.js";
import { notingLaneRuns } from "../../compiler/transforms/lane-by-lane.js";
import { batchingFault, waysToBatch } from "../support/lanes.js";
import { randomStream } from "../support/ulp.js";
import { type Call, callOf, drawInputs, hash, literalPositions, records } from "./calls.js";
import { Tally } from "./tally.js";

const tally = new Tally("interpreter");

const SIZES = [0, 1, 2, 10];
/** Ways to place the batch axes of one call; the ops of today have fewer. */
const MAX_WAYS = 128;
/** Ways per call that are batched a second time. */
const NESTED_WAYS = 4;

describe.each(records)("vmap of $name", ({ op, calls }) => {
  test("has a rule", () => {
    const takesOperands = op.samples.some((sample) => sample.inputs.length > 0);
    expect(hasBatchRule(op) || !takesOperands).toBe(true);
    for (const { graph } of calls) {
      const { runs } = notingLaneRuns(() => batchAll(graph, 2));
      expect(runs).toEqual([]);
    }
  });

  test("is a loop over lanes, for all batch axes", () => {
    for (const call of [...calls, ...oneConstant(op)]) {
      for (const axes of ways(call, call.graph, MAX_WAYS)) {
        for (const size of SIZES) {
          expect(batchingFault(call.graph, axes, size, draws(call)), call.name).toBeUndefined();
          tally.count("vmap = loop over lanes");
        }
      }
    }
  });

  test("and is again when batched twice", () => {
    for (const call of calls) {
      for (const axes of ways(call, call.graph, NESTED_WAYS)) {
        const inner = batchGraph(call.graph, axes, 3).graph;
        for (const outerAxes of ways(call, inner, NESTED_WAYS)) {
          expect(batchingFault(inner, outerAxes, 2, draws(call)), call.name).toBeUndefined();
          tally.count("vmap of vmap = loop over loops");
        }
      }
    }
  });

  test("leaves alone what no lane differs in", () => {
    for (const { graph, name } of calls) {
      const batched = batchGraph(
        graph,
        graph.inputs.map(() => null),
        3,
      );
      expect(batched.outAxes, name).toEqual(graph.outputs.map(() => null));
      expect(batched.graph.eqns.length, name).toBe(1);
    }
  });
});

/** Batched along axis 0 of every operand. */
const batchAll = (graph: Graph, size: number) =>
  batchGraph(
    graph,
    graph.inputs.map(() => 0),
    size,
  );

/** Elementwise ops and reductions are batched by their kind. */
const hasBatchRule = (op: Op): boolean =>
  op.kind === "elementwise" || op.kind === "reduction" || op.batch !== undefined;

function ways({ name }: Call, graph: Graph, most: number) {
  const ranks = graph.inputs.map((v) => v.aval.shape.length);
  return graph.inputs.length === 0 ? [] : waysToBatch(ranks, most, randomStream(hash(name)));
}

const draws = (call: Call) => (batched: Graph) =>
  drawInputs(
    call,
    batched.inputs.map((v) => v.aval),
  );

/** Calls with one operand a constant beside batched ones. */
function oneConstant(op: Op): Call[] {
  return op.samples.flatMap((sample) =>
    sample.inputs.length < 2 ? [] : literalPositions(op, sample).map((k) => callOf(op, sample, new Map([[k, 1]]))),
  );
}
