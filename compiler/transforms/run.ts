// What every transform does with the Graph it made: records it in the trace under way, or runs it.
import type { Aval } from "../core/aval.js";
import { aval } from "../core/aval.js";
import { type Graph, literal } from "../ir/graph.js";
import { fill } from "../ops/index.js";
import { replay } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { currentTrace, getExecutor, isLiteral } from "../trace/trace.js";

/**
 * Results of `graph` for `operands`; `label` names the user's function. The caller gives up the operands at the positions
 * `donated`; within a trace that means nothing.
 */
export function runGraph(
  graph: Graph,
  operands: readonly Operand[],
  label: string,
  donated?: readonly number[],
): Tensor[] {
  if (!currentTrace()) return getExecutor().run(graph, operands, label, donated);
  return replay(graph, operands).map((x) => (isLiteral(x) ? fill(x, []) : x));
}

/** Zeros of a type. */
export const zeros = ({ dtype, shape }: Aval): Tensor => fill(literal(0, aval(dtype, [])), shape);
