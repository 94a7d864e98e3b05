// Convolution: a contraction in which some axes of one operand are windows that slide along axes of the other.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate, type ShapedArray } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import { type Shape, showShape, sizeOf, stridesOf } from "../core/shape.js";
import { literal } from "../ir/graph.js";
import { type ContractionOp, type Gemm, register, shaped } from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { fill, flip } from "./axes.js";
import { bindOne } from "./define.js";
import { pad, slice } from "./slicing.js";
import { windowCount } from "./window.js";

type AxisPairs = readonly [xAxes: readonly number[], wAxes: readonly number[]];

/** How the axes of x and w are paired. An axis in no pair is free: the result has it too. */
export interface ConvDims {
  /** Kept, in step. */
  readonly batch: AxisPairs;
  /** Summed over. */
  readonly contract: AxisPairs;
  /** An axis of x and the axis of w that slides along it as a window; the result has its positions. */
  readonly window: AxisPairs;
  /** Steps from window to window, per window axis. */
  readonly stride: readonly number[];
  /** Steps from element to element of a window, per window axis. */
  readonly dilation: readonly number[];
  /** Axis i of the result is axis `order[i]` of [batch, free axes of x, free axes of w, positions]. */
  readonly order: readonly number[];
}

/**
 * An axis of the result, or one that is summed over: of both operands, of one alone, or the positions of a window. One
 * step along it is `step` steps in x and one in w.
 */
interface Walk {
  readonly kind: "both" | "x" | "w" | "position";
  readonly size: number;
  readonly x?: number;
  readonly step?: number;
  readonly w?: number;
}

/** All walks there are. A coordinate in x is the sum of those along its axis. */
interface Layout {
  /** Axes of the result, in its order. */
  readonly result: readonly Walk[];
  /** Summed over, in the order in which w has them. */
  readonly summed: readonly Walk[];
}

type Shaped = Pick<Aval, "shape">;

function freeAxes({ shape }: Shaped, ...taken: readonly (readonly number[])[]): number[] {
  return shape.map((_, axis) => axis).filter((axis) => !taken.some((axes) => axes.includes(axis)));
}

function layoutOf(x: Shaped, w: Shaped, { batch, contract, window, stride, dilation, order }: ConvDims): Layout {
  const paired = ([xAxes, wAxes]: AxisPairs): Walk[] =>
    xAxes.map((axis, i) => ({ kind: "both", size: x.shape[axis]!, x: axis, step: 1, w: wAxes[i]! }));
  const freeX = freeAxes(x, batch[0], contract[0], window[0]);
  const freeW = freeAxes(w, batch[1], contract[1], window[1]);
  const windows = window[0].map((axis, i) => ({
    x: axis,
    w: window[1][i]!,
    size: w.shape[window[1][i]!]!,
    stride: stride[i]!,
    dilation: dilation[i]!,
  }));
  const canonical: Walk[] = [
    ...paired(batch),
    ...freeX.map((axis): Walk => ({ kind: "x", size: x.shape[axis]!, x: axis, step: 1 })),
    ...freeW.map((axis): Walk => ({ kind: "w", size: w.shape[axis]!, w: axis })),
    ...windows.map((at): Walk => {
      const count = windowCount(x.shape[at.x]!, at.size, at.stride, at.dilation);
      return { kind: "position", size: count, x: at.x, step: at.stride };
    }),
  ];
  const inside = windows.map((at): Walk => ({ kind: "both", size: at.size, x: at.x, step: at.dilation, w: at.w }));
  return {
    result: order.map((axis) => canonical[axis]!),
    summed: [...paired(contract), ...inside].sort((a, b) => a.w! - b.w!),
  };
}

const sizes = (walks: readonly Walk[]): number[] => walks.map(({ size }) => size);

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
    const [stride, dilation] = [dims.stride[i]!, dims.dilation[i]!];
    if (![stride, dilation].every((step) => Number.isInteger(step) && step >= 1))
      throw new ShapeError(`conv: stride ${stride} and dilation ${dilation} of window ${i} are not whole and ≥ 1`);
  });
  const { order } = dims;
  const rank = x.shape.length + w.shape.length - pairs.reduce((n, pair) => n + pair[0].length, 0);
  const isOrder = order.length === rank - dims.contract[0].length && order.every((axis) => order.includes(axis));
  if (!isOrder || new Set(order).size !== order.length)
    throw new ShapeError(`conv: ${showShape(order)} is no order of the axes of the result`);
  return aval(x.dtype, sizes(layoutOf(x, w, dims).result));
}

/** Positions along the windows from which a matrix product of its own per example fills its tiles. */
const MANY_POSITIONS = 256;

