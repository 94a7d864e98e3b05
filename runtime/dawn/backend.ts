// The Dawn backend: runs programs on one device.
import type { Aval } from "../../compiler/core/aval.js";
import type { TypedArray } from "../../compiler/core/dtype.js";
import { DeviceError, InternalError, type LanewiseError } from "../../compiler/core/errors.js";
import { filled } from "../../compiler/core/ndarray.js";
import type { Graph, Literal } from "../../compiler/ir/graph.js";
import type { DeviceLimits } from "../../compiler/ir/program.js";
import type { Backend, Compile, DeviceInfo, Donated, Input } from "../backend.js";
import { budget } from "../budget.js";
import { tally } from "../counters.js";
import { Lru } from "../lru.js";
import { announceCompile, ProgramCache } from "../programs.js";
import { Storage } from "../storage.js";
import { checkPresent, lostError } from "../value.js";
import { BindGroupCache } from "./bindings.js";
import { bitsOf } from "./bits.js";
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

/** Storages whose buffers outputs take, by the output. */
type Given = ReadonlyMap<number, Storage>;

const nothing: Given = new Map();

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

  execute(graph: Graph, inputs: readonly Input[], label: string, donated?: Donated): Storage[] {
    const program = this.#programFor(graph, label, donated?.inputs);
    const given = this.#begin(program, inputs, donated);
    const slots = this.#slots;
    slots.length = 0;
    try {
      this.#placeAll(program, inputs, given, slots);
      this.#encode(program, slots, inputs.length, given);
    } finally {
      this.#freeEvicted();
    }
    for (const storage of given.values()) storage.take();
    return this.#results(program, inputs, slots);
  }

  isDriven(graph: Graph, label: string, donated?: readonly number[]): boolean {
    return this.#programFor(graph, label, donated).isDriven;
  }

  async drive(graph: Graph, inputs: readonly Input[], label: string, donated?: Donated): Promise<Storage[]> {
    const program = this.#programFor(graph, label, donated?.inputs);
    const given = this.#begin(program, inputs, donated);
    const slots: DeviceBuffer[] = [];
    const first = inputs.length + program.outputBytes.length;
    try {
      this.#placeAll(program, inputs, given, slots);
      this.#addOutputs(program, slots, inputs.length, given);
      for (const bytes of program.scratchBytes) slots.push(this.#pool.acquire(bytes));
      let before: (() => void) | undefined = () => this.#copyKept(program, slots, inputs.length, given);
      await drive(program.actions, {
        encode: (actions) => {
          this.#encodeActions(actions, program, slots, inputs.length, before);
          before = undefined;
        },
        isSet: async (slot) => (await this.read(slots[slot]!, FLAG))[0] === 1,
      });
    } finally {
      for (const buffer of slots.splice(first)) this.#pool.release(buffer);
      this.#freeEvicted();
    }
    for (const storage of given.values()) storage.take();
    return this.#results(program, inputs, slots);
  }

  async prepare(graph: Graph, label: string, donated?: readonly number[]): Promise<void> {
    const { steps } = this.#programFor(graph, label, donated);
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

  #programFor(graph: Graph, label: string, donated: readonly number[] = []): Prepared {
    const known = this.#programs.get(graph, donated);
    if (known) return known;
    const make = (): Prepared => {
      const program = this.#compile(graph, this.limits, donated);
      tally.programsCompiled++;
      announceCompile({ graph, program, limits: this.limits, donated, label });
      return prepare(graph, program, this.#pipelines, this);
    };
    return this.#programs.getOrMake(graph, make, donated);
  }

  /** Throws where the call cannot run, and says which outputs take the memory of which inputs. */
  #begin(program: Prepared, inputs: readonly Input[], donated: Donated | undefined): Given {
    this.#open.checkRunning();
    checkPeak(program);
    for (const { pipeline } of program.steps) if (pipeline.risk?.error) throw pipeline.risk.error;
    const given = donated ? this.#given(program, inputs, donated.free) : nothing;
    budget.reserve(program.outputBytes.reduce((sum, bytes, k) => (given.has(k) ? sum : sum + bytes), 0));
    return given;
  }

  /** Inputs that will be on the device and that outputs take the memory of, by the output. */
  #given({ donations, reads, outputBytes }: Prepared, inputs: readonly Input[], free: ReadonlySet<number>): Given {
    const given = new Map<number, Storage>();
    donations.forEach((donation, k) => {
      if (!donation) return;
      const { input } = donation;
      const x = inputs[input]!;
      if (x instanceof Storage && free.has(input) && (reads[input] || x.resident?.place === this)) {
        given.set(k, x);
        tally.bytesDonated += outputBytes[k]!;
      } else tally.donationsKept++;
    });
    return given;
  }

  /** Puts the buffers of the operands that are read, or given, in their slots. */
  #placeAll(program: Prepared, inputs: readonly Input[], given: Given, slots: DeviceBuffer[]): void {
    const { graph, reads, donations } = program;
    for (let i = 0; i < inputs.length; i++) {
      const x = inputs[i]!;
      const { aval } = graph.inputs[i]!;
      if (reads[i]) slots[i] = this.#place(x, aval);
      else if (x instanceof Storage) checkPresent(x, aval);
    }
    for (const [k, { resident }] of given) slots[donations[k]!.input] = resident as DeviceBuffer;
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
  #encode(program: Prepared, slots: DeviceBuffer[], inputs: number, given: Given): void {
    this.#addOutputs(program, slots, inputs, given);
    if (program.steps.length === 0) return;
    const outputs = slots.length;
    for (const bytes of program.scratchBytes) slots.push(this.#pool.acquire(bytes));
    this.#encodeActions(program.actions, program, slots, inputs, () => this.#copyKept(program, slots, inputs, given));
    for (let i = slots.length - 1; i >= outputs; i--) this.#pool.release(slots[i]!);
    slots.length = outputs;
  }

  #addOutputs({ outputBytes, donations }: Prepared, slots: DeviceBuffer[], inputs: number, given: Given): void {
    slots.length = inputs;
    for (let k = 0; k < outputBytes.length; k++) {
      slots.push(given.has(k) ? slots[donations[k]!.input]! : this.#pool.acquire(outputBytes[k]!));
    }
  }

  /** Where an output is written in place of an input that others still need, it begins as a copy of it. */
  #copyKept({ donations, outputBytes }: Prepared, slots: readonly DeviceBuffer[], inputs: number, given: Given): void {
    donations.forEach((donation, k) => {
      if (!donation?.inPlace || given.has(k)) return;
      const { batch } = this.stream;
      const [from, to] = [slots[donation.input]!, slots[inputs + k]!];
      for (const buffer of [from, to]) {
        buffer.usedIn = batch.id;
        if (buffer.risk) batch.add(buffer.risk);
      }
      this.stream.copy(from.gpu, 0, to.gpu, outputBytes[k]!);
    });
  }

  /** Encodes some actions of a program without looking at the device in between; `before` encodes what comes first. */
  #encodeActions(
    actions: readonly Action[],
    { steps, donations }: Prepared,
    slots: readonly DeviceBuffer[],
    inputs: number,
    before?: () => void,
  ): void {
    // Dawn drops a batch as a whole: what it may refuse stands alone in one
    const isFresh = isRisky(steps, slots, inputs);
    if (isFresh) this.stream.flush();
    const { batch } = this.stream;
    batch.isFresh = isFresh;
    for (const donation of donations) {
      const risk = donation?.inPlace && slots[donation.input]!.batch.risk; // what is read there may have failed
      if (risk) batch.add(risk);
    }
    for (let i = inputs; i < slots.length; i++) slots[i]!.batch = batch;
    const encode = (): void => {
      before?.();
      this.#encodeAll(actions, slots, batch);
    };
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
