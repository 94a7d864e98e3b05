// switch: runs one of several Graphs, chosen by an index; with lane axes, one for each lane.
import { type Aval, aval, showAval } from "../../core/aval.js";
import { allocate } from "../../core/dtype.js";
import { DTypeError, ShapeError } from "../../core/errors.js";
import { type Shape, sameShape, sizeOf } from "../../core/shape.js";
import { type Atom, type Eqn, type Graph, literal, newEqn, newVar } from "../../ir/graph.js";
import { type RegionOp, register, type SwitchParams } from "../../ir/op.js";
import type { Batched, LaneAxis, Transforms } from "../../trace/rules.js";
import { replay } from "../../trace/stage.js";
import type { Operand, Tensor } from "../../trace/tensor.js";
import { bind } from "../../trace/trace.js";
import { max, min } from "../arithmetic.js";
import { broadcast, lanesAt } from "../axes.js";
import { axisNamesIn } from "../collective.js";
import { eq, select } from "../compare.js";
import { sumOf } from "../define.js";
import {
  checkTypes,
  filler,
  flip,
  instantiate,
  keep,
  parted,
  readInputs,
  strong,
  typesOf,
  withOutputs,
  zerosOf,
} from "./graphs.js";
import { switchSamples } from "./samples.js";

/**
 * How lanes share the operands. Rules work on the branches of one lane; `branches`, which do the same for all lanes at
 * once, follow from them.
 */
interface Lanes {
  /** The branches of one lane. */
  readonly lane: readonly Graph[];
  /** For each operand behind the index, which of the lane axes it has: they are its leading axes, in order. */
  readonly laneAxes: readonly (readonly number[])[];
}

const lanesOf = (params: SwitchParams & Partial<Lanes>, operands: number): Lanes => ({
  lane: params.lane ?? params.branches,
  laneAxes: params.laneAxes ?? Array.from({ length: operands }, () => []),
});

/** The params for an index of this shape. */
function paramsOf(lanes: Lanes, shape: Shape, transforms: Transforms): SwitchParams {
  if (shape.length === 0) return { branches: lanes.lane, lanes: 0 };
  const branches = lanes.lane.map((graph) => {
    let all = graph;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const inAxes = lanes.laneAxes.map((own) => (own.includes(axis) ? 0 : null));
      all = transforms.batch(
        all,
        inAxes,
        { size: shape[axis]! },
        graph.outputs.map(() => 0),
      ).graph;
    }
    return all;
  });
  return { branches, lanes: shape.length, ...lanes };
}

/** Results of the branches of each lane, by an index of lanes: `lane` are those of one lane. */
export const switchLanes = (
  index: Operand,
  operands: readonly Operand[],
  lanes: Lanes,
  transforms: Transforms,
): Tensor[] => bind(switchOp, [index, ...operands], paramsOf(lanes, index.aval.shape, transforms));

/** Branches in step: results are batched along one axis, or not at all, whichever branch gives them. */
function batchAlike(
  graphs: readonly Graph[],
  inAxes: readonly (number | null)[],
  lanes: LaneAxis,
  transforms: Transforms,
): { graphs: Graph[]; outAxes: (number | null)[] } {
  const found = graphs.map((graph) => transforms.batch(graph, inAxes, lanes));
  const outAxes = graphs[0]!.outputs.map((_, j) => found.find((x) => x.outAxes[j] !== null)?.outAxes[j] ?? null);
  return { graphs: graphs.map((graph) => transforms.batch(graph, inAxes, lanes, outAxes).graph), outAxes };
}

