// References: variables and properties as they are read, written and called.
import type { AnyNode, CallExpression, Expression, Identifier, MemberExpression, Pattern, Super } from "acorn";
import { Tensor } from "../trace/tensor.js";
import { assignCell, type Evaluator, outerAssignment, type Scope, type Site, Thrown, used } from "./evaluator.js";
import { listOf } from "./lists.js";
import { type Cell, created, markOutside, privatesOf, setPrivate } from "./store.js";

/** The value of `a?.b` where a is missing, for the whole chain. */
export const BROKEN = Symbol("broken chain");

export function readVariable(node: Identifier, scope: Scope): unknown {
  const { name } = node;
  const cell = scope.find(name);
  if (cell) {
    if (cell.isDead)
      throw new Thrown(new ReferenceError(`Cannot access '${name}' before initialization`), { node, scope });
    return cell.value;
  }
  const { activation } = scope;
  if (name === "undefined") return undefined;
  if (name === "arguments" && activation.args) return created([...activation.args]);
  const found = activation.unit.outside.read(name);
  if (!found) throw new Thrown(new ReferenceError(`${name} is not defined`), { node, scope });
  markOutside(found.value);
  return found.value;
}

export function thisValue(run: Evaluator, site: Site): unknown {
  const { self } = site.scope.activation;
  if (!self) {
    throw run.fail(
      site,
      "'this' of an arrow function is not visible to the tracer",
      "pass the object as an argument or capture it in a const",
    );
  }
  if (!self.isSet)
    throw new Thrown(
      new ReferenceError("Must call super constructor in derived class before accessing 'this' or returning"),
      site,
    );
  return self.value;
}

export function nameAfterKey(value: unknown, node: AnyNode, key: PropertyKey): void {
  const isAnonymous =
    node.type === "ArrowFunctionExpression" ||
    ((node.type === "FunctionExpression" || node.type === "ClassExpression") && !node.id);
  if (isAnonymous && typeof value === "function")
    Object.defineProperty(value, "name", {
      value: typeof key === "symbol" ? `[${key.description ?? ""}]` : String(key),
      configurable: true,
    });
}

/** The key of a property or method; a traced one is an error. */
export function propertyKey(run: Evaluator, node: AnyNode, computed: boolean, scope: Scope): PropertyKey {
  if (!computed && node.type === "Identifier") return node.name;
  const site: Site = { node, scope };
  const key = used(run, run.evaluate(node as Expression, scope), site);
  if (key instanceof Tensor)
    throw run.fail(site, "a traced value names a property", "names must be known while tracing");
  return typeof key === "symbol" ? key : String(key);
}

interface Reference {
  readonly object: unknown;
  readonly value: unknown;
}

/** Where a property is: its object, and its key or private name. */
interface Place {
  readonly object: unknown;
  readonly key: PropertyKey | Tensor;
  readonly hidden?: object;
  /** Where `super` begins to look. */
  readonly above?: object | null;
}

function placeOf(run: Evaluator, node: MemberExpression, scope: Scope): Place | typeof BROKEN {
  if (node.object.type === "Super") {
    const home = scope.activation.home;
    if (!home)
      throw run.fail({ node, scope }, "super cannot be seen here", "call the method of the base class by its name");
    const key = keyOf(run, node, scope);
    return { object: thisValue(run, { node, scope }), key, above: Object.getPrototypeOf(home) as object | null };
  }
  const object = evaluateInChain(run, node.object, scope);
  if (object === BROKEN) return BROKEN;
  const site: Site = { node: node.object, scope };
  used(run, object, site);
  if (node.optional && (object === null || object === undefined)) return BROKEN;
  if (node.property.type === "PrivateIdentifier") {
    const hidden = scope.privateNames.get(node.property.name);
    if (!hidden) {
      throw run.fail(
        { node, scope },
        `the private name #${node.property.name} cannot be seen here`,
        "name the field without #, pass its value as an argument, or use methods of tensors only: x.mul(this.#k)",
      );
    }
    return { object, key: `#${node.property.name}`, hidden };
  }
  return { object, key: keyOf(run, node, scope) };
}

function keyOf(run: Evaluator, node: MemberExpression, scope: Scope): PropertyKey | Tensor {
  const { property } = node;
  if (!node.computed) return (property as Identifier).name;
  const site: Site = { node: property, scope };
  const key = used(run, run.evaluate(property as Expression, scope), site);
  if (key instanceof Tensor) return key;
  if (typeof key === "symbol" || typeof key === "number") return key;
  return String(key);
}

/** The parts of a chain tell each other that it is broken. */
function evaluateInChain(run: Evaluator, node: Expression | Super, scope: Scope): unknown {
  if (node.type === "MemberExpression") return member(run, node, scope).value;
  if (node.type === "CallExpression") return call(run, node, scope);
  return run.evaluate(node, scope);
}

