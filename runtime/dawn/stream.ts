// The stream of work to a device: calls made in one go share an encoder, a compute pass and a submit.
import { tally } from "../counters.js";
import { blame, guard, Risk } from "./risk.js";

/** A batch is submitted early when it has so many dispatches, so that the device need not wait for the last one. */
const MAX_DISPATCHES = 64;

/** The calls of one submit. Dawn drops all of them when one is invalid. */
export class Batch {
  /** What was in no batch, or in one that is known to have succeeded. */
  static readonly none = new Batch(0);
  /** Set by the submit when it may turn out to have failed. */
  risk: Risk | undefined;
  /** What it depends on and is not known yet. */
  risks: Risk[] | undefined;
  /** It holds something new, which Dawn may refuse. */
  isFresh = false;

  constructor(readonly id: number) {}

  /** This batch fails if `risk` does. */
  add(risk: Risk): void {
    if (risk.isPast) return;
    if (!this.risks) this.risks = [risk];
    else if (!this.risks.includes(risk)) this.risks.push(risk);
  }
}

export class Stream {
  readonly #device: GPUDevice;
  readonly #afterSubmit: () => void;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #batch = Batch.none;
  #batches = 0;
  #dispatches = 0;
  #flushScheduled = false;
  #sweepScheduled = false;
  #submits = 0;
  #pipeline: GPUComputePipeline | undefined;
  #group: GPUBindGroup | undefined;
  readonly #flushSoon = (): void => {
    this.#flushScheduled = false;
    this.flush();
  };

  constructor(device: GPUDevice, afterSubmit: () => void) {
    this.#device = device;
    this.#afterSubmit = afterSubmit;
  }

  /** The batch that is being encoded; opens one where there is none. */
  get batch(): Batch {
    return this.#encoder ? this.#batch : this.#open();
  }

  /** Number of the batch being encoded, or of the last one. */
  get lastBatch(): number {
    return this.#batches;
  }

  /** The batch with this number is not submitted yet. */
  isOpen(batch: number): boolean {
    return this.#encoder !== undefined && batch === this.#batches;
  }

  dispatch(pipeline: GPUComputePipeline, group: GPUBindGroup, [x, y, z]: readonly [number, number, number]): void {
    const pass = this.#pass ?? this.#openPass();
    if (this.#pipeline !== pipeline) pass.setPipeline(pipeline);
    if (this.#group !== group) pass.setBindGroup(0, group);
    this.#pipeline = pipeline;
    this.#group = group;
    pass.dispatchWorkgroups(x, y, z);
    this.#dispatches++;
  }

  /** Called behind the dispatches of one program, which are never torn apart. */
  endProgram(): void {
    if (this.#dispatches >= MAX_DISPATCHES) this.flush();
  }

  copy(from: GPUBuffer, offsetBytes: number, to: GPUBuffer, bytes: number): void {
    void this.batch;
    this.#closePass();
    this.#encoder!.copyBufferToBuffer(from, offsetBytes, to, 0, bytes);
  }

  /** Submits what was encoded if Dawn may refuse it. */
  flushIfFresh(): void {
    if (this.#encoder && (this.#batch.isFresh || this.#batch.risks)) this.flush();
  }

  /** Submits what was encoded. */
  flush(): void {
    const encoder = this.#encoder;
    if (!encoder) return;
    const batch = this.#batch;
    this.#closePass();
    this.#encoder = undefined;
    tally.dispatches += this.#dispatches;
    this.#dispatches = 0;
    const submit = (): void => this.#submit([encoder.finish()]);
    if (batch.isFresh) batch.add(guard(this.#device, blame("run what was encoded"), submit).risk);
    else submit();
    if (batch.risks) batch.risk = Risk.all(batch.risks);
    batch.risks = undefined;
  }

  /** Frees destroyed buffers, which Dawn does at submits, should none come by soon. */
  sweepSoon(): void {
    if (this.#sweepScheduled) return;
    this.#sweepScheduled = true;
    const submits = this.#submits;
    setImmediate(() => {
      this.#sweepScheduled = false;
      if (submits === this.#submits) this.#submit([]);
    }).unref();
  }

  /** The device is gone: what was encoded goes nowhere. */
  abandon(): void {
    this.#encoder = undefined;
    this.#pass = undefined;
    this.#dispatches = 0;
  }

  #open(): Batch {
    this.#encoder = this.#device.createCommandEncoder();
    this.#batch = new Batch(++this.#batches);
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      queueMicrotask(this.#flushSoon);
    }
    return this.#batch;
  }

  #openPass(): GPUComputePassEncoder {
    void this.batch;
    this.#pass = this.#encoder!.beginComputePass();
    tally.passes++;
    return this.#pass;
  }

  #closePass(): void {
    this.#pass?.end();
    this.#pass = undefined;
    this.#pipeline = undefined;
    this.#group = undefined;
  }

  #submit(commands: GPUCommandBuffer[]): void {
    this.#device.queue.submit(commands);
    this.#submits++;
    if (commands.length > 0) tally.submits++;
    this.#afterSubmit();
  }
}