/** Branches in which lanes speak to each other: all lanes take part in all of them, and each has the result of its own. */
function batchTogether(
  index: Tensor,
  operands: readonly Batched[],
  branches: readonly Graph[],
  lanes: LaneAxis,
  transforms: Transforms,
): Batched<Tensor>[] {
  const axes = operands.map((x) => x.axis);
  const values = operands.map((x) => x.value);
  const results = branches.map((graph) => {
    const first = graph.outputs.map(() => 0);
    return replay(transforms.batch(graph, axes, lanes, first).graph, values) as Tensor[];
  });
  const chosen = clamped(index, branches.length);
  const own = results.reduceRight((others, list, k) => list.map((y, j) => select(maskOf(chosen, k, y), y, others[j]!)));
  return own.map((value) => ({ value, axis: 0 }));
}

/** The index as the number of a branch. */
const clamped = (index: Operand, branches: number): Tensor => max(min(index, i32(branches - 1)), i32(0));

/** Where lanes chose branch `k`, in the shape of a value with lane axes in front. */
const maskOf = (chosen: Tensor, k: number, { shape }: Tensor): Tensor =>
  broadcast(
    eq(chosen, i32(k)),
    shape,
    chosen.shape.map((_, axis) => axis),
  );

const i32 = (value: number) => literal(value, aval("i32", []));

