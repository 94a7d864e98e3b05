// Reads a Graph back from the text that `printGraph` writes.
import type { Aval } from "../core/aval.js";
import { type DType, dtypes } from "../core/dtype.js";
import { ValueError } from "../core/errors.js";
import { type Atom, type Eqn, type Graph, literal, newVar, type Var } from "./graph.js";
import { findOp } from "./op.js";

/** Parses `printGraph`'s text. Comments behind ` # ` are dropped. Throws `ValueError` naming the line. */
export function parseGraph(text: string): Graph {
  const vars = new Map<string, Var>();
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

  const head = /^graph \((.*)\) \{$/.exec(lines[0]?.trim() ?? "");
  if (!head) return fail(0, "'graph (…) {' wanted");
  const inputs = head[1] === "" ? [] : head[1]!.split(", ").map((typed) => declare(0, typed));
  const eqns: Eqn[] = [];
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!.replace(/\s+# .*$/, "").trim();
    if (line === "" || line === "}") continue;
    if (line === "return" || line.startsWith("return ")) {
      const words = line
        .slice(6)
        .split(",")
        .map((word) => word.trim());
      return { inputs, eqns, outputs: words.filter((word) => word !== "").map((word) => atom(i, word)) };
    }
    const [left, right] = line.split(" = ") as [string, string | undefined];
    if (right === undefined) return fail(i, "'RESULTS = OP …' wanted");
    const words = right.split(" ");
    const op = findOp(words[0]!);
    if (!op) return fail(i, `there is no op '${words[0]}'`);
    const operands = words
      .slice(1)
      .filter((word) => !/^\w+=/.test(word))
      .map((word) => atom(i, word));
    const params = Object.fromEntries(
      words
        .slice(1)
        .filter((word) => /^\w+=/.test(word))
        .map((word) => {
          const at = word.indexOf("=");
          return [word.slice(0, at), parseParam(word.slice(at + 1))];
        }),
    );
    eqns.push({ op, inputs: operands, params, outputs: left.split(", ").map((typed) => declare(i, typed)) });
  }
  return fail(lines.length - 1, "'return …' is missing");
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
