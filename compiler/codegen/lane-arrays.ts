// Regions in which each lane keeps small arrays of its own: their equations one after the other, with arrays that only the
// lane's invocation sees. An array is written in place where nobody reads any more what it held.
import { InternalError } from "../core/errors.js";
import { sizeOf } from "../core/shape.js";
import type { Atom, Eqn, Graph, Var } from "../ir/graph.js";
import type { LaneForm } from "../ir/kernel.js";
import type { ScanParams, SwitchParams, WhileParams } from "../ir/op.js";
import { Position } from "../ir/position.js";
import { carryBehind } from "../ir/region.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { Lowering, type Outside } from "./lower.js";

/** So many elements are moved one by one; more in a loop. */
const UNROLLED = 4;

/** What all Graphs of one lane have in common. */
export interface Lane {
  readonly b: ScalarBuilder;
  readonly form: LaneForm;
  /** Where the lane is: a coordinate for each lane axis. */
  readonly coords: readonly Scalar[];
  /** Name of the kernel, for errors. */
  readonly name: string;
}

/** What the inputs of a Graph are: one number, an array of the lane's own, or read wherever it lies. */
interface Bindings {
  readonly roots: Map<Var, Scalar>;
  readonly arrays: Map<Var, Scalar>;
  readonly outside: Map<Var, (at: Position) => Scalar>;
}

/** Takes what a turn of a scan gives to result `k`. */
type Stack = (k: number, turn: Scalar, frame: Frame, entry: Atom) => void;

/** One Graph in one lane. Values that differ from lane to lane are computed in the order of their equations. */
export class Frame {
  readonly lowering: Lowering;
  readonly #b: ScalarBuilder;
  readonly #producer = new Map<Var, Eqn>();

  constructor(
    readonly lane: Lane,
    readonly graph: Pick<Graph, "eqns" | "outputs">,
    readonly bound: Bindings,
    /** Arrays that may be overwritten when nobody here reads them any more. */
    readonly owned: Set<Scalar>,
    lowering?: Lowering,
  ) {
    this.#b = lane.b;
    for (const eqn of graph.eqns) for (const v of eqn.outputs) this.#producer.set(v, eqn);
    const source = { name: lane.name, eqns: graph.eqns, loads: [] };
    const local = { rank: lane.coords.length, arrays: bound.arrays };
    this.lowering = lowering ?? new Lowering(lane.b, source, bound.roots, bound.outside, local);
  }

