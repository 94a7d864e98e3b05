// Equations of one kernel to scalar code: each value is computed where it is needed, at the position it is needed.
import { InternalError } from "../core/errors.js";
import { type Shape, sameShape, sizeOf } from "../core/shape.js";
import type { Atom, Eqn, Graph, Var } from "../ir/graph.js";
import type { Place, ReduceParams, ScanParams, SwitchParams, WhileParams } from "../ir/op.js";
import { Position } from "../ir/position.js";
import { carryBehind, isStacked } from "../ir/region.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";

/** Sums of at most so many terms are written out; longer ones loop. */
const UNROLLED_TERMS = 4;

let lowerings = 0;

/** What a Lowering computes and from which arrays: a kernel, or a Graph inside of one. */
export interface Source {
  readonly name: string;
  readonly eqns: readonly Eqn[];
  readonly loads: readonly Var[];
}

/** The value of a variable at a position, where another Lowering computes it. */
export type Outside = ReadonlyMap<Var, (at: Position) => Scalar>;

/** Arrays that only one lane sees. */
export interface LocalArrays {
  /** So many leading axes of every value are those of lanes; a position has the lane's coordinates there. */
  readonly rank: number;
  /** What each of them holds: the elements that the lane has of the variable. */
  readonly arrays: ReadonlyMap<Var, Scalar>;
}

/** Builds values of one kernel. Buffers are named by the position of a variable in `loads`. */
export class Lowering {
  readonly #producer = new Map<Var, Eqn>();
  readonly #slots = new Map<Var, number>();
  readonly #ids = new Map<Var | Eqn, number>();
  readonly #number = lowerings++;

  constructor(
    readonly b: ScalarBuilder,
    readonly kernel: Source,
    /** Results of the kernel's roots at the position of the result, once they are known. */
    readonly roots: ReadonlyMap<Var, Scalar> = new Map(),
    readonly outside: Outside = new Map(),
    readonly local?: LocalArrays,
  ) {
    for (const eqn of kernel.eqns) for (const v of eqn.outputs) this.#producer.set(v, eqn);
    kernel.loads.forEach((v, slot) => void this.#slots.set(v, slot));
  }

  /** Value of `x` at `at`. */
  value(x: Atom, at: Position): Scalar {
    const { b } = this;
    // views that keep the order cost nothing, so that there may be thousands in a row: too many to recurse into
    while (x.kind === "var" && this.#isComputed(x)) {
      const { op, inputs } = this.#producer.get(x)!;
      if (op.kind !== "view" || !op.keepsOrder) break;
      x = inputs[0]!;
      at = this.#reshaped(at, x.aval.shape);
    }
    if (x.kind === "literal") return b.const(x.value, x.aval.dtype);
    const root = this.roots.get(x);
    if (root) return root;
    const array = this.local?.arrays.get(x);
    if (array) return b.get(array, this.#inLane(at).linear);
    const outside = this.outside.get(x);
    if (outside) return outside(at);
    const slot = this.#slots.get(x);
    if (slot !== undefined) return b.load(slot, at.linear, x.aval.dtype);
    const key = `value ${this.#number}.${this.#id(x)} ${at.linear.id}`;
    return b.recall<Scalar>(key) ?? b.remember(key, this.#compute(x, at));
  }

  /** Value of `x` at a place, or 0. */
  valueIn(x: Atom, { at, inside }: Place): Scalar {
    const zero = this.b.const(0, x.aval.dtype);
    if (!inside) return this.value(x, at);
    // an array without elements has no place to read at
    return sizeOf(x.aval.shape) === 0 ? zero : this.b.select(inside, this.value(x, at), zero);
  }

  /** Neither known as a root's result nor read from memory. */
  #isComputed(v: Var): boolean {
    const isKnown = this.roots.has(v) || this.local?.arrays.has(v) || this.outside.has(v) || this.#slots.has(v);
    return !isKnown && this.#producer.has(v);
  }

  /** The position among the elements of a lane. */
  #inLane(at: Position): Position {
    const { rank } = this.local!;
    return Position.at(this.b, at.shape.slice(rank), at.coords.slice(rank));
  }

  /** The same element under another shape; a lane stays where it is. */
  #reshaped(at: Position, shape: Shape): Position {
    const rank = this.local?.rank ?? 0;
    const isLanes = rank > 0 && at.shape.length >= rank && shape.length >= rank;
    if (!isLanes || !sameShape(at.shape.slice(0, rank), shape.slice(0, rank))) return at.reshaped(shape);
    const own = this.#inLane(at).reshaped(shape.slice(rank));
    return Position.at(this.b, shape, [...at.coords.slice(0, rank), ...own.coords]);
  }

