// What op records say about transforms; joined to the record here because the rules speak in tensors.
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

interface Rules {
  /** Elementwise ops and reductions need none: theirs follows from the kind. */
  batch?(args: readonly Batched[], params: Params, size: number): Batched<Tensor>;
}

declare module "../ir/op.js" {
  interface ViewOp extends Rules {}
  interface ContractionOp extends Rules {}
}
