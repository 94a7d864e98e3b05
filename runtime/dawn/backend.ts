// The Dawn backend: runs programs on one device.
import type { Aval } from "../../compiler/core/aval.js";
import { castNumber, type DType, type TypedArray } from "../../compiler/core/dtype.js";
import { DeviceError, InternalError, type LanewiseError } from "../../compiler/core/errors.js";
import { filled } from "../../compiler/core/ndarray.js";
import type { Graph, Literal } from "../../compiler/ir/graph.js";
import type { DeviceLimits } from "../../compiler/ir/program.js";
import type { Backend, Compile, DeviceInfo, Input } from "../backend.js";
import { budget } from "../budget.js";
import { tally } from "../counters.js";
import { Lru } from "../lru.js";
import { announceCompile, ProgramCache } from "../programs.js";
import { Storage } from "../storage.js";
import { checkPresent, lostError } from "../value.js";
import { BindGroupCache } from "./bindings.js";
import { type BufferOwner, BufferPool, type DeviceBuffer } from "./buffers.js";
import type { OpenDevice } from "./device.js";
import { drive } from "./drive.js";
import { PipelineCache } from "./pipelines.js";
import { type Action, checkPeak, type Prepared, prepare, type Step } from "./prepare.js";
import { blame, guard } from "./risk.js";
import { Batch, Stream } from "./stream.js";
import { Reader, upload } from "./transfer.js";
import { BUFFER_USAGE } from "./usage.js";

/** The word that says whether a loop goes on. */
const FLAG: Aval = { dtype: "u32", shape: [] };

/** Scalars on the device at a time. */
const SCALARS = 256;

export class DawnBackend implements Backend, BufferOwner {
  readonly stream: Stream;
  readonly #open: OpenDevice;
  readonly #compile: Compile;
  readonly #pool: BufferPool;
  readonly #pipelines: PipelineCache;
  readonly #groups: BindGroupCache;
  readonly #reader: Reader;
  readonly #programs = new ProgramCache<Prepared>();
  /** Buffers of scalars by their bits: those of 1 are the same for every i32 and u32. */
  readonly #scalars = new Lru<number, DeviceBuffer>(SCALARS, (buffer) => void this.#evicted.push(buffer));
  /** Scalars that made room for others. The program being encoded may still read them. */
  readonly #evicted: DeviceBuffer[] = [];
  /** The buffers of the program that is being encoded, by slot. */
  readonly #slots: DeviceBuffer[] = []; // has holes where an input is not read
  readonly #bound: DeviceBuffer[] = [];
  /** Batches up to this one may have failed for a reason that nobody was told. */
  #strayBatch = 0;
  #strayError: LanewiseError | undefined;

