// Classes: those of interpreted code, and those from outside whose objects get traced values.
import type { AnyNode, Class, Function as FunctionSyntax, PropertyDefinition } from "acorn";
import { type Activation, type Evaluator, Scope, type Site, Thrown, type Unit } from "./evaluator.js";
import { type Closure, callFunction, dress } from "./functions.js";
import { nameAfterKey, privateAccessor, propertyKey } from "./references.js";
import type { AnyFunction } from "./source.js";
import { Cell, created, noteObject, setPrivate } from "./store.js";

/** A field with its key, worked out once. */
interface Field {
  readonly key: PropertyKey;
  readonly hidden: object | undefined;
  readonly node: PropertyDefinition;
}

/** What makes the objects of a class. */
interface Blueprint {
  readonly scope: Scope;
  readonly constructorNode: FunctionSyntax | undefined;
  readonly fields: readonly Field[];
  /** Private methods and accessors, which stand in each object. */
  readonly hidden: ReadonlyMap<object, unknown>;
  readonly parent: unknown;
  readonly isDerived: boolean;
  /** The object that methods are on. */
  readonly home: object;
}

/** The value of a class expression. */
export function evaluateClass(run: Evaluator, node: Class & AnyNode, outer: Scope): AnyFunction {
  const names = new Map(outer.privateNames);
  for (const member of node.body.body) {
    if (member.type !== "StaticBlock" && member.key.type === "PrivateIdentifier") {
      const { name } = member.key;
      if (!names.has(name) || outer.privateNames.get(name) === names.get(name)) names.set(name, { name });
    }
  }
  const scope = new Scope(outer, outer.activation, names);
  const parent = node.superClass ? run.evaluate(node.superClass, outer) : undefined;
  const isDerived = node.superClass !== null && node.superClass !== undefined;
  const home = created(
    Object.create(
      parent === undefined || parent === null
        ? isDerived
          ? null
          : Object.prototype
        : ((parent as AnyFunction).prototype as object | null),
    ) as object,
  );

  let blueprint: Blueprint;
  const constructorNode = node.body.body.find(
    (each) => each.type === "MethodDefinition" && each.kind === "constructor",
  );
  const syntax = constructorNode?.type === "MethodDefinition" ? constructorNode.value : emptyFunction(node);
  const closure: Closure = {
    node: syntax,
    scope,
    home,
    construct: (args, newTarget) => construct(run, blueprint, args, newTarget, { node, scope }),
  };
  const made = function (this: unknown, ...args: unknown[]): unknown {
    if (new.target === undefined)
      throw new TypeError(`Class constructor ${node.id?.name ?? ""} cannot be invoked without 'new'`);
    return closure.construct!(args, new.target);
  };
  dress(made as AnyFunction, closure, node.id?.name ?? "");
  Object.defineProperty(made, "prototype", { value: home, writable: false });
  Object.defineProperty(home, "constructor", { value: made, writable: true, configurable: true });
  if (typeof parent === "function") Object.setPrototypeOf(made, parent);
  if (node.id) scope.declare(new Cell(node.id.name, made, true));

  const fields: Field[] = [];
  const hidden = new Map<object, unknown>();
  const statics: (() => void)[] = [];
  for (const member of node.body.body) {
    if (member.type === "StaticBlock") {
      statics.push(() => void run.executeBody({ ...member, type: "BlockStatement" }, bodyScope(scope, made, made)));
      continue;
    }
    if (member.type === "MethodDefinition" && member.kind === "constructor") continue;
    const isHidden = member.key.type === "PrivateIdentifier";
    const secret = isHidden ? names.get((member.key as { name: string }).name) : undefined;
    const key = isHidden
      ? `#${(member.key as { name: string }).name}`
      : propertyKey(run, member.key, member.computed, scope);
    const target: object = member.static ? made : home;
    if (member.type === "PropertyDefinition") {
      const field = { key, hidden: secret, node: member };
      if (member.static) statics.push(() => initialise(run, field, scope, made, made));
      else fields.push(field);
      continue;
    }
    const method = run.evaluate({ ...member.value, type: "FunctionExpression", id: null }, scope) as AnyFunction;
    run.setHome(method, target);
    nameAfterKey(method, { ...member.value, type: "FunctionExpression", id: null }, key);
    if (secret) {
      const known = hidden.get(secret) as object | undefined;
      const value = member.kind === "method" ? method : privateAccessor({ ...known, [member.kind]: method });
      if (member.static) setPrivate(made, secret, value);
      else hidden.set(secret, value);
    } else if (member.kind === "method") {
      Object.defineProperty(target, key, { value: method, writable: true, configurable: true });
    } else Object.defineProperty(target, key, { [member.kind]: method, configurable: true });
  }
  blueprint = {
    scope,
    constructorNode: constructorNode?.type === "MethodDefinition" ? constructorNode.value : undefined,
    fields,
    hidden,
    parent,
    isDerived,
    home,
  };
  for (const work of statics) work();
  return made as AnyFunction;
}

