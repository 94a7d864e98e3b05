// Graphs: making, comparing and hashing them. Their types stand beside the op record, which may hold Graphs itself.
import { type Aval, sameAval } from "../core/aval.js";
import type { Atom, Eqn, Graph, Literal, Location, Op, Params, Var } from "./op.js";

export type { Atom, Eqn, Graph, Literal, Location, SourceLocation, Var } from "./op.js";

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

/** Deep equality of params: plain data, by `Object.is` at the leaves; Graphs by their structure. */
export function equalParams(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (isGraph(a) || isGraph(b)) return isGraph(a) && isGraph(b) && equalGraphs(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every(
    (key) => key in b && equalParams((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  );
}

/** Params that are Graphs are told from other records by this. */
export const isGraph = (x: unknown): x is Graph =>
  typeof x === "object" && x !== null && "eqns" in x && "inputs" in x && "outputs" in x;

/** A Graph in params, with the path to it: `body`, `branches.1`. */
export interface Region {
  readonly path: string;
  readonly graph: Graph;
}

/** The Graphs that params hold, directly or in a list. */
export function regionsOf(params: Params): Region[] {
  return Object.entries(params).flatMap(([key, value]): Region[] => {
    if (isGraph(value)) return [{ path: key, graph: value }];
    if (!Array.isArray(value)) return [];
    return value.flatMap((item, i) => (isGraph(item) ? [{ path: `${key}.${i}`, graph: item }] : []));
  });
}

/** The params with each Graph in them replaced by what `change` gives; the same object when nothing changed. */
export function mapRegions(params: Params, change: (graph: Graph) => Graph): Params {
  let changed = false;
  const one = (x: unknown): unknown => {
    if (!isGraph(x)) return x;
    const y = change(x);
    changed ||= y !== x;
    return y;
  };
  const entries = Object.entries(params).map(([key, value]) => [
    key,
    Array.isArray(value) ? value.map(one) : one(value),
  ]);
  return changed ? Object.fromEntries(entries) : params;
}

/** Text that is equal exactly for equal params, in the order of their keys; host functions by identity. */
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
  if (typeof value === "function") return `function#${identityOf(value)}`;
  if (isGraph(value)) return `{${graphKey(value)}}`;
  if (typeof value === "object" && value !== null) return `{${showParams(value).replaceAll(" ", ",")}}`;
  return String(value);
}

const identities = new WeakMap<object, number>();
let nextIdentity = 0;

function identityOf(x: object): number {
  let id = identities.get(x);
  if (id === undefined) {
    id = nextIdentity++;
    identities.set(x, id);
  }
  return id;
}

/** Text that is equal exactly for equal Graphs. */
function graphKey(graph: Graph): string {
  const ids = new Map<Var, number>();
  const define = (v: Var): string => {
    ids.set(v, ids.size);
    return avalKey(v.aval);
  };
  const atom = (x: Atom): string =>
    x.kind === "var" ? `%${ids.get(x)}` : `${Object.is(x.value, -0) ? "-0" : x.value}:${avalKey(x.aval)}`;
  const parts = [graph.inputs.map(define).join(",")];
  for (const eqn of graph.eqns) {
    const operands = eqn.inputs.map(atom).join(",");
    parts.push(`${eqn.outputs.map(define).join(",")}=${eqn.op.name}(${operands})${showParams(eqn.params)}`);
  }
  return [...parts, graph.outputs.map(atom).join(",")].join(";");
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
