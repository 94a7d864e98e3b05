// Running folds along an axis: each element of the result folds the elements up to its place.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate, type DType, type TypedArray } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import { type Shape, sizeOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import { type OpaqueOp, type Params, register, type Sample, shaped } from "../ir/op.js";
import type { JvpManyRule, TransposeManyRule } from "../trace/rules.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { abs, add, mul, sub } from "./arithmetic.js";
import { fill, lanesAt } from "./axes.js";
import { lt, ne, select } from "./compare.js";
import { type CumulativeParams, cumulativeKernels } from "./cumulative-kernels.js";
import { firstState, type Running, runningFold } from "./cumulative-wgsl.js";
import { bindOne, sumOf } from "./define.js";
import { iota, pad } from "./slicing.js";
import { takeAlong } from "./sort.js";
import { exp, log } from "./transcendental.js";

interface CumulativeSpec {
  readonly takes: readonly DType[];
  readonly operands: 1 | 2;
  /** Folds elements begin, begin + step, … of the operands, `n` of them, into `out`. */
  row(out: TypedArray, operands: readonly TypedArray[], begin: number, step: number, n: number, dtype: DType): void;
  readonly jvp: JvpManyRule;
  readonly transpose?: TransposeManyRule;
  readonly domain?: readonly [number, number];
  readonly ulp: number;
  /** Lengths of one more sample each. */
  readonly long: readonly number[];
}

function cumulative(name: Running, spec: CumulativeSpec): OpaqueOp {
  const op: OpaqueOp = register<OpaqueOp>({
    name,
    kind: "opaque",
    typeOf: (inputs, params) => [cumulativeAval(name, inputs, params as CumulativeParams, spec.takes)],
    cpu([x, ...more], params, { wide }) {
      const { axis, reverse } = params as CumulativeParams;
      const { dtype, shape } = x!;
      const data = allocate(dtype, sizeOf(shape), wide);
      const n = shape[axis]!;
      const inner = sizeOf(shape.slice(axis + 1));
      const operands = [x!, ...more].map((y) => y.data);
      for (let o = 0; o < data.length; o += n * inner) {
        for (let i = 0; i < inner; i++) {
          const first = o + i;
          spec.row(data, operands, reverse ? first + (n - 1) * inner : first, reverse ? -inner : inner, n, dtype);
        }
      }
      return [{ dtype, shape, data }];
    },
    kernels: ([x], _outputs, params, limits) =>
      cumulativeKernels(x!.shape, params as CumulativeParams, runningFold(name, x!.dtype), spec.operands, limits),
    batch(args, params, size) {
      const { axis, reverse } = params as CumulativeParams;
      const b = args.find((x) => x.axis !== null)!.axis!;
      const operands = args.map((x) => lanesAt(x, b, size));
      return [{ value: bindOne(op, operands, { axis: axis < b ? axis : axis + 1, reverse }), axis: b }];
    },
    jvp: spec.jvp,
    ...(spec.transpose ? { transpose: spec.transpose } : {}),
    samples: spec.takes.flatMap((dtype) => samplesOf(dtype, spec)),
    ulp: spec.ulp,
  });
  return op;
}

function cumulativeAval(
  name: string,
  inputs: readonly Aval[],
  { axis }: CumulativeParams,
  takes: readonly DType[],
): Aval {
  const [x] = inputs as [Aval];
  for (const y of inputs) {
    if (!takes.includes(y.dtype)) {
      throw new DTypeError(
        `${name}: does not take ${y.dtype}, only ${takes.join(", ")}\n  operand ${showAval(y)}\n  cast it with astype()`,
      );
    }
    if (y.shape.join() !== x.shape.join())
      throw new ShapeError(`${name}: operands are ${showAval(x)} and ${showAval(y)}, but one shape is wanted`);
  }
  if (!(axis >= 0 && axis < x.shape.length)) throw new ShapeError(`${name}: ${showAval(x)} has no axis ${axis}`);
  return aval(x.dtype, x.shape);
}

function samplesOf(dtype: DType, { operands, domain, long }: CumulativeSpec): Sample[] {
  const cases: { shape: Shape; axis: number; reverse: boolean }[] = [
    { shape: [5], axis: 0, reverse: false },
    { shape: [3, 4], axis: 0, reverse: true },
    { shape: [2, 30, 2], axis: 1, reverse: false },
  ];
  if (dtype === "f32") {
    cases.push({ shape: [1], axis: 0, reverse: false }, { shape: [2, 0], axis: 1, reverse: true });
    cases.push({ shape: [3, 1, 2], axis: 1, reverse: true });
    for (const n of long) cases.push({ shape: [n], axis: 0, reverse: n % 2 === 1 });
  }
  return cases.map(({ shape, ...params }) => ({
    inputs: Array.from({ length: operands }, () => shaped(dtype, ...shape)),
    params,
    ...(domain && dtype === "f32" ? { domain: Array.from({ length: operands }, () => domain) } : {}),
  }));
}

const numbers = ["f32", "i32", "u32"] as const;
const zero = (dtype: DType) => literal(0, aval(dtype, []));

/** The element before each one in the order of the fold; `value` before the first. */
function previous(x: Tensor, value: number, { axis, reverse }: CumulativeParams): Tensor {
  if (x.shape[axis] === 0) return x;
  const by = (n: number) => x.shape.map((_, i) => (i === axis ? n : 0));
  const step = reverse ? -1 : 1;
  return pad(x, literal(value, aval(x.dtype, [])), { low: by(step), high: by(-step), interior: by(0) });
}

