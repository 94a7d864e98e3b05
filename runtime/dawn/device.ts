// Opens a device with all that its adapter offers, and keeps track of its loss and of errors nobody asked about.
import { DeviceError } from "../../compiler/core/errors.js";
import type { DeviceLimits } from "../../compiler/ir/program.js";
import type { DeviceInfo } from "../backend.js";
import { type FoundAdapter, showAdapter } from "./adapter.js";

/** Limits of which we ask for all there is; WebGPU gives a device small ones otherwise. */
const WANTED_LIMITS = [
  "maxStorageBuffersPerShaderStage",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const satisfies readonly (keyof GPUSupportedLimits)[];

const WANTED_FEATURES = ["timestamp-query", "shader-f16", "subgroups"] as const satisfies readonly GPUFeatureName[];

/** Devices are kept for good: one that is collected while a promise of it is pending takes the process along. */
const kept = new Set<GPUDevice>();

let isExiting = false;

function noteExit(): void {
  isExiting = true;
}

type WrapDevice = (device: GPUDevice) => GPUDevice;

let wrapDevice: WrapDevice = (device) => device;

/** For tests that inject faults: each device opened from now on is seen through `wrap`. */
export function setDeviceWrapper(wrap: WrapDevice = (device) => device): void {
  wrapDevice = wrap;
}

export class OpenDevice {
  readonly gpu: GPUDevice;
  readonly info: DeviceInfo;
  /** Lost devices do nothing, and report nothing: look here after every await. */
  lost: string | undefined;
  /** An error of no known origin: nothing that was on the device before can be trusted. */
  onStrayError: ((message: string) => void) | undefined;
  onLost: (() => void) | undefined;
  readonly #whenLost: Promise<unknown>;

  private constructor(gpu: GPUDevice, { info, adapter }: FoundAdapter) {
    this.gpu = gpu;
    const name = showAdapter(info);
    const features = WANTED_FEATURES.filter((feature) => gpu.features.has(feature));
    this.info = {
      kind: "gpu",
      name,
      isSoftware: info.isSoftware,
      limits: readLimits(gpu.limits, adapter.info),
      features,
    };
    this.#whenLost = gpu.lost.then(({ reason, message }) => {
      this.lost = message || reason;
      this.onLost?.();
    });
    gpu.addEventListener("uncapturederror", (event) => this.onStrayError?.(event.error.message));
  }

  static async open(found: FoundAdapter): Promise<OpenDevice> {
    const { adapter } = found;
    const requiredLimits: Record<string, number> = {};
    for (const name of WANTED_LIMITS) requiredLimits[name] = adapter.limits[name];
    const requiredFeatures = WANTED_FEATURES.filter((feature) => adapter.features.has(feature));
    let device: GPUDevice;
    try {
      device = await adapter.requestDevice({ requiredLimits, requiredFeatures });
    } catch (error) {
      throw new DeviceError(`${showAdapter(found.info)} gave no device: ${(error as Error).message}`);
    }
    if (kept.size === 0) process.prependListener("exit", noteExit);
    kept.add(device);
    return new OpenDevice(wrapDevice(device), found);
  }

  /** Throws `DeviceError` while the process ends: a promise that Dawn makes then aborts it. */
  checkRunning(): void {
    if (isExiting)
      throw new DeviceError(`the process is ending: nothing more can run on ${this.info.name} in an "exit" handler`);
  }

  /** After a promise of the device was rejected: waits until it is known whether the device was lost. */
  async settleLoss(): Promise<string | undefined> {
    for (let turn = 0; turn < 3 && this.lost === undefined; turn++) {
      const soon = new Promise<void>((resolve) => void setImmediate(resolve));
      await Promise.race([this.#whenLost, soon]);
    }
    return this.lost;
  }
}

const readLimits = (limits: GPUSupportedLimits, { subgroupMaxSize = 32 }: GPUAdapterInfo): DeviceLimits => ({
  maxStorageBuffers: limits.maxStorageBuffersPerShaderStage,
  maxBindingBytes: limits.maxStorageBufferBindingSize,
  maxBufferBytes: limits.maxBufferSize,
  maxWorkgroups: limits.maxComputeWorkgroupsPerDimension,
  maxInvocations: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
  maxWorkgroupBytes: limits.maxComputeWorkgroupStorageSize,
  subgroupSize: subgroupMaxSize,
});
