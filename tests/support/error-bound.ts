// How far two honest f32 runs of a Graph may lie apart: every result is disturbed by its rounding, in f64, several times.
import type { NDArray } from "../../compiler/core/ndarray.js";
import type { Eqn, Graph, Var } from "../../compiler/ir/graph.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { widened } from "./arrays.js";
import { randomStream, ulpAt } from "./ulp.js";

/** How many times the greatest deviation of the disturbed runs is allowed. */
const MARGIN = 8;

/**
 * The largest difference to allow for each element of each output; infinite where even the order of size is unknown. The
 * more elements there are, the more likely is one that all of few `runs` hardly disturb.
 */
export function errorBounds(graph: Graph, inputs: readonly NDArray[], runs = 4): Float64Array[] {
  const wide = inputs.map(widened);
  const calm = interpret(graph, wide, { wide: true });
  const disturbed = Array.from({ length: runs }, (_, i) => interpretDisturbed(graph, wide, randomStream(i + 1)));
  return calm.map((want, k) =>
    Float64Array.from(want.data, (x, i) => {
      const deviations = disturbed.map((run) => Math.abs(run[k]!.data[i]! - x));
      // not a number in some run and not in others: anything goes
      if (deviations.some(Number.isNaN))
        return Number.isNaN(x) && disturbed.every((r) => Number.isNaN(r[k]!.data[i]!)) ? 0 : Infinity;
      if (!Number.isFinite(x)) return 0;
      const isHuge = Math.abs(x) > 1e37;
      return isHuge ? Infinity : MARGIN * Math.max(...deviations) + 2 * ulpAt(x) + 1e-36;
    }),
  );
}

function interpretDisturbed(graph: Graph, inputs: readonly NDArray[], random: () => number): NDArray[] {
  const values = new Map<Var, NDArray>();
  graph.inputs.forEach((v, i) => void values.set(v, inputs[i]!));
  const vary = (x: NDArray, ulps: number): NDArray =>
    x.dtype === "f32" ? { ...x, data: x.data.map((y) => y * (1 + (2 * random() - 1) * ulps * 2 ** -23)) } : x;
  const run = (eqn: Eqn, operands: readonly NDArray[]): NDArray[] => {
    const vars = eqn.inputs.filter((x): x is Var => x.kind === "var");
    return interpret({ inputs: vars, eqns: [eqn], outputs: eqn.outputs }, operands, { wide: true });
  };
  for (const eqn of graph.eqns) {
    const { kind, ulp } = eqn.op;
    const operands = eqn.inputs.flatMap((x) => (x.kind === "var" ? [values.get(x)!] : []));
    // each term of a sum is rounded, not only the sum
    const folds = kind === "reduction" || kind === "contraction";
    const results = run(eqn, folds ? operands.map((x) => vary(x, ulp)) : operands);
    eqn.outputs.forEach((v, k) => void values.set(v, kind === "view" ? results[k]! : vary(results[k]!, ulp + 1)));
  }
  return graph.outputs.map((x) => (x.kind === "var" ? values.get(x)! : interpret(graph, inputs, { wide: true })[0]!));
}