const switchOp: RegionOp = register<RegionOp>({
  name: "switch",
  kind: "region",
  form: "switch",
  typeOf([index, ...operands], params) {
    const { branches, lanes } = params as SwitchParams;
    if (index!.dtype !== "i32" || index!.shape.length !== lanes)
      throw new DTypeError(`switch: the index is ${showAval(index!)}, but i32 with ${lanes} axes is wanted`);
    const [first] = branches;
    if (!first) throw new ShapeError("switch: there are no branches");
    branches.forEach((branch, k) => {
      checkTypes(`switch: operands of branch ${k}:`, operands, typesOf(branch.inputs));
      checkTypes(`switch: results of branch ${k}:`, typesOf(branch.outputs), typesOf(first.outputs));
    });
    for (const { aval: type } of first.outputs) {
      if (!sameShape(type.shape.slice(0, lanes), index!.shape))
        throw new ShapeError(`switch: a branch gives ${showAval(type)} for an index ${showAval(index!)}`);
    }
    return typesOf(first.outputs).map(strong);
  },
  cpu([index, ...operands], params, { wide }, outputs, run) {
    const { branches, lanes } = params as SwitchParams;
    const chosen = Array.from(index!.data, (k) => Math.min(Math.max(k, 0), branches.length - 1));
    if (lanes === 0) return run(branches[chosen[0]!]!, operands);
    const results = outputs.map(({ dtype, shape }) => ({ dtype, shape, data: allocate(dtype, sizeOf(shape), wide) }));
    for (const k of new Set(chosen)) {
      const own = run(branches[k]!, operands);
      results.forEach(({ data }, j) => {
        const n = data.length / chosen.length;
        chosen.forEach((taken, i) => {
          if (taken === k) data.set(own[j]!.data.subarray(i * n, (i + 1) * n), i * n);
        });
      });
    }
    return results;
  },
  batch([index, ...operands], params, laneAxis, transforms) {
    const lanes = lanesOf(params as SwitchParams, operands.length);
    if (index!.axis === null) {
      const rank = index!.value.aval.shape.length;
      const placed = operands.map((x, i): Batched => {
        if (x.axis === null) return x;
        const axis = Math.max(x.axis, lanes.laneAxes[i]!.length);
        return { value: lanesAt(x, axis, laneAxis.size), axis };
      });
      const inAxes = placed.map((x, i) => (x.axis === null ? null : x.axis - lanes.laneAxes[i]!.length));
      const { graphs, outAxes } = batchAlike(lanes.lane, inAxes, laneAxis, transforms);
      const values = placed.map((x) => x.value);
      const results = switchLanes(index!.value, values, { ...lanes, lane: graphs }, transforms);
      return results.map((value, j) => ({ value, axis: outAxes[j] === null ? null : outAxes[j]! + rank }));
    }
    const { name, size } = laneAxis;
    const own = lanesAt(index!, 0, size);
    if (name !== undefined && lanes.lane.some((graph) => axisNamesIn(graph).has(name)))
      return batchTogether(own, operands, (params as SwitchParams).branches, laneAxis, transforms);
    const values = operands.map((x): Operand => (x.axis === null ? x.value : lanesAt(x, 0, size)));
    const outer = {
      lane: lanes.lane,
      laneAxes: lanes.laneAxes.map((own, i) => [
        ...(operands[i]!.axis === null ? [] : [0]),
        ...own.map((axis) => axis + 1),
      ]),
    };
    const results = switchLanes(own, values, outer, transforms);
    return results.map((value) => ({ value, axis: 0 }));
  },
  jvp([, ...tangents], [index, ...operands], params, transforms) {
    const lanes = lanesOf(params as SwitchParams, operands.length);
    const active = tangents.map((x) => x !== undefined);
    const found = lanes.lane.map((graph) => transforms.jvp(graph, active).active);
    const wanted = lanes.lane[0]!.outputs.map((_, j) => found.some((flags) => flags[j]));
    const both = {
      ...lanes,
      lane: lanes.lane.map((graph) => transforms.jvp(graph, active, wanted).graph),
      laneAxes: [...lanes.laneAxes, ...keep(lanes.laneAxes, active)],
    };
    const values = [...operands, ...tangents.filter((x) => x !== undefined)];
    const [results, moves] = parted(switchLanes(index!, values, both, transforms), wanted.length);
    let at = 0;
    return { results, tangents: wanted.map((isActive) => (isActive ? moves[at++] : undefined)) };
  },
  partialEval(eqn, [indexUnknown, ...unknown], transforms) {
    if (indexUnknown) return { known: [], unknown: [eqn] };
    return takeApart(eqn, unknown, transforms);
  },
  transpose(cts, [index, ...operands], [, ...types], params, transforms) {
    const lanes = lanesOf(params as SwitchParams, operands.length);
    const isLinear = operands.map((x) => x === undefined);
    const given = cts.map((ct) => ct !== undefined);
    const turned = (graph: Graph): Graph => {
      const inputs = [...keep(graph.inputs, flip(isLinear)), ...keep(graph.inputs, isLinear)];
      const count = operands.length - types.filter((_, i) => isLinear[i]).length;
      return transforms.transpose({ ...withOutputs(graph, keep(graph.outputs, given)), inputs }, count);
    };
    const known = operands.filter((x) => x !== undefined);
    const there = cts.filter((x) => x !== undefined);
    const shape = index!.aval.shape;
    const every = shape.map((_, axis) => axis);
    let back: readonly (Tensor | undefined)[];
    if (keep(lanes.laneAxes, isLinear).every((own) => own.length === every.length)) {
      const laneAxes = [...keep(lanes.laneAxes, flip(isLinear)), ...there.map(() => every)];
      back = switchLanes(
        index!,
        [...known, ...there],
        { ...lanes, lane: lanes.lane.map(turned), laneAxes },
        transforms,
      );
    } else {
      // lanes share an operand: its cotangent is the sum over all of them, each with what its own branch gives
      const { branches } = params as SwitchParams;
      const chosen = clamped(index!, branches.length);
      const parts = branches.map((graph, k) => {
        const own = there.map((ct) => select(maskOf(chosen, k, ct), ct, zerosOf(ct.aval)));
        return replay(turned(graph), [...known, ...own]) as Tensor[];
      });
      back = parts[0]!.map((_, j) => sumOf(parts.map((part) => part[j])));
    }
    let at = 0;
    return [undefined, ...isLinear.map((linear) => (linear ? back[at++] : undefined))];
  },
  prune(eqn, used) {
    const params = eqn.params as SwitchParams & Partial<Lanes>;
    const cut = (graph: Graph): Graph => withOutputs(graph, keep(graph.outputs, used));
    const branches = params.branches.map(cut);
    const lane = params.lane?.map(cut);
    const reads = [...branches, ...(lane ?? [])].map(readInputs);
    const read = branches[0]!.inputs.map((_, i) => reads.some((flags) => flags[i]));
    const narrow = (graph: Graph): Graph => ({ ...graph, inputs: keep(graph.inputs, read) });
    return {
      ...eqn,
      inputs: [eqn.inputs[0]!, ...keep(eqn.inputs.slice(1), read)],
      outputs: keep(eqn.outputs, used),
      params: {
        ...params,
        branches: branches.map(narrow),
        ...(lane ? { lane: lane.map(narrow), laneAxes: keep(params.laneAxes!, read) } : {}),
      },
    };
  },
  bodies: (params) => lanesOf(params as SwitchParams, 0).lane,
  widen(eqn, graphs, more, transforms) {
    const { laneAxes } = lanesOf(eqn.params as SwitchParams, eqn.inputs.length - 1);
    const lanes = { lane: graphs, laneAxes: [...laneAxes, ...more.map(() => [])] };
    return { inputs: [...eqn.inputs, ...more], params: paramsOf(lanes, eqn.inputs[0]!.aval.shape, transforms) };
  },
  samples: switchSamples,
  ulp: 4,
});

