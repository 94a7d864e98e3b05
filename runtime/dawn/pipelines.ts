// Compute pipelines, kept by their WGSL; the same code is compiled once per device.
import { InternalError, type LanewiseError, WgslError } from "../../compiler/core/errors.js";
import type { Dispatch } from "../../compiler/ir/program.js";
import { tally } from "../counters.js";
import { Lru } from "../lru.js";
import { blame, guard, type Risk } from "./risk.js";
import { STAGE_COMPUTE } from "./usage.js";

const CAPACITY = 4096;

/** What a kernel binds: so many arrays to read, then to write, then perhaps the zeros, then its guards. */
export interface Layout {
  readonly id: number;
  /** Binding of the zeros. */
  readonly zeroAt: number | undefined;
  readonly bindings: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

export interface Pipeline {
  readonly gpu: GPUComputePipeline;
  readonly layout: Layout;
  /** It may turn out that Dawn refused the code. */
  risk: Risk | undefined;
}

export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #pipelines = new Lru<string, Pipeline>(CAPACITY);
  readonly #layouts = new Map<string, Layout>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get({ name, wgsl, reads, writes, usesZero, guards, userOps = [] }: Dispatch): Pipeline {
    // names in comments differ between kernels that are otherwise the same
    const code = wgsl.replaceAll(/ *\/\/.*/g, "");
    const found = this.#pipelines.get(code);
    if (found) return found;
    const layout = this.#layout(reads.length, writes.length, usesZero, guards.length);
    const pipeline = this.#create(name, wgsl, layout, userOps);
    this.#pipelines.set(code, pipeline);
    return pipeline;
  }

  #create(name: string, wgsl: string, layout: Layout, userOps: readonly string[]): Pipeline {
    const device = this.#device;
    let module: GPUShaderModule | undefined;
    const invalid = async (message: string): Promise<LanewiseError> => {
      const info = await module?.getCompilationInfo();
      const lines = wgsl.split("\n");
      const told =
        info?.messages.map(
          ({ type, message: text, lineNum }) =>
            `  ${type} in line ${lineNum}: ${text}\n    ${lines[lineNum - 1]?.trim() ?? ""}`,
        ) ?? [];
      if (userOps.length > 0) {
        const which = userOps.map((op) => `'${op}'`).join(" or ");
        return new WgslError([`defineOp: the WGSL of ${which} does not compile`, ...told, message].join("\n"));
      }
      return new InternalError([`Dawn refused the code of kernel ${name}: ${message}`, ...told, wgsl].join("\n"));
    };
    const { made: gpu, risk } = guard(device, { ...blame(`compile kernel ${name}`), invalid }, () => {
      module = device.createShaderModule({ label: name, code: wgsl });
      return device.createComputePipeline({
        label: name,
        layout: layout.pipeline,
        compute: { module, entryPoint: "main" },
      });
    });
    tally.pipelinesCreated++;
    const pipeline: Pipeline = { gpu, layout, risk };
    void risk.known.then(() => {
      if (risk.isPast) pipeline.risk = undefined;
    });
    return pipeline;
  }

  #layout(reads: number, writes: number, usesZero: boolean, guards: number): Layout {
    const key = `${reads} ${writes} ${usesZero} ${guards}`;
    let layout = this.#layouts.get(key);
    if (!layout) {
      const types: GPUBufferBindingType[] = [
        ...new Array<GPUBufferBindingType>(reads).fill("read-only-storage"),
        ...new Array<GPUBufferBindingType>(writes).fill("storage"),
        ...(usesZero ? (["uniform"] as const) : []),
        ...new Array<GPUBufferBindingType>(guards).fill("read-only-storage"),
      ];
      const entries = types.map((type, binding) => ({ binding, visibility: STAGE_COMPUTE, buffer: { type } }));
      const bindings = this.#device.createBindGroupLayout({ entries });
      const pipeline = this.#device.createPipelineLayout({ bindGroupLayouts: [bindings] });
      layout = { id: this.#layouts.size, zeroAt: usesZero ? reads + writes : undefined, bindings, pipeline };
      this.#layouts.set(key, layout);
    }
    return layout;
  }
}
