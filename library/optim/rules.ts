// The optimisers: gradient descent with momentum, RMSprop, Adam and AdamW.
import { ValueError } from "../../compiler/core/errors.js";
import * as ops from "../../compiler/ops/index.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { checkOptions, rootOrZero } from "../numpy/statistics.js";
import { commonOptions, type Optimiser, type OptimiserOptions, optimiser, scaleFor } from "./optimiser.js";
import { checkNumber, f32 } from "./tree.js";

/** decay · old + (1 − decay) · x */
const mixed = (decay: number, old: Tensor, x: Tensor): Tensor =>
  ops.add(ops.mul(f32(decay), old), ops.mul(f32(1 - decay), x));

/** decay · old + x */
const gathered = (decay: number, old: Tensor, x: Tensor): Tensor => ops.add(ops.mul(f32(decay), old), x);

/** x / (√square + epsilon). The derivative of the root at 0 counts as 0. */
const scaled = (x: Tensor, square: Tensor, epsilon: number): Tensor =>
  ops.div(x, ops.add(rootOrZero(square), f32(epsilon)));

export interface SgdOptions extends OptimiserOptions {
  /** μ; 0 for none. */
  readonly momentum?: number;
  /** Looks ahead by the momentum. */
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent: x ← x − lr · g. With momentum, v ← μ v + g, and v moves x instead of g; with `nesterov`,
 * g + μ v does (Sutskever et al. 2013, in the form of PyTorch: the rate is applied behind the momentum). Weight decay
 * adds λ x to g. Its moment is `velocity`, with momentum only.
 */
export function sgd(options: SgdOptions): Optimiser {
  checkOptions("sgd", options, [...commonOptions, "momentum", "nesterov"]);
  const { momentum = 0, nesterov = false } = options;
  checkNumber("sgd", "momentum", momentum, 0, 1);
  if (nesterov && momentum === 0)
    throw new ValueError(`sgd: nesterov is given without a momentum\n  give one, such as momentum: 0.9${hereText()}`);
  return optimiser(
    {
      name: "sgd",
      moments: momentum > 0 ? ["velocity"] : [],
      decay: "gradient",
      prepare:
        () =>
        (g, [old]) => {
          if (!old) return { direction: g, moments: [] };
          const velocity = gathered(momentum, old, g);
          return { direction: nesterov ? gathered(momentum, velocity, g) : velocity, moments: [velocity] };
        },
    },
    options,
  );
}

export interface RmspropOptions extends OptimiserOptions {
  /** ρ, how much of the mean square stays; 0.9. */
  readonly rho?: number;
  /** ε; 1e-8. */
  readonly epsilon?: number;
  /** μ; 0 for none. */
  readonly momentum?: number;
  /** Divides by the standard deviation of the gradient instead of its root mean square. */
  readonly centered?: boolean;
}

/**
 * RMSprop (Tieleman & Hinton 2012, lecture 6.5): s ← ρ s + (1 − ρ) g², x ← x − lr · g / (√s + ε). `centered` (Graves
 * 2013) also takes m ← ρ m + (1 − ρ) g and √(s − m²). With momentum, v ← μ v + g / (√s + ε) moves x. Weight decay adds
 * λ x to g. Its moments are `meanSquare`, then `mean` and `velocity` where they are asked for.
 */
export function rmsprop(options: RmspropOptions): Optimiser {
  checkOptions("rmsprop", options, [...commonOptions, "rho", "epsilon", "momentum", "centered"]);
  const { rho = 0.9, epsilon = 1e-8, momentum = 0, centered = false } = options;
  checkNumber("rmsprop", "rho", rho, 0, 1);
  checkNumber("rmsprop", "epsilon", epsilon);
  checkNumber("rmsprop", "momentum", momentum, 0, 1);
  return optimiser(
    {
      name: "rmsprop",
      moments: ["meanSquare", ...(centered ? ["mean"] : []), ...(momentum > 0 ? ["velocity"] : [])],
      decay: "gradient",
      prepare: () => (g, old) => {
        const meanSquare = mixed(rho, old[0]!, ops.square(g));
        const mean = centered ? mixed(rho, old[1]!, g) : undefined;
        // rounding must not make a variance negative
        const spread = mean ? ops.max(ops.sub(meanSquare, ops.square(mean)), f32(0)) : meanSquare;
        const direction = scaled(g, spread, epsilon);
        const moments = mean ? [meanSquare, mean] : [meanSquare];
        if (momentum === 0) return { direction, moments };
        const velocity = gathered(momentum, old.at(-1)!, direction);
        return { direction: velocity, moments: [...moments, velocity] };
      },
    },
    options,
  );
}

export interface AdamOptions extends OptimiserOptions {
  /** β₁, how much of the mean gradient stays; 0.9. */
  readonly beta1?: number;
  /** β₂, how much of the mean square stays; 0.999. */
  readonly beta2?: number;
  /** ε; 1e-8. */
  readonly epsilon?: number;
  /** Divides by the largest second moment so far: `true` takes it before the correction of its bias, "corrected" after. */
  readonly amsgrad?: boolean | "corrected";
}

/**
 * Adam (Kingma & Ba 2015, algorithm 1): m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², and at step t
 * x ← x − lr · m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ). Weight decay adds λ x to g.
 *
 * With `amsgrad: true` (Reddi et al. 2018), u ← max(u, v) and v̂ = u / (1 − β₂ᵗ), as MindSpore and PyTorch have it
 * (MindSpore adds ε before it corrects the bias, where it acts as our ε / √(1 − β₂ᵗ)); with "corrected", u ← max(u, v̂)
 * is taken for v̂, as optax has it. Its moments are `first`, `second`, and `largest` with amsgrad.
 */
export const adam = (options: AdamOptions): Optimiser => adamRule("adam", "gradient", options, 0);

/**
 * AdamW (Loshchilov & Hutter 2019, in the form of PyTorch and optax): Adam whose weight decay, 0.01 unless given, goes
 * past the moments: x ← x − lr · (m̂ / (√v̂ + ε) + λ x). Options and moments as for `adam`.
 */
export const adamw = (options: AdamOptions): Optimiser => adamRule("adamw", "step", options, 0.01);

function adamRule(name: string, decay: "gradient" | "step", options: AdamOptions, usualDecay: number): Optimiser {
  checkOptions(name, options, [...commonOptions, "beta1", "beta2", "epsilon", "amsgrad"]);
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, amsgrad = false } = options;
  checkNumber(name, "beta1", beta1, 0, 1);
  checkNumber(name, "beta2", beta2, 0, 1);
  checkNumber(name, "epsilon", epsilon);
  if (typeof amsgrad !== "boolean" && amsgrad !== "corrected")
    throw new ValueError(
      `${name}: there is no amsgrad ${String(amsgrad)}; there are true, false, "corrected"${hereText()}`,
    );
  return optimiser(
    {
      name,
      moments: ["first", "second", ...(amsgrad ? ["largest"] : [])],
      decay,
      prepare(count) {
        // 1 − βᵗ as −expm1(t log β): the difference would lose its digits in f32
        const bias = (beta: number): Tensor => ops.neg(ops.expm1(ops.mul(count, f32(Math.log(beta)))));
        const [bias1, bias2] = [bias(beta1), bias(beta2)];
        return (g, [oldFirst, oldSecond, oldLargest]) => {
          const first = mixed(beta1, oldFirst!, g);
          const second = mixed(beta2, oldSecond!, ops.square(g));
          const unbiased = (x: Tensor, by: Tensor): Tensor => ops.div(x, scaleFor(x, by));
          const move = (square: Tensor): Tensor => scaled(unbiased(first, bias1), square, epsilon);
          if (!amsgrad) return { direction: move(unbiased(second, bias2)), moments: [first, second] };
          const isCorrected = amsgrad === "corrected";
          const largest = ops.max(oldLargest!, isCorrected ? unbiased(second, bias2) : second);
          const direction = move(isCorrected ? largest : unbiased(largest, bias2));
          return { direction, moments: [first, second, largest] };
        };
      },
    },
    { ...options, weightDecay: options.weightDecay ?? usualDecay },
  );
}
