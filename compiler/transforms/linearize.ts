// Partial evaluation: takes a tangent Graph apart into what needs no tangent and what is linear in them.
import { InternalError } from "../core/errors.js";
import type { Eqn, Graph, Var } from "../ir/graph.js";

export interface Linearized {
  /** From the primal inputs to the primal outputs, then the residuals. */
  readonly known: Graph;
  /** From the residuals, then the tangents, to the tangents of the outputs: linear in the tangents. */
  readonly linear: Graph;
  readonly residuals: number;
}

/**
 * Splits `graph`, whose first `primalInputs` inputs and first `primalOutputs` outputs are primal. Residuals are the
 * primal values that the linear part reads; nothing is computed twice.
 */
export function linearize(graph: Graph, primalInputs: number, primalOutputs: number): Linearized {
  const tangents = graph.inputs.slice(primalInputs);
  const unknown = new Set<Var>(tangents);
  const knownEqns: Eqn[] = [];
  const linearEqns: Eqn[] = [];
  for (const eqn of graph.eqns) {
    const isLinear = eqn.inputs.some((x) => x.kind === "var" && unknown.has(x));
    if (isLinear) for (const v of eqn.outputs) unknown.add(v);
    (isLinear ? linearEqns : knownEqns).push(eqn);
  }
  const primals = graph.outputs.slice(0, primalOutputs);
  if (primals.some((x) => x.kind === "var" && unknown.has(x)))
    throw new InternalError("linearize: a primal output depends on a tangent");
  const results = graph.outputs.slice(primalOutputs);
  const residuals = new Set<Var>();
  for (const x of [...linearEqns.flatMap((eqn) => eqn.inputs), ...results]) {
    if (x.kind === "var" && !unknown.has(x)) residuals.add(x);
  }
  return {
    known: { inputs: graph.inputs.slice(0, primalInputs), eqns: knownEqns, outputs: [...primals, ...residuals] },
    linear: { inputs: [...residuals, ...tangents], eqns: linearEqns, outputs: results },
    residuals: residuals.size,
  };
}
