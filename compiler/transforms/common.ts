// What the Graphs of several models have in common: one Graph, with the numbers in which they differ as inputs.
import { sameAval, showAval } from "../core/aval.js";
import { LanewiseError } from "../core/errors.js";
import { filled } from "../core/ndarray.js";
import {
  type Atom,
  type Eqn,
  equalParams,
  type Graph,
  isGraph,
  type Literal,
  newEqn,
  newVar,
  regionsOf,
  type Var,
} from "../ir/graph.js";
import { findOp, type Params, type RegionOp } from "../ir/op.js";
import { fromHost } from "../trace/create.js";
import { hereText } from "../trace/here.js";
import { showLocation } from "../trace/location.js";
import type { Tensor } from "../trace/tensor.js";
import { transforms } from "./table.js";

/** What model 0 has and what model `model` has in its place. */
export interface Difference {
  readonly model: number;
  /** Where in the Graph, for people: `in the body of scan`; nothing at the top. */
  readonly place: string;
  readonly first: string;
  readonly other: string;
}

/** Thrown where Graphs differ in more than numbers. */
export class GraphsDiffer extends Error {
  constructor(readonly difference: Difference) {
    super(`${difference.first}, but ${difference.other}`);
  }
}

export interface Common {
  /** Inputs: those of each of the Graphs, then a scalar for each number that differs. */
  readonly graph: Graph;
  /** These numbers of all models, f32[count] and so on. */
  readonly numbers: readonly Tensor[];
}

/**
 * The Graph that `graphs` are when the numbers in them are left open. Equations stand in the same order, with the same
 * params, in Graphs within as well. Throws `GraphsDiffer`.
 */
export function commonGraph(graphs: readonly Graph[]): Common {
  const numbers = new Numbers(graphs.length);
  const { graph, opened } = merge(graphs, "", numbers);
  const all = numbers.list.map((_, id) => opened.get(id)!);
  return { graph: { ...graph, inputs: [...graph.inputs, ...all] }, numbers: numbers.list.map((x) => fromHost(x)) };
}

/** The numbers that differ, each once: equal ones in all models are one. */
class Numbers {
  readonly list: { dtype: Literal["aval"]["dtype"]; shape: [number]; data: ReturnType<typeof filled>["data"] }[] = [];
  readonly #ids = new Map<string, number>();

  constructor(readonly models: number) {}

  idOf(literals: readonly Literal[]): number {
    const { dtype } = literals[0]!.aval;
    const key = `${dtype}${literals[0]!.aval.weak ? "~" : ""} ${literals.map(({ value }) => (Object.is(value, -0) ? "-0" : value)).join(" ")}`;
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.list.length;
      this.#ids.set(key, id);
      const { data } = filled(dtype, [this.models], 0);
      literals.forEach(({ value }, k) => {
        data[k] = value;
      });
      this.list.push({ dtype, shape: [this.models], data });
    }
    return id;
  }
}

interface Merged {
  /** Without inputs for the numbers. */
  readonly graph: Graph;
  /** What stands for the numbers that it reads. */
  readonly opened: ReadonlyMap<number, Var>;
}

function merge(graphs: readonly Graph[], place: string, numbers: Numbers): Merged {
  const [base, ...others] = graphs as [Graph, ...Graph[]];
  const twins = others.map(() => new Map<Var, Var>());
  const fail = (k: number, first: string, other: string): GraphsDiffer =>
    new GraphsDiffer({ model: k + 1, place, first, other });
  const pair = (k: number, mine: readonly Var[], theirs: readonly Var[], what: string): void => {
    if (mine.length !== theirs.length) throw fail(k, `has ${mine.length} ${what}`, `has ${theirs.length}`);
    mine.forEach((x, i) => {
      const y = theirs[i]!;
      if (!sameAval(x.aval, y.aval)) throw fail(k, `reads ${showAval(x.aval)}`, `reads ${showAval(y.aval)}`);
      twins[k]!.set(x, y);
    });
  };
  others.forEach((other, k) => void pair(k, base.inputs, other.inputs, "inputs"));

  const opened = new Map<number, Var>();
  const eqns: Eqn[] = [];
  const open = (id: number, like: Atom): Var => {
    const known = opened.get(id) ?? newVar(like.aval);
    opened.set(id, known);
    return known;
  };
  const isTwin = (k: number, x: Atom, y: Atom): boolean =>
    x.kind === "literal" ? y.kind === "literal" && sameAval(x.aval, y.aval) : twins[k]!.get(x) === y;
  /** The atom itself, or what stands for numbers that differ, spread over `shape`. */
  const settle = (x: Atom, theirs: readonly Atom[], shape: readonly number[] = []): Atom => {
    if (x.kind === "var" || theirs.every((y) => Object.is((y as Literal).value, x.value))) return x;
    const v = open(numbers.idOf([x, ...(theirs as Literal[])]), x);
    if (shape.length === 0) return v;
    const spread = newEqn(findOp("broadcast")!, [v], { shape, axes: [] });
    eqns.push(spread);
    return spread.outputs[0]!;
  };

  base.eqns.forEach((eqn, i) => {
    const theirs = others.map((other, k) => {
      const y = other.eqns[i];
      if (!y) throw fail(k, `goes on with ${show(eqn)}`, "ends there");
      const isSame = y.op === eqn.op && y.inputs.length === eqn.inputs.length && samePlain(eqn, y);
      if (!isSame || !eqn.inputs.every((x, p) => isTwin(k, x, y.inputs[p]!)))
        throw fail(k, `computes ${show(eqn)}`, `computes ${show(y)}`);
      return y;
    });
    const shape = eqn.op.kind === "elementwise" ? eqn.outputs[0]!.aval.shape : [];
    const inputs = eqn.inputs.map((x, p) =>
      settle(
        x,
        theirs.map((y) => y.inputs[p]!),
        shape,
      ),
    );
    const isUnchanged = inputs.every((x, p) => x === eqn.inputs[p]);
    const settled = isUnchanged ? eqn : { ...eqn, inputs };
    eqns.push(eqn.op.kind === "region" ? mergeRegion(settled, eqn.op, theirs, place, numbers, open) : settled);
    theirs.forEach((y, k) => void pair(k, eqn.outputs, y.outputs, "results"));
  });
  others.forEach((other, k) => {
    const more = other.eqns[base.eqns.length];
    if (more) throw fail(k, "ends there", `goes on with ${show(more)}`);
    const isSame = base.outputs.length === other.outputs.length;
    if (!isSame || !base.outputs.every((x, p) => isTwin(k, x, other.outputs[p]!)))
      throw fail(k, `gives ${showTypes(base.outputs)}`, `gives ${showTypes(other.outputs)}, made in another way`);
  });
  const outputs = base.outputs.map((x, p) =>
    settle(
      x,
      others.map((other) => other.outputs[p]!),
    ),
  );
  return { graph: { inputs: base.inputs, eqns, outputs }, opened };
}

