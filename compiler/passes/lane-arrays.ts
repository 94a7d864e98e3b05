// Regions in which each lane keeps small arrays of its own: whether all that differs from lane to lane stays in its lane.
import { type Aval, showAval } from "../core/aval.js";
import { type Shape, sameShape, showShape, sizeOf } from "../core/shape.js";
import { type Atom, type Eqn, type Graph, regionsOf, type Var } from "../ir/graph.js";
import type { LaneForm } from "../ir/kernel.js";
import type { ReduceParams, ScanParams, SwitchParams, WhileParams } from "../ir/op.js";
import { Position } from "../ir/position.js";
import { ScalarBuilder } from "../ir/scalar.js";
import { foldsMuch } from "./cost.js";

/** Elements of one array of a lane at most: each of them may be moved in every turn. */
const MAX_OWN = 256;

/** The same for a loop without lanes: one invocation does what a dispatch in each turn would do side by side. */
const MAX_ALONE = 64;

/** Elements of all arrays of a lane at most: WGSL allows 8192 bytes for variables of functions, and numbers need some. */
const MAX_ALL = 1792;

/** Why a region is not local to a lane, and the equation that it fails at. */
export class Mixed {
  constructor(
    readonly why: string,
    readonly eqn?: Eqn,
  ) {}
}

/** The lanes of a region that stands in no other, or what speaks against them. */
export function laneFormOf(eqn: Eqn): LaneForm | Mixed {
  let last: Mixed | undefined;
  for (const shape of laneShapes(eqn)) {
    const search = new Search(shape);
    const found = search.region(eqn, new Set(), true);
    if (!(found instanceof Mixed) && search.pays(eqn)) return search.form(eqn, found);
    last =
      found instanceof Mixed
        ? found
        : new Mixed(`${sizeOf(shape)} lanes would compute one after the other what can be computed side by side`);
  }
  return last ?? new Mixed("no leading axes are common to all that it carries");
}

/** Shapes that the lanes may have, the largest first: the leading axes of what is carried. */
function laneShapes(eqn: Eqn): Shape[] {
  const { op, params, inputs } = eqn;
  if (op.kind !== "region" || op.form === "call") return [];
  if (op.form === "switch") {
    const { lanes } = params as SwitchParams;
    return lanes > 0 ? [inputs[0]!.aval.shape] : [];
  }
  const { consts } = params as WhileParams | ScanParams;
  const end = op.form === "scan" ? consts + (params as ScanParams).carry : inputs.length;
  const shapes = inputs.slice(consts, end).flatMap(({ aval: { shape } }) => (shape.length > 0 ? [shape] : []));
  const [most = [], ...others] = shapes;
  let common = most.length;
  for (const shape of others) while (!sameShape(shape.slice(0, common), most.slice(0, common))) common--;
  if (op.form === "while" && (params as WhileParams).lanes > 0) {
    const { lanes } = params as WhileParams;
    return lanes <= common ? [most.slice(0, lanes)] : [];
  }
  const all = Array.from({ length: common }, (_, k) => most.slice(0, common - k));
  return writesElements(params) ? [...all, []] : all;
}

/** Its Graphs write single elements over, as a program for one lane does. */
const writesElements = (params: object): boolean =>
  regionsOf(params).some(({ graph }) =>
    graph.eqns.some(
      (eqn) => ((eqn.op.kind === "view" || eqn.op.kind === "opaque") && eqn.op.writes) || writesElements(eqn.params),
    ),
  );

/** Follows what differs from lane to lane through a region and the Graphs in it. */
class Search {
  readonly #vars = new Set<Var>();
  readonly #readers = new Map<Atom, number>();
  #elements = 0;
  #most = 1;

  constructor(readonly shape: Shape) {}

  /**
   * Lanes that go the same way can be computed by a dispatch in each turn, element by element. That is faster for few
   * lanes with long arrays, unless a turn writes but an element.
   */
  pays({ params }: Eqn): boolean {
    return (params as WhileParams).lanes > 0 || writesElements(params) || this.#most <= Math.max(4, sizeOf(this.shape));
  }

