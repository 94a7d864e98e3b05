// A map of bounded size that forgets what was not used for longest.

export class Lru<K, V> {
  readonly #entries = new Map<K, V>(); // in order of use, the newest last
  readonly #capacity: number;
  readonly #forget: ((value: V, key: K) => void) | undefined;
  #newest: K | undefined;

  /** `forget` is called with each entry that has to make room. */
  constructor(capacity: number, forget?: (value: V, key: K) => void) {
    this.#capacity = capacity;
    this.#forget = forget;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined && this.#newest !== key) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
      this.#newest = key;
    }
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    this.#newest = key;
    if (this.#entries.size <= this.#capacity) return;
    const [oldest, old] = this.#entries.entries().next().value!;
    this.#entries.delete(oldest);
    this.#forget?.(old, oldest);
  }

  /** Takes an entry out without calling `forget`. */
  delete(key: K): void {
    this.#entries.delete(key);
  }

  values(): IterableIterator<V> {
    return this.#entries.values();
  }
}
