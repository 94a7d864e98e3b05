// Hazards: uses of a traced value that JavaScript answers by itself, wrongly and without asking the value.
import type { AnyNode, Expression, LogicalExpression } from "acorn";
import { type Binding, childrenOf, isNullish } from "./scopes.js";
import type { FunctionNode } from "./source.js";
import type { Values } from "./values.js";

export interface Hazard {
  readonly kind: "truth" | "identity" | "index";
  /** The construct at fault, as one would call it: `if`, `!`, `===`. */
  readonly construct: string;
  /** The traced value in it. */
  readonly node: Expression;
  /** Whether that is a parameter, rather than something computed from one. */
  readonly isParameter: boolean;
}

/** All hazards in `root`, in the order of the source. Code that cannot run with the traced values at hand has none. */
export function findHazards(root: FunctionNode, values: Values): readonly Hazard[] {
  const finder = new Finder(values, examined(root, values));
  finder.visit(root);
  return finder.found.sort((a, b) => a.node.start - b.node.start);
}

class Finder {
  readonly found: Hazard[] = [];

  constructor(
    readonly values: Values,
    /** Variables whose type the function itself asks about in ways not followed here; left alone. */
    readonly examined: ReadonlySet<Binding>,
  ) {}

  visit(node: AnyNode): void {
    switch (node.type) {
      case "IfStatement":
      case "ConditionalExpression": {
        this.truth(node.test, node.type === "IfStatement" ? "if" : "conditional");
        this.visit(node.test);
        const holds = this.outcome(node.test);
        if (holds !== false) this.visit(node.consequent);
        if (holds !== true && node.alternate) this.visit(node.alternate);
        return;
      }
      case "WhileStatement":
      case "DoWhileStatement":
        this.truth(node.test, node.type === "WhileStatement" ? "while" : "do while");
        break;
      case "ForStatement":
        if (node.test) this.truth(node.test, "for");
        break;
      case "LogicalExpression": {
        if (node.operator !== "??") this.truth(node.left, node.operator);
        this.visit(node.left);
        if (this.reachesRight(node)) this.visit(node.right);
        return;
      }
      case "AssignmentExpression":
        if (node.operator === "&&=" || node.operator === "||=") this.truth(node.left as Expression, node.operator);
        break;
      case "UnaryExpression":
        if (node.operator === "!") this.truth(node.argument, "!");
        break;
      case "BinaryExpression":
        if (/^[!=]==?$/.test(node.operator)) this.identity([node.left as Expression, node.right], node.operator);
        break;
      case "SwitchStatement": {
        const tests = node.cases.flatMap((each) => each.test ?? []);
        // a presence test may be written as a case too
        if (!tests.some(isNullish)) this.identity([node.discriminant, ...tests], "switch");
        break;
      }
      case "CallExpression": {
        const args = node.arguments.filter((x): x is Expression => x.type !== "SpreadElement");
        const name = this.globalName(node.callee);
        if (name === "Boolean" && args[0]) this.truth(args[0], "Boolean()");
        if (name === "Object.is") this.identity(args.slice(0, 2), "Object.is()");
        break;
      }
      case "MemberExpression":
        if (node.object.type !== "Super" && node.computed && this.isIndexed(node.object, node.property)) {
          this.report("index", "index", node.object);
        }
        break;
    }
    for (const child of childrenOf(node)) this.visit(child);
  }

  /** `node` is asked whether it holds. The left sides of `&&` and `||` in it are asked by those. */
  truth(node: Expression, construct: string): void {
    switch (node.type) {
      case "LogicalExpression":
        if (node.operator === "??") this.truth(node.left, construct);
        if (this.reachesRight(node)) this.truth(node.right, construct);
        return;
      case "ConditionalExpression": {
        const holds = this.outcome(node.test);
        if (holds !== false) this.truth(node.consequent, construct);
        if (holds !== true) this.truth(node.alternate, construct);
        return;
      }
      case "SequenceExpression":
        this.truth(node.expressions.at(-1)!, construct);
        return;
      default:
        if (this.judged(node)) this.report("truth", construct, node);
    }
  }

  /** Whether the right side of `&&`, `||`, `??` may run. */
  reachesRight({ operator, left }: LogicalExpression): boolean {
    return operator === "??" || this.outcome(left) !== (operator === "||");
  }

  identity(nodes: readonly Expression[], construct: string): void {
    if (nodes.some(isNullish)) return; // an honest question: is the argument there?
    const node = nodes.find((each) => this.judged(each));
    if (node) this.report("identity", construct, node);
  }