  /** With the results of the region itself, of which `flags` differ from lane to lane. */
  form(eqn: Eqn, flags: readonly boolean[]): LaneForm {
    eqn.outputs.forEach((v, k) => void (flags[k] && this.#vars.add(v)));
    return { shape: this.shape, vars: this.#vars };
  }

  /** Which results differ from lane to lane. */
  region(eqn: Eqn, lane: ReadonlySet<Atom>, isRoot: boolean): boolean[] | Mixed {
    const { op, params, inputs } = eqn;
    if (op.kind !== "region") return new Mixed(`${op.name} holds no graphs`, eqn);
    const { lanes } = params as SwitchParams | WhileParams;
    if (lanes > 0 && lanes !== this.shape.length)
      return new Mixed(`its lanes part along ${lanes} axes, those around it along ${this.shape.length}`, eqn);
    switch (op.form) {
      case "call":
        return new Mixed("a call was not put in place", eqn);
      case "switch":
        return this.#switch(eqn, inputs, lane, isRoot);
      case "while":
        return this.#while(eqn, lane, isRoot);
      case "scan":
        return this.#scan(eqn, lane, isRoot);
    }
  }

  #switch(
    eqn: Eqn,
    [index, ...operands]: readonly Atom[],
    lane: ReadonlySet<Atom>,
    isRoot: boolean,
  ): boolean[] | Mixed {
    const { branches, lanes } = eqn.params as SwitchParams;
    if (lanes < this.shape.length && lane.has(index!))
      return new Mixed("the branch is chosen by a value of one lane", eqn);
    let flags = eqn.outputs.map(() => lanes > 0 || lane.has(index!));
    for (const branch of branches) {
      const found = this.graph(
        branch,
        branch.inputs.filter((_, k) => lane.has(operands[k]!)),
      ); // prettier-ignore
      if (found instanceof Mixed) return found;
      flags = flags.map((flag, k) => flag || found[k]!);
    }
    return this.#checkResults(eqn, flags, isRoot, 1 + branches.length);
  }

  #while(eqn: Eqn, lane: ReadonlySet<Atom>, isRoot: boolean): boolean[] | Mixed {
    const { cond, body, consts, lanes } = eqn.params as WhileParams;
    const found = this.#loop(eqn, body, consts, eqn.outputs.length, lane, lanes > 0);
    if (found instanceof Mixed) return found;
    const test = this.graph(cond, this.#inputsOf(cond, eqn, lane, consts, found));
    if (test instanceof Mixed) return test;
    if (lanes < this.shape.length && test[0]) return new Mixed("it goes on by a value of one lane", eqn);
    return this.#checkResults(eqn, found, isRoot, 2);
  }

  #scan(eqn: Eqn, lane: ReadonlySet<Atom>, isRoot: boolean): boolean[] | Mixed {
    const { body, consts, carry } = eqn.params as ScanParams;
    if (eqn.inputs.slice(consts + carry).some((x) => lane.has(x)))
      return new Mixed("it goes along an array that each lane keeps to itself", eqn);
    if (!isRoot && eqn.outputs.length > carry) return new Mixed("it stacks results inside of another loop", eqn);
    const found = this.#loop(eqn, body, consts, carry, lane, false);
    if (found instanceof Mixed) return found;
    return this.#checkResults(eqn, found, isRoot, 2);
  }

  /** Which results of the body differ from lane to lane, whatever the carry starts with. */
  #loop(
    eqn: Eqn,
    body: Graph,
    consts: number,
    carry: number,
    lane: ReadonlySet<Atom>,
    all: boolean,
  ): boolean[] | Mixed {
    const carried = eqn.inputs.slice(consts, consts + carry);
    let flags = carried.map((x) => all || lane.has(x) || this.#hasLanes(x.aval.shape));
    const before = this.#elements;
    for (;;) {
      this.#elements = before;
      const found = this.graph(body, this.#inputsOf(body, eqn, lane, consts, flags));
      if (found instanceof Mixed) return found;
      const grown = flags.map((flag, k) => flag || found[k]!);
      const done = grown.every((flag, k) => flag === flags[k]);
      flags = grown;
      if (!done) continue;
      return [...flags, ...found.slice(carry)];
    }
  }

  #inputsOf(graph: Graph, eqn: Eqn, lane: ReadonlySet<Atom>, consts: number, flags: readonly boolean[]): Var[] {
    return graph.inputs.filter((_, k) => (k < consts ? lane.has(eqn.inputs[k]!) : flags[k - consts]));
  }

  /** `copies`: how many arrays each result may take while the region runs. */
  #checkResults(eqn: Eqn, flags: readonly boolean[], isRoot: boolean, copies: number): boolean[] | Mixed {
    for (const [k, v] of eqn.outputs.entries()) {
      const stacked = this.#isStacked(eqn, k);
      const type = stacked ? { ...v.aval, shape: v.aval.shape.slice(1) } : v.aval;
      if (flags[k] && !this.#hasLanes(type.shape)) return this.#lost(eqn, type);
      if (!flags[k] && type.shape.length > 0)
        return new Mixed(`it ${stacked ? "stacks" : "gives"} ${showAval(type)}, which all lanes share`, eqn);
      const fault = flags[k] && !stacked ? this.#keep(eqn, type, copies) : undefined;
      if (fault) return fault;
    }
    if (isRoot && !flags.includes(true)) return new Mixed("nothing in it differs from lane to lane", eqn);
    return [...flags];
  }

  #isStacked({ op, params }: Eqn, k: number): boolean {
    return op.kind === "region" && op.form === "scan" && k >= (params as ScanParams).carry;
  }