/** Equations that are computed again rather than kept: they cost less than memory does. */
const MAX_AGAIN = 64;

function isCheap(graph: Graph): boolean {
  const count = ({ eqns }: Graph): number =>
    eqns.reduce((sum, { op, params }) => {
      if (op.kind === "elementwise" || (op.kind === "view" && !op.fence)) return sum + 1;
      const branches = op.kind === "region" && op.form === "switch" ? (params as SwitchParams).branches : undefined;
      return branches ? branches.reduce((all, branch) => all + count(branch), sum) : Infinity;
    }, 0);
  return count(graph) <= MAX_AGAIN;
}

/** One Graph, from the inputs of `known` and those of `linear` behind its residuals, which `known` gives. */
function together(known: Graph, linear: Graph): Graph {
  const inputs = known.inputs.map((v) => newVar(v.aval));
  const rest = linear.inputs.slice(known.outputs.length).map((v) => newVar(v.aval));
  const first = instantiate(known, inputs);
  const second = instantiate(linear, [...first.outputs, ...rest]);
  return { inputs: [...inputs, ...rest], eqns: [...first.eqns, ...second.eqns], outputs: second.outputs };
}

/**
 * The branches' known parts as one switch, and their linear parts as another, which computes again what is cheap. Else
 * what a branch leaves to its linear part is
 * a result of the first switch, in which the other branches give ones: lanes that do not take a branch are no danger to
 * those that do.
 */