  report(kind: Hazard["kind"], construct: string, node: Expression): void {
    const definitions = this.values.scopes.bindingOf(node)?.definitions;
    this.found.push({ kind, construct, node, isParameter: definitions?.some((d) => d.kind === "argument") ?? false });
  }

  /**
   * Whether a traced value is used here as if it were a number. A bare property of an argument (`params.bias`) is not
   * held against the author: it asks whether the field is there.
   */
  judged(node: Expression): boolean {
    if (node.type === "Identifier") {
      const binding = this.values.scopes.bindingOf(node);
      if (binding && this.examined.has(binding)) return false;
    }
    if (node.type === "ChainExpression") return this.judged(node.expression);
    if (node.type === "MemberExpression" && !this.isRest(node.object as Expression)) return false;
    return this.values.isTracedNode(node);
  }

  /** `x[0]`, `x[i - 1]`; not `x.split(2)[0]`, for a method may give a list. */
  isIndexed(object: Expression, key: AnyNode): boolean {
    const { values } = this;
    return this.judged(object) && values.valueOf(object).kind === "traced" && values.valueOf(key).kind === "number";
  }

  isRest(node: Expression): boolean {
    return this.values.valueOf(node).kind === "rest";
  }

  /** What a test comes to while tracing, as far as it asks for type or presence: a tracer is an object. */
  outcome(test: Expression): boolean | undefined {
    if (test.type === "UnaryExpression" && test.operator === "!") {
      const holds = this.outcome(test.argument);
      return holds === undefined ? undefined : !holds;
    }
    if (test.type === "LogicalExpression" && test.operator !== "??") {
      const left = this.outcome(test.left);
      const right = this.outcome(test.right);
      const decisive = test.operator === "||";
      if (left === decisive || right === decisive) return decisive;
      return left === undefined || right === undefined ? undefined : !decisive;
    }
    if (test.type === "CallExpression" && this.globalName(test.callee) === "Array.isArray") {
      const [x] = test.arguments;
      return x && this.values.valueOf(x).kind === "traced" ? false : undefined;
    }
    if (test.type !== "BinaryExpression" || !/^[!=]==?$/.test(test.operator)) return undefined;
    const same = this.sameAsTracer(test.left as Expression, test.right) ?? this.sameAsTracer(test.right, test.left);
    return same === undefined ? undefined : same === test.operator.startsWith("=");
  }

  sameAsTracer(x: AnyNode, other: AnyNode): boolean | undefined {
    if (x.type === "UnaryExpression" && x.operator === "typeof" && this.values.isTracedNode(x.argument)) {
      return other.type === "Literal" ? other.value === "object" : undefined;
    }
    return isNullish(other) && this.values.isTracedNode(x) ? false : undefined;
  }

  /** `Boolean`, `Object.is`: the name of a global function, unless a variable hides it. */
  globalName(callee: AnyNode): string | undefined {
    if (callee.type === "Identifier") return this.values.scopes.bindingOf(callee) ? undefined : callee.name;
    if (callee.type !== "MemberExpression" || callee.computed || callee.property.type !== "Identifier")
      return undefined;
    const object = callee.object.type === "Identifier" ? this.globalName(callee.object) : undefined;
    return object && `${object}.${callee.property.name}`;
  }
}

/** Variables in `x instanceof T`, `isTensor(x)`, `"key" in x`. */
function examined(root: FunctionNode, values: Values): ReadonlySet<Binding> {
  const found = new Set<Binding>();
  const add = (node: AnyNode): void => {
    const binding = values.scopes.bindingOf(node);
    if (binding) found.add(binding);
  };
  const visit = (node: AnyNode): void => {
    if (node.type === "BinaryExpression") {
      if (node.operator === "instanceof") add(node.left);
      if (node.operator === "in") add(node.right);
    }
    if (node.type === "CallExpression" && asksType(node.callee)) node.arguments.forEach(add);
    for (const child of childrenOf(node)) visit(child);
  };
  visit(root);
  return found;
}

/** `isTensor(…)`, `types.isTensor(…)`, `(0, module.isTensor)(…)`; but not `Array.isArray` and `Object.is`, which we know. */
function asksType(callee: AnyNode): boolean {
  if (callee.type === "SequenceExpression") return asksType(callee.expressions.at(-1)!);
  if (callee.type === "Identifier") return /^is[A-Z_]/.test(callee.name);
  return callee.type === "MemberExpression" && callee.property.type === "Identifier" && !callee.computed
    ? /^is[A-Z_](?!rray$)/.test(callee.property.name)
    : false;
}