  #lost(eqn: Eqn, type: Pick<Aval, "dtype" | "shape">): Mixed {
    return new Mixed(`${eqn.op.name} gives ${showAval(type)}, whose leading axes are not those of the lanes`, eqn);
  }

  #hasLanes = (shape: Shape): boolean => sameShape(shape.slice(0, this.shape.length), this.shape);

  /** Counts what a lane holds of such a value. */
  #keep(eqn: Eqn, { shape }: Pick<Aval, "shape">, copies: number): Mixed | undefined {
    const own = sizeOf(shape.slice(this.shape.length));
    if (own === 0) return new Mixed("it holds arrays without elements", eqn);
    if (own === 1) return undefined;
    const most = this.shape.length > 0 ? MAX_OWN : MAX_ALONE;
    if (own > most) return new Mixed(`a lane would hold an array of ${own} elements; ${most} are the most`, eqn);
    this.#elements += own * copies;
    this.#most = Math.max(this.#most, own);
    if (this.#elements <= MAX_ALL) return undefined;
    return new Mixed(`a lane would hold arrays of more than ${MAX_ALL} elements together`, eqn);
  }

  /** Which outputs differ from lane to lane when those inputs do. */
  graph(graph: Graph, inputs: readonly Var[]): boolean[] | Mixed {
    const lane = new Set<Atom>(inputs);
    for (const v of inputs) {
      if (!this.#hasLanes(v.aval.shape))
        return new Mixed(`${showAval(v.aval)} differs from lane to lane, but has not the lanes' axes first`);
      this.#vars.add(v);
    }
    for (const eqn of graph.eqns) for (const v of eqn.outputs) this.#readers.set(v, 0);
    for (const x of [...graph.eqns.flatMap((eqn) => [...new Set(eqn.inputs)]), ...new Set(graph.outputs)])
      this.#readers.set(x, (this.#readers.get(x) ?? 0) + 1);
    for (const eqn of graph.eqns) {
      const own = eqn.inputs.map((x) => lane.has(x));
      const flags = own.includes(true) || partsLanes(eqn) ? this.#eqn(eqn, own, lane) : this.#shared(eqn);
      if (flags instanceof Mixed) return flags;
      for (const [k, v] of eqn.outputs.entries()) {
        if (!flags[k]) continue;
        if (!this.#hasLanes(v.aval.shape)) return this.#lost(eqn, v.aval);
        lane.add(v);
        this.#vars.add(v);
      }
    }
    return graph.outputs.map((x) => lane.has(x));
  }

  /** An equation on what all lanes share. */
  #shared(eqn: Eqn): boolean[] | Mixed {
    const { op } = eqn;
    const flags = eqn.outputs.map(() => false);
    if (op.kind === "elementwise" || op.kind === "view") return flags;
    if (op.kind === "reduction" || op.kind === "contraction")
      return foldsMuch(eqn) ? new Mixed(`${op.name} folds many elements in every turn`, eqn) : flags;
    if (op.kind === "region") return this.region(eqn, new Set(), false);
    return new Mixed(`${op.name} has kernels of its own`, eqn);
  }

  #eqn(eqn: Eqn, own: readonly boolean[], lane: ReadonlySet<Atom>): boolean[] | Mixed {
    const { op, params } = eqn;
    const out = eqn.outputs[0]!;
    const yes = eqn.outputs.map(() => true);
    if ((op.kind === "view" || op.kind === "opaque") && op.writes) {
      if (!this.#staysInLane(eqn, own)) return this.#mixes(eqn);
      const updates = own[1] ? this.#keep(eqn, eqn.inputs[1]!.aval, 1) : undefined;
      return updates ?? this.#keep(eqn, out.aval, 1) ?? yes;
    }
    switch (op.kind) {
      case "elementwise":
        // one that is read once is computed where it is read
        return (this.#readers.get(out)! > 1 ? this.#keep(eqn, out.aval, 1) : undefined) ?? yes;
      case "view":
        return op.keepsOrder || this.#staysInLane(eqn, own) ? yes : this.#mixes(eqn);
      case "reduction": {
        const { axes } = params as ReduceParams;
        const { shape } = eqn.inputs[0]!.aval;
        if (axes.some((axis) => axis < this.shape.length)) return this.#mixes(eqn);
        const terms = sizeOf(axes.map((axis) => shape[axis]!));
        return terms <= MAX_OWN
          ? yes
          : new Mixed(`${op.name} folds ${terms} elements of a lane; ${MAX_OWN} are the most`, eqn); // prettier-ignore
      }
      case "region": {
        for (const x of eqn.inputs) {
          const fault = lane.has(x) ? this.#keep(eqn, x.aval, 1) : undefined;
          if (fault) return fault;
        }
        return this.region(eqn, lane, false);
      }
      case "contraction":
        return new Mixed(`${op.name} multiplies matrices of single lanes`, eqn);
      case "opaque":
      case "collective":
        return new Mixed(`${op.name} has kernels of its own`, eqn);
    }
  }

  #mixes(eqn: Eqn): Mixed {
    return new Mixed(`${eqn.op.name} reads a lane's values from another lane, of lanes ${showShape(this.shape)}`, eqn);
  }

  /** Each lane's part of the result is made of its own parts of the operands: tried on one position of all. */
  #staysInLane({ op, inputs, outputs, params }: Eqn, own: readonly boolean[]): boolean {
    const b = new ScalarBuilder();
    const types = inputs.map((x) => x.aval);
    let stays = true;
    const start = (shape: Shape): Position =>
      Position.at(
        b,
        shape,
        shape.map((_, axis) => b.input(`i${axis}`, "u32")),
      );
    const check = ({ coords }: Position): void => {
      // along an axis of one lane there is but one place
      if (this.shape.some((n, axis) => n > 1 && coords[axis] !== b.input(`i${axis}`, "u32"))) stays = false;
    };
    const read = (k: number, at: Position) => {
      if (own[k]) check(at);
      return b.input(`x${k}`, types[k]!.dtype);
    };
    if ((op.kind === "view" || op.kind === "opaque") && op.writes) {
      if (!this.#hasLanes(types[1]!.shape)) return false;
      const { at, value } = op.writes(b, start(types[1]!.shape), read, types, params);
      check(at);
      value(b.input("x0", types[0]!.dtype));
    } else if (op.kind === "view") op.read(b, start(outputs[0]!.aval.shape), read, types, params);
    return stays;
  }
}

const partsLanes = ({ op, params }: Eqn): boolean =>
  op.kind === "region" && op.form !== "call" && op.form !== "scan" && (params as SwitchParams | WhileParams).lanes > 0;
