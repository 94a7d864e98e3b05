// Storage: where the elements of an array are, shared by all values that show the same elements.
import type { Aval } from "../compiler/core/aval.js";
import type { TypedArray } from "../compiler/core/dtype.js";
import { InternalError } from "../compiler/core/errors.js";
import { budget } from "./budget.js";

/** Something that memory can be on. */
export interface Place {
  /** For people: `llvmpipe (…)`. */
  readonly name: string;
  /** Why it is gone, or undefined while it works. */
  readonly lost: string | undefined;
}

/** Elements in the memory of a device. */
export interface Resident {
  readonly place: Place;
  /** Bytes taken up there. */
  readonly bytes: number;
  /** Copies the elements to the host. Rejects with a typed error when they were lost or never computed. */
  read(aval: Aval): Promise<TypedArray>;
  /** Gives the memory back; it is used again only by work that is encoded later. */
  free(): void;
}

/** Elements on the host, on a device, or both. Its references are counted; the maker holds the first. */
export class Storage {
  /** Row-major elements in their dtype's array. */
  host: TypedArray | undefined;
  #resident: Resident | undefined;
  #references = 1;
  #reads = 0;
  /** Bytes of host memory that count as live: those of results, not of arrays the user gave. */
  readonly #hostBytes: number;

  private constructor(host: TypedArray | undefined, hostBytes: number) {
    this.host = host;
    this.#hostBytes = hostBytes;
    if (hostBytes > 0) budget.add(hostBytes);
  }

  /** Elements given by the user. */
  static given(host: TypedArray): Storage {
    return new Storage(host, 0);
  }

  /** Elements computed on the host. */
  static computed(host: TypedArray): Storage {
    return new Storage(host, host.byteLength);
  }

  /** Elements that only a device has. */
  static on(resident: Resident): Storage {
    const storage = new Storage(undefined, 0);
    storage.resident = resident;
    return storage;
  }

  get resident(): Resident | undefined {
    return this.#resident;
  }

  /** The copy on a device; one that was there before is given back. */
  set resident(made: Resident | undefined) {
    const old = this.#resident;
    if (old) {
      budget.remove(old.bytes);
      old.free();
    }
    this.#resident = made;
    if (made) budget.add(made.bytes);
  }

  /** Only one value shows these elements. */
  get isSole(): boolean {
    return this.#references === 1;
  }

  /** Hands the copy on a device over to the caller. */
  take(): Resident {
    const taken = this.#resident;
    if (!taken) throw new InternalError("storage: there is no copy on a device to take");
    budget.remove(taken.bytes);
    this.#resident = undefined;
    return taken;
  }

  /** Copies of the elements are under way from the device. */
  get isBeingRead(): boolean {
    return this.#reads > 0;
  }

  /** The elements from the device; they stay there until all reads are done. */
  async read(aval: Aval): Promise<TypedArray> {
    if (!this.#resident) throw new InternalError("storage: its elements are not on a device");
    this.retain();
    this.#reads++;
    try {
      return await this.#resident.read(aval);
    } finally {
      this.#reads--;
      this.release();
    }
  }

  retain(): this {
    if (this.#references === 0) throw new InternalError("storage: it was freed before");
    this.#references++;
    return this;
  }

  release(): void {
    if (--this.#references > 0) return;
    if (this.#references < 0) throw new InternalError("storage: it was freed twice");
    this.resident = undefined;
    if (this.#hostBytes > 0) budget.remove(this.#hostBytes);
    this.host = undefined;
  }
}
