// Run as a process of its own, because a driver can crash: loads one library, or finds an adapter and runs a kernel.
import { constants } from "node:os";
import { type AdapterInfo, findAdapter } from "../../runtime/dawn/adapter.js";

/** One line of JSON on stdout for each thing learnt, so that a crash does not take along what came before it. */
export type ProbeMessage =
  | { readonly kind: "loaded" }
  | { readonly kind: "adapter"; readonly info: AdapterInfo }
  | { readonly kind: "limits"; readonly limits: Readonly<Record<string, number>>; readonly features: readonly string[] }
  | { readonly kind: "kernel"; readonly elements: number; readonly wrong: number }
  | { readonly kind: "failed"; readonly reason: string };

const say = (message: ProbeMessage): void => console.log(JSON.stringify(message));

// The bits of WebGPU's GPUBufferUsage and GPUMapMode: Node has no such globals.
const MAP_READ = 0x1;
const COPY_SRC = 0x4;
const COPY_DST = 0x8;
const STORAGE = 0x80;
const MODE_READ = 0x1;

const RTLD_NODELETE = 0x1000; // glibc: dlfcn.h. Node closes a library that is no addon, and some crash when closed

const library = process.argv[2];
if (library === undefined) await probeAdapter();
else probeLibrary(library);
process.exit(0); // at once: destroying a device waits for its kernels

function probeLibrary(path: string): void {
  let reason = "";
  try {
    process.dlopen({ exports: {} }, path, constants.dlopen.RTLD_LAZY | RTLD_NODELETE);
  } catch (error) {
    reason = (error as Error).message;
  }
  // What loads, but is no Node addon, "did not self-register".
  say(reason === "" || reason.includes("did not self-register") ? { kind: "loaded" } : { kind: "failed", reason });
}

async function probeAdapter(): Promise<void> {
  const found = await findAdapter();
  if ("reason" in found) return say({ kind: "failed", reason: found.reason });
  const { adapter, info } = found;
  say({ kind: "adapter", info });
  const limits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") limits[name] = value;
  }
  say({ kind: "limits", limits, features: [...adapter.features].sort() });
  try {
    say({ kind: "kernel", ...(await runKernel(await adapter.requestDevice())) });
  } catch (error) {
    say({ kind: "failed", reason: (error as Error).message.split("\n", 1)[0]! });
  }
}

/** Scales numbers and hashes their bits: arithmetic that WGSL promises to round as the CPU does. */
async function runKernel(device: GPUDevice): Promise<{ elements: number; wrong: number }> {
  const elements = 4096;
  const x = Float32Array.from({ length: elements }, (_, i) => 1 + i / 7);
  const bytes = x.byteLength;
  device.pushErrorScope("validation");
  const input = device.createBuffer({ size: bytes, usage: STORAGE | COPY_DST });
  const output = device.createBuffer({ size: bytes, usage: STORAGE | COPY_SRC });
  const staging = device.createBuffer({ size: bytes, usage: MAP_READ | COPY_DST });
  const module = device.createShaderModule({
    code: `
      @group(0) @binding(0) var<storage, read> x: array<f32>;
      @group(0) @binding(1) var<storage, read_write> y: array<u32>;

      @compute @workgroup_size(64)
      fn main(@builtin(global_invocation_id) id: vec3u) {
        let i = id.x;
        y[i] = bitcast<u32>(x[i] * 1.5f) ^ (i * 2654435761u);
      }
    `,
  });
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module } });
  const bindings = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [
      { binding: 0, resource: { buffer: input } },
      { binding: 1, resource: { buffer: output } },
    ],
  });
  device.queue.writeBuffer(input, 0, x);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindings);
  pass.dispatchWorkgroups(elements / 64);
  pass.end();
  encoder.copyBufferToBuffer(output, 0, staging, 0, bytes);
  device.queue.submit([encoder.finish()]);
  const error = await device.popErrorScope();
  if (error !== null) throw error;
  await staging.mapAsync(MODE_READ);
  const y = new Uint32Array(staging.getMappedRange());
  const bits = new Uint32Array(x.map((value) => value * 1.5).buffer);
  const wrong = y.reduce((count, seen, i) => count + (seen === (bits[i]! ^ Math.imul(i, 2654435761)) >>> 0 ? 0 : 1), 0);
  return { elements, wrong };
}
