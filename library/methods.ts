// The numpy-named functions as methods of Tensor: x.mul(2).sum(-1).
import type { DType } from "../compiler/core/dtype.js";
import { ShapeError } from "../compiler/core/errors.js";
import type { Shape } from "../compiler/core/shape.js";
import type { TensorLike } from "../compiler/trace/create.js";
import { hereText } from "../compiler/trace/here.js";
import { Tensor } from "../compiler/trace/tensor.js";
import * as np from "./numpy/index.js";
import { checkNoMore } from "./numpy/options.js";
import { update, withValue } from "./numpy/update.js";

/** Methods of a tensor. Those named as in numpy do the same as the functions. */
interface Methods {
  add(y: TensorLike): Tensor;
  sub(y: TensorLike): Tensor;
  mul(y: TensorLike): Tensor;
  /** As f32, also for integers. */
  div(y: TensorLike): Tensor;
  pow(y: TensorLike): Tensor;
  minimum(y: TensorLike): Tensor;
  maximum(y: TensorLike): Tensor;
  neg(): Tensor;
  abs(): Tensor;
  sign(): Tensor;
  square(): Tensor;
  sqrt(): Tensor;
  rsqrt(): Tensor;
  exp(): Tensor;
  log(): Tensor;
  sin(): Tensor;
  cos(): Tensor;
  tanh(): Tensor;
  mod(y: TensorLike): Tensor;
  floorDivide(y: TensorLike): Tensor;
  /** Between bounds; null is none. */
  clip(low?: TensorLike | null, high?: TensorLike | null): Tensor;
  floor(): Tensor;
  ceil(): Tensor;
  round(): Tensor;
  trunc(): Tensor;
  isNan(): Tensor;
  isFinite(): Tensor;
  eq(y: TensorLike): Tensor;
  ne(y: TensorLike): Tensor;
  lt(y: TensorLike): Tensor;
  le(y: TensorLike): Tensor;
  gt(y: TensorLike): Tensor;
  ge(y: TensorLike): Tensor;
  and(y: TensorLike): Tensor;
  or(y: TensorLike): Tensor;
  xor(y: TensorLike): Tensor;
  not(): Tensor;
  astype(dtype: DType): Tensor;
  /** This tensor where `condition` holds, else `other`. */
  where(condition: TensorLike, other: TensorLike): Tensor;
  sum(axis?: np.AxisSpec | null, options?: np.ReduceOptions): Tensor;
  mean(axis?: np.AxisSpec | null, options?: np.ReduceOptions): Tensor;
  prod(axis?: np.AxisSpec | null, options?: np.ReduceOptions): Tensor;
  max(axis?: np.AxisSpec | null, options?: np.ReduceOptions): Tensor;
  min(axis?: np.AxisSpec | null, options?: np.ReduceOptions): Tensor;
  any(axis?: np.AxisSpec | null, options?: np.ReduceOptions): Tensor;
  all(axis?: np.AxisSpec | null, options?: np.ReduceOptions): Tensor;
  var(axis?: np.AxisSpec | null, options?: np.VarianceOptions): Tensor;
  std(axis?: np.AxisSpec | null, options?: np.VarianceOptions): Tensor;
  norm(axis?: np.AxisSpec | null, options?: np.NormOptions): Tensor;
  argmax(axis?: number | null, options?: np.ReduceOptions): Tensor;
  argmin(axis?: number | null, options?: np.ReduceOptions): Tensor;
  cumsum(axis?: number | null, options?: np.CumulativeOptions): Tensor;
  cumprod(axis?: number | null, options?: np.CumulativeOptions): Tensor;
  cummax(axis?: number | null, options?: np.CumulativeOptions): Tensor;
  cummin(axis?: number | null, options?: np.CumulativeOptions): Tensor;
  cumlogsumexp(axis?: number | null, options?: np.CumulativeOptions): Tensor;
  diff(n?: number, axis?: number): Tensor;
  sort(axis?: number | null, options?: np.SortOptions): Tensor;
  argsort(axis?: number | null, options?: np.SortOptions): Tensor;
  median(axis?: number | null, options?: { keepDims?: boolean }): Tensor;
  quantile(q: number | readonly number[], axis?: number | null, options?: np.QuantileOptions): Tensor;
  percentile(q: number | readonly number[], axis?: number | null, options?: np.QuantileOptions): Tensor;
  dot(y: TensorLike): Tensor;
  matmul(y: TensorLike): Tensor;
  reshape(...shape: number[] | [Shape]): Tensor;
  ravel(): Tensor;
  transpose(...axes: number[] | [readonly number[]]): Tensor;
  moveAxis(from: number, to: number): Tensor;
  swapAxes(first: number, second: number): Tensor;
  expandDims(axis: np.AxisSpec): Tensor;
  squeeze(axis?: np.AxisSpec): Tensor;
  broadcastTo(shape: Shape): Tensor;
  flip(axis?: np.AxisSpec): Tensor;
  pad(width: np.PadWidth, value?: TensorLike): Tensor;
  /** The entry at indices of the leading axes, numbers or scalar integer tensors. */
  at(...indices: readonly (number | Tensor)[]): Tensor;
  /** A part, one spec per leading axis: an index, [start, stop, step] or null for all. */
  slice(...specs: readonly np.SliceSpec[]): Tensor;
  take(indices: TensorLike, axis?: number | null, options?: np.TakeOptions): Tensor;
  takeAlongAxis(indices: TensorLike, axis: number, options?: np.TakeOptions): Tensor;
  /**
   * A new tensor with the part at `index` replaced by `value`: a number or scalar tensor is an index of axis 0, an array
   * has one spec per leading axis, as `slice` takes them. Indices in tensors are clamped.
   */
  with(index: np.IndexSpec, value: TensorLike): Tensor;
  /** The part at `index`, to be written: x.update(i).add(1) is a new tensor. */
  update(index: np.IndexSpec, options?: np.UpdateOptions): np.Update;
  roll(shift: number | readonly number[], axis?: np.AxisSpec | null): Tensor;
  tile(reps: number | readonly number[]): Tensor;
  repeat(repeats: number | readonly number[], axis?: number | null): Tensor;
  diagonal(offset?: number, axis1?: number, axis2?: number): Tensor;
  /** Axes in reverse order. */
  readonly T: Tensor;
  /** Entries along axis 0. */
  [Symbol.iterator](): IterableIterator<Tensor>;
}

