// Initialisers: functions (key, shape) → f32 tensor that parameters start with.
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import { type Shape, showShape, sizeOf } from "../../compiler/core/shape.js";
import { literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Operand, Tensor } from "../../compiler/trace/tensor.js";
import { full } from "../numpy/create.js";
import { checkOptions } from "../numpy/statistics.js";
import * as random from "../random.js";

/** Numbers of the given shape, f32; the same for the same key. Those that draw nothing do not look at the key. */
export type Initialiser = (key: Tensor, shape: Shape) => Tensor;

const f32 = (value: number): Operand => literal(value, { dtype: "f32", shape: [] });

/** Throws `ValueError` unless `x` is a finite number from 0 on. */
function checkScale(name: string, what: string, x: number): void {
  if (!(Number.isFinite(x) && x >= 0))
    throw new ValueError(`${name}: ${what} is ${x}, but a finite number from 0 on is wanted${hereText()}`);
}

/** One value everywhere. */
export const constant =
  (value: number): Initialiser =>
  (_key, shape) =>
    full(shape, value, { dtype: "f32" });

/** Zeros. */
export const zeros = (): Initialiser => constant(0);

/** Ones. */
export const ones = (): Initialiser => constant(1);

const normalOf = (key: Tensor, shape: Shape, stddev: number): Tensor => ops.mul(random.normal(key, shape), f32(stddev));

const uniformOf = (key: Tensor, shape: Shape, limit: number): Tensor =>
  random.uniform(key, shape, { min: -limit, max: limit });

/** The normal distribution of mean 0. */
export function normal(stddev = 0.01): Initialiser {
  checkScale("initialisers.normal", "stddev", stddev);
  return (key, shape) => normalOf(key, shape, stddev);
}

/** Equally likely numbers in [−limit, limit). */
export function uniform(limit = 0.01): Initialiser {
  checkScale("initialisers.uniform", "limit", limit);
  return (key, shape) => uniformOf(key, shape, limit);
}

export interface TruncatedNormalOptions {
  /** In standard deviations; −2. */
  readonly lower?: number;
  /** In standard deviations; 2. */
  readonly upper?: number;
}

/** The normal distribution of mean 0 and, before it is cut off at the bounds, this standard deviation. */
export function truncatedNormal(stddev = 0.01, options: TruncatedNormalOptions = {}): Initialiser {
  const name = "initialisers.truncatedNormal";
  checkOptions(name, options, ["lower", "upper"]);
  const { lower = -2, upper = 2 } = options;
  checkScale(name, "stddev", stddev);
  if (!(lower < upper)) throw new ValueError(`${name}: ${lower} is not below ${upper}${hereText()}`);
  return (key, shape) => ops.mul(random.truncatedNormal(key, lower, upper, shape), f32(stddev));
}

/** Where a weight has its outputs and inputs: [in, out], or [out, in, ...window]. */
export type WeightLayout = "in-out" | "out-in";

export interface FanOptions {
  /** "in-out" for two axes, as in x.matmul(w); "out-in" for more, as the filters of `conv` are. */
  readonly layout?: WeightLayout;
}

export interface HeOptions extends FanOptions {
  /** The factor that makes up for the activation; √2, for relu. */
  readonly gain?: number;
}

/** Numbers that each output is a sum of, and that each input goes into. */
interface Fans {
  readonly fanIn: number;
  readonly fanOut: number;
}

function fansOf(name: string, shape: Shape, layout: WeightLayout = shape.length === 2 ? "in-out" : "out-in"): Fans {
  if (shape.length < 2) {
    throw new ShapeError(
      `${name}: the shape ${showShape(shape)} has no inputs and outputs; a weight has two axes or more\n  use zeros(), normal() or uniform() for others${hereText()}`,
    );
  }
  if (layout === "in-out" && shape.length > 2) {
    throw new ShapeError(
      `${name}: the layout "in-out" is for two axes, but the shape is ${showShape(shape)}${hereText()}`,
    );
  }
  const [first, second, ...window] = shape as [number, number, ...number[]];
  const [inputs, outputs] = layout === "in-out" ? [first, second] : [second, first];
  return { fanIn: inputs * sizeOf(window), fanOut: outputs * sizeOf(window) };
}

interface Scaling {
  readonly name: string;
  readonly draw: "normal" | "uniform";
  /** Of the numbers drawn, in units of 1 / fan. */
  readonly variance: number;
  fan(fans: Fans): number;
}

/** Numbers with variance / fan. */
function scaled({ name, draw, variance, fan }: Scaling, options: FanOptions): Initialiser {
  const { layout } = options;
  if (layout !== undefined && layout !== "in-out" && layout !== "out-in")
    throw new ValueError(`${name}: there is no layout '${String(layout)}'; there are in-out, out-in${hereText()}`);
  return (key, shape) => {
    // a weight without elements has no use for its scale
    const stddev = Math.sqrt(variance / Math.max(fan(fansOf(name, shape, layout)), 1));
    return draw === "normal" ? normalOf(key, shape, stddev) : uniformOf(key, shape, Math.sqrt(3) * stddev);
  };
}

const mean = ({ fanIn, fanOut }: Fans): number => (fanIn + fanOut) / 2;

function xavier(name: string, draw: "normal" | "uniform", options: FanOptions): Initialiser {
  checkOptions(name, options, ["layout"]);
  return scaled({ name, draw, variance: 1, fan: mean }, options);
}

/** Uniform with variance 2 / (fan in + fan out) (Glorot & Bengio 2010). */
export const xavierUniform = (options: FanOptions = {}): Initialiser =>
  xavier("initialisers.xavierUniform", "uniform", options);

/** Normal with variance 2 / (fan in + fan out) (Glorot & Bengio 2010). */
export const xavierNormal = (options: FanOptions = {}): Initialiser =>
  xavier("initialisers.xavierNormal", "normal", options);

function he(name: string, draw: "normal" | "uniform", options: HeOptions): Initialiser {
  checkOptions(name, options, ["layout", "gain"]);
  const { gain = Math.SQRT2 } = options;
  checkScale(name, "the gain", gain);
  return scaled({ name, draw, variance: gain * gain, fan: ({ fanIn }) => fanIn }, options);
}

/** Uniform with variance gain² / fan in (He et al. 2015). */
export const heUniform = (options: HeOptions = {}): Initialiser => he("initialisers.heUniform", "uniform", options);

/** Normal, not truncated, with variance gain² / fan in (He et al. 2015). */
export const heNormal = (options: HeOptions = {}): Initialiser => he("initialisers.heNormal", "normal", options);

function lecun(name: string, draw: "normal" | "uniform", options: FanOptions): Initialiser {
  checkOptions(name, options, ["layout"]);
  return scaled({ name, draw, variance: 1, fan: ({ fanIn }) => fanIn }, options);
}

/** Uniform with variance 1 / fan in (LeCun et al. 1998). */
export const lecunUniform = (options: FanOptions = {}): Initialiser =>
  lecun("initialisers.lecunUniform", "uniform", options);

/** Normal, not truncated, with variance 1 / fan in (LeCun et al. 1998). */
export const lecunNormal = (options: FanOptions = {}): Initialiser =>
  lecun("initialisers.lecunNormal", "normal", options);
