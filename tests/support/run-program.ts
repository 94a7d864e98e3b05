// Runs a compiled program on a GPU straight through WebGPU: what Program promises is all that is used of the compiler.
import { compileGraph } from "../../compiler/compile.js";
import { allocate, DEVICE_ELEMENT_BYTES, type DType, type TypedArray } from "../../compiler/core/dtype.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { sizeOf } from "../../compiler/core/shape.js";
import type { Graph } from "../../compiler/ir/graph.js";
import {
  type BufferRef,
  baseLimits,
  type DeviceLimits,
  type Dispatch,
  type Program,
  type Step,
} from "../../compiler/ir/program.js";
import { findAdapter } from "../../runtime/dawn/adapter.js";
import { OpenDevice } from "../../runtime/dawn/device.js";
import { BUFFER_USAGE, MAP_READ, STAGE_COMPUTE } from "../../runtime/dawn/usage.js";

let opened: Promise<OpenDevice> | undefined;

/** The one device of this test file. */
function testDevice(): Promise<OpenDevice> {
  opened ??= openDevice();
  return opened;
}

async function openDevice(): Promise<OpenDevice> {
  const found = await findAdapter();
  if ("reason" in found) throw new Error(found.reason);
  const device = await OpenDevice.open(found);
  device.onStrayError = (message) => {
    throw new Error(`Dawn: ${message}`);
  };
  return device;
}

/** Compiles for `limits`, which every device has unless they are given, and runs. */
export async function runOnGpu(
  graph: Graph,
  inputs: readonly NDArray[],
  limits: DeviceLimits = baseLimits,
): Promise<NDArray[]> {
  return runProgram(compileGraph(graph, limits), inputs);
}

/** Results of one call of a program. */
async function runProgram(program: Program, inputs: readonly NDArray[]): Promise<NDArray[]> {
  const { gpu } = await testDevice();
  const pipelines: Made[] = [];
  for (const dispatch of program.dispatches) pipelines.push(await pipelineFor(dispatch));
  // pushed and popped without a pause: the scopes are the device's, not ours
  gpu.pushErrorScope("validation");
  gpu.pushErrorScope("out-of-memory");
  const made: GPUBuffer[] = [];
  const buffer = (bytes: number, usage: number): GPUBuffer => {
    const b = gpu.createBuffer({ size: bytes, usage });
    made.push(b);
    return b;
  };
  // as from a pool: what a kernel forgets to write is seen
  const usedBefore = (bytes: number): GPUBuffer => {
    const b = buffer(bytes, BUFFER_USAGE.storage);
    gpu.queue.writeBuffer(b, 0, new Uint32Array(bytes / DEVICE_ELEMENT_BYTES).fill(0xdeadbeef));
    return b;
  };
  const buffers: Record<BufferRef["kind"], GPUBuffer[]> = {
    input: inputs.map((x) => {
      const b = buffer(Math.max(1, x.data.length) * DEVICE_ELEMENT_BYTES, BUFFER_USAGE.storage);
      if (x.data.length > 0) gpu.queue.writeBuffer(b, 0, deviceWords(x));
      return b;
    }),
    output: program.outputBytes.map(usedBefore),
    scratch: program.scratchBytes.map(usedBefore),
  };
  const zero = buffer(16, BUFFER_USAGE.uniform);
  const encoder = gpu.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const i of flatSchedule(program.schedule)) {
    const dispatch = program.dispatches[i]!;
    const { pipeline, layout } = pipelines[i]!;
    const bound = [...dispatch.reads, ...dispatch.writes].map(({ kind, index }) => buffers[kind][index]!);
    if (dispatch.usesZero) bound.push(zero);
    bound.push(...dispatch.guards.map(({ buffer: { kind, index } }) => buffers[kind][index]!));
    const entries = bound.map((b, binding) => ({ binding, resource: { buffer: b } }));
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, gpu.createBindGroup({ layout, entries }));
    pass.dispatchWorkgroups(...dispatch.workgroups);
  }
  pass.end();
  const reads = program.results.map(({ aval, from }) => {
    const bytes = sizeOf(aval.shape) * DEVICE_ELEMENT_BYTES;
    const staging = buffer(Math.max(4, bytes), BUFFER_USAGE.staging);
    if (bytes > 0) encoder.copyBufferToBuffer(buffers[from.kind][from.index]!, 0, staging, 0, bytes);
    return staging;
  });
  gpu.queue.submit([encoder.finish()]);
  const errors = await Promise.all([gpu.popErrorScope(), gpu.popErrorScope()]);
  const error = errors.find((e) => e !== null);
  if (error) throw new Error(`Dawn: ${error.message}\n${program.dispatches.map((d) => d.wgsl).join("\n")}`);
  const results: NDArray[] = [];
  for (const [i, staging] of reads.entries()) {
    const { aval } = program.results[i]!;
    await staging.mapAsync(MAP_READ);
    const words = staging.getMappedRange().slice(0, sizeOf(aval.shape) * DEVICE_ELEMENT_BYTES);
    results.push({ dtype: aval.dtype, shape: aval.shape, data: hostElements(words, aval.dtype) });
  }
  for (const b of made) b.destroy();
  return results;
}

