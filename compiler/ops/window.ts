// Windows that slide along axes: a view of every window, and its transpose.
import { type Aval, aval, showAval } from "../core/aval.js";
import { allocate } from "../core/dtype.js";
import { ShapeError } from "../core/errors.js";
import { showShape, sizeOf, stridesOf } from "../core/shape.js";
import { register, shaped, type ViewOp } from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Scalar } from "../ir/scalar.js";
import { gatherStrided, scatterStrided } from "../ir/strided.js";
import type { Batched } from "../trace/rules.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { moveAxis, reduceSum } from "./axes.js";
import { allDTypes, bindOne } from "./define.js";

/** How many windows of `size` elements, `dilation` apart, fit in `n` elements in steps of `stride`. */
export function windowCount(n: number, size: number, stride: number, dilation: number): number {
  const span = (size - 1) * dilation + 1;
  return n < span ? 0 : Math.floor((n - span) / stride) + 1;
}

/** Axes along which windows slide, and for each of them the steps between windows and inside of one. */
interface Slide {
  readonly axes: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
}

export interface WindowParams extends Slide {
  /** Elements of a window along each of the axes. */
  readonly size: readonly number[];
  /** The operand has the window axes already, and each of them reads its own elements. */
  readonly paired: boolean;
}

interface UnwindowParams extends Slide {
  /** Sizes of the axes that the windows slid along. */
  readonly sizes: readonly number[];
}

/** Axes of x that are no window axes. */
const outerRank = (x: Aval, { axes }: Slide, paired: boolean): number => x.shape.length - (paired ? axes.length : 0);

function checkSlide(name: string, x: Aval, slide: Slide, sizes: readonly number[], paired: boolean): void {
  const { axes, stride, dilation } = slide;
  const rank = outerRank(x, slide, paired);
  if ([stride, dilation, sizes].some((list) => list.length !== axes.length))
    throw new ShapeError(`${name}: ${axes.length} axes want as many sizes, strides and dilations`);
  axes.forEach((axis, k) => {
    if (!(axis >= 0 && axis < rank) || axes.indexOf(axis) !== k)
      throw new ShapeError(`${name}: ${showShape(axes)} are no axes of ${showAval(x)} to slide along`);
    const steps = [stride[k]!, dilation[k]!];
    if (!steps.every((step) => Number.isInteger(step) && step >= 1))
      throw new ShapeError(
        `${name}: stride ${steps[0]} and dilation ${steps[1]} of axis ${axis} are not whole and ≥ 1`,
      );
  });
}

/** Strides, in `own`, of the axes of an array with windows, whose window axes are behind all others. */
function windowStrides(own: readonly number[], rank: number, { axes, stride, dilation }: Slide, paired: boolean) {
  const outer = own.slice(0, rank).map((step, axis) => step * (stride[axes.indexOf(axis)] ?? 1));
  return [...outer, ...axes.map((axis, k) => own[axis]! * dilation[k]! + (paired ? own[rank + k]! : 0))];
}

/** The batch axis in front of the window axes. */
function lanesInFront({ value, axis }: Batched, rank: number): [Tensor, number] {
  const at = Math.min(axis!, rank);
  return [moveAxis(value, axis!, at), at];
}

const bumped = (axes: readonly number[], at: number): number[] => axes.map((axis) => (axis < at ? axis : axis + 1));

const samples = [
  { shape: [7], axes: [0], size: [3], stride: [1], dilation: [1] },
  { shape: [2, 8], axes: [1], size: [2], stride: [3], dilation: [2] },
  { shape: [5, 2, 6], axes: [2, 0], size: [3, 2], stride: [2, 1], dilation: [1, 3] },
  { shape: [3, 4], axes: [0, 1], size: [1, 4], stride: [2, 1], dilation: [1, 1] },
  { shape: [2, 3], axes: [1], size: [4], stride: [1], dilation: [1] },
];

const windowsOp = register<ViewOp>({
  name: "windows",
  kind: "view",
  typeOf([x], params) {
    const p = params as WindowParams;
    const { axes, size, stride, dilation, paired } = p;
    checkSlide("windows", x!, p, size, paired);
    const rank = outerRank(x!, p, paired);
    axes.forEach((axis, k) => {
      if (!(Number.isInteger(size[k]) && size[k]! >= 1))
        throw new ShapeError(`windows: window size ${size[k]} of axis ${axis} is not whole and ≥ 1`);
      if (paired && x!.shape[rank + k] !== size[k])
        throw new ShapeError(`windows: axis ${rank + k} of ${showAval(x!)} is no window of size ${size[k]}`);
    });
    const outer = x!.shape.slice(0, rank).map((n, axis) => {
      const k = axes.indexOf(axis);
      return k < 0 ? n : windowCount(n, size[k]!, stride[k]!, dilation[k]!);
    });
    return [aval(x!.dtype, [...outer, ...size])];
  },
  read(b, at, operand, [x], params) {
    const { axes, stride, dilation, paired } = params as WindowParams;
    const rank = at.shape.length - axes.length;
    const outer = at.coords.slice(0, rank).map((coord, axis) => {
      const k = axes.indexOf(axis);
      if (k < 0) return coord;
      const inside = b.mul(at.coords[rank + k]!, b.u32(dilation[k]!));
      return b.add(b.mul(coord, b.u32(stride[k]!)), inside);
    });
    return operand(0, Position.at(b, x!.shape, paired ? [...outer, ...at.coords.slice(rank)] : outer));
  },
  cpu([x], params, { wide }, output) {
    const p = params as WindowParams;
    const data = allocate(output.dtype, sizeOf(output.shape), wide);
    const strides = windowStrides(stridesOf(x!.shape), output.shape.length - p.axes.length, p, p.paired);
    gatherStrided(data, output.shape, x!.data, 0, strides);
    return { dtype: output.dtype, shape: output.shape, data };
  },
  batch([x], params) {
    const p = params as WindowParams;
    const [lanes, at] = lanesInFront(x!, x!.value.aval.shape.length - 1 - (p.paired ? p.axes.length : 0));
    return { value: windows(lanes, { ...p, axes: bumped(p.axes, at) }), axis: at };
  },
  transpose(ct, _operands, [x], params) {
    const { size, paired, ...slide } = params as WindowParams;
    const rank = ct.ndim - slide.axes.length;
    const back = unwindows(ct, { ...slide, sizes: slide.axes.map((axis) => x!.shape[axis]!) });
    return [
      paired
        ? back
        : reduceSum(
            back,
            slide.axes.map((_, k) => rank + k),
          ),
    ];
  },
  samples: samples.flatMap(({ shape, ...params }) =>
    allDTypes.flatMap((dtype) => [
      { inputs: [shaped(dtype, ...shape)], params: { ...params, paired: false } },
      { inputs: [shaped(dtype, ...shape, ...params.size)], params: { ...params, paired: true } },
    ]),
  ),
  ulp: 0,
});

