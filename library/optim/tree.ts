// Trees of parameters, and trees that have to go with them: gradients, moments, masks.
import { type Aval, aval, sameAval, showAval } from "../../compiler/core/aval.js";
import { DTypeError, ShapeError, ValueError } from "../../compiler/core/errors.js";
import {
  flatten,
  isNode,
  type Path,
  showPath,
  structureDifference,
  type TreeDef,
  unflatten,
} from "../../compiler/core/tree.js";
import { literal } from "../../compiler/ir/graph.js";
import { isTensorLike, type TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { stage } from "../../compiler/trace/stage.js";
import { type Operand, Tensor } from "../../compiler/trace/tensor.js";
import { currentTrace } from "../../compiler/trace/trace.js";
import { isLeaf } from "../../compiler/transforms/call.js";
import { runGraph } from "../../compiler/transforms/run.js";
import { operand, toDType } from "../numpy/promote.js";

/** A constant, in all the digits that JS has: the oracle keeps them. */
export const f32 = (value: number): Operand => literal(value, aval("f32", []));

/** A tree of f32 tensors, taken apart. */
export interface FlatTree {
  readonly leaves: readonly Tensor[];
  readonly paths: readonly Path[];
  readonly def: TreeDef;
}

const placeOf = (what: string, path: Path): string => showPath(path, what);

/** Throws `DTypeError` for a leaf that is no f32 tensor, and names it: `params.layers[0].w`. */
export function floatTree(name: string, what: string, tree: unknown): FlatTree {
  const { leaves, paths, def } = flatten(tree, isLeaf);
  leaves.forEach((x, i) => {
    if (x instanceof Tensor && x.dtype === "f32") return;
    const seen = x instanceof Tensor ? showAval(x.aval) : `a ${typeof x}`;
    const wayOut = isTensorLike(x) && !(x instanceof Tensor) ? "make one with tensor()" : "keep other values elsewhere";
    throw new DTypeError(
      `${name}: ${placeOf(what, paths[i]!)} is ${seen}, but an f32 tensor is wanted\n  ${wayOut}${hereText()}`,
    );
  });
  return { leaves: leaves as Tensor[], paths, def };
}

/**
 * The leaves of a tree that has the structure, shapes and dtypes of the parameters. Throws `ShapeError` or `DTypeError`
 * naming the first place that differs.
 */
export function leavesBeside(name: string, what: string, tree: unknown, params: FlatTree): Tensor[] {
  const flat = flatten(tree, isLeaf);
  const found = structureDifference(flat.def, params.def);
  if (found) {
    throw new ShapeError(
      `${name}: ${placeOf(what, found.path)} is ${found.first}, but ${placeOf("params", found.path)} is ${found.second}${hereText()}`,
    );
  }
  return flat.leaves.map((x, i) => {
    const path = params.paths[i]!;
    const want = params.leaves[i]!.aval;
    if (x instanceof Tensor && sameAval(x.aval, want)) return x;
    const seen = x instanceof Tensor ? showAval(x.aval) : `a ${typeof x}`;
    const Wrong = x instanceof Tensor && x.dtype === want.dtype ? ShapeError : DTypeError;
    throw new Wrong(
      `${name}: ${placeOf(what, path)} is ${seen}, but ${placeOf("params", path)} is ${showAval(want)}${hereText()}`,
    );
  });
}

/** Throws unless `x` is a scalar tensor of this dtype. */
export function checkScalar(name: string, what: string, x: unknown, dtype: Aval["dtype"]): asserts x is Tensor {
  const wanted = `${showAval(aval(dtype, []))} is wanted`;
  if (!(x instanceof Tensor)) throw new DTypeError(`${name}: ${what} is ${describe(x)}, but ${wanted}${hereText()}`);
  if (x.dtype !== dtype) throw new DTypeError(`${name}: ${what} is ${showAval(x.aval)}, but ${wanted}${hereText()}`);
  if (x.ndim > 0) {
    throw new ShapeError(
      `${name}: ${what} is ${showAval(x.aval)}, but ${wanted}\n  for one per lane, map over it with vmap${hereText()}`,
    );
  }
}

const describe = (x: unknown): string =>
  x === null || x === undefined ? String(x) : isNode(x) ? "a tree" : `a ${typeof x}`;

/** A scalar f32 of a number or of a scalar tensor; integers are converted. */
export function scalarOf(name: string, what: string, x: TensorLike): Operand {
  const a = operand(x, name);
  if (!(a instanceof Tensor)) return f32(a.value);
  const float = a.dtype === "bool" ? a : (toDType(a, "f32", name) as Tensor);
  checkScalar(name, what, float, "f32");
  return float;
}

/** Throws `ValueError` unless `x` is a number from `low` on, and below `high`. */
export function checkNumber(name: string, what: string, x: unknown, low = 0, high = Infinity): void {
  if (typeof x === "number" && x >= low && x < high) return;
  const range = high === Infinity ? `from ${low} on` : `from ${low} up to and without ${high}`;
  const seen = typeof x === "number" ? x : describe(x);
  throw new ValueError(`${name}: ${what} is ${seen}, but a number ${range} is wanted${hereText()}`);
}

/** A whole tree of results as one program, also where no function is being traced. */
export function asProgram<T>(name: string, build: () => T): T {
  if (currentTrace()) return build();
  const { graph, captures, rest } = stage(name, [], () => {
    const { leaves, def } = flatten(build(), isLeaf);
    return { outputs: leaves as Tensor[], rest: def };
  });
  return unflatten(rest, runGraph(graph, captures, name)) as T;
}
