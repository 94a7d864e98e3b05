// Where a relation is not asked of a call, and why: all that the suites leave out.
import type { WhileParams } from "../../compiler/ir/op.js";
import type { Call } from "./calls.js";
import type { Tally } from "./tally.js";

/** What the suites hold every call of every record to, where nothing here says otherwise. */
export type Relation =
  | "vmap = loop over lanes"
  | "jvp = difference quotient"
  | "⟨ct, jvp⟩ = ⟨transpose, dx⟩"
  | "jvp of grad = difference quotient"
  | "grad of ⟨grad, v⟩ = jvp of grad"
  | "vmap(grad) = loop of grads"
  | "grad(vmap) = grads of the lanes"
  | "jvp(vmap) = vmap(jvp)"
  | "jit(vmap(grad)) = vmap(grad)"
  | "grad(jit(vmap)) = grads of the lanes"
  | "GPU = CPU"
  | "GPU = CPU on special values"
  | "GPU = CPU on constants"
  | "vmap(grad) on the GPU = loop of grads on the CPU"
  | "jvp on the GPU = jvp on the CPU"
  | "jvp of grad on the GPU = on the CPU";

const reverse: readonly Relation[] = [
  "⟨ct, jvp⟩ = ⟨transpose, dx⟩",
  "jvp of grad = difference quotient",
  "grad of ⟨grad, v⟩ = jvp of grad",
  "vmap(grad) = loop of grads",
  "grad(vmap) = grads of the lanes",
  "jit(vmap(grad)) = vmap(grad)",
  "grad(jit(vmap)) = grads of the lanes",
  "vmap(grad) on the GPU = loop of grads on the CPU",
  "jvp of grad on the GPU = on the CPU",
];

const derivatives: readonly Relation[] = [
  "jvp = difference quotient",
  "jvp(vmap) = vmap(jvp)",
  "jvp on the GPU = jvp on the CPU",
  ...reverse,
];

/** Calls that some relations are not asked of. */
export interface Exclusion {
  readonly relations: readonly Relation[];
  /** Name of a record of which the relations do not hold; or what calls they say nothing of have in common. */
  readonly of: string | { readonly calls: string; has(call: Call): boolean };
  readonly reason: string;
}

export const exclusions: readonly Exclusion[] = [
  {
    relations: derivatives,
    of: { calls: "no float operand", has: ({ graph }) => graph.inputs.every((v) => v.aval.dtype !== "f32") },
    reason: "there is nothing to differentiate by",
  },
  {
    relations: derivatives,
    of: { calls: "no float result", has: ({ graph }) => graph.outputs.every((x) => x.aval.dtype !== "f32") },
    reason: "integers and booleans have no tangents",
  },
  {
    relations: ["jvp = difference quotient"],
    of: "stopGradient",
    reason: "its tangent is zero because that is what it is for",
  },
  {
    relations: reverse,
    of: {
      calls: "while without a bound",
      has: ({ op, graph }) => op.name === "while" && (graph.eqns[0]!.params as WhileParams).maxSteps === undefined,
    },
    reason: "the turns it will take are not known, so there is no room for what reverse mode has to keep of each",
  },
  {
    relations: ["jvp = difference quotient", "⟨ct, jvp⟩ = ⟨transpose, dx⟩", "jvp(vmap) = vmap(jvp)"],
    of: "customVjp",
    reason: "it has the user's rule for reverse mode, and none for forward mode",
  },
  {
    relations: ["vmap = loop over lanes", "GPU = CPU on special values", "GPU = CPU on constants"],
    of: { calls: "no operands", has: ({ graph }) => graph.inputs.length === 0 },
    reason: "there is nothing to batch and no value to choose",
  },
  {
    relations: ["GPU = CPU on special values"],
    of: {
      calls: "rounded sums and products",
      has: ({ op, graph }) =>
        op.kind !== "elementwise" && op.ulp !== 0 && graph.outputs.some((x) => x.aval.dtype === "f32"),
    },
    reason: "whether a partial result overflows, or becomes NaN, depends on the order of the terms",
  },
  {
    relations: ["GPU = CPU on constants"],
    of: { calls: "not elementwise", has: ({ op }) => op.kind !== "elementwise" },
    reason: "their operands are arrays in memory, of which WGSL's compiler knows nothing",
  },
];

/** Whether `exclusion` is about `call`. */
export const isAbout = ({ of }: Exclusion, call: Call): boolean =>
  typeof of === "string" ? call.op.name === of : of.has(call);

/** The calls that `relation` is asked of; the others are counted by what excludes them, the first in the list. */
export function askedOf(relation: Relation, calls: readonly Call[], tally: Tally): Call[] {
  const own = exclusions.filter(({ relations }) => relations.includes(relation));
  return calls.filter((call) => {
    const found = own.find((exclusion) => isAbout(exclusion, call));
    if (found) tally.leaveOut(relation, typeof found.of === "string" ? found.of : found.of.calls);
    return !found;
  });
}
