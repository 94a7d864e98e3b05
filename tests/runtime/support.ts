// Programs written by hand, and an executor of its own for each test of the runtime.
import type { NDArray } from "../../compiler/core/ndarray.js";
import { type Graph, newVar } from "../../compiler/ir/graph.js";
import type { Dispatch, Program } from "../../compiler/ir/program.js";
import { Tensor } from "../../compiler/trace/tensor.js";
import { CpuBackend } from "../../runtime/cpu.js";
import type { DawnBackend } from "../../runtime/dawn/backend.js";
import { openDawn } from "../../runtime/dawn/open.js";
import { Devices } from "../../runtime/devices.js";
import { RuntimeExecutor } from "../../runtime/executor.js";

/** A Graph of which only the types count: its program is written by hand. */
export function emptyGraph(inputs: readonly (readonly number[])[], outputs: readonly (readonly number[])[]): Graph {
  const make = (shape: readonly number[]) => newVar({ dtype: "f32", shape });
  return { inputs: inputs.map(make), eqns: [], outputs: outputs.map(make) };
}

/** y[i] = x[i] * `scale` + `shift`, for `n` elements. */
const affineKernel = (name: string, n: number, scale: number, shift: number): string => `
  @group(0) @binding(0) var<storage, read> x: array<f32>;
  @group(0) @binding(1) var<storage, read_write> y: array<f32>;

  @compute @workgroup_size(64)
  fn main(@builtin(global_invocation_id) id: vec3u) { // ${name}
    let i = id.x;
    if (i >= ${n}u) { return; }
    y[i] = x[i] * ${scale} + ${shift};
  }
`;

export const affine = (n: number, scale: number, shift: number, more: Partial<Dispatch> = {}): Dispatch => ({
  name: `affine ${scale} ${shift}`,
  wgsl: affineKernel("affine", n, scale, shift),
  reads: [{ kind: "input", index: 0 }],
  writes: [{ kind: "output", index: 0 }],
  usesZero: false,
  guards: [],
  workgroups: [Math.ceil(n / 64), 1, 1],
  ...more,
});

/** A program of one input and one output of `n` elements each, with as many scratch buffers as the dispatches use. */
export function program(graph: Graph, dispatches: readonly Dispatch[], more: Partial<Program> = {}): Program {
  const bytes = (graph.inputs[0]?.aval.shape.reduce((a, b) => a * b, 1) ?? 1) * 4;
  const scratch = dispatches
    .flatMap(({ reads, writes }) => [...reads, ...writes])
    .filter(({ kind }) => kind === "scratch");
  return {
    graph,
    dispatches,
    schedule: dispatches.map((_, i) => i),
    results: graph.outputs.map(({ aval }, index) => ({ aval, from: { kind: "output", index } })),
    outputBytes: graph.outputs.map(() => bytes),
    scratchBytes: new Array<number>(Math.max(-1, ...scratch.map(({ index }) => index)) + 1).fill(bytes),
    peakBytes: 2 * bytes,
    ...more,
  };
}

export interface Bench {
  readonly executor: RuntimeExecutor;
  /** Devices that were opened, the newest last. */
  readonly opened: DawnBackend[];
  readonly notices: string[];
  /** The program that a Graph is compiled to. */
  readonly programs: Map<Graph, Program>;
}

/** An executor on Dawn whose Graphs are compiled to the programs given in `programs`. */
export function dawnBench(kind: "auto" | "gpu" | "cpu" = "gpu"): Bench {
  const programs = new Map<Graph, Program>();
  const opened: DawnBackend[] = [];
  const notices: string[] = [];
  const compile = (graph: Graph): Program => {
    const found = programs.get(graph);
    if (!found) throw new Error("compile: this Graph has no program");
    return found;
  };
  const gpu = async () => {
    const backend = await openDawn(compile);
    if (!("reason" in backend)) opened.push(backend);
    return backend;
  };
  const environment = { LANEWISE_DEVICE: kind };
  const notice = (line: string): void => void notices.push(line);
  const devices = new Devices({ cpu: () => new CpuBackend(compile), gpu, environment, notice });
  return { executor: new RuntimeExecutor(devices), opened, notices, programs };
}

export const hostTensor = (
  executor: RuntimeExecutor,
  data: Float32Array,
  shape: readonly number[] = [data.length],
): Tensor => {
  const array: NDArray = { dtype: "f32", shape, data };
  return new Tensor({ dtype: "f32", shape }, { handle: executor.fromHost(array) });
};

/** The error `work` throws or rejects with. */
export async function errorOf(work: () => unknown): Promise<Error> {
  try {
    await work();
  } catch (error) {
    return error as Error;
  }
  throw new Error("no error was thrown");
}