const cumsumOp: OpaqueOp = cumulative("cumsum", {
  takes: numbers,
  operands: 1,
  row(out, [x], begin, step, n, dtype) {
    let sum = firstState("cumsum", dtype);
    for (let i = 0, at = begin; i < n; i++, at += step) {
      sum = dtype === "f32" ? sum + x![at]! : (sum + x![at]!) | 0;
      out[at] = sum;
    }
  },
  jvp: ([dx], _operands, _results, params) => [bindOne(cumsumOp, [dx!], params)],
  transpose: ([ct], _operands, _types, params) => [bindOne(cumsumOp, [ct!], turned(params))],
  domain: [0.5, 1.5],
  ulp: 64,
  long: [3001],
});

const turned = (params: Params): CumulativeParams => {
  const { axis, reverse } = params as CumulativeParams;
  return { axis, reverse: !reverse };
};

const recurrenceOp: OpaqueOp = cumulative("recurrence", {
  takes: ["f32"],
  operands: 2,
  row(out, [a, b], begin, step, n) {
    let y = 0;
    for (let i = 0, at = begin; i < n; i++, at += step) {
      y = i === 0 ? b![at]! : a![at]! * y + b![at]!;
      out[at] = y;
    }
  },
  jvp([da, db], [a], [y], params) {
    const p = params as CumulativeParams;
    return [bindOne(recurrenceOp, [a!, sumOf([db, da && mul(da, previous(y!, 0, p))])!], p)];
  },
  transpose([ct], [a], _types, params) {
    // λᵢ = ctᵢ + aᵢ₊₁ λᵢ₊₁
    const back = turned(params);
    return [undefined, bindOne(recurrenceOp, [previous(a as Tensor, 0, back), ct!], back)];
  },
  domain: [0.5, 1],
  ulp: 64,
  long: [3001],
});

const cumprodOp: OpaqueOp = cumulative("cumprod", {
  takes: numbers,
  operands: 1,
  row(out, [x], begin, step, n, dtype) {
    let product = firstState("cumprod", dtype);
    for (let i = 0, at = begin; i < n; i++, at += step) {
      product = dtype === "f32" ? product * x![at]! : Math.imul(product, x![at]!);
      out[at] = product;
    }
  },
  // dyᵢ = xᵢ dyᵢ₋₁ + dxᵢ yᵢ₋₁: no division, so zeros are no trouble
  jvp([dx], [x], [y], params) {
    const p = params as CumulativeParams;
    return [bindOne(recurrenceOp, [x!, mul(dx!, previous(y!, 1, p))], p)];
  },
  domain: [0.9, 1.1],
  ulp: 1024, // one rounding per factor
  long: [300],
});

/** The extreme element so far; of equal ones the first has the gradient. */
function extreme(name: "cummax" | "cummin", better: (x: number, y: number) => number): OpaqueOp {
  return cumulative(name, {
    takes: numbers,
    operands: 1,
    row(out, [x], begin, step, n, dtype) {
      let best = firstState(name, dtype);
      for (let i = 0, at = begin; i < n; i++, at += step) {
        best = better(best, x![at]!);
        out[at] = best;
      }
    },
    jvp: ([dx], _operands, [y], params) => {
      const p = params as CumulativeParams;
      return [takeAlong(dx!, sinceWhen(y!, p), p.axis)];
    },
    ulp: 0,
    long: [300],
  });
}

/** Where each value of a running extreme appeared. */
function sinceWhen(y: Tensor, { axis, reverse }: CumulativeParams): Tensor {
  const n = y.shape[axis]!;
  const first = fill(literal(reverse ? Math.max(0, n - 1) : 0, aval("i32", [])), y.shape);
  const isNew = ne(y, previous(y, 0, { axis, reverse }));
  const since = select(isNew, iota("i32", y.shape, axis), first);
  return bindOne(reverse ? cumminOp : cummaxOp, [since], { axis, reverse });
}

const cummaxOp: OpaqueOp = extreme("cummax", Math.max);
const cumminOp: OpaqueOp = extreme("cummin", Math.min);

/** y₀ = x₀, yᵢ = yᵢ₋₁ + xᵢ along `axis`, in reverse from the end. */
export const cumsum = (x: Operand, axis: number, reverse = false): Tensor => bindOne(cumsumOp, [x], { axis, reverse });

/** y₀ = x₀, yᵢ = yᵢ₋₁ · xᵢ. */
export const cumprod = (x: Operand, axis: number, reverse = false): Tensor =>
  bindOne(cumprodOp, [x], { axis, reverse });

/** The largest element so far; NaN from the first one on. */
export const cummax = (x: Operand, axis: number, reverse = false): Tensor => bindOne(cummaxOp, [x], { axis, reverse });

/** The smallest element so far; NaN from the first one on. */
export const cummin = (x: Operand, axis: number, reverse = false): Tensor => bindOne(cumminOp, [x], { axis, reverse });

/** y₀ = b₀, yᵢ = aᵢ · yᵢ₋₁ + bᵢ; a₀ is not looked at. */
export const recurrence = (a: Operand, b: Operand, axis: number, reverse = false): Tensor =>
  bindOne(recurrenceOp, [a, b], { axis, reverse });

/** log Σ exp of the elements so far, without overflow: sums are kept as multiples of exp of the largest element so far. */
export function cumlogsumexp(x: Tensor, axis: number, reverse = false): Tensor {
  const most = cummax(x, axis, reverse);
  const none = fill(zero("f32"), x.shape);
  // beside an infinite largest element, exp(x - most) would be NaN
  const scale = select(lt(abs(most), literal(Infinity, aval("f32", []))), most, none);
  // before the first element there is nothing: −∞, so that this is 0, and no tangent of it is 0 · ∞
  const kept = exp(sub(previous(scale, -Infinity, { axis, reverse }), scale));
  return add(scale, log(recurrence(kept, exp(sub(x, scale)), axis, reverse)));
}
