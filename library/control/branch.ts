// cond and switchCase: one of several functions is run, chosen by a value.
import { aval, sameAval, showAval } from "../../compiler/core/aval.js";
import { isInteger } from "../../compiler/core/dtype.js";
import { DTypeError, LanewiseError, ShapeError, TraceError } from "../../compiler/core/errors.js";
import { showPath, structureDifference, unflatten } from "../../compiler/core/tree.js";
import { type Atom, type Graph, literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { shareCaptures } from "../../compiler/trace/stage.js";
import { type Operand, Tensor } from "../../compiler/trace/tensor.js";
import { isLiteral } from "../../compiler/trace/trace.js";
import { callChecked, checkFunction, flattenArgs, resultLeaves } from "../../compiler/transforms/call.js";
import type { AnyFunction, Result } from "../../compiler/transforms/types.js";
import { adapted, type Callback, isNumber, traceCallback } from "./callback.js";

/** Operands as the branches see them: tensors. */
type Results<A extends readonly unknown[]> = { -readonly [K in keyof A]: Result<A[K]> };

/**
 * `onTrue(...operands)` where `pred` holds, else `onFalse(...operands)`; only one of them is run. `pred` is a bool
 * scalar; a JS boolean decides at once. The branches must give the same structure, shapes and dtypes; numbers adapt.
 * They may use tensors from outside. Under `vmap` with a different `pred` for each lane, each lane gets the result of
 * its own branch, and its gradient.
 */
export function cond<A extends unknown[], const R, const S>(
  pred: TensorLike,
  onTrue: (...args: Results<A>) => R,
  onFalse: (...args: Results<A>) => S,
  ...operands: A
): Result<R | S> {
  const [yes, no] = [checkFunction("cond", onTrue), checkFunction("cond", onFalse)];
  if (typeof pred === "boolean") return callNow("cond", pred ? yes : no, operands) as Result<R | S>;
  if (!(pred instanceof Tensor) || pred.dtype !== "bool" || pred.ndim > 0) {
    const seen = pred instanceof Tensor ? showAval(pred.aval) : `a ${typeof pred}`;
    throw new DTypeError(
      `cond: the predicate is ${seen}, but a bool scalar is wanted\n  compare it: x.gt(0); where every element has its own choice, use where(pred, a, b) or vmap${hereText()}`,
    );
  }
  const names = ["onFalse", "onTrue"];
  return choose("cond", ops.cast(pred, "i32"), [no, yes], names, operands) as Result<R | S>;
}

/**
 * `branches[index](...operands)`; an index outside is clamped. `index` is an integer scalar; a JS number decides at
 * once. Otherwise as `cond`.
 */
export function switchCase<A extends unknown[], const R>(
  index: TensorLike,
  branches: readonly ((...args: Results<A>) => R)[],
  ...operands: A
): Result<R> {
  if (!Array.isArray(branches) || branches.length === 0)
    throw new LanewiseError(`switchCase: an array of at least one function is wanted${hereText()}`);
  const list = branches.map((fn) => checkFunction("switchCase", fn));
  const last = list.length - 1;
  if (typeof index === "number") {
    if (!Number.isInteger(index))
      throw new DTypeError(`switchCase: the index is ${index}, but a whole number is wanted${hereText()}`);
    return callNow("switchCase", list[Math.min(Math.max(index, 0), last)]!, operands) as Result<R>;
  }
  if (!(index instanceof Tensor) || !isInteger(index.dtype) || index.ndim > 0) {
    const seen = index instanceof Tensor ? showAval(index.aval) : `a ${typeof index}`;
    throw new DTypeError(
      `switchCase: the index is ${seen}, but an i32 or u32 scalar is wanted\n  cast it: index.astype("i32")${hereText()}`,
    );
  }
  const top = literal(last, aval("u32", []));
  const number = index.dtype === "u32" ? ops.cast(ops.min(index, top), "i32") : index;
  const names = list.map((_, k) => `branches[${k}]`);
  return choose("switchCase", number, list, names, operands) as Result<R>;
}

/** The branch's own result, with tensors for numbers. */
function callNow(what: string, fn: AnyFunction, operands: readonly unknown[]): unknown {
  const { outputs, def } = resultLeaves(what, fn, callChecked(fn, operands));
  return unflatten(
    def,
    outputs.map((x) => (isLiteral(x) ? ops.fill(x, []) : x)),
  );
}

function choose(
  what: string,
  index: Operand,
  branches: readonly AnyFunction[],
  names: readonly string[],
  operands: readonly unknown[],
): unknown {
  const flat = flattenArgs(what, branches[0]!, operands);
  const types = flat.leaves.map((x) => x.aval);
  const callbacks = branches.map((fn) =>
    traceCallback(what, fn, types, (leaves) => unflatten(flat.def, leaves) as unknown[]),
  );
  const { graphs, captures } = shareCaptures(alike(what, callbacks, names));
  const results = ops.switchBranches(index, graphs, [...captures, ...flat.leaves]);
  return unflatten(callbacks[0]!.def, results);
}

/** The branches with results of one type each. Throws where structures or types differ. */
function alike(what: string, callbacks: readonly Callback[], names: readonly string[]): Callback[] {
  const [first] = callbacks as readonly [Callback, ...Callback[]];
  callbacks.forEach(({ def }, k) => {
    const found = structureDifference(first.def, def);
    if (found) {
      throw new TraceError(
        `${what}: the branches return different structures\n  ${showPath(found.path, "result")}: ${found.first} from ${names[0]}, ${found.second} from ${names[k]}\n  return the same structure from all branches${hereText()}`,
      );
    }
  });
  const types = first.graph.outputs.map((_, j) => {
    const own = callbacks.map(({ graph }) => graph.outputs[j]!);
    // a JS number adapts to what the other branches give
    return (own.find((x) => !isNumber(x)) ?? own[0]!).aval;
  });
  const faults: string[] = [];
  let Wrong: typeof ShapeError | typeof DTypeError = ShapeError;
  const made = callbacks.map((callback, k): Callback => {
    const outputs = callback.graph.outputs.map((x, j): Atom => {
      const same = adapted(x, types[j]!.dtype);
      if (same && sameAval(same.aval, types[j]!)) return same;
      if (!same) Wrong = DTypeError;
      const from = callbacks.findIndex(({ graph }) => graph.outputs[j]!.aval === types[j]);
      const path = showPath(first.paths[j]!, "result");
      faults.push(`${path}: ${showAval(types[j]!)} from ${names[from]}, ${showAval(x.aval)} from ${names[k]}`);
      return x;
    });
    const graph: Graph = { ...callback.graph, outputs };
    return { ...callback, graph };
  });
  if (faults.length === 0) return made;
  throw new Wrong(
    `${what}: the branches return different types\n  ${faults.join("\n  ")}\n  return one shape and dtype from all branches: broadcastTo(x, shape), x.astype(dtype)${hereText()}`,
  );
}
