// The trace under way: where equations are recorded, and what an op does when there is none.
import { type Aval, aval } from "../core/aval.js";
import { DTypeError, InternalError, ShapeError, ValueError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import {
  type Atom,
  type Eqn,
  type Graph,
  type Literal,
  type Location,
  literal,
  newEqn,
  newVar,
  type Var,
} from "../ir/graph.js";
import { findOp, type Op, type Params } from "../ir/op.js";
import { hereText } from "./here.js";
import { captureLocation } from "./location.js";
import { type ArrayHandle, leakedError, type Operand, type Row, Tensor, type TraceOwner } from "./tensor.js";

/**
 * What a trace captures as it is although its elements lie in another tensor: nothing, variables, or variables of which
 * no stacks are made either.
 */
export type Keeping = "nothing" | "variables" | "variables apart";

/** A point in a trace. */
interface Mark {
  readonly eqns: number;
  readonly writes: ReadonlyMap<Tensor, Tensor>;
}

/** Records the equations of one function while it runs. */
export class Trace implements TraceOwner {
  readonly inputs: Var[] = [];
  readonly eqns: Eqn[] = [];
  /** Values from outside, in the order they were first used; each is an input of the Graph behind the arguments. */
  readonly captures: Tensor[] = [];
  /** The same, as the function knows them. */
  readonly sources: Tensor[] = [];
  /** What was assigned to variables, in the order of the first assignments. */
  readonly writes = new Map<Tensor, Tensor>();
  /** The same variables as the function knows them: where one is a stack, the last of its entries that was assigned. */
  readonly assigned = new Map<Tensor, Tensor>();
  /** Where variables had their elements when they were first used here or within: what was traced holds as long as they do. */
  readonly rowsRead = new Map<Tensor, Row | undefined>();
  readonly #entries = new Map<Tensor, { readonly whole: Atom; readonly entry: Var }>();
  readonly #captured = new Map<unknown, Var>();
  /** Values from outside that an input was made for beforehand. */
  #standIns: Map<unknown, Tensor> | undefined;
  #open = true;

  constructor(
    readonly parent: Trace | undefined,
    /** Name of the traced function, for messages. */
    readonly name: string,
    readonly keeping: Keeping = parent?.keeping ?? "nothing",
  ) {}

  get open(): boolean {
    return this.#open;
  }

  close(): void {
    this.#open = false;
  }

  /** How far the trace has come: for `rewind`. */
  mark(): Mark {
    return { eqns: this.eqns.length, writes: new Map(this.writes) };
  }

  /** Forgets what was recorded since. Nobody may hold a value of it any more. */
  rewind({ eqns, writes }: Mark): void {
    const gone = new Set<unknown>(this.eqns.splice(eqns).flatMap(({ outputs }) => outputs));
    for (const [x, { entry }] of this.#entries) if (gone.has(entry)) this.#entries.delete(x);
    this.writes.clear();
    for (const [x, value] of writes) this.writes.set(x, value);
  }

  /** A new argument. */
  input(aval: Aval): Tensor {
    const v = newVar(aval);
    this.inputs.push(v);
    return new Tensor(aval, { traced: { trace: this, atom: v } });
  }

  /** A new input that stands for `source`, here and in traces within. */
  standIn(source: Tensor): void {
    this.#standIns ??= new Map();
    const made = this.input(source.aval);
    this.#standIns.set(identityOf(source), made);
    standsFor.set(made.traced!.atom, source);
  }

  /** What stands for `x` in this trace or one around it: an input made for it, or what was last assigned to it. */
  resolve(x: Tensor): Tensor {
    const identity = identityOf(x);
    for (let t: Trace | undefined = this; t; t = t.parent) {
      const found = t.writes.get(x) ?? t.#standIns?.get(identity);
      if (found) return found === x ? x : this.resolve(found);
    }
    return x;
  }

  /** Assigns `value` to a variable of the user's, from here on: to its entry, where its elements lie in another one. */
  write(target: Tensor, value: Tensor, as = target): void {
    const row = this.resolve(target) === target ? this.#rowIn(target) : undefined;
    if (row) {
      this.write(row.of, this.#withEntry(row, value), as);
      return;
    }
    this.writes.set(target, this.read(value));
    this.assigned.set(target, as);
  }

  /** The tensor that stands for `x` here. */
  read(x: Tensor): Tensor {
    const atom = this.atom(x) as Var;
    return new Tensor(atom.aval, { traced: { trace: this, atom } });
  }

  /** The variable that stands for `x` here; a value from outside becomes a captured input. */
  atom(source: Operand): Atom {
    if (!(source instanceof Tensor)) return source;
    const x = this.resolve(source);
    const traced = x.traced;
    if (traced?.trace === this) return traced.atom;
    if (traced && !isOpen(traced.trace, this.parent)) throw leakedError(x);
    const row = traced ? undefined : this.#rowIn(x);
    if (row) return this.#entryOf(x, row);
    const identity = identityOf(x);
    let v = this.#captured.get(identity);
    if (!v) {
      if (!traced && !x.row) void x.handle; // throws when it was disposed
      v = newVar(x.aval);
      this.#captured.set(identity, v);
      this.captures.push(x);
      this.sources.push((traced && standsFor.get(traced.atom)) ?? source);
    }
    return v;
  }

  /** Remembers where `x` has its elements. */
  noteRow(x: Tensor): void {
    for (let t: Trace | undefined = this; t; t = t.parent) if (!t.rowsRead.has(x)) t.rowsRead.set(x, x.row);
  }

  /** The entry that `x` is here. Kept variables are themselves until the tensor that their elements lie in is written. */
  #rowIn(x: Tensor): Row | undefined {
    if (this.keeping !== "nothing") return x.row && this.#isRewritten(x.row.of) ? x.row : undefined;
    this.noteRow(x);
    return x.row;
  }

  /** `x`, or what its elements lie in, was assigned in the model that is being traced. */
  #isRewritten(x: Tensor): boolean {
    for (let t: Trace | undefined = this; t && t.keeping !== "nothing"; t = t.parent) if (t.writes.has(x)) return true;
    return x.row !== undefined && this.#isRewritten(x.row.of);
  }

  /** The entry of the tensor that `x` has its elements in. */
  #entryOf(x: Tensor, { of, index }: Row): Var {
    const whole = this.atom(of);
    const known = this.#entries.get(x);
    if (known?.whole === whole) return known.entry;
    const rest = of.shape.slice(1);
    const part = this.#record("slice", [whole], {
      start: [index, ...rest.map(() => 0)],
      stop: [index + 1, ...rest],
      step: of.shape.map(() => 1),
    });
    const entry = this.#record("squeeze", [part], { axes: [0] });
    this.#entries.set(x, { whole, entry });
    return entry;
  }

  /** The whole with another entry. */
  #withEntry({ of, index }: Row, value: Tensor): Tensor {
    const part = this.#record("expandDims", [this.atom(value)], { axes: [0] });
    const starts = of.shape.map((_, axis) => literal(axis === 0 ? index : 0, aval("i32", [])));
    const atom = this.#record("dynamicUpdateSlice", [this.atom(of), part, ...starts], {});
    return new Tensor(atom.aval, { traced: { trace: this, atom } });
  }

  /** Records an equation with one result. */
  #record(name: string, inputs: readonly Atom[], params: Params): Var {
    const eqn = newEqn(findOp(name)!, inputs, params, captureLocation());
    this.eqns.push(eqn);
    return eqn.outputs[0]!;
  }

  /** The Graph of what was recorded, with `outputs` as its results. Captures come behind the arguments. */
  finish(outputs: readonly Operand[]): Graph {
    const atoms = outputs.map((x) => this.atom(x));
    return {
      inputs: [...this.inputs, ...this.captures.map((x) => this.#captured.get(identityOf(x))!)],
      eqns: this.eqns,
      outputs: atoms,
    };
  }
}

/** What inputs stand for that were made by `standIn`. */
const standsFor = new WeakMap<Var, Tensor>();

/** Tensors of one traced value are the same value. */
const identityOf = (x: Tensor): unknown => x.traced?.atom ?? x;

/** Runs Graphs on values; given from above, by the runtime. */
export interface Executor {
  /**
   * Results are futures. `operands` are values and scalar constants, one per input of the Graph; `label` names the
   * user's function. Operands at the positions `donated` are given up by the caller right after the call: results may
   * take their memory.
   */
  run(graph: Graph, operands: readonly Operand[], label?: string, donated?: readonly number[]): Tensor[];
  /** A value whose elements are on the host. They are uploaded when a device first needs them. */
  fromHost(array: NDArray): ArrayHandle;
  /** Runs a single op. */
  runOp(op: Op, operands: readonly Operand[], params: Params, types: readonly Aval[]): Tensor[];
}

let executor: Executor | undefined;
let current: Trace | undefined;
let inherited: { readonly location: Location | undefined } | undefined;

export function setExecutor(made: Executor): void {
  executor = made;
}

export function getExecutor(): Executor {
  if (!executor) throw new InternalError("no executor: the package's entry point was not loaded");
  return executor;
}

let recorded = 0;

/** Number of equations recorded so far, in all traces, forgotten ones too: a measure of work. */
export const recordedEquations = (): number => recorded;

/** The trace that records now, or undefined when ops run at once. */
export const currentTrace = (): Trace | undefined => current;

const isOpen = (trace: TraceOwner, from: Trace | undefined): boolean => {
  for (let t = from; t; t = t.parent) if (t === trace) return trace.open;
  return false;
};

/**
 * Applies an op: records an equation when a function is being traced, else runs it. Errors of the type rule carry the
 * place in the user's code.
 */
export function bind(op: Op, operands: readonly Operand[], params: Params): Tensor[] {
  const types = typesOf(op, operands, params);
  const trace = current;
  if (trace) {
    const inputs = operands.map((x) => trace.atom(x));
    const outputs = types.map(newVar);
    trace.eqns.push({ op, inputs, params, outputs, location: inherited ? inherited.location : captureLocation() });
    recorded++;
    return outputs.map((v) => new Tensor(v.aval, { traced: { trace, atom: v } }));
  }
  for (const x of operands) if (x instanceof Tensor && x.traced) throw leakedError(x);
  if (operands.some((x) => x instanceof Tensor && x.row)) return runTraced(op.name, () => bind(op, operands, params));
  return getExecutor().runOp(op, operands, params, types);
}

/** Runs ops as one program, which reads variables where their elements are. */
export function runTraced(name: string, work: () => readonly Tensor[]): Tensor[] {
  const { graph, captures } = inTrace(name, (trace) => ({ graph: trace.finish(work()), captures: trace.captures }));
  return getExecutor().run(graph, captures, name);
}

/** Assigns `value` at once: gives the tensor that `target` has its elements in, and what it is from now on. */
export function runWrite(target: Tensor, value: Tensor): readonly [root: Tensor, whole: Tensor] {
  return untraced(() => {
    let root = target;
    const results = runTraced("assign", () => {
      const trace = currentTrace()!;
      trace.write(target, value);
      for (const written of trace.writes.keys()) root = written; // there is one
      return [...trace.writes.values()];
    });
    return [root, results[0]!];
  });
}

function typesOf(op: Op, operands: readonly Operand[], params: Params): Aval[] {
  return withPlace(() =>
    op.typeOf(
      operands.map((x) => x.aval),
      params,
    ),
  );
}

/** Errors about shapes, dtypes and values that `work` throws say where in the user's code it was. */
export function withPlace<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw located(error);
  }
}

