// A while loop of a bounded number of turns as a scan of that length, for reverse mode.
import { type Eqn, type Graph, newEqn } from "../../ir/graph.js";
import type { ScanParams, WhileParams } from "../../ir/op.js";
import type { Transforms } from "../../trace/rules.js";
import { replay } from "../../trace/stage.js";
import type { Operand, Tensor } from "../../trace/tensor.js";
import { broadcast } from "../axes.js";
import { cast, select } from "../compare.js";
import { graphOf, typesOf } from "./graphs.js";
import { scanOp } from "./scan.js";
import { switchLanes } from "./switch.js";

/**
 * What a bounded loop with lanes keeps for its rules: `body` does the same for all lanes at once, and a lane that has
 * ended must not take part in it, or its NaN would meet the cotangents of the others.
 */
export interface WhileLanes {
  /** The body of one lane. */
  readonly lane: Graph;
  /** For each constant operand, which of the lane axes it has: they are its leading axes, in order. */
  readonly laneAxes: readonly (readonly number[])[];
}

export type BoundedParams = WhileParams & { readonly maxSteps: number } & Partial<WhileLanes>;

/** Undefined where no lane's body is known: lanes speak to each other in it. */
export function lanesOf({ body, consts, lanes, ...params }: WhileParams & Partial<WhileLanes>): WhileLanes | undefined {
  if (lanes === 0) return { lane: body, laneAxes: Array.from({ length: consts }, () => []) };
  return params.lane && { lane: params.lane, laneAxes: params.laneAxes! };
}

/**
 * The loop as a scan of `maxSteps` turns with the same results. In each turn the condition chooses between the body and
 * a branch that keeps the carry, for each lane by itself: no derivative of a turn past the end is computed.
 */
export function asScan(eqn: Eqn, transforms: Transforms): Eqn {
  const params = eqn.params as BoundedParams;
  const { cond, consts, maxSteps, lanes } = params;
  const own = lanesOf(params);
  const every = Array.from({ length: lanes }, (_, axis) => axis);
  const body = graphOf(typesOf(eqn.inputs), (args): readonly Operand[] => {
    const [goesOn] = replay(cond, args);
    const carry = args.slice(consts);
    if (!own) {
      const mask = (x: Tensor): Tensor => broadcast(goesOn!, x.shape, every);
      return replay(params.body, args).map((x, j) => select(mask(carry[j]!), x, carry[j]!));
    }
    const rest = graphOf(typesOf(own.lane.inputs), (all) => all.slice(consts));
    const branches = { lane: [rest, own.lane], laneAxes: [...own.laneAxes, ...carry.map(() => every)] };
    return switchLanes(cast(goesOn!, "i32"), args, branches, transforms);
  });
  const carry = eqn.outputs.length;
  const scan: ScanParams = { body, length: maxSteps, reverse: false, consts, carry };
  return { ...newEqn(scanOp, eqn.inputs, scan, eqn.location), outputs: eqn.outputs };
}