export function member(run: Evaluator, node: MemberExpression, scope: Scope): Reference {
  const place = placeOf(run, node, scope);
  if (place === BROKEN) return { object: undefined, value: BROKEN };
  return { object: place.object, value: readPlace(run, place, { node, scope }) };
}

function readPlace(run: Evaluator, place: Place, site: Site): unknown {
  const { object, key, hidden, above } = place;
  if (hidden) return readPrivate(run, object, hidden, key as string, site);
  if (above === undefined) return run.get(object, key, site);
  return above === null ? undefined : run.getAbove(above, key as PropertyKey, object, site);
}

/** Private methods and accessors stand in the same place as fields. */
export interface PrivateMember {
  readonly get?: unknown;
  readonly set?: unknown;
}

const accessors = new WeakSet<object>();

export const privateAccessor = (member: PrivateMember): PrivateMember => {
  accessors.add(member);
  return member;
};

function readPrivate(run: Evaluator, object: unknown, hidden: object, name: string, site: Site): unknown {
  const own = typeof object === "object" || typeof object === "function" ? privatesOf(object as object) : undefined;
  if (!own?.has(hidden))
    throw new Thrown(
      new TypeError(`Cannot read private member ${name} from an object whose class did not declare it`),
      site,
    );
  const value = own.get(hidden);
  if (typeof value !== "object" || value === null || !accessors.has(value)) return value;
  return run.call((value as PrivateMember).get, object, [], site);
}

function writePlace(run: Evaluator, place: Place, value: unknown, site: Site): void {
  const { object, key, hidden } = place;
  if (!hidden) {
    run.set(object, key, value, site);
    return;
  }
  const own = privatesOf(object as object);
  if (!own?.has(hidden))
    throw new Thrown(
      new TypeError(`Cannot write private member ${key as string} to an object whose class did not declare it`),
      site,
    );
  const old = own.get(hidden);
  if (typeof old === "object" && old !== null && accessors.has(old))
    run.call((old as PrivateMember).set, object, [value], site);
  else setPrivate(object as object, hidden, value);
}

export function remove(run: Evaluator, node: Expression, site: Site): boolean {
  if (node.type === "ChainExpression") return remove(run, node.expression, site);
  if (node.type !== "MemberExpression") return true;
  const place = placeOf(run, node, site.scope);
  if (place === BROKEN) return true;
  return run.remove(place.object, place.key, site);
}

export function call(run: Evaluator, node: CallExpression, scope: Scope): unknown {
  const site: Site = { node, scope };
  if (node.callee.type === "Super") {
    const { derived, self } = scope.activation;
    if (!derived || !self) throw run.fail(site, "super() cannot be called here");
    const made = derived.construct(listOf(run, node.arguments, scope));
    self.value = made;
    self.isSet = true;
    derived.prepare(made);
    return made;
  }
  const { object, callee } = calleeOf(run, node.callee, scope);
  if (callee === BROKEN) return BROKEN;
  if (node.optional && (callee === null || callee === undefined)) return BROKEN;
  return run.call(used(run, callee, { node: node.callee, scope }), object, listOf(run, node.arguments, scope), site);
}

export function calleeOf(run: Evaluator, node: Expression | Super, scope: Scope): { object: unknown; callee: unknown } {
  const inner = node.type === "ChainExpression" ? node.expression : node;
  if (inner.type === "MemberExpression") {
    const { object, value } = member(run, inner, scope);
    return { object, callee: value };
  }
  return { object: undefined, callee: evaluateInChain(run, inner, scope) };
}

interface Target {
  read(): unknown;
  write(value: unknown): void;
}

/** A variable or property, found once. */
export function targetOf(run: Evaluator, node: Pattern | Expression, scope: Scope): Target {
  const site: Site = { node, scope };
  if (node.type === "Identifier") {
    return {
      read: () => readVariable(node, scope),
      write: (value) => writeVariable(run, node.name, value, site),
    };
  }
  if (node.type === "ParenthesizedExpression") return targetOf(run, node.expression, scope);
  if (node.type !== "MemberExpression") throw run.fail(site, "this cannot be assigned to");
  const place = placeOf(run, node, scope);
  if (place === BROKEN) throw run.fail(site, "an optional chain cannot be assigned to");
  return {
    read: () => readPlace(run, place, site),
    write: (value) => writePlace(run, place, value, site),
  };
}

export function writeVariable(run: Evaluator, name: string, value: unknown, site: Site): void {
  const cell = site.scope.find(name);
  if (!cell) throw outerAssignment(run, name, site);
  writeCell(run, cell, value, site);
}

function writeCell(run: Evaluator, cell: Cell, value: unknown, site: Site): void {
  if (cell.isDead) throw new Thrown(new ReferenceError(`Cannot access '${cell.name}' before initialization`), site);
  if (cell.isConstant) throw new Thrown(new TypeError("Assignment to constant variable."), site);
  assignCell(run, cell, value, site);
}