  constructor(open: OpenDevice, compile: Compile) {
    this.#open = open;
    this.#compile = compile;
    const device = open.gpu;
    this.stream = new Stream(device, () => this.#pool.afterSubmit());
    this.#pool = new BufferPool(this);
    this.#pipelines = new PipelineCache(device);
    this.#groups = new BindGroupCache(device, device.createBuffer({ size: 16, usage: BUFFER_USAGE.uniform }));
    this.#reader = new Reader(open, this.stream);
    open.onLost = () => this.#forgetDevice();
    open.onStrayError = (message) => {
      this.#strayBatch = this.stream.lastBatch;
      this.#strayError = new InternalError(`Dawn reported an error that belongs to no call of ours: ${message}`);
    };
  }

  get device(): GPUDevice {
    return this.#open.gpu;
  }

  get info(): DeviceInfo {
    return this.#open.info;
  }

  get limits(): DeviceLimits {
    return this.#open.info.limits;
  }

  get name(): string {
    return this.#open.info.name;
  }

  get lost(): string | undefined {
    return this.#open.lost;
  }

  execute(graph: Graph, inputs: readonly Input[], label: string): Storage[] {
    this.#open.checkRunning();
    const program = this.#programs.get(graph) ?? this.#prepare(graph, label);
    checkPeak(program);
    for (const { pipeline } of program.steps) if (pipeline.risk?.error) throw pipeline.risk.error;
    budget.reserve(program.totalOutputBytes);
    const slots = this.#slots;
    slots.length = 0;
    try {
      this.#placeAll(program, inputs, slots);
      this.#encode(program, slots, inputs.length);
    } finally {
      this.#freeEvicted();
    }
    return this.#results(program, inputs, slots);
  }

  isDriven(graph: Graph, label: string): boolean {
    return (this.#programs.get(graph) ?? this.#prepare(graph, label)).isDriven;
  }

  async drive(graph: Graph, inputs: readonly Input[], label: string): Promise<Storage[]> {
    this.#open.checkRunning();
    const program = this.#programs.get(graph) ?? this.#prepare(graph, label);
    checkPeak(program);
    for (const { pipeline } of program.steps) if (pipeline.risk?.error) throw pipeline.risk.error;
    budget.reserve(program.totalOutputBytes);
    const slots: DeviceBuffer[] = [];
    const first = inputs.length + program.outputBytes.length;
    try {
      this.#placeAll(program, inputs, slots);
      slots.length = inputs.length;
      for (const bytes of [...program.outputBytes, ...program.scratchBytes]) slots.push(this.#pool.acquire(bytes));
      await drive(program.actions, {
        encode: (actions) => this.#encodeActions(actions, program.steps, slots, inputs.length),
        isSet: async (slot) => (await this.read(slots[slot]!, FLAG))[0] === 1,
      });
    } finally {
      for (const buffer of slots.splice(first)) this.#pool.release(buffer);
      this.#freeEvicted();
    }
    return this.#results(program, inputs, slots);
  }

  async prepare(graph: Graph, label: string): Promise<void> {
    const { steps } = this.#programs.get(graph) ?? this.#prepare(graph, label);
    for (const { pipeline } of steps) {
      const { risk } = pipeline;
      await risk?.known;
      if (risk?.error) throw risk.error;
    }
    if (this.lost !== undefined) throw new DeviceError(`${this.name} was lost: ${this.lost}`);
  }

  async read(buffer: DeviceBuffer, aval: Aval): Promise<TypedArray> {
    const { batch } = buffer;
    this.#open.checkRunning();
    try {
      if (buffer.risk) await buffer.risk.known; // to copy from a buffer that never was is an error of its own
      if (buffer.risk?.error) throw buffer.risk.error;
      const elements = await this.#reader.read(buffer, aval);
      await batch.risk?.known;
      const error = this.#failure(batch);
      if (error) throw error;
      if (batch.risk?.isPast && buffer.batch === batch) buffer.batch = Batch.none;
      return elements;
    } catch (error) {
      if (this.lost !== undefined) throw lostError(aval, this);
      throw batch.risk?.error ?? error;
    }
  }

  /** Destroys the buffers that lie in the pool. */
  trim(): void {
    this.#pool.clear();
  }

  /** For tests: the device goes away, as by a driver that was reset. */
  lose(): void {
    this.device.destroy();
  }

  #prepare(graph: Graph, label: string): Prepared {
    return this.#programs.getOrMake(graph, () => {
      const program = this.#compile(graph, this.limits);
      tally.programsCompiled++;
      announceCompile({ graph, program, limits: this.limits, label });
      return prepare(graph, program, this.#pipelines, this);
    });
  }

  /** Puts the buffers of the operands that are read in their slots. */
  #placeAll({ graph, reads }: Prepared, inputs: readonly Input[], slots: DeviceBuffer[]): void {
    for (let i = 0; i < inputs.length; i++) {
      const x = inputs[i]!;
      const { aval } = graph.inputs[i]!;
      if (reads[i]) slots[i] = this.#place(x, aval);
      else if (x instanceof Storage) checkPresent(x, aval);
    }
  }

  #freeEvicted(): void {
    for (const buffer of this.#evicted) buffer.free();
    this.#evicted.length = 0;
  }

