// Statements: they run one after the other, and where a traced condition decides, on every path.
import type {
  AnyNode,
  BlockStatement,
  Expression,
  ForInStatement,
  ForOfStatement,
  ForStatement,
  IfStatement,
  Statement,
  SwitchStatement,
  TryStatement,
} from "acorn";
import { LanewiseError } from "../core/errors.js";
import * as ops from "../ops/index.js";
import { Tensor } from "../trace/tensor.js";
import { branch, joinPaths, mapEnds, scalarOf, tracePath, whereNormal } from "./branches.js";
import { declare, declareDead, hoist } from "./declarations.js";
import { rowOf } from "./elements.js";
import { type Abrupt, type Completion, type Evaluator, Scope, type Site, Thrown, used } from "./evaluator.js";
import { runLoop } from "./loops.js";
import { asWhole, constant } from "./numbers.js";
import { binary } from "./operators.js";
import { namesIn } from "./scopes.js";
import { Cell, created, packOf, setCell } from "./store.js";

/** Runs one statement; `labels` are those that stand in front of it. */
export function execute(run: Evaluator, node: Statement, scope: Scope, labels: readonly string[]): Completion {
  switch (node.type) {
    case "ExpressionStatement":
      checkSorted(run, node.expression, run.evaluate(node.expression, scope), scope);
      return undefined;
    case "VariableDeclaration":
      declare(run, node, scope);
      return undefined;
    case "FunctionDeclaration": // hoisted
    case "EmptyStatement":
    case "DebuggerStatement":
      return undefined;
    case "ClassDeclaration": {
      const cell = scope.find(node.id.name)!;
      setCell(cell, run.evaluate({ ...node, type: "ClassExpression" }, scope));
      cell.isDead = false;
      return undefined;
    }
    case "ReturnStatement":
      return { kind: "return", value: node.argument ? run.evaluate(node.argument, scope) : undefined };
    case "BreakStatement":
    case "ContinueStatement":
      return { kind: node.type === "BreakStatement" ? "break" : "continue", label: node.label?.name };
    case "ThrowStatement":
      throw new Thrown(run.evaluate(node.argument, scope), { node, scope });
    case "BlockStatement":
      return executeBlock(run, node.body, new Scope(scope, scope.activation));
    case "IfStatement":
      return executeList(run, [node], 0, scope);
    case "LabeledStatement": {
      const name = node.label.name;
      const end = execute(run, node.body, scope, [...labels, name]);
      return mapEnds(end, (each) => (each?.kind === "break" && each.label === name ? undefined : each));
    }
    case "SwitchStatement":
      return executeSwitch(run, node, scope);
    case "TryStatement":
      return executeTry(run, node, scope);
    case "WhileStatement":
    case "DoWhileStatement":
      return runLoop(
        run,
        {
          test: () => run.condition(node.test, scope),
          turn: () => turnEnd(run.execute(node.body, scope), labels),
          testsLast: node.type === "DoWhileStatement",
        },
        { node: node.test, scope },
      );
    case "ForStatement":
      return executeFor(run, node, scope, labels);
    case "ForOfStatement":
      return executeForOf(run, node, scope, labels);
    case "ForInStatement":
      return executeForIn(run, node, scope, labels);
    case "WithStatement":
      throw run.fail({ node, scope }, "with statements cannot be traced", "name the object in each use");
    default:
      throw run.fail({ node: node as AnyNode, scope }, "this statement cannot stand in a function");
  }
}

/** `x.sort()` gives another tensor: as a statement it would do nothing. */
function checkSorted(run: Evaluator, node: Expression, value: unknown, scope: Scope): void {
  if (!(value instanceof Tensor) || node.type !== "CallExpression" || node.callee.type !== "MemberExpression") return;
  const { property } = node.callee;
  if (property.type !== "Identifier" || property.name !== "sort") return;
  throw run.fail({ node, scope }, "sort: traced arrays are immutable", "keep what it gives: const sorted = x.sort()");
}

