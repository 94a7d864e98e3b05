// Convolution: a contraction in which some axes of one operand are windows that slide along axes of the other.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate, type DType } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import { showShape, sizeOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import { type ContractionOp, register, type Sample, shaped } from "../ir/op.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { fill, flip } from "./axes.js";
import { bindOne } from "./define.js";
import {
  type AxisPairs,
  type ConvDims,
  convolve,
  dilated,
  freeAxes,
  gemm,
  layoutOf,
  type Shaped,
  sizes,
} from "./walks.js";

function convAval(x: Aval, w: Aval, dims: ConvDims): Aval {
  if (x.dtype !== w.dtype)
    throw new DTypeError(`conv: operands have dtypes ${x.dtype} and ${w.dtype}\n  cast one of them with astype()`);
  if (x.dtype === "bool") throw new DTypeError("conv: does not take bool, only f32, i32, u32\n  cast with astype()");
  const pairs = [dims.batch, dims.contract, dims.window];
  for (const [side, operand] of [x, w].entries()) {
    const axes = pairs.flatMap((pair) => pair[side]!);
    const isAxis = axes.every((axis, i) => axis >= 0 && axis < operand.shape.length && axes.indexOf(axis) === i);
    if (!isAxis) throw new ShapeError(`conv: ${showShape(axes)} are no axes of ${showAval(operand)} to pair`);
  }
  for (const [what, [xAxes, wAxes]] of [
    ["batch", dims.batch],
    ["contracted", dims.contract],
  ] as const) {
    xAxes.forEach((axis, i) => {
      const [n, m] = [x.shape[axis], w.shape[wAxes[i]!]];
      if (n !== m)
        throw new ShapeError(
          `conv: ${what} sizes differ, ${n} and ${m}\n  x ${showAval(x)} axis ${axis}\n  w ${showAval(w)} axis ${wAxes[i]}`,
        );
    });
  }
  dims.window[1].forEach((axis, i) => {
    if (w.shape[axis] === 0) throw new ShapeError(`conv: the window, axis ${axis} of ${showAval(w)}, is empty`);
    const steps = [dims.stride[i]!, dims.dilation[i]!, dims.base[i]!];
    if (!steps.every((step) => Number.isInteger(step) && step >= 1) || !dims.padding[i]!.every(Number.isInteger))
      throw new ShapeError(
        `conv: window ${i} has stride, dilation and base ${steps} and padding ${dims.padding[i]}, but whole numbers are wanted, steps ≥ 1`,
      );
  });
  const { order } = dims;
  const rank = x.shape.length + w.shape.length - pairs.reduce((n, pair) => n + pair[0].length, 0);
  const isOrder = order.length === rank - dims.contract[0].length && order.every((axis) => order.includes(axis));
  if (!isOrder || new Set(order).size !== order.length)
    throw new ShapeError(`conv: ${showShape(order)} is no order of the axes of the result`);
  return aval(x.dtype, sizes(layoutOf(x, w, dims).result));
}

