// Jacobians and Hessians: jvp or vjp in every direction at once, by vmap.
import { LanewiseError } from "../core/errors.js";
import { sizeOf } from "../core/shape.js";
import { flatten, type TreeDef, unflatten } from "../core/tree.js";
import { type FrontendOptions, frontendOptionNames, frontendOptions } from "../frontend/choose.js";
import { broadcast, cast, eq, fill, iota, reshape } from "../ops/index.js";
import { argument } from "../trace/create.js";
import { Tensor } from "../trace/tensor.js";
import { callChecked, checkFunction, checkOptions, isLeaf, nameAfter, nameOf } from "./call.js";
import { jvp, vjp } from "./directional.js";
import { zeros } from "./run.js";
import type { AnyFunction, Gradient, PrimalArgs, WithLeaves } from "./types.js";
import { vmap } from "./vmap.js";

export interface JacobianOptions extends FrontendOptions {
  /** Position of the argument to differentiate by. Default 0. */
  readonly argnums?: number;
}

type At<O> = O extends { readonly argnums: infer N extends number } ? N : 0;

/**
 * A tree with, at each leaf of the result, the structure of the argument; each leaf of that has the shape of the result
 * followed by the shape of the argument. For one tensor in and one out it is one tensor.
 */
type Jacobian<A extends readonly unknown[], R, O> = WithLeaves<R, Gradient<A[At<O>]>>;

/** For each leaf of the result and each of the argument, the structure of the argument again. */
type Hessian<A extends readonly unknown[], R, O> = WithLeaves<R, WithLeaves<Gradient<A[At<O>]>, Gradient<A[At<O>]>>>;

/** Jacobian by forward mode: one pass per element of the argument. For functions with few inputs. */
export function jacfwd<A extends unknown[], R, const O extends JacobianOptions = Record<never, never>>(
  fn: (...args: A) => R,
  options?: O,
): (...args: PrimalArgs<A, At<O>>) => Jacobian<A, R, O>;
export function jacfwd(fn: unknown, options: JacobianOptions = {}): (...args: unknown[]) => unknown {
  return jacobian("jacfwd", checkFunction("jacfwd", fn, frontendOptions("jacfwd", options)), options, (f, x) => {
    const columns = x.leaves.map((leaf, k) => {
      const along = (dx: Tensor): unknown => {
        const direction = x.leaves.map((other, i) => (i === k ? dx : zeros(other.aval)));
        return jvp(f, [unflatten(x.def, x.leaves)], [unflatten(x.def, direction)])[1];
      };
      // lanes last: the result's axes, then the argument's
      return flatten(vmap(along, { outAxes: -1 })(basis(leaf)), isTensor);
    });
    const [first] = columns;
    if (!first) return unflatten(x.def, []);
    const perResult = first.leaves.map((_, r) =>
      unflatten(
        x.def,
        x.leaves.map((leaf, k) => {
          const column = columns[k]!.leaves[r] as Tensor;
          return reshape(column, [...column.shape.slice(0, -1), ...leaf.aval.shape]);
        }),
      ),
    );
    return unflatten(first.def, perResult);
  });
}

/** Jacobian by reverse mode: one pass per element of the result. For functions with few outputs. */
export function jacrev<A extends unknown[], R, const O extends JacobianOptions = Record<never, never>>(
  fn: (...args: A) => R,
  options?: O,
): (...args: PrimalArgs<A, At<O>>) => Jacobian<A, R, O>;
export function jacrev(fn: unknown, options: JacobianOptions = {}): (...args: unknown[]) => unknown {
  return jacobian("jacrev", checkFunction("jacrev", fn, frontendOptions("jacrev", options)), options, (f, x) => {
    const [value, back] = vjp(f, unflatten(x.def, x.leaves)) as [unknown, (ct: unknown) => unknown[]];
    const out = flatten(value, isTensor);
    const outs = out.leaves as Tensor[];
    const perResult = outs.map((leaf, r) => {
      const along = (ct: Tensor): unknown =>
        back(
          unflatten(
            out.def,
            outs.map((other, i) => (i === r ? ct : zeros(other.aval))),
          ),
        )[0];
      const rows = flatten(vmap(along)(basis(leaf)), isTensor).leaves as Tensor[];
      return unflatten(
        x.def,
        rows.map((row) => reshape(row, [...leaf.shape, ...row.shape.slice(1)])),
      );
    });
    return unflatten(out.def, perResult);
  });
}

/** Matrix of second derivatives of a function with a scalar result: forward over reverse mode. */
export function hessian<A extends unknown[], R, const O extends JacobianOptions = Record<never, never>>(
  fn: (...args: A) => R,
  options?: O,
): (...args: PrimalArgs<A, At<O>>) => Hessian<A, R, O>;
export function hessian(fn: unknown, options: JacobianOptions = {}): (...args: unknown[]) => unknown {
  const { argnums } = options;
  return jacfwd(jacrev(checkFunction("hessian", fn), options), argnums === undefined ? {} : { argnums });
}

/** The chosen argument as tensors. */
interface Chosen {
  readonly leaves: readonly Tensor[];
  readonly def: TreeDef;
}

const isTensor = (x: unknown): boolean => x instanceof Tensor;

function jacobian(
  name: string,
  fn: AnyFunction,
  options: JacobianOptions,
  work: (f: (x: unknown) => unknown, x: Chosen) => unknown,
): (...args: unknown[]) => unknown {
  checkOptions(name, options, ["argnums", ...frontendOptionNames]);
  const { argnums = 0 } = options;
  const made = (...args: unknown[]): unknown => {
    if (!(argnums in args))
      throw new LanewiseError(
        `${name} of ${nameOf(fn)}: argument ${argnums} is asked for, but ${args.length} were given`,
      );
    const flat = flatten(args[argnums], isLeaf);
    const leaves = flat.leaves.map((x) => {
      const leaf = argument(x as Tensor);
      return leaf instanceof Tensor ? leaf : fill(leaf, []);
    });
    const f = (x: unknown): unknown =>
      callChecked(
        fn,
        args.map((arg, i) => (i === argnums ? x : arg)),
      );
    return work(f, { leaves, def: flat.def });
  };
  nameAfter(made, name, fn);
  return made;
}

/** Every unit vector of the space of `x`: [size, ...shape]. */
function basis({ aval: { dtype, shape } }: Tensor): Tensor {
  const n = sizeOf(shape);
  const row = broadcast(iota("i32", [n], 0), [n, n], [0]);
  const column = broadcast(iota("i32", [n], 0), [n, n], [1]);
  return reshape(cast(eq(row, column), dtype), [n, ...shape]);
}
