// Equations of one kernel to scalar code: each value is computed where it is needed, at the position it is needed.
import { InternalError } from "../core/errors.js";
import { sizeOf } from "../core/shape.js";
import type { Atom, Eqn, Var } from "../ir/graph.js";
import type { FusedKernel } from "../ir/kernel.js";
import type { ReduceParams } from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";

/** Sums of at most so many terms are written out; longer ones loop. */
const UNROLLED_TERMS = 4;

/** Builds values of one kernel. Buffers are named by the position of a variable in `loads`. */
export class Lowering {
  readonly #producer = new Map<Var, Eqn>();
  readonly #slots = new Map<Var, number>();
  readonly #ids = new Map<Var, number>();

  constructor(
    readonly b: ScalarBuilder,
    readonly kernel: FusedKernel,
    /** Results of the kernel's roots at the position of the result, once they are known. */
    readonly roots: ReadonlyMap<Var, Scalar> = new Map(),
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
      at = at.reshaped(x.aval.shape);
    }
    if (x.kind === "literal") return b.const(x.value, x.aval.dtype);
    const root = this.roots.get(x);
    if (root) return root;
    const slot = this.#slots.get(x);
    if (slot !== undefined) return b.load(slot, at.linear, x.aval.dtype);
    const key = `value ${this.#id(x)} ${at.linear.id}`;
    return b.recall<Scalar>(key) ?? b.remember(key, this.#compute(x, at));
  }

  /** Neither known as a root's result nor read from memory. */
  #isComputed(v: Var): boolean {
    return !this.roots.has(v) && !this.#slots.has(v) && this.#producer.has(v);
  }

  #id(v: Var): number {
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
    const { op, params } = eqn;
    const avals = eqn.inputs.map((x) => x.aval);
    switch (op.kind) {
      case "elementwise":
        return op.scalar(
          this.b,
          eqn.inputs.map((x) => this.value(x, at)),
          params,
        );
      case "view":
        return op.read(this.b, at, (k, position) => this.value(eqn.inputs[k]!, position), avals, params);
      case "reduction":
      case "contraction":
        return this.#fold(eqn, at);
      case "opaque":
      case "region":
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
      const [batch, m, n] = Position.atLinear(b, [g.batch, g.m, g.n], at.linear).coords as [Scalar, Scalar, Scalar];
      this.#element = (k) => [
        b.mul(lowering.value(x, g.lhs(b, batch, m, k)), lowering.value(y, g.rhs(b, batch, k, n))),
      ];
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
    return op.kind === "reduction" ? op.finish(this.lowering.b, state) : state[0]!;
  }
}