declare module "../compiler/trace/tensor.js" {
  interface Tensor extends Methods {}
}

/** A list given as one array or as arguments. */
function listed(name: string, args: readonly number[] | readonly [readonly number[]]): readonly number[] {
  if (!Array.isArray(args[0])) return args as readonly number[];
  checkNoMore(name, args.slice(1), `x.${name}([2, 3])`);
  return args[0];
}

type Entries = {
  readonly [K in Exclude<keyof Methods, "T" | "update" | typeof Symbol.iterator>]: (
    x: Tensor,
    ...args: Parameters<Methods[K]>
  ) => Tensor;
};

const methods: Entries = {
  add: np.add,
  sub: np.subtract,
  mul: np.multiply,
  div: np.divide,
  pow: np.power,
  minimum: np.minimum,
  maximum: np.maximum,
  neg: np.negative,
  abs: np.abs,
  sign: np.sign,
  square: np.square,
  sqrt: np.sqrt,
  rsqrt: np.rsqrt,
  exp: np.exp,
  log: np.log,
  sin: np.sin,
  cos: np.cos,
  tanh: np.tanh,
  mod: np.mod,
  floorDivide: np.floorDivide,
  clip: np.clip,
  floor: np.floor,
  ceil: np.ceil,
  round: np.round,
  trunc: np.trunc,
  isNan: np.isNan,
  isFinite: np.isFinite,
  eq: np.equal,
  ne: np.notEqual,
  lt: np.less,
  le: np.lessEqual,
  gt: np.greater,
  ge: np.greaterEqual,
  and: np.logicalAnd,
  or: np.logicalOr,
  xor: np.logicalXor,
  not: np.logicalNot,
  astype: np.astype,
  where: (x, condition, other) => np.where(condition, x, other),
  sum: np.sum,
  mean: np.mean,
  prod: np.prod,
  max: np.max,
  min: np.min,
  any: np.any,
  all: np.all,
  var: np.var,
  std: np.std,
  norm: np.norm,
  argmax: np.argmax,
  argmin: np.argmin,
  cumsum: np.cumsum,
  cumprod: np.cumprod,
  cummax: np.cummax,
  cummin: np.cummin,
  cumlogsumexp: np.cumlogsumexp,
  diff: np.diff,
  sort: np.sort,
  argsort: np.argsort,
  median: np.median,
  quantile: np.quantile,
  percentile: np.percentile,
  dot: np.dot,
  matmul: np.matmul,
  reshape: (x, ...shape) => np.reshape(x, listed("reshape", shape)),
  ravel: np.ravel,
  transpose: (x, ...axes) => np.transpose(x, axes.length === 0 ? undefined : listed("transpose", axes)),
  moveAxis: np.moveAxis,
  swapAxes: np.swapAxes,
  expandDims: np.expandDims,
  squeeze: np.squeeze,
  broadcastTo: np.broadcastTo,
  flip: np.flip,
  pad: np.pad,
  at: np.at,
  slice: np.slice,
  take: np.take,
  takeAlongAxis: np.takeAlongAxis,
  with: withValue,
  roll: np.roll,
  tile: np.tile,
  repeat: np.repeat,
  diagonal: np.diagonal,
};

for (const [name, method] of Object.entries(methods) as [string, (x: Tensor, ...args: unknown[]) => Tensor][]) {
  Object.defineProperty(Tensor.prototype, name, {
    configurable: true,
    writable: true,
    value(this: Tensor, ...args: unknown[]): Tensor {
      return method(this, ...args);
    },
  });
}

Object.defineProperty(Tensor.prototype, "update", {
  configurable: true,
  writable: true,
  value(this: Tensor, index: np.IndexSpec, options?: np.UpdateOptions): np.Update {
    return update(this, index, options);
  },
});

Object.defineProperty(Tensor.prototype, "T", {
  configurable: true,
  get(this: Tensor): Tensor {
    return np.transpose(this);
  },
});

Object.defineProperty(Tensor.prototype, Symbol.iterator, {
  configurable: true,
  writable: true,
  *value(this: Tensor): IterableIterator<Tensor> {
    if (this.ndim === 0) throw new ShapeError(`a scalar tensor cannot be iterated over${hereText()}`);
    for (let i = 0; i < this.shape[0]!; i++) yield np.at(this, i);
  },
});
