// The same work as WebGPU calls written by hand: pipelines, bind groups and buffers are made once; a call is one submit.
import { create, globals } from "webgpu";
import type { Contestant } from "./contestant.js";

const gpu = create([]); // held: its promises must not outlive it
const { GPUBufferUsage: usage, GPUMapMode: mode } = globals as unknown as {
  GPUBufferUsage: Record<"STORAGE" | "COPY_SRC" | "COPY_DST" | "MAP_READ", number>;
  GPUMapMode: Record<"READ", number>;
};

/** A pipeline with its buffers. */
export interface Step {
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly workgroups: readonly [number, number];
}

export class ByHand {
  readonly #device: GPUDevice;

  private constructor(device: GPUDevice) {
    this.#device = device;
  }

  static async open(): Promise<ByHand> {
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) throw new Error("by hand: there is no adapter");
    const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
    const device = await adapter.requestDevice({ requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } });
    device.addEventListener("uncapturederror", ({ error }) => {
      throw new Error(`by hand: ${error.message}`);
    });
    return new ByHand(device);
  }

  /** With `data`, or room for as many numbers. */
  buffer(data: Float32Array<ArrayBuffer> | number): GPUBuffer {
    const size = typeof data === "number" ? data * 4 : data.byteLength;
    const buffer = this.#device.createBuffer({ size, usage: usage.STORAGE | usage.COPY_SRC | usage.COPY_DST });
    if (typeof data !== "number") this.#device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }

  /** `code` has its entry point `main`, and the buffers as bindings 0 … of group 0. */
  step(code: string, buffers: readonly GPUBuffer[], workgroups: readonly [number, number]): Step {
    const module = this.#device.createShaderModule({ code });
    const pipeline = this.#device.createComputePipeline({ layout: "auto", compute: { module } });
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    const bindings = this.#device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    return { pipeline, bindings, workgroups };
  }

  /** `steps` in one pass, the last of which writes `result`. */
  contestant(steps: readonly Step[], result: GPUBuffer): Contestant {
    const device = this.#device;
    const staging = device.createBuffer({ size: result.size, usage: usage.MAP_READ | usage.COPY_DST });
    const encode = (): GPUCommandEncoder => {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const { pipeline, bindings, workgroups } of steps) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindings);
        pass.dispatchWorkgroups(...workgroups);
      }
      pass.end();
      return encoder;
    };
    const readBytes = async (encoder: GPUCommandEncoder, bytes: number): Promise<Float32Array> => {
      encoder.copyBufferToBuffer(result, 0, staging, 0, bytes);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(mode.READ, 0, bytes);
      const data = new Float32Array(staging.getMappedRange(0, bytes).slice(0));
      staging.unmap();
      return data;
    };
    return {
      name: "by hand",
      async run(calls) {
        for (let k = 1; k < calls; k++) device.queue.submit([encode().finish()]);
        await readBytes(encode(), 4);
      },
      read: () => readBytes(encode(), result.size),
    };
  }
}