/** Statements in a scope of their own. */
export function executeBlock(run: Evaluator, list: readonly Statement[], scope: Scope): Completion {
  hoist(run, list, scope);
  return executeList(run, list, 0, scope);
}

/**
 * Statements from number `from` on. What follows an `if` whose branches leave belongs to the branch that does not, so
 * that a chain of returns becomes nested branches.
 */
function executeList(run: Evaluator, list: readonly Statement[], from: number, scope: Scope): Completion {
  for (let i = from; i < list.length; i++) {
    const node = list[i]!;
    const rest = (): Completion => executeList(run, list, i + 1, scope);
    if (node.type === "IfStatement") {
      const decided = executeIf(run, node, scope, rest, i + 1 < list.length);
      if (decided.covers) return decided.completion;
      if (decided.completion) return whereNormal(run, { node: node.test, scope }, decided.completion, rest);
      continue;
    }
    const end = run.execute(node, scope);
    if (end) return whereNormal(run, { node, scope }, end, rest);
  }
  return undefined;
}

/** `covers`: the rest of the statements has been run, too. */
function executeIf(
  run: Evaluator,
  node: IfStatement,
  scope: Scope,
  rest: () => Completion,
  hasRest: boolean,
): { readonly completion: Completion; readonly covers: boolean } {
  const holds = run.condition(node.test, scope);
  const { consequent, alternate } = node;
  const run1 = (part: Statement | null | undefined): Completion => (part ? run.execute(part, scope) : undefined);
  if (typeof holds === "boolean") return { completion: run1(holds ? consequent : alternate), covers: false };
  const site = { node: node.test, scope };
  const leaves = [alwaysLeaves(consequent), alternate ? alwaysLeaves(alternate) : false];
  const covers = hasRest && (leaves[0] || leaves[1])!;
  const part = (statement: Statement | null | undefined, isLeft: boolean) => (): { completion: Completion } => {
    const end = run1(statement);
    return { completion: covers && !isLeft ? whereNormal(run, site, end, rest) : end };
  };
  const { completion } = branch(run, site, holds, part(consequent, leaves[0]!), part(alternate, leaves[1]!));
  return { completion, covers };
}

/** Whether control never comes to the end of a statement. */
function alwaysLeaves(node: Statement): boolean {
  switch (node.type) {
    case "ReturnStatement":
    case "BreakStatement":
    case "ContinueStatement":
    case "ThrowStatement":
      return true;
    case "BlockStatement":
      return node.body.some(alwaysLeaves);
    case "IfStatement":
      return Boolean(node.alternate) && alwaysLeaves(node.consequent) && alwaysLeaves(node.alternate!);
    default:
      return false;
  }
}

// ---------------------------------------------------------------------------------------------------------------------

/** The end of a turn as the loop sees it: its own `continue` ends the turn normally, its own `break` has no label. */
const turnEnd = (end: Completion, labels: readonly string[]): Completion =>
  mapEnds(end, (each): Abrupt | undefined => {
    if (each === undefined || each.kind === "return") return each;
    const isOwn = each.label === undefined || labels.includes(each.label);
    if (!isOwn) return each;
    return each.kind === "continue" ? undefined : { kind: "break", label: undefined };
  });

function executeFor(run: Evaluator, node: ForStatement, outer: Scope, labels: readonly string[]): Completion {
  const scope = new Scope(outer, outer.activation);
  const { init, test, update } = node;
  let names: readonly string[] = [];
  if (init?.type === "VariableDeclaration") {
    hoist(run, [init], scope);
    run.execute(init, scope);
    if (init.kind === "let") names = init.declarations.flatMap(({ id }) => namesIn(id));
  } else if (init) run.evaluate(init, scope);
  return runLoop(
    run,
    {
      ...(test ? { test: () => run.condition(test, scope) } : {}),
      turn() {
        // closures of each turn have variables of their own
        const own = new Scope(scope, scope.activation);
        for (const name of names) own.declare(new Cell(name, scope.own(name)!.value));
        const end = turnEnd(run.execute(node.body, own), labels);
        for (const name of names) {
          const value = own.own(name)!.value;
          if (!Object.is(value, scope.own(name)!.value)) setCell(scope.own(name)!, value);
        }
        return end;
      },
      ...(update ? { update: () => void run.evaluate(update, scope) } : {}),
    },
    { node: test ?? node, scope },
  );
}

