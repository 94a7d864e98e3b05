// Reads a Graph back from the text that `printGraph` writes.
import type { Aval } from "../core/aval.js";
import { type DType, dtypes } from "../core/dtype.js";
import { ValueError } from "../core/errors.js";
import { type Atom, type Eqn, type Graph, literal, newVar, type Var } from "./graph.js";
import { findOp } from "./op.js";

/** Parses `printGraph`'s text. Comments behind ` # ` are dropped. Throws `ValueError` naming the line. */
export function parseGraph(text: string): Graph {
  // Graphs in params are closed: they see only their own variables
  let vars = new Map<string, Var>();
  const lines = text.split("\n");
  const fail = (line: number, why: string): never => {
    throw new ValueError(`graph text, line ${line + 1}: ${why}\n  ${lines[line] ?? ""}`);
  };
  const declare = (line: number, typed: string): Var => {
    const at = typed.indexOf(":");
    const name = typed.slice(0, at);
    const aval = parseAval(typed.slice(at + 1));
    if (at < 1 || !aval) return fail(line, `'${typed}' is not NAME:TYPE`);
    if (vars.has(name)) return fail(line, `'${name}' is defined twice`);
    const made = newVar(aval);
    vars.set(name, made);
    return made;
  };
  const atom = (line: number, word: string): Atom => {
    const at = word.indexOf(":");
    if (at < 0) return vars.get(word) ?? fail(line, `'${word}' is not defined`);
    const aval = parseAval(`${word.slice(at + 1)}[]`);
    if (!aval) return fail(line, `'${word}' is not VALUE:DTYPE`);
    return literal(Number(word.slice(0, at)), aval);
  };

  let at = 0;
  /** From a `graph (…) {` in the present line to the line with its `}`. */
  const graph = (head: string): Graph => {
    const found = /^graph \((.*)\) \{$/.exec(head);
    if (!found) return fail(at, "'graph (…) {' wanted");
    const inputs = found[1] === "" ? [] : found[1]!.split(", ").map((typed) => declare(at, typed));
    const eqns: Eqn[] = [];
    let outputs: Atom[] | undefined;
    for (at++; at < lines.length; at++) {
      const line = lines[at]!.replace(/\s+# .*$/, "").trim();
      if (line === "") continue;
      if (line === "}") return outputs ? { inputs, eqns, outputs } : fail(at, "'return …' is missing");
      if (line === "return" || line.startsWith("return ")) {
        const words = line.slice(6).split(",");
        outputs = words.flatMap((word) => (word.trim() === "" ? [] : [atom(at, word.trim())]));
      } else eqns.push(equation(line));
    }
    return fail(lines.length - 1, outputs ? "'}' is missing" : "'return …' is missing");
  };
  const equation = (line: string): Eqn => {
    const start = at;
    const holds = line.endsWith(" {");
    const [left, right] = (holds ? line.slice(0, -2) : line).split(" = ") as [string, string | undefined];
    if (right === undefined) return fail(start, "'RESULTS = OP …' wanted");
    const [name, ...words] = right.split(" ");
    const op = findOp(name!);
    if (!op) return fail(start, `there is no op '${name}'`);
    const isParam = (word: string): boolean => /^\w+=/.test(word);
    const operands = words.filter((word) => !isParam(word)).map((word) => atom(start, word));
    const params = Object.fromEntries(
      words.filter(isParam).map((word) => {
        const split = word.indexOf("=");
        return [word.slice(0, split), parseParam(word.slice(split + 1))];
      }),
    );
    if (holds) regions(params);
    return { op, inputs: operands, params, outputs: left.split(", ").map((typed) => declare(start, typed)) };
  };
  /** Graphs behind an equation, one after the other, up to the line with its `}`. */
  const regions = (params: Record<string, unknown>): void => {
    for (at++; at < lines.length; at++) {
      const line = lines[at]!.trim();
      if (line === "}") return;
      const found = /^(\w+)(?:\.(\d+))? = (graph .*)$/.exec(line.replace(/\s+# .*$/, ""));
      const [, key, index, head] = found ?? fail(at, "'NAME = graph (…) {' wanted");
      const outer = vars;
      vars = new Map();
      const inner = graph(head!);
      vars = outer;
      if (index === undefined) params[key!] = inner;
      else params[key!] = [...((params[key!] as Graph[] | undefined) ?? []), inner];
    }
    fail(lines.length - 1, "'}' is missing");
  };
  while (at < lines.length - 1 && lines[at]!.trim() === "") at++;
  return graph(lines[at]!.trim());
}

function parseAval(text: string): Aval | undefined {
  const found = /^(\w+?)(~?)\[([\d,]*)\]$/.exec(text);
  if (!found || !dtypes.includes(found[1] as DType)) return undefined;
  const shape = found[3] === "" ? [] : found[3]!.split(",").map(Number);
  const dtype = found[1] as DType;
  return found[2] ? { dtype, shape, weak: true } : { dtype, shape };
}

/** Numbers, booleans, words, and lists or records of them. */
function parseParam(text: string): unknown {
  let at = 0;
  const value = (): unknown => {
    if (text[at] === "[") return list("]", value);
    if (text[at] === "{") return Object.fromEntries(list("}", entry) as [string, unknown][]);
    const word = /^[^,\]}]*/.exec(text.slice(at))![0];
    at += word.length;
    if (word === "true" || word === "false") return word === "true";
    if (word === "null") return null;
    const x = Number(word);
    return word !== "" && (!Number.isNaN(x) || word === "NaN") ? x : word;
  };
  const entry = (): unknown => {
    const key = /^\w+/.exec(text.slice(at))![0];
    at += key.length + 1;
    return [key, value()];
  };
  const list = (end: string, item: () => unknown): unknown[] => {
    const items: unknown[] = [];
    at++;
    while (text[at] !== end && at < text.length) {
      items.push(item());
      if (text[at] === ",") at++;
    }
    at++;
    return items;
  };
  return value();
}
