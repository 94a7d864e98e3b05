// What is done to gradients before an optimiser has them: clipping, and chains of such steps.
import { ValueError } from "../../compiler/core/errors.js";
import { unflatten } from "../../compiler/core/tree.js";
import * as ops from "../../compiler/ops/index.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { rootOrZero } from "../numpy/statistics.js";
import { type Optimiser, scaleFor } from "./optimiser.js";
import { asProgram, checkNumber, type FlatTree, f32, floatTree } from "./tree.js";

/** Gradients from gradients: a function of trees that keeps their structure. */
export type GradientTransform = <G>(gradients: G) => G;

/** A transform whose numbers are checked when it is made, and whose trees when it is called. */
function transform(name: string, change: (flat: FlatTree) => readonly Tensor[]): GradientTransform {
  return (gradients) => {
    const flat = floatTree(name, "gradients", gradients);
    return asProgram(name, () => unflatten(flat.def, change(flat))) as typeof gradients;
  };
}

/** Every element brought into [−limit, limit]. */
export function clipByValue(limit: number): GradientTransform {
  checkNumber("clipByValue", "the limit", limit);
  return transform("clipByValue", ({ leaves }) => leaves.map((x) => ops.clamp(x, f32(-limit), f32(limit))));
}

function normOf({ leaves }: FlatTree): Tensor {
  const squares = leaves.map((x) =>
    ops.reduceSum(
      ops.square(x),
      x.shape.map((_, axis) => axis),
    ),
  );
  // √′ is infinite at 0: of zeros alone the gradient is 0
  return rootOrZero(squares.reduce((sum, x) => ops.add(sum, x), ops.fill(f32(0), [])));
}

/** The Euclidean length of all elements of a tree of f32 tensors taken together, an f32 scalar; above 1.8e19 it is ∞. */
export function globalNorm(tree: unknown): Tensor {
  const flat = floatTree("globalNorm", "tree", tree);
  return asProgram("globalNorm", () => normOf(flat));
}

/**
 * All gradients scaled by one factor, such that their global norm is at most `limit` (Pascanu et al. 2013); those that
 * are within it stay as they are, bit for bit. Where the norm is ∞ they become 0, and an infinite one NaN.
 */
export function clipByGlobalNorm(limit: number): GradientTransform {
  checkNumber("clipByGlobalNorm", "the limit", limit);
  return transform("clipByGlobalNorm", (flat) => {
    const norm = normOf(flat);
    const isOver = ops.gt(norm, f32(limit));
    const factor = ops.select(isOver, ops.div(f32(limit), ops.select(isOver, norm, f32(1))), f32(1));
    return flat.leaves.map((x) => ops.mul(x, scaleFor(x, factor)));
  });
}

/** The optimiser at the end, with gradients that pass through the functions before it in turn; its state is its own. */
export function chain(...steps: readonly [...GradientTransform[], Optimiser]): Optimiser {
  const last = steps.at(-1) as Optimiser | GradientTransform | undefined;
  const transforms = steps.slice(0, -1) as GradientTransform[];
  if (typeof last !== "object" || transforms.some((step) => typeof step !== "function")) {
    throw new ValueError(
      `chain: functions of gradients with one optimiser at the end are wanted, as in chain(clipByGlobalNorm(1), adam(…))${hereText()}`,
    );
  }
  return {
    name: last.name,
    init: last.init,
    update: (gradients, state, params) =>
      asProgram(`${last.name}.update`, () =>
        last.update(
          transforms.reduce((g, step) => step(g), gradients),
          state,
          params,
        ),
      ),
  };
}
