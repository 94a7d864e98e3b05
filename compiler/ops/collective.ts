// Collectives: what the lanes of a named axis give together. Each is a record, and leaves the Graph with its vmap.
import { aval, showAval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { DTypeError, InternalError, ShapeError } from "../core/errors.js";
import { insertAt, removeAt } from "../core/shape.js";
import { type Eqn, type Graph, literal, regionsOf } from "../ir/graph.js";
import type { CollectiveOp, CollectiveParams } from "../ir/op.js";
import type { JvpRule } from "../trace/rules.js";
import { type Operand, Tensor } from "../trace/tensor.js";
import { div, mul } from "./arithmetic.js";
import { fill, lanesAt, reduceSum } from "./axes.js";
import { cast, eq } from "./compare.js";
import { bindOne } from "./define.js";
import { highest, lowest, reduceMax, reduceMin } from "./reduce.js";
import { iota } from "./slicing.js";

const numbers: readonly DType[] = ["f32", "i32", "u32"];

/** An operand and its result have one type, and so the lane axis of another vmap stays where it is. */
function sameTyped(
  name: string,
  spec: Pick<CollectiveOp, "jvp" | "transpose"> & {
    /** All lanes of x, along `axis`, made one. */
    reduce(x: Operand, axis: number, size: number): Tensor;
    /** The same for `size` lanes that are all x. */
    alike(x: Operand, size: number): Tensor;
  },
): (x: Operand, names: readonly string[]) => Tensor {
  const op: CollectiveOp = {
    name,
    kind: "collective",
    typeOf([x]) {
      if (!numbers.includes(x!.dtype)) throw new DTypeError(`${name}: does not take ${x!.dtype}, only ${numbers}`);
      return [aval(x!.dtype, x!.shape)];
    },
    batch([arg], params, { size, name: own }) {
      const { value, axis } = arg!;
      const names = (params as CollectiveParams).names.filter((other) => other !== own);
      const whole = axis === null ? spec.alike(value, size) : spec.reduce(value, axis, size);
      return { value: names.length > 0 ? bindOne(op, [whole], { names }) : whole, axis: null };
    },
    passBy: ([arg], params) => ({ value: bindOne(op, [arg!.value], params), axis: arg!.axis }),
    ...(spec.jvp ? { jvp: spec.jvp } : {}),
    ...(spec.transpose ? { transpose: spec.transpose } : {}),
    samples: [],
    ulp: 0,
  };
  return (x, names) => bindOne(op, [x], { names });
}

const times = (x: Operand, n: number): Tensor => mul(x, literal(n, aval(x.aval.dtype, [])));

const namesOf = (params: object): readonly string[] => (params as CollectiveParams).names;

/** Σ over the lanes of all named axes. */
export const psum = sameTyped("psum", {
  reduce: (x, axis) => reduceSum(x, [axis]),
  alike: (x, size) => times(x, size),
  jvp: ([dx], _operands, _result, params) => psum(dx!, namesOf(params)),
  transpose: (ct, _operands, _types, params) => [psum(ct, namesOf(params))],
});

/** Mean of the tangents of the lanes that have the extreme value. */
const ofExtremes: JvpRule = ([dx], [x], y, params) => {
  const names = namesOf(params);
  const isExtreme = cast(eq(x!, y), "f32");
  return div(psum(mul(dx!, isExtreme), names), psum(isExtreme, names));
};

function extreme(name: string, reduce: (x: Operand, axes: readonly number[]) => Tensor, worst: Worst) {
  return sameTyped(name, {
    reduce(x, axis, size) {
      if (size > 0) return reduce(x, [axis]);
      const { dtype, shape } = x.aval;
      return fill(literal(worst(dtype), aval(dtype, [])), removeAt(shape, axis)); // no lane is there to read it
    },
    alike: (x) => asTensor(x),
    jvp: ofExtremes,
  });
}

/** The value that every other one beats. */
type Worst = (dtype: DType) => number;

/** The largest value among the lanes of all named axes; NaN if there is one. */
export const pmax = extreme("pmax", reduceMax, lowest);

/** The smallest value among the lanes of all named axes; NaN if there is one. */
export const pmin = extreme("pmin", reduceMin, highest);

const asTensor = (x: Operand): Tensor => (x instanceof Tensor ? x : fill(x, []));

/** `axis`: where the lanes lie side by side; `size`: how many there are. */
interface GatherParams extends CollectiveParams {
  readonly axis: number;
  readonly size: number;
}

const allGatherOp: CollectiveOp = {
  name: "allGather",
  kind: "collective",
  typeOf([x], params) {
    const { axis, size } = params as GatherParams;
    return [aval(x!.dtype, insertAt(x!.shape, axis, size))];
  },
  batch: ([arg], params, { size }) => ({ value: lanesAt(arg!, (params as GatherParams).axis, size), axis: null }),
  passBy([arg], params) {
    const own = params as GatherParams;
    const b = arg!.axis!;
    const axis = own.axis <= b ? own.axis : own.axis + 1;
    return { value: bindOne(allGatherOp, [arg!.value], { ...own, axis }), axis: own.axis <= b ? b + 1 : b };
  },
  jvp: ([dx], _operands, _result, params) => bindOne(allGatherOp, [dx!], params),
  transpose: (ct, _operands, _types, params) => [bindOne(psumScatterOp, [ct], params)],
  samples: [],
  ulp: 0,
};

/** x of every lane, side by side along a new `axis`, the same in all `size` lanes. */
export const allGather = (x: Operand, name: string, axis: number, size: number): Tensor =>
  bindOne(allGatherOp, [x], { names: [name], axis, size });

const psumScatterOp: CollectiveOp = {
  name: "psumScatter",
  kind: "collective",
  typeOf([x], params) {
    const { axis, size } = params as GatherParams;
    if (x!.shape[axis] !== size) {
      throw new ShapeError(`psumScatter: axis ${axis} of ${showAval(x!)} has no entry for each of ${size} lanes`);
    }
    return [aval(x!.dtype, removeAt(x!.shape, axis))];
  },
  batch([arg], params, { size }) {
    const { axis } = params as GatherParams;
    if (arg!.axis === null) return { value: times(arg!.value, size), axis };
    const b = arg!.axis;
    return { value: reduceSum(arg!.value, [b]), axis };
  },
  passBy([arg], params) {
    const own = params as GatherParams;
    const b = arg!.axis!;
    const axis = own.axis < b ? own.axis : own.axis + 1;
    return { value: bindOne(psumScatterOp, [arg!.value], { ...own, axis }), axis: own.axis < b ? b - 1 : b };
  },
  jvp: ([dx], _operands, _result, params) => bindOne(psumScatterOp, [dx!], params),
  transpose: (ct, _operands, _types, params) => [bindOne(allGatherOp, [ct], params)],
  samples: [],
  ulp: 0,
};

/** Lane i gets Σ over the lanes of their entry i along `axis`, which has `size` of them: the transpose of `allGather`. */
export const psumScatter = (x: Operand, name: string, axis: number, size: number): Tensor =>
  bindOne(psumScatterOp, [x], { names: [name], axis, size });

const axisIndexOp: CollectiveOp = {
  name: "axisIndex",
  kind: "collective",
  typeOf: () => [aval("i32", [])],
  batch: (_args, _params, { size }) => ({ value: iota("i32", [size], 0), axis: 0 }),
  passBy(_args, params) {
    throw new InternalError(`axisIndex: no operand of ${namesOf(params)} can be batched`);
  },
  samples: [],
  ulp: 0,
};

/** Number of the lane. */
export const axisIndex = (name: string): Tensor => bindOne(axisIndexOp, [], { names: [name] });

const names = new WeakMap<Graph, ReadonlySet<string>>();

/** Names of axes that the equations of a Graph speak of, also those in Graphs they hold. */
export function axisNamesIn(graph: Graph): ReadonlySet<string> {
  let found = names.get(graph);
  if (!found) {
    found = new Set(graph.eqns.flatMap((eqn) => [...axisNamesOf(eqn)]));
    names.set(graph, found);
  }
  return found;
}

const none: ReadonlySet<string> = new Set();

/** Names of axes that an equation speaks of. */
export function axisNamesOf({ op, params }: Eqn): ReadonlySet<string> {
  if (op.kind === "collective") return new Set(namesOf(params));
  if (op.kind === "opaque") return op.axisNames ? new Set(op.axisNames(params)) : none;
  if (op.kind !== "region") return none;
  const inside = regionsOf(params).flatMap(({ graph }) => [...axisNamesIn(graph)]);
  return new Set([...inside, ...(op.axisNames?.(params) ?? [])]);
}
