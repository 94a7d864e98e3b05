// Whether a function must be interpreted, or may simply be run on tracers: it may where nothing in it asks a traced value
// for what JavaScript answers by itself.
import type { AnyNode, CallExpression, Expression, MemberExpression } from "acorn";
import { isNode as isTree } from "../core/tree.js";
import { Tensor } from "../trace/tensor.js";
import { type CapturedScope, capturedScope } from "./captured.js";
import { isNative, isOurs } from "./ours.js";
import {
  type Binding,
  childrenOf,
  type Definition,
  isNullish,
  keyOf,
  type Scopes,
  scopesIn,
  unlessTooDeep,
} from "./scopes.js";
import { type AnyFunction, type FunctionSource, functionSource } from "./source.js";

/** A part of the function that traced values may come to harm in. */
export type Need = AnyNode | undefined;

/**
 * The first piece of the function that must be interpreted where its arguments are `args` and it sees `outside`; undefined
 * where there is none. In doubt there is one: a static value that is taken for a traced one costs a little time.
 */
export function needOf(source: FunctionSource, self: unknown, args: readonly unknown[], outside: CapturedScope): Need {
  const scopes = scopesIn(source);
  if (!scopes || scopes.dynamic) return source.node;
  return (
    unlessTooDeep(() =>
      new Finder(scopes, self, args, outside, source.node.type === "ArrowFunctionExpression").need(source.node),
    ) ?? undefined
  );
}

/** Known now: the value, or only that it is not traced. */
type Known = { readonly value: unknown } | "static" | undefined;

const STATIC_PROPERTIES = new Set(["shape", "dtype", "ndim", "size", "length", "aval"]);

/** Methods of arrays that ask what their callbacks return, or compare elements. */
const ASKING = new Set(
  "filter some every find findIndex findLast findLastIndex includes indexOf lastIndexOf sort join toSorted".split(" "),
);

/** Functions that are being looked at. */
const underWay = new Set<unknown>();

/** Stands for a tensor that is not there yet. */
const someTensor: unknown = Object.create(Tensor.prototype);

class Finder {
  readonly #static = new Map<Binding, boolean>();

  constructor(
    readonly scopes: Scopes,
    readonly self: unknown,
    readonly args: readonly unknown[],
    readonly outside: CapturedScope,
    readonly hidesThis: boolean,
  ) {}

  need(node: AnyNode): Need {
    const own = this.needsItself(node);
    if (own) return node;
    for (const child of childrenOf(node)) {
      const found = this.need(child);
      if (found) return found;
    }
    return undefined;
  }

  needsItself(node: AnyNode): boolean {
    const open = (x: AnyNode): boolean => !this.isStatic(x);
    switch (node.type) {
      case "FunctionDeclaration":
      case "FunctionExpression":
      case "ArrowFunctionExpression":
        return node.async || node.generator;
      case "BinaryExpression":
        if (node.left.type === "PrivateIdentifier" || node.operator === "instanceof") return false;
        if (this.isPresence(node)) return false;
        return open(node.left) || open(node.right);
      case "UnaryExpression":
        return node.operator !== "void" && node.operator !== "delete" && open(node.argument);
      case "LogicalExpression":
        return node.operator !== "??" && open(node.left);
      case "IfStatement":
      case "ConditionalExpression":
      case "WhileStatement":
      case "DoWhileStatement":
        return open(node.test);
      case "ForStatement":
        return Boolean(node.test) && open(node.test!);
      case "SwitchStatement":
        return open(node.discriminant) || node.cases.some((each) => each.test && open(each.test));
      case "UpdateExpression":
        return open(node.argument);
      case "AssignmentExpression":
        return this.assigns(node.left, node.operator, node.right);
      case "TemplateLiteral":
        return node.expressions.some(open);
      case "MemberExpression":
        return node.computed && node.object.type !== "Super" && (open(node.object) || open(node.property));
      case "CallExpression":
        return this.calls(node);
      case "NewExpression": {
        if (node.arguments.every((each) => !open(each))) return false;
        const callee = this.known(node.callee);
        return !(callee && callee !== "static" && isOurs(callee.value));
      }
      case "TaggedTemplateExpression":
      case "ThrowStatement":
      case "AwaitExpression":
      case "YieldExpression":
        return true;
      default:
        return false;
    }
  }

