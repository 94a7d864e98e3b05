// Which expressions of a function are certainly traced values: a small dataflow over its variables.
import type { AnyNode, CallExpression, MemberExpression } from "acorn";
import type { Path } from "../core/tree.js";
import { type Binding, type Definition, keyOf, type Scopes } from "./scopes.js";

/**
 * Whether the argument at `index`, or what stands at `path` in it, is itself a tracer. `as` tells what the function
 * makes of it: a variable, a variable with a default, or something it looks into.
 */
export type IsTraced = (index: number, path: Path, as: "variable" | "optional" | "inner") => boolean;

/**
 * What is known of a value while the function is traced: it is a tracer; it is what a method of a tracer gave, a tracer
 * or a list of them; it stands in an argument that is a tree of tracers and other things; it is the array of a rest
 * parameter; it is a plain number; nothing; or nothing yet.
 */
type Value =
  | { readonly kind: "traced" }
  | { readonly kind: "derived" }
  | { readonly kind: "place"; readonly index: number; readonly path: Path }
  | { readonly kind: "rest"; readonly index: number }
  | { readonly kind: "number" }
  | { readonly kind: "unknown" }
  | { readonly kind: "unset" };

const traced: Value = { kind: "traced" };
const derived: Value = { kind: "derived" };
const plainNumber: Value = { kind: "number" };
const unknown: Value = { kind: "unknown" };
const unset: Value = { kind: "unset" };

// Methods whose result is neither a tracer nor a list of tracers: of tracers, and of lists of them.
const PLAIN_METHODS = new Set(
  (
    "data item dispose toString toLocaleString toJSON valueOf hasOwnProperty propertyIsEnumerable equals entries keys " +
    "values forEach map flatMap filter reduce reduceRight every some includes indexOf lastIndexOf find findIndex " +
    "findLast findLastIndex join push pop shift unshift"
  ).split(" "),
);
const PLAIN_NAMES = /^(?:is|has|can|same|get|to)[A-Z]/;

/** Values of the expressions of one function, for one choice of traced arguments. */
export class Values {
  readonly #of = new Map<Binding, Value>();

  constructor(
    readonly scopes: Scopes,
    readonly isTraced: IsTraced,
  ) {
    // A variable is traced when all its definitions are. Values only fall, from unset to known to unknown.
    for (const binding of scopes.bindings) this.#of.set(binding, binding.definitions.length > 0 ? unset : unknown);
    for (let changed = true; changed; ) {
      changed = false;
      for (const [binding, before] of this.#of) {
        if (before.kind === "unknown") continue;
        const after = binding.definitions.map((definition) => this.#defined(definition)).reduce(meet);
        if (equalValues(after, before)) continue;
        this.#of.set(binding, after);
        changed = true;
      }
    }
  }

  /** Whether the value is a tracer on every run of the function. */
  isTracedNode(node: AnyNode): boolean {
    return isTracer(this.valueOf(node));
  }

  valueOf(node: AnyNode): Value {
    switch (node.type) {
      case "Identifier": {
        const binding = this.scopes.bindingOf(node);
        return (binding && this.#of.get(binding)) ?? unknown;
      }
      case "ChainExpression":
        return this.valueOf(node.expression);
      case "SequenceExpression":
        return this.valueOf(node.expressions.at(-1)!);
      case "AssignmentExpression":
        return node.operator === "=" ? this.valueOf(node.right) : unknown;
      case "ConditionalExpression":
        return meet(this.valueOf(node.consequent), this.valueOf(node.alternate));
      case "LogicalExpression": {
        const left = this.valueOf(node.left);
        if (left.kind === "unset") return left;
        // a tracer is an object: neither nullish nor falsy
        if (isTracer(left)) return node.operator === "&&" ? this.valueOf(node.right) : left;
        return unknown;
      }
      case "MemberExpression":
        return this.#member(node);
      case "CallExpression":
        return this.#call(node);
      case "Literal":
        return typeof node.value === "number" ? plainNumber : unknown;
      case "UpdateExpression":
        return plainNumber;
      case "UnaryExpression":
        return /^[-+~]$/.test(node.operator) ? plainNumber : unknown;
      case "BinaryExpression":
        // a tracer in arithmetic throws when it runs
        if (/^(?:[-*/%|&^]|\*\*|<<|>>>?)$/.test(node.operator)) return plainNumber;
        return node.operator === "+" ? sum(this.valueOf(node.left as AnyNode), this.valueOf(node.right)) : unknown;
      default:
        return unknown;
    }
  }

  #member(node: MemberExpression): Value {
    if (node.object.type === "Super" || node.property.type === "PrivateIdentifier") return unknown;
    const object = this.valueOf(node.object);
    if (isTracer(object)) return unknown; // the properties of a tracer are static: shape, dtype, size
    return this.#element(object, keyOf(node.property, node.computed), "inner");
  }

  /** A method of a tracer gives a tracer, or a list of them. */
  #call(node: CallExpression): Value {
    const { callee } = node;
    if (callee.type !== "MemberExpression" || callee.object.type === "Super") return unknown;
    if (callee.property.type === "PrivateIdentifier") return unknown;
    const method = keyOf(callee.property, callee.computed);
    if (typeof method !== "string" || PLAIN_METHODS.has(method) || PLAIN_NAMES.test(method)) return unknown;
    const object = this.valueOf(callee.object);
    if (object.kind === "unset") return object;
    return isTracer(object) ? derived : unknown;
  }

