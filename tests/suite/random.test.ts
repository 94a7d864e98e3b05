// Random expression graphs: passes keep their bits, vmap is a loop over lanes, and the GPU gives what the CPU gives.
import fc from "fast-check";
import { expect, inject, test, vi } from "vitest";
import { pipeline } from "../../compiler/compile.js";
import { equalGraphs, type Graph } from "../../compiler/ir/graph.js";
import { parseGraph } from "../../compiler/ir/parse.js";
import { printGraph } from "../../compiler/ir/print.js";
import { baseLimits } from "../../compiler/ir/program.js";
import { verify } from "../../compiler/ir/verify.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { difference, differenceBy, draw } from "../support/arrays.js";
import { errorBounds } from "../support/error-bound.js";
import { gpuTest } from "../support/gpu.js";
import { batchingFault, waysToBatch } from "../support/lanes.js";
import { cook, type RandomProgram, type Recipe, recipes } from "../support/random-graph.js";
import { runOnGpu } from "../support/run-program.js";
import { randomStream } from "../support/ulp.js";
import { Tally } from "./tally.js";

vi.setConfig({ testTimeout: 180_000 }); // a failure shrinks, and each step compiles shaders

const gpu = inject("gpu");
const onCpu = new Tally("interpreter");
const onGpu = new Tally("adapter" in gpu ? gpu.adapter : "no GPU");

const CPU_GRAPHS = 300;
const GPU_GRAPHS = 20; // in each of the tests

test("passes keep every bit of random graphs", () => {
  check(1, CPU_GRAPHS, ({ graph, inputs }) => {
    const want = interpret(graph, inputs);
    let current = verify(graph, "tracing");
    for (const pass of pipeline) {
      current = verify(pass.run(current, baseLimits), pass.name);
      const got = interpret(current, inputs);
      want.forEach((x, k) => void expectNone(difference(got[k]!, x), graph, `result ${k} after ${pass.name}`));
    }
    onCpu.count("passes keep every bit of random graphs");
  });
});

test("random graphs read back from their text", () => {
  check(2, CPU_GRAPHS, ({ graph }) => {
    const text = printGraph(graph);
    expect(equalGraphs(parseGraph(text), graph), text).toBe(true);
    onCpu.count("parse(print(random graph)) = it");
  });
});

test("vmap of random graphs is a loop over lanes", () => {
  check(3, CPU_GRAPHS, ({ graph }, { seed }) => {
    const random = randomStream(seed + 1);
    const ranks = graph.inputs.map((v) => v.aval.shape.length);
    const [axes] = waysToBatch(ranks, 1, random);
    const size = [1, 2, 3, 0][seed % 4]!;
    const inputs = (batched: Graph) => batched.inputs.map((v) => draw(random, v.aval));
    expect(batchingFault(graph, axes!, size, inputs)).toBeUndefined();
    onCpu.count("vmap of random graphs = loop over lanes");
  });
});

for (const seed of [4, 5, 6]) {
  gpuTest(`random graphs give on the GPU what they give on the CPU, seed ${seed}`, async () => {
    const property = fc.asyncProperty(recipes, async (recipe) => {
      const { graph, inputs, isExact } = cook(recipe);
      const want = interpret(graph, inputs);
      const bounds = errorBounds(graph, inputs);
      const got = await runOnGpu(graph, inputs);
      want.forEach((x, k) => {
        // what a device flushes to 0 may meet an exact operation next
        const exact = (a: number, b: number) => Object.is(a, b) || (a !== b && Math.abs(a - b) < 2 ** -125);
        const near = (a: number, b: number, i: number) => exact(a, b) || isWithin(bounds[k]![i]!, a, b);
        const found = differenceBy(got[k]!, x, isExact[k] ? exact : near);
        expectNone(found, graph, `result ${k}, ${isExact[k] ? "exact" : "with tolerance"}`);
      });
      onGpu.count("random graphs: GPU = CPU");
    });
    await fc.assert(property, { seed, numRuns: GPU_GRAPHS });
  });
}

/** Nothing is known of a result whose bound is infinite; else it is a number where it should be one. */
const isWithin = (bound: number, a: number, b: number): boolean => bound === Infinity || Math.abs(a - b) <= bound;

function check(seed: number, numRuns: number, body: (program: RandomProgram, recipe: Recipe) => void): void {
  fc.assert(
    fc.property(recipes, (recipe) => body(cook(recipe), recipe)),
    { seed, numRuns },
  );
}

function expectNone(found: string | undefined, graph: Graph, where: string): void {
  if (found) throw new Error(`${where}: ${found}\n${printGraph(graph)}`);
}
