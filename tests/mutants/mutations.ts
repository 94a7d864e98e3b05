// Ways to break a rule of an op record, each of which some test must notice.
import { aval } from "../../compiler/core/aval.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { literal } from "../../compiler/ir/graph.js";
import type { AxisMap, Op } from "../../compiler/ir/op.js";
import type { Scalar, ScalarBuilder } from "../../compiler/ir/scalar.js";
import { add, fill, not } from "../../compiler/ops/index.js";
import type { Batched } from "../../compiler/trace/rules.js";
import { Tensor } from "../../compiler/trace/tensor.js";

/** A change of what a rule gives; `args` are what it was called with. */
interface Mutation {
  readonly name: string;
  apply(result: unknown, args: readonly unknown[]): unknown;
}

type Found = Tensor | undefined;

/** What holds for a result holds for each of several. */
const each =
  <T>(change: (x: T) => T) =>
  (result: unknown): unknown =>
    Array.isArray(result) ? result.map((x: T) => change(x)) : change(result as T);

/** One more, or the contrary. */
function shifted(x: Tensor): Tensor {
  if (x.dtype === "bool") return not(x);
  return add(x, fill(literal(1, aval(x.dtype, [])), x.shape));
}

const doubled = (x: Found): Found => x && add(x, x);
const dropped = (): Found => undefined;

function shiftedArray(array: NDArray): NDArray {
  const data = array.data.slice();
  for (let i = 0; i < data.length; i++) data[i] = array.dtype === "bool" ? 1 - data[i]! : data[i]! + 1;
  return { ...array, data };
}

function shiftedScalar(result: unknown, [b]: readonly unknown[]): Scalar {
  const [x, builder] = [result as Scalar, b as ScalarBuilder];
  if (x.type === "bool") return builder.not(x);
  return builder.add(x, builder.const(x.type === "f32" ? 0.5 : 1, x.type));
}

/** The batch axis said to be another one, or none where there is no other. */
function elsewhere({ value, axis }: Batched<Tensor>): Batched<Tensor> {
  if (axis === null) return { value, axis };
  return { value, axis: value.ndim > 1 ? (axis + 1) % value.ndim : null };
}

/** jvp rules of regions give results and tangents together. */
const tangents =
  (change: (x: Found) => Found) =>
  (result: unknown): unknown => {
    const both = result as { results: unknown; tangents: readonly Found[] } | Found | readonly Found[];
    if (both && "tangents" in both) return { ...both, tangents: both.tangents.map(change) };
    return each(change)(both);
  };

const mutations: Readonly<Record<string, readonly Mutation[]>> = {
  scalar: [{ name: "off", apply: shiftedScalar }],
  cpu: [{ name: "off", apply: each(shiftedArray) }],
  axes: [
    // passes ask it whether the view changes anything
    { name: "plain", apply: (maps) => (maps as readonly AxisMap[]).map((_, from) => ({ from, scale: 1, offset: 0 })) },
  ],
  identity: [{ name: "always", apply: () => 0 }],
  batch: [
    { name: "off", apply: each((x: Batched<Tensor>) => ({ ...x, value: shifted(x.value) })) },
    { name: "axis", apply: each(elsewhere) },
  ],
  jvp: [
    { name: "twice", apply: tangents(doubled) },
    { name: "zero", apply: tangents(dropped) },
  ],
  transpose: [
    { name: "twice", apply: each(doubled) },
    { name: "zero", apply: each(dropped) },
  ],
};

/** There is something in a rule's result that can be broken: no tangent of a function that is flat cannot. */
export function isBreakable(rule: string, result: unknown): boolean {
  if (rule !== "jvp" && rule !== "transpose") return true;
  const found = typeof result === "object" && result !== null && "tangents" in result ? result.tangents : result;
  return [found].flat().some((x) => x instanceof Tensor);
}

/** Rules of a record that can be broken, and how. */
export const mutationsOf = (op: Op): { readonly rule: string; readonly list: readonly Mutation[] }[] =>
  Object.entries(mutations).flatMap(([rule, list]) =>
    typeof op[rule as keyof Op] === "function" ? [{ rule, list }] : [],
  );
