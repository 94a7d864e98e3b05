// What op records say about transforms; joined to the record here because the rules speak in tensors.
import type { Aval } from "../core/aval.js";
import type { Eqn, Graph } from "../ir/graph.js";
import type { Params } from "../ir/op.js";
import type { Operand, Tensor } from "./tensor.js";

/** An operand seen by a batching rule: all lanes of it side by side along `axis`, or one value for all lanes. */
export interface Batched<T extends Operand = Operand> {
  readonly value: T;
  readonly axis: number | null;
}

/**
 * Pushes the batch axis through one equation. At least one operand is batched, `size` lanes. Gives the result for all
 * lanes, and where its batch axis is (or null).
 */
export type BatchRule = (args: readonly Batched[], params: Params, size: number) => Batched<Tensor>;

/**
 * Tangent of the result from the tangents of the operands; undefined is zero, and at least one is not. Only float
 * operands have tangents, and only float results are asked for.
 */
export type JvpRule = (
  tangents: readonly (Tensor | undefined)[],
  operands: readonly Operand[],
  result: Tensor,
  params: Params,
) => Tensor | undefined;

/**
 * Cotangents of the operands in which the op is linear from that of its result; undefined is zero. Of those operands
 * only the types are known: `operands` has undefined for them.
 */
export type TransposeRule = (
  ct: Tensor,
  operands: readonly (Operand | undefined)[],
  types: readonly Aval[],
  params: Params,
) => readonly (Tensor | undefined)[];

/** For ops of several results: a batched value for each. */
type BatchManyRule = (
  args: readonly Batched[],
  params: Params,
  size: number,
  lanes: LaneAxis,
) => readonly Batched<Tensor>[];

/** For ops of several results: a tangent, or undefined, for each. */
export type JvpManyRule = (
  tangents: readonly (Tensor | undefined)[],
  operands: readonly Operand[],
  results: readonly Tensor[],
  params: Params,
) => readonly (Tensor | undefined)[];

/** For ops of several results: at least one cotangent is there. */
export type TransposeManyRule = (
  cts: readonly (Tensor | undefined)[],
  operands: readonly (Operand | undefined)[],
  types: readonly Aval[],
  params: Params,
) => readonly (Tensor | undefined)[];

/** A lane axis that a `vmap` pushes through a Graph. */
export interface LaneAxis {
  readonly size: number;
  /** Name that collective ops know it by. */
  readonly name?: string | undefined;
}

/** The transforms of Graphs, handed to the rules of ops that hold Graphs, whose records stand below them. */
export interface Transforms {
  /**
   * Batches a Graph. With `outAxes`, results whose entry is a number have their batch axis there, lanes that are alike
   * repeated; entries of null mean: wherever it comes out.
   */
  batch(
    graph: Graph,
    inAxes: readonly (number | null)[],
    lanes: LaneAxis,
    outAxes?: readonly (number | null)[],
  ): { readonly graph: Graph; readonly outAxes: readonly (number | null)[] };
  /**
   * Takes the primal inputs, then a tangent for each active one; gives the primal outputs, then a tangent for each
   * active one. With `wanted`, outputs whose entry is true are active in any case, with zeros if need be.
   */
  jvp(
    graph: Graph,
    active: readonly boolean[],
    wanted?: readonly boolean[],
  ): { readonly graph: Graph; readonly active: readonly boolean[] };
  /**
   * Takes a Graph apart. `known` takes the inputs that are not unknown; it gives the outputs that do not depend on
   * unknown ones, then residuals. `linear` takes the residuals, then the unknown inputs, and gives the other outputs.
   * Outputs whose entry in `forced` is true count as unknown in any case.
   */
  partialEval(
    graph: Graph,
    unknown: readonly boolean[],
    forced?: readonly boolean[],
  ): {
    readonly known: Graph;
    readonly linear: Graph;
    readonly unknownOut: readonly boolean[];
    readonly residuals: readonly Aval[];
  };
  /**
   * Turns a Graph round that is linear in its inputs behind the first `residuals`: takes the residuals, then a cotangent
   * for each output; gives a cotangent for each linear input.
   */
  transpose(graph: Graph, residuals: number): Graph;
}

