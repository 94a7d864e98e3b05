// Random programs on the GPU: in f32, vmapped and several in one program, they give what the interpreter gives.
import { aval } from "../../../compiler/core/aval.js";
import { TraceError } from "../../../compiler/core/errors.js";
import type { NDArray } from "../../../compiler/core/ndarray.js";
import { interpret } from "../../../compiler/scalar/interpret.js";
import { stage } from "../../../compiler/trace/stage.js";
import type { Tensor } from "../../../compiler/trace/tensor.js";
import { vmap } from "../../../compiler/transforms/vmap.js";
import type { PlainFunction, Value } from "../../support/plain-js.js";
import { runOnGpu } from "../../support/run-program.js";
import { argumentsOf, functionsOf } from "./check.js";
import { programOf } from "./functions.js";
import { INPUTS } from "./survey.js";

/** Inputs of x, y, n and xs, a lane for each arguments. */
function lanesOf(args: readonly (readonly Value[])[]): NDArray[] {
  const column = (i: number): NDArray => {
    const rows = args.map((each) => each[i] as number | number[]);
    const shape = Array.isArray(rows[0]) ? [rows.length, rows[0].length] : [rows.length];
    return { dtype: "f32", shape, data: Float32Array.from(rows.flat()) };
  };
  return [0, 1, 2, 3].map(column);
}

/** One Graph that runs each of the functions on all lanes. */
function stageAll(functions: readonly PlainFunction[], inputs: readonly NDArray[]) {
  const types = inputs.map(({ shape }) => aval("f32", shape));
  return stage("fuzz", types, (leaves) => ({
    outputs: functions.flatMap((fn) => vmap(fn)(...leaves) as Tensor[]),
    rest: undefined,
  }));
}

export interface GpuSurvey {
  readonly equal: number;
  readonly refused: number;
  /** Programs of which some result has other bits. */
  readonly failures: readonly string[];
}

/** Runs `count` programs whose arithmetic is exact on every device, `together` at a time. */
export async function surveyOnGpu(
  seed: number,
  from: number,
  count: number,
  together = 8,
  progress = (_done: number): void => undefined,
): Promise<GpuSurvey> {
  let [equal, refused] = [0, 0];
  const failures: string[] = [];
  for (let start = from; start < from + count; start += together) {
    const numbers = Array.from({ length: Math.min(together, from + count - start) }, (_, i) => start + i);
    const inputs = lanesOf(argumentsOf(start, INPUTS));
    const all = functionsOf(numbers.map((k) => programOf(seed, k, { exact: true })));
    const accepted = all.map((fn) => isAccepted(fn, inputs));
    const chosen = all.filter((_, i) => accepted[i]);
    refused += all.length - chosen.length;
    const { graph, captures } = stageAll(chosen, inputs);
    const given = [...inputs, ...captures.map((x) => x.handle.host!)];
    const want = interpret(graph, given);
    const got = await runOnGpu(graph, given);
    const perProgram = graph.outputs.length / Math.max(1, chosen.length);
    const programs = numbers.filter((_, i) => accepted[i]);
    for (const [p, program] of programs.entries()) {
      const results = Array.from({ length: perProgram }, (_, r) => p * perProgram + r);
      const faults = results.flatMap((r) => faultsOf(got[r]!, want[r]!, r - p * perProgram, inputs));
      if (faults.length === 0) equal++;
      else failures.push(`program ${program}: ${faults[0]}`);
    }
    progress(start - from + numbers.length);
  }
  return { equal, refused, failures };
}

function isAccepted(fn: PlainFunction, inputs: readonly NDArray[]): boolean {
  try {
    stageAll([fn], inputs);
    return true;
  } catch (error) {
    if (error instanceof TraceError) return false;
    throw error;
  }
}

/** Lanes that differ; the sign of zero counts for nothing, for whole numbers have none. */
function faultsOf(got: NDArray, want: NDArray, result: number, inputs: readonly NDArray[]): string[] {
  return [...want.data].flatMap((x, lane) => {
    const y = got.data[lane]!;
    if (x === y || Object.is(x, y)) return [];
    const args = inputs.map(({ data, shape }) => {
      const size = shape[1] ?? 1;
      return [...data.slice(lane * size, lane * size + size)].join(" ");
    });
    return [`result ${result} on (${args.join(", ")}): the GPU gives ${y}, the interpreter ${x}`];
  });
}