/**
 * Windows are read where they lie. Rows of the product are the free axes of w, whose elements for one row lie side by
 * side; columns are positions, which lie side by side in x and in the result.
 */
function gemm(x: Aval, w: Aval, dims: ConvDims): Gemm {
  const { result, summed } = layoutOf(x, w, dims);
  const ofKind = (...kinds: readonly Walk["kind"][]): number[] =>
    result.flatMap(({ kind }, axis) => (kinds.includes(kind) ? [axis] : []));
  const perExample = sizeOf(sizes(result.filter(({ kind }) => kind === "position"))) >= MANY_POSITIONS;
  const batch = perExample ? ofKind("both", "x") : ofKind("both");
  const m = ofKind("w");
  const n = perExample ? ofKind("position") : ofKind("x", "position");
  const groups = [batch, m, n];
  const shape = sizes(result);
  const sizesAt = (group: readonly number[]): number[] => group.map((axis) => shape[axis]!);
  const inOrder = groups.flat().every((axis, i) => axis === i);

  /** Steps along the axes of `group` for an offset into it. */
  const along = (b: ScalarBuilder, group: readonly number[], offset: Scalar): readonly Step[] =>
    Position.atLinear(b, sizesAt(group), offset).coords.map((coord, i) => [result[group[i]!]!, coord]);
  const inside = (b: ScalarBuilder, k: Scalar): readonly Step[] =>
    Position.atLinear(b, sizes(summed), k).coords.map((coord, i) => [summed[i]!, coord]);
  return {
    batch: sizeOf(sizesAt(batch)),
    m: sizeOf(sizesAt(m)),
    n: sizeOf(sizesAt(n)),
    k: sizeOf(sizes(summed)),
    swapped: true,
    left: (b, i, row, k) => wPosition(b, w, [...along(b, batch, i), ...along(b, m, row), ...inside(b, k)]),
    right: (b, i, k, col) => xPosition(b, x, [...along(b, batch, i), ...along(b, n, col), ...inside(b, k)]),
    ...(inOrder
      ? {}
      : {
          result: {
            at(b, ...offsets) {
              const coords = new Array<Scalar>(shape.length);
              groups.forEach((group, g) => {
                const own = Position.atLinear(b, sizesAt(group), offsets[g]!).coords;
                group.forEach((axis, i) => {
                  coords[axis] = own[i]!;
                });
              });
              return Position.at(b, shape, coords);
            },
            of(b, { coords }) {
              const offset = (group: readonly number[]): Scalar =>
                Position.at(
                  b,
                  sizesAt(group),
                  group.map((axis) => coords[axis]!),
                ).linear;
              return [offset(batch), offset(m), offset(n)];
            },
          },
        }),
  };
}

type Step = readonly [Walk, Scalar];

function xPosition(b: ScalarBuilder, x: Aval, steps: readonly Step[]): Position {
  const coords = x.shape.map((_, axis) =>
    steps.reduce(
      (sum, [walk, coord]) => (walk.x === axis ? b.add(sum, b.mul(coord, b.u32(walk.step!))) : sum),
      b.u32(0),
    ),
  );
  return Position.at(b, x.shape, coords);
}

function wPosition(b: ScalarBuilder, w: Aval, steps: readonly Step[]): Position {
  const coords = w.shape.map((_, axis) => steps.find(([walk]) => walk.w === axis)![1]);
  return Position.at(b, w.shape, coords);
}

const zeros = (shape: Shape): Tensor => fill(literal(0, aval("f32", [])), shape);

const convOp = register<ContractionOp>({
  name: "conv",
  kind: "contraction",
  typeOf: ([x, w], params) => [convAval(x!, w!, params as ConvDims)],
  gemm: (x, w, params) => gemm(x, w, params as ConvDims),
  cpu([x, w], params, { wide }, output) {
    const data = allocate(output.dtype, sizeOf(output.shape), wide);
    convolve(data, output.shape, x, w, layoutOf(x, w, params as ConvDims));
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
    // [N, C, n] with [O, C, w]
    { x: [2, 3, 9], w: [4, 3, 3], ...ncl(1) },
    { x: [1, 2, 11], w: [3, 2, 3], ...ncl(1), stride: [2], dilation: [3] },
    { x: [2, 2, 8], w: [1, 2, 1], ...ncl(1), stride: [3] },
    { x: [2, 3, 4], w: [2, 3, 5], ...ncl(1) },
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
    // tiles: per example, and for all of them together
    { x: [2, 3, 18, 18], w: [17, 3, 3, 3], ...ncl(2) },
    { x: [5, 3, 7, 6], w: [18, 3, 3, 3], ...ncl(2), order: [1, 0, 2, 3] },
  ].flatMap(({ x, w, ...params }) =>
    (["f32", "i32", "u32"] as const).map((dtype) => ({
      inputs: [shaped(dtype, ...x), shaped(dtype, ...w)],
      params,
      ...(dtype === "f32" ? { domain: [[0.1, 2] as const, [0.1, 2] as const] } : {}),
    })),
  ),
  ulp: 16,
});

