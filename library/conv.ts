// Convolution and its transpose, in 1, 2, 3 and more dimensions, channels first.
import { showAval } from "../compiler/core/aval.js";
import { ShapeError, ValueError } from "../compiler/core/errors.js";
import * as ops from "../compiler/ops/index.js";
import type { TensorLike } from "../compiler/trace/create.js";
import { hereText } from "../compiler/trace/here.js";
import type { Tensor } from "../compiler/trace/tensor.js";
import { promotedDType, toDType } from "./numpy/promote.js";
import { asTensor } from "./numpy/shape.js";
import { checkOptions, dilated, type Padding, type PerAxis, paddingPairs, perAxis } from "./sliding.js";

export interface ConvOptions {
  /** Steps from window to window; 1 unless given. */
  readonly strides?: PerAxis;
  /** "valid" unless given. */
  readonly padding?: Padding;
  /** Steps at which the elements of x stand, with zeros between them; 1 unless given. Padding comes around these. */
  readonly lhsDilation?: PerAxis;
  /** Steps between the elements of x under one window; 1 unless given. */
  readonly rhsDilation?: PerAxis;
  /** Groups of channels of x, each with its own share of the O filters; 1 unless given. */
  readonly groups?: number;
  /** Groups of the N examples, each with its own share of the O filters; 1 unless given. */
  readonly batchGroups?: number;
}

const options = ["strides", "padding", "lhsDilation", "rhsDilation", "groups", "batchGroups"];

const range = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);

/**
 * Windows of x times filters (a cross-correlation: filters are not turned round).
 *
 * w is [O, C / groups, ...window], and its rank says how many spatial axes there are; x is [N, C, ...spatial], or
 * [C, ...spatial] for one example. The result is [N, O, ...positions], or [O, ...positions]. With `batchGroups` it is
 * [N / batchGroups, O, ...positions].
 *
 * Throws `ShapeError` for ranks, channels, groups and windows that do not fit, `ValueError` for options that there are
 * not or that are no whole numbers.
 */
export function conv(x: TensorLike, w: TensorLike, given: ConvOptions = {}): Tensor {
  checkOptions("conv", given, options);
  return convolve("conv", x, w, given);
}

/** Both operands in one dtype that can be multiplied. */
function operandsOf(name: string, x: TensorLike, w: TensorLike): [Tensor, Tensor] {
  const both = [asTensor(x, name), asTensor(w, name)];
  const common = promotedDType(both);
  const [a, b] = both.map((v) => toDType(v, common === "bool" ? "i32" : common, name) as Tensor);
  const rank = b!.ndim - 2;
  if (rank < 1)
    throw new ShapeError(`${name}: w is ${showAval(b!.aval)}, but [O, C, ...window] is wanted${hereText()}`);
  if (a!.ndim !== rank + 1 && a!.ndim !== rank + 2) {
    const spatial = rank === 1 ? "1 spatial axis" : `${rank} spatial axes`;
    throw new ShapeError(
      `${name}: x is ${showAval(a!.aval)}, but with ${spatial}, as w ${showAval(b!.aval)} has, [N, C, ...spatial] or [C, ...spatial] is wanted${hereText()}`,
    );
  }
  return [a!, b!];
}

function convolve(name: string, x: TensorLike, w: TensorLike, given: ConvOptions): Tensor {
  const [a, b] = operandsOf(name, x, w);
  const rank = b.ndim - 2;
  const outer = a.shape.slice(0, a.ndim - rank - 1);
  const { groups = 1, batchGroups = 1, padding = "valid" } = given;
  checkChannels(name, a, b, groups, batchGroups);
  const window = b.shape.slice(2);
  const axis = window.indexOf(0);
  if (axis >= 0)
    throw new ShapeError(`${name}: w ${showAval(b.aval)} has a window of size 0 along axis ${axis + 2}${hereText()}`);
  const strides = perAxis(name, "strides", given.strides, rank);
  const base = perAxis(name, "lhsDilation", given.lhsDilation, rank);
  const dilation = perAxis(name, "rhsDilation", given.rhsDilation, rank);
  const sliding = {
    sizes: a.shape.slice(-rank).map((n, i) => dilated(n, base[i]!)),
    spans: window.map((n, i) => dilated(n, dilation[i]!)),
    strides,
  };
  const pairs = paddingPairs(name, padding, sliding);
  const [input, filters, dims] = layOut(a, b, groups, batchGroups);
  const spatial = range(rank, input.ndim - rank);
  const product = ops.convGeneral(input, filters, {
    ...dims,
    window: [spatial, range(rank, filters.ndim - rank)],
    stride: strides,
    dilation,
    padding: pairs,
    base,
  });
  const split = groups > 1 || batchGroups > 1;
  const n = outer.map((size) => size / batchGroups);
  return split ? ops.reshape(product, [...n, b.shape[0]!, ...product.shape.slice(-rank)]) : product;
}

