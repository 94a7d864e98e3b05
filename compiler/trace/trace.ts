// The trace under way: where equations are recorded, and what an op does when there is none.
import type { Aval } from "../core/aval.js";
import { DTypeError, InternalError, ShapeError, ValueError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import { type Atom, type Eqn, type Graph, type Literal, type Location, newEqn, newVar, type Var } from "../ir/graph.js";
import { findOp, type Op, type Params } from "../ir/op.js";
import { hereText } from "./here.js";
import { captureLocation } from "./location.js";
import { type ArrayHandle, leakedError, type Operand, type Row, Tensor, type TraceOwner } from "./tensor.js";

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
  /** Where variables had their elements when they were read here or within: what was traced holds as long as they do. */
  readonly rowsRead = new Map<Tensor, Row | undefined>();
  readonly #rows = new Map<Tensor, Var>();
  readonly #captured = new Map<unknown, Var>();
  /** Values from outside that an input was made for beforehand. */
  #standIns: Map<unknown, Tensor> | undefined;
  #open = true;

  constructor(
    readonly parent: Trace | undefined,
    /** Name of the traced function, for messages. */
    readonly name: string,
    /** Variables are captured as they are, wherever their elements may be. */
    readonly keepsVariables: boolean = parent?.keepsVariables ?? false,
  ) {}

  get open(): boolean {
    return this.#open;
  }

  close(): void {
    this.#open = false;
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

  /** Assigns `value` to a variable of the user's, from here on. */
  write(target: Tensor, value: Tensor): void {
    this.writes.set(target, this.read(value));
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
    if (!traced && !this.keepsVariables && this.noteRow(x)) return this.#rowOf(x);
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

  /** Remembers where `x` has its elements; true when that is in another tensor. */
  noteRow(x: Tensor): boolean {
    for (let t: Trace | undefined = this; t; t = t.parent) t.rowsRead.set(x, x.row);
    return x.row !== undefined;
  }

  /** The entry of the tensor that `x` has its elements in. */
  #rowOf(x: Tensor): Var {
    const { of, index } = x.row!;
    let v = this.#rows.get(x);
    if (!v) {
      const whole = this.atom(of);
      const rest = of.shape.slice(1);
      const add = (name: string, input: Atom, params: Params): Var => {
        const eqn = newEqn(findOp(name)!, [input], params, captureLocation());
        this.eqns.push(eqn);
        return eqn.outputs[0]!;
      };
      const entry = add("slice", whole, {
        start: [index, ...rest.map(() => 0)],
        stop: [index + 1, ...rest],
        step: of.shape.map(() => 1),
      });
      v = add("squeeze", entry, { axes: [0] });
      this.#rows.set(x, v);
    }
    return v;
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
export function inTrace<T>(name: string, work: (trace: Trace) => T, keepsVariables?: boolean): T {
  const outer = current;
  const trace = new Trace(outer, name, keepsVariables);
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
