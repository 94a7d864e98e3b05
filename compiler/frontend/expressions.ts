// Expressions: what is known is computed at once, what is traced is recorded.
import type {
  AnyNode,
  AssignmentExpression,
  CallExpression,
  Expression,
  Identifier,
  LogicalExpression,
  MemberExpression,
  ObjectExpression,
  Pattern,
  SpreadElement,
  Super,
  TemplateElement,
  UpdateExpression,
} from "acorn";
import { Tensor } from "../trace/tensor.js";
import { branch, shortCircuit } from "./branches.js";
import { rowsOf } from "./elements.js";
import {
  assignCell,
  type Evaluator,
  outerAssignment,
  type Scope,
  type Site,
  Thrown,
  used,
  usedNumber,
} from "./evaluator.js";
import { Mixed } from "./merge.js";
import { binary, noText, numeric, step, truthOf, typeOf, unary } from "./operators.js";
import { type Cell, created, markOutside, packOf, privatesOf, setPrivate } from "./store.js";

/** The value of `a?.b` where a is missing, for the whole chain. */
const BROKEN = Symbol("broken chain");

export function evaluate(run: Evaluator, node: Expression | Super, scope: Scope): unknown {
  const site: Site = { node, scope };
  switch (node.type) {
    case "Literal":
      return node.regex ? created(new RegExp(node.regex.pattern, node.regex.flags)) : literalValue(node);
    case "Identifier":
      return readVariable(node, scope);
    case "ThisExpression":
      return thisValue(run, site);
    case "TemplateLiteral":
      return template(run, node.quasis, node.expressions, scope);
    case "TaggedTemplateExpression": {
      const { object, callee } = calleeOf(run, node.tag, scope);
      const { quasis, expressions } = node.quasi;
      const strings = Object.assign(
        quasis.map((each) => each.value.cooked),
        { raw: quasis.map((each) => each.value.raw) },
      );
      return run.call(callee, object, [strings, ...expressions.map((each) => run.evaluate(each, scope))], site);
    }
    case "ArrayExpression":
      return created(listOf(run, node.elements, scope));
    case "ObjectExpression":
      return objectOf(run, node, scope);
    case "UnaryExpression":
      if (node.operator === "typeof" && node.argument.type === "Identifier") {
        const { name } = node.argument;
        if (!scope.find(name) && !scope.activation.unit.outside.read(name)) return "undefined";
      }
      if (node.operator === "delete") return remove(run, node.argument, site);
      if (node.operator === "typeof") return typeOf(used(run, run.evaluate(node.argument, scope), site));
      if (node.operator === "!") {
        const holds = run.condition(node.argument, scope);
        return unary(run, "!", holds, site);
      }
      return unary(run, node.operator, run.evaluate(node.argument, scope), site);
    case "UpdateExpression":
      return update(run, node, scope);
    case "BinaryExpression": {
      if (node.left.type === "PrivateIdentifier") {
        const name = scope.privateNames.get(node.left.name);
        const object = run.evaluate(node.right, scope) as object;
        return name !== undefined && (privatesOf(object)?.has(name) ?? false);
      }
      const left = run.evaluate(node.left, scope);
      return binary(run, node.operator, left, run.evaluate(node.right, scope), site);
    }
    case "LogicalExpression":
      return logical(run, node, scope);
    case "ConditionalExpression": {
      const holds = run.condition(node.test, scope);
      const value = (part: Expression) => () => ({ value: run.evaluate(part, scope) });
      if (typeof holds === "boolean") return run.evaluate(holds ? node.consequent : node.alternate, scope);
      return branch(run, { node: node.test, scope }, holds, value(node.consequent), value(node.alternate)).value;
    }
    case "AssignmentExpression":
      return assignment(run, node, scope);
    case "SequenceExpression":
      return node.expressions.map((each) => run.evaluate(each, scope)).at(-1);
    case "MemberExpression": {
      const value = member(run, node, scope).value;
      return value === BROKEN ? undefined : value;
    }
    case "CallExpression": {
      const value = call(run, node, scope);
      return value === BROKEN ? undefined : value;
    }
    case "ChainExpression":
      return run.evaluate(node.expression, scope);
    case "NewExpression": {
      const callee = used(run, run.evaluate(node.callee, scope), { node: node.callee, scope });
      return run.construct(callee, listOf(run, node.arguments, scope), site);
    }
    case "MetaProperty":
      if (node.meta.name === "new") return scope.activation.newTarget;
      throw run.fail(site, "import.meta cannot be read in a traced function", "read it outside, into a const");
    case "ParenthesizedExpression":
      return run.evaluate(node.expression, scope);
    case "AwaitExpression":
      throw run.fail(site, "await in a traced function", "await the data outside and pass it as an argument");
    case "YieldExpression":
      throw run.fail(site, "yield in a traced function", "collect the values in an array");
    case "ImportExpression":
      throw run.fail(site, "import() in a traced function", "import the module outside");
    default:
      throw run.fail({ node: node as AnyNode, scope }, "this expression cannot be traced");
  }
}