  #element(of: Value, key: string | number | undefined, as: Parameters<IsTraced>[2]): Value {
    if (of.kind === "unset") return of;
    if (key === undefined) return unknown;
    if (of.kind === "place") return this.#argument(of.index, [...of.path, key], as);
    if (typeof key !== "number") return unknown;
    if (of.kind === "rest") return this.#argument(of.index + key, [], as === "inner" ? "variable" : as);
    return isTracer(of) ? of : unknown; // iterating a tracer gives its rows
  }

  #argument(index: number, path: Path, as: Parameters<IsTraced>[2]): Value {
    return this.isTraced(index, path, as) ? traced : { kind: "place", index, path };
  }

  #defined(definition: Definition): Value {
    switch (definition.kind) {
      case "opaque":
        return unknown;
      case "rest":
        return definition;
      case "argument": {
        const { index, path, optional } = definition;
        const as = (depth: number) => (depth < path.length ? "inner" : optional ? "optional" : "variable");
        const root = this.#argument(index, [], as(0));
        return path.reduce<Value>((of, key, i) => this.#element(of, key, as(i + 1)), root);
      }
      case "expression":
        return definition.path.reduce<Value>(
          (of, key) => this.#element(of, key, "inner"),
          this.valueOf(definition.from),
        );
      case "each": {
        const of = this.valueOf(definition.of);
        const row = isTracer(of) || of.kind === "unset" ? of : unknown;
        return definition.path.reduce<Value>((each, key) => this.#element(each, key, "inner"), row);
      }
    }
  }
}

const isTracer = (value: Value): boolean => value.kind === "traced" || value.kind === "derived";

function meet(a: Value, b: Value): Value {
  if (a.kind === "unset") return b;
  if (b.kind === "unset" || equalValues(a, b)) return a;
  return isTracer(a) && isTracer(b) ? derived : unknown;
}

function sum(a: Value, b: Value): Value {
  const both = meet(a, b);
  return both.kind === "number" || both.kind === "unset" ? both : unknown;
}

function equalValues(a: Value, b: Value): boolean {
  if (a.kind === "place" && b.kind === "place") {
    return a.index === b.index && a.path.length === b.path.length && a.path.every((key, i) => key === b.path[i]);
  }
  if (a.kind === "rest" && b.kind === "rest") return a.index === b.index;
  return a.kind === b.kind;
}