const emptyFunction = (node: Class): FunctionSyntax & AnyNode =>
  ({
    type: "FunctionExpression",
    id: null,
    params: [],
    start: node.start,
    end: node.end,
  }) as unknown as FunctionSyntax & AnyNode;

/** The scope of code that runs for an object: `this` is it. */
function bodyScope(scope: Scope, self: unknown, home: object): Scope {
  const { unit } = scope.activation;
  const activation: Activation = {
    unit,
    self: { value: self, isSet: true },
    args: undefined,
    newTarget: undefined,
    home,
  };
  return new Scope(scope, activation);
}

function initialise(run: Evaluator, { key, hidden, node }: Field, scope: Scope, self: object, home: object): void {
  const value = node.value ? run.evaluate(node.value, bodyScope(scope, self, home)) : undefined;
  if (node.value) nameAfterKey(value, node.value, key);
  noteObject(self);
  if (hidden) setPrivate(self, hidden, value);
  else Object.defineProperty(self, key, { value, writable: true, enumerable: true, configurable: true });
}

function construct(run: Evaluator, of: Blueprint, args: readonly unknown[], newTarget: unknown, site: Site): object {
  const { scope, constructorNode, fields, hidden, parent, isDerived, home } = of;
  const prepare = (made: object): void => {
    for (const [name, value] of hidden) setPrivate(made, name, value);
    for (const field of fields) initialise(run, field, scope, made, home);
  };
  const above = (given: readonly unknown[]): object => {
    if (typeof parent !== "function") throw new Thrown(new TypeError("Super constructor is not a constructor"), site);
    return run.construct(parent, given, site, newTarget);
  };
  if (!isDerived) {
    const made = created(Object.create(prototypeOf(newTarget)) as object);
    prepare(made);
    if (!constructorNode) return made;
    const { unit } = scope.activation;
    const activation: Activation = { unit, self: { value: made, isSet: true }, args, newTarget, home };
    const result = callFunction(run, constructorNode, scope, activation, args, site);
    return typeof result === "object" && result !== null ? result : made;
  }
  if (!constructorNode) {
    const made = above(args);
    prepare(made);
    return made;
  }
  const { unit } = scope.activation;
  const self: { value: unknown; isSet: boolean } = { value: undefined, isSet: false };
  const activation: Activation = { unit, self, args, newTarget, home, derived: { construct: above, prepare } };
  const result = callFunction(run, constructorNode, scope, activation, args, site);
  if (typeof result === "object" && result !== null) return result;
  if (!self.isSet)
    throw new Thrown(new ReferenceError("Must call super constructor in derived class before returning"), site);
  return self.value as object;
}

const prototypeOf = (newTarget: unknown): object | null => (newTarget as AnyFunction).prototype as object | null;

/**
 * Makes an object of a class from outside by interpreting its constructor and fields; its methods are its own, and are
 * interpreted when they are called. The class has no private names: they are known to its own code alone.
 */
export function constructOutside(
  run: Evaluator,
  unit: Unit,
  node: Class,
  args: readonly unknown[],
  newTarget: unknown,
  site: Site,
): object {
  const activation: Activation = { unit, self: undefined, args: undefined, newTarget: undefined, home: undefined };
  const scope = new Scope(undefined, activation);
  const constructorNode = node.body.body.find(
    (each) => each.type === "MethodDefinition" && each.kind === "constructor",
  );
  const fields = node.body.body.flatMap((member): Field[] =>
    member.type === "PropertyDefinition" && !member.static
      ? [{ key: propertyKey(run, member.key, member.computed, scope), hidden: undefined, node: member }]
      : [],
  );
  const blueprint: Blueprint = {
    scope,
    constructorNode: constructorNode?.type === "MethodDefinition" ? constructorNode.value : undefined,
    fields,
    hidden: new Map(),
    parent: Object.getPrototypeOf(unit.fn),
    isDerived: node.superClass !== null && node.superClass !== undefined,
    home: unit.fn.prototype as object,
  };
  return construct(run, blueprint, args, newTarget, site);
}

export const hasPrivateNames = (node: Class): boolean =>
  node.body.body.some((member) => member.type !== "StaticBlock" && member.key.type === "PrivateIdentifier");
