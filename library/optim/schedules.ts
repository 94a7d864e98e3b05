// Schedules: learning rates as functions of the step, an i32 scalar that counts the updates made before.
import { ValueError } from "../../compiler/core/errors.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { type Operand, Tensor } from "../../compiler/trace/tensor.js";
import { checkOptions } from "../numpy/statistics.js";
import { asProgram, checkNumber, f32, scalarOf } from "./tree.js";

/** A schedule that may also be called with a number, to look at it; gives an f32 scalar. */
export type RateAt = (step: TensorLike) => Tensor;

function schedule(name: string, rate: (step: Tensor) => Operand): RateAt {
  return (step) =>
    asProgram(name, () => {
      const given = scalarOf(name, "the step", step);
      const result = rate(given instanceof Tensor ? given : ops.fill(given, []));
      return result instanceof Tensor ? result : ops.fill(result, []);
    });
}

function checkNumbers(name: string, options: object, least: Readonly<Record<string, number>>): void {
  checkOptions(name, options, Object.keys(least));
  for (const [key, low] of Object.entries(least))
    checkNumber(name, key, (options as Record<string, unknown>)[key], low);
}

/** `(step − from) / steps`, brought into [0, 1]. */
const progress = (step: Tensor, from: number, steps: number): Tensor =>
  ops.clamp(ops.div(ops.sub(step, f32(from)), f32(steps)), f32(0), f32(1));

/** The same rate at every step. */
export function constant(rate: number): RateAt {
  checkNumber("constant", "the rate", rate);
  return schedule("constant", () => f32(rate));
}

export interface ExponentialDecayOptions {
  readonly initial: number;
  /** What the rate is multiplied by every `steps` steps; above 0. */
  readonly decay: number;
  readonly steps: number;
  /** Goes down at once every `steps` steps; false. */
  readonly staircase?: boolean;
}

/** initial · decay^(step / steps). */
export function exponentialDecay({ staircase = false, ...options }: ExponentialDecayOptions): RateAt {
  const name = "exponentialDecay";
  checkNumbers(name, options, { initial: 0, decay: Number.MIN_VALUE, steps: 1 });
  const { initial, decay, steps } = options;
  return schedule(name, (step) => {
    const turns = ops.div(step, f32(steps));
    return ops.mul(f32(initial), ops.exp(ops.mul(staircase ? ops.floor(turns) : turns, f32(Math.log(decay)))));
  });
}

/** `from` at progress 0 and `to` at progress 1, along half a cosine. */
const alongCosine = (x: Tensor, from: number, to: number): Tensor =>
  ops.add(f32(to), ops.mul(f32((from - to) / 2), ops.add(f32(1), ops.cos(ops.mul(f32(Math.PI), x)))));

export interface CosineDecayOptions {
  readonly initial: number;
  /** Steps from `initial` to `end`. */
  readonly steps: number;
  /** 0. */
  readonly end?: number;
}

/** From `initial` to `end` along half a cosine, and `end` from then on (Loshchilov & Hutter 2017, without restarts). */
export function cosineDecay({ end = 0, ...options }: CosineDecayOptions): RateAt {
  checkNumbers("cosineDecay", { end, ...options }, { initial: 0, steps: 1, end: 0 });
  const { initial, steps } = options;
  return schedule("cosineDecay", (step) => alongCosine(progress(step, 0, steps), initial, end));
}

export interface WarmupCosineOptions {
  /** 0. */
  readonly initial?: number;
  readonly peak: number;
  /** Steps from `initial` to `peak`. */
  readonly warmupSteps: number;
  /** Steps in all, those of the warm-up among them. */
  readonly steps: number;
  /** 0. */
  readonly end?: number;
}

/** From `initial` to `peak` in a straight line, then to `end` along half a cosine, and `end` from then on. */
export function warmupCosine({ initial = 0, end = 0, ...options }: WarmupCosineOptions): RateAt {
  const name = "warmupCosine";
  checkNumbers(name, { initial, end, ...options }, { initial: 0, peak: 0, warmupSteps: 1, steps: 1, end: 0 });
  const { peak, warmupSteps, steps } = options;
  if (steps <= warmupSteps)
    throw new ValueError(
      `${name}: ${steps} steps in all, but more than the ${warmupSteps} of the warm-up are wanted${hereText()}`,
    );
  return schedule(name, (step) =>
    ops.select(
      ops.lt(step, f32(warmupSteps)),
      alongLine(progress(step, 0, warmupSteps), initial, peak),
      alongCosine(progress(step, warmupSteps, steps - warmupSteps), peak, end),
    ),
  );
}

const alongLine = (x: Tensor, from: number, to: number): Tensor => ops.add(f32(from), ops.mul(f32(to - from), x));

export interface PiecewiseConstantOptions {
  /** Steps at which the next value begins, rising. */
  readonly boundaries: readonly number[];
  /** One more than boundaries. */
  readonly values: readonly number[];
}

/** values[k], where k boundaries are at most the step. */
export function piecewiseConstant(options: PiecewiseConstantOptions): RateAt {
  const name = "piecewiseConstant";
  checkOptions(name, options, ["boundaries", "values"]);
  const { boundaries, values } = options;
  if (!Array.isArray(boundaries) || !Array.isArray(values) || values.length !== boundaries.length + 1) {
    throw new ValueError(
      `${name}: ${boundaries?.length ?? "no"} boundaries and ${values?.length ?? "no"} values given, but one value more than boundaries is wanted${hereText()}`,
    );
  }
  values.forEach((value, i) => void checkNumber(name, `values[${i}]`, value));
  boundaries.forEach((from, i) => void checkNumber(name, `boundaries[${i}]`, from, i === 0 ? 0 : boundaries[i - 1]));
  return schedule(name, (step) =>
    boundaries.reduce<Operand>(
      (rate, from, i) => ops.select(ops.ge(step, f32(from)), ops.fill(f32(values[i + 1]!), []), rate),
      ops.fill(f32(values[0]!), []),
    ),
  );
}

export interface LinearOptions {
  readonly initial: number;
  readonly end: number;
  /** Steps from `initial` to `end`. */
  readonly steps: number;
  /** The step at which it begins; 0. */
  readonly begin?: number;
}

/** From `initial` to `end` in a straight line, and `end` from then on. */
export function linear({ begin = 0, ...options }: LinearOptions): RateAt {
  checkNumbers("linear", { begin, ...options }, { initial: 0, end: 0, steps: 1, begin: 0 });
  const { initial, end, steps } = options;
  return schedule("linear", (step) => alongLine(progress(step, begin, steps), initial, end));
}

export interface PolynomialOptions extends LinearOptions {
  readonly power: number;
}

/** end + (initial − end) · (1 − progress)^power, where progress goes from 0 to 1 in `steps` steps. */
export function polynomial({ begin = 0, ...options }: PolynomialOptions): RateAt {
  const least = { initial: 0, end: 0, steps: 1, begin: 0, power: 0 };
  checkNumbers("polynomial", { begin, ...options }, least);
  const { initial, end, steps, power } = options;
  return schedule("polynomial", (step) => {
    const left = ops.sub(f32(1), progress(step, begin, steps));
    return ops.add(f32(end), ops.mul(f32(initial - end), ops.pow(left, f32(power))));
  });
}