/** The same error with the user's place behind its message. */
export function located(error: unknown): unknown {
  const isUsers = [ShapeError, DTypeError, ValueError].some((kind) => error instanceof kind);
  if (isUsers && !(error as Error).message.includes("\n  at ")) (error as Error).message += hereText();
  return error;
}

/** Equations recorded by `work` come from `location` rather than from the code that runs now. */
export function withLocation<T>(location: Location | undefined, work: () => T): T {
  const outer = inherited;
  inherited = { location };
  try {
    return work();
  } finally {
    inherited = outer;
  }
}

/** Runs `work` inside a new trace, which is closed afterwards whatever happens. */
export function inTrace<T>(name: string, work: (trace: Trace) => T, keeping?: Keeping): T {
  const outer = current;
  const trace = new Trace(outer, name, keeping);
  current = trace;
  try {
    return work(trace);
  } finally {
    current = outer;
    trace.close();
  }
}

/** Runs `work` so that it records in `trace`, which is open and stays so. */
export function within<T>(trace: Trace | undefined, work: () => T): T {
  const outer = current;
  current = trace;
  try {
    return work();
  } finally {
    current = outer;
  }
}

/** Runs `work` as if nothing was traced: its ops run at once. */
export const untraced = <T>(work: () => T): T => within(undefined, work);

export const isLiteral = (x: Operand): x is Literal => !(x instanceof Tensor);