function checkChannels(name: string, x: Tensor, w: Tensor, groups: number, batchGroups: number): void {
  const [o, share] = w.shape as [number, number];
  const channels = x.shape[x.ndim - w.ndim + 1]!;
  const fail = (why: string): never => {
    throw new ShapeError(`${name}: ${why}\n  x ${showAval(x.aval)}\n  w ${showAval(w.aval)}${hereText()}`);
  };
  for (const [option, n] of [
    ["groups", groups],
    ["batchGroups", batchGroups],
  ] as const) {
    if (!(Number.isInteger(n) && n >= 1))
      throw new ValueError(`${name}: ${option} ${String(n)} is not a whole number ≥ 1${hereText()}`);
    if (o % n !== 0) fail(`${o} filters do not divide into ${n} ${option}`);
  }
  if (groups > 1 && batchGroups > 1) fail("there can be groups or batchGroups, but not both");
  if (share * groups !== channels) {
    const wanted = groups === 1 ? `${share}` : `${share} in each of ${groups} groups, which makes ${share * groups}`;
    fail(`x has ${channels} channels, but the filters want ${wanted}`);
  }
  if (batchGroups > 1) {
    if (x.ndim < w.ndim) fail("batchGroups want examples, but x is one example");
    if (x.shape[0]! % batchGroups !== 0) fail(`${x.shape[0]} examples do not divide into ${batchGroups} batchGroups`);
  }
}

type Dims = Pick<Parameters<typeof ops.convGeneral>[2], "batch" | "contract" | "order">;

/** Operands with an axis of groups, where there are groups, and how their axes but the spatial ones go together. */
function layOut(x: Tensor, w: Tensor, groups: number, batchGroups: number): [Tensor, Tensor, Dims] {
  const rank = w.ndim - 2;
  const [o, share, ...window] = w.shape as [number, number, ...number[]];
  const hasBatch = x.ndim === rank + 2;
  const n = hasBatch ? 1 : 0;
  const spatial = x.shape.slice(-rank);
  const order = (...first: number[]): number[] => [...first, ...range(rank, first.length)];
  const apart = (count: number): Tensor => ops.reshape(w, [count, o / count, share, ...window]);
  if (groups > 1) {
    const input = ops.reshape(x, [...x.shape.slice(0, n), groups, share, ...spatial]);
    const dims = { batch: [[n], [0]], contract: [[n + 1], [2]], order: hasBatch ? order(1, 0, 2) : order(0, 1) };
    return [input, apart(groups), dims as unknown as Dims];
  }
  if (batchGroups > 1) {
    const input = ops.reshape(x, [batchGroups, x.shape[0]! / batchGroups, share, ...spatial]);
    return [input, apart(batchGroups), { batch: [[0], [0]], contract: [[2], [2]], order: order(1, 0, 2) }];
  }
  return [x, w, { batch: [[], []], contract: [[n], [1]], order: hasBatch ? order(0, 1) : order(0) }];
}

export interface ConvTransposeOptions {
  /** Steps at which the elements of x stand in the result; 1 unless given. */
  readonly strides?: PerAxis;
  /** "valid" and "same" make a result from which a `conv` of this padding gives x's size back; "valid" unless given. */
  readonly padding?: Padding;
  /** Steps between the elements of the window; 1 unless given. */
  readonly rhsDilation?: PerAxis;
  /** w is that of a `conv` from this result to x, [C, O, ...window], and this is its gradient; false unless given. */
  readonly transposeKernel?: boolean;
}

/**
 * Convolution with a fractional stride ("deconvolution"): x, its elements `strides` apart, under windows in steps of 1.
 * w is [O, C, ...window], x is [N, C, ...spatial] or [C, ...spatial]. "same" gives `spatial · strides`; pairs of
 * padding are those of the elements put apart. Throws as `conv` does.
 */
export function convTranspose(x: TensorLike, w: TensorLike, given: ConvTransposeOptions = {}): Tensor {
  const name = "convTranspose";
  checkOptions(name, given, ["strides", "padding", "rhsDilation", "transposeKernel"]);
  const [a, b] = operandsOf(name, x, w);
  const rank = b.ndim - 2;
  const strides = perAxis(name, "strides", given.strides, rank);
  const dilation = perAxis(name, "rhsDilation", given.rhsDilation, rank);
  const { padding = "valid", transposeKernel = false } = given;
  const isNamed = padding === "valid" || padding === "same";
  const pairs = b.shape
    .slice(2)
    .map((n, i) => transposedPair(padding === "same", dilated(n, dilation[i]!), strides[i]!));
  const turned = (): Tensor => {
    const spatial = range(rank, 2);
    return ops.transpose(ops.flip(b, spatial), [1, 0, ...spatial]);
  };
  return convolve(name, a, transposeKernel ? turned() : b, {
    padding: isNamed ? pairs : padding,
    lhsDilation: strides,
    rhsDilation: dilation,
  });
}

/** Padding that undoes "same" or "valid" of a convolution. */
function transposedPair(isSame: boolean, span: number, stride: number): readonly [number, number] {
  const total = span + stride - 2 + (isSame ? 0 : Math.max(span - stride, 0));
  const low = !isSame || stride > span - 1 ? span - 1 : Math.ceil(total / 2);
  return [low, total - low];
}