/**
 * Dispatches in the order they run. Loops with an open end are given so many turns that those of the tests have come to
 * theirs: later turns do nothing.
 */
function* flatSchedule(steps: readonly Step[]): Generator<number> {
  for (const step of steps) {
    if (typeof step === "number") yield step;
    else if (step.kind === "while") for (let i = 0; i < OPEN_TURNS; i++) yield* flatSchedule(step.body);
    else for (let i = 0; i < step.count; i++) yield* flatSchedule(i % 2 === 0 ? step.even : step.odd);
  }
}

const OPEN_TURNS = 40;

interface Made {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

const known = new Map<string, Promise<Made>>();

function pipelineFor(dispatch: Dispatch): Promise<Made> {
  const { reads, writes, usesZero, guards, wgsl } = dispatch;
  const key = `${reads.length} ${writes.length} ${usesZero} ${guards.length} ${wgsl}`;
  let made = known.get(key);
  if (!made) {
    made = makePipeline(dispatch);
    known.set(key, made);
  }
  return made;
}

async function makePipeline({ wgsl, reads, writes, usesZero, guards }: Dispatch): Promise<Made> {
  const { gpu } = await testDevice();
  await checkWgsl(wgsl);
  const types: GPUBufferBindingType[] = [
    ...reads.map((): GPUBufferBindingType => "read-only-storage"),
    ...writes.map((): GPUBufferBindingType => "storage"),
    ...(usesZero ? (["uniform"] as const) : []),
    ...guards.map((): GPUBufferBindingType => "read-only-storage"),
  ];
  gpu.pushErrorScope("validation");
  const layout = gpu.createBindGroupLayout({
    entries: types.map((type, binding) => ({ binding, visibility: STAGE_COMPUTE, buffer: { type } })),
  });
  const pipeline = gpu.createComputePipeline({
    layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: gpu.createShaderModule({ code: wgsl }), entryPoint: "main" },
  });
  const error = await gpu.popErrorScope();
  if (error) throw new Error(`Dawn refused a pipeline: ${error.message}\n${wgsl}`);
  return { pipeline, layout };
}

/** Throws with Dawn's messages when `wgsl` is not valid. */
export async function checkWgsl(wgsl: string): Promise<void> {
  const { gpu } = await testDevice();
  gpu.pushErrorScope("validation");
  const module = gpu.createShaderModule({ code: wgsl });
  await gpu.popErrorScope();
  const { messages } = await module.getCompilationInfo();
  const errors = messages.filter(({ type }) => type === "error");
  if (errors.length === 0) return;
  const told = errors.map(({ lineNum, message }) => `  line ${lineNum}: ${message}`);
  throw new Error(["Dawn refused a shader:", ...told, wgsl].join("\n"));
}

/** Elements as a device has them: four bytes each, bool as 0 or 1. */
function deviceWords({ dtype, data }: NDArray): Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer> {
  if (dtype === "f32") return Float32Array.from(data);
  return dtype === "bool" ? Uint32Array.from(data) : new Uint32Array(Uint32Array.from(data).buffer);
}

function hostElements(words: ArrayBuffer, dtype: DType): TypedArray {
  switch (dtype) {
    case "f32":
      return new Float32Array(words);
    case "i32":
      return new Int32Array(words);
    case "u32":
      return new Uint32Array(words);
    case "bool": {
      const data = allocate("bool", words.byteLength / DEVICE_ELEMENT_BYTES);
      data.set(new Uint32Array(words));
      return data;
    }
  }
}
