// scan: runs a Graph once for each entry of arrays, with carried values, and stacks what each step gives.
import { type Aval, aval, showAval } from "../../core/aval.js";
import { allocate } from "../../core/dtype.js";
import { ShapeError } from "../../core/errors.js";
import type { NDArray } from "../../core/ndarray.js";
import { sizeOf } from "../../core/shape.js";
import { type Atom, type Eqn, type Graph, newEqn, type Var } from "../../ir/graph.js";
import { type RegionOp, register, type ScanParams } from "../../ir/op.js";
import type { Transforms } from "../../trace/rules.js";
import { replay } from "../../trace/stage.js";
import type { Operand, Tensor } from "../../trace/tensor.js";
import { bind } from "../../trace/trace.js";
import { add } from "../arithmetic.js";
import { lanesAt } from "../axes.js";
import {
  checkTypes,
  fixpoint,
  flip,
  graphOf,
  insertBehind,
  instantiate,
  keep,
  parted,
  readInputs,
  strong,
  takeAsConsts,
  typesOf,
  withOutputs,
  zerosOf,
} from "./graphs.js";
import { scanSamples } from "./samples.js";

/** The type of one entry along axis 0. */
const entryOf = ({ dtype, shape }: Aval): Aval => aval(dtype, shape.slice(1));

const count = (flags: readonly boolean[]): number => flags.filter(Boolean).length;

