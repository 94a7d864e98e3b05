// Bind groups, kept by their layout and buffers.
import { tally } from "../counters.js";
import { Lru } from "../lru.js";
import type { Dependent, DeviceBuffer } from "./buffers.js";
import type { Layout } from "./pipelines.js";

const CAPACITY = 4096;

/** A bind group in the cache; dropped with the first of its buffers that is destroyed. */
export class BindGroup implements Dependent {
  isDropped = false;
  readonly #remove: (group: BindGroup) => void;

  constructor(
    readonly gpu: GPUBindGroup,
    readonly key: string,
    readonly buffers: readonly DeviceBuffer[],
    remove: (group: BindGroup) => void,
  ) {
    this.#remove = remove;
    for (const buffer of buffers) buffer.dependents.add(this);
  }

  drop(): void {
    this.isDropped = true;
    this.#remove(this);
    this.forget();
  }

  /** Cuts the ties to its buffers. It may still be used by who holds it. */
  forget(): void {
    for (const buffer of this.buffers) buffer.dependents.delete(this);
  }
}

export class BindGroupCache {
  readonly #device: GPUDevice;
  readonly #zero: GPUBuffer;
  readonly #groups = new Lru<string, BindGroup>(CAPACITY, (group) => {
    group.isDropped = true;
    group.forget();
  });
  readonly #remove = (group: BindGroup): void => this.#groups.delete(group.key);

  /** `zero` is the uniform buffer of zeros that some layouts bind among the others. */
  constructor(device: GPUDevice, zero: GPUBuffer) {
    this.#device = device;
    this.#zero = zero;
  }

  /** The group that binds `buffers` in this order. */
  get(layout: Layout, buffers: readonly DeviceBuffer[]): BindGroup {
    let key = `${layout.id}`;
    for (const buffer of buffers) key += ` ${buffer.id}`;
    const found = this.#groups.get(key);
    if (found) return found;
    const bound = buffers.map(({ gpu }) => gpu);
    if (layout.zeroAt !== undefined) bound.splice(layout.zeroAt, 0, this.#zero);
    const entries: GPUBindGroupEntry[] = bound.map((buffer, binding) => ({ binding, resource: { buffer } }));
    const gpu = this.#device.createBindGroup({ layout: layout.bindings, entries });
    const made = new BindGroup(gpu, key, [...buffers], this.#remove);
    this.#groups.set(key, made);
    tally.bindGroupsCreated++;
    return made;
  }
}
