// Runs scalar code on the device: one kernel around what the WGSL printer makes of it, and nothing else of the package.
import { helperCode } from "../../compiler/codegen/helpers.js";
import { WgslPrinter } from "../../compiler/codegen/wgsl.js";
import { type Scalar, ScalarBuilder } from "../../compiler/ir/scalar.js";
import { type AdapterInfo, findAdapter } from "../../runtime/dawn/adapter.js";

export interface DeviceScalars {
  readonly info: AdapterInfo;
  /** f32 results of `build` for the elements of `args`. */
  run(build: (b: ScalarBuilder, ...x: Scalar[]) => Scalar, args: readonly Float32Array[]): Promise<Float32Array>;
  close(): void;
}

export async function openDeviceScalars(): Promise<DeviceScalars> {
  const found = await findAdapter();
  if ("reason" in found) throw new Error(found.reason);
  const device = await found.adapter.requestDevice();
  return {
    info: found.info,
    run: (build, args) => run(device, build, args),
    close: () => device.destroy(),
  };
}

function shader(build: (b: ScalarBuilder, ...x: Scalar[]) => Scalar, arity: number): string {
  const b = new ScalarBuilder();
  const i = b.input("i", "u32");
  const x = Array.from({ length: arity }, (_, k) => b.load(`x${k}`, i, "f32"));
  b.store("y", i, build(b, ...x));
  const printer = new WgslPrinter(String);
  const body = printer.print(b.body, [], "  ");
  return `
@group(0) @binding(0) var<uniform> zero: vec4u;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
${x.map((_, k) => `@group(0) @binding(${k + 2}) var<storage, read> x${k}: array<f32>;`).join("\n")}
${helperCode(printer.helpers).join("\n")}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= arrayLength(&y)) { return; }
  _ = zero; // bound also where nothing is kept
${body.join("\n")}
}`;
}

async function run(
  device: GPUDevice,
  build: (b: ScalarBuilder, ...x: Scalar[]) => Scalar,
  args: readonly Float32Array[],
): Promise<Float32Array> {
  const module = device.createShaderModule({ code: shader(build, args.length) });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const bytes = args[0]!.byteLength;
  const STORAGE = 0x80;
  const [MAP_READ, COPY_SRC, COPY_DST, UNIFORM] = [0x01, 0x04, 0x08, 0x40];
  const inputs = args.map((arg) => {
    const buffer = device.createBuffer({ size: bytes, usage: STORAGE | COPY_DST });
    device.queue.writeBuffer(buffer, 0, arg as Float32Array<ArrayBuffer>);
    return buffer;
  });
  const output = device.createBuffer({ size: bytes, usage: STORAGE | COPY_SRC });
  const zero = device.createBuffer({ size: 16, usage: UNIFORM });
  const staging = device.createBuffer({ size: bytes, usage: MAP_READ | COPY_DST });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = [zero, output, ...inputs].map((buffer, binding) => ({ binding, resource: { buffer } }));
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(Math.ceil(args[0]!.length / 64));
  pass.end();
  encoder.copyBufferToBuffer(output, 0, staging, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(MAP_READ);
  const result = new Float32Array(staging.getMappedRange().slice(0));
  for (const buffer of [zero, output, staging, ...inputs]) buffer.destroy();
  return result;
}