export const scanOp: RegionOp = register<RegionOp>({
  name: "scan",
  kind: "region",
  form: "scan",
  typeOf(inputs, params) {
    const { body, length, consts, carry } = params as ScanParams;
    const [fixed, carried, arrays] = parted(inputs, consts, carry);
    arrays.forEach((x, i) => {
      if (x.shape[0] !== length)
        throw new ShapeError(`scan: array ${i} is ${showAval(x)}, but ${length} entries along axis 0 are wanted`);
    });
    checkTypes("scan: operands of the body:", typesOf(body.inputs), [...fixed, ...carried, ...arrays.map(entryOf)]);
    const [next, ys] = parted(typesOf(body.outputs), carry);
    checkTypes("scan: results of the body:", next, carried);
    return [...carried.map(strong), ...ys.map(({ dtype, shape }) => aval(dtype, [length, ...shape]))];
  },
  cpu(inputs, params, { wide }, outputs, run) {
    const { body, length, reverse, consts, carry } = params as ScanParams;
    const [fixed, start, arrays] = parted(inputs, consts, carry);
    const stacked = outputs.slice(carry).map(({ dtype, shape }) => {
      return { dtype, shape, data: allocate(dtype, sizeOf(shape), wide) };
    });
    let carried = start;
    for (let step = 0; step < length; step++) {
      const i = reverse ? length - 1 - step : step;
      const results = run(body, [...fixed, ...carried, ...arrays.map((x) => entry(x, i))]);
      const [next, ys] = parted(results, carry);
      carried = next;
      stacked.forEach(({ data }, j) => void data.set(ys[j]!.data, (i * data.length) / length));
    }
    return [...carried, ...stacked];
  },
  batch(args, params, lanes, transforms) {
    const { body, consts, carry } = params as ScanParams;
    const [fixed, carried, arrays] = parted(args, consts, carry);
    // axis 0 of the arrays counts the steps
    const moved = arrays.map((x) => (x.axis === 0 ? { value: lanesAt(x, 1, lanes.size), axis: 1 } : x));
    const axesOf = (flags: readonly boolean[]): (number | null)[] => [
      ...fixed.map((x) => x.axis),
      // first, so that a lane's own axes come last
      ...carried.map((_, j) => (flags[j] ? 0 : null)),
      ...moved.map((x) => (x.axis === null ? null : x.axis - 1)),
    ];
    const flags = fixpoint(
      carried.map((x) => x.axis !== null),
      (found) => transforms.batch(body, axesOf(found), lanes).outAxes.map((axis) => axis !== null),
    );
    const inAxes = axesOf(flags);
    const carryAxes = inAxes.slice(consts, consts + carry);
    const ys = body.outputs.slice(carry).map(() => null);
    const batched = transforms.batch(body, inAxes, lanes, [...carryAxes, ...ys]);
    const start = carried.map((x, j): Operand => (flags[j] ? lanesAt(x, carryAxes[j]!, lanes.size) : x.value));
    const operands = [...fixed.map((x) => x.value), ...start, ...moved.map((x) => x.value)];
    return bind(scanOp, operands, { ...params, body: batched.graph }).map((value, j) => {
      const axis = batched.outAxes[j]!;
      return { value, axis: axis === null || j < carry ? axis : axis + 1 };
    });
  },
  jvp(tangents, operands, params, transforms) {
    const { body, consts, carry } = params as ScanParams;
    const [fixed, carried, arrays] = parted(operands, consts, carry);
    const parts = parted(tangents, consts, carry);
    const [fixedActive, , arraysActive] = parts.map((part) => part.map((x) => x !== undefined)) as [
      boolean[],
      boolean[],
      boolean[],
    ];
    const flags = (active: readonly boolean[]): boolean[] => [...fixedActive, ...active, ...arraysActive];
    const active = fixpoint(
      parts[1].map((x) => x !== undefined),
      (found) => transforms.jvp(body, flags(found)).active,
    );
    const moving = transforms.jvp(body, flags(active), active);
    const moves = carried.flatMap((x, j) => (active[j] ? [parts[1][j] ?? zerosOf(x.aval)] : []));
    const [fixedMoves, arrayMoves] = [parts[0], parts[2]].map((part) => part.filter((x) => x !== undefined)) as [
      Tensor[],
      Tensor[],
    ];
    const own = moving.graph.inputs.length - fixedMoves.length - moves.length - arrayMoves.length;
    const [values, others] = parted(moving.graph.inputs, own);
    const [fixedVars, carryVars, arrayVars] = parted(values, consts, carry);
    const [dFixed, dCarry, dArrays] = parted(others, fixedMoves.length, moves.length);
    const n = body.outputs.length;
    const [next, ys, dNext, dYs] = parted(moving.graph.outputs, carry, n - carry, count(active));
    const outputs = bind(scanOp, [...fixed, ...fixedMoves, ...carried, ...moves, ...arrays, ...arrayMoves], {
      ...params,
      consts: consts + fixedMoves.length,
      carry: carry + moves.length,
      body: {
        inputs: [...fixedVars, ...dFixed, ...carryVars, ...dCarry, ...arrayVars, ...dArrays],
        eqns: moving.graph.eqns,
        outputs: [...next, ...dNext, ...ys, ...dYs],
      },
    });
    const [a, b, c, d] = parted(outputs, carry, moves.length, n - carry);
    const found = [...b, ...d];
    let at = 0;
    return { results: [...a, ...c], tangents: moving.active.map((flag) => (flag ? found[at++] : undefined)) };
  },
  partialEval: takeApart,
  transpose(cts, operands, types, params, transforms) {
    const { body, reverse, consts, carry } = params as ScanParams;
    // carried values are linear, also where they start with a constant: that is zero
    const isKnown = operands.map((x, i) => x !== undefined && (i < consts || i >= consts + carry));
    const [fixedKnown, , arraysKnown] = parted(isKnown, consts, carry);
    const [ctCarry, ctYs] = parted(cts, carry);
    const given = ctYs.map((ct) => ct !== undefined);
    const [next, ys] = parted(body.outputs, carry);
    const linear = withOutputs(body, [...next, ...keep(ys, given)]);
    const inputs = [...keep(linear.inputs, isKnown), ...keep(linear.inputs, flip(isKnown))];
    const turned = transforms.transpose({ ...linear, inputs }, count(isKnown));

    const [fixedTypes, carryTypes] = parted(types, consts, carry);
    const sums = keep(fixedTypes, flip(fixedKnown)).map(zerosOf);
    const starts = ctCarry.map((ct, j) => ct ?? zerosOf(carryTypes[j]!));
    const stacked = ctYs.filter((ct) => ct !== undefined);
    const [fixed, , arrays] = parted(operands as readonly Operand[], consts, carry);
    const [ownFixed, ownArrays] = [keep(fixed, fixedKnown), keep(arrays, arraysKnown)];
    const groups = [ownFixed, starts, sums, ownArrays, stacked] as const;
    const inner = [...groups.slice(0, 3).flatMap(typesOf), ...groups.slice(3).flatMap(typesOf).map(entryOf)];
    const back = graphOf(inner, (args) => {
      const [a, ct, sum, b, ctY] = parted(args, ...groups.slice(0, 4).map((g) => g.length)) as Tensor[][];
      const found = replay(turned, [...a!, ...b!, ...ct!, ...ctY!]);
      const [dFixed, dCarry, dArrays] = parted(found, sums.length, carry);
      return [...dCarry, ...sum!.map((x, i) => add(x, dFixed[i]!)), ...dArrays];
    });
    const results = bind(scanOp, groups.flat(), {
      ...params,
      body: back,
      reverse: !reverse,
      consts: ownFixed.length,
      carry: starts.length + sums.length,
    });
    const [dCarry, dFixed, dArrays] = parted(results, carry, sums.length);
    const spread = (known: readonly boolean[], list: Tensor[]) => {
      let at = 0;
      return known.map((flag) => (flag ? undefined : list[at++]));
    };
    return [...spread(fixedKnown, dFixed), ...dCarry, ...spread(arraysKnown, dArrays)];
  },
  prune(eqn, used) {
    const { body, consts, carry } = eqn.params as ScanParams;
    const usedYs = used.slice(carry);
    const cut = (flags: readonly boolean[]): Graph => withOutputs(body, keep(body.outputs, [...flags, ...usedYs]));
    const carried = fixpoint(used.slice(0, carry), (flags) => readInputs(cut(flags)).slice(consts, consts + carry));
    const kept = [...carried, ...usedYs];
    if (kept.every(Boolean)) return eqn;
    const pruned = cut(carried);
    const reads = readInputs(pruned).map((flag, i) =>
      i < consts || i >= consts + carry ? flag : carried[i - consts]!,
    );
    return {
      ...eqn,
      inputs: keep(eqn.inputs, reads),
      outputs: keep(eqn.outputs, kept),
      params: {
        ...eqn.params,
        body: { ...pruned, inputs: keep(pruned.inputs, reads) },
        consts: count(reads.slice(0, consts)),
        carry: count(carried),
      },
    };
  },
  widen({ inputs, params }, [body], more) {
    const { consts } = params as ScanParams;
    const wider = { body: takeAsConsts(body!, consts, more.length), consts: consts + more.length };
    return { inputs: insertBehind(inputs, consts, more), params: { ...params, ...wider } };
  },
  samples: scanSamples,
  ulp: 16,
});