  #id(v: Var | Eqn): number {
    let id = this.#ids.get(v);
    if (id === undefined) {
      id = this.#ids.size;
      this.#ids.set(v, id);
    }
    return id;
  }

  #compute(v: Var, at: Position): Scalar {
    const eqn = this.#producer.get(v);
    if (!eqn) throw new InternalError(`lower: a value of ${this.kernel.name} is neither computed nor loaded`);
    const { b } = this;
    const { op, params } = eqn;
    const avals = eqn.inputs.map((x) => x.aval);
    switch (op.kind) {
      case "elementwise":
        return op.scalar(
          b,
          eqn.inputs.map((x) => this.value(x, at)),
          params,
        );
      case "view":
        return op.read(b, at, (k, position) => this.value(eqn.inputs[k]!, position), avals, params);
      case "reduction":
      case "contraction":
        return this.#fold(eqn, at);
      case "region": {
        // all results at once, for whichever is asked for first
        const key = `region ${this.#number}.${this.#id(eqn)} ${at.linear.id}`;
        const results = b.recall<Results>(key) ?? b.remember(key, lowerRegion(this, eqn, at));
        return results[eqn.outputs.indexOf(v)]!;
      }
      case "opaque":
        throw new InternalError(`lower: ${op.name} is computed by dispatches of its own`);
      case "collective":
        throw new InternalError(`lower: no vmap took ${op.name} out`);
    }
  }

  /** A short sum, where its result is needed. */
  #fold(eqn: Eqn, at: Position): Scalar {
    const { b } = this;
    const terms = new Terms(this, eqn, at);
    if (terms.count <= UNROLLED_TERMS && terms.count > 0) {
      let state = terms.element(b.u32(0));
      for (let i = 1; i < terms.count; i++) state = terms.combine(state, terms.element(b.u32(i)));
      return terms.finish(state);
    }
    return terms.finish(b.loop(b.u32(terms.count), terms.init(), (i, state) => terms.combine(state, terms.element(i))));
  }
}

type Results = readonly (Scalar | undefined)[];

/** Takes the entry of result `k` that a turn of a scan gives. */
type Stack = (k: number, turn: Scalar, entry: Scalar) => void;

/**
 * Results of a region for one lane: those whose shape has as many elements as that of `at`, or those in `wanted`. Entries
 * of stacked results go to `stack`.
 */
export function lowerRegion(
  outer: Lowering,
  eqn: Eqn,
  at: Position,
  wanted?: readonly number[],
  stack?: Stack,
): Results {
  const size = sizeOf(at.shape);
  const all = eqn.outputs.map((_, k) => k);
  const own = wanted ?? all.filter((k) => !isStacked(eqn, k) && sizeOf(eqn.outputs[k]!.aval.shape) === size);
  const lane = new Lane(outer, eqn, at);
  if (eqn.op.kind !== "region") throw new InternalError(`lower: ${eqn.op.name} holds no Graphs`);
  switch (eqn.op.form) {
    case "switch":
      return lane.switch(eqn.params as SwitchParams, own);
    case "while":
      return lane.while(eqn.params as WhileParams, own);
    case "scan":
      return lane.scan(eqn.params as ScanParams, own, stack);
    case "call":
      throw new InternalError(`lower: ${eqn.op.name} was not put in place`);
  }
}

/** A region in one lane. Operands are read wherever they are needed; what is carried is known for this lane. */
class Lane {
  readonly b: ScalarBuilder;

  constructor(
    readonly outer: Lowering,
    readonly eqn: Eqn,
    readonly at: Position,
  ) {
    this.b = outer.b;
  }

  switch({ branches, lanes }: SwitchParams, wanted: readonly number[]): Results {
    const { b, eqn } = this;
    const [index, ...operands] = eqn.inputs as [Atom, ...Atom[]];
    const last = branches.length - 1;
    const { coords } = this.at.reshaped(eqn.outputs[wanted[0]!]!.aval.shape);
    const own = this.outer.value(index, Position.at(b, index.aval.shape, coords.slice(0, lanes)));
    const which = b.max(b.min(own, b.i32(last)), b.i32(0));
    const branch = (k: number): Scalar[] => {
      const graph = branches[k]!;
      return this.#results(graph, new Map(), this.#read(graph.inputs, operands), wanted);
    };
    const from = (k: number): Scalar[] =>
      k === last
        ? branch(k)
        : b.branch(
            b.eq(which, b.i32(k)),
            () => branch(k),
            () => from(k + 1),
          );
    return spread(from(0), wanted, eqn.outputs.length);
  }

  while({ cond, body, consts }: WhileParams, wanted: readonly number[]): Results {
    const carry = this.eqn.outputs.length;
    const carried = carryBehind(body, cond, consts, carry, wanted);
    const values = (graph: Graph, state: readonly Scalar[], results: readonly number[]): Scalar[] =>
      this.#results(graph, this.#state(graph, consts, carried, state), this.#consts(graph, consts), results);
    const last = this.b.while(
      this.#init(consts, carried),
      (state) => values(cond, state, [0])[0]!,
      (state) => values(body, state, carried),
    );
    return spread(last, carried, carry);
  }

