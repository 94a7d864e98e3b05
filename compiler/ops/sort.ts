// Sorting: the order of the elements of each row, and what follows from it.
import { aval, showAval } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import type { NDArray } from "../core/ndarray.js";
import { sizeOf } from "../core/shape.js";
import { type OpaqueOp, register, shaped } from "../ir/op.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { moveAxis } from "./axes.js";
import { allDTypes, bindOne } from "./define.js";
import { gather } from "./gather.js";
import { sortKernels } from "./sort-kernels.js";

interface OrderParams {
  readonly descending: boolean;
}

const orderOp: OpaqueOp = register<OpaqueOp>({
  name: "sortOrder",
  kind: "opaque",
  typeOf([x]) {
    if (x!.shape.length === 0) throw new ShapeError(`sortOrder: ${showAval(x!)} has no axis to sort along`);
    return [aval("i32", x!.shape)];
  },
  cpu([x], params) {
    const { descending } = params as OrderParams;
    const n = x!.shape.at(-1)!;
    const data = new Int32Array(x!.data.length);
    for (let from = 0; from < data.length; from += n)
      orderOfRow(x!.data.subarray(from, from + n), descending, data.subarray(from, from + n));
    return [{ dtype: "i32", shape: x!.shape, data }];
  },
  kernels([x], _outputs, params, limits) {
    const { descending } = params as OrderParams;
    const length = x!.shape.at(-1)!;
    const rows = sizeOf(x!.shape) / length;
    const { dtype } = x!;
    return sortKernels(
      { rows, length, dtype, descending, from: "in0", to: "out0", toType: "i32", firstTmp: 0 },
      limits,
    );
  },
  batch: ([x], params) => [{ value: bindOne(orderOp, [moveAxis(x!.value, x!.axis!, 0)], params), axis: 0 }],
  samples: allDTypes.flatMap((dtype) =>
    [[7], [20, 5], ...(dtype === "f32" ? [[1], [0], [3, 0], [2, 3, 4], [2, 1500]] : [])].flatMap((shape) =>
      [false, true].map((descending) => ({ inputs: [shaped(dtype, ...shape)], params: { descending } })),
    ),
  ),
  ulp: 0,
});

/** Fills `out` with where the elements of `row` go from, in order; equal ones stay as they stand. NaN is the largest. */
function orderOfRow(row: NDArray["data"], descending: boolean, out: Int32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = i;
  const compare = (i: number, j: number): number => {
    const [x, y] = [row[i]!, row[j]!];
    if (x < y) return -1;
    if (x > y) return 1;
    return x === y ? 0 : Number(Number.isNaN(x)) - Number(Number.isNaN(y));
  };
  out.sort(descending ? (i, j) => compare(j, i) || i - j : (i, j) => compare(i, j) || i - j);
}

/**
 * For each place along `axis`, which element comes there when it is sorted: i32, of the shape of x. Stable: equal
 * elements stay in their order, also when `descending`. −0 equals 0; NaN is the largest of all, and equals NaN.
 */
export function sortOrder(x: Operand, axis: number, descending = false): Tensor {
  const last = x.aval.shape.length - 1;
  return moveAxis(bindOne(orderOp, [moveAxis(x, axis, last)], { descending }), last, axis);
}

/** x with its elements along `axis` in the order that `indices`, of the same rank, says: x[i₀, …, indices[i₀, …, iₙ], …]. */
export function takeAlong(x: Operand, indices: Operand, axis: number): Tensor {
  const last = x.aval.shape.length - 1;
  const taken = gather(moveAxis(x, axis, last), [moveAxis(indices, axis, last)], {
    axes: [last],
    batch: last,
    mode: "clip",
  });
  return moveAxis(taken, last, axis);
}

/**
 * The operands, all of one shape, sorted together along `axis`: by the first one, among equals by the second, and so on
 * for the first `keys` of them. Stable.
 */
export function sort(operands: readonly Operand[], axis: number, keys = 1, descending = false): Tensor[] {
  const order = lexicalOrder(operands.slice(0, keys), axis, descending);
  return operands.map((x) => takeAlong(x, order, axis));
}

/** The order along `axis` by the first key, among equals by the second, and so on. */
export function lexicalOrder(keys: readonly Operand[], axis: number, descending = false): Tensor {
  // by the last key first: stable sorts by the others keep its order among equals
  const [last, ...others] = [...keys].reverse() as [Operand, ...Operand[]];
  let order = sortOrder(last, axis, descending);
  for (const key of others) {
    const next = sortOrder(takeAlong(key, order, axis), axis, descending);
    order = takeAlong(order, next, axis);
  }
  return order;
}