const convOp = register<ContractionOp>({
  name: "conv",
  kind: "contraction",
  typeOf: ([x, w], params) => [convAval(x!, w!, params as ConvDims)],
  gemm: (x, w, params) => gemm(x, w, params as ConvDims),
  cpu([x, w], params, { wide }, output) {
    const data = allocate(output.dtype, sizeOf(output.shape), wide);
    convolve(data, output.shape, x, w, params as ConvDims);
    return { dtype: output.dtype, shape: output.shape, data };
  },
  batch([x, w], params) {
    // the lanes are one more axis of what has them, and the first axis of the result
    const dims = params as ConvDims;
    const bump = (side: 0 | 1, arg: typeof x): Pick<ConvDims, "batch" | "contract" | "window"> => {
      const bumped = (pairs: AxisPairs): AxisPairs => {
        const axes = pairs[side].map((axis) => (arg!.axis === null || axis < arg!.axis ? axis : axis + 1));
        return side === 0 ? [axes, pairs[1]] : [pairs[0], axes];
      };
      return { batch: bumped(dims.batch), contract: bumped(dims.contract), window: bumped(dims.window) };
    };
    const [ofX, ofW] = [bump(0, x), bump(1, w)];
    const both = (key: "batch" | "contract" | "window"): AxisPairs => [ofX[key][0], ofW[key][1]];
    const pairs = { batch: both("batch"), contract: both("contract"), window: both("window") };
    const lanesAt = (at: number) => [at, ...dims.order.map((axis) => (axis < at ? axis : axis + 1))];
    const conv = (more: Partial<ConvDims>) => convGeneral(x!.value, w!.value, { ...dims, ...pairs, ...more });
    if (x!.axis !== null && w!.axis !== null) {
      const batch: AxisPairs = [
        [x!.axis, ...pairs.batch[0]],
        [w!.axis, ...pairs.batch[1]],
      ];
      return { value: conv({ batch, order: lanesAt(0) }), axis: 0 };
    }
    const side = x!.axis !== null ? 0 : 1;
    const freeOf = (k: 0 | 1) => freeAxes([x!, w!][k]!.value.aval, pairs.batch[k], pairs.contract[k], pairs.window[k]);
    const own = freeOf(side).indexOf([x!, w!][side]!.axis!);
    const before = dims.batch[0].length + (side === 1 ? freeOf(0).length : 0);
    return { value: conv({ order: lanesAt(before + own) }), axis: 0 };
  },
  transpose(ct, [x, w], [xType, wType], params) {
    const dims = params as ConvDims;
    return w
      ? [transposeX(ct, w, xType!, wType!, dims), undefined]
      : [undefined, transposeW(ct, x!, xType!, wType!, dims)];
  },
  samples: [
    ...(
      [
        // [N, C, n] with [O, C, w]
        { x: [2, 3, 9], w: [4, 3, 3], ...ncl(1) },
        { x: [1, 2, 11], w: [3, 2, 3], ...ncl(1), stride: [2], dilation: [3] },
        { x: [2, 2, 8], w: [1, 2, 1], ...ncl(1), stride: [3] },
        { x: [2, 3, 4], w: [2, 3, 5], ...ncl(1) },
        { x: [1, 2, 6], w: [3, 2, 3], ...ncl(1), padding: [[2, 1]], stride: [2] },
        { x: [1, 2, 6], w: [3, 2, 3], ...ncl(1), padding: [[-1, 3]], base: [3], stride: [2], dilation: [2] },
        { x: [1, 2, 6], w: [3, 2, 2], ...ncl(1), padding: [[-2, -1]], base: [2] },
        { x: [2, 2, 0], w: [3, 2, 2], ...ncl(1), padding: [[2, 1]] },
        { x: [0, 3, 5], w: [2, 3, 2], ...ncl(1) },
        { x: [2, 0, 5], w: [2, 0, 2], ...ncl(1) },
        { x: [2, 3, 6, 7], w: [2, 3, 2, 3], ...ncl(2), stride: [2, 1], dilation: [1, 2] },
        // groups: [N, G, C, n] with [G, O, C, w] to [N, G, O, n]
        {
          x: [2, 3, 2, 6],
          w: [3, 2, 2, 2],
          ...pairs([[1], [0]], [[2], [2]], [[3], [3]]),
          stride: [2],
          order: [1, 0, 2, 3],
        },
        // channels last, and the window in front
        { x: [2, 7, 3], w: [3, 3, 4], ...pairs([[], []], [[2], [1]], [[1], [0]]), order: [0, 2, 1] },
        // no window, and nothing summed over
        { x: [3, 4], w: [4, 2], ...pairs([[], []], [[1], [0]], [[], []]), order: [1, 0] },
        { x: [5], w: [2], ...pairs([[], []], [[], []], [[0], [0]]), order: [0] },
      ] satisfies SampleSizes[]
    ).flatMap((call) => (["f32", "i32", "u32"] as const).map((dtype) => sampleOf(dtype, call))),
    // tiles: per example, and for all of them together
    sampleOf("f32", { x: [2, 3, 18, 18], w: [17, 3, 3, 3], ...ncl(2) }),
    sampleOf("f32", {
      x: [2, 3, 9, 8],
      w: [16, 3, 3, 3],
      ...ncl(2),
      padding: [
        [1, 2],
        [0, -1],
      ],
      base: [2, 1],
    }),
    sampleOf("f32", { x: [5, 3, 7, 6], w: [18, 3, 3, 3], ...ncl(2), order: [1, 0, 2, 3] }),
  ],
  ulp: 16,
});

interface SampleSizes extends ConvDims {
  readonly x: readonly number[];
  readonly w: readonly number[];
}

function sampleOf(dtype: DType, { x, w, ...params }: SampleSizes): Sample {
  return {
    inputs: [shaped(dtype, ...x), shaped(dtype, ...w)],
    params,
    ...(dtype === "f32" ? { domain: [[0.1, 2] as const, [0.1, 2] as const] } : {}),
  };
}

function pairs(batch: AxisPairs, contract: AxisPairs, window: AxisPairs): Omit<ConvDims, "order"> {
  const ones = window[0].map(() => 1);
  const padding = window[0].map(() => [0, 0] as const);
  return { batch, contract, window, stride: ones, dilation: ones, padding, base: ones };
}

