// What all optimisers share: a state of step and moments, learning rates, weight decay, and the walk over parameters.
import { aval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import { broadcastPrefix, isNode, type Path, PrefixError, showPath, unflatten } from "../../compiler/core/tree.js";
import { literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { type Operand, Tensor } from "../../compiler/trace/tensor.js";
import type { Result } from "../../compiler/transforms/types.js";
import { stretch } from "../numpy/promote.js";
import { asProgram, checkNumber, checkScalar, type FlatTree, f32, floatTree, leavesBeside, scalarOf } from "./tree.js";

/** What an optimiser remembers between steps: a tree of tensors, for `jit`, `scan` and `vmap` to pass on. */
export interface OptimiserState<P> {
  /** Updates made so far, an i32 scalar. */
  readonly step: Tensor;
  /** Running values of the rule by name, each a tree like the parameters; zeros at first. */
  readonly moments: { readonly [name: string]: P };
}

/** A rule that improves parameters by gradients. It holds no tensors of its own but those given as learning rate. */
export interface Optimiser {
  readonly name: string;
  /** The state to start with, for a tree of f32 tensors. */
  init<P>(params: P): OptimiserState<Result<P>>;
  /**
   * One step: the new parameters, and the state for the next step. `gradients` has the structure of `params`. Throws
   * `ShapeError` or `DTypeError`, naming the place, for trees that do not go together.
   */
  update<P>(
    gradients: NoInfer<Result<P>>,
    state: NoInfer<OptimiserState<Result<P>>>,
    params: P,
  ): [Result<P>, OptimiserState<Result<P>>];
}

/** The learning rate of a step; `step` is an i32 scalar, the number of updates made before. */
export type Schedule = (step: Tensor) => TensorLike;

/** A number, a scalar tensor (under `vmap` each lane may have its own), or a schedule. */
export type LearningRate = number | Tensor | Schedule;

/** Which parameters decay: a tree of booleans, where one may stand for a whole subtree, or a function of the path. */
export type DecayMask = boolean | object | ((path: readonly (string | number)[]) => boolean);

export interface OptimiserOptions {
  readonly learningRate: LearningRate;
  /** λ of the rule; 0 for none. */
  readonly weightDecay?: number;
  /** All parameters decay unless it says otherwise. */
  readonly decayMask?: DecayMask;
}

/** The options that each optimiser has. */
export const commonOptions = ["learningRate", "weightDecay", "decayMask"] as const;

/** What a rule makes of one parameter: the parameter is moved by −learningRate · direction. */
interface Move {
  readonly direction: Tensor;
  /** In the order of the rule's names. */
  readonly moments: readonly Tensor[];
}

export interface Rule {
  readonly name: string;
  /** Names of the moments. */
  readonly moments: readonly string[];
  /** "gradient": λx is added to the gradient, "step": to the direction of the move, past the moments. */
  readonly decay: "gradient" | "step";
  /** `count` is the number of this update, from 1, as an f32 scalar; what it computes is shared by all parameters. */
  prepare(count: Tensor): (gradient: Tensor, moments: readonly Tensor[]) => Move;
}

/** The optimiser of a rule. Throws `ValueError` for numbers out of range. */
export function optimiser(
  rule: Rule,
  { learningRate, weightDecay = 0, decayMask = true }: OptimiserOptions,
): Optimiser {
  const { name } = rule;
  if (typeof learningRate !== "function" && !(learningRate instanceof Tensor))
    checkNumber(name, "learningRate", learningRate);
  checkNumber(name, "weightDecay", weightDecay);
  const decay = f32(weightDecay);
  return {
    name,
    init(params) {
      const flat = floatTree(`${name}.init`, "params", params);
      // one by one: equal results of one program share their memory, and none of them could be donated
      const zeros = rule.moments.map(() => flat.leaves.map(zerosOf));
      return stateOf(rule, flat, i32(0), zeros) as never;
    },
    update(gradients, state, params) {
      const label = `${name}.update`;
      const flat = floatTree(label, "params", params);
      const slopes = leavesBeside(label, "gradients", gradients, flat);
      const moments = momentsOf(label, rule, state, flat);
      const decays = weightDecay > 0 ? maskOf(label, decayMask, flat) : undefined;
      return asProgram(label, () => {
        const step = ops.add(state.step, literal(1, aval("i32", [])));
        const rate = rateOf(label, learningRate, state.step);
        const moveBy = rule.prepare(ops.cast(step, "f32"));
        const moved = flat.leaves.map((x, i) => {
          const decayed = (y: Tensor, where: Rule["decay"]): Tensor =>
            decays?.[i] && rule.decay === where ? ops.add(y, ops.mul(decay, x)) : y;
          const move = moveBy(
            decayed(slopes[i]!, "gradient"),
            moments.map((leaves) => leaves[i]!),
          );
          return { ...move, x: ops.sub(x, ops.mul(decayed(move.direction, "step"), scaleFor(x, rate))) };
        });
        const next = rule.moments.map((_, k) => moved.map((move) => move.moments[k]!));
        const values = unflatten(
          flat.def,
          moved.map(({ x }) => x),
        );
        return [values, stateOf(rule, flat, step, next)];
      }) as never;
    },
  };
}

const i32 = (value: number): Tensor => ops.fill(literal(value, aval("i32", [])), []);

const zerosOf = (x: Tensor): Tensor => ops.fill(f32(0), x.shape);

/** A scalar beside every element of x; constants stay as they are. */
export const scaleFor = (x: Tensor, scalar: Operand): Operand =>
  scalar instanceof Tensor ? stretch(scalar, x.shape) : scalar;

/** `moments` has the leaves of each moment. */
function stateOf(rule: Rule, flat: FlatTree, step: Tensor, moments: readonly (readonly Tensor[])[]): unknown {
  const trees = rule.moments.map((name, k) => [name, unflatten(flat.def, moments[k]!)]);
  return { step, moments: Object.fromEntries(trees) };
}

/** The leaves of each moment. Throws `ShapeError` or `DTypeError` for a state that is not of this rule and these parameters. */
function momentsOf(label: string, rule: Rule, state: unknown, flat: FlatTree): Tensor[][] {
  const { step, moments } = (isNode(state) ? state : {}) as { step?: unknown; moments?: unknown };
  const names = isNode(moments) ? Object.keys(moments).sort() : undefined;
  if (step === undefined || names?.join("\0") !== [...rule.moments].sort().join("\0")) {
    const seen = names ? `moments ${names.join(", ") || "of no name"}` : "no moments";
    const wanted = rule.moments.length > 0 ? `moments ${rule.moments.join(", ")}` : "moments of no name";
    throw new ShapeError(
      `${label}: the state has ${step === undefined ? "no step" : "a step"} and ${seen}, but a step and ${wanted} are wanted\n` +
        `  take the state that init of the same optimiser gave${hereText()}`,
    );
  }
  checkScalar(label, "state.step", step, "i32");
  return rule.moments.map((name) =>
    leavesBeside(label, showPath(["moments", name], "state"), (moments as Record<string, unknown>)[name], flat),
  );
}

function rateOf(label: string, rate: LearningRate, step: Tensor): Operand {
  if (typeof rate === "number") return f32(rate);
  if (typeof rate !== "function") return scalarOf(label, "the learning rate", rate);
  return scalarOf(label, "what the schedule gives", rate(step));
}

/** Whether each leaf decays. */
function maskOf(label: string, mask: DecayMask, { paths, def }: FlatTree): boolean[] {
  const entries = typeof mask === "function" ? paths.map((path) => callMask(mask, path)) : prefixOf(label, mask, def);
  return entries.map((entry, i) => {
    if (typeof entry === "boolean") return entry;
    throw new ValueError(
      `${label}: the decay mask gives ${entry === null ? "null" : `a ${typeof entry}`} for ${showPath(paths[i]!, "params")}, but a boolean is wanted${hereText()}`,
    );
  });
}

const callMask = (mask: unknown, path: Path): unknown => (mask as (path: Path) => unknown)(path);

function prefixOf(label: string, mask: boolean | object, def: FlatTree["def"]): unknown[] {
  try {
    return broadcastPrefix(mask, def);
  } catch (error) {
    if (!(error instanceof PrefixError)) throw error;
    throw new ShapeError(
      `${label}: ${showPath(error.path, "decayMask")} is ${error.seen}, but ${error.wanted}${hereText()}`,
    );
  }
}
