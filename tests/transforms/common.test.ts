// What Graphs have in common: with each one's numbers it is that Graph, whichever record of a region they stand in.
import { describe, expect, test } from "vitest";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { type Atom, equalGraphs, type Graph, literal, mapRegions, newEqn, newVar } from "../../compiler/ir/graph.js";
import { verify } from "../../compiler/ir/verify.js";
import { add, mul } from "../../compiler/ops/index.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { commonGraph, GraphsDiffer } from "../../compiler/transforms/common.js";
import "../../index.js";
import { type Call, drawInputs, records } from "../suite/calls.js";
import { difference } from "../support/arrays.js";

/** The same Graph, in which float results of Graphs within are multiplied by a number. */
function scaled({ inputs, eqns, outputs }: Graph, by: number, isInner = false): Graph {
  const within = eqns.map((eqn) => ({
    ...eqn,
    params: mapRegions(eqn.params, (graph) => scaled(graph, by, true)),
  }));
  if (!isInner) return { inputs, eqns: within, outputs };
  const more = outputs.flatMap((x) =>
    x.aval.dtype === "f32" ? [newEqn(mul.op, [x, literal(by, { dtype: "f32", shape: [] })], {})] : [],
  );
  const results = more.flatMap((eqn) => eqn.outputs);
  return {
    inputs,
    eqns: [...within, ...more],
    outputs: outputs.map((x) => (x.aval.dtype === "f32" ? results.shift()! : x)),
  };
}

const factors = [1, 0.5, 0.75];

/** Number of the numbers that were opened. */
async function check({ graph, name, ...call }: Call): Promise<number> {
  const graphs = factors.map((by) => scaled(graph, by));
  const common = commonGraph(graphs);
  verify(common.graph, "common");
  expect(common.graph.inputs.length, name).toBe(graph.inputs.length + common.numbers.length);
  const inputs = drawInputs({ graph, name, ...call });
  const numbers = await Promise.all(common.numbers.map(async (x) => ({ dtype: x.dtype, data: await x.data() })));
  for (const [k, own] of graphs.entries()) {
    const opened = numbers.map(({ dtype, data }): NDArray => ({ dtype, shape: [], data: data.slice(k, k + 1) }));
    const got = interpret(common.graph, [...inputs, ...opened], { wide: false });
    const want = interpret(own, inputs, { wide: false });
    for (const [j, x] of want.entries()) expect(difference(got[j]!, x), `${name}, model ${k}`).toBeUndefined();
  }
  return common.numbers.length;
}

describe.each(records.filter(({ op }) => op.kind === "region"))("$name", ({ calls }) => {
  test("takes the numbers that differ from outside", async () => {
    let opened = 0;
    for (const call of calls) opened += await check(call);
    expect(opened).toBeGreaterThan(0);
  });

  test("stays as it is where no number differs", () => {
    for (const { graph } of calls) {
      const { graph: common, numbers } = commonGraph([scaled(graph, 2), scaled(graph, 2)]);
      expect(numbers).toEqual([]);
      expect(equalGraphs(common, scaled(graph, 2))).toBe(true);
    }
  });
});

test("numbers that are equal in every Graph are one, −0 and 0 are two", () => {
  const build = (a: number, b: number, c: number): Graph => {
    const x = newVar({ dtype: "f32", shape: [2] });
    const scalar = (value: number): Atom => literal(value, { dtype: "f32", shape: [] });
    const first = newEqn(mul.op, [x, scalar(a)], {});
    const second = newEqn(add.op, [first.outputs[0]!, scalar(b)], {});
    const third = newEqn(mul.op, [second.outputs[0]!, scalar(c)], {});
    return { inputs: [x], eqns: [first, second, third], outputs: third.outputs };
  };
  expect(commonGraph([build(1, 1, 7), build(2, 2, 7)]).numbers).toHaveLength(1);
  expect(commonGraph([build(1, 3, 7), build(2, 2, 7)]).numbers).toHaveLength(2);
  expect(commonGraph([build(0, 1, 7), build(-0, 1, 7)]).numbers).toHaveLength(1);
  const longer = build(1, 1, 7);
  const shorter = { ...longer, eqns: longer.eqns.slice(0, 2), outputs: longer.eqns[1]!.outputs };
  expect(() => commonGraph([longer, shorter])).toThrow(GraphsDiffer);
});
