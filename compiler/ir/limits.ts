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

/** x and y counts of `groups` workgroups, as neither may exceed the device's limit. */
export function grid(groups: number, limits: DeviceLimits): readonly [number, number, number] {
  // rows of one length, lest the last one be all but empty
  const y = Math.ceil(groups / limits.maxWorkgroups);
  return [Math.ceil(groups / y), y, 1];
}
