// Carried values: their types have to be the same behind a step as before it.
import { type Aval, aval, sameAval, showAval } from "../../compiler/core/aval.js";
import { castNumber, isInteger } from "../../compiler/core/dtype.js";
import { DTypeError, ShapeError, TraceError } from "../../compiler/core/errors.js";
import {
  countLeaves,
  type Path,
  showPath,
  structureDifference,
  type TreeDef,
  unflatten,
} from "../../compiler/core/tree.js";
import { type Atom, literal } from "../../compiler/ir/graph.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Operand, Tensor } from "../../compiler/trace/tensor.js";
import { isLiteral } from "../../compiler/trace/trace.js";
import { nameOf } from "../../compiler/transforms/call.js";
import type { AnyFunction } from "../../compiler/transforms/types.js";
import { adapted, type Callback, isNumber, traceCallback } from "./callback.js";

/** Where a carry starts. */
export interface Start {
  readonly leaves: readonly Operand[];
  readonly def: TreeDef;
  readonly paths: readonly Path[];
}

/** A step of a loop. */
export interface Step {
  readonly callback: Callback;
  /** The carry it starts with: tensors, and constants of the carry's dtype. */
  readonly start: readonly Operand[];
  readonly types: readonly Aval[];
  /** Structure of what the step gives beside the carry. */
  readonly rest: TreeDef;
}

interface StepSpec {
  readonly what: string;
  readonly fn: AnyFunction;
  readonly start: Start;
  /** Types of leaves before those of the carry, and behind. */
  readonly before: readonly Aval[];
  readonly behind: readonly Aval[];
  args(before: readonly Tensor[], carry: unknown, behind: readonly Tensor[]): readonly unknown[];
  /** The structures of the carry and of the rest in the structure of the result. */
  split(result: TreeDef): { readonly carry: TreeDef; readonly rest: TreeDef };
}

const none: TreeDef = { kind: "none", value: undefined };

/** For functions that give the next carry and nothing else. */
export const carryAlone = (carry: TreeDef) => ({ carry, rest: none });

/**
 * Traces one step. A carry has the types it starts with; a JS number starts as f32, or as the integer type that the step
 * makes of it. Throws where the step gives other types or another structure, and names the component.
 */
export function traceStep({ what, fn, start, before, behind, args, split }: StepSpec): Step {
  let types = start.leaves.map(({ aval: { dtype, shape } }) => aval(dtype, shape));
  for (;;) {
    const callback = traceCallback(what, fn, [...before, ...types, ...behind], (leaves) => {
      const end = before.length + types.length;
      const carry = unflatten(start.def, leaves.slice(before.length, end));
      return args(leaves.slice(0, before.length), carry, leaves.slice(end));
    });
    const { carry, rest } = split(callback.def);
    checkStructure(what, fn, start.def, carry);
    const own = callback.graph.outputs.slice(0, countLeaves(carry));
    const next = types.map((type, j) => integerType(start.leaves[j]!, type, own[j]!) ?? type);
    if (next.some((type, j) => type !== types[j])) {
      types = next;
      continue;
    }
    const outputs = [...settled(what, fn, start, types, own), ...callback.graph.outputs.slice(own.length)];
    const graph = { ...callback.graph, outputs };
    return { callback: { ...callback, graph }, start: start.leaves.map((x, j) => startOf(x, types[j]!)), types, rest };
  }
}

/** The constant in the dtype of the carry. */
const startOf = (x: Operand, { dtype }: Aval): Operand =>
  isLiteral(x) ? literal(castNumber(x.value, dtype), aval(dtype, [])) : x;

/** The type of a whole JS number that the step replaces by an integer. */
function integerType(start: Operand, type: Aval, next: Atom): Aval | undefined {
  const isWhole = isLiteral(start) && isNumber(start) && castNumber(start.value, next.aval.dtype) === start.value;
  const isNew = type.dtype === "f32" && isInteger(next.aval.dtype) && next.aval.shape.length === 0;
  return isWhole && isNew ? aval(next.aval.dtype, []) : undefined;
}

function checkStructure(what: string, fn: AnyFunction, before: TreeDef, behind: TreeDef): void {
  const found = structureDifference(before, behind);
  if (!found) return;
  throw new TraceError(
    `${what} of ${nameOf(fn)}: the carry changes its structure\n  ${showPath(found.path, "carry")}: ${found.first} in, ${found.second} out\n  return the structure that the carry starts with${hereText()}`,
  );
}

/** The next carry in the types of the carry. */
function settled(what: string, fn: AnyFunction, start: Start, types: readonly Aval[], next: readonly Atom[]): Atom[] {
  const faults: string[] = [];
  const hints = new Set<string>();
  let Wrong: typeof ShapeError | typeof DTypeError = ShapeError;
  const atoms = next.map((x, j): Atom => {
    const type = types[j]!;
    const same = adapted(x, type.dtype);
    if (same && sameAval(same.aval, type)) return same;
    faults.push(`${showPath(start.paths[j]!, "carry")}: ${showAval(type)} in, ${showAval(x.aval)} out`);
    if (x.aval.dtype !== type.dtype) {
      Wrong = DTypeError;
      hints.add(`cast what the step returns, astype("${type.dtype}"), or start with ${x.aval.dtype}`);
    } else {
      hints.add(
        type.shape.length < x.aval.shape.length
          ? `start with an array of the shape that it gets: broadcastTo(start, [${x.aval.shape}])`
          : "return the shape that the carry starts with",
      );
    }
    return x;
  });
  if (faults.length === 0) return atoms;
  throw new Wrong(
    `${what} of ${nameOf(fn)}: the carry changes its type, but each step must return what it was given\n  ${[...faults, ...hints].join("\n  ")}${hereText()}`,
  );
}