/** [N, C, ...n] with [O, C, ...window]. */
function ncl(rank: number): ConvDims {
  const spatial = Array.from({ length: rank }, (_, i) => i + 2);
  return { ...pairs([[], []], [[1], [1]], [spatial, spatial]), order: [0, 1, ...spatial] };
}

/**
 * Σ over the contracted axes and the window of x · w: a product of arrays in which windows of x stand for axes of w.
 * Positions of a window of size w along n elements, padding and zeros between them counted in, are
 * ⌊(n − (w − 1) · dilation − 1) / stride⌋ + 1, none where it does not fit. Throws `ShapeError` when paired sizes differ
 * or a window is empty.
 */
export const convGeneral = (x: Operand, w: Operand, params: ConvDims): Tensor => bindOne(convOp, [x, w], params);

/** The axis of the result that runs along each axis of x and of w; −1 where none does. */
function resultAxes(x: Shaped, w: Shaped, dims: ConvDims) {
  const { result } = layoutOf(x, w, dims);
  return {
    ofX: x.shape.map((_, axis) => result.findIndex((walk) => walk.x === axis)),
    ofW: w.shape.map((_, axis) => result.findIndex((walk) => walk.w === axis)),
  };
}

/** The order that brings a result with the axes `got` of an array, all of them, to that array's. */
const backTo = (got: readonly number[]): number[] => got.map((_, axis) => got.indexOf(axis));

/** Cotangent of x: ct, spread by the stride, under the window turned round. */
function transposeX(ct: Tensor, w: Operand, x: Aval, wType: Aval, dims: ConvDims): Tensor {
  const { batch, contract, window, stride, dilation, padding, base } = dims;
  const { ofX, ofW } = resultAxes(x, wType, dims);
  const turned = window[1].filter((axis) => wType.shape[axis]! > 1);
  const freeX = freeAxes(x, batch[0], contract[0], window[0]).sort((a, b) => ofX[a]! - ofX[b]!);
  const freeW = freeAxes(wType, batch[1], contract[1], window[1]);
  const contracted = contract[1].map((_, i) => i).sort((i, j) => contract[1][i]! - contract[1][j]!);
  return convGeneral(ct, turned.length > 0 ? flip(w, turned) : w, {
    batch: [batch[0].map((axis) => ofX[axis]!), batch[1]],
    contract: [freeW.map((axis) => ofW[axis]!), freeW],
    window: [window[0].map((axis) => ofX[axis]!), window[1]],
    stride: base,
    dilation,
    // as many positions as x has elements
    padding: window[0].map((axis, i) => {
      const reach = (wType.shape[window[1][i]!]! - 1) * dilation[i]!;
      const low = reach - padding[i]![0];
      return [low, dilated(x.shape[axis]!, base[i]!) + reach - dilated(ct.shape[ofX[axis]!]!, stride[i]!) - low];
    }),
    base: stride,
    order: backTo([...batch[0], ...freeX, ...contracted.map((i) => contract[0][i]!), ...window[0]]),
  });
}

/** Cotangent of w: x under ct as the window, with stride and dilation exchanged. */
function transposeW(ct: Tensor, x: Operand, xType: Aval, w: Aval, dims: ConvDims): Tensor {
  const { batch, contract, window, stride, dilation, padding, base } = dims;
  const { ofX, ofW } = resultAxes(xType, w, dims);
  const counts = window[0].map((axis) => ct.shape[ofX[axis]!]!);
  if (counts.includes(0)) return fill(literal(0, aval("f32", [])), w.shape);
  const freeX = freeAxes(xType, batch[0], contract[0], window[0]);
  const freeW = freeAxes(w, batch[1], contract[1], window[1]).sort((a, b) => ofW[a]! - ofW[b]!);
  const contracted = contract[0].map((_, i) => i).sort((i, j) => contract[0][i]! - contract[0][j]!);
  return convGeneral(x, ct, {
    batch: [batch[0], batch[0].map((axis) => ofX[axis]!)],
    contract: [freeX, freeX.map((axis) => ofX[axis]!)],
    window: [window[0], window[0].map((axis) => ofX[axis]!)],
    stride: dilation,
    dilation: stride,
    // as many positions as the window has elements
    padding: window[0].map((axis, i) => {
      const [low] = padding[i]!;
      const reached = (counts[i]! - 1) * stride[i]! + (w.shape[window[1][i]!]! - 1) * dilation[i]! + 1;
      return [low, reached - dilated(xType.shape[axis]!, base[i]!) - low];
    }),
    base,
    order: backTo([...batch[1], ...contracted.map((i) => contract[1][i]!), ...freeW, ...window[1]]),
  });
}