/** The equation with Graphs that all have in common, which read the numbers that differ as further operands. */
function mergeRegion(
  eqn: Eqn,
  op: RegionOp,
  theirs: readonly Eqn[],
  place: string,
  numbers: Numbers,
  open: (id: number, like: Atom) => Var,
): Eqn {
  const lists = [eqn, ...theirs].map(({ params }) => bodiesOf(op, params));
  const merged = lists[0]!.map((_, j) =>
    merge(
      lists.map((list) => list[j]!),
      `${place}\n  in ${op.name}${eqn.location?.source ? ` at ${showLocation(eqn.location.source)}` : ""}`,
      numbers,
    ),
  );
  const params = { ...eqn.params, ...rulesOfAll(op, eqn, theirs) };
  const ids = [...new Set(merged.flatMap(({ opened }) => [...opened.keys()]))];
  if (ids.length === 0) return { ...eqn, params };
  if (hostRules(eqn.params).length > 0) {
    throw new LanewiseError(
      `vmap: models give different numbers to ${nameIn(eqn.params, op)}, which takes them from outside\n` +
        `  pass them to it as arguments: a function with a rule of its own gives each model its own arguments only${hereText()}`,
    );
  }
  const more = ids.map((id) => open(id, [...merged].find(({ opened }) => opened.has(id))!.opened.get(id)!));
  const graphs = merged.map(({ graph, opened }) => ({
    ...graph,
    inputs: [...graph.inputs, ...ids.map((id, j) => opened.get(id) ?? newVar(more[j]!.aval))],
  }));
  return { ...eqn, ...op.widen({ ...eqn, params }, graphs, more, transforms) };
}

/** The Graphs that all others in the params follow from. */
const bodiesOf = (op: RegionOp, params: Params): readonly Graph[] =>
  op.bodies?.(params) ?? regionsOf(params).map(({ graph }) => graph);

/** Equal params, but for Graphs and for rules that are host functions. */
function samePlain(x: Eqn, y: Eqn): boolean {
  if (x.op.kind !== "region") return equalParams(x.params, y.params);
  const plain = (params: Params): Params =>
    Object.fromEntries(
      Object.entries(params).filter(([, value]) => typeof value !== "function" && !isGraph([value].flat()[0])),
    );
  const counts = [x, y].map(({ op, params }) => bodiesOf(op as RegionOp, params).length);
  return counts[0] === counts[1] && equalParams(plain(x.params), plain(y.params));
}

type HostRule = (...args: unknown[]) => unknown;

const hostRules = (params: Params): [string, HostRule][] =>
  Object.entries(params).filter((entry): entry is [string, HostRule] => typeof entry[1] === "function");

const nameIn = (params: Params, op: RegionOp): string =>
  "of" in params ? `${op.name} of ${String(params.of)}` : op.name;

/** Rules of the user's, made anew at each call of a model: each stands for all, and is held to giving the same Graph. */
function rulesOfAll(op: RegionOp, eqn: Eqn, theirs: readonly Eqn[]): Params {
  const entries = hostRules(eqn.params).map(([key, own]) => {
    const rules = [own, ...theirs.map(({ params }) => (params as Record<string, HostRule>)[key]!)];
    const rule: HostRule = (...args) => {
      const made = rules.map((one) => one(...args));
      if (made.every((x) => equalParams(x, made[0]))) return made[0];
      throw new LanewiseError(
        `vmap: the rules of ${nameIn(eqn.params, op)} differ between models\n  pass numbers that differ as arguments of the function${hereText()}`,
      );
    };
    return [key, Object.defineProperty(rule, "name", { value: own.name })] as const;
  });
  return Object.fromEntries(entries);
}

const showTypes = (atoms: readonly Atom[]): string => atoms.map((x) => showAval(x.aval)).join(", ") || "nothing";

/** `mul of f32[2], f32[2] at f (net.ts:3)` */
function show({ op, inputs, location }: Eqn): string {
  const source = location?.source;
  return `${op.name} of ${showTypes(inputs)}${source ? ` at ${showLocation(source)}` : ""}`;
}
