// lockstep: control flow in which each lane goes its own way becomes control flow that all lanes share.
import { aval } from "../core/aval.js";
import { type Atom, type Eqn, type Graph, literal, type Var } from "../ir/graph.js";
import type { DeviceLimits } from "../ir/limits.js";
import type { SwitchParams, WhileParams } from "../ir/op.js";
import { and, broadcast, cast, eq, gt, max, min, reduceSum, select } from "../ops/index.js";
import { replay, stage } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { bind, withLocation } from "../trace/trace.js";
import { whyNotLocal } from "./local.js";

/**
 * Before: any Graph. After: no region has lanes but those that are local to them. All branches of a switch are computed and each lane selects its own; a
 * while goes on until no lane is active, and the others keep what they have.
 */
export function lockstep(graph: Graph, limits: DeviceLimits): Graph {
  const whyNot = whyNotLocal(graph, limits);
  /** Lanes part, and not inside of one kernel. */
  const hasLanes = (eqn: Eqn): boolean => lanesOf(eqn) > 0 && whyNot(eqn) !== undefined;
  if (!graph.eqns.some(hasLanes)) return graph;
  return stage(
    "lockstep",
    graph.inputs.map((v) => v.aval),
    (args) => {
      const values = new Map<Var, Operand>();
      graph.inputs.forEach((v, i) => void values.set(v, args[i]!));
      const read = (x: Atom): Operand => (x.kind === "literal" ? x : values.get(x)!);
      for (const eqn of graph.eqns) {
        const operands = eqn.inputs.map(read);
        const results = withLocation(eqn.location, () =>
          hasLanes(eqn) ? apart(eqn, operands) : bind(eqn.op, operands, eqn.params),
        );
        eqn.outputs.forEach((v, k) => void values.set(v, results[k]!));
      }
      return { outputs: graph.outputs.map(read), rest: undefined };
    },
  ).graph;
}

const lanesOf = ({ op, params }: Eqn): number =>
  op.kind === "region" && (op.form === "switch" || op.form === "while")
    ? (params as SwitchParams | WhileParams).lanes
    : 0;

function apart(eqn: Eqn, operands: readonly Operand[]): readonly Operand[] {
  const { op, params } = eqn;
  return op.kind === "region" && op.form === "switch"
    ? selectBranch(params as SwitchParams, operands)
    : whileAnyActive(eqn, operands);
}

const i32 = (value: number) => literal(value, aval("i32", []));

/** `mask` has the leading axes of `like`. */
const spread = (mask: Operand, like: Operand): Tensor =>
  broadcast(
    mask,
    like.aval.shape,
    mask.aval.shape.map((_, axis) => axis),
  );

function selectBranch({ branches }: SwitchParams, [index, ...operands]: readonly Operand[]): readonly Operand[] {
  const last = branches.length - 1;
  const which = max(min(index!, filled(index!, last)), filled(index!, 0));
  const results = branches.map((branch) => replay(branch, operands));
  return results[0]!.map((_, r) => {
    let chosen = results[last]![r]!;
    for (let k = last - 1; k >= 0; k--) {
      const own = results[k]![r]!;
      chosen = select(spread(eq(which, filled(which, k)), own), own, chosen);
    }
    return chosen;
  });
}

const filled = (like: Operand, value: number): Tensor => broadcast(i32(value), like.aval.shape, []);

function whileAnyActive({ op, params }: Eqn, operands: readonly Operand[]): readonly Operand[] {
  const { cond, body, consts } = params as WhileParams;
  const fixed = operands.slice(0, consts);
  const [active] = replay(cond, operands) as [Operand];
  const types = [...fixed, active, ...operands.slice(consts)].map((x) => x.aval);
  const own = (args: readonly Tensor[]) => ({
    values: args.slice(0, consts),
    mask: args[consts]!,
    carry: args.slice(consts + 1),
  });
  const goesOn = stage("while", types, (args) => {
    const { mask } = own(args);
    const axes = mask.shape.map((_, axis) => axis);
    return { outputs: [gt(reduceSum(cast(mask, "i32"), axes), i32(0))], rest: undefined };
  }).graph;
  const turn = stage("while", types, (args) => {
    const { values, mask, carry } = own(args);
    const next = replay(body, [...values, ...carry]).map((x, k) => select(spread(mask, x), x, carry[k]!));
    const [holds] = replay(cond, [...values, ...next]) as [Operand];
    return { outputs: [and(mask, holds), ...next], rest: undefined };
  }).graph;
  const results = bind(op, [...fixed, active, ...operands.slice(consts)], {
    cond: goesOn,
    body: turn,
    consts,
    lanes: 0,
  });
  return results.slice(1);
}