  /** `x === undefined`, `x == null`: an honest question. */
  isPresence(node: AnyNode): boolean {
    if (node.type !== "BinaryExpression" || !/^[!=]==?$/.test(node.operator)) return false;
    return [node.left as AnyNode, node.right].some(isNullish);
  }

  assigns(left: AnyNode, operator: string, right: Expression): boolean {
    if (operator !== "=" && operator !== "??=") return !this.isStatic(left) || !this.isStatic(right);
    if (left.type === "Identifier") return !this.scopes.bindingOf(left) && !this.isStatic(right);
    // an element or field: of an object of its own that is what it is run or not
    return left.type === "MemberExpression" && !this.isStatic(right) && this.isOutside(left.object as AnyNode);
  }

  /** Whether this may be an object from outside. */
  isOutside(node: AnyNode): boolean {
    if (node.type === "MemberExpression") return this.isOutside(node.object as AnyNode);
    return node.type !== "Identifier" || !this.scopes.bindingOf(node);
  }

  calls({ callee, arguments: args }: CallExpression): boolean {
    if (args.every((each) => this.isStatic(each))) {
      // with nothing traced in it; but a method may be of a traced list
      return callee.type === "MemberExpression" && !this.isStatic(callee.object) && this.asks(callee);
    }
    const inner = callee.type === "SequenceExpression" ? callee.expressions.at(-1)! : callee;
    if (inner.type === "Super") return true;
    const known = this.known(inner);
    if (known === "static") return true;
    if (known) return !isOurs(known.value) && !this.isHarmless(known.value, args);
    if (inner.type === "Identifier") return !this.isLookedAt(inner);
    // a private method is known to the code of its class alone: it is run
    if (inner.type === "MemberExpression" && inner.property.type === "PrivateIdentifier") return false;
    if (inner.type !== "MemberExpression") return inner.type !== "CallExpression";
    return this.asks(inner) || !(this.isTensor(inner.object as AnyNode) || this.isHidden(inner));
  }

  /** Whether the variable holds a function of its own, which is looked at where it stands, or one that we have made. */
  isLookedAt(node: AnyNode): boolean {
    const definitions = this.scopes.bindingOf(node)?.definitions ?? [];
    return (
      definitions.length > 0 &&
      definitions.every((each) => each.kind === "expression" && each.path.length === 0 && this.makesLookedAt(each.from))
    );
  }

  makesLookedAt(node: AnyNode): boolean {
    if (/Function/.test(node.type)) return true;
    const known = node.type === "CallExpression" ? this.known(node.callee) : undefined;
    return known !== undefined && known !== "static" && isOurs(known.value);
  }

  /** Whether a function of the user's comes to no harm with these arguments, whatever they are. */
  isHarmless(fn: unknown, args: CallExpression["arguments"]): boolean {
    if (typeof fn !== "function" || underWay.has(fn)) return false;
    const source = functionSource(fn as AnyFunction);
    const given = args.map((each) => this.given(each));
    if (!source || given.includes(undefined)) return false;
    underWay.add(fn);
    try {
      const values = given.flatMap((each) => each!);
      return !needOf(source, undefined, values, capturedScope(fn as AnyFunction, this.outside.given));
    } finally {
      underWay.delete(fn);
    }
  }

  /** What an argument is, or something like it; undefined where that is unknown. */
  given(node: AnyNode): readonly unknown[] | undefined {
    if (node.type === "SpreadElement") {
      const known = this.known(node.argument);
      return known && known !== "static" && Array.isArray(known.value) ? known.value : undefined;
    }
    const known = this.known(node);
    if (known && known !== "static") return [known.value];
    if (this.isTensor(node)) return [node.type === "ArrayExpression" ? [] : someTensor];
    return this.isStatic(node) ? [0] : undefined;
  }

