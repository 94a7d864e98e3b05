// Graphs as text: one equation a line, `c:f32[2,3] = add a b`.
import { showAval } from "../core/aval.js";
import { type Atom, type Eqn, type Graph, type Literal, type SourceLocation, showParams, type Var } from "./graph.js";

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

/** The Graph as text; `parseGraph` reads it back. */
export function printGraph(graph: Graph, options: PrintOptions = {}, names = new Names()): string {
  const typed = (v: Var): string => `${names.of(v)}:${showAval(v.aval)}`;
  const lines = [`graph (${graph.inputs.map(typed).join(", ")}) {`];
  for (const eqn of graph.eqns) {
    let line = `  ${showEqn(eqn, names)}`;
    const source = options.location && eqn.location?.source;
    if (source) line = `${line.padEnd(56)}  # ${options.location(source)}`;
    lines.push(line);
  }
  lines.push(`  return ${graph.outputs.map((x) => showAtom(x, names)).join(", ")}`.trimEnd(), "}");
  return lines.join("\n");
}

const showAtom = (x: Atom, names: Names): string => (x.kind === "literal" ? showLiteral(x) : names.of(x));

/** One equation: `c:f32[2] = mul a 2:f32`. */
export function showEqn(eqn: Eqn, names: Names): string {
  const inputs = eqn.inputs.map((x) => showAtom(x, names));
  const results = eqn.outputs.map((v) => `${names.of(v)}:${showAval(v.aval)}`);
  return `${results.join(", ")} = ${[eqn.op.name, showParams(eqn.params), ...inputs].filter((s) => s !== "").join(" ")}`;
}
