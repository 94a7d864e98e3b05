// Declarations: what a block or function declares before it runs, and the values that its variables start with.
import type { AnyNode, Pattern, Statement, VariableDeclaration } from "acorn";
import type { Evaluator, Scope } from "./evaluator.js";
import { namesIn } from "./scopes.js";
import { Cell, setCell } from "./store.js";

/** Declares what a block declares before it runs; functions have their value at once. */
export function hoist(run: Evaluator, list: readonly Statement[], scope: Scope): void {
  for (const node of list) {
    const inner = node.type === "LabeledStatement" ? node.body : node;
    if (inner.type === "FunctionDeclaration") {
      const made = run.evaluate({ ...inner, type: "FunctionExpression", id: null }, scope);
      Object.defineProperty(made, "name", { value: inner.id.name });
      const known = scope.own(inner.id.name);
      if (known) setCell(known, made);
      else scope.declare(new Cell(inner.id.name, made));
    } else if (inner.type === "ClassDeclaration") declareDead(scope, inner.id.name, false);
    else if (inner.type === "VariableDeclaration" && inner.kind !== "var") {
      for (const { id } of inner.declarations)
        for (const name of namesIn(id)) declareDead(scope, name, inner.kind === "const");
    }
  }
}

export function declareDead(scope: Scope, name: string, isConstant: boolean): void {
  scope.declare(new Cell(name, undefined, isConstant)).isDead = true;
}

/** Declares the `var`s of a function's body. */
export function hoistVars(node: AnyNode, scope: Scope): void {
  for (const name of varsIn(node)) if (!scope.own(name)) scope.declare(new Cell(name, undefined));
}

const varNames = new WeakMap<AnyNode, readonly string[]>();

function varsIn(node: AnyNode): readonly string[] {
  let names = varNames.get(node);
  if (!names) {
    const found = new Set<string>();
    const visit = (at: AnyNode): void => {
      if (/Function|Class|Expression$/.test(at.type)) return;
      if (at.type === "VariableDeclaration" && at.kind === "var")
        for (const { id } of at.declarations) for (const name of namesIn(id)) found.add(name);
      for (const key in at) {
        const child: unknown = at[key as keyof AnyNode];
        for (const each of Array.isArray(child) ? child : [child])
          if (typeof each === "object" && each !== null && typeof (each as AnyNode).type === "string")
            visit(each as AnyNode);
      }
    };
    visit(node);
    names = [...found];
    varNames.set(node, names);
  }
  return names;
}

export function declare(run: Evaluator, node: VariableDeclaration, scope: Scope): void {
  for (const { id, init } of node.declarations) {
    if (!init && node.kind === "var") continue;
    const value = init ? named(run.evaluate(init, scope), id, init) : undefined;
    if (node.kind === "var") run.bind(id, value, scope, false);
    else run.bind(id, value, scope, true);
  }
}

/** A function or class without a name takes that of the variable. */
function named(value: unknown, id: Pattern | AnyNode, init: AnyNode): unknown {
  const isAnonymous =
    init.type === "ArrowFunctionExpression" ||
    ((init.type === "FunctionExpression" || init.type === "ClassExpression") && !init.id);
  if (isAnonymous && id.type === "Identifier" && typeof value === "function")
    Object.defineProperty(value, "name", { value: id.name, configurable: true });
  return value;
}
