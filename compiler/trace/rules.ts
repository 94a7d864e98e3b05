// What op records say about transforms; joined to the record here because the rules speak in tensors.
import type { Aval } from "../core/aval.js";
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

declare module "../ir/op.js" {
  interface ElementwiseOp {
    /** Missing for ops whose results are never float. */
    readonly jvp?: JvpRule;
    /** For ops that are linear in some operand. */
    readonly transpose?: TransposeRule;
  }
  interface ViewOp {
    batch?(args: readonly Batched[], params: Params, size: number): Batched<Tensor>;
    /** Only for views that show constants beside their operands, whose tangent is zero. */
    readonly jvp?: JvpRule;
    /** Views are linear in their float operands, so their tangents are views of tangents. */
    readonly transpose?: TransposeRule;
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
}