  scan({ body, length, reverse, consts, carry }: ScanParams, wanted: readonly number[], stack?: Stack): Results {
    const { b, eqn } = this;
    const carried = carryBehind(body, undefined, consts, carry, wanted);
    const stacked = wanted.filter((k) => k >= carry);
    const arrays = eqn.inputs.slice(consts + carry);
    const last = b.loop(
      b.u32(length),
      this.#init(consts, carried),
      (i, state) => {
        const turn = reverse ? b.sub(b.u32(length - 1), i) : i;
        const outside = new Map(this.#consts(body, consts));
        arrays.forEach((x, k) => {
          outside.set(body.inputs[consts + carry + k]!, (at) =>
            this.outer.value(x, Position.at(b, x.aval.shape, [turn, ...at.coords])),
          );
        });
        const roots = this.#state(body, consts, carried, state);
        const results = this.#results(body, roots, outside, [...carried, ...stacked]);
        stacked.forEach((k, s) => void stack!(k, turn, results[carried.length + s]!));
        return results.slice(0, carried.length);
      },
      true,
    );
    return spread(last, carried, eqn.outputs.length);
  }

  /** First values of what is carried. */
  #init(consts: number, carried: readonly number[]): Scalar[] {
    return carried.map((k) => {
      const x = this.eqn.inputs[consts + k]!;
      return this.outer.value(x, this.#here(x));
    });
  }

  /** The carried values as inputs of a Graph. */
  #state(graph: Graph, consts: number, carried: readonly number[], state: readonly Scalar[]): Map<Var, Scalar> {
    return new Map(carried.map((k, i) => [graph.inputs[consts + k]!, state[i]!]));
  }

  #consts(graph: Graph, consts: number): Outside {
    return this.#read(graph.inputs.slice(0, consts), this.eqn.inputs);
  }

  #read(inputs: readonly Var[], operands: readonly Atom[]): Outside {
    return new Map(inputs.map((v, i) => [v, (at: Position) => this.outer.value(operands[i]!, at)]));
  }

  #results(graph: Graph, roots: ReadonlyMap<Var, Scalar>, outside: Outside, wanted: readonly number[]): Scalar[] {
    const source: Source = { name: this.outer.kernel.name, eqns: graph.eqns, loads: [] };
    const inner = new Lowering(this.b, source, roots, outside);
    return wanted.map((k) => inner.value(graph.outputs[k]!, this.#here(graph.outputs[k]!)));
  }

  /** The element of the lane; scalars have only one. */
  #here({ aval: { shape } }: Atom): Position {
    return shape.length === 0 ? Position.at(this.b, [], []) : this.at.reshaped(shape);
  }
}

function spread(values: readonly Scalar[], places: readonly number[], length: number): Results {
  const results = new Array<Scalar | undefined>(length).fill(undefined);
  places.forEach((k, i) => {
    results[k] = values[i];
  });
  return results;
}

/** The terms that one element of a reduction or contraction is folded from. */
export class Terms {
  readonly count: number;
  readonly #element: (i: Scalar) => readonly Scalar[];

  constructor(
    readonly lowering: Lowering,
    readonly eqn: Eqn,
    at: Position,
  ) {
    const { b } = lowering;
    const { op, params } = eqn;
    const [x, y] = eqn.inputs as [Atom, Atom];
    if (op.kind === "reduction") {
      const { axes } = params as ReduceParams;
      const folded = axes.map((axis) => x.aval.shape[axis]!);
      this.count = sizeOf(folded);
      this.#element = (i) => {
        const inner = Position.atLinear(b, folded, i).coords;
        let kept = 0;
        const coords = x.aval.shape.map((_, axis) => {
          const k = axes.indexOf(axis);
          return k >= 0 ? inner[k]! : at.coords[kept++]!;
        });
        return op.element(b, lowering.value(x, Position.at(b, x.aval.shape, coords)), i);
      };
    } else if (op.kind === "contraction") {
      const g = op.gemm(x.aval, y.aval, params);
      this.count = g.k;
      const cell = g.result?.of(b, at) ?? Position.atLinear(b, [g.batch, g.m, g.n], at.linear).coords;
      const [batch, m, n] = cell as [Scalar, Scalar, Scalar];
      this.#element = (k) => {
        const [left, right] = [g.left(b, batch, m, k), g.right(b, batch, k, n)];
        const [atX, atY] = g.swapped ? [right, left] : [left, right];
        return [b.mul(lowering.valueIn(x, atX), lowering.valueIn(y, atY))];
      };
    } else throw new InternalError(`lower: ${op.name} folds nothing`);
  }

  element(i: Scalar): readonly Scalar[] {
    return this.#element(i);
  }

  init(): readonly Scalar[] {
    const { op } = this.eqn;
    const dtype = this.eqn.inputs[0]!.aval.dtype;
    return op.kind === "reduction" ? op.init(this.lowering.b, dtype) : [this.lowering.b.const(0, dtype)];
  }

  combine(earlier: readonly Scalar[], later: readonly Scalar[]): readonly Scalar[] {
    const { op } = this.eqn;
    const { b } = this.lowering;
    return op.kind === "reduction" ? op.combine(b, earlier, later) : [b.add(earlier[0]!, later[0]!)];
  }

  finish(state: readonly Scalar[]): Scalar {
    const { op } = this.eqn;
    const { b } = this.lowering;
    return op.kind === "reduction" ? op.finish(b, state) : b.unsignedZero(state[0]!);
  }
}