  run(): this {
    this.graph.eqns.forEach((eqn, i) => {
      const [out] = eqn.outputs as [Var];
      if (!eqn.outputs.some((v) => this.lane.form.vars.has(v))) return;
      if (eqn.op.kind === "region") this.region(eqn, i);
      else if ((eqn.op.kind === "opaque" || eqn.op.kind === "view") && eqn.op.writes) this.#write(eqn, i);
      else if (this.size(out) === 1) this.bound.roots.set(out, this.scalar(out));
      else if (this.#readers(out) > 1 && eqn.op.kind !== "view") this.#materialise(out);
    });
    return this;
  }

  /** Elements that a lane has of it. */
  size(x: Atom): number {
    return sizeOf(this.#ownShape(x));
  }

  /** A value of which the lane has one element. */
  scalar(x: Atom): Scalar {
    return this.lowering.value(x, this.at(x, this.#b.u32(0)));
  }

  /** The lane's element `j` of it. */
  element(x: Atom, j: Scalar): Scalar {
    return this.lowering.value(x, this.at(x, j));
  }

  /** Element `j` of what the lane has of it, as a position in the whole array. */
  at(x: Atom, j: Scalar): Position {
    const { shape } = x.aval;
    if (shape.length === 0) return Position.at(this.#b, [], []);
    const own = Position.atLinear(this.#b, this.#ownShape(x), j).coords;
    return Position.at(this.#b, shape, [...this.lane.coords, ...own]);
  }

  /** Calls `each` for 0 … size − 1. */
  repeat(size: number, each: (j: Scalar) => void): void {
    const b = this.#b;
    if (size <= UNROLLED) {
      for (let j = 0; j < size; j++) each(b.u32(j));
      return;
    }
    b.loop(b.u32(size), [], (j) => {
      each(j);
      return [];
    });
  }

  /** Runs a region; of its results all those, or the `wanted` ones. */
  region(eqn: Eqn, i: number, wanted: readonly number[] = eqn.outputs.map((_, k) => k), stack?: Stack): void {
    const { op } = eqn;
    if (op.kind !== "region") throw new InternalError(`lower: ${op.name} holds no Graphs`);
    if (op.form === "switch") this.#switch(eqn, i, wanted);
    else if (op.form === "while") this.#while(eqn, i, wanted);
    else if (op.form === "scan") this.#scan(eqn, i, wanted, stack);
    else throw new InternalError(`lower: ${op.name} was not put in place`);
  }

  /** The arrays on the right get the values on the left, all at once. */
  assign(pairs: readonly (readonly [value: Atom, to: Scalar])[]): void {
    let open = pairs.filter(([x, to]) => this.#arrayOf(x) !== to);
    while (open.length > 0) {
      const isFree = (pair: readonly [Atom, Scalar]): boolean =>
        open.every((other) => other === pair || !this.#deps(other[0]).has(pair[1])) && this.#isInPlace(...pair);
      const next = open.find(isFree);
      if (!next) {
        // each of them is read by another one: the first steps aside
        const stuck = open.find(([x]) => x.kind === "var" && !this.#isTemporary(x, pairs)) ?? open[0]!;
        const [x] = stuck;
        if (x.kind !== "var") throw new InternalError("lower: a constant depends on an array");
        this.bound.arrays.set(x, this.#copy(x));
        continue;
      }
      const [x, to] = next;
      this.repeat(this.size(x), (j) => void this.#b.set(to, j, this.element(x, j)));
      open = open.filter((pair) => pair !== next);
    }
  }

  #isTemporary(x: Atom, pairs: readonly (readonly [Atom, Scalar])[]): boolean {
    const array = this.#arrayOf(x);
    return array !== undefined && !pairs.some(([, to]) => to === array);
  }

  #ownShape(x: Atom): readonly number[] {
    return x.aval.shape.slice(this.lane.coords.length);
  }

  #arrayOf(x: Atom): Scalar | undefined {
    return x.kind === "var" ? this.bound.arrays.get(x) : undefined;
  }

  #readers(v: Var): number {
    const reads = this.graph.eqns.filter((eqn) => eqn.inputs.includes(v)).length;
    return reads + (this.graph.outputs.includes(v) ? 1 : 0);
  }

  /** Arrays that are read when x is computed. */
  #deps(x: Atom, found: Set<Scalar> = new Set(), seen: Set<Atom> = new Set()): Set<Scalar> {
    if (x.kind === "literal" || seen.has(x)) return found;
    seen.add(x);
    const array = this.bound.arrays.get(x);
    if (array) found.add(array);
    else if (!this.bound.roots.has(x) && !this.bound.outside.has(x))
      for (const y of this.#producer.get(x)?.inputs ?? []) this.#deps(y, found, seen);
    return found;
  }

  /** Arrays that equations behind number i read, or outputs: not by way of its own results, which will be there then. */
  #after(i: number): Set<Scalar> {
    const found = new Set<Scalar>();
    const seen = new Set<Atom>(this.graph.eqns[i]?.outputs);
    for (const eqn of this.graph.eqns.slice(i + 1)) for (const x of eqn.inputs) this.#deps(x, found, seen);
    for (const x of this.graph.outputs) this.#deps(x, found, seen);
    return found;
  }

  /** Element j of x reads no other element of `array` than its element j. */
  #isInPlace(x: Atom, array: Scalar): boolean {
    if (!this.#deps(x).has(array)) return true;
    if (this.#arrayOf(x) === array) return true;
    const { op, inputs } = this.#producer.get(x as Var)!;
    const reads = op.kind === "elementwise" || (op.kind === "view" && op.keepsOrder);
    return Boolean(reads) && inputs.every((y) => this.#isInPlace(y, array));
  }

  /** An array of the lane's own that holds x. */
  #materialise(x: Var): Scalar {
    const known = this.bound.arrays.get(x);
    if (known) return known;
    const made = this.#copy(x);
    this.bound.arrays.set(x, made);
    return made;
  }

  #copy(x: Atom): Scalar {
    const array = this.#b.array(this.size(x), x.aval.dtype);
    this.repeat(this.size(x), (j) => void this.#b.set(array, j, this.element(x, j)));
    this.owned.add(array);
    return array;
  }

  /** The array of operand k when equation i is the last to read it, and may write over it. */
  #consumable({ inputs }: Eqn, k: number, after: ReadonlySet<Scalar>): Scalar | undefined {
    const array = this.#arrayOf(inputs[k]!);
    const free = array && this.owned.has(array) && !after.has(array);
    return free && inputs.every((x, m) => m === k || !this.#deps(x).has(array)) ? array : undefined;
  }

  /** Operand 0 with elements written over. */
  #write(eqn: Eqn, i: number): void {
    const b = this.#b;
    const { op, inputs, params } = eqn;
    const [x, update] = inputs as [Atom, Atom];
    const source = this.#arrayOf(x);
    for (const y of inputs.slice(1)) {
      const isLazy = y.kind === "var" && source && !this.#arrayOf(y) && this.#deps(y).has(source);
      if (isLazy) this.#materialise(y);
    }
    const own = this.#consumable(eqn, 0, this.#after(i));
    const to = own ?? this.#copy(x);
    if (op.kind !== "opaque" && op.kind !== "view") throw new InternalError(`lower: ${op.name} writes nothing`);
    const types = inputs.map((y) => y.aval);
    this.repeat(this.size(update), (j) => {
      const read = (k: number, at: Position): Scalar => this.lowering.value(inputs[k]!, at);
      const { at, inside, value } = op.writes!(b, this.at(update, j), read, types, params);
      const offset = Position.at(b, this.#ownShape(x), at.coords.slice(this.lane.coords.length)).linear;
      const old = b.get(to, offset);
      const written = value(old);
      b.set(to, offset, inside ? b.select(inside, written, old) : written);
    });
    this.#hold(eqn.outputs[0]!, to, x);
  }

  /** `array` holds v from now on, and what x was no more. */
  #hold(v: Var, array: Scalar, x?: Atom): void {
    if (x?.kind === "var" && this.bound.arrays.get(x) === array) this.bound.arrays.delete(x);
    this.bound.arrays.set(v, array);
    this.owned.add(array);
  }

  /** Operands that a Graph reads as arrays are made before it runs, not in each turn or branch. */
  #prepare(operands: readonly Atom[]): void {
    for (const x of operands)
      if (x.kind === "var" && this.lane.form.vars.has(x) && this.size(x) > 1) this.#materialise(x);
  }

  /** Operands as the inputs of a Graph. */
  #bind(inputs: readonly Var[], operands: readonly Atom[]): Bindings {
    const bound: Bindings = { roots: new Map(), arrays: new Map(), outside: new Map() };
    inputs.forEach((v, k) => {
      const x = operands[k]!;
      if (x.kind === "literal" || !this.lane.form.vars.has(x)) {
        bound.outside.set(v, (at) => this.lowering.value(x, at));
      } else if (this.size(x) === 1 && !this.bound.arrays.has(x)) bound.roots.set(v, this.scalar(x));
      else bound.arrays.set(v, this.#materialise(x));
    });
    return bound;
  }

  /** An array for operand k to be carried in: its own where nobody else needs it, else a copy. */
  #carriedIn(eqn: Eqn, k: number, after: ReadonlySet<Scalar>): Scalar {
    return this.#consumable(eqn, k, after) ?? this.#copy(eqn.inputs[k]!);
  }

  #isArray(v: Var): boolean {
    return this.lane.form.vars.has(v) && this.size(v) > 1;
  }

  /** What loops have in common: the carry in arrays and in numbers, and a frame for a Graph of it. */
  #carry(eqn: Eqn, i: number, first: number, carried: readonly number[]) {
    this.#prepare(eqn.inputs.slice(0, first));
    const after = this.#after(i);
    const arrays = carried.filter((k) => this.#isArray(eqn.outputs[k]!));
    const numbers = carried.filter((k) => !arrays.includes(k));
    const to = arrays.map((k) => this.#carriedIn(eqn, first + k, after));
    const init = numbers.map((k) => this.scalar(eqn.inputs[first + k]!));
    const frame = (graph: Graph, state: readonly Scalar[], owned: readonly Scalar[]): Frame => {
      const bound = this.#bind(graph.inputs.slice(0, first), eqn.inputs);
      arrays.forEach((k, n) => void bound.arrays.set(graph.inputs[first + k]!, to[n]!));
      numbers.forEach((k, n) => void bound.roots.set(graph.inputs[first + k]!, state[n]!));
      return new Frame(this.lane, graph, bound, new Set(owned));
    };
    /** The numbers behind a turn, once the arrays hold theirs. */
    const next = (turn: Frame): Scalar[] => {
      const results = numbers.map((k) => turn.scalar(turn.graph.outputs[k]!));
      turn.assign(arrays.map((k, n) => [turn.graph.outputs[k]!, to[n]!]));
      return results;
    };
    const finish = (last: readonly Scalar[]): void => {
      numbers.forEach((k, n) => void this.bound.roots.set(eqn.outputs[k]!, last[n]!));
      arrays.forEach((k, n) => void this.#hold(eqn.outputs[k]!, to[n]!, eqn.inputs[first + k]!));
    };
    return { to, init, frame, next, finish };
  }

  #while(eqn: Eqn, i: number, wanted: readonly number[]): void {
    const { cond, body, consts } = eqn.params as WhileParams;
    const carried = carryBehind(body, cond, consts, eqn.outputs.length, wanted);
    const { to, init, frame, next, finish } = this.#carry(eqn, i, consts, carried);
    finish(
      this.#b.while(
        init,
        (state) => frame(cond, state, []).run().scalar(cond.outputs[0]!),
        (state) => next(frame(body, state, to).run()),
      ),
    );
  }

  #scan(eqn: Eqn, i: number, wanted: readonly number[], stack?: Stack): void {
    const b = this.#b;
    const { body, length, reverse, consts, carry } = eqn.params as ScanParams;
    const carried = carryBehind(body, undefined, consts, carry, wanted);
    const { to, init, frame, next, finish } = this.#carry(eqn, i, consts, carried);
    const last = b.loop(
      b.u32(length),
      init,
      (n, state) => {
        const turn = reverse ? b.sub(b.u32(length - 1), n) : n;
        const own = frame(body, state, to);
        eqn.inputs.slice(consts + carry).forEach((x, k) => {
          own.bound.outside.set(body.inputs[consts + carry + k]!, (at) =>
            this.lowering.value(x, Position.at(b, x.aval.shape, [turn, ...at.coords])),
          );
        });
        own.run();
        for (const k of wanted) if (k >= carry) stack!(k, turn, own, body.outputs[k]!);
        return next(own);
      },
      true,
    );
    finish(last);
  }

  #switch(eqn: Eqn, i: number, wanted: readonly number[]): void {
    const b = this.#b;
    const { branches } = eqn.params as SwitchParams;
    const [index, ...operands] = eqn.inputs as [Atom, ...Atom[]];
    const last = branches.length - 1;
    const which = b.max(b.min(this.scalar(index), b.i32(last)), b.i32(0));
    this.#prepare(operands);
    const after = this.#after(i);
    const free = new Map<number, Scalar>();
    operands.forEach((_, k) => {
      const array = this.#consumable(eqn, k + 1, after);
      if (array) free.set(k, array);
    });
    const arrays = wanted.filter((k) => this.#isArray(eqn.outputs[k]!));
    const numbers = wanted.filter((k) => !arrays.includes(k));
    const used = new Set<Scalar>();
    const to = arrays.map((k) => {
      const v = eqn.outputs[k]!;
      const source = branches.map((graph) => startOf(graph, k)).find((at) => at >= 0 && free.has(at));
      const own = source === undefined ? undefined : free.get(source)!;
      const fits = own && !used.has(own) && own.value === this.size(v) && own.type === v.aval.dtype;
      const array = fits ? own : b.array(this.size(v), v.aval.dtype);
      used.add(array);
      return array;
    });
    const branch = (n: number): Scalar[] => {
      const graph = branches[n]!;
      const turn = new Frame(this.lane, graph, this.#bind(graph.inputs, operands), new Set(free.values())).run();
      const results = numbers.map((k) => turn.scalar(graph.outputs[k]!));
      turn.assign(arrays.map((k, m) => [graph.outputs[k]!, to[m]!]));
      return results;
    };
    const from = (n: number): Scalar[] =>
      n === last
        ? branch(n)
        : b.branch(
            b.eq(which, b.i32(n)),
            () => branch(n),
            () => from(n + 1),
          );
    const results = from(0);
    numbers.forEach((k, n) => void this.bound.roots.set(eqn.outputs[k]!, results[n]!));
    for (const [k] of free) if (operands[k]!.kind === "var") this.bound.arrays.delete(operands[k] as Var);
    arrays.forEach((k, n) => void this.#hold(eqn.outputs[k]!, to[n]!));
  }
}

/** The input that output k of a Graph is, or is made of by writing elements over; −1 for others. */
function startOf(graph: Graph, k: number): number {
  let x = graph.outputs[k]!;
  for (;;) {
    const at = graph.inputs.indexOf(x as Var);
    if (at >= 0) return at;
    const eqn = graph.eqns.find(({ outputs }) => outputs.includes(x as Var));
    if (!eqn || (eqn.op.kind !== "opaque" && eqn.op.kind !== "view") || !eqn.op.writes) return -1;
    x = eqn.inputs[0]!;
  }
}

/** The outermost frame: the equations before the region are computed wherever they are needed. */
export const outerFrame = (lane: Lane, lowering: Lowering, outside: Outside = new Map()): Frame =>
  new Frame(
    lane,
    { eqns: [], outputs: [] },
    { roots: new Map(), arrays: new Map(), outside: new Map(outside) },
    new Set(),
    lowering,
  );
