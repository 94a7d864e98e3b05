// Fused kernels: which equations of a Graph run together, what they read and what they store.
import type { Shape } from "../core/shape.js";
import type { Atom, Eqn, Graph, Var } from "./graph.js";

/**
 * - map: every element of the results by itself.
 * - reduce: `roots` fold their operands (all over the same axes of equal shapes); the rest runs before or after it.
 * - contract: one sum of products; the rest runs before or after it.
 * - lanes: the region in `roots`, an invocation for each lane; the rest runs before or after it.
 * - opaque, region: the equation in `roots` by itself; other equations are views of its operands.
 */
type KernelKind = "map" | "reduce" | "contract" | "lanes" | "opaque" | "region";

/** How the lanes of a region lie in its values, where each lane keeps arrays of its own. */
export interface LaneForm {
  /** The leading axes of every value that differs from lane to lane. */
  readonly shape: Shape;
  /** Those values, of the equation and of the Graphs in it: what is not among them is the same for all lanes. */
  readonly vars: ReadonlySet<Var>;
}

export interface FusedKernel {
  readonly kind: KernelKind;
  /** Generated: k0, k1, … in the order they run. */
  readonly name: string;
  /** Reductions, the contraction, or the one equation; none for a map. */
  readonly roots: readonly Eqn[];
  /** Every equation computed here, in order; one that several kernels compute is in each of them. */
  readonly eqns: readonly Eqn[];
  /** Variables read from memory. Of kinds opaque and region: the memory of each operand, in their order. */
  readonly loads: readonly Var[];
  /** Variables written to memory, all with `size` elements, or that in each turn of a scan of lanes, or one that all lanes share. Of kinds opaque and region: every result, of any size. */
  readonly stores: readonly Var[];
  /** Elements of each result; of all of them together for kinds opaque and region. */
  readonly size: number;
  /** Of kind lanes, where each lane keeps arrays of its own: it stores all elements of a lane, and `size` counts lanes. */
  readonly form?: LaneForm;
  /** Arrays read through the binding of the result that takes their memory, by the array. */
  readonly inPlace?: ReadonlyMap<Var, Var>;
  /** What alone is stored of the results, where they take the memory of arrays that they are otherwise. */
  readonly part?: StoredPart;
  /** Why it ends where it ends, for `dump`. */
  readonly why: readonly string[];
}

/** A run of elements of every result of a kernel, row-major: `count` from `from` on. */
export interface StoredPart {
  readonly from: number;
  readonly count: number;
  /** For each result, the array that it is otherwise, and the values of these elements. */
  readonly of: ReadonlyMap<Var, { readonly array: Var; readonly values: Atom }>;
}

/** A Graph cut into kernels. */
export interface FusedGraph {
  readonly graph: Graph;
  /** In an order in which every load was stored before. */
  readonly kernels: readonly FusedKernel[];
  /**
   * For each output of the Graph the variable whose memory holds its elements: an input, or one that a kernel stores.
   * Views that keep the order of elements share the memory of what they view.
   */
  readonly memory: readonly Var[];
}
