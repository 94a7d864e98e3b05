// Partial evaluation: takes a Graph apart into what is known already and what waits for unknown inputs.
import type { Aval } from "../core/aval.js";
import { InternalError } from "../core/errors.js";
import type { Atom, Eqn, Graph, Var } from "../ir/graph.js";
import { enter, transforms } from "./table.js";

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
  const unknown = graph.inputs.map((_, i) => i >= primalInputs);
  const forced = graph.outputs.map((_, i) => i >= primalOutputs);
  const { known, linear, unknownOut, residuals } = partialEvalGraph(graph, unknown, forced);
  if (unknownOut.slice(0, primalOutputs).includes(true))
    throw new InternalError("linearize: a primal output depends on a tangent");
  return { known, linear, residuals: residuals.length };
}

/** A Graph in two. */
interface PartialGraph {
  /** From the inputs that are known to the outputs that are, then the residuals. */
  readonly known: Graph;
  /** From the residuals, then the unknown inputs, to the other outputs. */
  readonly linear: Graph;
  /** Which outputs the second part gives. */
  readonly unknownOut: readonly boolean[];
  /** Types of what the second part needs of the first. */
  readonly residuals: readonly Aval[];
}

/**
 * Takes a Graph apart by what depends on the inputs whose entry in `unknown` is true. Outputs whose entry in `forced` is
 * true come from the second part in any case. Nothing is computed twice, but for what is made of constants alone, and
 * where the rule of an op says so.
 */
function partialEvalGraph(graph: Graph, unknown: readonly boolean[], forced: readonly boolean[] = []): PartialGraph {
  const waiting = new Set<Var>(graph.inputs.filter((_, i) => unknown[i]));
  const isWaiting = (x: Atom): boolean => x.kind === "var" && waiting.has(x);
  const knownEqns: Eqn[] = [];
  const linearEqns: Eqn[] = [];
  for (const eqn of graph.eqns) {
    if (!eqn.inputs.some(isWaiting)) {
      knownEqns.push(eqn);
      continue;
    }
    const parts =
      eqn.op.kind === "region" && eqn.op.partialEval
        ? eqn.op.partialEval(eqn, eqn.inputs.map(isWaiting), transforms)
        : { known: [], unknown: [eqn] };
    knownEqns.push(...parts.known);
    linearEqns.push(...parts.unknown);
    for (const v of parts.unknown.flatMap((part) => part.outputs)) waiting.add(v);
  }
  const unknownOut = graph.outputs.map((x, i) => Boolean(forced[i]) || isWaiting(x));
  const results = graph.outputs.filter((_, i) => unknownOut[i]);
  const read = [...linearEqns.flatMap((eqn) => eqn.inputs), ...results];
  const repeated = constantsBehind(read, knownEqns);
  for (const v of repeated.flatMap((eqn) => eqn.outputs)) waiting.add(v);
  const residuals = new Set<Var>();
  for (const x of read) if (x.kind === "var" && !waiting.has(x)) residuals.add(x);
  return {
    known: {
      inputs: graph.inputs.filter((_, i) => !unknown[i]),
      eqns: knownEqns,
      outputs: [...graph.outputs.filter((_, i) => !unknownOut[i]), ...residuals],
    },
    linear: {
      inputs: [...residuals, ...graph.inputs.filter((_, i) => unknown[i])],
      eqns: [...repeated, ...linearEqns],
      outputs: results,
    },
    unknownOut,
    residuals: [...residuals].map((v) => v.aval),
  };
}

/** Equations among `eqns` that make what is read of constants alone: arrays of zeros, counts. */
function constantsBehind(read: readonly Atom[], eqns: readonly Eqn[]): Eqn[] {
  const constant = new Set<Var>();
  const made = eqns.filter((eqn) => {
    const isCheap = eqn.op.kind === "view" || eqn.op.kind === "elementwise";
    if (!isCheap || !eqn.inputs.every((x) => x.kind === "literal" || constant.has(x))) return false;
    for (const v of eqn.outputs) constant.add(v);
    return true;
  });
  const needed = new Set<Atom>(read);
  const found: Eqn[] = [];
  for (const eqn of made.reverse()) {
    if (!eqn.outputs.some((v) => needed.has(v))) continue;
    found.push(eqn);
    for (const x of eqn.inputs) needed.add(x);
  }
  return found.reverse();
}

enter({ partialEval: partialEvalGraph });