/** What is left of an equation when some of its operands are not known yet. */
export interface PartialEqn {
  /** Equations on known values alone. Those results of the equation that they define keep their variables. */
  readonly known: readonly Eqn[];
  /** Equations that also read the unknown; together they define all the other results. */
  readonly unknown: readonly Eqn[];
}

declare module "../ir/op.js" {
  interface ElementwiseOp {
    /** Missing for ops whose results are never float. */
    readonly jvp?: JvpRule;
    /** For ops that are linear in some operand. */
    readonly transpose?: TransposeRule;
  }
  interface ViewOp {
    batch?(args: readonly Batched[], params: Params, size: number): Batched<Tensor>;
    /** Views are linear in their float operands, so their tangents are views of tangents. */
    readonly transpose?: TransposeRule;
    /** Where that is not so: a view that gives other constants than zero. */
    readonly jvp?: JvpRule;
    /** Its tangent is zero because it is asked to be: nothing to hold difference quotients to. */
    readonly stopsTangents?: boolean;
  }
  interface ReductionOp {
    readonly jvp?: JvpRule;
    readonly transpose?: TransposeRule;
  }
  interface ContractionOp {
    batch?(args: readonly Batched[], params: Params, size: number): Batched<Tensor>;
    /** Contractions are linear in either operand. */
    readonly transpose?: TransposeRule;
  }
  interface OpaqueOp {
    /** Without one, each lane is run by itself. */
    readonly batch?: BatchManyRule;
    /** Missing for ops whose results are never float. */
    readonly jvp?: JvpManyRule;
    readonly transpose?: TransposeManyRule;
    /** Names of axes that host functions in the params speak of. */
    axisNames?(params: Params): readonly string[];
  }
  interface RegionOp {
    batch(
      args: readonly Batched[],
      params: Params,
      lanes: LaneAxis,
      transforms: Transforms,
    ): readonly Batched<Tensor>[];
    /** Results and tangents together, since their equations are; at least one tangent is there. */
    jvp(
      tangents: readonly (Tensor | undefined)[],
      operands: readonly Operand[],
      params: Params,
      transforms: Transforms,
    ): { readonly results: readonly Tensor[]; readonly tangents: readonly (Tensor | undefined)[] };
    /** Some operand is unknown. Missing where all results are unknown then. */
    partialEval?(eqn: Eqn, unknown: readonly boolean[], transforms: Transforms): PartialEqn;
    /** Why there is no reverse mode with these params, and the way out; undefined where there is. */
    noReverse?(params: Params): string | undefined;
    transpose?(
      cts: readonly (Tensor | undefined)[],
      operands: readonly (Operand | undefined)[],
      types: readonly Aval[],
      params: Params,
      transforms: Transforms,
    ): readonly (Tensor | undefined)[];
    /** The Graphs that all others in the params follow from, where those are not all that there are. */
    bodies?(params: Params): readonly Graph[];
    /** Operands and params when Graphs in the place of `bodies` take `more` operands, in `graphs` behind the others. */
    widen(
      eqn: Eqn,
      graphs: readonly Graph[],
      more: readonly Atom[],
      transforms: Transforms,
    ): { readonly inputs: readonly Atom[]; readonly params: Params };
    /** The same equation without the results that nobody reads; they keep their variables. */
    prune?(eqn: Eqn, used: readonly boolean[]): Eqn;
    /** Names of axes that host functions in the params speak of. */
    axisNames?(params: Params): readonly string[];
  }
  interface CollectiveOp {
    /** `lanes` has one of the names in the params. Operands may all be unbatched: then all lanes are alike. */
    batch(args: readonly Batched[], params: Params, lanes: LaneAxis): Batched<Tensor>;
    /** Another axis passes by: the operand, if there is one, is batched. */
    passBy(args: readonly Batched[], params: Params): Batched<Tensor>;
    /** Missing for ops whose results are never float. */
    readonly jvp?: JvpRule;
    readonly transpose?: TransposeRule;
  }
}
