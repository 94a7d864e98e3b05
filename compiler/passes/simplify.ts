// simplify: drops equations whose result is one of their operands, bit for bit.
import { sameShape } from "../core/shape.js";
import type { Atom, Eqn, Graph, Literal, Var } from "../ir/graph.js";
import { rewrite } from "./rewrite.js";

/**
 * Before: any Graph. After: no equation merely repeats an operand, and scalar constants stand in elementwise equations
 * themselves instead of being broadcast first. Only rewrites that are exact in IEEE arithmetic.
 */
export function simplify(graph: Graph): Graph {
  const constants = new Map<Var, Literal>();
  return rewrite(graph, (eqn) => {
    const { op } = eqn;
    if (op.kind === "elementwise") {
      const shaped = withConstants(eqn, constants);
      const values = shaped.inputs.map((x) => (x.kind === "literal" ? x.value : undefined));
      const same = op.identity?.(values, eqn.inputs[0]!.aval.dtype);
      const operand = same === undefined ? undefined : shaped.inputs[same]!;
      return operand && sameType(operand, eqn.outputs[0]!) ? operand : shaped;
    }
    if (op.kind === "view") {
      const [x] = eqn.inputs;
      const out = eqn.outputs[0]!;
      if (op.fence) return eqn;
      if (x?.kind === "literal" && eqn.inputs.length === 1) constants.set(out, x);
      const identity =
        op.keepsOrder ||
        op
          .axes?.(x!.aval, out.aval, eqn.params)
          .every((map, axis) => map.from === axis && map.scale === 1 && map.offset === 0);
      if (identity && x && sameShape(x.aval.shape, out.aval.shape) && sameType(x, out)) return x;
    }
    return eqn;
  });
}

/** Weakness is part of the type here: a result must not become weak by being replaced. */
const sameType = (x: Atom, y: Atom): boolean => x.aval.dtype === y.aval.dtype && sameShape(x.aval.shape, y.aval.shape);

/** Operands that are a constant everywhere become the constant, as long as one operand keeps the shape. */
function withConstants(eqn: Eqn, constants: ReadonlyMap<Var, Literal>): Eqn {
  const inputs = eqn.inputs.map((x) => (x.kind === "var" ? (constants.get(x) ?? x) : x));
  const shaped = inputs.some((x) => x.kind === "var");
  return shaped && inputs.some((x, i) => x !== eqn.inputs[i]) ? { ...eqn, inputs } : eqn;
}
