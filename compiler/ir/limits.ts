// Limits of devices.

/** What the compiler must know of a device. */
export interface DeviceLimits {
  readonly maxStorageBuffers: number;
  readonly maxBindingBytes: number;
  readonly maxBufferBytes: number;
  readonly maxWorkgroups: number;
  readonly maxInvocations: number;
  readonly maxWorkgroupBytes: number;
  /** Invocations that run in step: 32 on most GPUs, fewer on software adapters. */
  readonly subgroupSize: number;
}

/** The limits every WebGPU device has. */
export const baseLimits: DeviceLimits = {
  maxStorageBuffers: 8,
  maxBindingBytes: 128 * 1024 * 1024,
  maxBufferBytes: 256 * 1024 * 1024,
  maxWorkgroups: 65535,
  maxInvocations: 256,
  maxWorkgroupBytes: 16384,
  subgroupSize: 32,
};
