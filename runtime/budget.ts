// The byte budget: how much may be live, when garbage is collected, and the error when there is too much.
import { totalmem } from "node:os";
import { MemoryError, ValueError } from "../compiler/core/errors.js";
import { hereText } from "../compiler/trace/here.js";
import { collectGarbage } from "./collect.js";
import { tally } from "./counters.js";

const MIB = 1024 * 1024;

/** Growth since the last collection that starts the next: V8 does not see the memory behind a tensor. */
const STEP_BYTES = 256 * MIB;

/** Hardware has memory of its own, and there a collection costs more than the kernels that fill 256 MiB. */
const HARDWARE_STEP_BYTES = 1024 * MIB;

/** Collections of a large heap may take longer than all the work between them; then they become rarer. */
const SLOW_COLLECTION_MS = 250;

/**
 * Counts live bytes. Tensors that the program dropped are live until the collector finds them; their finalizers run
 * only when the event loop turns. So growth starts a collection, and a program that never yields meets the limit.
 */
class MemoryBudget {
  #limit = defaultLimit();
  #step = STEP_BYTES;
  #minStep = STEP_BYTES;
  #threshold = STEP_BYTES;
  #added = 0; // bytes, ever
  #arrays = 0;
  #collecting = false;
  #lastCollection = 0; // ms

  get limitBytes(): number {
    return this.#limit;
  }

  set limitBytes(bytes: number) {
    this.#limit = bytes;
    this.#minStep = Math.min(this.#minStep, bytes / 4);
    this.#step = this.#minStep;
    this.#threshold = tally.liveBytes + this.#step;
  }

  /** A collection is under way: what it finds is freed within a few turns of the event loop. */
  get collecting(): boolean {
    return this.#collecting;
  }

  /** The device's kernels outrun the collector. */
  expectHardware(): void {
    this.#minStep = Math.min(HARDWARE_STEP_BYTES, this.#limit / 4);
    this.#step = Math.max(this.#step, this.#minStep);
    this.#threshold = Math.max(this.#threshold, this.#step);
  }

  /** Called before `bytes` more become live. Throws `MemoryError` when they exceed the budget. */
  reserve(bytes: number): void {
    const live = tally.liveBytes + bytes;
    if (live > this.#limit) throw this.#exceeded(bytes);
    if (live > this.#threshold && !this.#collecting) this.#collect();
  }

  add(bytes: number): void {
    tally.liveBytes += bytes;
    this.#added += bytes;
    this.#arrays++;
  }

  remove(bytes: number): void {
    tally.liveBytes -= bytes;
    this.#arrays--;
  }

  /** The device had no room left, whatever the budget says: collects as soon as possible. */
  collectSoon(): void {
    if (!this.#collecting) this.#collect();
  }

  /** Lets the finalizers of a collection under way run, which takes a few turns of the event loop. */
  async relief(): Promise<void> {
    for (let turn = 0; this.#collecting && turn < 100; turn++) {
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
  }

  #collect(): void {
    this.#collecting = true;
    tally.collections++;
    const live = tally.liveBytes;
    const added = this.#added;
    const since = performance.now() - this.#lastCollection;
    // from a turn of its own, so that the time is that of the collection
    setImmediate(() => {
      const start = performance.now();
      collectGarbage(() => {
        const ms = performance.now() - start;
        twoTurns(() => this.#adapt(live, live - (tally.liveBytes - (this.#added - added)), ms, since));
      });
    }).unref();
  }

  /** Collections that free little, or that take long and most of the time, become rarer; else as often as at first. */
  #adapt(live: number, freed: number, ms: number, since: number): void {
    const wasted = freed < this.#step / 4 || ms > Math.max(SLOW_COLLECTION_MS, 2 * since);
    this.#step = wasted ? Math.min(this.#step * 2, this.#limit / 2) : Math.max(this.#step / 2, this.#minStep);
    this.#threshold = Math.max(0, live - freed) + this.#step;
    this.#lastCollection = performance.now();
    this.#collecting = false;
    if (tally.liveBytes > this.#threshold) this.#collect();
  }

  #exceeded(bytes: number): MemoryError {
    const live = `${showBytes(tally.liveBytes)} in ${this.#arrays} arrays`;
    return new MemoryError(
      `memory: a call needs ${showBytes(bytes)} for its results, but ${live} are live, and the budget is ${showBytes(this.#limit)}\n` +
        "  dropped tensors are freed only when the program yields: await a read, or setImmediate, now and then in a loop\n" +
        "  free tensors at once with dispose() or `using`, or raise the budget: setMemoryBudget(bytes)" +
        hereText(),
    );
  }
}

/** Half of the memory this process may have. */
function defaultLimit(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  const total = constrained > 0 && constrained < totalmem() ? constrained : totalmem();
  return Math.floor(total / 2);
}

/** Without keeping the process alive. */
function twoTurns(then: () => void): void {
  setImmediate(() => void setImmediate(then).unref()).unref();
}

export const budget = new MemoryBudget();

/**
 * How many bytes of arrays may be live at once: results, queued ones too, and copies of host arrays on the device. A call
 * that would exceed them throws `MemoryError`. The default is half of the machine's memory (of the container's, where it
 * is limited); WebGPU does not tell how much memory a GPU has of its own.
 */
export function setMemoryBudget(bytes: number): void {
  if (!(bytes > 0))
    throw new ValueError(`setMemoryBudget: ${String(bytes)} is not a number of bytes above 0${hereText()}`);
  budget.limitBytes = bytes;
}

export const memoryBudget = (): number => budget.limitBytes;

/** `512 B`, `3.5 KiB`, `256 MiB`, `1.25 GiB`. */
export function showBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let n = bytes;
  for (; n >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${n >= 100 ? Math.round(n) : Number(n.toPrecision(3))} ${units[unit]}`;
}
