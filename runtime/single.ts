// Graphs of a single equation, for ops that run at once.
import type { Aval } from "../compiler/core/aval.js";
import { InternalError } from "../compiler/core/errors.js";
import { type Eqn, type Graph, newEqn, newVar, showParams, type Var } from "../compiler/ir/graph.js";
import { findOp, type Op, type Params } from "../compiler/ir/op.js";
import type { Operand } from "../compiler/trace/tensor.js";
import { Lru } from "./lru.js";

const CAPACITY = 4096;

const graphs = new Lru<string, Graph>(CAPACITY);

/**
 * The Graph that applies `op` to operands of these types. Scalar constants are inputs of it, so that `x.mul(0.1)` and
 * `x.mul(0.2)` are one program.
 */
export function singleOpGraph(op: Op, operands: readonly Operand[], params: Params): Graph {
  let key = op.name;
  for (const { aval } of operands) key += ` ${aval.dtype}${aval.shape.join()}`;
  const text = showParams(params);
  if (text !== "") key += ` ${text}`;
  let graph = graphs.get(key);
  if (!graph) {
    graph = makeGraph(
      op,
      operands.map(({ aval: { dtype, shape } }) => ({ dtype, shape })),
      params,
    );
    graphs.set(key, graph);
  }
  return graph;
}

function makeGraph(op: Op, types: readonly Aval[], params: Params): Graph {
  const inputs = types.map(newVar);
  const eqns: Eqn[] = [];
  const shape = types.find((type) => type.shape.length > 0)?.shape;
  const operands = inputs.map((x): Var => {
    // elementwise equations have operands of one shape
    if (op.kind !== "elementwise" || !shape || x.aval.shape.length > 0) return x;
    const broadcast = findOp("broadcast");
    if (!broadcast) throw new InternalError("the op broadcast is not registered");
    const eqn = newEqn(broadcast, [x], { shape, axes: [] });
    eqns.push(eqn);
    return eqn.outputs[0]!;
  });
  const eqn = newEqn(op, operands, params);
  return { inputs, eqns: [...eqns, eqn], outputs: eqn.outputs };
}
