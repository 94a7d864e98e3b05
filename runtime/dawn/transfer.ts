// Copies between host and device. Reads go through mappable buffers, each of which serves one read at a time.
import type { Aval } from "../../compiler/core/aval.js";
import { allocate, type DType, type TypedArray } from "../../compiler/core/dtype.js";
import { DeviceError } from "../../compiler/core/errors.js";
import { checkMemory } from "../../compiler/core/host.js";
import { sizeOf } from "../../compiler/core/shape.js";
import { showBytes } from "../budget.js";
import { tally } from "../counters.js";
import type { DeviceBuffer } from "./buffers.js";
import type { OpenDevice } from "./device.js";
import { blame, guard } from "./risk.js";
import type { Stream } from "./stream.js";
import { BUFFER_USAGE, MAP_READ } from "./usage.js";

const MIB = 1024 * 1024;

/** Larger arrays are copied in parts, two of them under way at a time. */
const CHUNK_BYTES = 32 * MIB;

/** Mappable buffers that lie idle take up no more than this. */
const IDLE_STAGING_BYTES = 128 * MIB;

const MIN_STAGING_BYTES = 1024;

/** Writes host elements to a buffer that no encoded work uses. Booleans become u32. */
export function upload(device: GPUDevice, target: GPUBuffer, host: TypedArray): void {
  checkMemory(host); // Dawn crashes on shared memory, and does nothing for a detached array
  const data = deviceElements(host);
  for (let at = 0; at < data.byteLength; at += CHUNK_BYTES) {
    const bytes = Math.min(CHUNK_BYTES, data.byteLength - at);
    device.queue.writeBuffer(target, at, data.buffer as ArrayBuffer, data.byteOffset + at, bytes);
  }
  tally.bytesUploaded += data.byteLength;
}

/** Elements as they lie on the device: four bytes each. */
function deviceElements(host: TypedArray): TypedArray {
  if (host instanceof Uint8Array) return Uint32Array.from(host);
  return host instanceof Float64Array ? Float32Array.from(host) : host;
}

export class Reader {
  readonly #device: OpenDevice;
  readonly #stream: Stream;
  readonly #idle = new Map<number, GPUBuffer[]>();
  #idleBytes = 0;

  constructor(device: OpenDevice, stream: Stream) {
    this.#device = device;
    this.#stream = stream;
  }

  /** The elements of `buffer` as of the work encoded before. Rejects with the reason when `device.lost` is set then. */
  async read(buffer: DeviceBuffer, { dtype, shape }: Aval): Promise<TypedArray> {
    const length = sizeOf(shape);
    const target = allocate(dtype, length);
    const total = length * 4;
    if (total <= CHUNK_BYTES) {
      await this.#copy(buffer.gpu, 0, total, target, dtype);
      return target;
    }
    let next = this.#copy(buffer.gpu, 0, CHUNK_BYTES, target, dtype);
    for (let at = CHUNK_BYTES; at < total; at += CHUNK_BYTES) {
      const current = next;
      next = this.#copy(buffer.gpu, at, Math.min(CHUNK_BYTES, total - at), target, dtype);
      next.catch(() => undefined); // awaited below, unless this one fails first
      await current;
    }
    await next;
    return target;
  }

  /** The device is gone, and its buffers with it. */
  forget(): void {
    this.#idle.clear();
    this.#idleBytes = 0;
  }

  async #copy(from: GPUBuffer, offsetBytes: number, bytes: number, target: TypedArray, dtype: DType): Promise<void> {
    const size = stagingSize(bytes);
    const staging = this.#takeIdle(size) ?? (await this.#create(size));
    this.#stream.flushIfFresh(); // if others fail, this copy shall not fail with them
    const { batch } = this.#stream;
    try {
      this.#stream.copy(from, offsetBytes, staging, bytes);
      this.#stream.flush();
      await staging.mapAsync(MAP_READ, 0, bytes);
    } catch (error) {
      const lost = await this.#device.settleLoss();
      if (lost === undefined) staging.destroy();
      throw new DeviceError(
        `the device could not copy ${showBytes(bytes)} to the host: ${lost ?? (error as Error).message}`,
      );
    }
    // an invalid submit is followed by zeros
    if (batch.risk) await batch.risk.known;
    if (this.#device.lost !== undefined) throw new DeviceError(`the device was lost: ${this.#device.lost}`);
    if (batch.risk?.error) throw batch.risk.error;
    const mapped = staging.getMappedRange(0, bytes);
    const start = offsetBytes / 4;
    if (dtype === "bool") {
      const words = new Uint32Array(mapped);
      for (let i = 0; i < words.length; i++) target[start + i] = words[i]!;
    } else {
      target.set(hostView(dtype, mapped), start);
    }
    staging.unmap();
    tally.bytesRead += bytes;
    this.#release(staging, size);
  }

  #takeIdle(size: number): GPUBuffer | undefined {
    const found = this.#idle.get(size)?.pop();
    if (!found) return undefined;
    this.#idleBytes -= size;
    tally.buffersReused++;
    return found;
  }

  /** Waits until it is known that there is room: mapping a buffer that never was is an error of its own. */
  async #create(size: number): Promise<GPUBuffer> {
    const { gpu } = this.#device;
    const { made, risk } = guard(gpu, blame(`create a buffer of ${showBytes(size)}`), () =>
      gpu.createBuffer({ size, usage: BUFFER_USAGE.staging }),
    );
    await risk.known;
    if (risk.error) throw risk.error;
    tally.buffersCreated++;
    return made;
  }

  #release(staging: GPUBuffer, size: number): void {
    if (this.#idleBytes + size > IDLE_STAGING_BYTES) {
      staging.destroy();
      return;
    }
    this.#idleBytes += size;
    const list = this.#idle.get(size);
    if (list) list.push(staging);
    else this.#idle.set(size, [staging]);
  }
}

const hostView = (dtype: Exclude<DType, "bool">, mapped: ArrayBuffer): TypedArray => {
  if (dtype === "f32") return new Float32Array(mapped);
  return dtype === "i32" ? new Int32Array(mapped) : new Uint32Array(mapped);
};

/** Powers of two, so that few sizes serve all reads. */
const stagingSize = (bytes: number): number => 2 ** Math.ceil(Math.log2(Math.max(bytes, MIN_STAGING_BYTES)));
