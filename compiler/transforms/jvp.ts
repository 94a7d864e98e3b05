// Forward mode: from a Graph to the Graph of its values and tangents.
import { InternalError } from "../core/errors.js";
import type { Atom, Eqn, Graph, Var } from "../ir/graph.js";
import { bindOne, sumOf } from "../ops/define.js";
import { stage } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { withLocation } from "../trace/trace.js";
import { zeros } from "./run.js";

export interface JvpGraph {
  /** Inputs: those of the primal Graph, then a tangent for each active one. Outputs: the primal ones, then tangents. */
  readonly graph: Graph;
  /** Whether each output has a tangent; those of the others are zero. */
  readonly active: readonly boolean[];
}

/**
 * Pushes tangents through every equation. `active[i]` says that input i, a float, has one; the others' are zero, and so
 * is what depends on them alone: zero tangents are never computed.
 */
export function jvpGraph(graph: Graph, active: readonly boolean[]): JvpGraph {
  const primalTypes = graph.inputs.map((v) => v.aval);
  const activeInputs = graph.inputs.filter((_, i) => active[i]);
  const staged = stage("jvp", [...primalTypes, ...activeInputs.map((v) => v.aval)], (args) => {
    const primals = new Map<Var, Operand>();
    const tangents = new Map<Var, Tensor>();
    graph.inputs.forEach((v, i) => void primals.set(v, args[i]!));
    activeInputs.forEach((v, i) => void tangents.set(v, args[primalTypes.length + i]!));
    const primal = (x: Atom): Operand => (x.kind === "literal" ? x : primals.get(x)!);
    const tangent = (x: Atom): Tensor | undefined => (x.kind === "literal" ? undefined : tangents.get(x));
    for (const eqn of graph.eqns) {
      withLocation(eqn.location, () => {
        const [out] = eqn.outputs as [Var];
        const result = bindOne(eqn.op, eqn.inputs.map(primal), eqn.params);
        primals.set(out, result);
        const dy = jvpEqn(eqn, eqn.inputs.map(primal), eqn.inputs.map(tangent), result);
        if (dy) tangents.set(out, dy);
      });
    }
    const outTangents = graph.outputs.map(tangent);
    const there = outTangents.filter((x) => x !== undefined);
    return { outputs: [...graph.outputs.map(primal), ...there], rest: outTangents.map((x) => x !== undefined) };
  });
  return { graph: staged.graph, active: staged.rest };
}

function jvpEqn(
  { op, params }: Eqn,
  primals: readonly Operand[],
  tangents: readonly (Tensor | undefined)[],
  result: Tensor,
): Tensor | undefined {
  if (result.aval.dtype !== "f32" || tangents.every((x) => x === undefined)) return undefined;
  switch (op.kind) {
    case "elementwise":
    case "reduction":
      if (!op.jvp) throw new InternalError(`jvp: op ${op.name} has no rule`);
      return op.jvp(tangents, primals, result, params);
    case "view":
      if (op.jvp) return op.jvp(tangents, primals, result, params);
      // linear in its float operands; integers, such as indices, are as they were
      return bindOne(
        op,
        primals.map((x, k) => (x.aval.dtype === "f32" ? (tangents[k] ?? zeros(x.aval)) : x)),
        params,
      );
    case "contraction":
      return sumOf(
        tangents.map(
          (d, k) =>
            d &&
            bindOne(
              op,
              primals.map((x, i) => (i === k ? d : x)),
              params,
            ),
        ),
      );
  }
}