  /** The buffer that holds an operand; uploads what is only on the host. */
  #place(x: Input, aval: Aval): DeviceBuffer {
    if (!(x instanceof Storage)) return this.#scalar(bitsOf(x.value, x.aval.dtype));
    const resident = x.resident as DeviceBuffer | undefined;
    if (resident?.place === this) {
      if (resident.batch !== Batch.none) this.#checkWritten(resident);
      return resident;
    }
    checkPresent(x, aval);
    const host = x.host;
    if (!host) throw new DeviceError(`an operand is on ${resident!.place.name}, not on ${this.name}`);
    if (host.length === 1) return this.#scalar(bitsOf(host[0]!, aval.dtype));
    budget.reserve(host.length * 4);
    const buffer = this.#acquireIdle(host.length * 4);
    upload(this.device, buffer.gpu, host);
    x.resident = buffer;
    return buffer;
  }

  #scalar(bits: number): DeviceBuffer {
    const found = this.#scalars.get(bits);
    if (found) return found;
    const buffer = this.#acquireIdle(4);
    upload(this.device, buffer.gpu, Uint32Array.of(bits));
    this.#scalars.set(bits, buffer);
    return buffer;
  }

  /** A buffer that may be written by the queue, which does so before all that is encoded. */
  #acquireIdle(bytes: number): DeviceBuffer {
    const buffer = this.#pool.acquire(bytes);
    if (this.stream.isOpen(buffer.usedIn)) this.stream.flush();
    buffer.batch = Batch.none;
    return buffer;
  }

  /** Throws when the batch that wrote `buffer` failed. */
  #checkWritten(buffer: DeviceBuffer): void {
    const { batch } = buffer;
    const error = this.#failure(batch);
    if (error) throw error;
    if (batch.risk?.isPast) buffer.batch = Batch.none;
  }

  #failure(batch: Batch): LanewiseError | undefined {
    return batch.risk?.error ?? (batch.id > 0 && batch.id <= this.#strayBatch ? this.#strayError : undefined);
  }

  /** Adds buffers for outputs to `slots`, and encodes the dispatches. */
  #encode({ steps, actions, scratchBytes, outputBytes }: Prepared, slots: DeviceBuffer[], inputs: number): void {
    slots.length = inputs;
    for (const bytes of outputBytes) slots.push(this.#pool.acquire(bytes));
    if (steps.length === 0) return;
    const outputs = slots.length;
    for (const bytes of scratchBytes) slots.push(this.#pool.acquire(bytes));
    this.#encodeActions(actions, steps, slots, inputs);
    for (let i = slots.length - 1; i >= outputs; i--) this.#pool.release(slots[i]!);
    slots.length = outputs;
  }

  /** Encodes without looking at the device in between. `steps` are those of the whole program. */
  #encodeActions(
    actions: readonly Action[],
    steps: readonly Step[],
    slots: readonly DeviceBuffer[],
    inputs: number,
  ): void {
    // Dawn drops a batch as a whole: what it may refuse stands alone in one
    const isFresh = isRisky(steps, slots, inputs);
    if (isFresh) this.stream.flush();
    const { batch } = this.stream;
    batch.isFresh = isFresh;
    for (let i = inputs; i < slots.length; i++) slots[i]!.batch = batch;
    const encode = (): void => this.#encodeAll(actions, slots, batch);
    if (isFresh) batch.add(guard(this.device, blame("bind buffers"), encode).risk);
    else encode();
    if (isFresh) this.stream.flush();
    else this.stream.endProgram();
  }

  #encodeAll(actions: readonly Action[], slots: readonly DeviceBuffer[], batch: Batch): void {
    for (const action of actions) {
      if (!("kind" in action)) this.#encodeStep(action, slots, batch);
      else if (action.kind === "while") throw new InternalError("a loop with an open end was encoded");
      else for (let i = 0; i < action.count; i++) this.#encodeAll(i % 2 === 0 ? action.even : action.odd, slots, batch);
    }
  }

  #encodeStep(step: Step, slots: readonly DeviceBuffer[], batch: Batch): void {
    const { pipeline } = step;
    let { group } = step;
    let fits = group !== undefined && !group.isDropped;
    const bound = this.#bound;
    bound.length = step.slots.length;
    for (let i = 0; i < bound.length; i++) {
      const buffer = slots[step.slots[i]!]!;
      bound[i] = buffer;
      buffer.usedIn = batch.id;
      if (buffer.risk) batch.add(buffer.risk);
      if (buffer.batch.risk) batch.add(buffer.batch.risk);
      if (fits && group!.buffers[i] !== buffer) fits = false;
    }
    if (pipeline.risk) batch.add(pipeline.risk);
    if (!group || !fits) {
      group = this.#groups.get(pipeline.layout, bound);
      step.group = group;
    }
    this.stream.dispatch(pipeline.gpu, group.gpu, step.workgroups);
  }

  #results({ results, outputBytes }: Prepared, inputs: readonly Input[], slots: readonly DeviceBuffer[]): Storage[] {
    const made = new Array<Storage | undefined>(outputBytes.length);
    return results.map(({ from: { kind, index } }) => {
      if (kind === "input") return share(inputs[index]!);
      const shared = made[index]?.retain();
      if (shared) return shared;
      const storage = Storage.on(slots[inputs.length + index]!);
      made[index] = storage;
      return storage;
    });
  }

  #forgetDevice(): void {
    this.stream.abandon();
    this.#pool.forget();
    this.#reader.forget();
  }
}

/** Something that is used may turn out to have failed: the code, a buffer, or the work that wrote an input. */
function isRisky(steps: readonly Step[], slots: readonly DeviceBuffer[], inputs: number): boolean {
  for (const { pipeline } of steps) if (pipeline.risk) return true;
  for (let i = 0; i < slots.length; i++) {
    const buffer = slots[i]; // none where an input is not read
    if (buffer && (buffer.risk || (i < inputs && buffer.batch.risk))) return true;
  }
  return false;
}

/** A result that shows the elements of an input. */
function share(x: Input): Storage {
  if (x instanceof Storage) return x.retain();
  return Storage.given(filled(x.aval.dtype, [], (x as Literal).value).data);
}

const word = new ArrayBuffer(4);
const asFloat = new Float32Array(word);
const asInteger = new Int32Array(word);
const asUnsigned = new Uint32Array(word);

/** The 32 bits that hold `x` on the device. */
function bitsOf(x: number, dtype: DType): number {
  switch (dtype) {
    case "f32":
      asFloat[0] = x;
      break;
    case "i32":
      asInteger[0] = castNumber(x, dtype);
      break;
    case "u32":
    case "bool":
      asUnsigned[0] = castNumber(x, dtype);
      break;
  }
  return asUnsigned[0]!;
}