function pairs(batch: AxisPairs, contract: AxisPairs, window: AxisPairs): Omit<ConvDims, "order"> {
  const ones = window[0].map(() => 1);
  return { batch, contract, window, stride: ones, dilation: ones };
}

/** [N, C, ...n] with [O, C, ...window]. */
function ncl(rank: number): ConvDims {
  const spatial = Array.from({ length: rank }, (_, i) => i + 2);
  return { ...pairs([[], []], [[1], [1]], [spatial, spatial]), order: [0, 1, ...spatial] };
}

/**
 * Σ over the contracted axes and the window of x · w: a product of arrays in which windows of x stand for axes of w.
 * Positions of a window of size w along n elements are ⌊(n − (w − 1) · dilation − 1) / stride⌋ + 1, none where it does
 * not fit. Padding and base dilation are a `pad` of x. Throws `ShapeError` when paired sizes differ or a window is empty.
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
  const { batch, contract, window, stride, dilation } = dims;
  const { ofX, ofW } = resultAxes(x, wType, dims);
  const none = ct.shape.map(() => 0);
  const [low, high, interior] = [[...none], [...none], [...none]];
  window[0].forEach((axis, i) => {
    const at = ofX[axis]!;
    const count = ct.shape[at]!;
    low[at] = (wType.shape[window[1][i]!]! - 1) * dilation[i]!;
    high[at] = x.shape[axis]! - (count === 0 ? 0 : (count - 1) * stride[i]! + 1);
    interior[at] = stride[i]! - 1;
  });
  const isPadded = [low, high, interior].some((list) => list.some((n) => n > 0));
  const spread = isPadded ? pad(ct, literal(0, aval("f32", [])), { low, high, interior }) : ct;
  const turned = window[1].filter((axis) => wType.shape[axis]! > 1);
  const freeX = freeAxes(x, batch[0], contract[0], window[0]).sort((a, b) => ofX[a]! - ofX[b]!);
  const freeW = freeAxes(wType, batch[1], contract[1], window[1]);
  const contracted = contract[1].map((_, i) => i).sort((i, j) => contract[1][i]! - contract[1][j]!);
  return convGeneral(spread, turned.length > 0 ? flip(w, turned) : w, {
    batch: [batch[0].map((axis) => ofX[axis]!), batch[1]],
    contract: [freeW.map((axis) => ofW[axis]!), freeW],
    window: [window[0].map((axis) => ofX[axis]!), window[1]],
    stride: stride.map(() => 1),
    dilation,
    order: backTo([...batch[0], ...freeX, ...contracted.map((i) => contract[0][i]!), ...window[0]]),
  });
}

/** Cotangent of w: x under ct as the window, with stride and dilation exchanged. */
function transposeW(ct: Tensor, x: Operand, xType: Aval, w: Aval, dims: ConvDims): Tensor {
  const { batch, contract, window, stride, dilation } = dims;
  const { ofX, ofW } = resultAxes(xType, w, dims);
  const counts = window[0].map((axis) => ct.shape[ofX[axis]!]!);
  if (counts.includes(0)) return zeros(w.shape);
  // what no window reaches would give ct a position more
  const stop = [...xType.shape];
  window[0].forEach((axis, i) => {
    stop[axis] = (counts[i]! - 1) * stride[i]! + (w.shape[window[1][i]!]! - 1) * dilation[i]! + 1;
  });
  const start = stop.map(() => 0);
  const isCut = stop.some((n, axis) => n < xType.shape[axis]!);
  const reached = isCut ? slice(x, { start, stop, step: stop.map(() => 1) }) : x;
  const freeX = freeAxes(xType, batch[0], contract[0], window[0]);
  const freeW = freeAxes(w, batch[1], contract[1], window[1]).sort((a, b) => ofW[a]! - ofW[b]!);
  const contracted = contract[0].map((_, i) => i).sort((i, j) => contract[0][i]! - contract[0][j]!);
  return convGeneral(reached, ct, {
    batch: [batch[0], batch[0].map((axis) => ofX[axis]!)],
    contract: [freeX, freeX.map((axis) => ofX[axis]!)],
    window: [window[0], window[0].map((axis) => ofX[axis]!)],
    stride: dilation,
    dilation: stride,
    order: backTo([...batch[1], ...contracted.map((i) => contract[1][i]!), ...freeW, ...window[1]]),
  });
}

const BLOCK_K = 64;
const BLOCK_N = 128;

