// A function's own source: its text as V8 keeps it, parsed.
import {
  type ArrowFunctionExpression,
  type Class,
  type FunctionExpression,
  type Options,
  parse,
  parseExpressionAt,
} from "acorn";

/** Any function a user may hand to us. */
export type AnyFunction = (...args: never[]) => unknown;

export type FunctionNode = FunctionExpression | ArrowFunctionExpression;

/** Source of a function. Functions made by the same code may share one. */
export interface FunctionSource {
  readonly text: string;
  readonly node: FunctionNode;
  /** Where `text` starts in what was parsed: a node begins at `node.start - shift` of `text`. */
  readonly shift: number;
}

/** How acorn reads code that V8 has read already. */
export const PARSING: Options = {
  ecmaVersion: "latest",
  sourceType: "script", // sloppy code parses too; strict code that parses as strict parses as sloppy
  allowImportExportEverywhere: true, // import.meta
  allowSuperOutsideMethod: true,
  checkPrivateFields: false, // this.#x: its class is not part of the text
};

const known = new WeakMap<AnyFunction, FunctionSource | null>();

// Closures made in a loop have one text. Bounded, oldest out first.
const parsed = new Map<string, FunctionSource | null>();
const PARSED_TEXTS = 500;
const LONGEST_KEPT = 20_000; // characters

/**
 * Parses the text of `fn`: arrow, function, method, accessor, async or generator, minified or not. Read once per
 * function. `undefined` where there is none to read: native and bound functions, classes, proxies, unknown syntax.
 */
export function functionSource(fn: AnyFunction): FunctionSource | undefined {
  let source = known.get(fn);
  if (source === undefined) {
    source = parseText(Function.prototype.toString.call(fn));
    known.set(fn, source);
  }
  return source ?? undefined;
}

/** Source of a class. */
export interface ClassSource {
  readonly text: string;
  readonly node: Class;
  readonly shift: number;
}

const classes = new WeakMap<AnyFunction, ClassSource | null>();

/** Parses the text of a class; `undefined` for what is none. Read once per class. */
export function classSource(fn: AnyFunction): ClassSource | undefined {
  let source = classes.get(fn);
  if (source === undefined) {
    const text = Function.prototype.toString.call(fn);
    const node = /^class\b/.test(text) ? attempt(() => parseExpressionAt(text, 0, PARSING)) : undefined;
    source = node?.type === "ClassExpression" ? { text, node, shift: 0 } : null;
    classes.set(fn, source);
  }
  return source ?? undefined;
}

/** Names of the parameters, in order; `undefined` for one that is taken apart, and where there is no source to read. */
export function parameterNames(fn: AnyFunction): readonly (string | undefined)[] | undefined {
  return functionSource(fn)?.node.params.map((pattern) => {
    const inner = pattern.type === "AssignmentPattern" ? pattern.left : pattern;
    const named = inner.type === "RestElement" ? inner.argument : inner;
    return named.type === "Identifier" ? named.name : undefined;
  });
}

function parseText(text: string): FunctionSource | null {
  let source = parsed.get(text);
  if (source === undefined) {
    source = parseFunction(text);
    if (text.length > LONGEST_KEPT) return source;
    if (parsed.size >= PARSED_TEXTS) parsed.delete(parsed.keys().next().value!);
    parsed.set(text, source);
  }
  return source;
}

function parseFunction(text: string): FunctionSource | null {
  if (/^class\b/.test(text) || /\{\s*\[native code\]\s*\}$/.test(text)) return null;
  return parseExpression(text) ?? parseObjectMember(text) ?? parseClassMember(text);
}

/** `x => …`, `async (x) => …`, `function f(x) { … }` */
function parseExpression(text: string): FunctionSource | null {
  const node = attempt(() => parseExpressionAt(text, 0, PARSING));
  if (node?.type !== "FunctionExpression" && node?.type !== "ArrowFunctionExpression") return null;
  return node.end === text.length ? { text, node, shift: 0 } : null;
}

/** `f(x) { … }`, `get f() { … }`, `async *[key](x) { … }` */
function parseObjectMember(text: string): FunctionSource | null {
  const start = "({";
  const statement = attempt(() => parse(`${start}${text}})`, PARSING))?.body[0];
  if (statement?.type !== "ExpressionStatement" || statement.expression.type !== "ObjectExpression") return null;
  const property = statement.expression.properties[0];
  if (property?.type !== "Property" || property.value.type !== "FunctionExpression") return null;
  return { text, node: property.value, shift: start.length };
}

/** What only a class may hold: `#f(x) { … }` */
function parseClassMember(text: string): FunctionSource | null {
  const start = "(class{";
  const statement = attempt(() => parse(`${start}${text}})`, PARSING))?.body[0];
  if (statement?.type !== "ExpressionStatement" || statement.expression.type !== "ClassExpression") return null;
  const member = statement.expression.body.body[0];
  return member?.type === "MethodDefinition" ? { text, node: member.value, shift: start.length } : null;
}

/** `undefined` on a syntax error, and on code nested too deep for the parser's recursion. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