function takeApart(eqn: Eqn, unknown: readonly boolean[], transforms: Transforms): { known: Eqn[]; unknown: Eqn[] } {
  const [index, ...operands] = eqn.inputs as [Atom, ...Atom[]];
  const shape = index.aval.shape;
  const every = shape.map((_, axis) => axis);
  const lanes = lanesOf(eqn.params as SwitchParams, operands.length);
  const found = lanes.lane.map((graph) => transforms.partialEval(graph, unknown).unknownOut);
  const unknownOut = eqn.outputs.map((_, j) => found.some((flags) => flags[j]));
  const parts = lanes.lane.map((graph) => transforms.partialEval(graph, unknown, unknownOut));
  const [knownAxes, unknownAxes] = [keep(lanes.laneAxes, flip(unknown)), keep(lanes.laneAxes, unknown)];
  const knownOperands = keep(operands, flip(unknown));
  const results = flip(unknownOut).filter(Boolean).length;
  const own = parts.map(({ known }) => withOutputs(known, known.outputs.slice(0, results)));
  const kept = parts.map(({ known }) => withOutputs(known, known.outputs.slice(results)));
  // a cotangent summed over lanes would meet what a lane computes again in branches that it does not take
  if (unknownAxes.every((axes) => axes.length === shape.length) && kept.every(isCheap)) {
    const switchOf = (lane: readonly Graph[], inputs: readonly Atom[], laneAxes: Lanes["laneAxes"]): Eqn =>
      newEqn(switchOp, [index, ...inputs], paramsOf({ lane, laneAxes }, shape, transforms), eqn.location);
    const both = parts.map(({ linear }, k) => together(kept[k]!, linear));
    const reads = both.map(readInputs);
    const read = both[0]!.inputs.map((_, i) => i >= knownOperands.length || reads.some((flags) => flags[i]));
    const again = switchOf(
      both.map((graph) => ({ ...graph, inputs: keep(graph.inputs, read) })),
      keep([...knownOperands, ...keep(operands, unknown)], read),
      keep([...knownAxes, ...unknownAxes], read),
    );
    const outputs = keep(eqn.outputs, flip(unknownOut));
    return {
      known: results > 0 ? [{ ...switchOf(own, knownOperands, knownAxes), outputs }] : [],
      unknown: [{ ...again, outputs: keep(eqn.outputs, unknownOut) }],
    };
  }

  // an operand that all lanes share a choice for is handed on as it is; everything else gets a place of its own
  const places: { readonly branch: number; readonly at: number; readonly type: Aval }[] = [];
  const handed = new Set<number>();
  const sources = parts.map((part, branch) =>
    part.residuals.map((type, at) => {
      const x = part.known.outputs[results + at]!;
      const operand = x.kind === "var" && shape.length === 0 ? part.known.inputs.indexOf(x) : -1;
      if (operand >= 0) {
        handed.add(operand);
        return { operand };
      }
      places.push({ branch, at, type });
      return { place: places.length - 1 };
    }),
  );

  const first = newEqn(
    switchOp,
    [index, ...knownOperands],
    paramsOf(
      {
        ...lanes,
        laneAxes: knownAxes,
        lane: parts.map(({ known }, k) => {
          const [own, kept] = parted(known.outputs, results);
          const placed = places.map(({ branch, at, type }) =>
            branch === k ? { eqns: [], value: kept[at]! } : filler(type),
          );
          return {
            inputs: known.inputs,
            eqns: [...known.eqns, ...placed.flatMap((x) => x.eqns)],
            outputs: [...own, ...placed.map((x) => x.value)],
          };
        }),
      },
      shape,
      transforms,
    ),
    eqn.location,
  );
  const residuals = first.outputs.slice(results);
  const passed = [...handed];
  const second = newEqn(
    switchOp,
    [index, ...residuals, ...passed.map((i) => knownOperands[i]!), ...keep(operands, unknown)],
    paramsOf(
      {
        ...lanes,
        laneAxes: [...residuals.map(() => every), ...passed.map(() => []), ...unknownAxes],
        lane: parts.map(({ linear, residuals: own }, k) => {
          const [mine, rest] = parted(linear.inputs, own.length);
          const inputFor = (matches: (source: { operand?: number; place?: number }) => boolean, type: Aval) =>
            mine![sources[k]!.findIndex(matches)] ?? newVar(type);
          return {
            ...linear,
            inputs: [
              ...places.map(({ type }, place) => inputFor((x) => x.place === place, type)),
              ...passed.map((i) => inputFor((x) => x.operand === i, knownOperands[i]!.aval)),
              ...rest!,
            ],
          };
        }),
      },
      shape,
      transforms,
    ),
    eqn.location,
  );
  const known = { ...first, outputs: [...keep(eqn.outputs, flip(unknownOut)), ...residuals] };
  return {
    known: known.outputs.length > 0 ? [known] : [],
    unknown: [{ ...second, outputs: keep(eqn.outputs, unknownOut) }],
  };
}

/** Results of the branch of that number, clamped; all branches take `operands` and give the same types. */
export const switchBranches = (index: Operand, branches: readonly Graph[], operands: readonly Operand[]): Tensor[] =>
  bind(switchOp, [index, ...operands], { branches, lanes: 0 });