  /**
   * Whether this lies in the `this` of an arrow function, which nobody sees: what its methods do is left to them. Where the
   * method around it is traced, they have been looked at.
   */
  isHidden(node: AnyNode): boolean {
    if (node.type === "MemberExpression") return this.isHidden(node.object as AnyNode);
    return node.type === "ThisExpression" && this.hidesThis;
  }

  asks(callee: MemberExpression): boolean {
    const name = callee.property.type === "PrivateIdentifier" ? undefined : keyOf(callee.property, callee.computed);
    if (name === undefined || ASKING.has(String(name))) return true;
    // a method of arrays that tensors do not have
    const object = callee.object.type === "Super" ? undefined : this.known(callee.object);
    const isOfTensor = object !== undefined && object !== "static" && object.value instanceof Tensor;
    return isOfTensor && !(name in (object.value as Tensor)) && name in Array.prototype;
  }

  /** Whether the value is a tensor or a list of such, so that its methods are ours or JavaScript's. */
  isTensor(node: AnyNode): boolean {
    switch (node.type) {
      case "Identifier": {
        const binding = this.scopes.bindingOf(node);
        if (!binding) return this.isTensorValue(this.known(node));
        return (
          binding.definitions.length > 0 &&
          binding.definitions.every((definition) => {
            if (definition.kind === "argument") return this.isTensorValue(this.argument(definition));
            if (definition.kind !== "expression" || definition.path.length > 0) return false;
            return definition.from !== node && this.isTensor(definition.from);
          })
        );
      }
      case "MemberExpression":
        return this.isTensorValue(this.known(node));
      case "CallExpression": {
        const { callee } = node;
        const known = this.known(callee);
        if (known && known !== "static") return isOurs(known.value);
        return callee.type === "MemberExpression" && callee.object.type !== "Super" && this.isTensor(callee.object);
      }
      case "ArrayExpression":
        return true;
      default:
        return false;
    }
  }

  isTensorValue(known: Known): boolean {
    return known !== undefined && known !== "static" && (known.value instanceof Tensor || Array.isArray(known.value));
  }

  rest({ index }: Definition & { kind: "rest" }): Known {
    return { value: this.args.slice(index) };
  }

  argument({ index, path, optional }: Definition & { kind: "argument" }): Known {
    return optional ? undefined : { value: path.reduce<unknown>(entryOf, this.args[index]) };
  }

  isStatic(node: AnyNode): boolean {
    switch (node.type) {
      case "Literal":
      case "MetaProperty":
        return true;
      case "Identifier":
        return this.isStaticName(node);
      case "TemplateLiteral":
      case "SequenceExpression":
        return node.expressions.every((each) => this.isStatic(each));
      case "SpreadElement":
        return this.isStatic(node.argument);
      case "ChainExpression":
      case "ParenthesizedExpression":
        return this.isStatic(node.expression);
      case "UnaryExpression":
        return node.operator === "void" || this.isStatic(node.argument);
      case "UpdateExpression":
        return this.isStatic(node.argument);
      case "BinaryExpression":
        if (node.operator === "instanceof" || node.left.type === "PrivateIdentifier" || this.isPresence(node))
          return true;
        return this.isStatic(node.left) && this.isStatic(node.right);
      case "LogicalExpression":
        return this.isStatic(node.left) && this.isStatic(node.right);
      case "ConditionalExpression":
        return [node.test, node.consequent, node.alternate].every((each) => this.isStatic(each));
      case "AssignmentExpression":
        return this.isStatic(node.right) && this.isStatic(node.left);
      case "ArrayExpression":
        return node.elements.every((each) => !each || this.isStatic(each));
      case "ObjectExpression":
        return node.properties.every((each) =>
          each.type === "SpreadElement" ? this.isStatic(each.argument) : this.isStatic(each.value),
        );
      case "MemberExpression": {
        if (!node.computed && node.property.type === "Identifier" && STATIC_PROPERTIES.has(node.property.name))
          return true;
        if (this.isHidden(node)) return true;
        const known = this.known(node);
        if (known) return known === "static" || isPlain(known.value);
        return this.isStatic(node.object as AnyNode) && (!node.computed || this.isStatic(node.property));
      }
      case "CallExpression": {
        const known = this.known(node.callee);
        const isPure = node.arguments.every((each) => this.isStatic(each));
        if (!isPure) return false;
        if (known && known !== "static") return isNative(known.value) && known.value !== Math.random;
        return node.callee.type === "MemberExpression" && this.isStatic(node.callee.object as AnyNode);
      }
      default:
        return false;
    }
  }

