// plan: which variables share memory, and how much of it a call needs at once.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileGraph } from "../../compiler/compile.js";
import { type Graph, newVar, type Var } from "../../compiler/ir/graph.js";
import type { FusedGraph } from "../../compiler/ir/kernel.js";
import { type BufferRef, baseLimits, type Launch, type Scratch } from "../../compiler/ir/program.js";
import { plan } from "../../compiler/passes/plan.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { f32, trace } from "../support/trace.js";

const launch = (reads: readonly (Var | Scratch)[], writes: readonly (Var | Scratch)[]): Launch => ({
  name: "k",
  wgsl: "",
  reads,
  writes,
  usesZero: false,
  workgroups: [1, 1, 1],
});

/** A Graph of inputs and outputs alone: plan looks at the launches for the rest. */
function fused(inputs: readonly Var[], outputs: readonly Var[]): FusedGraph {
  const graph: Graph = { inputs, eqns: [], outputs };
  return { graph, kernels: [], memory: outputs };
}

const showRef = ({ kind, index }: BufferRef): string => `${kind}${index}`;

describe("scratch memory", () => {
  const variables = (n: number, size = 100): Var[] => Array.from({ length: n }, () => newVar(f32(size)));

  test("is used again once nobody reads it any more", () => {
    const [x, a, b, c, y] = variables(5) as [Var, Var, Var, Var, Var];
    const program = plan(fused([x], [y]), [launch([x], [a]), launch([a], [b]), launch([b], [c]), launch([c], [y])]);
    expect(program.dispatches.map(({ writes }) => writes.map(showRef).join())).toEqual([
      "scratch0",
      "scratch1",
      "scratch0",
      "output0",
    ]);
    expect(program.scratchBytes).toEqual([400, 400]);
    expect(program.peakBytes).toBe(4 * 400);
  });

  test("is not taken from what the same dispatch reads", () => {
    const [x, a, b, y] = variables(4) as [Var, Var, Var, Var];
    const program = plan(fused([x], [y]), [launch([x], [a]), launch([a], [b]), launch([a, b], [y])]);
    expect(program.scratchBytes).toHaveLength(2);
  });

  test("much larger than needed is left to others", () => {
    const x = newVar(f32(1000));
    const [a, y] = [newVar(f32(1000)), newVar(f32(1))];
    const [small, other] = [newVar(f32(10)), newVar(f32(600))];
    const program = plan(fused([x], [y]), [
      launch([x], [a]),
      launch([a], [small]),
      launch([small], [other]),
      launch([other], [y]),
    ]);
    expect(program.scratchBytes).toEqual([4000, 40]);
  });

  test("between two dispatches of one kernel is like any other", () => {
    const [x, y] = variables(2) as [Var, Var];
    const parts: Scratch = { kind: "scratch", bytes: 64 };
    const program = plan(fused([x], [y]), [launch([x], [parts]), launch([parts], [y])]);
    expect(program.scratchBytes).toEqual([64]);
  });

  test("of an array without elements can be bound", () => {
    const [x, y] = variables(2) as [Var, Var];
    const program = plan(fused([x], [y]), [launch([x, newVar(f32(0, 3))], [y])]);
    expect(program.dispatches[0]!.reads.map(showRef)).toEqual(["input0", "scratch0"]);
    expect(program.scratchBytes).toEqual([4]);
  });

  test("nobody wrote is an error of ours", () => {
    const [x, y, z] = variables(3) as [Var, Var, Var];
    expect(() => plan(fused([x], [y]), [launch([z], [y])])).toThrow("reads what was not written");
  });

  test("never holds two variables at once, in random programs", () => {
    const property = fc.property(fc.array(fc.array(fc.nat(1000), { minLength: 2, maxLength: 5 })), (recipe) => {
      const inputs = variables(2);
      const all = [...inputs];
      const launches = recipe.map((numbers) => {
        const reads = [...new Set(numbers.slice(1).map((n) => all[n % all.length]!))];
        const writes = variables(1 + (numbers[0]! % 2), 1 + (numbers[0]! % 50));
        all.push(...writes);
        return launch(reads, writes);
      });
      const outputs = [all[all.length - 1]!];
      const program = plan(fused(inputs, outputs), launches);
      const holder = new Map(inputs.map((v, i) => [`input${i}`, v as Var | Scratch]));
      program.dispatches.forEach((dispatch, i) => {
        const { reads, writes } = launches[i]!;
        dispatch.reads.forEach((ref, k) => void expect(holder.get(showRef(ref))).toBe(reads[k]));
        dispatch.writes.forEach((ref, k) => void holder.set(showRef(ref), writes[k]!));
        const bound = [...dispatch.reads, ...dispatch.writes].map(showRef);
        expect(new Set(bound).size).toBe(bound.length);
      });
      const { from } = program.results[0]!;
      expect(holder.get(showRef(from))).toBe(outputs[0]);
    });
    fc.assert(property, { seed: 21, numRuns: 300 });
  });
});

describe("a program", () => {
  test("gives inputs back as results without a copy", () => {
    const { dispatches, results, outputBytes } = compileGraph(
      trace([f32(2, 3)], (x) => [x.reshape(6), x]),
      baseLimits,
    );
    expect(dispatches).toEqual([]);
    expect(outputBytes).toEqual([]);
    expect(results).toEqual([
      { aval: f32(6), from: { kind: "input", index: 0 } },
      { aval: f32(2, 3), from: { kind: "input", index: 0 } },
    ]);
  });

  test("stores what several results show once", () => {
    const { outputBytes, results } = compileGraph(
      trace([f32(2, 3)], (x) => {
        const y = x.add(1);
        return [y, y.reshape(6), y];
      }),
      baseLimits,
    );
    expect(outputBytes).toEqual([24]);
    expect(results.map(({ from }) => showRef(from))).toEqual(["output0", "output0", "output0"]);
  });

  test("has room for a word where a result has no elements", () => {
    const { outputBytes, dispatches } = compileGraph(
      trace([f32(0, 3)], (x) => x.add(1)),
      baseLimits,
    );
    expect(outputBytes).toEqual([4]);
    expect(dispatches).toEqual([]);
  });

  test("of a long chain of folds needs two arrays between them, not one for each", () => {
    const { scratchBytes } = compileGraph(
      trace([f32(40, 40)], (x) => {
        let y: Tensor = x;
        for (let i = 0; i < 10; i++) y = y.matmul(x);
        return y;
      }),
      baseLimits,
    );
    expect(scratchBytes).toEqual([6400, 6400]);
  });
});
