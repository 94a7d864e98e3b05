// A sample of derivatives on the GPU: mapped, along tangents and of second order, against the interpreter.
import { inject, vi } from "vitest";
import type { NDArray } from "../../compiler/core/ndarray.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { batchGraph } from "../../compiler/transforms/batch.js";
import { jvpGraph } from "../../compiler/transforms/jvp.js";
import { errorBounds } from "../support/error-bound.js";
import { gpuTest } from "../support/gpu.js";
import { loopOverLanes } from "../support/lanes.js";
import { randomStream } from "../support/ulp.js";
import { allCalls, type Call } from "./calls.js";
import { gradientsOf } from "./derivatives.js";
import { askedOf, type Relation } from "./exclusions.js";
import { type Case, checkOnGpu } from "./gpu-cases.js";
import { mappedAvals, waysOf } from "./nestings.js";
import { activeOf, directions, floatsFirst, isFloat, smoothInputs } from "./smooth.js";
import { Tally } from "./tally.js";

const gpu = inject("gpu");
const tally = new Tally("adapter" in gpu ? gpu.adapter : "no GPU");

/** Calls in the sample of one relation, and of one program. */
const CASES = 30;
const PER_PROGRAM = 30;

vi.setConfig({ testTimeout: 180_000 }); // a software adapter compiles a shader for each kernel, the first time

gpuTest("a sample of mapped gradients gives what a loop of gradients gives on the CPU", async () => {
  await checkSample("vmap(grad) on the GPU = loop of grads on the CPU", 50, mappedGradCase);
});

gpuTest("a sample of tangents is what it is on the CPU", async () => {
  await checkSample("jvp on the GPU = jvp on the CPU", 51, (call) => derivativeCase(call, call.graph));
});

gpuTest("a sample of second derivatives is what it is on the CPU", async () => {
  await checkSample("jvp of grad on the GPU = on the CPU", 52, (call, random) =>
    derivativeCase(call, gradientsOf(pick(floatsFirst(call.graph), random))),
  );
});

/** Cases of calls that `relation` holds for: a seeded sample of them, each record as likely as any. */
async function checkSample(
  relation: Relation,
  seed: number,
  caseOf: (call: Call, random: () => number) => Case,
): Promise<void> {
  const random = randomStream(seed);
  const asked = askedOf(relation, allCalls, tally);
  const ops = [...new Set(asked.map(({ op }) => op))];
  const picked = Array.from({ length: CASES }, () => {
    const op = pick(ops, random);
    return pick(
      asked.filter((call) => call.op === op),
      random,
    );
  });
  const cases = picked.map((call) => caseOf(call, random));
  await checkOnGpu(relation, cases, PER_PROGRAM, tally);
}

const pick = <T>(list: readonly T[], random: () => number): T => list[Math.floor(random() * list.length)]!;

/** As a device holds them. */
const narrow = (list: readonly NDArray[]): NDArray[] =>
  list.map((x) => (isFloat(x) ? { ...x, data: Float32Array.from(x.data) } : x));

function mappedGradCase(call: Call, random: () => number): Case {
  const mapped = pick(waysOf(call, 4), random);
  const { inAxes, size } = mapped;
  const grads = gradientsOf(pick(floatsFirst(call.graph), random));
  const batched = batchGraph(grads, inAxes, size);
  const inputs = narrow(smoothInputs(call, mappedAvals(mapped)));
  return {
    name: mapped.name,
    graph: batched.graph,
    inputs,
    want: loopOverLanes(grads, inputs, inAxes, batched.outAxes, size),
    allowed: errorBounds(batched.graph, inputs),
  };
}

/** Results and tangents of `graph`, which takes the operands of `call`. */
function derivativeCase(call: Call, graph: Graph): Case {
  const pushed = jvpGraph(graph, activeOf(graph)).graph;
  const operands = smoothInputs(call);
  const inputs = narrow([...operands, ...directions(call, operands.filter(isFloat))]);
  return {
    name: call.name,
    graph: pushed,
    inputs,
    want: interpret(pushed, inputs),
    allowed: errorBounds(pushed, inputs),
  };
}
