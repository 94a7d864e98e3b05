// verify: every promise of a Graph, broken.
import { describe, expect, test } from "vitest";
import { InternalError } from "../../compiler/core/errors.js";
import { type Graph, literal, newEqn, newVar } from "../../compiler/ir/graph.js";
import { verify } from "../../compiler/ir/verify.js";
import { add } from "../../compiler/ops/index.js";
import { f32, i32, trace } from "../support/trace.js";

const x = newVar(f32(2));
const eqn = newEqn(add.op, [x, x], {});
const [y] = eqn.outputs;
const fine: Graph = { inputs: [x], eqns: [eqn], outputs: [y!] };

describe("verify", () => {
  test("gives back a Graph that keeps its promises", () => {
    expect(verify(fine, "test")).toBe(fine);
    const many = trace([f32(3, 4)], (a) => [a.sum(1), a.T.matmul(a)]);
    expect(verify(many, "test")).toBe(many);
  });

  const broken: Readonly<Record<string, Graph>> = {
    "used before it is defined": { ...fine, inputs: [] },
    "a variable is defined twice": { ...fine, eqns: [eqn, eqn] },
    "an output is not defined": { ...fine, eqns: [] },
    "result is i32[2], the rule gives f32[2]": {
      ...fine,
      eqns: [{ ...eqn, outputs: [newVar(i32(2))] }],
    },
    "2 results, the rule gives 1": { ...fine, eqns: [{ ...eqn, outputs: [y!, newVar(f32(2))] }] },
    "a literal of shape [2]": { ...fine, eqns: [{ ...eqn, inputs: [x, literal(1, f32(2))] }] },
  };

  test.each(Object.entries(broken))("finds that %s", (message, graph) => {
    expect(() => verify(graph, "test")).toThrow(InternalError);
    expect(() => verify(graph, "test")).toThrow(message);
    expect(() => verify(graph, "test")).toThrow("after test: ");
  });

  test("finds that a scalar variable stands beside an array", () => {
    const s = newVar(f32());
    const graph: Graph = { inputs: [x, s], eqns: [newEqn(add.op, [x, s], {})], outputs: [] };
    expect(() => verify(graph, "test")).toThrow(InternalError);
  });

  test("prints the Graph", () => {
    expect(() => verify({ ...fine, eqns: [] }, "test")).toThrow("graph (a:f32[2]) {");
  });
});
