// The op record: all that is true of one primitive and of no other. Passes ask its kind, never its name. And the Graphs
// whose equations hold records.
import type { Aval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import type { NDArray } from "../core/ndarray.js";
import type { Shape } from "../core/shape.js";
import type { DeviceLimits } from "./limits.js";
import type { Position } from "./position.js";
import type { Scalar, ScalarBuilder } from "./scalar.js";

/** A value in a Graph: an input, or the result of exactly one equation. */
export interface Var {
  readonly kind: "var";
  readonly aval: Aval;
}

/** A scalar constant. Values are compared by `Object.is`. */
export interface Literal {
  readonly kind: "literal";
  readonly aval: Aval;
  readonly value: number;
}

export type Atom = Var | Literal;

/** A place in the user's code. */
export interface SourceLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly functionName?: string | undefined;
}

/** Where an equation comes from; resolved when it is asked for. */
export interface Location {
  readonly source: SourceLocation | undefined;
}

export interface Eqn {
  readonly op: Op;
  readonly inputs: readonly Atom[];
  readonly params: Params;
  readonly outputs: readonly Var[];
  readonly location?: Location | undefined;
}

export interface Graph {
  readonly inputs: readonly Var[];
  readonly eqns: readonly Eqn[];
  readonly outputs: readonly Atom[];
}

/** Static parameters of an equation: numbers, strings, booleans, Graphs, host functions, and lists or records of them. */
export type Params = object;

/**
 * What follows from a kind is written once, in the transform that needs it.
 * - elementwise: same-shape operands, one result of that shape, each element from the elements beside it.
 * - view: each element of the result is one element of one operand, or a constant, or its own position.
 * - reduction: some axes of the operand are folded into one element.
 * - contraction: a sum of products, expressible as a batched matrix product.
 * - opaque: any number of results from dispatches of its own; nothing is fused into it.
 * - region: runs Graphs that it holds in its params.
 * - collective: combines the lanes of a named axis; the `vmap` of that name takes it out.
 */
type Kind = "elementwise" | "view" | "reduction" | "contraction" | "opaque" | "region" | "collective";

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

/** An element of the first operand that is written over, and by what. */
export interface Overwrite {
  readonly at: Position;
  /** Nothing is written unless it holds; `at` lies in the array all the same. */
  readonly inside?: Scalar;
  value(old: Scalar): Scalar;
}

/**
 * For ops whose result is the first operand with elements written over, one for each element of the second operand, in
 * their order: what the one at `at` of the second operand does.
 */
type WriteRule = (
  b: ScalarBuilder,
  at: Position,
  operand: (k: number, at: Position) => Scalar,
  inputs: readonly Aval[],
  params: Params,
) => Overwrite;

