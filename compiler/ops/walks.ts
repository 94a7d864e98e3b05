// How a convolution walks through its operands: as a matrix product for the device, and in loops on the CPU.
import type { Aval } from "../core/aval.js";
import { allocate, type TypedArray } from "../core/dtype.js";
import type { NDArray } from "../core/ndarray.js";
import { type Shape, sizeOf, stridesOf } from "../core/shape.js";
import type { Gemm, Place } from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { padArray } from "./slicing.js";
import { windowCount } from "./window.js";

/** Axes of x, and the axes of w they go with. */
export type AxisPairs = readonly [xAxes: readonly number[], wAxes: readonly number[]];

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
  /** Zeros before and behind x, per window axis; negative ones cut off. */
  readonly padding: readonly (readonly [low: number, high: number])[];
  /** Steps at which the elements of x stand, zeros between them, per window axis. Padding comes around these. */
  readonly base: readonly number[];
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

/** All walks there are. A coordinate in x, padding counted in, is the sum of those along its axis. */
export interface Layout {
  /** Axes of the result, in its order. */
  readonly result: readonly Walk[];
  /** Summed over, in the order in which w has them. */
  readonly summed: readonly Walk[];
}

export type Shaped = Pick<Aval, "shape">;

/** Axes that are not among the taken ones. */
export function freeAxes({ shape }: Shaped, ...taken: readonly (readonly number[])[]): number[] {
  return shape.map((_, axis) => axis).filter((axis) => !taken.some((axes) => axes.includes(axis)));
}

/** Size of `n` elements that stand `by` apart. */
export const dilated = (n: number, by: number): number => (n === 0 ? 0 : (n - 1) * by + 1);

/** Size of axis `window[0][i]` of x with what stands between and around its elements. */
function paddedSize(x: Shaped, { window, padding, base }: ConvDims, i: number): number {
  const [low, high] = padding[i]!;
  return low + dilated(x.shape[window[0][i]!]!, base[i]!) + high;
}

export function layoutOf(x: Shaped, w: Shaped, dims: ConvDims): Layout {
  const { batch, contract, window, stride, dilation, order } = dims;
  const paired = ([xAxes, wAxes]: AxisPairs): Walk[] =>
    xAxes.map((axis, i) => ({ kind: "both", size: x.shape[axis]!, x: axis, step: 1, w: wAxes[i]! }));
  const freeX = freeAxes(x, batch[0], contract[0], window[0]);
  const freeW = freeAxes(w, batch[1], contract[1], window[1]);
  const windows = window[0].map((axis, i) => ({
    x: axis,
    n: paddedSize(x, dims, i),
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
      const count = windowCount(at.n, at.size, at.stride, at.dilation);
      return { kind: "position", size: count, x: at.x, step: at.stride };
    }),
  ];
  const inside = windows.map((at): Walk => ({ kind: "both", size: at.size, x: at.x, step: at.dilation, w: at.w }));
  return {
    result: order.map((axis) => canonical[axis]!),
    summed: [...paired(contract), ...inside].sort((a, b) => a.w! - b.w!),
  };
}

export const sizes = (walks: readonly Walk[]): number[] => walks.map(({ size }) => size);

/** Positions along the windows from which a matrix product of its own per example fills its tiles. */
const MANY_POSITIONS = 256;

/**
 * Windows are read where they lie. Rows of the product are the free axes of w, whose elements for one row lie side by
 * side; columns are positions, which lie side by side in x and in the result.
 */
export function gemm(x: Aval, w: Aval, dims: ConvDims): Gemm {
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

  const along = (b: ScalarBuilder, group: readonly number[], offset: Scalar): readonly Step[] =>
    stepsAlong(
      b,
      group.map((axis) => result[axis]!),
      offset,
    );
  return {
    batch: sizeOf(sizesAt(batch)),
    m: sizeOf(sizesAt(m)),
    n: sizeOf(sizesAt(n)),
    k: sizeOf(sizes(summed)),
    swapped: true,
    left: (b, i, row, k) => inW(b, w, [...along(b, batch, i), ...along(b, m, row), ...stepsAlong(b, summed, k)]),
    right: (b, i, k, col) => inX(b, x, dims, [...along(b, batch, i), ...along(b, n, col), ...stepsAlong(b, summed, k)]),
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

/** How far along a walk. */
type Step = readonly [Walk, Scalar];

/** Steps along `walks` for a row-major offset. */
const stepsAlong = (b: ScalarBuilder, walks: readonly Walk[], offset: Scalar): readonly Step[] =>
  Position.atLinear(b, sizes(walks), offset).coords.map((coord, i) => [walks[i]!, coord]);

function inX(b: ScalarBuilder, x: Aval, { window, padding, base }: ConvDims, steps: readonly Step[]): Place {
  let inside = b.bool(true);
  const coords = x.shape.map((n, axis): Scalar => {
    const sum = steps.reduce(
      (sum, [walk, coord]) => (walk.x === axis ? b.add(sum, b.mul(coord, b.u32(walk.step!))) : sum),
      b.u32(0),
    );
    const i = window[0].indexOf(axis);
    if (i < 0) return sum;
    const [[low, high], by] = [padding[i]!, base[i]!];
    // before the first element the difference wraps around and is far behind the last one
    const from = b.sub(sum, b.const(low >>> 0, "u32"));
    if (low > 0 || high > 0) inside = b.and(inside, b.lt(from, b.u32(dilated(n, by))));
    if (by > 1) inside = b.and(inside, b.eq(b.rem(from, b.u32(by)), b.u32(0)));
    return low > 0 || high > 0 ? b.min(b.div(from, b.u32(by)), b.u32(n - 1)) : b.div(from, b.u32(by));
  });
  return { at: Position.at(b, x.shape, coords), inside };
}

function inW(b: ScalarBuilder, w: Aval, steps: readonly Step[]): Place {
  const coords = w.shape.map((_, axis) => steps.find(([walk]) => walk.w === axis)![1]);
  return { at: Position.at(b, w.shape, coords) };
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

/** x with what stands between and around its elements. */
function paddedArray(x: NDArray, { window, padding, base }: ConvDims, wide: boolean): NDArray {
  const isPlain = base.every((by) => by === 1) && padding.every(([low, high]) => low === 0 && high === 0);
  if (isPlain) return x;
  const along = (of: (i: number) => number): number[] =>
    x.shape.map((_, axis) => (window[0].includes(axis) ? of(window[0].indexOf(axis)) : 0));
  const low = along((i) => padding[i]![0]);
  const high = along((i) => padding[i]![1]);
  return padArray(x, 0, { low, high, interior: along((i) => base[i]! - 1) }, wide);
}

/**
 * out = Σ x · w. Every offset is a sum of one for the batch, one for the row or column, and one for the term: blocks of
 * x are gathered once, and all rows of w go over them while they are in cache.
 */
export function convolve(out: TypedArray, shape: Shape, given: NDArray, w: NDArray, dims: ConvDims): void {
  const { result, summed } = layoutOf(given, w, dims);
  const x = paddedArray(given, dims, out instanceof Float64Array);
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
  sums: TypedArray,
  at: number,
  panel: TypedArray,
  w: TypedArray,
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
