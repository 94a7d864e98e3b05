// Random expression graphs for fast-check: any list of numbers is a valid program, so that failures shrink well.
import fc from "fast-check";
import { type Aval, aval } from "../../compiler/core/aval.js";
import { allocate, type DType } from "../../compiler/core/dtype.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { insertAt, removeAt, type Shape, sameShape, sizeOf } from "../../compiler/core/shape.js";
import { type Graph, literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import { stage } from "../../compiler/trace/stage.js";
import type { Operand, Tensor } from "../../compiler/trace/tensor.js";
import { randomStream } from "./ulp.js";

/** Decisions, each taken modulo what there is to choose from. */
export interface Recipe {
  readonly inputs: readonly number[];
  readonly steps: readonly (readonly number[])[];
  readonly outputs: readonly number[];
  readonly seed: number;
}

/** A Graph, inputs for it, and which of its outputs every backend must give bit for bit. */
export interface RandomProgram {
  readonly graph: Graph;
  readonly inputs: readonly NDArray[];
  readonly isExact: readonly boolean[];
}

const number = fc.nat(2 ** 20);

export const recipes: fc.Arbitrary<Recipe> = fc.record({
  inputs: fc.array(number, { minLength: 1, maxLength: 5, size: "max" }),
  steps: fc.array(fc.array(number, { minLength: 6, maxLength: 6 }), { minLength: 2, maxLength: 24, size: "max" }),
  outputs: fc.array(number, { minLength: 1, maxLength: 4, size: "max" }),
  seed: number,
});

const shapes: readonly Shape[] = [
  [3],
  [2, 3],
  [],
  [2, 3, 4],
  [70],
  [17, 18],
  [1],
  [3, 2],
  [18, 20],
  [4, 1],
  [0],
  [20, 17],
  [2, 3, 2, 2],
  [2, 0, 3],
  [5, 5, 5],
  [1, 3, 1],
  [3, 80],
  [0, 3],
  [2, 1, 2, 1, 2, 1, 2, 1],
];

const inputDTypes: readonly DType[] = ["f32", "f32", "f32", "f32", "i32", "u32", "bool", "f32"];

/** Elements of one value at most. */
const MAX_SIZE = 4096;

/** A value of the program. It is exact when only operations of 0 ulp led to it. */
interface Value {
  readonly x: Tensor;
  readonly exact: boolean;
}

/** Builds the program of a recipe. */
export function cook(recipe: Recipe): RandomProgram {
  const types = recipe.inputs.map((n): Aval => {
    const shape = shapes[n % shapes.length]!;
    return aval(inputDTypes[Math.floor(n / shapes.length) % inputDTypes.length]!, shape);
  });
  const staged = stage("random", types, (args) => {
    const values: Value[] = args.map((x) => ({ x, exact: true }));
    for (const numbers of recipe.steps) {
      const made = step(new Choices(numbers, values));
      if (made && made.x.size <= MAX_SIZE) values.push(made);
    }
    // the last one, and some of all
    const picked = [values[values.length - 1]!, ...recipe.outputs.map((n) => values[n % values.length]!)];
    return { outputs: picked.map(({ x }) => x), rest: picked.map(({ exact }) => exact) };
  });
  const random = randomStream(recipe.seed + 1);
  const rare = recipe.seed % 4 === 0;
  return { graph: staged.graph, inputs: types.map((x) => drawExact(random, x, rare)), isExact: staged.rest };
}

/** Eighths, so that small sums and products are exact; now and then values that are no numbers, if `rare`. */
function drawExact(random: () => number, { dtype, shape }: Aval, rare: boolean): NDArray {
  const data = allocate(dtype, sizeOf(shape));
  const odd = [NaN, Infinity, -Infinity, -0];
  for (let i = 0; i < data.length; i++) {
    const n = Math.floor(random() * 65) - 32;
    if (dtype === "f32") data[i] = rare && random() < 0.03 ? odd[Math.floor(random() * 4)]! : n / 8;
    else data[i] = dtype === "bool" ? n & 1 : dtype === "u32" ? n + 32 : n;
  }
  return { dtype, shape, data };
}

/** The decisions of one step. */
class Choices {
  #at = 0;

  constructor(
    readonly numbers: readonly number[],
    readonly values: readonly Value[],
  ) {}

  /** A number below `n`. */
  below(n: number): number {
    return this.numbers[this.#at++ % this.numbers.length]! % n;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** A value that fits; later ones are likelier. */
  value(fits: (v: Value) => boolean = () => true): Value | undefined {
    const fitting = this.values.filter(fits);
    if (fitting.length === 0) return undefined;
    const n = this.below(2 * fitting.length);
    return fitting[n < fitting.length ? n : Math.floor((n + fitting.length) / 3) % fitting.length];
  }
}

type Rule = (c: Choices) => Value | undefined;

const constant = (value: number, dtype: DType): Operand => literal(value, aval(dtype, []));
const isFloat = ({ x }: Value): boolean => x.dtype === "f32";
const alike = (v: Value) => (w: Value) => w.x.dtype === v.x.dtype && sameShape(w.x.shape, v.x.shape);

/** Takes the rule the choices name, or the next one that finds operands. */
function step(c: Choices): Value | undefined {
  const first = c.below(rules.length);
  for (let i = 0; i < rules.length; i++) {
    const made = rules[(first + i) % rules.length]!(c);
    if (made) return made;
  }
  return undefined;
}

/** Continuous functions of any number. */
const smooth: readonly ((x: Tensor) => Tensor)[] = [
  ops.sin,
  ops.cos,
  ops.tanh,
  (x) => ops.exp(ops.sin(x)),
  (x) => ops.log(ops.add(ops.abs(x), constant(1, "f32"))),
  (x) => ops.sqrt(ops.abs(x)),
  (x) => ops.rsqrt(ops.add(ops.abs(x), constant(0.5, "f32"))),
];

const exactUnary = [ops.neg, ops.abs, ops.square];
const steps = [ops.sign, ops.floor, ops.ceil, ops.round];
const arithmetic = [ops.add, ops.sub, ops.mul, ops.min, ops.max];
const comparisons = [ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge];
const bitwise = [ops.and, ops.or, ops.xor];
const constants = [0, -0, 1, -1, 2, 0.5, -3];

const unaryRule: Rule = (c) => {
  const v = c.value(isFloat);
  return v && { x: c.of(smooth)(v.x), exact: false };
};

const exactUnaryRule: Rule = (c) => {
  const v = c.value(({ x }) => x.dtype !== "bool");
  return v && { x: c.of(exactUnary)(v.x), exact: v.exact };
};

const stepRule: Rule = (c) => {
  const v = c.value((w) => isFloat(w) && w.exact);
  return v && { x: c.of(steps)(v.x), exact: true };
};

const arithmeticRule: Rule = (c) => {
  const v = c.value(({ x }) => x.dtype !== "bool");
  const w = v && c.value(alike(v));
  return v && w && { x: c.of(arithmetic)(v.x, w.x), exact: v.exact && w.exact };
};

const constantRule: Rule = (c) => {
  const v = c.value(({ x }) => x.dtype !== "bool");
  if (!v) return undefined;
  const value = c.of(constants);
  const y = constant(v.x.dtype === "f32" ? value : Math.abs(Math.trunc(value)), v.x.dtype);
  const op = c.of(arithmetic);
  return { x: c.below(2) ? op(v.x, y) : op(y, v.x), exact: v.exact };
};

const divisionRule: Rule = (c) => {
  const v = c.value(isFloat);
  const w = v && c.value(alike(v));
  if (!v || !w) return undefined;
  const safe = ops.add(ops.abs(w.x), constant(0.5, "f32"));
  return { x: c.below(2) ? ops.div(v.x, safe) : ops.pow(safe, ops.tanh(v.x)), exact: false };
};

const integerRule: Rule = (c) => {
  const v = c.value(({ x }) => x.dtype !== "f32");
  const w = v && c.value(alike(v));
  if (!v || !w) return undefined;
  if (c.below(4) === 0) return { x: ops.not(v.x), exact: true };
  return { x: v.x.dtype !== "bool" && c.below(3) === 0 ? ops.div(v.x, w.x) : c.of(bitwise)(v.x, w.x), exact: true };
};

const comparisonRule: Rule = (c) => {
  const v = c.value((u) => u.exact && u.x.dtype !== "bool");
  const w = v && c.value((u) => u.exact && alike(v)(u));
  return v && w && { x: c.of(comparisons)(v.x, w.x), exact: true };
};

const selectRule: Rule = (c) => {
  const condition = c.value(({ x }) => x.dtype === "bool");
  const yes = condition && c.value(({ x }) => sameShape(x.shape, condition.x.shape));
  const no = yes && c.value(alike(yes));
  return condition && yes && no && { x: ops.select(condition.x, yes.x, no.x), exact: yes.exact && no.exact };
};

const castRule: Rule = (c) => {
  const v = c.value(({ exact }) => exact);
  if (!v) return undefined;
  const target = c.of((["f32", "i32", "u32", "bool"] as const).filter((dtype) => dtype !== v.x.dtype));
  return { x: ops.cast(v.x, target), exact: true };
};

const broadcastRule: Rule = (c) => {
  const v = c.value(({ x }) => x.ndim < 5);
  if (!v) return undefined;
  // to the shape of another value if it fits, else along a new axis
  const target = c.value(({ x }) => x.ndim > v.x.ndim && endsAlike(v.x.shape, x.shape));
  const at = c.below(v.x.ndim + 1);
  const shape = target ? target.x.shape : insertAt(v.x.shape, at, 1 + c.below(3));
  const axes = v.x.shape.map((_, axis) => (target ? axis + shape.length - v.x.ndim : axis < at ? axis : axis + 1));
  return { x: ops.broadcast(v.x, shape, axes), exact: v.exact };
};

const endsAlike = (from: Shape, to: Shape): boolean =>
  from.every((n, axis) => n === 1 || n === to[axis + to.length - from.length]);

const reshapeRule: Rule = (c) => {
  const v = c.value();
  if (!v) return undefined;
  const { shape, size } = v.x;
  const target = c.value(({ x }) => x.size === size && !sameShape(x.shape, shape));
  const flat = [size];
  const split = size % 2 === 0 && size > 0 ? [2, size / 2] : [1, size, 1];
  return { x: ops.reshape(v.x, c.of([target?.x.shape ?? flat, flat, split, [...shape].reverse()])), exact: v.exact };
};

const rearrangeRule: Rule = (c) => {
  const v = c.value(({ x }) => x.ndim > 0);
  if (!v) return undefined;
  const { x } = v;
  const axis = c.below(x.ndim);
  const ways: readonly (() => Tensor)[] = [
    () => ops.moveAxis(x, axis, c.below(x.ndim)),
    () => ops.flip(x, [axis]),
    () => ops.expandDims(x, [axis]),
    () => (x.shape[axis] === 1 ? ops.squeeze(x, [axis]) : ops.flip(x, [axis])),
    () =>
      ops.transpose(
        x,
        x.shape.map((_, i) => x.ndim - 1 - i),
      ),
  ];
  return { x: c.of(ways)(), exact: v.exact };
};

const sliceRule: Rule = (c) => {
  const v = c.value(({ x }) => x.ndim > 0);
  if (!v) return undefined;
  const start = v.x.shape.map((n) => c.below(Math.min(n, 2) + 1));
  const stop = v.x.shape.map((n, axis) => n - Math.min(c.below(2), n - start[axis]!));
  return { x: ops.slice(v.x, { start, stop, step: v.x.shape.map(() => 1 + c.below(2)) }), exact: v.exact };
};

const padRule: Rule = (c) => {
  const v = c.value(({ x }) => x.ndim > 0 && x.ndim < 5);
  if (!v) return undefined;
  const scalar = c.value((w) => w.x.ndim === 0 && w.x.dtype === v.x.dtype);
  const low = v.x.shape.map((n) => c.below(3) - Math.min(1, n));
  const high = v.x.shape.map((n) => c.below(3) - (n > 1 ? 1 : 0));
  const params = { low, high, interior: low.map(() => c.below(2)) };
  const useScalar = scalar !== undefined && c.below(2) === 0;
  return {
    x: ops.pad(v.x, useScalar ? scalar.x : constant(1, v.x.dtype), params),
    exact: v.exact && (!useScalar || scalar.exact),
  };
};

const concatenateRule: Rule = (c) => {
  const v = c.value(({ x }) => x.ndim > 0);
  if (!v) return undefined;
  const axis = c.below(v.x.ndim);
  const fits = (w: Value): boolean =>
    w.x.dtype === v.x.dtype && w.x.ndim === v.x.ndim && sameShape(removeAt(w.x.shape, axis), removeAt(v.x.shape, axis));
  const parts = [v, c.value(fits)!, ...(c.below(2) ? [c.value(fits)!] : [])];
  return {
    x: ops.concatenate(
      parts.map(({ x }) => x),
      axis,
    ),
    exact: parts.every(({ exact }) => exact),
  };
};

const iotaRule: Rule = (c) => {
  const v = c.value(({ x }) => x.ndim > 0);
  return v && { x: ops.iota(c.of(["f32", "i32", "u32"] as const), v.x.shape, c.below(v.x.ndim)), exact: true };
};

const gatherRule: Rule = (c) => {
  const v = c.value(({ x }) => x.ndim > 0 && x.size > 0);
  const indices = v && c.value((w) => (w.x.dtype === "i32" || w.x.dtype === "u32") && w.x.ndim < 3);
  if (!v || !indices || v.x.ndim + indices.x.ndim > 6) return undefined;
  return { x: ops.gather(v.x, [indices.x], { axes: [c.below(v.x.ndim)], batch: 0, mode: "clip" }), exact: v.exact };
};

const sumRule: Rule = (c) => {
  const v = c.value(({ x }) => x.dtype !== "bool");
  if (!v) return undefined;
  const axes = someAxes(c, v.x);
  const isProduct = c.below(4) === 0 && sizeOf(axes.map((axis) => v.x.shape[axis]!)) <= 20;
  return { x: (isProduct ? ops.reduceProd : ops.reduceSum)(v.x, axes), exact: v.exact && v.x.dtype !== "f32" };
};

const extremeRule: Rule = (c) => {
  const v = c.value(({ x }) => x.dtype !== "bool" && x.size > 0);
  if (!v) return undefined;
  const op = c.of(v.exact ? [ops.reduceMax, ops.reduceMin, ops.argmax, ops.argmin] : [ops.reduceMax, ops.reduceMin]);
  return { x: op(v.x, someAxes(c, v.x)), exact: v.exact };
};

/** All axes, one, or some. */
function someAxes(c: Choices, x: Tensor): number[] {
  const all = x.shape.map((_, axis) => axis);
  const way = c.below(3);
  const mask = c.below(2 ** Math.max(1, x.ndim));
  if (way === 0 || x.ndim === 0) return all;
  return way === 1 ? [mask % x.ndim] : all.filter((axis) => (mask >> axis) & 1);
}

const contractRule: Rule = (c) => {
  const v = c.value(({ x }) => x.dtype !== "bool" && x.ndim > 0 && x.ndim < 5);
  if (!v) return undefined;
  const pairs = (x: Tensor, y: Tensor): [number, number][] =>
    x.shape.flatMap((n, i) => y.shape.flatMap((m, j): [number, number][] => (n === m ? [[i, j]] : [])));
  const w = c.value(({ x }) => x.dtype === v.x.dtype && x.ndim > 0 && x.ndim < 5 && pairs(v.x, x).length > 0);
  if (!w) return undefined;
  const all = pairs(v.x, w.x);
  const [l, r] = c.of(all);
  const others = all.filter(([i, j]) => i !== l && j !== r);
  const batch = others.length > 0 && c.below(2) ? c.of(others) : undefined;
  const dims = {
    contract: [[l], [r]] as const,
    batch: [batch ? [batch[0]] : [], batch ? [batch[1]] : []] as const,
  };
  if ((v.x.size * w.x.size) / Math.max(1, v.x.shape[l]! ** 2) > MAX_SIZE) return undefined;
  return { x: ops.dotGeneral(v.x, w.x, dims), exact: v.exact && w.exact && v.x.dtype !== "f32" };
};

const rules: readonly Rule[] = [
  arithmeticRule,
  unaryRule,
  constantRule,
  broadcastRule,
  arithmeticRule,
  sumRule,
  contractRule,
  exactUnaryRule,
  comparisonRule,
  selectRule,
  rearrangeRule,
  divisionRule,
  reshapeRule,
  concatenateRule,
  gatherRule,
  sliceRule,
  extremeRule,
  castRule,
  padRule,
  integerRule,
  stepRule,
  iotaRule,
  arithmeticRule,
  contractRule,
];