export interface ElementwiseOp extends OpBase {
  readonly kind: "elementwise";
  /** The value of one element, the same on every backend. */
  scalar(b: ScalarBuilder, args: readonly Scalar[], params: Params): Scalar;
  /** In f64, where `scalar` is an approximation made for f32. */
  readonly wide?: (...args: number[]) => number;
  /** One element on the CPU, where `scalar` calls WGSL of the user's. */
  readonly host?: (...args: number[]) => number;
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
  readonly writes?: WriteRule;
  /**
   * The result is the first operand but for a run of elements, which are those of the second operand in their order: the
   * first of them, row-major. Undefined where it is not known, or they are no run.
   */
  overwritesFrom?(inputs: readonly Atom[], params: Params): number | undefined;
  /** The result holds the operand's elements in the operand's order (reshape and kin). */
  readonly keepsOrder?: boolean;
  /** Each element of the result comes from one of the operands, if from any, and no other element is looked at. */
  readonly oneOperand?: boolean;
  /** No pass sees through it: what is computed from the result is computed there again, and not before. */
  readonly fence?: boolean;
  /** Operand `k` is read at the position of the result, and nowhere else. */
  inPlace?(k: number, inputs: readonly Aval[], params: Params): boolean;
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

/** An array that a dispatch of an opaque op binds: an operand, a result, or scratch memory of the op. */
export type OpaqueBuffer = `in${number}` | `out${number}` | `tmp${number}`;

/** One dispatch of an opaque op. */
export interface OpaqueDispatch {
  /**
   * WGSL behind the bindings, which are declared as `var<storage, …> in0: array<…>` and so on under the names in
   * `reads` and `writes`, bool as u32. Scratch memory is `array<u32>`. The entry point is `main`.
   */
  readonly wgsl: string;
  readonly reads: readonly OpaqueBuffer[];
  /** Bound as read_write. No buffer is both read and written. */
  readonly writes: readonly OpaqueBuffer[];
  readonly workgroups: readonly [x: number, y: number, z: number];
}

/** The dispatches of an opaque op, in order, and the bytes of each `tmp`. */
export interface OpaqueKernels {
  readonly scratch: readonly number[];
  readonly dispatches: readonly OpaqueDispatch[];
}

export interface OpaqueOp extends OpBase {
  readonly kind: "opaque";
  /** Its WGSL comes from the user, and so do mistakes in it. */
  readonly isUsers?: boolean;
  cpu(inputs: readonly NDArray[], params: Params, context: CpuContext, outputs: readonly Aval[]): NDArray[];
  /** How one lane computes the (only) result in an array of its own. */
  readonly writes?: WriteRule;
  /** Results that hold no elements need not be written. */
  kernels(inputs: readonly Aval[], outputs: readonly Aval[], params: Params, limits: DeviceLimits): OpaqueKernels;
}

/** Runs a Graph on host arrays, in the precision of the run that is under way. */
type RunGraph = (graph: Graph, inputs: readonly NDArray[]) => NDArray[];

/**
 * How an equation runs the Graphs in its params; the compiler asks this, never the name.
 * - call: `CallParams`; once, and could as well stand in place of the equation.
 * - switch: `SwitchParams`; one of several, chosen by the first operand.
 * - while: `WhileParams`; as long as a condition holds.
 * - scan: `ScanParams`; once for each entry of arrays.
 */
type RegionForm = "call" | "switch" | "while" | "scan";

export interface RegionOp extends OpBase {
  readonly kind: "region";
  readonly form: RegionForm;
  cpu(
    inputs: readonly NDArray[],
    params: Params,
    context: CpuContext,
    outputs: readonly Aval[],
    run: RunGraph,
  ): NDArray[];
}

/** Operands of the equation are those of the Graph, and so are the results. */
export interface CallParams {
  readonly body: Graph;
  /** So many of the operands, from the first, are read behind fences: the body computes again what others did before. */
  readonly fenced?: number;
}

/**
 * Operands: the index, i32 of shape [lanes]; then those of every branch. Results: those of the branch, which all give
 * the same types; an index outside is clamped. With `lanes` > 0 the index has that many axes, which are the leading
 * ones of every result, and each lane has its own branch.
 */
export interface SwitchParams {
  readonly branches: readonly Graph[];
  readonly lanes: number;
}

/**
 * Operands: `consts` values that stay, then the carry. `cond` takes them all and gives a bool; `body` takes them all
 * and gives the next carry, which are also the results. With `lanes` > 0 the condition has that many axes, which are the
 * leading ones of every carried value, and each lane keeps its carry as soon as its own condition is false, or after
 * `maxSteps` turns.
 */
export interface WhileParams {
  readonly cond: Graph;
  readonly body: Graph;
  readonly consts: number;
  readonly lanes: number;
  /** So many turns at most; no bound without it. */
  readonly maxSteps?: number;
}

/**
 * Operands: `consts` values that stay, `carry` carried ones, then arrays with `length` entries along axis 0. `body` takes
 * the values, the carry and one entry of each array, and gives the next carry, then what is stacked along axis 0 of the
 * other results. In reverse, entries are taken and stacked from the last to the first.
 */
export interface ScanParams {
  readonly body: Graph;
  readonly length: number;
  readonly reverse: boolean;
  readonly consts: number;
  readonly carry: number;
}

/** Its params are at least these. */
export interface CollectiveParams {
  /** Names of the axes whose lanes are combined, at least one. */
  readonly names: readonly string[];
}

/** Not in the registry: without its `vmap`, it has no meaning to be tested. */
export interface CollectiveOp extends OpBase {
  readonly kind: "collective";
}

/** One primitive. Records are made once, at load; equations hold them by reference. */
export type Op = ElementwiseOp | ViewOp | ReductionOp | ContractionOp | OpaqueOp | RegionOp | CollectiveOp;

const registry = new Map<string, Op>();

/** Enters a record in the registry that the suites walk and the parser reads. Names are unique. */
export function register<T extends Op>(op: T): T {
  if (registry.has(op.name)) throw new Error(`op '${op.name}' is defined twice`);
  registry.set(op.name, op);
  return op;
}

const users = new Map<string, Op>();

/** Enters a record of the user's, whose name must be free: the parser reads it, but `allOps` does not list it. */
export function registerUsers(op: Op): void {
  users.set(op.name, op);
}

/** Every op record of ours. */
export const allOps = (): readonly Op[] => [...registry.values()];

export const findOp = (name: string): Op | undefined => registry.get(name) ?? users.get(name);

/** `f32[2,3]` sized shapes are everywhere in samples. */
export const shaped = (dtype: DType, ...shape: number[]): Aval => ({ dtype, shape: shape as Shape });