/** Whether an expression holds: `&&`, `||` and `!` in it are asked only for that. */
export function condition(run: Evaluator, node: Expression, scope: Scope): boolean | Tensor {
  const site: Site = { node, scope };
  if (node.type === "ParenthesizedExpression") return run.condition(node.expression, scope);
  if (node.type === "UnaryExpression" && node.operator === "!")
    return unary(run, "!", run.condition(node.argument, scope), site) as boolean | Tensor;
  if (node.type === "LogicalExpression" && node.operator !== "??") {
    const left = run.condition(node.left, scope);
    const isOr = node.operator === "||";
    if (typeof left === "boolean") return left === isOr ? left : run.condition(node.right, scope);
    return shortCircuit(run, site, isOr, left, () => run.condition(node.right, scope));
  }
  return truthOf(run, run.evaluate(node, scope), "condition", site);
}

// biome-ignore lint/suspicious/noExplicitAny: acorn's literals are of any kind
const literalValue = (node: any): unknown => (node.bigint ? BigInt(node.bigint) : node.value);

// ---------------------------------------------------------------------------------------------------------------------

function readVariable(node: Identifier, scope: Scope): unknown {
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

function thisValue(run: Evaluator, site: Site): unknown {
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

function template(
  run: Evaluator,
  quasis: readonly TemplateElement[],
  expressions: readonly Expression[],
  scope: Scope,
): string {
  let text = quasis[0]!.value.cooked ?? "";
  expressions.forEach((node, i) => {
    const site: Site = { node, scope };
    const value = used(run, run.evaluate(node, scope), site);
    if (value instanceof Tensor || hasTraced(value)) throw noText(run, site);
    text += `${value as string}${quasis[i + 1]!.value.cooked ?? ""}`;
  });
  return text;
}

const hasTraced = (x: unknown): boolean =>
  Array.isArray(x) && (packOf(x) !== undefined || x.some((item) => item instanceof Tensor || item instanceof Mixed));

/** Elements of an array expression, or arguments. */
function listOf(run: Evaluator, nodes: readonly (Expression | SpreadElement | null)[], scope: Scope): unknown[] {
  const list: unknown[] = [];
  for (const node of nodes) {
    if (node === null) list.length++;
    else if (node.type === "SpreadElement") list.push(...spread(run, node.argument, scope));
    else list.push(run.evaluate(node, scope));
  }
  return list;
}

function spread(run: Evaluator, node: Expression, scope: Scope): Iterable<unknown> {
  const site: Site = { node, scope };
  return iterate(used(run, run.evaluate(node, scope), site), site);
}

/** The elements of what can be iterated. */
export function iterate(x: unknown, site: Site): Iterable<unknown> {
  const pack = x instanceof Tensor ? x : packOf(x);
  if (pack) return pack.ndim > 0 ? rowsOf(pack) : [...pack];
  if (x === null || x === undefined || typeof (x as Iterable<unknown>)[Symbol.iterator] !== "function")
    throw new Thrown(new TypeError(`${String(x)} is not iterable`), site);
  return x as Iterable<unknown>;
}

function objectOf(run: Evaluator, node: ObjectExpression, scope: Scope): object {
  const object: Record<PropertyKey, unknown> = created({});
  for (const property of node.properties) {
    if (property.type === "SpreadElement") {
      const site: Site = { node: property.argument, scope };
      const from = used(run, run.evaluate(property.argument, scope), site);
      if (from instanceof Tensor)
        throw run.fail(site, "a traced value is spread into an object", "give it a name in the object");
      if (from !== null && from !== undefined)
        for (const key of Reflect.ownKeys(Object(from) as object)) {
          if (Object.prototype.propertyIsEnumerable.call(from, key)) object[key] = run.get(from, key, site);
        }
      continue;
    }
    const key = propertyKey(run, property.key, property.computed, scope);
    if (property.kind === "init") {
      const value = run.evaluate(property.value, scope);
      if (property.method) run.setHome(value, object);
      nameAfterKey(value, property.value, key);
      if (key === "__proto__" && !property.computed && !property.shorthand)
        Object.setPrototypeOf(object, value as object | null);
      else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
    } else {
      const accessor = run.evaluate(property.value, scope);
      run.setHome(accessor, object);
      Object.defineProperty(object, key, { [property.kind]: accessor, enumerable: true, configurable: true });
    }
  }
  return object;
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

// ---------------------------------------------------------------------------------------------------------------------

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

function member(run: Evaluator, node: MemberExpression, scope: Scope): Reference {
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

function remove(run: Evaluator, node: Expression, site: Site): boolean {
  if (node.type === "ChainExpression") return remove(run, node.expression, site);
  if (node.type !== "MemberExpression") return true;
  const place = placeOf(run, node, site.scope);
  if (place === BROKEN) return true;
  return run.remove(place.object, place.key, site);
}

// ---------------------------------------------------------------------------------------------------------------------

function calleeOf(run: Evaluator, node: Expression | Super, scope: Scope): { object: unknown; callee: unknown } {
  const inner = node.type === "ChainExpression" ? node.expression : node;
  if (inner.type === "MemberExpression") {
    const { object, value } = member(run, inner, scope);
    return { object, callee: value };
  }
  return { object: undefined, callee: evaluateInChain(run, inner, scope) };
}

function call(run: Evaluator, node: CallExpression, scope: Scope): unknown {
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

// ---------------------------------------------------------------------------------------------------------------------

function logical(run: Evaluator, node: LogicalExpression, scope: Scope): unknown {
  const { operator, left, right } = node;
  const value = run.evaluate(left, scope);
  const site: Site = { node: left, scope };
  return choose(run, operator, value, site, () => run.evaluate(right, scope));
}

/** `value operator right()` */
function choose(
  run: Evaluator,
  operator: "&&" | "||" | "??",
  value: unknown,
  site: Site,
  right: () => unknown,
): unknown {
  usedNumber(run, value, site);
  if (operator === "??") return value === null || value === undefined ? right() : value;
  const holds = truthOf(run, value, operator, site);
  if (typeof holds === "boolean") return holds === (operator === "||") ? value : right();
  if (value instanceof Tensor && value.dtype === "bool") {
    // of conditions, as one wants them most
    const known = shortCircuitOr(run, site, operator === "||", holds, right);
    if (known) return known.value;
  }
  const other = () => ({ value: right() });
  const own = () => ({ value });
  return operator === "||" ? branch(run, site, holds, own, other).value : branch(run, site, holds, other, own).value;
}

/** A condition where both sides are; undefined where the right one is something else. */
function shortCircuitOr(
  run: Evaluator,
  site: Site,
  isOr: boolean,
  left: Tensor,
  right: () => unknown,
): { readonly value: unknown } | undefined {
  const isOther = Symbol("no condition");
  try {
    const value = shortCircuit(run, site, isOr, left, () => {
      const x = right();
      if (typeof x === "boolean" || (x instanceof Tensor && x.dtype === "bool" && x.ndim === 0)) return x;
      throw isOther;
    });
    return { value };
  } catch (error) {
    if (error === isOther) return undefined;
    throw error;
  }
}

function update(run: Evaluator, node: UpdateExpression, scope: Scope): unknown {
  const site: Site = { node, scope };
  const target = targetOf(run, node.argument, scope);
  const old = numeric(run, target.read(), site);
  const next = step(run, old, node.operator === "++" ? 1 : -1, site);
  target.write(next);
  return node.prefix ? next : old;
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

function assignment(run: Evaluator, node: AssignmentExpression, scope: Scope): unknown {
  const { operator, left, right } = node;
  const site: Site = { node, scope };
  if (operator === "=") {
    if (left.type === "Identifier" || left.type === "MemberExpression") {
      const target = targetOf(run, left, scope);
      const value = run.evaluate(right, scope);
      if (left.type === "Identifier") nameAfterKey(value, right, left.name);
      target.write(value);
      return value;
    }
    const value = run.evaluate(right, scope);
    run.bind(left, value, scope, false);
    return value;
  }
  const target = targetOf(run, left, scope);
  const old = target.read();
  if (operator === "&&=" || operator === "||=" || operator === "??=") {
    usedNumber(run, old, site);
    const assign = (): unknown => {
      const value = run.evaluate(right, scope);
      target.write(value);
      return value;
    };
    if (operator === "??=") return old === null || old === undefined ? assign() : old;
    const holds = truthOf(run, old, operator, site);
    if (typeof holds === "boolean") return holds === (operator === "||=") ? old : assign();
    const other = () => ({ value: assign() });
    const own = () => ({ value: old });
    return operator === "||=" ? branch(run, site, holds, own, other).value : branch(run, site, holds, other, own).value;
  }
  const value = binary(
    run,
    operator.slice(0, -1) as Parameters<typeof binary>[1],
    old,
    run.evaluate(right, scope),
    site,
  );
  target.write(value);
  return value;
}
