// Storage buffers of a device: a pool by size class, so that a second equal call creates none.
import type { Aval } from "../../compiler/core/aval.js";
import type { TypedArray } from "../../compiler/core/dtype.js";
import type { DeviceLimits } from "../../compiler/ir/program.js";
import { budget, showBytes } from "../budget.js";
import { tally } from "../counters.js";
import type { Place, Resident } from "../storage.js";
import { blame, guard, type Risk } from "./risk.js";
import { Batch, type Stream } from "./stream.js";
import { BUFFER_USAGE } from "./usage.js";

const MIB = 1024 * 1024;
const MIN_BYTES = 64;

/** What a buffer costs at least: Dawn and the driver keep some 2 KiB for each. */
const CHARGED_BYTES = 4096;

/** Smaller buffers are created without error scopes, which cost as much as the buffer. Should one fail after all, the device's own error event tells. */
const GUARDED_BYTES = 64 * 1024;

/** Above this, buffers that lie in the pool unused are destroyed before new ones are made. */
const POOL_BYTES = 256 * MIB;

/** Releases since which a pooled buffer counts as unused. */
const STALE_RELEASES = 256;

/** Destroyed buffers are freed by the next submit. When it may be far, one is made after this many bytes. */
const SWEEP_BYTES = 32 * MIB;

/** What buffers need of the backend they are on. */
export interface BufferOwner extends Place {
  readonly device: GPUDevice;
  readonly limits: DeviceLimits;
  readonly stream: Stream;
  read(buffer: DeviceBuffer, aval: Aval): Promise<TypedArray>;
}

/** What refers to a buffer and must be dropped with it. */
export interface Dependent {
  drop(): void;
}

let nextId = 0;

/** One storage buffer. Bound as a whole: its end lies behind the end of the array. */
export class DeviceBuffer implements Resident {
  readonly id = nextId++;
  /** The batch that wrote it last. */
  batch: Batch = Batch.none;
  /** The batch that used it last in any way, by its number. */
  usedIn = 0;
  /** It may turn out that it could not be created. */
  risk: Risk | undefined;
  /** Bind groups that name it. */
  readonly dependents = new Set<Dependent>();
  /** Releases of the pool before its own. */
  releasedAt = 0;

  constructor(
    readonly gpu: GPUBuffer,
    readonly size: number,
    readonly pool: BufferPool,
  ) {}

  get bytes(): number {
    return Math.max(this.size, CHARGED_BYTES);
  }

  get place(): BufferOwner {
    return this.pool.owner;
  }

  read(aval: Aval): Promise<TypedArray> {
    return this.pool.owner.read(this, aval);
  }

  free(): void {
    this.pool.release(this);
  }
}

export class BufferPool {
  readonly #free = new Map<number, DeviceBuffer[]>();
  /** All free buffers, the oldest first. */
  readonly #order = new Set<DeviceBuffer>();
  /** To be destroyed when the batch that uses them was submitted. */
  #doomed: DeviceBuffer[] = [];
  #pooledBytes = 0;
  #releases = 0;
  #destroyedBytes = 0;

  constructor(readonly owner: BufferOwner) {}

  /** A buffer of at least `bytes`; what it holds is undefined. */
  acquire(bytes: number): DeviceBuffer {
    const size = sizeClass(bytes, this.owner.limits);
    const found = this.#free.get(size)?.pop();
    if (!found) return this.#create(size);
    this.#order.delete(found);
    this.#addPooled(-found.bytes);
    tally.buffersReused++;
    return found;
  }

