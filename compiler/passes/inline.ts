// inline: calls give way to the equations of their bodies.

import { type Atom, type Eqn, type Graph, newEqn, newVar, type Var } from "../ir/graph.js";
import type { CallParams } from "../ir/op.js";
import { barrierOp } from "../ops/identity.js";

/** Before: any Graph. After: there is no region of the form call; what a call computes again stands behind barriers. */
export function inline(graph: Graph): Graph {
  if (!graph.eqns.some(isCall)) return graph;
  const values = new Map<Var, Atom>();
  const eqns: Eqn[] = [];
  addEquations(graph.eqns, values, eqns, true);
  return { inputs: graph.inputs, eqns, outputs: graph.outputs.map((x) => nameOf(x, values)) };
}

const isCall = ({ op }: Eqn): boolean => op.kind === "region" && op.form === "call";

const nameOf = (x: Atom, values: ReadonlyMap<Var, Atom>): Atom => (x.kind === "var" ? (values.get(x) ?? x) : x);

/** `values` holds what variables are called in the Graph that is made; a body's get new names, for it may be called twice. */
function addEquations(from: readonly Eqn[], values: Map<Var, Atom>, to: Eqn[], keepNames: boolean): void {
  for (const eqn of from) {
    const inputs = eqn.inputs.map((x) => nameOf(x, values));
    if (isCall(eqn)) {
      const results = addCall({ ...eqn, inputs }, to);
      eqn.outputs.forEach((v, k) => void values.set(v, results[k]!));
    } else {
      const outputs = keepNames ? eqn.outputs : eqn.outputs.map((v) => newVar(v.aval));
      eqn.outputs.forEach((v, k) => void values.set(v, outputs[k]!));
      to.push({ ...eqn, inputs, outputs });
    }
  }
}

function addCall({ inputs, params, location }: Eqn, to: Eqn[]): Atom[] {
  const { body, fenced = 0 } = params as CallParams;
  const values = new Map<Var, Atom>();
  body.inputs.forEach((v, i) => {
    const x = inputs[i]!;
    if (i >= fenced || x.kind === "literal") {
      values.set(v, x);
      return;
    }
    const barrier = newEqn(barrierOp, [x], {}, location);
    to.push(barrier);
    values.set(v, barrier.outputs[0]!);
  });
  addEquations(body.eqns, values, to, false);
  return body.outputs.map((x) => nameOf(x, values));
}
