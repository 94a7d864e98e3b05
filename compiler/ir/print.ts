// Graphs as text: one equation a line, `c:f32[2,3] = add a b`.
import { showAval } from "../core/aval.js";
import {
  type Atom,
  type Eqn,
  type Graph,
  isGraph,
  type Literal,
  regionsOf,
  type SourceLocation,
  showParams,
  type Var,
} from "./graph.js";
import type { Params } from "./op.js";

export interface PrintOptions {
  /** Shows each equation's place in the user's code, by this. */
  readonly location?: (source: SourceLocation) => string;
}

/** Names of variables in order of appearance: a … z, a1 … z1, … */
export class Names {
  readonly #names = new Map<Var, string>();

  of(v: Var): string {
    let name = this.#names.get(v);
    if (name === undefined) {
      const n = this.#names.size;
      name = String.fromCharCode(97 + (n % 26)) + (n < 26 ? "" : Math.floor(n / 26));
      this.#names.set(v, name);
    }
    return name;
  }
}

function showLiteral(x: Literal): string {
  const value = Object.is(x.value, -0) ? "-0" : String(x.value);
  return `${value}:${x.aval.dtype}${x.aval.weak ? "~" : ""}`;
}

/** The Graph as text; `parseGraph` reads it back. Graphs in params stand indented below their equation. */
export function printGraph(graph: Graph, options: PrintOptions = {}, names = new Names()): string {
  return graphLines(graph, options, names, "").join("\n");
}

function graphLines(graph: Graph, options: PrintOptions, names: Names, indent: string): string[] {
  const typed = (v: Var): string => `${names.of(v)}:${showAval(v.aval)}`;
  const lines = [`graph (${graph.inputs.map(typed).join(", ")}) {`];
  for (const eqn of graph.eqns) {
    const regions = regionsOf(eqn.params);
    let line = `${indent}  ${showEqn(eqn, names)}${regions.length > 0 ? " {" : ""}`;
    const source = options.location && eqn.location?.source;
    if (source) line = `${line.padEnd(56)}  # ${options.location(source)}`;
    lines.push(line);
    for (const { path, graph: inner } of regions) {
      const [head, ...rest] = graphLines(inner, options, names, `${indent}    `);
      lines.push(`${indent}    ${path} = ${head}`, ...rest);
    }
    if (regions.length > 0) lines.push(`${indent}  }`);
  }
  lines.push(`${indent}  return ${graph.outputs.map((x) => showAtom(x, names)).join(", ")}`.trimEnd(), `${indent}}`);
  return lines;
}

const showAtom = (x: Atom, names: Names): string => (x.kind === "literal" ? showLiteral(x) : names.of(x));

/** One equation: `c:f32[2] = mul a 2:f32`. */
export function showEqn(eqn: Eqn, names: Names): string {
  const inputs = eqn.inputs.map((x) => showAtom(x, names));
  const results = eqn.outputs.map((v) => `${names.of(v)}:${showAval(v.aval)}`);
  const params = showParams(plainParams(eqn.params));
  return `${results.join(", ")} = ${[eqn.op.name, params, ...inputs].filter((s) => s !== "").join(" ")}`;
}

/** Params without the Graphs among them; host functions by their names. */
function plainParams(params: Params): Params {
  const entries = Object.entries(params);
  const isHeld = (value: unknown): boolean => isGraph(value) || (Array.isArray(value) && value.some(isGraph));
  const isFunction = (value: unknown): value is { name: string } => typeof value === "function";
  if (!entries.some(([, value]) => isHeld(value) || isFunction(value))) return params;
  return Object.fromEntries(
    entries.flatMap(([key, value]) => {
      if (isHeld(value)) return [];
      return [[key, isFunction(value) ? `@${value.name || "function"}` : value]];
    }),
  );
}
