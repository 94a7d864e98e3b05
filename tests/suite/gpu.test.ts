// Every op record on the GPU: for each dtype what the interpreter computes, also for special values and under vmap.
import { inject, vi } from "vitest";
import { aval } from "../../compiler/core/aval.js";
import { allocate } from "../../compiler/core/dtype.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { sizeOf } from "../../compiler/core/shape.js";
import { type Graph, literal } from "../../compiler/ir/graph.js";
import { concatenate, fill } from "../../compiler/ops/index.js";
import { costOf } from "../../compiler/passes/cost.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { stage } from "../../compiler/trace/stage.js";
import { bind } from "../../compiler/trace/trace.js";
import { batchGraph } from "../../compiler/transforms/batch.js";
import { specialConstants, specialOperands } from "../support/arrays.js";
import { gpuTest } from "../support/gpu.js";
import { loopOverLanes, waysToBatch } from "../support/lanes.js";
import { randomStream } from "../support/ulp.js";
import { allCalls, type Call, drawInputs, hash, oneEqn } from "./calls.js";
import { askedOf, type Relation } from "./exclusions.js";
import { type Case, checkOnGpu } from "./gpu-cases.js";
import { Tally } from "./tally.js";

const gpu = inject("gpu");
const tally = new Tally("adapter" in gpu ? gpu.adapter : "no GPU");

/** Calls of one program. */
const PER_PROGRAM = 120;
const VMAP_CASES = 60;

vi.setConfig({ testTimeout: 180_000 }); // a software adapter compiles some hundred shaders, the first time

gpuTest("every op gives on the GPU what it gives on the CPU", async () => {
  await checkAll("GPU = CPU", askedOf("GPU = CPU", allCalls, tally).map(usualCase));
});

gpuTest("and so it does for NaN, infinities, zeros and the extreme integers", async () => {
  const asked = askedOf("GPU = CPU on special values", allCalls, tally);
  const cases = asked.map((call) => (call.op.kind === "elementwise" ? specialCase(call) : scatteredCase(call)));
  await checkAll("GPU = CPU on special values", cases);
});

gpuTest("and so it does for constants, which WGSL's own compiler may not compute with", async () => {
  await checkAll("GPU = CPU on constants", askedOf("GPU = CPU on constants", allCalls, tally).map(constantCase));
});

gpuTest("a sample of vmapped calls gives what a loop over lanes gives on the CPU", async () => {
  const random = randomStream(20);
  const batchable = askedOf("vmap = loop over lanes", allCalls, tally);
  const picked = Array.from({ length: VMAP_CASES }, () => batchable[Math.floor(random() * batchable.length)]!);
  await checkAll(
    "vmap = loop over lanes",
    picked.map((call, i) => vmapCase(call, [0, 1, 2, 10][i % 4]!, random)),
  );
});

const checkAll = (relation: Relation, cases: readonly Case[]): Promise<void> =>
  checkOnGpu(relation, cases, PER_PROGRAM, tally);

const caseOf = ({ op, name }: Call, graph: Graph, inputs: readonly NDArray[], want: readonly NDArray[]): Case => ({
  graph,
  inputs,
  name,
  want,
  allowed: op.ulp,
});

function usualCase(call: Call): Case {
  const inputs = drawInputs(call);
  return caseOf(call, call.graph, inputs, interpret(call.graph, inputs));
}

function specialCase(call: Call): Case {
  const inputs = specialOperands(call.graph.inputs.map((v) => v.aval.dtype));
  const operands = inputs.map((x) => ({ kind: "var" as const, aval: aval(x.dtype, x.shape) }));
  const graph = oneEqn(call.op, operands, call.graph.eqns[0]!.params);
  return caseOf(call, graph, inputs, interpret(graph, inputs));
}

/** The op on special constants alone, as often as fits in a kernel. */
function constantCase(call: Call): Case {
  const eqn = call.graph.eqns[0]!;
  const lists = eqn.inputs.map((x) => specialConstants(x.aval.dtype));
  const most = Math.max(...lists.map((list) => list.length));
  const count = Math.min(most, Math.max(2, Math.floor(400 / costOf(eqn))));
  const shift = hash(call.name) % most;
  const { graph } = stage("constants", [], () => {
    const parts = Array.from({ length: count }, (_, i) => {
      const operands = eqn.inputs.map(({ aval: { dtype } }, k) => {
        const list = lists[k]!;
        return fill(literal(list[(shift + i * (1 + 2 * k)) % list.length]!, aval(dtype, [])), [1]);
      });
      return bind(call.op, operands, eqn.params)[0]!;
    });
    return { outputs: [concatenate(parts, 0)], rest: undefined };
  });
  return caseOf(call, graph, [], interpret(graph, []));
}

/** Special values in random places. */
function scatteredCase(call: Call): Case {
  const random = randomStream(hash(call.name));
  const inputs = call.graph.inputs.map(({ aval: { dtype, shape } }): NDArray => {
    const list = specialConstants(dtype);
    const data = allocate(dtype, sizeOf(shape)).map(() => list[Math.floor(random() * list.length)]!);
    return { dtype, shape, data };
  });
  return caseOf(call, call.graph, inputs, interpret(call.graph, inputs));
}

function vmapCase(call: Call, size: number, random: () => number): Case {
  const ranks = call.graph.inputs.map((v) => v.aval.shape.length);
  const [inAxes] = waysToBatch(ranks, 1, random);
  const batched = batchGraph(call.graph, inAxes!, size);
  const inputs = drawInputs(
    call,
    batched.graph.inputs.map((v) => v.aval),
  );
  const want = loopOverLanes(call.graph, inputs, inAxes!, batched.outAxes, size);
  return { ...caseOf(call, batched.graph, inputs, want), name: `${call.name} along [${inAxes}], ${size} lanes` };
}