  /** Takes a buffer back. Work encoded before may still use it; work encoded later may be given it. */
  release(buffer: DeviceBuffer): void {
    if (this.owner.lost !== undefined) return;
    if (buffer.risk?.error) {
      this.#destroy(buffer);
      return;
    }
    const list = this.#free.get(buffer.size);
    if (list) list.push(buffer);
    else this.#free.set(buffer.size, [buffer]);
    this.#order.add(buffer);
    buffer.releasedAt = this.#releases++;
    this.#addPooled(buffer.bytes);
    if (this.#pooledBytes > POOL_BYTES) this.#shrink(Math.max(POOL_BYTES, budget.limitBytes / 8));
  }

  /** Destroys every free buffer. */
  clear(): void {
    this.#shrink(0);
  }

  /** A submit was made: nothing is encoded any more, and Dawn frees what was destroyed before. */
  afterSubmit(): void {
    this.#destroyedBytes = 0;
    if (this.#doomed.length === 0) return;
    const doomed = this.#doomed;
    this.#doomed = [];
    for (const buffer of doomed) this.#destroyNow(buffer);
  }

  /** The device is gone, and all buffers with it. */
  forget(): void {
    this.#addPooled(-this.#pooledBytes);
    this.#free.clear();
    this.#order.clear();
    this.#doomed = [];
  }

  #create(size: number): DeviceBuffer {
    this.#makeRoom(size);
    tally.buffersCreated++;
    const { device } = this.owner;
    const create = (): GPUBuffer => device.createBuffer({ size, usage: BUFFER_USAGE.storage });
    if (size < GUARDED_BYTES) return new DeviceBuffer(create(), size, this);
    const { made, risk } = guard(device, blame(`create a buffer of ${showBytes(size)}`), create);
    const buffer = new DeviceBuffer(made, size, this);
    buffer.risk = risk;
    void risk.known.then(() => {
      if (risk.isPast) buffer.risk = undefined;
      else this.#starved();
    });
    return buffer;
  }

  /** The device has less memory than we thought. */
  #starved(): void {
    if (this.owner.lost !== undefined) return;
    this.clear();
    budget.collectSoon();
  }

  /** Before growing: free buffers go that were long unused, and any where the budget would be exceeded. */
  #makeRoom(size: number): void {
    this.#shrink(budget.limitBytes - tally.liveBytes - size);
    while (this.#pooledBytes > 0 && this.#pooledBytes + tally.liveBytes + size > POOL_BYTES) {
      const [oldest] = this.#order;
      if (!oldest || this.#releases - oldest.releasedAt < STALE_RELEASES) return;
      this.#destroyOldest(oldest);
    }
  }

  /** Destroys free buffers, the oldest first, until at most `bytes` are pooled. */
  #shrink(bytes: number): void {
    while (this.#pooledBytes > bytes) {
      const [oldest] = this.#order;
      if (!oldest) return;
      this.#destroyOldest(oldest);
    }
  }

  #destroyOldest(oldest: DeviceBuffer): void {
    this.#order.delete(oldest);
    const list = this.#free.get(oldest.size)!;
    list.splice(list.indexOf(oldest), 1);
    this.#addPooled(-oldest.bytes);
    this.#destroy(oldest);
  }

  #destroy(buffer: DeviceBuffer): void {
    // a submit that names a destroyed buffer is refused
    if (this.owner.stream.isOpen(buffer.usedIn)) this.#doomed.push(buffer);
    else this.#destroyNow(buffer);
  }

  #destroyNow(buffer: DeviceBuffer): void {
    for (const dependent of [...buffer.dependents]) dependent.drop();
    buffer.gpu.destroy();
    this.#destroyedBytes += buffer.bytes;
    if (this.#destroyedBytes >= SWEEP_BYTES) this.owner.stream.sweepSoon();
  }

  #addPooled(bytes: number): void {
    this.#pooledBytes += bytes;
    tally.pooledBytes += bytes;
  }
}

/** At most an eighth more than `bytes`, but never more than can be bound. */
export function sizeClass(
  bytes: number,
  { maxBindingBytes, maxBufferBytes }: Pick<DeviceLimits, "maxBindingBytes" | "maxBufferBytes">,
): number {
  if (bytes <= MIN_BYTES) return MIN_BYTES;
  const step = 2 ** Math.max(4, Math.floor(Math.log2(bytes - 1)) - 3);
  const size = Math.ceil(bytes / step) * step;
  const most = Math.min(maxBindingBytes, maxBufferBytes);
  return size <= most ? size : Math.ceil(bytes / 4) * 4;
}
