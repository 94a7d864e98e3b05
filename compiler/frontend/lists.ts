// Lists of expressions: elements of arrays and arguments, with what is spread among them.
import type { Expression, SpreadElement } from "acorn";
import { Tensor } from "../trace/tensor.js";
import { rowsOf } from "./elements.js";
import { type Evaluator, type Scope, type Site, Thrown, used } from "./evaluator.js";
import { packOf } from "./store.js";

/** Elements of an array expression, or arguments. */
export function listOf(run: Evaluator, nodes: readonly (Expression | SpreadElement | null)[], scope: Scope): unknown[] {
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
