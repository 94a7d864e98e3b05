// Transposition: from a linear Graph to the Graph that carries cotangents back.
import { InternalError, TraceError } from "../core/errors.js";
import type { Atom, Eqn, Graph, Var } from "../ir/graph.js";
import { sumOf } from "../ops/define.js";
import { hereText } from "../trace/here.js";
import { showLocation } from "../trace/location.js";
import { stage } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { bind, withLocation } from "../trace/trace.js";
import { zeros } from "./run.js";
import { enter, transforms } from "./table.js";

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
    const linear = evaluateKnown(graph, known);
    const cotangents = new Map<Var, Tensor>();
    const receive = (x: Atom, ct: Tensor | undefined): void => {
      if (x.kind === "literal" || known.has(x) || !ct) return;
      cotangents.set(x, sumOf([cotangents.get(x), ct])!);
    };
    graph.outputs.forEach((x, i) => void receive(x, args[residuals + i]!));
    for (const eqn of [...linear].reverse()) {
      const cts = eqn.outputs.map((v) => cotangents.get(v));
      if (cts.every((ct) => ct === undefined)) continue;
      const operands = eqn.inputs.map((x): Operand | undefined => (x.kind === "literal" ? x : known.get(x)));
      const back = withLocation(eqn.location, () => transposeEqn(eqn, cts, operands));
      eqn.inputs.forEach((x, k) => void receive(x, back[k]));
    }
    const outputs = linearInputs.map((v) => cotangents.get(v) ?? zeros(v.aval));
    return { outputs, rest: undefined };
  }).graph;
}

/** Computes what depends on residuals alone; gives the other equations. */
function evaluateKnown(graph: Graph, known: Map<Var, Tensor>): Eqn[] {
  return graph.eqns.filter((eqn) => {
    if (!eqn.inputs.every((x) => x.kind === "literal" || known.has(x))) return true;
    const operands = eqn.inputs.map((x): Operand => (x.kind === "literal" ? x : known.get(x)!));
    const results = withLocation(eqn.location, () => bind(eqn.op, operands, eqn.params));
    eqn.outputs.forEach((v, k) => void known.set(v, results[k]!));
    return false;
  });
}

function transposeEqn(
  { op, inputs, params, location }: Eqn,
  cts: readonly (Tensor | undefined)[],
  operands: readonly (Operand | undefined)[],
): readonly (Tensor | undefined)[] {
  const types = inputs.map((x) => x.aval);
  const hindrance = op.kind === "region" ? op.noReverse?.(params) : undefined;
  if (hindrance !== undefined)
    throw new TraceError(`grad: ${hindrance}${location?.source ? `\n  at ${showLocation(location)}` : hereText()}`);
  if (!op.transpose) throw new InternalError(`transpose: op ${op.name} has no rule`);
  if (op.kind === "region") return op.transpose(cts, operands, types, params, transforms);
  if (op.kind === "opaque") return op.transpose(cts, operands, types, params);
  return op.transpose(cts[0]!, operands, types, params);
}

enter({ transpose: transposeGraph });