/** Entry `i` along axis 0, in place. */
function entry({ dtype, shape, data }: NDArray, i: number): NDArray {
  const own = shape.slice(1);
  const n = sizeOf(own);
  return { dtype, shape: own, data: data.subarray(i * n, (i + 1) * n) };
}

/**
 * The known part as one scan, the other as a second. Before them comes what depends on known constants alone: it is
 * computed once. Of what the second needs, entries of known arrays are read again from those, and only the rest is stacked.
 */
function takeApart(eqn: Eqn, unknown: readonly boolean[], transforms: Transforms): { known: Eqn[]; unknown: Eqn[] } {
  const params = eqn.params as ScanParams;
  const { body, consts, carry } = params;
  const [fixed, start, arrays] = parted(unknown, consts, carry);
  const waiting = fixpoint(start, (flags) =>
    transforms.partialEval(body, [...fixed, ...flags, ...arrays]).unknownOut.slice(0, carry),
  );
  const [fixedAtoms, carryAtoms, arrayAtoms] = parted(eqn.inputs, consts, carry);

  // what no step changes
  const all = [...waiting, ...arrays].map(() => true);
  const still = transforms.partialEval(
    body,
    [...fixed, ...all],
    body.outputs.map(() => true),
  ); // prettier-ignore
  const before = instantiate(still.known, keep(fixedAtoms, flip(fixed)));
  const constAtoms = before.outputs;

  const flags = [...constAtoms.map(() => false), ...fixed.filter(Boolean), ...waiting, ...arrays];
  const { known, linear, unknownOut } = transforms.partialEval(still.linear, flags, waiting);
  const results = count(flip(unknownOut));
  const [ownOutputs, kept] = parted(known.outputs, results);
  const [constVars, , arrayVars] = parted(known.inputs, constAtoms.length, count(flip(waiting)));
  const knownArrays = keep(arrayAtoms, flip(arrays));

  const isConst = kept.map((x) => constVars.includes(x as Var));
  const isEntry = kept.map((x) => arrayVars.includes(x as Var));
  const isStacked = kept.map((_, r) => !isConst[r] && !isEntry[r]);
  const carriedOut = flip(waiting);
  const first = newEqn(
    eqn.op,
    [...constAtoms, ...keep(carryAtoms, carriedOut), ...knownArrays],
    {
      ...params,
      body: { ...known, outputs: [...ownOutputs, ...keep(kept, isStacked)] },
      consts: constAtoms.length,
      carry: count(carriedOut),
    },
    eqn.location,
  );
  const stacks = first.outputs.slice(results);

  const [residualVars, others] = parted(linear.inputs, kept.length);
  const [dFixed, dCarry, dArrays] = parted(others, count(fixed), count(waiting));
  const atomOf = (x: Atom, vars: readonly Var[], atoms: readonly Atom[]): Atom => atoms[vars.indexOf(x as Var)]!;
  const second = newEqn(
    eqn.op,
    [
      ...keep(kept, isConst).map((x) => atomOf(x, constVars, constAtoms)),
      ...keep(fixedAtoms, fixed),
      ...keep(carryAtoms, waiting),
      ...keep(kept, isEntry).map((x) => atomOf(x, arrayVars, knownArrays)),
      ...stacks,
      ...keep(arrayAtoms, arrays),
    ],
    {
      ...params,
      body: {
        ...linear,
        inputs: [
          ...keep(residualVars, isConst),
          ...dFixed,
          ...dCarry,
          ...keep(residualVars, isEntry),
          ...keep(residualVars, isStacked),
          ...dArrays,
        ],
      },
      consts: count(isConst) + count(fixed),
      carry: count(waiting),
    },
    eqn.location,
  );
  const knownEqn = { ...first, outputs: [...keep(eqn.outputs, flip(unknownOut)), ...stacks] };
  return {
    known: [...before.eqns, ...(knownEqn.outputs.length > 0 ? [knownEqn] : [])],
    unknown: [{ ...second, outputs: keep(eqn.outputs, unknownOut) }],
  };
}

/** The last carry, then the stacked results, of `body` run for each entry of `arrays`. */
export const scanArrays = (
  params: Pick<ScanParams, "body" | "length" | "reverse">,
  fixed: readonly Operand[],
  carry: readonly Operand[],
  arrays: readonly Operand[],
): Tensor[] => bind(scanOp, [...fixed, ...carry, ...arrays], { ...params, consts: fixed.length, carry: carry.length });
