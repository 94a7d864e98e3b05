// Names of function expressions, which only their own code sees, and which V8 does not show among its scopes.
import {
  type AnyNode,
  type ArrowFunctionExpression,
  type FunctionDeclaration,
  type FunctionExpression,
  parse,
} from "acorn";
import { scriptPositionOf } from "./inspector.js";
import { scriptTextOf, textOfScript } from "./origin.js";
import { childrenOf, resolveScopes } from "./scopes.js";
import { type AnyFunction, PARSING } from "./source.js";

type FunctionInScript = FunctionDeclaration | FunctionExpression | ArrowFunctionExpression;

/**
 * Whether `name` in `fn` means a function expression of that name around `fn`: in `memo(function f() { return () => f; })`
 * it does, whatever `f` there may be outside. The first question about a script costs some 30 ms; where the script holds
 * a function so called, as much as parsing it. True where it cannot be parsed: better unseen than mistaken.
 */
export function isNamedAround(fn: AnyFunction, name: string): boolean {
  const scriptId = scriptIdOf(fn);
  if (scriptId === undefined || !mayBeExpression(scriptId, name)) return false;
  const found = functionsAt(fn);
  if (!found) return true;
  const [own, ...around] = found;
  const named = around.find((node) => node.type === "FunctionExpression" && node.id?.name === name);
  if (!own || named?.type !== "FunctionExpression") return false;
  const { bindings, bindingOf } = resolveScopes(named);
  const [ownName] = bindings; // a function's own name is the first variable of all
  return nodesIn(own).some((node) => node.type === "Identifier" && node.name === name && bindingOf(node) === ownName);
}

/** Whether `fn` was declared by a statement, so that its name is a variable that may since mean something else. */
export function isDeclared(fn: AnyFunction): boolean {
  return functionsAt(fn)?.[0]?.type === "FunctionDeclaration";
}

// ---------------------------------------------------------------------------------------------------------------------

const scriptIds = new WeakMap<AnyFunction, string | undefined>();

function scriptIdOf(fn: AnyFunction): string | undefined {
  if (!scriptIds.has(fn)) scriptIds.set(fn, scriptPositionOf(fn)?.scriptId);
  return scriptIds.get(fn);
}

interface Names {
  /** Of what looks like a named function, declared ones included. */
  readonly functions: ReadonlySet<string>;
  /** Of function expressions; known once a name in question is among `functions`. */
  expressions?: ReadonlySet<string>;
}

const namesIn = new Map<string, Names>();

function mayBeExpression(scriptId: string, name: string): boolean {
  let names = namesIn.get(scriptId);
  if (!names) {
    const found = textOfScript(scriptId)?.matchAll(/\bfunction\b[\s*]*([^\s(]+)\s*\(/g) ?? [];
    names = { functions: new Set(Array.from(found, ([, each]) => each!)) };
    namesIn.set(scriptId, names);
  }
  if (!names.functions.has(name)) return false;
  names.expressions ??= expressionNames(textOfScript(scriptId)) ?? names.functions;
  return names.expressions.has(name);
}

function expressionNames(text: string | undefined): ReadonlySet<string> | undefined {
  const script = text === undefined ? undefined : parseScript(text);
  if (!script) return undefined;
  const names = nodesIn(script).map((node) => (node.type === "FunctionExpression" ? node.id?.name : undefined));
  return new Set(names.filter((each) => each !== undefined));
}

/** The node of `fn` in its script and those of the functions around it, from within. */
function functionsAt(fn: AnyFunction): readonly FunctionInScript[] | undefined {
  const stands = scriptTextOf(fn);
  const script = stands && parseScript(stands.text);
  if (!script) return undefined;
  const functions: FunctionInScript[] = [];
  let node: AnyNode | undefined = script;
  while (node) {
    if (isFunction(node)) functions.unshift(node);
    node = childrenOf(node).find(({ start, end }) => start <= stands.parameters && stands.parameters < end);
  }
  return functions;
}

/** `undefined` for code that acorn does not know, or that is nested deeper than the stack is. */
function parseScript(text: string): AnyNode | undefined {
  try {
    return parse(text, {
      ...PARSING,
      allowReturnOutsideFunction: true,
      allowAwaitOutsideFunction: true,
      allowHashBang: true,
    });
  } catch {
    return undefined;
  }
}

const isFunction = (node: AnyNode): node is FunctionInScript =>
  node.type === "FunctionDeclaration" || node.type === "FunctionExpression" || node.type === "ArrowFunctionExpression";

function nodesIn(node: AnyNode): readonly AnyNode[] {
  const nodes = [node];
  for (let i = 0; i < nodes.length; i++) nodes.push(...childrenOf(nodes[i]!));
  return nodes;
}
