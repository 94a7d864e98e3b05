// Values: arrays of a known type whose elements exist now, or as soon as the work queued before is done.
import { type Aval, showAval } from "../compiler/core/aval.js";
import { allocate, DEVICE_ELEMENT_BYTES, type TypedArray } from "../compiler/core/dtype.js";
import { DeviceLostError, InternalError } from "../compiler/core/errors.js";
import type { NDArray } from "../compiler/core/ndarray.js";
import { sizeOf } from "../compiler/core/shape.js";
import { type ArrayHandle, Tensor } from "../compiler/trace/tensor.js";
import { budget } from "./budget.js";
import type { Place, Storage } from "./storage.js";

/** A result that was read is kept on the host up to this size: it can be read again, and survives its device. */
const KEEP_READ_BYTES = 64 * 1024;

/** Up to this size the device's copy is given up for it: an upload costs less than a new buffer for the next result. */
const MOVE_READ_BYTES = 4 * 1024;

/** One array. Its tensor holds one reference, and so does each piece of queued work that reads it. */
export class Value {
  #storage: Storage | undefined;
  #error: unknown;
  #failed = false;
  #references = 1;
  #ofTensor = true;
  #waiting: (() => void)[] = [];
  /** Bytes that count as live before there is storage that does. */
  #promisedBytes = 0;

  constructor(
    readonly aval: Aval,
    storage?: Storage,
  ) {
    this.#storage = storage;
  }

  /** The result of work that is queued. */
  static pending(aval: Aval): Value {
    const value = new Value(aval);
    value.#promisedBytes = promisedBytes(aval);
    budget.add(value.#promisedBytes);
    return value;
  }

  /** Neither a tensor nor queued work needs it. */
  get isDropped(): boolean {
    return this.#references === 0;
  }

  /** One tensor or one piece of work refers to it, and nothing else to its elements. */
  get isSole(): boolean {
    return this.#references === 1 && this.#storage?.isSole === true;
  }

  /** The elements, or undefined while the work that makes them is queued. Throws the error of work that failed. */
  get storage(): Storage | undefined {
    if (this.#failed) throw this.#error;
    return this.#storage;
  }

  /** The host's copy of the elements, where there is one. */
  get host(): TypedArray | undefined {
    return this.#failed ? undefined : this.#storage?.host;
  }

  /** The elements are there, or they never will be. */
  get settled(): boolean {
    return this.#failed || this.#storage !== undefined;
  }

  /** Takes over the caller's reference of `storage`. */
  settle(storage: Storage): void {
    this.endPromise();
    if (this.#references === 0) storage.release();
    else this.#storage = storage;
    this.#wake();
  }

  fail(error: unknown): void {
    this.endPromise();
    this.#failed = true;
    this.#error = error;
    this.#wake();
  }

  /** Resolves when it is settled, also by an error. */
  whenSettled(): Promise<void> {
    if (this.settled) return Promise.resolve();
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  retain(): this {
    this.#references++;
    return this;
  }

  release(): void {
    if (--this.#references > 0) return;
    if (this.#references < 0) throw new InternalError(`value ${showAval(this.aval)}: it was released twice`);
    this.endPromise();
    this.#storage?.release();
    this.#storage = undefined;
  }

  /** The tensor was disposed or collected; only the first time counts. */
  dropTensor(): void {
    if (!this.#ofTensor) return;
    this.#ofTensor = false;
    this.release();
  }

  /** The work is about to start: what it makes counts from now on. */
  endPromise(): void {
    if (this.#promisedBytes > 0) budget.remove(this.#promisedBytes);
    this.#promisedBytes = 0;
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }
}

/** Bytes of an array before its device is known. */
export const promisedBytes = (aval: Aval): number => Math.max(1, sizeOf(aval.shape)) * DEVICE_ELEMENT_BYTES;

/** Tensors are freed when they are collected. The handle is what is watched: it lives as long as its tensor. */
const dropped = new FinalizationRegistry<Value>((value) => value.dropTensor());

/** What a tensor holds. Nothing else may refer to it, else its value is never freed by the collector. */
export class Handle implements ArrayHandle {
  readonly value: Value;
  #host: NDArray | undefined;

  constructor(value: Value) {
    this.value = value;
    dropped.register(this, value);
  }

  get host(): NDArray | undefined {
    if (this.#host) return this.#host;
    const { aval, host: data } = this.value;
    if (data) this.#host = { dtype: aval.dtype, shape: aval.shape, data };
    return this.#host;
  }

  read(): Promise<NDArray> {
    const { value } = this;
    const host = this.host;
    // reading on the host never turns the event loop, which finalizers wait for
    if (host) return budget.collecting ? budget.relief().then(() => host) : Promise.resolve(host);
    return readValue(value.retain());
  }

  release(): void {
    this.value.dropTensor();
  }
}

/** Reads, and gives back one reference. */
async function readValue(value: Value): Promise<NDArray> {
  try {
    if (!value.settled) await value.whenSettled();
    const { aval } = value;
    const { dtype, shape } = aval;
    const storage = value.storage;
    if (!storage) throw new InternalError(`value ${showAval(aval)}: it was freed while it was read`);
    if (storage.host) return { dtype, shape, data: storage.host };
    if (sizeOf(shape) === 0) return { dtype, shape, data: allocate(dtype, 0) };
    const data = await fetchElements(storage, aval);
    if (data.byteLength <= KEEP_READ_BYTES) storage.host = data;
    if (data.byteLength <= MOVE_READ_BYTES && !storage.isBeingRead) storage.resident = undefined;
    return { dtype, shape, data };
  } finally {
    value.release();
  }
}

/** The elements of `storage`, wherever they are. Throws `DeviceLostError` naming the tensor when they were lost. */
export async function fetchElements(storage: Storage, aval: Aval): Promise<TypedArray> {
  if (storage.host) return storage.host;
  checkPresent(storage, aval);
  return storage.read(aval);
}

/** Throws `DeviceLostError` when the elements were only on a device that is gone. */
export function checkPresent(storage: Storage, aval: Aval): void {
  if (storage.host) return;
  if (!storage.resident) throw new InternalError(`storage of ${showAval(aval)}: it holds nothing`);
  const { place } = storage.resident;
  if (place.lost !== undefined) throw lostError(aval, place);
}

export const lostError = (aval: Aval, place: Place): DeviceLostError =>
  new DeviceLostError(
    `this ${showAval(aval)} tensor was only on ${place.name}, which was lost: ${place.lost ?? "no reason given"}\n` +
      "  compute it again: calls run on a new device; tensors made from host values are still there",
  );

export const newTensor = (aval: Aval, value: Value): Tensor => new Tensor(aval, { handle: new Handle(value) });