function executeForOf(run: Evaluator, node: ForOfStatement, outer: Scope, labels: readonly string[]): Completion {
  const site: Site = { node: node.right, scope: outer };
  if (node.await)
    throw run.fail(site, "for await cannot be traced", "await the data outside and pass it as an argument");
  const list = used(run, run.evaluate(node.right, outer), site);
  const pack = packOf(list);
  const array = list instanceof Tensor ? list : (pack ?? (Array.isArray(list) ? list : listOf(list, site)));
  return overElements(run, array, outer, site, (value) => {
    const own = new Scope(outer, outer.activation);
    bindEach(run, node, value, own);
    return turnEnd(run.execute(node.body, own), labels);
  });
}

function listOf(x: unknown, site: Site): unknown[] {
  if (x === null || x === undefined || typeof (x as Iterable<unknown>)[Symbol.iterator] !== "function")
    throw new Thrown(new TypeError(`${String(x)} is not iterable`), site);
  return created([...(x as Iterable<unknown>)]);
}

/** Runs `turn` for each element of an array, or row of a tensor; how many there are is known. */
export function overElements(
  run: Evaluator,
  list: Tensor | readonly unknown[],
  scope: Scope,
  site: Site,
  turn: (value: unknown, index: number | Tensor) => Completion,
): Completion {
  if (list instanceof Tensor && list.ndim === 0) return void [...list]; // which says that it cannot be iterated
  const count = (): number => (list instanceof Tensor ? list.shape[0]! : list.length);
  const index = new Cell("index", 0);
  return runLoop(
    run,
    {
      test: () => binary(run, "<", index.value, count(), site) as boolean | Tensor,
      turn() {
        const i = index.value as number | Tensor;
        const value = list instanceof Tensor && typeof i === "number" ? rowOf(list, i) : run.get(list, i, site);
        return turn(value, i);
      },
      update: () => setCell(index, binary(run, "+", index.value, 1, site)),
      ...(list instanceof Tensor ? { length: count() } : {}),
    },
    { node: site.node, scope },
  );
}

function bindEach(run: Evaluator, node: ForOfStatement | ForInStatement, value: unknown, own: Scope): void {
  if (node.left.type !== "VariableDeclaration") {
    run.bind(node.left, value, own, false);
    return;
  }
  hoist(run, [node.left], own);
  run.bind(node.left.declarations[0]!.id, value, own, node.left.kind !== "var");
}

function executeForIn(run: Evaluator, node: ForInStatement, outer: Scope, labels: readonly string[]): Completion {
  const site: Site = { node: node.right, scope: outer };
  const object = used(run, run.evaluate(node.right, outer), site);
  if (object instanceof Tensor)
    throw run.fail(site, "for in over a traced value", "count its elements: for (let i = 0; i < x.length; i++)");
  const keys: string[] = [];
  for (const key in object as object) keys.push(key);
  return overElements(run, keys, outer, site, (value) => {
    const own = new Scope(outer, outer.activation);
    bindEach(run, node, value, own);
    return turnEnd(run.execute(node.body, own), labels);
  });
}

// ---------------------------------------------------------------------------------------------------------------------

