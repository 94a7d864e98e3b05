// What fusing has to know of an equation: whether it can be computed wherever it is needed, and what that costs.
import { sizeOf } from "../core/shape.js";
import { type Eqn, type Graph, regionsOf, type Var } from "../ir/graph.js";
import type { ElementwiseOp, ReduceParams, ScanParams } from "../ir/op.js";
import { ScalarBuilder } from "../ir/scalar.js";

/** Sums of at most so many terms are computed in place, where their result is needed. */
const INLINE_TERMS = 16;

/** Turns that a loop with an open end is taken to have. */
const OPEN_TURNS = 32;

/** Number of elements folded into one result; 1 for what folds nothing. */
export function termsOf(eqn: Eqn): number {
  const { op } = eqn;
  const [x, y] = eqn.inputs;
  if (op.kind === "reduction") return sizeOf((eqn.params as ReduceParams).axes.map((axis) => x!.aval.shape[axis]!));
  if (op.kind === "contraction") return op.gemm(x!.aval, y!.aval, eqn.params).k;
  if (op.kind === "region") return turnsOf(eqn);
  return 1;
}

/** How often a region runs its body, as far as is known. */
function turnsOf({ op, params }: Eqn): number {
  if (op.kind !== "region" || op.form === "call" || op.form === "switch") return 1;
  return op.form === "scan" ? (params as ScanParams).length : OPEN_TURNS;
}

/** A fold of more terms than are computed in place. */
export const foldsMuch = (eqn: Eqn): boolean =>
  (eqn.op.kind === "reduction" || eqn.op.kind === "contraction") && termsOf(eqn) > INLINE_TERMS;

/** Values a fold carries from term to term: each is a buffer when a second dispatch goes on with it. */
export function stateSizeOf({ op, inputs }: Eqn): number {
  if (op.kind === "reduction") return op.init(new ScalarBuilder(), inputs[0]!.aval.dtype).length;
  return op.kind === "contraction" ? 1 : 0;
}

/** A function of the user's counts as so many instructions. */
const USERS_COST = 16;

const elementwiseCost = new WeakMap<ElementwiseOp, Map<string, number>>();

/** Scalar instructions for one element, without those of its operands. */
export function costOf(eqn: Eqn): number {
  const { op } = eqn;
  switch (op.kind) {
    case "elementwise": {
      const key = eqn.inputs.map((x) => x.aval.dtype).join();
      let byTypes = elementwiseCost.get(op);
      if (!byTypes) {
        byTypes = new Map();
        elementwiseCost.set(op, byTypes);
      }
      let cost = byTypes.get(key);
      if (cost === undefined) {
        const b = new ScalarBuilder();
        op.scalar(
          b,
          eqn.inputs.map((x, i) => b.input(i, x.aval.dtype)),
          eqn.params,
        );
        // one at least: chains are cut before they are too deep to recurse into
        cost = op.host ? USERS_COST : Math.max(1, b.count - eqn.inputs.length);
        byTypes.set(key, cost);
      }
      return cost;
    }
    case "view":
      // a joined array is a tree of branches, one leaf per operand
      return op.keepsOrder ? 0 : 2 * Math.max(1, eqn.inputs.length);
    case "reduction":
    case "contraction":
    case "opaque":
    case "collective":
      return 4;
    case "region":
      return op.form === "switch" ? 4 + bodyCost(eqn) : 4;
  }
}

/** Scalar instructions for one lane's turn in a region, inner regions included. */
export function bodyCost({ params }: Eqn): number {
  const costs = (graph: Graph): number =>
    graph.eqns.reduce((sum, eqn) => sum + (eqn.op.kind === "region" ? bodyCost(eqn) : costOf(eqn)), 0);
  return regionsOf(params).reduce((sum, { graph }) => sum + costs(graph), 0);
}

/** The variable whose elements, in the same order, `v` has: through views that keep the order. */
export function memoryOf(v: Var, producer: ReadonlyMap<Var, Eqn>): Var {
  for (;;) {
    const eqn = producer.get(v);
    if (eqn?.op.kind !== "view" || !eqn.op.keepsOrder) return v;
    const operand = eqn.inputs[0]!;
    if (operand.kind !== "var") return v;
    v = operand;
  }
}
