// fold: computes at compile time what depends on constants alone.
import { allocate } from "../core/dtype.js";
import { type Graph, literal } from "../ir/graph.js";
import { compileScalar } from "../scalar/evaluate.js";
import { rewrite } from "./rewrite.js";

/**
 * Before: simplify has run. After: no elementwise equation has only constants for operands. Values are those of the
 * f32 interpreter.
 */
export function fold(graph: Graph): Graph {
  return rewrite(graph, (eqn) => {
    const { op, params } = eqn;
    const constants = eqn.inputs.flatMap((x) => (x.kind === "literal" ? [x] : []));
    if (op.kind !== "elementwise" || constants.length !== eqn.inputs.length) return eqn;
    const type = eqn.outputs[0]!.aval;
    const out = allocate(type.dtype, 1);
    if (op.host) {
      out[0] = op.host(...constants.map((x) => x.value));
      return literal(out[0]!, type);
    }
    const args = constants.map((x) => allocate(x.aval.dtype, 1).fill(x.value));
    compileScalar(
      (b, operands) => op.scalar(b, operands, params),
      constants.map((x) => x.aval.dtype),
    )([out], args, 1);
    return literal(out[0]!, type);
  });
}
