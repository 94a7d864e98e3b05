// ifConvert: branches that are cheap to compute become selects.
import { aval } from "../core/aval.js";
import { type Atom, type Eqn, type Graph, literal, newEqn, type Var } from "../ir/graph.js";
import type { SwitchParams } from "../ir/op.js";
import { castOp, le, selectOp } from "../ops/compare.js";
import { instantiate } from "../ops/control/graphs.js";
import { costOf } from "./cost.js";

/** Instructions of all branches together at most: about what a branch that lanes part at costs by itself. */
const MAX_COST = 32;

/**
 * Before: all transforms are done, so that no derivative meets a branch that was not taken; simplify and fold have run.
 * After: a switch that gives each lane numbers, from branches that hold few elementwise equations and views, is all of
 * them and a select of each result: bit for bit the same, for what is not chosen is computed and dropped. Nested ones
 * are, from within, as long as it is cheap.
 */
export function ifConvert(graph: Graph): Graph {
  if (!graph.eqns.some(isCheap)) return graph;
  const producer = new Map<Var, Eqn>();
  const replaced = new Map<Var, Atom>();
  const read = (x: Atom): Atom => (x.kind === "var" ? (replaced.get(x) ?? x) : x);
  const eqns: Eqn[] = [];
  for (const eqn of graph.eqns) {
    const own = { ...eqn, inputs: eqn.inputs.map(read) };
    const made = isCheap(eqn) ? selects(own, producer) : { eqns: [own], results: eqn.outputs };
    eqn.outputs.forEach((v, j) => void (made.results[j] !== v && replaced.set(v, made.results[j]!)));
    for (const e of made.eqns) {
      eqns.push(e);
      for (const v of e.outputs) producer.set(v, e);
    }
  }
  return { inputs: graph.inputs, eqns, outputs: graph.outputs.map(read) };
}

function isCheap({ op, params, outputs }: Eqn): boolean {
  if (op.kind !== "region" || op.form !== "switch") return false;
  const { branches, lanes } = params as SwitchParams;
  if (outputs.some((v) => v.aval.shape.length !== lanes)) return false;
  let cost = 0;
  for (const eqn of branches.flatMap((branch) => branch.eqns)) {
    const isPlain = eqn.op.kind === "elementwise" ? !eqn.op.host : eqn.op.kind === "view" && !eqn.op.fence;
    if (!isPlain) return false;
    cost += costOf(eqn);
    if (cost > MAX_COST) return false;
  }
  return true;
}

/** All branches, and of each result the one of the branch with that number, the first and last ones also beyond. */
function selects(eqn: Eqn, producer: ReadonlyMap<Var, Eqn>): { eqns: Eqn[]; results: readonly Atom[] } {
  const { branches } = eqn.params as SwitchParams;
  const [index, ...operands] = eqn.inputs as [Atom, ...Atom[]];
  const parts = branches.map((branch) => instantiate(branch, operands));
  const eqns = parts.flatMap((part) => part.eqns);
  const push = (made: Eqn): Var => {
    eqns.push({ ...made, location: eqn.location });
    return made.outputs[0]!;
  };
  const source = index.kind === "var" ? producer.get(index) : undefined;
  const isFlag = source?.op === castOp && source.inputs[0]!.aval.dtype === "bool";
  const isAtMost = (k: number): Atom => {
    if (index.kind === "literal") return literal(index.value <= k ? 1 : 0, aval("bool", []));
    return push(newEqn(le.op, [index, literal(k, aval("i32", []))], {}));
  };
  const last = branches.length - 1;
  let results = parts[last]!.outputs;
  for (let k = last - 1; k >= 0; k--) {
    // a condition is its own mask
    const flag = isFlag && k === 0 ? source.inputs[0]! : undefined;
    const mask = flag ?? isAtMost(k);
    results = results.map((other, j) => {
      const own = parts[k]!.outputs[j]!;
      if (own === other) return other;
      return push(newEqn(selectOp, flag ? [mask, other, own] : [mask, own, other], {}));
    });
  }
  return { eqns, results };
}
