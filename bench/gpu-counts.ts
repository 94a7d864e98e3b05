// Counts what reaches Dawn, whoever calls it: the methods of WebGPU's classes are replaced while it counts.
import { globals } from "webgpu";

/** What one call asks of WebGPU. */
export interface GpuCounts {
  readonly dispatches: number;
  readonly submits: number;
  readonly bindGroups: number;
  /** Buffers created. */
  readonly buffers: number;
  readonly bufferBytes: number;
  /** Written by the host. */
  readonly uploadedBytes: number;
}

type Methods = Record<string, (...args: never[]) => unknown>;

/** Counts until `work` is done. */
export async function countGpu(work: () => Promise<unknown>): Promise<GpuCounts> {
  const counts = { dispatches: 0, submits: 0, bindGroups: 0, buffers: 0, bufferBytes: 0, uploadedBytes: 0 };
  const classes = globals as unknown as Record<string, { readonly prototype: Methods }>;
  const restore: (() => void)[] = [];
  const onCall = (className: string, method: string, count: (...args: never[]) => void): void => {
    const { prototype } = classes[className]!;
    const original = prototype[method]!;
    prototype[method] = function (this: unknown, ...args: never[]) {
      count(...args);
      return original.apply(this, args);
    };
    restore.push(() => {
      prototype[method] = original;
    });
  };
  onCall("GPUComputePassEncoder", "dispatchWorkgroups", () => counts.dispatches++);
  onCall("GPUQueue", "submit", () => counts.submits++);
  onCall("GPUQueue", "writeBuffer", (_buffer, _offset, data: ArrayBufferView, from: number, count: number) => {
    const elementBytes = ArrayBuffer.isView(data) && "BYTES_PER_ELEMENT" in data ? Number(data.BYTES_PER_ELEMENT) : 1;
    counts.uploadedBytes +=
      count === undefined ? (data as ArrayBufferView).byteLength - (from ?? 0) * elementBytes : count * elementBytes;
  });
  onCall("GPUDevice", "createBindGroup", () => counts.bindGroups++);
  onCall("GPUDevice", "createBuffer", ({ size }: GPUBufferDescriptor) => {
    counts.buffers++;
    counts.bufferBytes += size;
  });
  try {
    await work();
  } finally {
    for (const undo of restore) undo();
  }
  return counts;
}
