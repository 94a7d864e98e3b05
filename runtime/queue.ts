// The queue: work that has to wait, done strictly in order.

/** Work that deals with its own errors. */
export type Task = () => void | Promise<void>;

export class Queue {
  #tasks: Task[] = [];
  #draining = false;
  readonly #onError: (error: unknown) => void;

  /** `onError` is told what a task let out: a bug. The queue goes on. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Nothing waits: work may be done at once. */
  get isIdle(): boolean {
    return !this.#draining;
  }

  push(task: Task): void {
    this.#tasks.push(task);
    if (this.#draining) return;
    this.#draining = true;
    void this.#drain();
  }

  /** Resolves when all that was pushed before is done. */
  whenDone(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.push(() => resolve()));
  }

  async #drain(): Promise<void> {
    for (let at = 0; at < this.#tasks.length; at++) {
      const task = this.#tasks[at]!;
      if (at >= 1024) {
        this.#tasks = this.#tasks.slice(at); // those done shall not be kept
        at = 0;
      }
      try {
        const pending = task();
        if (pending) await pending;
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#tasks = [];
    this.#draining = false;
  }
}
