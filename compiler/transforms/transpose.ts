// Transposition: from a linear Graph to the Graph that carries cotangents back.
import { InternalError } from "../core/errors.js";
import type { Atom, Eqn, Graph, Var } from "../ir/graph.js";
import { sumOf } from "../ops/define.js";
import { stage } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { withLocation } from "../trace/trace.js";
import { zeros } from "./run.js";

/**
 * Turns a Graph round that is linear in its inputs behind the first `residuals`. The new one takes the residuals and a
 * cotangent for each output, and gives a cotangent for each linear input: ⟨ct, linear(dx)⟩ = ⟨transposed(ct), dx⟩.
 */
export function transposeGraph(graph: Graph, residuals: number): Graph {
  const linearInputs = graph.inputs.slice(residuals);
  const residualVars = graph.inputs.slice(0, residuals);
  const types = [...residualVars.map((v) => v.aval), ...graph.outputs.map((x) => x.aval)];
  return stage("transpose", types, (args) => {
    const known = new Map<Var, Tensor>();
    residualVars.forEach((v, i) => void known.set(v, args[i]!));
    const cotangents = new Map<Var, Tensor>();
    const receive = (x: Atom, ct: Tensor | undefined): void => {
      if (x.kind === "literal" || known.has(x) || !ct) return;
      cotangents.set(x, sumOf([cotangents.get(x), ct])!);
    };
    graph.outputs.forEach((x, i) => void receive(x, args[residuals + i]!));
    for (const eqn of [...graph.eqns].reverse()) {
      const ct = cotangents.get(eqn.outputs[0]!);
      if (!ct) continue;
      const operands = eqn.inputs.map((x): Operand | undefined => (x.kind === "literal" ? x : known.get(x)));
      const back = withLocation(eqn.location, () => transposeEqn(eqn, ct, operands));
      eqn.inputs.forEach((x, k) => void receive(x, back[k]));
    }
    const outputs = linearInputs.map((v) => cotangents.get(v) ?? zeros(v.aval));
    return { outputs, rest: undefined };
  }).graph;
}

function transposeEqn(
  { op, inputs, params }: Eqn,
  ct: Tensor,
  operands: readonly (Operand | undefined)[],
): readonly (Tensor | undefined)[] {
  if (!op.transpose) throw new InternalError(`transpose: op ${op.name} has no rule`);
  return op.transpose(
    ct,
    operands,
    inputs.map((x) => x.aval),
    params,
  );
}