function executeSwitch(run: Evaluator, node: SwitchStatement, outer: Scope): Completion {
  const site: Site = { node: node.discriminant, scope: outer };
  const value = used(run, run.evaluate(node.discriminant, outer), site);
  const scope = new Scope(outer, outer.activation);
  hoist(
    run,
    node.cases.flatMap((each) => each.consequent),
    scope,
  );
  const from = (entry: number): Completion =>
    executeList(
      run,
      node.cases.slice(entry).flatMap((each) => each.consequent),
      0,
      scope,
    );
  const ended = (end: Completion): Completion =>
    mapEnds(end, (each) => (each?.kind === "break" && each.label === undefined ? undefined : each));
  const none = node.cases.findIndex((each) => !each.test);

  // tests are asked in order, until one is certain
  const matches: { readonly entry: number; readonly holds: Tensor }[] = [];
  let otherwise = none;
  for (const [entry, each] of node.cases.entries()) {
    if (!each.test) continue;
    const at = { node: each.test, scope };
    const test = each.test;
    const ask = (): boolean | Tensor => binary(run, "===", value, run.evaluate(test, scope), at) as boolean | Tensor;
    const before = matches.map((match) => match.holds);
    // a test behind one that holds is not evaluated, which matters where it changes something
    const holds =
      before.length === 0 || test.type === "Literal" || test.type === "Identifier"
        ? ask()
        : (branch(
            run,
            at,
            before.reduce((a, b) => ops.or(a, b)),
            () => ({ value: false }),
            () => ({ value: ask() }),
          ).value as boolean | Tensor);
    if (holds === true) {
      otherwise = entry;
      break;
    }
    if (holds !== false) matches.push({ entry, holds });
  }
  const normal = (): Completion => (otherwise < 0 ? undefined : from(otherwise));
  if (matches.length === 0) return ended(normal());
  if (matches.length === 1) {
    const [{ entry, holds }] = matches as [(typeof matches)[0]];
    const both = branch(
      run,
      site,
      holds,
      () => ({ completion: from(entry) }),
      () => ({ completion: normal() }),
    );
    return ended(both.completion);
  }
  // cases without statements of their own run what the next one runs
  const entries = matches.map(({ entry }) => {
    let at = entry;
    while (at < node.cases.length - 1 && node.cases[at]!.consequent.length === 0) at++;
    return at;
  });
  const targets = [...new Set(entries)];
  const chooser = matches.reduceRight<Tensor | undefined>((rest, { holds }, k) => {
    const number = constant(targets.indexOf(entries[k]!), "i32");
    return ops.select(holds, number, rest ?? constant(targets.length, "i32"));
  }, undefined)!;
  const paths = [...targets.map((entry) => () => from(entry)), normal].map((work) =>
    tracePath(run, () => ({ completion: work() })),
  );
  return ended(joinPaths(run, site, asWhole(scalarOf(chooser), [0, targets.length]), paths).completion);
}

function executeTry(run: Evaluator, node: TryStatement, scope: Scope): Completion {
  const finalize = (): Completion => (node.finalizer ? run.execute(node.finalizer, scope) : undefined);
  let end: Completion;
  try {
    end = tryBlock(run, node, scope);
  } catch (error) {
    if (error instanceof LanewiseError || typeof error === "symbol") throw error;
    const last = finalize();
    if (last) return last;
    throw error;
  }
  const last = finalize();
  if (!last) return end;
  return last.kind === "parted" ? whereNormal(run, { node, scope }, last, () => end) : last;
}

function tryBlock(run: Evaluator, node: TryStatement, scope: Scope): Completion {
  if (!node.handler) return run.execute(node.block, scope);
  try {
    return run.execute(node.block, scope);
  } catch (error) {
    if (error instanceof LanewiseError || typeof error === "symbol") throw error; // what cannot be traced is no business of the program
    const inner = new Scope(scope, scope.activation);
    const { param, body } = node.handler;
    if (param) {
      for (const name of namesIn(param)) declareDead(inner, name, false);
      run.bind(param, error instanceof Thrown ? error.value : error, inner, true);
    }
    return run.execute(body as BlockStatement, inner);
  }
}
