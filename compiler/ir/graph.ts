// Graphs: immutable lists of equations over typed variables.
import { type Aval, sameAval } from "../core/aval.js";
import type { Op, Params } from "./op.js";

/** A value in a Graph: an input, or the result of exactly one equation. */
export interface Var {
  readonly kind: "var";
  readonly aval: Aval;
}

/** A scalar constant. Values are compared by `Object.is`. */
export interface Literal {
  readonly kind: "literal";
  readonly aval: Aval;
  readonly value: number;
}

export type Atom = Var | Literal;

/** A place in the user's code. */
export interface SourceLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly functionName?: string | undefined;
}

/** Where an equation comes from; resolved when it is asked for. */
export interface Location {
  readonly source: SourceLocation | undefined;
}

export interface Eqn {
  readonly op: Op;
  readonly inputs: readonly Atom[];
  readonly params: Params;
  readonly outputs: readonly Var[];
  readonly location?: Location | undefined;
}

export interface Graph {
  readonly inputs: readonly Var[];
  readonly eqns: readonly Eqn[];
  readonly outputs: readonly Atom[];
}

export const newVar = (aval: Aval): Var => ({ kind: "var", aval });

export const literal = (value: number, aval: Aval): Literal => ({ kind: "literal", aval, value });

/** An equation with fresh results; types come from the op's rule. */
export function newEqn(op: Op, inputs: readonly Atom[], params: Params, location?: Location): Eqn {
  const avals = op.typeOf(
    inputs.map((x) => x.aval),
    params,
  );
  return { op, inputs, params, outputs: avals.map(newVar), location };
}

/** Deep equality of params: plain data, by `Object.is` at the leaves. */
function equalParams(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every(
    (key) => key in b && equalParams((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  );
}

/** Text that is equal for equal params, in the order of their keys. */
export function showParams(params: Params): string {
  return Object.entries(params)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${showParam(value)}`)
    .join(" ");
}

function showParam(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(showParam).join(",")}]`;
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "object" && value !== null) return `{${showParams(value).replaceAll(" ", ",")}}`;
  return String(value);
}

/** A hash of the structure; equal Graphs have equal hashes. */
export function hashGraph(graph: Graph): string {
  const parts: string[] = graph.inputs.map((v) => avalKey(v.aval));
  for (const eqn of graph.eqns) parts.push(eqn.op.name, showParams(eqn.params), String(eqn.inputs.length));
  parts.push(String(graph.outputs.length));
  let hash = 2166136261;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) hash = Math.imul(hash ^ part.charCodeAt(i), 16777619);
    hash = Math.imul(hash ^ 0x1f, 16777619);
  }
  return `${graph.eqns.length}:${(hash >>> 0).toString(36)}`;
}

const avalKey = (a: Aval): string => `${a.dtype}${a.weak ? "~" : ""}${a.shape.join(",")}`;

/** Same inputs, equations in the same order, and outputs, up to the identity of variables. Locations do not count. */
export function equalGraphs(a: Graph, b: Graph): boolean {
  if (a === b) return true;
  if (a.inputs.length !== b.inputs.length || a.eqns.length !== b.eqns.length) return false;
  if (a.outputs.length !== b.outputs.length) return false;
  const twin = new Map<Var, Var>();
  const pair = (x: Var, y: Var): boolean => {
    twin.set(x, y);
    return sameAval(x.aval, y.aval) && Boolean(x.aval.weak) === Boolean(y.aval.weak);
  };
  const same = (x: Atom, y: Atom): boolean => {
    if (x.kind === "literal") return y.kind === "literal" && Object.is(x.value, y.value) && sameAval(x.aval, y.aval);
    return y.kind === "var" && twin.get(x) === y;
  };
  return (
    a.inputs.every((x, i) => pair(x, b.inputs[i]!)) &&
    a.eqns.every((eqn, i) => {
      const other = b.eqns[i]!;
      return (
        eqn.op === other.op &&
        eqn.inputs.length === other.inputs.length &&
        eqn.inputs.every((x, k) => same(x, other.inputs[k]!)) &&
        equalParams(eqn.params, other.params) &&
        eqn.outputs.length === other.outputs.length &&
        eqn.outputs.every((x, k) => pair(x, other.outputs[k]!))
      );
    }) &&
    a.outputs.every((x, i) => same(x, b.outputs[i]!))
  );
}
