// Forward mode: from a Graph to the Graph of its values and tangents.
import { InternalError } from "../core/errors.js";
import type { Atom, Eqn, Graph, Var } from "../ir/graph.js";
import type { Op } from "../ir/op.js";
import { bindOne, sumOf } from "../ops/define.js";
import { stage } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { bind, withLocation } from "../trace/trace.js";
import { zeros } from "./run.js";
import { enter, transforms } from "./table.js";

export interface JvpGraph {
  /** Inputs: those of the primal Graph, then a tangent for each active one. Outputs: the primal ones, then tangents. */
  readonly graph: Graph;
  /** Whether each output has a tangent; those of the others are zero. */
  readonly active: readonly boolean[];
}

/**
 * Pushes tangents through every equation. `active[i]` says that input i, a float, has one; the others' are zero, and so
 * is what depends on them alone: zero tangents are never computed. Outputs whose entry in `wanted` is true get a tangent
 * in any case.
 */
export function jvpGraph(graph: Graph, active: readonly boolean[], wanted?: readonly boolean[]): JvpGraph {
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
        const { results, tangents: given } = jvpEqn(eqn, eqn.inputs.map(primal), eqn.inputs.map(tangent));
        eqn.outputs.forEach((v, k) => {
          primals.set(v, results[k]!);
          if (given[k]) tangents.set(v, given[k]);
        });
      });
    }
    const outTangents = graph.outputs.map((x, i) => tangent(x) ?? (wanted?.[i] ? zeros(x.aval) : undefined));
    const there = outTangents.filter((x) => x !== undefined);
    return { outputs: [...graph.outputs.map(primal), ...there], rest: outTangents.map((x) => x !== undefined) };
  });
  return { graph: staged.graph, active: staged.rest };
}

interface JvpResults {
  readonly results: readonly Tensor[];
  readonly tangents: readonly (Tensor | undefined)[];
}

function jvpEqn(
  { op, params }: Eqn,
  primals: readonly Operand[],
  tangents: readonly (Tensor | undefined)[],
): JvpResults {
  const isActive = tangents.some((x) => x !== undefined);
  if (op.kind === "region" && isActive) return op.jvp(tangents, primals, params, transforms);
  const results = bind(op, primals, params);
  if (!isActive || results.every((y) => y.aval.dtype !== "f32")) return { results, tangents: [] };
  const [y] = results as [Tensor];
  switch (op.kind) {
    case "elementwise":
    case "reduction":
      if (!op.jvp) throw new InternalError(`jvp: op ${op.name} has no rule`);
      return { results, tangents: [op.jvp(tangents, primals, y, params)] };
    case "view":
      if (op.jvp) return { results, tangents: [op.jvp(tangents, primals, y, params)] };
      // linear in its float operands; integers, such as indices, are as they were
      return {
        results,
        tangents: bind(
          op,
          primals.map((x, k) => (x.aval.dtype === "f32" ? (tangents[k] ?? zeros(x.aval)) : x)),
          params,
        ),
      };
    case "contraction": {
      const terms = tangents.map((d, k) => d && withOperand(op, primals, k, d, params));
      return { results, tangents: [sumOf(terms)] };
    }
    case "opaque":
      if (!op.jvp) throw new InternalError(`jvp: op ${op.name} has no rule`);
      return { results, tangents: op.jvp(tangents, primals, results, params) };
    case "region":
      return { results, tangents: [] };
    case "collective":
      if (!op.jvp) throw new InternalError(`jvp: op ${op.name} has no rule`);
      return { results, tangents: [op.jvp(tangents, primals, y, params)] };
  }
}

const withOperand = (op: Op, operands: readonly Operand[], k: number, value: Tensor, params: object): Tensor =>
  bindOne(
    op,
    operands.map((x, i) => (i === k ? value : x)),
    params,
  );

enter({ jvp: jvpGraph });
