// Every op record on the interpreter: its type rule, its f64 meaning, what the passes make of it, and its text.
import { describe, expect, test } from "vitest";
import { pipeline } from "../../compiler/compile.js";
import { type Aval, aval, showAval } from "../../compiler/core/aval.js";
import { allocate } from "../../compiler/core/dtype.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { sizeOf } from "../../compiler/core/shape.js";
import { equalGraphs, type Graph, hashGraph, literal } from "../../compiler/ir/graph.js";
import type { Op, Sample } from "../../compiler/ir/op.js";
import { parseGraph } from "../../compiler/ir/parse.js";
import { printGraph } from "../../compiler/ir/print.js";
import { baseLimits } from "../../compiler/ir/program.js";
import { verify } from "../../compiler/ir/verify.js";
import { fill } from "../../compiler/ops/index.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { stage } from "../../compiler/trace/stage.js";
import type { Operand } from "../../compiler/trace/tensor.js";
import { bind } from "../../compiler/trace/trace.js";
import { difference, differenceBy, specialConstants, specialOperands, widened } from "../support/arrays.js";
import { ulpError } from "../support/ulp.js";
import { type Call, callOf, drawInputs, isLiteral, literalPositions, oneEqn, records } from "./calls.js";
import { Tally } from "./tally.js";

const tally = new Tally("interpreter");

describe.each(records)("$name", ({ op, calls }) => {
  test("has samples", () => {
    expect(op.samples.length).toBeGreaterThan(0);
  });

  test("gives results of the type its rule says", () => {
    for (const call of calls) {
      const results = interpret(call.graph, drawInputs(call));
      expect(results.map(typeFault), call.name).toEqual(results.map(() => undefined));
      expect(results.map(showAval), call.name).toEqual(call.graph.outputs.map((x) => showAval(x.aval)));
      tally.count("type rule = type of the result");
    }
  });

  test(`is within ${op.ulp} ulp of f64`, () => {
    for (const call of calls) {
      for (const inputs of [drawInputs(call), ...specialInputs(call)]) {
        const graph = oneEqn(op, avalsOf(call, inputs), call.graph.eqns[0]!.params);
        const got = interpret(graph, inputs);
        const want = interpret(graph, inputs.map(widened), { wide: true });
        for (const [k, x] of want.entries()) {
          const found = differenceBy(got[k]!, x, (a, b) =>
            x.dtype === "f32" ? ulpError(a, b) <= op.ulp : Object.is(a, b),
          );
          expect(found, call.name).toBeUndefined();
        }
        tally.count("f32 = f64 within ulp");
      }
    }
  });

  test("survives every pass bit for bit", () => {
    for (const sample of op.samples) {
      for (const call of [callOf(op, sample), ...withConstants(op, sample)]) {
        for (const inputs of [drawInputs(call), ...specialInputs(call)]) {
          const graph = reshapedLike(call.graph, inputs);
          checkPasses(call.name, graph, inputs);
          tally.count("passes keep every bit");
        }
      }
    }
  });

  test("reads back from its text", () => {
    for (const sample of op.samples) {
      for (const { graph, name } of [callOf(op, sample), ...withConstants(op, sample)]) {
        const text = printGraph(graph);
        const again = parseGraph(text);
        expect(equalGraphs(again, graph), `${name}\n${text}`).toBe(true);
        expect(printGraph(again)).toBe(text);
        expect(hashGraph(again)).toBe(hashGraph(graph));
        tally.count("parse(print(graph)) = graph");
      }
    }
  });
});

const several = records.flatMap(({ name, calls }) => {
  const own = calls.filter(({ graph }) => graph.outputs.length > 1);
  return own.length > 0 ? [{ name, calls: own }] : [];
});

test.each(several)("$name gives each of its results without the others", ({ calls }) => {
  for (const call of calls) {
    for (const x of call.graph.outputs) {
      checkPasses(call.name, { ...call.graph, outputs: [x] }, drawInputs(call));
      tally.count("passes keep every bit");
    }
  }
});

/** What is wrong with an array by itself. */
function typeFault({ dtype, shape, data }: NDArray): string | undefined {
  if (data.length !== sizeOf(shape)) return `${data.length} elements in shape [${shape}]`;
  if (data.constructor !== allocate(dtype, 0).constructor) return `a ${data.constructor.name} for ${dtype}`;
  if (dtype === "bool" && data.some((x) => x > 1)) return "a bool that is neither 0 nor 1";
  return undefined;
}

const avalsOf = (call: Call, inputs: readonly NDArray[]) => reshapedLike(call.graph, inputs).eqns[0]!.inputs;

/** The call on operands of other shapes. Only for elementwise ops do they differ. */
function reshapedLike(graph: Graph, inputs: readonly NDArray[]): Graph {
  const [eqn] = graph.eqns;
  if (graph.inputs.every((v, k) => v.aval.shape.join() === inputs[k]!.shape.join())) return graph;
  let at = 0;
  const operands = eqn!.inputs.map((x) =>
    isLiteral(x) ? x : { kind: "var" as const, aval: aval(x.aval.dtype, inputs[at++]!.shape) },
  );
  return oneEqn(eqn!.op, operands, eqn!.params);
}

/** For elementwise ops, all combinations of special values. */
function specialInputs({ op, graph }: Call): NDArray[][] {
  if (op.kind !== "elementwise" || graph.inputs.length === 0) return [];
  return [specialOperands(graph.inputs.map((v) => v.aval.dtype))];
}

/** The call with each special constant in each place one may stand, and in all of them at once. */
function withConstants(op: Op, sample: Sample): Call[] {
  const positions = literalPositions(op, sample);
  const constants = (k: number): readonly number[] => specialConstants(sample.inputs[k]!.dtype);
  const single = positions.flatMap((k) => constants(k).map((value) => callOf(op, sample, new Map([[k, value]]))));
  const most = Math.max(0, ...positions.map((k) => constants(k).length));
  const every = Array.from({ length: positions.length > 1 ? most : 0 }, (_, i) =>
    callOf(op, sample, new Map(positions.map((k, j) => [k, constants(k)[(i + j) % constants(k).length]!]))),
  );
  return [...single, ...every];
}

/** Runs the Graph as it is and after each pass; also with its constants broadcast first, as simplify finds them. */
function checkPasses(name: string, graph: Graph, inputs: readonly NDArray[]): void {
  const want = interpret(graph, inputs);
  for (const start of [graph, ...broadcastConstants(graph)]) {
    let current = start;
    for (const pass of pipeline) {
      current = verify(pass.run(current, baseLimits), pass.name);
      const got = interpret(current, inputs);
      for (const [k, x] of want.entries()) {
        expect(difference(got[k]!, x), `${name} after ${pass.name}\n${printGraph(current)}`).toBeUndefined();
      }
    }
  }
}

/** An elementwise equation with its constants as full arrays. */
function broadcastConstants(graph: Graph): Graph[] {
  const [eqn] = graph.eqns;
  const shape = graph.outputs[0]!.aval.shape;
  if (eqn!.op.kind !== "elementwise" || shape.length === 0 || !eqn!.inputs.some(isLiteral)) return [];
  const types = graph.inputs.map((v): Aval => v.aval);
  const staged = stage("constants", types, (args) => {
    let at = 0;
    const operands = eqn!.inputs.map(
      (x): Operand => (isLiteral(x) ? fill(literal(x.value, x.aval), shape) : args[at++]!),
    );
    return { outputs: bind(eqn!.op, operands, eqn!.params), rest: undefined };
  });
  return [staged.graph];
}
