// Programs are kept by the structure of their Graphs; ops that run at once share one program per type.
import { expect, test } from "vitest";
import { type Graph, literal, newEqn, newVar } from "../../compiler/ir/graph.js";
import { add, neg } from "../../compiler/ops/arithmetic.js";
import "../../compiler/ops/axes.js";
import { hostArray } from "../../compiler/core/host.js";
import { findOp } from "../../compiler/ir/op.js";
import { printGraph } from "../../compiler/ir/print.js";
import { verify } from "../../compiler/ir/verify.js";
import { fromHost } from "../../compiler/trace/create.js";
import { ProgramCache } from "../../runtime/programs.js";
import { singleOpGraph } from "../../runtime/single.js";
import "../../runtime/engine.js";

function negate(size: number): Graph {
  const x = newVar({ dtype: "f32", shape: [size] });
  const eqn = newEqn(neg.op, [x], {});
  return { inputs: [x], eqns: [eqn], outputs: eqn.outputs };
}

test("an equal Graph is given what was made of the first", () => {
  const cache = new ProgramCache<object>();
  let made = 0;
  const make = () => ({ made: ++made });
  const first = negate(3);
  const result = cache.getOrMake(first, make);
  expect(cache.get(first)).toBe(result);
  const equal = negate(3);
  expect(cache.get(equal)).toBeUndefined();
  expect(cache.getOrMake(equal, make)).toBe(result);
  expect(cache.get(equal)).toBe(result);
  expect(cache.getOrMake(negate(4), make)).not.toBe(result);
  expect(made).toBe(2);
});

test("what could not be made is tried again", () => {
  const cache = new ProgramCache<number>();
  const graph = negate(3);
  expect(() =>
    cache.getOrMake(graph, () => {
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(cache.getOrMake(graph, () => 1)).toBe(1);
});

test("a scalar constant beside a shaped operand is an input that is broadcast", () => {
  const x = fromHost(hostArray([1, 2, 3]));
  const scalar = (value: number) => literal(value, { dtype: "f32", shape: [], weak: true });
  const graph = singleOpGraph(add.op, [x, scalar(0.1)], {});
  verify(graph, "singleOpGraph");
  expect(printGraph(graph)).toBe(
    "graph (a:f32[3], b:f32[]) {\n  c:f32[3] = broadcast axes=[] shape=[3] b\n  d:f32[3] = add a c\n  return d\n}",
  );
  expect(singleOpGraph(add.op, [x, scalar(0.2)], {})).toBe(graph);
  expect(singleOpGraph(add.op, [scalar(0.2), x], {})).not.toBe(graph);
  expect(singleOpGraph(add.op, [scalar(1), scalar(2)], {}).eqns).toHaveLength(1);
});

test("params are part of what is kept", () => {
  const x = fromHost(hostArray(1));
  const wide = singleOpGraph(findOp("broadcast")!, [x], { shape: [2], axes: [] });
  expect(singleOpGraph(findOp("broadcast")!, [x], { shape: [2], axes: [] })).toBe(wide);
  expect(singleOpGraph(findOp("broadcast")!, [x], { shape: [3], axes: [] })).not.toBe(wide);
});