/**
 * Every window of x. Along axis `axes[k]` of size n stand the windows, ⌊(n − (size[k] − 1) · dilation[k] − 1) /
 * stride[k]⌋ + 1 of them, and behind all axes come those of the elements in a window: element
 * [.., out, .., w] is x[.., out · stride + w · dilation, ..].
 */
export const windows = (x: Operand, params: WindowParams): Tensor => bindOne(windowsOp, [x], params);

const unwindowsOp = register<ViewOp>({
  name: "unwindows",
  kind: "view",
  oneOperand: true,
  typeOf([x], params) {
    const p = params as UnwindowParams;
    checkSlide("unwindows", x!, p, p.sizes, true);
    const rank = outerRank(x!, p, true);
    p.axes.forEach((axis, k) => {
      const count = windowCount(p.sizes[k]!, x!.shape[rank + k]!, p.stride[k]!, p.dilation[k]!);
      if (x!.shape[axis] !== count)
        throw new ShapeError(`unwindows: axis ${axis} of ${showAval(x!)} is not the ${count} windows of ${p.sizes[k]}`);
    });
    const outer = x!.shape.slice(0, rank).map((n, axis) => p.sizes[p.axes.indexOf(axis)] ?? n);
    return [aval(x!.dtype, [...outer, ...x!.shape.slice(rank)])];
  },
  read(b, at, operand, [x], params) {
    const { axes, stride, dilation } = params as UnwindowParams;
    const zero = b.const(0, x!.dtype);
    if (sizeOf(x!.shape) === 0) return zero;
    const rank = at.shape.length - axes.length;
    let inside = b.bool(true);
    const outer = at.coords.slice(0, rank).map((coord, axis): Scalar => {
      const k = axes.indexOf(axis);
      if (k < 0) return coord;
      const step = b.u32(stride[k]!);
      const count = x!.shape[axis]!;
      // before the first window the difference wraps around and is far behind the last one
      const from = b.sub(coord, b.mul(at.coords[rank + k]!, b.u32(dilation[k]!)));
      const window = b.div(from, step);
      inside = b.and(inside, b.lt(window, b.u32(count)));
      if (stride[k]! > 1) inside = b.and(inside, b.eq(b.rem(from, step), b.u32(0)));
      return window;
    });
    // between windows nothing is computed
    const there = Position.at(b, x!.shape, [...outer, ...at.coords.slice(rank)]);
    return b.branch(
      inside,
      () => [operand(0, there)],
      () => [zero],
    )[0]!;
  },
  cpu([x], params, { wide }, output) {
    const p = params as UnwindowParams;
    const data = allocate(output.dtype, sizeOf(output.shape), wide);
    const strides = windowStrides(stridesOf(output.shape), output.shape.length - p.axes.length, p, true);
    scatterStrided(data, x!.shape, x!.data, 0, strides);
    return { dtype: output.dtype, shape: output.shape, data };
  },
  batch([x], params) {
    const p = params as UnwindowParams;
    const [lanes, at] = lanesInFront(x!, x!.value.aval.shape.length - 1 - p.axes.length);
    return { value: unwindows(lanes, { ...p, axes: bumped(p.axes, at) }), axis: at };
  },
  transpose(ct, _operands, [x], params) {
    const { sizes, ...slide } = params as UnwindowParams;
    const size = x!.shape.slice(x!.shape.length - slide.axes.length);
    return [windows(ct, { ...slide, size, paired: true })];
  },
  samples: samples.flatMap(({ shape, axes, size, stride, dilation }) =>
    allDTypes.map((dtype) => {
      const outer = shape.map((n, axis) => {
        const k = axes.indexOf(axis);
        return k < 0 ? n : windowCount(n, size[k]!, stride[k]!, dilation[k]!);
      });
      const sizes = axes.map((axis) => shape[axis]!);
      return { inputs: [shaped(dtype, ...outer, ...size)], params: { axes, stride, dilation, sizes } };
    }),
  ),
  ulp: 0,
});

/**
 * The elements of windows where they came from, for each element of a window by itself: [.., i, .., w] is
 * x[.., (i − w · dilation) / stride, .., w], and 0 where no window begins. Transpose of `windows`, up to the sum over w.
 */
export const unwindows = (x: Operand, params: UnwindowParams): Tensor => bindOne(unwindowsOp, [x], params);
