// Scopes of a function: its variables, everything assigned to each, and which variable an identifier means.
import type { Function as AnyFunctionNode, AnyNode, Class, Identifier, Pattern } from "acorn";
import type { Path } from "../core/tree.js";
import type { FunctionNode, FunctionSource } from "./source.js";

/** One way in which a variable gets its value. */
export type Definition =
  /** The argument at `index`, or what stands at `path` in it; `optional` where the pattern has a default. */
  | { readonly kind: "argument"; readonly index: number; readonly path: Path; readonly optional: boolean }
  /** The array of all arguments from `index` on. */
  | { readonly kind: "rest"; readonly index: number }
  /** The value of an expression, or what stands at `path` in it. */
  | { readonly kind: "expression"; readonly from: AnyNode; readonly path: Path }
  /** An element of the value of an expression, in `for … of`. */
  | { readonly kind: "each"; readonly of: AnyNode; readonly path: Path }
  /** Nothing that is followed. */
  | { readonly kind: "opaque" };

/** A variable. `x += 1` and `x++` are no definitions: they keep a value of the kind it was. */
export interface Binding {
  readonly name: string;
  readonly definitions: Definition[];
}

export interface Scopes {
  readonly bindings: readonly Binding[];
  /** The variable an identifier means; `undefined` where it is declared outside the function. */
  bindingOf(identifier: AnyNode): Binding | undefined;
  /** The identifiers that mean variables declared outside the function, in no order to rely on. */
  readonly free: readonly Identifier[];
  /** Whether `with` or a direct `eval` makes the meaning of identifiers unknowable. */
  readonly dynamic: boolean;
}

const opaque: Definition = { kind: "opaque" };
const itself = (node: AnyNode): Definition => ({ kind: "expression", from: node, path: [] });

const known = new WeakMap<FunctionSource, Scopes | null>();

/** The scopes of a function's source, resolved once. `undefined` for code nested deeper than the stack is. */
export function scopesIn(source: FunctionSource): Scopes | undefined {
  let scopes = known.get(source);
  if (scopes === undefined) {
    scopes = unlessTooDeep(() => resolveScopes(source.node)) ?? null;
    known.set(source, scopes);
  }
  return scopes ?? undefined;
}

