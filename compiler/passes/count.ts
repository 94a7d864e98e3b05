// count: loops with a bound count their turns.
import { aval } from "../core/aval.js";
import type { Shape } from "../core/shape.js";
import { type Atom, type Eqn, type Graph, literal, newEqn, newVar } from "../ir/graph.js";
import type { WhileParams } from "../ir/op.js";
import { fillOp } from "../ops/axes.js";
import { add, and, lt } from "../ops/index.js";

/**
 * Before: settle has run. After: no while has a bound beside its condition; one that had it carries the number of its
 * turn, of each lane where lanes part, behind all else.
 */
export function count(graph: Graph): Graph {
  if (!graph.eqns.some(isBounded)) return graph;
  return { ...graph, eqns: graph.eqns.flatMap((eqn) => (isBounded(eqn) ? counted(eqn) : [eqn])) };
}

const isBounded = ({ op, params }: Eqn): boolean =>
  op.kind === "region" && op.form === "while" && (params as WhileParams).maxSteps !== undefined;

/** The number for each lane, and the equation that makes it. */
function everywhere(value: number, shape: Shape): { eqns: Eqn[]; x: Atom } {
  const x = literal(value, aval("i32", []));
  if (shape.length === 0) return { eqns: [], x };
  const eqn = newEqn(fillOp, [x], { shape, axes: [] });
  return { eqns: [eqn], x: eqn.outputs[0]! };
}

function counted(eqn: Eqn): Eqn[] {
  const { cond, body, maxSteps, ...others } = eqn.params as WhileParams;
  const { shape } = cond.outputs[0]!.aval;
  const type = aval("i32", shape);
  const [start, one, bound] = [0, 1, maxSteps!].map((value) => everywhere(value, shape));
  const [asked, turn] = [newVar(type), newVar(type)];
  const isEarly = newEqn(lt.op, [asked, bound!.x], {});
  const both = newEqn(and.op, [cond.outputs[0]!, isEarly.outputs[0]!], {});
  const next = newEqn(add.op, [turn, one!.x], {});
  const params: WhileParams = {
    ...others,
    cond: {
      inputs: [...cond.inputs, asked],
      eqns: [...cond.eqns, ...bound!.eqns, isEarly, both],
      outputs: both.outputs,
    },
    body: {
      inputs: [...body.inputs, turn],
      eqns: [...body.eqns, ...one!.eqns, next],
      outputs: [...body.outputs, ...next.outputs],
    },
  };
  return [
    ...start!.eqns,
    { ...eqn, inputs: [...eqn.inputs, start!.x], outputs: [...eqn.outputs, newVar(type)], params },
  ];
}
