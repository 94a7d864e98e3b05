// What the records of control flow do with the Graphs they hold.
import { type Aval, aval, sameAval, showAval } from "../../core/aval.js";
import { DTypeError, InternalError, ShapeError } from "../../core/errors.js";
import { type Atom, type Eqn, type Graph, literal, newEqn, newVar, type Var } from "../../ir/graph.js";
import { dropDead, readVars } from "../../ir/live.js";
import { stage } from "../../trace/stage.js";
import type { Operand, Tensor } from "../../trace/tensor.js";
import { fill, fillOp } from "../axes.js";

/** The Graph of a function of the package's own. */
export function graphOf(types: readonly Aval[], fn: (args: Tensor[]) => readonly Operand[]): Graph {
  const { graph, captures } = stage("control", types, (args) => ({ outputs: fn(args), rest: undefined }));
  if (captures.length > 0) throw new InternalError("control: a rule used a value from outside");
  return graph;
}

export const typesOf = (list: readonly { readonly aval: Aval }[]): Aval[] => list.map((x) => x.aval);

export const zerosOf = ({ dtype, shape }: Aval): Tensor => fill(literal(0, aval(dtype, [])), shape);

/** The type without weakness, which ends where control flow carries a value. */
export const strong = ({ dtype, shape }: Aval): Aval => aval(dtype, shape);

/** The list in parts of these lengths; the last takes the rest. */
export function parted<T, N extends readonly number[]>(
  list: readonly T[],
  ...lengths: N
): [...{ [K in keyof N]: T[] }, T[]] {
  let at = 0;
  const parts = lengths.map((n) => {
    at += n;
    return list.slice(at - n, at);
  });
  return [...parts, list.slice(at)] as unknown as [...{ [K in keyof N]: T[] }, T[]];
}

export const keep = <T>(list: readonly T[], flags: readonly (boolean | undefined)[]): T[] =>
  list.filter((_, i) => flags[i]);

export const flip = (flags: readonly boolean[]): boolean[] => flags.map((flag) => !flag);

/** Throws unless the types are those wanted; `what` names them: `while: input` gives `while: input 2 is …`. */
export function checkTypes(what: string, seen: readonly Aval[], wanted: readonly Aval[]): void {
  if (seen.length !== wanted.length)
    throw new ShapeError(`${what}: there are ${seen.length}, but ${wanted.length} are wanted`);
  seen.forEach((type, i) => {
    const other = wanted[i]!;
    if (sameAval(type, other)) return;
    const Wrong = type.dtype === other.dtype ? ShapeError : DTypeError;
    throw new Wrong(`${what} ${i} is ${showAval(type)}, but ${showAval(other)} is wanted`);
  });
}

/** The Graph with other outputs, and without the equations that only others needed. */
export const withOutputs = (graph: Graph, outputs: readonly Atom[]): Graph => dropDead({ ...graph, outputs });

/** Which inputs a Graph reads. */
export function readInputs(graph: Graph): boolean[] {
  const read = readVars(graph);
  return graph.inputs.map((v) => read.has(v));
}

/** The equations of `graph` for `operands`, with variables of their own, and what stands for its outputs. */
export function instantiate(graph: Graph, operands: readonly Atom[]): { eqns: Eqn[]; outputs: Atom[] } {
  const values = new Map<Var, Atom>(graph.inputs.map((v, i) => [v, operands[i]!]));
  const read = (x: Atom): Atom => (x.kind === "literal" ? x : values.get(x)!);
  const eqns = graph.eqns.map((eqn) => {
    const outputs = eqn.outputs.map((v) => newVar(v.aval));
    const own = { ...eqn, inputs: eqn.inputs.map(read), outputs };
    eqn.outputs.forEach((v, k) => void values.set(v, outputs[k]!));
    return own;
  });
  return { eqns, outputs: graph.outputs.map(read) };
}

/** A value of this type for a place that nobody should read, and the equations that make it: ones, zeros for integers. */
export function filler({ dtype, shape }: Aval): { eqns: Eqn[]; value: Atom } {
  const value = literal(dtype === "f32" ? 1 : 0, aval(dtype, []));
  if (shape.length === 0) return { eqns: [], value };
  const eqn = newEqn(fillOp, [value], { shape, axes: [] });
  return { eqns: [eqn], value: eqn.outputs[0]! };
}

/** The list with others behind the first `count`. */
export const insertBehind = <T>(list: readonly T[], count: number, others: readonly T[]): T[] => [
  ...list.slice(0, count),
  ...others,
  ...list.slice(count),
];

/** A Graph that takes its last `more` inputs behind the first `consts` instead. */
export function takeAsConsts(graph: Graph, consts: number, more: number): Graph {
  const own = graph.inputs.length - more;
  return { ...graph, inputs: insertBehind(graph.inputs.slice(0, own), consts, graph.inputs.slice(own)) };
}

/** Grows `start`, flags of a carry, by what `step` finds to be set behind an iteration, until nothing is new. */
export function fixpoint(
  start: readonly boolean[],
  step: (flags: readonly boolean[]) => readonly boolean[],
): readonly boolean[] {
  let flags = start;
  for (;;) {
    const found = step(flags);
    const grown = flags.map((flag, i) => flag || found[i]!);
    if (grown.every((flag, i) => flag === flags[i])) return flags;
    flags = grown;
  }
}