/** What `walk` gives; `undefined` where the code it walks is nested deeper than the stack is. */
export function unlessTooDeep<T>(walk: () => T): T | undefined {
  try {
    return walk();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Resolves the scopes of `root` and of all functions in it. Parameters of inner functions are opaque. */
export function resolveScopes(root: FunctionNode): Scopes {
  const resolver = new Resolver();
  resolver.functionNode(root, undefined, (index) => ({ kind: "argument", index, path: [], optional: false }));
  const { bindings, references, free, dynamic } = resolver;
  return { bindings, bindingOf: (identifier) => references.get(identifier), free, dynamic };
}

/** All nodes directly below `node`, in no order to rely on. */
export function childrenOf(node: AnyNode): AnyNode[] {
  const children: AnyNode[] = [];
  for (const key in node) {
    const value: unknown = node[key as keyof AnyNode];
    if (typeof value !== "object" || value === null) continue;
    if (isNode(value)) children.push(value);
    else if (Array.isArray(value)) for (const item of value as unknown[]) if (isNode(item)) children.push(item);
  }
  return children;
}

const isNode = (value: unknown): value is AnyNode =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";

/** `a` of `{ a: p }`, 1 of `{ 1: p }`; `undefined` for a computed key that is no literal. */
export function keyOf(key: AnyNode, computed: boolean): string | number | undefined {
  if (key.type === "Identifier") return computed ? undefined : key.name;
  if (key.type !== "Literal") return undefined;
  return typeof key.value === "string" || typeof key.value === "number" ? key.value : undefined;
}

/** `undefined`, `null`, `void 0` */
export function isNullish(node: AnyNode): boolean {
  if (node.type === "Identifier") return node.name === "undefined";
  return node.type === "Literal" ? node.raw === "null" : node.type === "UnaryExpression" && node.operator === "void";
}

// ---------------------------------------------------------------------------------------------------------------------

class Scope {
  readonly #own = new Map<string, Binding>();

  constructor(
    readonly outer: Scope | undefined,
    readonly all: Binding[],
  ) {}

  declare(name: string, ...definitions: Definition[]): void {
    const known = this.#own.get(name);
    if (known) {
      known.definitions.push(...definitions);
      return;
    }
    const binding = { name, definitions };
    this.#own.set(name, binding);
    this.all.push(binding);
  }

  find(name: string): Binding | undefined {
    return this.#own.get(name) ?? this.outer?.find(name);
  }
}

class Resolver {
  readonly bindings: Binding[] = [];
  readonly references = new Map<AnyNode, Binding>();
  readonly free: Identifier[] = [];
  dynamic = false;

  functionNode(node: AnyFunctionNode, outer: Scope | undefined, parameter: (index: number) => Definition): void {
    let scope = new Scope(outer, this.bindings);
    if (node.type === "FunctionExpression" && node.id) {
      scope.declare(node.id.name, opaque); // its own name, which a parameter may hide
      scope = new Scope(scope, this.bindings);
    }
    if (node.type !== "ArrowFunctionExpression") scope.declare("arguments", opaque);
    for (const pattern of node.params) for (const name of namesIn(pattern)) scope.declare(name);
    hoistVars(node.body as AnyNode, scope);
    node.params.forEach((pattern, index) => {
      const given = parameter(index);
      if (pattern.type !== "RestElement") this.define(pattern, given, scope);
      else this.define(pattern.argument, given.kind === "argument" ? { kind: "rest", index } : opaque, scope);
    });
    this.visit(node.body as AnyNode, scope);
  }

  visit(node: AnyNode, scope: Scope): void {
    switch (node.type) {
      case "Identifier":
        this.refer(node, scope);
        return;
      case "FunctionDeclaration":
      case "FunctionExpression":
      case "ArrowFunctionExpression":
        this.functionNode(node, scope, () => opaque);
        return;
      case "ClassDeclaration":
      case "ClassExpression":
        this.classNode(node, scope);
        return;
      case "BlockStatement":
        this.block(node.body, node.body, scope);
        return;
      case "StaticBlock": {
        const inner = new Scope(scope, this.bindings);
        for (const statement of node.body) hoistVars(statement, inner);
        this.block(node.body, node.body, inner);
        return;
      }
      case "SwitchStatement":
        this.visit(node.discriminant, scope);
        this.block(
          node.cases,
          node.cases.flatMap((each) => each.consequent),
          scope,
        );
        return;
      case "ForStatement":
        this.block(childrenOf(node), node.init ? [node.init] : [], scope);
        return;
      case "ForInStatement":
      case "ForOfStatement": {
        const inner = new Scope(scope, this.bindings);
        hoistLexical([node.left], inner);
        const left = node.left.type === "VariableDeclaration" ? node.left.declarations[0]!.id : node.left;
        this.define(left, node.type === "ForOfStatement" ? { kind: "each", of: node.right, path: [] } : opaque, inner);
        this.visit(node.right, inner);
        this.visit(node.body, inner);
        return;
      }
      case "CatchClause": {
        const inner = new Scope(scope, this.bindings);
        if (node.param) {
          for (const name of namesIn(node.param)) inner.declare(name);
          this.define(node.param, opaque, inner);
        }
        this.visit(node.body, inner);
        return;
      }
      case "VariableDeclarator":
        if (node.init) {
          this.define(node.id, { kind: "expression", from: node.init, path: [] }, scope);
          this.visit(node.init, scope);
        } else this.define(node.id, opaque, scope);
        return;
      case "AssignmentExpression":
        if (/^(=|&&=|\|\|=|\?\?=)$/.test(node.operator)) {
          this.define(node.left, { kind: "expression", from: node.right, path: [] }, scope);
        } else this.visit(node.left as AnyNode, scope);
        this.visit(node.right, scope);
        return;
      case "MemberExpression":
        this.visit(node.object, scope);
        if (node.computed) this.visit(node.property, scope);
        return;
      case "Property":
      case "MethodDefinition":
      case "PropertyDefinition":
        if (node.computed) this.visit(node.key, scope);
        if (node.value) this.visit(node.value as AnyNode, scope);
        return;
      case "LabeledStatement":
        this.visit(node.body, scope);
        return;
      case "BreakStatement":
      case "ContinueStatement":
      case "MetaProperty":
        return;
      case "WithStatement":
        this.dynamic = true;
        break;
      case "CallExpression":
        if (node.callee.type === "Identifier" && node.callee.name === "eval" && !scope.find("eval"))
          this.dynamic = true;
        break;
    }
    for (const child of childrenOf(node)) this.visit(child, scope);
  }

  refer(identifier: Identifier, scope: Scope): Binding | undefined {
    const binding = scope.find(identifier.name);
    if (binding) this.references.set(identifier, binding);
    else this.free.push(identifier);
    return binding;
  }

  /** Gives the variables of a pattern their definitions, and visits the expressions in it. */
  define(pattern: Pattern, definition: Definition, scope: Scope): void {
    switch (pattern.type) {
      case "Identifier":
        this.refer(pattern, scope)?.definitions.push(definition);
        return;
      case "AssignmentPattern":
        this.define(
          pattern.left,
          definition.kind === "argument" ? { ...definition, optional: true } : definition,
          scope,
        );
        this.visit(pattern.right, scope);
        return;
      case "ArrayPattern":
        pattern.elements.forEach((element, i) => {
          if (element?.type === "RestElement") this.define(element.argument, opaque, scope);
          else if (element) this.define(element, elementOf(definition, i), scope);
        });
        return;
      case "ObjectPattern":
        for (const property of pattern.properties) {
          if (property.type === "RestElement") this.define(property.argument, opaque, scope);
          else {
            if (property.computed) this.visit(property.key, scope);
            this.define(property.value, elementOf(definition, keyOf(property.key, property.computed)), scope);
          }
        }
        return;
      default:
        this.visit(pattern as AnyNode, scope); // a property: x.a = …
        return;
    }
  }

  /** Visits `nodes` in a scope of their own, with the names that `statements` declare. */
  block(nodes: readonly AnyNode[], statements: readonly AnyNode[], scope: Scope): void {
    const inner = new Scope(scope, this.bindings);
    hoistLexical(statements, inner);
    for (const node of nodes) this.visit(node, inner);
  }

  classNode(node: Class, scope: Scope): void {
    const inner = new Scope(scope, this.bindings);
    if (node.id) inner.declare(node.id.name, opaque);
    if (node.superClass) this.visit(node.superClass, inner);
    this.visit(node.body, inner);
  }
}

function elementOf(definition: Definition, key: string | number | undefined): Definition {
  if (key === undefined || definition.kind === "opaque") return opaque;
  if (definition.kind !== "rest") return { ...definition, path: [...definition.path, key] };
  return typeof key === "number"
    ? { kind: "argument", index: definition.index + key, path: [], optional: false }
    : opaque;
}

/** Declares what `let`, `const`, `class` and `function` among `statements` declare. */
function hoistLexical(statements: readonly AnyNode[], scope: Scope): void {
  for (const statement of statements) {
    if (statement.type === "LabeledStatement") hoistLexical([statement.body], scope);
    else if (statement.type === "FunctionDeclaration" || statement.type === "ClassDeclaration") {
      if (statement.id) scope.declare(statement.id.name, itself(statement));
    } else if (statement.type === "VariableDeclaration" && statement.kind !== "var") {
      for (const { id } of statement.declarations) for (const name of namesIn(id)) scope.declare(name);
    }
  }
}

/**
 * Declares what `var` declares anywhere in a function's body; inner functions have their own. A `var` in a block may
 * never be reached and stay undefined, so it is opaque. Functions in blocks count, for sloppy code sees them outside.
 */
function hoistVars(node: AnyNode, scope: Scope, depth = 0): void {
  if (node.type === "FunctionDeclaration" && node.id) scope.declare(node.id.name, itself(node));
  if (/Function|Class|Expression$/.test(node.type)) return; // no statement below an expression but in functions
  if (node.type === "VariableDeclaration" && node.kind === "var") {
    for (const { id } of node.declarations) {
      for (const name of namesIn(id)) scope.declare(name, ...(depth > 1 ? [opaque] : []));
    }
  }
  for (const child of childrenOf(node)) hoistVars(child, scope, depth + 1);
}

/** Names that a pattern declares. */
export function namesIn(pattern: Pattern): string[] {
  switch (pattern.type) {
    case "Identifier":
      return [pattern.name];
    case "AssignmentPattern":
      return namesIn(pattern.left);
    case "RestElement":
      return namesIn(pattern.argument);
    case "ArrayPattern":
      return pattern.elements.flatMap((element) => (element ? namesIn(element) : []));
    case "ObjectPattern":
      return pattern.properties.flatMap((p) => namesIn(p.type === "RestElement" ? p.argument : p.value));
    default:
      return [];
  }
}
