// The promises every Graph keeps; checked after each pass.
import { sameAval, showAval } from "../core/aval.js";
import { InternalError } from "../core/errors.js";
import { sameShape } from "../core/shape.js";
import { type Graph, regionsOf, type Var } from "./graph.js";
import { printGraph } from "./print.js";

/**
 * Throws `InternalError`, with the Graph printed, unless: every variable is defined once and before its use, every
 * result has the type its op's rule gives, literals are scalars, and elementwise operands have one shape.
 */
export function verify(graph: Graph, after: string): Graph {
  const fail = (why: string): never => {
    throw new InternalError(`after ${after}: ${why}\n${printGraph(graph)}`);
  };
  const defined = new Set<Var>();
  const define = (v: Var): void => {
    if (defined.has(v)) fail("a variable is defined twice");
    defined.add(v);
  };
  graph.inputs.forEach(define);
  for (const [i, eqn] of graph.eqns.entries()) {
    const where = `equation ${i} (${eqn.op.name})`;
    for (const x of eqn.inputs) {
      if (x.kind === "literal") {
        if (x.aval.shape.length > 0) fail(`${where}: a literal of shape [${x.aval.shape}]`);
      } else if (!defined.has(x)) fail(`${where}: an operand is used before it is defined`);
    }
    const shape = eqn.outputs[0]?.aval.shape;
    if (eqn.op.kind === "elementwise" && shape) {
      for (const x of eqn.inputs) {
        if (x.kind === "var" && !sameShape(x.aval.shape, shape))
          fail(`${where}: an operand is ${showAval(x.aval)}, the result has shape [${shape}]`);
      }
    }
    const types = eqn.op.typeOf(
      eqn.inputs.map((x) => x.aval),
      eqn.params,
    );
    if (types.length !== eqn.outputs.length)
      fail(`${where}: ${eqn.outputs.length} results, the rule gives ${types.length}`);
    types.forEach((type, k) => {
      const own = eqn.outputs[k]!;
      if (!sameAval(type, own.aval))
        fail(`${where}: result is ${showAval(own.aval)}, the rule gives ${showAval(type)}`);
    });
    for (const { graph: inner, path } of regionsOf(eqn.params)) verify(inner, `${after}, in ${path} of ${where}`);
    eqn.outputs.forEach(define);
  }
  for (const x of graph.outputs) if (x.kind === "var" && !defined.has(x)) fail("an output is not defined");
  return graph;
}
