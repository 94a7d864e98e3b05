// Every op record's derivative rules, in f64: tangents against differences, transposes against inner products.
import { describe, expect, test } from "vitest";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { removeAt } from "../../compiler/core/shape.js";
import type { Graph } from "../../compiler/ir/graph.js";
import type { Op } from "../../compiler/ir/op.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import "../../compiler/transforms/batch.js";
import { gradGraph } from "../../compiler/transforms/grad.js";
import { jvpGraph } from "../../compiler/transforms/jvp.js";
import { linearize } from "../../compiler/transforms/linearize.js";
import { transposeGraph } from "../../compiler/transforms/transpose.js";
import { randomStream } from "../support/ulp.js";
import { type Call, drawInputs, hash, records } from "./calls.js";
import { Tally } from "./tally.js";

const tally = new Tally("interpreter in f64");

const STEP = 1e-5;
const wide = { wide: true };

/** Calls with a float result, and which of their inputs are float. */
const differentiable = records.flatMap(({ op, name, calls }) => {
  if (op.kind === "view" && op.stopsTangents) return [];
  const own = calls.filter(
    ({ graph }) =>
      graph.outputs.some((x) => x.aval.dtype === "f32") && graph.inputs.some((v) => v.aval.dtype === "f32"),
  );
  return own.length > 0 ? [{ op, name, calls: own }] : [];
});

const reversible = differentiable.filter(({ op }) => !hasNoReverse(op));

function hasNoReverse(op: Op): boolean {
  return op.kind === "region" && op.noReverse !== undefined;
}

/** Inputs from the inner part of each range: functions end at the edges, and difference quotients with them. */
function smoothInputs(call: Call): NDArray[] {
  const random = randomStream(hash(`${call.name} smooth`));
  return drawInputs(call).map((x, k) => {
    if (x.dtype !== "f32") return x;
    const [low, high] = call.ranges[k] ?? [-8, 8];
    const data = Float64Array.from({ length: x.data.length }, () => low + (high - low) * (0.01 + 0.98 * random()));
    return { ...x, data };
  });
}

const activeOf = (graph: Graph): boolean[] => graph.inputs.map((v) => v.aval.dtype === "f32");

/** Numbers in [-1, 1] of the shape of `x`, in f64. */
function directions(call: Call, arrays: readonly { shape: readonly number[]; data: ArrayLike<number> }[]): NDArray[] {
  const random = randomStream(hash(`${call.name} directions`));
  return arrays.map(({ shape, data }) => ({
    dtype: "f32",
    shape,
    data: Float64Array.from({ length: data.length }, () => 2 * random() - 1),
  }));
}

/** The Graph with its first float output in front: that is what a gradient is of. */
function floatFirst(graph: Graph): Graph {
  const k = graph.outputs.findIndex((x) => x.aval.dtype === "f32");
  return { ...graph, outputs: [graph.outputs[k]!, ...removeAt(graph.outputs, k)] };
}

const dot = (a: NDArray, b: NDArray): number => {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += a.data[i]! * b.data[i]!;
  return sum;
};

/** x + t·dx for the float arrays, `moves` giving dx for those in turn. */
function moved(inputs: readonly NDArray[], moves: readonly NDArray[], t: number): NDArray[] {
  let at = 0;
  return inputs.map((x) => {
    if (x.dtype !== "f32") return x;
    const dx = moves[at++]!;
    return { ...x, data: Float64Array.from(x.data as Float64Array, (value, i) => value + t * dx.data[i]!) };
  });
}

function expectNear(got: NDArray, want: (i: number) => number, tolerance: number, what: string): void {
  got.data.forEach((x: number, i: number) => {
    const y = want(i);
    const off = Math.abs(x - y) / Math.max(1, Math.abs(y));
    if (!(off <= tolerance)) expect.fail(`${what}: element ${i} is ${x}, the difference quotient ${y}`);
  });
}

describe.each(differentiable)("$name", ({ calls }) => {
  test("has tangents that difference quotients approach", () => {
    for (const call of calls) {
      const inputs = smoothInputs(call);
      const moves = directions(
        call,
        inputs.filter((x) => x.dtype === "f32"),
      );
      const { graph, active } = jvpGraph(call.graph, activeOf(call.graph));
      const outputs = interpret(graph, [...inputs, ...moves], wide);
      const above = interpret(call.graph, moved(inputs, moves, STEP), wide);
      const below = interpret(call.graph, moved(inputs, moves, -STEP), wide);
      let at = call.graph.outputs.length;
      active.forEach((isActive, k) => {
        if (above[k]!.dtype !== "f32") return;
        const quotient = (i: number) => (above[k]!.data[i]! - below[k]!.data[i]!) / (2 * STEP);
        const tangent = isActive ? outputs[at++]! : { ...above[k]!, data: new Float64Array(above[k]!.data.length) };
        expectNear(tangent, quotient, 1e-6, `${call.name} result ${k}`);
      });
      tally.count("jvp = difference quotient");
    }
  });
});

describe.each(reversible)("$name", ({ calls }) => {
  test("has transposes with the inner product of its tangents", () => {
    for (const call of calls) {
      const inputs = smoothInputs(call);
      const moves = directions(
        call,
        inputs.filter((x) => x.dtype === "f32"),
      );
      const { graph, active } = jvpGraph(call.graph, activeOf(call.graph));
      if (!active.includes(true)) continue;
      const count = call.graph.outputs.length;
      const { known, linear, residuals } = linearize(graph, call.graph.inputs.length, count);
      const kept = interpret(known, inputs, wide).slice(count);
      const tangents = interpret(linear, [...kept, ...moves], wide);
      const cts = directions({ ...call, name: `${call.name} ct` }, tangents);
      const back = interpret(transposeGraph(linear, residuals), [...kept, ...cts], wide);
      const forward = cts.reduce((sum, ct, i) => sum + dot(ct, tangents[i]!), 0);
      const reverse = back.reduce((sum, x, i) => sum + dot(x, moves[i]!), 0);
      expect(Math.abs(forward - reverse) / Math.max(1, Math.abs(forward)), call.name).toBeLessThan(1e-9);
      expect(
        back.map((x) => x.shape),
        call.name,
      ).toEqual(moves.map((x) => x.shape));
      tally.count("⟨ct, jvp⟩ = ⟨transpose, dx⟩");
    }
  });

  test("has a gradient whose tangents difference quotients approach", () => {
    for (const call of calls) {
      const inputs = smoothInputs(call);
      const moves = directions(
        call,
        inputs.filter((x) => x.dtype === "f32"),
      );
      const first = gradGraph(floatFirst(call.graph), activeOf(call.graph));
      const { graph, active } = jvpGraph(first, activeOf(first));
      const outputs = interpret(graph, [...inputs, ...moves], wide);
      const above = interpret(first, moved(inputs, moves, STEP), wide);
      const below = interpret(first, moved(inputs, moves, -STEP), wide);
      let at = first.outputs.length;
      active.forEach((isActive, k) => {
        const tangent = isActive ? outputs[at++]! : { ...above[k]!, data: new Float64Array(above[k]!.data.length) };
        expectNear(
          tangent,
          (i) => (above[k]!.data[i]! - below[k]!.data[i]!) / (2 * STEP),
          1e-5,
          `${call.name} output ${k}`,
        );
      });
      tally.count("jvp of grad = difference quotient");
    }
  });
});