  isStaticName(node: AnyNode & { type: "Identifier" }): boolean {
    const binding = this.scopes.bindingOf(node);
    if (!binding) {
      const known = this.known(node);
      return known !== undefined && (known === "static" || isPlain(known.value));
    }
    const decided = this.#static.get(binding);
    if (decided !== undefined) return decided;
    this.#static.set(binding, true); // assumed, for what is computed from itself
    const result =
      binding.definitions.length > 0 && binding.definitions.every((definition) => this.isStaticDefinition(definition));
    this.#static.set(binding, result);
    return result;
  }

  isStaticDefinition(definition: Definition): boolean {
    switch (definition.kind) {
      case "argument": {
        const value = definition.path.reduce<unknown>(entryOf, this.args[definition.index]);
        return !definition.optional && isPlain(value);
      }
      case "expression":
        return this.isStatic(definition.from);
      case "each":
        return this.isStatic(definition.of);
      default:
        return false;
    }
  }

  /** What an expression is now, if that is to be had without running anything. */
  known(node: AnyNode): Known {
    if (node.type === "Identifier") {
      const [only, ...others] = this.scopes.bindingOf(node)?.definitions ?? [];
      if (this.scopes.bindingOf(node)) {
        if (others.length > 0) return undefined;
        return only?.kind === "argument" ? this.argument(only) : only?.kind === "rest" ? this.rest(only) : undefined;
      }
      if (node.name === "undefined") return { value: undefined };
      try {
        return this.outside.read(node.name);
      } catch {
        return undefined;
      }
    }
    if (node.type === "ThisExpression") return this.hidesThis ? undefined : { value: this.self };
    if (node.type === "SequenceExpression") return this.known(node.expressions.at(-1)!);
    if (node.type !== "MemberExpression" || node.property.type === "PrivateIdentifier") return undefined;
    const object = node.object.type === "Super" ? undefined : this.known(node.object);
    const key = keyOf(node.property, node.computed);
    if (!object || object === "static" || key === undefined) return undefined;
    const value = object.value as Record<string, unknown> | null | undefined;
    if (value === null || value === undefined) return undefined;
    for (let at: unknown = Object(value); at; at = Object.getPrototypeOf(at)) {
      const property = Reflect.getOwnPropertyDescriptor(at as object, key);
      // a namespace of a bundler has getters for what it exports; others are not run
      if (property?.get) return isNamespace(at) ? { value: value[key] } : undefined;
      if (property) return { value: property.value as unknown };
    }
    return undefined;
  }
}

const isNamespace = (x: unknown): boolean => (x as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === "Module";

/** What a pattern takes out of x: of a tensor, which is iterable, a tensor. */
const entryOf = (x: unknown, key: string | number): unknown =>
  typeof key === "number" && x instanceof Tensor
    ? x
    : (x as Record<string | number, unknown> | null | undefined)?.[key];

/** Text, numbers, booleans, nothing, and trees of these: a tensor, or a function that may give one, is in none. */
function isPlain(x: unknown, depth = 6): boolean {
  if (typeof x !== "object" || x === null) return typeof x !== "function";
  if (ArrayBuffer.isView(x)) return true;
  if (depth === 0 || !isTree(x)) return false;
  return Object.values(x).every((item) => isPlain(item, depth - 1));
}
