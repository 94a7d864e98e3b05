// customVjp: a function whose way back for cotangents the user gives.
import type { Aval } from "../core/aval.js";
import { showAval } from "../core/aval.js";
import { ShapeError, TraceError } from "../core/errors.js";
import { countLeaves, type TreeDef, unflatten } from "../core/tree.js";
import { type CustomVjpParams, customVjpOp, once } from "../ops/index.js";
import { hereText } from "../trace/here.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { callChecked, checkFunction, flattenResult, leavesLike, nameAfter } from "./call.js";
import { type CustomCall, callCustom, stageRule } from "./custom.js";
import { zeros } from "./run.js";
import type { AnyFunction, Args, Result } from "./types.js";

/** A cotangent for each argument; null and undefined are zero, also in the place of a part of a tree. */
type Cotangents<A extends readonly unknown[]> = { readonly [K in keyof A]: unknown };

/**
 * `fn` with reverse mode by two rules. `forward(...args)` returns `[value, residuals]`: the value in the structure of
 * that of `fn`, and whatever tensors the way back needs. `backward(residuals, ct)` takes these and a cotangent in the
 * structure of the value, and returns a list with a cotangent for each argument, in its structure; null is zero.
 *
 * Under `vmap` the cotangent of an argument that all lanes share is summed over them. Forward mode (`jvp`, `linearize`,
 * `jacfwd`) is a `TraceError`: use `customJvp`, which serves both. The rules may use values from outside; a captured
 * value that is differentiated is a `TraceError`. Results of other structures or types than wanted are a `TraceError`,
 * `ShapeError` or `DTypeError` that names the argument.
 */
export function customVjp<A extends unknown[], R, S>(
  fn: (...args: A) => R,
  forward: (...args: A) => readonly [R, S],
  backward: (residuals: S, ct: R) => Cotangents<A>,
): (...args: Args<A>) => Result<R> {
  const target = checkFunction("customVjp", fn);
  const ahead = checkFunction("customVjp: the forward rule", forward);
  const back = checkFunction("customVjp: the backward rule", backward);
  const made = (...args: unknown[]): unknown =>
    callCustom("customVjp", customVjpOp, { made, target }, args, {
      trialTypes: (call) => [...call.types, ...call.outTypes],
      trial(call, leaves) {
        const { residuals, def } = runForward(ahead, call, leaves.slice(0, call.types.length));
        runBackward(back, call, unflatten(def, residuals), leaves.slice(call.types.length));
      },
      params: (call) => vjpRules(ahead, back, call),
    });
  nameAfter(made, "customVjp", target);
  return made as (...args: Args<A>) => Result<R>;
}

const isFloat = (type: Aval): boolean => type.dtype === "f32";

/** The rules as the record wants them, under the user's names for them. */
function vjpRules(
  ahead: AnyFunction,
  back: AnyFunction,
  call: CustomCall,
): Pick<CustomVjpParams, "forward" | "backward"> {
  const { types, outTypes } = call;
  const staged = once(() =>
    stageRule(call, types, types.length, (leaves) => {
      const { value, residuals, def } = runForward(ahead, call, leaves);
      return { outputs: [...value, ...residuals], rest: def };
    }),
  );
  const forward = () => staged().graph;
  const backward = once(() => {
    const { graph, rest } = staged();
    const kept = graph.outputs.slice(outTypes.length).map((x) => x.aval);
    const floats = outTypes.filter(isFloat);
    return stageRule(call, [...kept, ...floats], 0, (leaves) => {
      let at = kept.length;
      const cts = outTypes.map((type) => (isFloat(type) ? leaves[at++]! : zeros(type)));
      return { outputs: runBackward(back, call, unflatten(rest, leaves.slice(0, kept.length)), cts), rest: undefined };
    }).graph;
  });
  return {
    forward: Object.defineProperty(forward, "name", { value: ahead.name }),
    backward: Object.defineProperty(() => backward(), "name", { value: back.name }),
  };
}

function runForward(fn: AnyFunction, call: CustomCall, leaves: readonly Tensor[]) {
  const { label, def, outDef, outTypes } = call;
  const result = callChecked(fn, unflatten(def, leaves) as unknown[]);
  if (!Array.isArray(result) || result.length !== 2) {
    throw new TraceError(
      `${label}: its forward rule returns ${Array.isArray(result) ? `an array of ${result.length}` : typeof result}, but [value, residuals] is wanted${hereText()}`,
    );
  }
  const value = leavesLike(label, "value that its forward rule gives", result[0], outDef, outTypes, true);
  const { outputs: residuals, rest } = flattenResult("customVjp: the residuals", fn, result[1]);
  return { value, residuals, def: rest };
}

/** Cotangents of the float arguments. */
function runBackward(fn: AnyFunction, call: CustomCall, residuals: unknown, cts: readonly Tensor[]): Operand[] {
  const { label, def, types, outDef } = call;
  const result = callChecked(fn, [residuals, unflatten(outDef, cts)]);
  const args = (def as Extract<TreeDef, { kind: "array" }>).items;
  if (!Array.isArray(result) || result.length !== args.length) {
    throw new TraceError(
      `${label}: its backward rule returns ${Array.isArray(result) ? `an array of ${result.length}` : typeof result}, but a list with a cotangent for each of ${args.length} arguments is wanted${hereText()}`,
    );
  }
  const found: Operand[] = [];
  let at = 0;
  const visit = (tree: unknown, node: TreeDef): void => {
    const n = countLeaves(node);
    const here = types.slice(at, at + n);
    if (tree === null || tree === undefined) {
      found.push(...here.filter(isFloat).map(zeros));
    } else if (node.kind === "array" && Array.isArray(tree) && tree.length === node.items.length) {
      node.items.forEach((item, i) => void visit(tree[i], item));
      return;
    } else if (node.kind === "object" && hasKeys(tree, node.keys)) {
      node.items.forEach((item, i) => void visit(tree[node.keys[i]!], item));
      return;
    } else if (node.kind === "leaf") {
      found.push(...cotangent(call, at, tree));
    } else {
      throw new ShapeError(
        `${label}: the cotangent that its backward rule gives for ${call.argumentName(at)} does not have the structure of the argument${hereText()}`,
      );
    }
    at += n;
  };
  args.forEach((node, i) => void visit(result[i], node));
  return found;
}

/** The cotangent of leaf i, unless it is an integer. */
function cotangent({ label, types, argumentName }: CustomCall, i: number, given: unknown): Operand[] {
  const type = types[i]!;
  if (!isFloat(type)) return [];
  const what = `cotangent that its backward rule gives for ${argumentName(i)}, of type ${showAval(type)},`;
  return leavesLike(label, what, given, { kind: "leaf" }, [type]);
}

function hasKeys(tree: unknown, keys: readonly string[]): tree is Record<string, unknown> {
  return typeof tree === "object" && tree !== null && Object.keys(tree).every((key) => keys.includes(key));
}
