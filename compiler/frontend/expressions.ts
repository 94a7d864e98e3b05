// Expressions: what is known is computed at once, what is traced is recorded.
import type {
  AnyNode,
  AssignmentExpression,
  Expression,
  LogicalExpression,
  ObjectExpression,
  Super,
  TemplateElement,
  UpdateExpression,
} from "acorn";
import { Tensor } from "../trace/tensor.js";
import { branch, shortCircuit } from "./branches.js";
import { type Evaluator, type Scope, type Site, used, usedNumber } from "./evaluator.js";
import { listOf } from "./lists.js";
import { Mixed } from "./merge.js";
import { binary, noText, numeric, step, truthOf, typeOf, unary } from "./operators.js";
import {
  BROKEN,
  call,
  calleeOf,
  member,
  nameAfterKey,
  propertyKey,
  readVariable,
  remove,
  targetOf,
  thisValue,
} from "./references.js";
import { created, packOf, privatesOf } from "./store.js";

/** The value of an expression; what is traced is recorded. */
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
