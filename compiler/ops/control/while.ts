// while: runs a Graph on carried values as long as another Graph says so.
import { showAval } from "../../core/aval.js";
import { allocate } from "../../core/dtype.js";
import { DTypeError, ShapeError } from "../../core/errors.js";
import type { NDArray } from "../../core/ndarray.js";
import { sameShape, sizeOf } from "../../core/shape.js";
import { type Graph, newEqn, newVar } from "../../ir/graph.js";
import { type RegionOp, register, type WhileParams } from "../../ir/op.js";
import type { Operand, Tensor } from "../../trace/tensor.js";
import { bind } from "../../trace/trace.js";
import { lanesAt } from "../axes.js";
import {
  checkTypes,
  fixpoint,
  flip,
  keep,
  parted,
  readInputs,
  strong,
  typesOf,
  withOutputs,
  zerosOf,
} from "./graphs.js";
import { whileSamples } from "./samples.js";

const whileOp: RegionOp = register<RegionOp>({
  name: "while",
  kind: "region",
  form: "while",
  typeOf(inputs, params) {
    const { cond, body, consts, lanes } = params as WhileParams;
    const carry = inputs.slice(consts);
    checkTypes("while: operands of the condition:", inputs, typesOf(cond.inputs));
    checkTypes("while: operands of the body:", inputs, typesOf(body.inputs));
    checkTypes("while: results of the body:", typesOf(body.outputs), carry);
    const [test, ...others] = typesOf(cond.outputs);
    if (test?.dtype !== "bool" || others.length > 0 || test.shape.length !== lanes)
      throw new DTypeError(`while: the condition is ${test ? showAval(test) : "nothing"}, but one bool is wanted`);
    for (const type of carry) {
      if (!sameShape(type.shape.slice(0, lanes), test.shape))
        throw new ShapeError(`while: a carried value is ${showAval(type)} for lanes [${test.shape}]`);
    }
    return carry.map(strong);
  },
  cpu(inputs, params, { wide }, _outputs, run) {
    const { cond, body, consts } = params as WhileParams;
    const [fixed, start] = parted(inputs, consts);
    let carry = start;
    for (;;) {
      const active = run(cond, [...fixed, ...carry])[0]!.data;
      if (!active.includes(1 as never)) return carry;
      const next = run(body, [...fixed, ...carry]);
      carry = active.includes(0 as never) ? carry.map((x, j) => merged(active, next[j]!, x, wide)) : next;
    }
  },
  batch(args, params, laneAxis, transforms) {
    const { cond, body, consts, lanes } = params as WhileParams;
    const [fixed, carry] = parted(args, consts);
    const fixedAxes = fixed.map((x) => x.axis);
    // behind the lane axes there are
    const axesOf = (flags: readonly boolean[]): (number | null)[] =>
      carry.map((x, j) => (flags[j] ? Math.max(x.axis ?? 0, lanes) : null));
    const step = (flags: readonly boolean[]): boolean[] =>
      transforms.batch(body, [...fixedAxes, ...axesOf(flags)], laneAxis).outAxes.map((axis) => axis !== null);
    const flags = fixpoint(
      carry.map((x) => x.axis !== null),
      step,
    );
    const tested = transforms.batch(cond, [...fixedAxes, ...axesOf(flags)], laneAxis);
    const apart = tested.outAxes[0] !== null;
    const axes = apart ? carry.map(() => 0) : axesOf(flags);
    const inAxes = [...fixedAxes, ...axes];
    const moved = carry.map((x, j): Operand => (axes[j] === null ? x.value : lanesAt(x, axes[j]!, laneAxis.size)));
    const results = bind(whileOp, [...fixed.map((x) => x.value), ...moved], {
      cond: apart ? transforms.batch(cond, inAxes, laneAxis, [0]).graph : tested.graph,
      body: transforms.batch(body, inAxes, laneAxis, axes).graph,
      consts,
      lanes: apart ? lanes + 1 : lanes,
    });
    return results.map((value, j) => ({ value, axis: axes[j]! }));
  },
  jvp(tangents, operands, params, transforms) {
    const { cond, body, consts, lanes } = params as WhileParams;
    const [fixed, carry] = parted(operands, consts);
    const [fixedMoves, carryMoves] = parted(tangents, consts);
    const fixedActive = fixedMoves.map((x) => x !== undefined);
    const active = fixpoint(
      carryMoves.map((x) => x !== undefined),
      (flags) => transforms.jvp(body, [...fixedActive, ...flags]).active,
    );
    const moving = transforms.jvp(body, [...fixedActive, ...active], active).graph;
    const moves = carry.flatMap((x, j) => (active[j] ? [carryMoves[j] ?? zerosOf(x.aval)] : []));
    const there = fixedMoves.filter((x) => x !== undefined);
    const [asked, rest] = parted(cond.inputs, consts);
    const outputs = bind(whileOp, [...fixed, ...there, ...carry, ...moves], {
      // the condition does not look at tangents
      cond: { ...cond, inputs: [...asked, ...typesOf(there).map(newVar), ...rest, ...typesOf(moves).map(newVar)] },
      body: { ...moving, inputs: inTurn(moving.inputs, consts, carry.length, there.length) },
      consts: consts + there.length,
      lanes,
    });
    const [results, found] = parted(outputs, carry.length);
    let at = 0;
    return { results, tangents: active.map((flag) => (flag ? found[at++] : undefined)) };
  },
  noReverse:
    "how often a while loop runs is not known beforehand, so that reverse mode cannot keep what its steps leave\n" +
    "  use foriLoop with numbers for bounds, or scan; bound the steps and keep what is done with where(done, last, next);\n" +
    "  or differentiate forwards, with jvp or jacfwd",
  partialEval(eqn, unknown, transforms) {
    const { cond, body, consts } = eqn.params as WhileParams;
    const [fixed, start] = parted(unknown, consts);
    const waiting = fixpoint(start, (flags) => transforms.partialEval(body, [...fixed, ...flags]).unknownOut);
    const all = { known: [], unknown: [eqn] };
    const inputs = [...fixed, ...waiting];
    const asks = readInputs(cond);
    if (inputs.some((flag, i) => flag && asks[i]) || !waiting.includes(false)) return all;
    // what is known already does not wait; the rest runs the whole loop
    const known = flip(inputs);
    const apart = transforms.partialEval(body, inputs, waiting);
    const loop = newEqn(
      eqn.op,
      keep(eqn.inputs, known),
      {
        ...eqn.params,
        cond: { ...cond, inputs: keep(cond.inputs, known) },
        body: withOutputs(apart.known, apart.known.outputs.slice(0, flip(waiting).filter(Boolean).length)),
        consts: flip(fixed).filter(Boolean).length,
      },
      eqn.location,
    );
    return {
      known: [{ ...loop, outputs: keep(eqn.outputs, flip(waiting)) }],
      unknown: [{ ...eqn, outputs: eqn.outputs.map((v, j) => (waiting[j] ? v : newVar(v.aval))) }],
    };
  },
  prune(eqn, used) {
    const { cond, body, consts, lanes } = eqn.params as WhileParams;
    const asks = readInputs(cond);
    const cut = (flags: readonly boolean[]): Graph => withOutputs(body, keep(body.outputs, flags));
    const carried = fixpoint(
      used.map((flag, j) => flag || asks[consts + j]!),
      (flags) => readInputs(cut(flags)).slice(consts),
    );
    if (carried.every(Boolean)) return eqn;
    const pruned = cut(carried);
    const reads = readInputs(pruned);
    const kept = eqn.inputs.map((_, i) => (i < consts ? reads[i]! || asks[i]! : carried[i - consts]!));
    return {
      ...eqn,
      inputs: keep(eqn.inputs, kept),
      outputs: keep(eqn.outputs, carried),
      params: {
        cond: { ...cond, inputs: keep(cond.inputs, kept) },
        body: { ...pruned, inputs: keep(pruned.inputs, kept) },
        consts: kept.slice(0, consts).filter(Boolean).length,
        lanes,
      },
    };
  },
  samples: whileSamples,
  ulp: 16,
});

/** Inputs of a jvp Graph, values before tangents, with each tangent behind the group of its value. */
function inTurn<T>(inputs: readonly T[], consts: number, carry: number, constTangents: number): T[] {
  const [values, carried, moves, rest] = parted(inputs, consts, carry, constTangents);
  return [...values, ...moves, ...carried, ...rest];
}

/** `next` in lanes that are active, else `last`. */
function merged(active: ArrayLike<number>, next: NDArray, last: NDArray, wide: boolean): NDArray {
  const data = allocate(last.dtype, sizeOf(last.shape), wide);
  const n = data.length / active.length;
  for (let i = 0; i < active.length; i++) data.set((active[i] ? next : last).data.subarray(i * n, (i + 1) * n), i * n);
  return { ...last, data };
}

/** The carry behind the loop: `body` as long as `cond` holds. Both Graphs take `fixed`, then the carry. */
export const whileHolds = (cond: Graph, body: Graph, fixed: readonly Operand[], carry: readonly Operand[]): Tensor[] =>
  bind(whileOp, [...fixed, ...carry], { cond, body, consts: fixed.length, lanes: 0 });