/** Offsets of all steps along `walks`, row-major, in an array whose step along a walk is `step`. */
function offsets(walks: readonly Walk[], step: (walk: Walk, i: number) => number): Int32Array {
  let all = Int32Array.of(0);
  walks.forEach((walk, i) => {
    const next = new Int32Array(all.length * walk.size);
    const by = step(walk, i);
    all.forEach((offset, j) => {
      for (let k = 0; k < walk.size; k++) next[j * walk.size + k] = offset + k * by;
    });
    all = next;
  });
  return all;
}

/**
 * out = Σ x · w. Every offset is a sum of one for the batch, one for the row or column, and one for the term: blocks of
 * x are gathered once, and all rows of w go over them while they are in cache.
 */
function convolve(out: ShapedArray, shape: Shape, x: NDArray, w: NDArray, { result, summed }: Layout): void {
  const [ofX, ofW, ofOut] = [stridesOf(x.shape), stridesOf(w.shape), stridesOf(shape)];
  const inX = (walk: Walk): number => (walk.x === undefined ? 0 : ofX[walk.x]! * walk.step!);
  const inW = (walk: Walk): number => (walk.w === undefined ? 0 : ofW[walk.w]!);
  const part = (keep: (walk: Walk) => boolean) => {
    const own = result.filter(keep);
    const target = ofOut.filter((_, axis) => keep(result[axis]!));
    return { x: offsets(own, inX), w: offsets(own, inW), out: offsets(own, (_, i) => target[i]!) };
  };
  const batch = part(({ kind }) => kind === "both");
  const rows = part(({ kind }) => kind === "w");
  const columns = part(({ kind }) => kind === "x" || kind === "position");
  const terms = { x: offsets(summed, inX), w: offsets(summed, inW) };
  const block = x.dtype === "f32" ? multiplyFloats : multiplyIntegers;
  const panel = allocate(x.dtype, BLOCK_K * BLOCK_N, true);
  const [m, n, k] = [rows.out.length, columns.out.length, terms.x.length];
  const sums = allocate(x.dtype, m * BLOCK_N, true);
  for (let i = 0; i < batch.out.length; i++) {
    for (let left = 0; left < n; left += BLOCK_N) {
      const width = Math.min(BLOCK_N, n - left);
      sums.fill(0);
      for (let first = 0; first < k; first += BLOCK_K) {
        const depth = Math.min(BLOCK_K, k - first);
        for (let p = 0; p < depth; p++) {
          const from = batch.x[i]! + terms.x[first + p]!;
          for (let j = 0; j < width; j++) panel[p * BLOCK_N + j] = x.data[from + columns.x[left + j]!]!;
        }
        for (let r = 0; r < m; r++) {
          const at = batch.w[i]! + rows.w[r]!;
          block(sums, r * BLOCK_N, panel, w.data, at, terms.w, first, depth, width);
        }
      }
      for (let r = 0; r < m; r++) {
        const to = batch.out[i]! + rows.out[r]!;
        for (let j = 0; j < width; j++) out[to + columns.out[left + j]!] = sums[r * BLOCK_N + j]!;
      }
    }
  }
}

/** sums += Σ over `depth` rows of the panel, each times its element of w. */
type Block = (
  sums: ShapedArray,
  at: number,
  panel: ShapedArray,
  w: ShapedArray,
  wAt: number,
  terms: Int32Array,
  first: number,
  depth: number,
  width: number,
) => void;

const multiplyFloats: Block = (sums, at, panel, w, wAt, terms, first, depth, width) => {
  let p = 0;
  // four terms at a time: each sum is read and written once for them
  for (; p + 4 <= depth; p += 4) {
    const a = w[wAt + terms[first + p]!]!;
    const b = w[wAt + terms[first + p + 1]!]!;
    const c = w[wAt + terms[first + p + 2]!]!;
    const d = w[wAt + terms[first + p + 3]!]!;
    const row = p * BLOCK_N;
    for (let j = 0; j < width; j++) {
      const q = row + j;
      sums[at + j]! +=
        a * panel[q]! + b * panel[q + BLOCK_N]! + c * panel[q + 2 * BLOCK_N]! + d * panel[q + 3 * BLOCK_N]!;
    }
  }
  for (; p < depth; p++) {
    const a = w[wAt + terms[first + p]!]!;
    for (let j = 0; j < width; j++) sums[at + j]! += a * panel[p * BLOCK_N + j]!;
  }
};

const multiplyIntegers: Block = (sums, at, panel, w, wAt, terms, first, depth, width) => {
  for (let p = 0; p < depth; p++) {
    const a = w[wAt + terms[first + p]!]!;
    for (let j = 0; j < width; j++) sums[at + j] = (sums[at + j]! + Math.imul(a, panel[p * BLOCK_N + j]!)) | 0;
  }
};
