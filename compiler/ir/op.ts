// The op record: all that is true of one primitive and of no other. Passes ask its kind, never its name.
import type { Aval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import type { NDArray } from "../core/ndarray.js";
import type { Shape } from "../core/shape.js";
import type { Position } from "./position.js";
import type { Scalar, ScalarBuilder } from "./scalar.js";

/** Static parameters of an equation: numbers, strings, booleans and lists of them. */
export type Params = object;

/**
 * What follows from a kind is written once, in the transform that needs it.
 * - elementwise: same-shape operands, one result of that shape, each element from the elements beside it.
 * - view: each element of the result is one element of one operand, or a constant, or its own position.
 * - reduction: some axes of the operand are folded into one element.
 * - contraction: a sum of products, expressible as a batched matrix product.
 */
type Kind = "elementwise" | "view" | "reduction" | "contraction";

/** How the interpreter runs: `wide` holds f32 in 64 bits and is the oracle of the tests. */
export interface CpuContext {
  readonly wide: boolean;
}

interface OpBase {
  readonly name: string;
  readonly kind: Kind;
  /** Types of the results. Throws `ShapeError` or `DTypeError` in the words of the user. */
  typeOf(inputs: readonly Aval[], params: Params): Aval[];
  /** Where tests may sample the op: whole calls, drawn from `draw`. */
  readonly samples: Samples;
  /** Bound on the distance between backends, in units in the last place of f32. 0 is bit for bit. */
  readonly ulp: number;
}

/** One call of an op for the suites: types and parameters; values lie in `domain`, one range per operand. */
export interface Sample {
  readonly inputs: readonly Aval[];
  readonly params: Params;
  /** Ranges the elements are drawn from, one per operand; integers are drawn whole. */
  readonly domain?: readonly (readonly [low: number, high: number])[];
}

/** The calls an op is tested with, for each of its dtypes. */
export type Samples = readonly Sample[];

export interface ElementwiseOp extends OpBase {
  readonly kind: "elementwise";
  /** The value of one element, the same on every backend. */
  scalar(b: ScalarBuilder, args: readonly Scalar[], params: Params): Scalar;
  /** In f64, where `scalar` is an approximation made for f32. */
  readonly wide?: (...args: number[]) => number;
  /**
   * Number of the operand that the result equals bit for bit, given which operands are constants (undefined for those
   * that are not). Only what holds for NaN, infinities and −0 too.
   */
  identity?(constants: readonly (number | undefined)[], dtype: DType): number | undefined;
}

/** Where one axis of the operand is read, as a multiple of one coordinate of the result. */
export interface AxisMap {
  /** Axis of the result, or null where the operand is read at `offset` alone. */
  readonly from: number | null;
  readonly scale: number;
  readonly offset: number;
}

export interface ViewOp extends OpBase {
  readonly kind: "view";
  /** Affine views: one entry per axis of the operand. `read` and `cpu` follow from it. */
  axes?(input: Aval, output: Aval, params: Params): AxisMap[];
  /** The result's element at `at`, from `operand(k, position)`. */
  read(
    b: ScalarBuilder,
    at: Position,
    operand: (k: number, at: Position) => Scalar,
    inputs: readonly Aval[],
    params: Params,
  ): Scalar;
  cpu(inputs: readonly NDArray[], params: Params, context: CpuContext, output: Aval): NDArray;
  /** The result holds the operand's elements in the operand's order (reshape and kin). */
  readonly keepsOrder?: boolean;
  /** Each element of the result comes from one of the operands, if from any, and no other element is looked at. */
  readonly oneOperand?: boolean;
  /** Groups of operands, in order, that may be joined by themselves first: for ops of many operands. */
  split?(inputs: readonly Aval[], params: Params, limit: number): readonly (readonly number[])[];
}

/** Axes of the operand that a reduction folds, in rising order. */
export interface ReduceParams {
  readonly axes: readonly number[];
}

/** Its params are `ReduceParams`. */
export interface ReductionOp extends OpBase {
  readonly kind: "reduction";
  /** What nothing reduces to: the state that `combine` leaves alone. */
  init(b: ScalarBuilder, dtype: DType): readonly Scalar[];
  /** State of one element; `index` counts along the reduced axes, row-major. */
  element(b: ScalarBuilder, x: Scalar, index: Scalar): readonly Scalar[];
  /** Associative. `earlier` holds elements before those of `later`. */
  combine(b: ScalarBuilder, earlier: readonly Scalar[], later: readonly Scalar[]): readonly Scalar[];
  finish(b: ScalarBuilder, state: readonly Scalar[]): Scalar;
  cpu(input: NDArray, params: Params, context: CpuContext, output: Aval): NDArray;
}

/** An element of an operand, or 0 where `inside` is given and does not hold. */
export interface Place {
  readonly at: Position;
  readonly inside?: Scalar;
}

/**
 * A contraction seen as a batched matrix product result[b, m, n] = Σ_k left[b, m, k] · right[b, k, n]. `left` is a place
 * in the first operand and `right` one in the second, or the other way round if `swapped`.
 */
export interface Gemm {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly swapped?: boolean;
  left(b: ScalarBuilder, batch: Scalar, m: Scalar, k: Scalar): Place;
  right(b: ScalarBuilder, batch: Scalar, k: Scalar, n: Scalar): Place;
  /** Where results lie in memory, if not as [batch, m, n] in row-major order: there and back. */
  readonly result?: {
    at(b: ScalarBuilder, batch: Scalar, m: Scalar, n: Scalar): Position;
    of(b: ScalarBuilder, at: Position): readonly [batch: Scalar, m: Scalar, n: Scalar];
  };
}

export interface ContractionOp extends OpBase {
  readonly kind: "contraction";
  gemm(lhs: Aval, rhs: Aval, params: Params): Gemm;
  cpu(inputs: readonly [NDArray, NDArray], params: Params, context: CpuContext, output: Aval): NDArray;
}

/** One primitive. Records are made once, at load; equations hold them by reference. */
export type Op = ElementwiseOp | ViewOp | ReductionOp | ContractionOp;

const registry = new Map<string, Op>();

/** Enters a record in the registry that the suites walk and the parser reads. Names are unique. */
export function register<T extends Op>(op: T): T {
  if (registry.has(op.name)) throw new Error(`op '${op.name}' is defined twice`);
  registry.set(op.name, op);
  return op;
}

/** Every op record there is. */
export const allOps = (): readonly Op[] => [...registry.values()];

export const findOp = (name: string): Op | undefined => registry.get(name);

/** `f32[2,3]` sized shapes are everywhere in samples. */
export const shaped = (dtype: DType, ...shape: number[]): Aval => ({ dtype, shape: shape as Shape });
