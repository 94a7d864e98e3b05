// while: runs a Graph on carried values as long as another Graph says so.
import { showAval } from "../../core/aval.js";
import { allocate } from "../../core/dtype.js";
import { DTypeError, ShapeError } from "../../core/errors.js";
import type { NDArray } from "../../core/ndarray.js";
import { sameShape, sizeOf } from "../../core/shape.js";
import { type Graph, newEqn, newVar, type Var } from "../../ir/graph.js";
import { type RegionOp, register, type WhileParams } from "../../ir/op.js";
import type { Batched, LaneAxis, Transforms } from "../../trace/rules.js";
import { replay } from "../../trace/stage.js";
import type { Operand, Tensor } from "../../trace/tensor.js";
import { bind } from "../../trace/trace.js";
import { lanesAt } from "../axes.js";
import { axisNamesIn } from "../collective.js";
import { asScan, type BoundedParams, lanesOf, type WhileLanes } from "./bounded.js";
import {
  checkTypes,
  fixpoint,
  flip,
  insertBehind,
  keep,
  parted,
  readInputs,
  strong,
  takeAsConsts,
  typesOf,
  withOutputs,
  zerosOf,
} from "./graphs.js";
import { whileSamples } from "./samples.js";
import { scanOp } from "./scan.js";

/** Turns are counted in i32. */
export const MAX_STEPS = 2147483647;

/** It can be the bound of a loop. */
export const isSteps = (n: number): boolean => Number.isInteger(n) && n >= 0 && n <= MAX_STEPS;

const isBounded = (params: object): params is BoundedParams => (params as WhileParams).maxSteps !== undefined;

const whileOp: RegionOp = register<RegionOp>({
  name: "while",
  kind: "region",
  form: "while",
  typeOf(inputs, params) {
    const { cond, body, consts, lanes, maxSteps } = params as WhileParams;
    if (maxSteps !== undefined && !isSteps(maxSteps))
      throw new ShapeError(`while: maxSteps is ${maxSteps}, but a whole number from 0 to ${MAX_STEPS} is wanted`);
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
    const { cond, body, consts, maxSteps = Infinity } = params as WhileParams;
    const [fixed, start] = parted(inputs, consts);
    let carry = start;
    for (let turn = 0; ; turn++) {
      if (turn === maxSteps) return carry;
      const active = run(cond, [...fixed, ...carry])[0]!.data;
      if (!active.includes(1 as never)) return carry;
      const next = run(body, [...fixed, ...carry]);
      carry = active.includes(0 as never) ? carry.map((x, j) => merged(active, next[j]!, x, wide)) : next;
    }
  },
  batch(args, params, laneAxis, transforms) {
    const { cond, body, consts, lanes, ...others } = params as WhileParams;
    const [fixed, carry] = parted(args, consts);
    // right behind the lane axes there are, so that a lane's own axes come last
    const axesOf = (flags: readonly boolean[]): (number | null)[] => flags.map((flag) => (flag ? lanes : null));
    const given = fixed.map((x) => x.axis);
    const step = (flags: readonly boolean[]): boolean[] =>
      transforms.batch(body, [...given, ...axesOf(flags)], laneAxis).outAxes.map((axis) => axis !== null);
    const flags = fixpoint(
      carry.map((x) => x.axis !== null),
      step,
    );
    const apart = transforms.batch(cond, [...given, ...axesOf(flags)], laneAxis).outAxes[0] !== null;
    const speak = laneAxis.name !== undefined && axisNamesIn(body).has(laneAxis.name);
    const own = isBounded(params) && (apart ? !speak : lanes > 0) ? lanesOf(params) : undefined;
    const placed = own ? fixed.map((x, i) => lanesBehind(x, apart ? 0 : own.laneAxes[i]!.length, laneAxis)) : fixed;
    const axes = apart ? carry.map(() => 0) : axesOf(flags);
    const inAxes = [...placed.map((x) => x.axis), ...axes];
    const moved = carry.map((x, j): Operand => (axes[j] === null ? x.value : lanesAt(x, axes[j]!, laneAxis.size)));
    const results = bind(whileOp, [...placed.map((x) => x.value), ...moved], {
      ...others,
      cond: transforms.batch(cond, inAxes, laneAxis, apart ? [0] : [null]).graph,
      body: transforms.batch(body, inAxes, laneAxis, axes).graph,
      consts,
      lanes: apart ? lanes + 1 : lanes,
      ...(own ? (apart ? withAxis(own, placed) : batchLane(own, inAxes, lanes, laneAxis, transforms)) : {}),
    });
    return results.map((value, j) => ({ value, axis: axes[j]! }));
  },
  jvp(tangents, operands, params, transforms) {
    const { cond, body, consts, lane, laneAxes, ...others } = params as WhileParams & Partial<WhileLanes>;
    const [fixed, carry] = parted(operands, consts);
    const [fixedMoves, carryMoves] = parted(tangents, consts);
    const fixedActive = fixedMoves.map((x) => x !== undefined);
    const bodies = lane ? [body, lane] : [body];
    const active = fixpoint(
      carryMoves.map((x) => x !== undefined),
      (flags) => {
        const found = bodies.map((graph) => transforms.jvp(graph, [...fixedActive, ...flags]).active);
        return flags.map((_, j) => found.some((own) => own[j]));
      },
    );
    const moves = carry.flatMap((x, j) => (active[j] ? [carryMoves[j] ?? zerosOf(x.aval)] : []));
    const there = fixedMoves.filter((x) => x !== undefined);
    const moving = (graph: Graph): Graph => {
      const found = transforms.jvp(graph, [...fixedActive, ...active], active).graph;
      return { ...found, inputs: inTurn(found.inputs, consts, carry.length, there.length) };
    };
    const [asked, rest] = parted(cond.inputs, consts);
    const outputs = bind(whileOp, [...fixed, ...there, ...carry, ...moves], {
      ...others,
      // the condition does not look at tangents
      cond: { ...cond, inputs: [...asked, ...typesOf(there).map(newVar), ...rest, ...typesOf(moves).map(newVar)] },
      body: moving(body),
      consts: consts + there.length,
      ...(lane ? { lane: moving(lane), laneAxes: [...laneAxes!, ...keep(laneAxes!, fixedActive)] } : {}),
    });
    const [results, found] = parted(outputs, carry.length);
    let at = 0;
    return { results, tangents: active.map((flag) => (flag ? found[at++] : undefined)) };
  },
  noReverse: (params) =>
    isBounded(params)
      ? undefined
      : "how often a while loop runs is not known beforehand, so that reverse mode cannot keep what its steps leave\n" +
        "  bound it: while (bounded(n) && …) in a plain function, or the option { maxSteps: n } for all of its loops;\n" +
        "  whileLoop(cond, body, init, { maxSteps: n }); foriLoop with numbers for bounds, or scan;\n" +
        "  or differentiate forwards, with jvp or jacfwd",
  partialEval(eqn, unknown, transforms) {
    const { cond, body, consts } = eqn.params as WhileParams;
    const [fixed, start] = parted(unknown, consts);
    const waiting = fixpoint(start, (flags) => transforms.partialEval(body, [...fixed, ...flags]).unknownOut);
    const all = { known: [], unknown: [eqn] };
    const inputs = [...fixed, ...waiting];
    const asks = readInputs(cond);
    if (inputs.some((flag, i) => flag && asks[i]) || !waiting.includes(false)) return all;
    if (isBounded(eqn.params)) return scanOp.partialEval!(asScan(eqn, transforms), unknown, transforms);
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
  transpose(cts, operands, types, params, transforms) {
    const scan = asScan(newEqn(whileOp, types.map(newVar), params), transforms);
    const isLinear = operands.map((x) => x === undefined);
    const graph = { inputs: scan.inputs as Var[], eqns: [scan], outputs: keep(scan.outputs, cts.map(isThere)) };
    const parts = transforms.partialEval(
      graph,
      isLinear,
      graph.outputs.map(() => true),
    );
    const residuals = replay(parts.known, operands.filter(isThere));
    const back = replay(transforms.transpose(parts.linear, residuals.length), [...residuals, ...cts.filter(isThere)]);
    let at = 0;
    return isLinear.map((linear) => (linear ? (back[at++] as Tensor) : undefined));
  },
  prune(eqn, used) {
    const { cond, body, consts, lane, laneAxes, ...others } = eqn.params as WhileParams & Partial<WhileLanes>;
    const asks = readInputs(cond);
    const cut = (graph: Graph, flags: readonly boolean[]): Graph => withOutputs(graph, keep(graph.outputs, flags));
    const bodies = lane ? [body, lane] : [body];
    const readsOf = (flags: readonly boolean[]): boolean[] => {
      const reads = bodies.map((graph) => readInputs(cut(graph, flags)));
      return eqn.inputs.map((_, i) => reads.some((own) => own[i]));
    };
    const carried = fixpoint(
      used.map((flag, j) => flag || asks[consts + j]!),
      (flags) => readsOf(flags).slice(consts),
    );
    if (carried.every(Boolean)) return eqn;
    const reads = readsOf(carried);
    const kept = eqn.inputs.map((_, i) => (i < consts ? reads[i]! || asks[i]! : carried[i - consts]!));
    const pruned = (graph: Graph): Graph => {
      const own = cut(graph, carried);
      return { ...own, inputs: keep(own.inputs, kept) };
    };
    return {
      ...eqn,
      inputs: keep(eqn.inputs, kept),
      outputs: keep(eqn.outputs, carried),
      params: {
        ...others,
        cond: { ...cond, inputs: keep(cond.inputs, kept) },
        body: pruned(body),
        consts: kept.slice(0, consts).filter(Boolean).length,
        ...(lane ? { lane: pruned(lane), laneAxes: keep(laneAxes!, kept) } : {}),
      },
    };
  },
  bodies(params) {
    const { cond, body, lane } = params as WhileParams & Partial<WhileLanes>;
    return lane ? [cond, body, lane] : [cond, body];
  },
  widen({ inputs, params }, graphs, more) {
    const { consts, laneAxes } = params as WhileParams & Partial<WhileLanes>;
    const [cond, body, lane] = graphs.map((graph) => takeAsConsts(graph, consts, more.length));
    const lanes = lane ? { lane, laneAxes: [...laneAxes!, ...more.map(() => [])] } : {};
    return {
      inputs: insertBehind(inputs, consts, more),
      params: { ...params, cond, body, ...lanes, consts: consts + more.length },
    };
  },
  samples: whileSamples,
  ulp: 16,
});

const isThere = <T>(x: T | undefined): x is T => x !== undefined;

/** An operand with the new axis no further in front than `axis`; one for all lanes stays as it is. */
function lanesBehind(x: Batched, axis: number, { size }: LaneAxis): Batched {
  if (x.axis === null) return x;
  const at = axis === 0 ? 0 : Math.max(x.axis, axis);
  return { value: lanesAt(x, at, size), axis: at };
}

/** With one lane axis more, in front of the others: those operands have it that are batched. */
const withAxis = ({ lane, laneAxes }: WhileLanes, fixed: readonly Batched[]): WhileLanes => ({
  lane,
  laneAxes: laneAxes.map((own, i) => [...(fixed[i]!.axis === null ? [] : [0]), ...own.map((axis) => axis + 1)]),
});

/** With the body of one lane batched, along an axis that parts no lanes. `inAxes` count the lane axes too. */
function batchLane(
  { lane, laneAxes }: WhileLanes,
  inAxes: readonly (number | null)[],
  lanes: number,
  axis: LaneAxis,
  transforms: Transforms,
): WhileLanes {
  const own = inAxes.map((at, i) => (at === null ? null : at - (laneAxes[i]?.length ?? lanes)));
  return { lane: transforms.batch(lane, own, axis, own.slice(laneAxes.length)).graph, laneAxes };
}

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

/**
 * The carry behind the loop: `body` as long as `cond` holds, at most `maxSteps` times. Both Graphs take `fixed`, then the
 * carry.
 */
export const whileHolds = (
  cond: Graph,
  body: Graph,
  fixed: readonly Operand[],
  carry: readonly Operand[],
  maxSteps?: number,
): Tensor[] =>
  bind(whileOp, [...fixed, ...carry], {
    cond,
    body,
    consts: fixed.length,
    lanes: 0,
    ...(maxSteps === undefined ? {} : { maxSteps }),
  });
