// Types of transformed functions: what they take, give and map, worked out from the type of the function transformed.
import type { TensorLike } from "../trace/create.js";
import type { Tensor } from "../trace/tensor.js";

/** `yes` for `any`, which every other test answers with both branches. */
type IfAny<T, Yes, No> = 0 extends 1 & T ? Yes : No;

// biome-ignore lint/suspicious/noExplicitAny: a function of any arguments; its types are kept by the callers' generics
export type AnyFunction = (...args: any[]) => unknown;

/** What plain JavaScript computes with: numbers, booleans, and arrays of these. */
type Plain = number | boolean | readonly Plain[];

/** For an array of numbers, such as `number[]` and `boolean[][]`, of any length: a traced array stands for one. */
type IfNumbers<T extends readonly unknown[], Yes, No> = T extends readonly Plain[]
  ? number extends T["length"]
    ? Yes
    : No
  : No;

/**
 * Type of an argument of a transformed function: where the function has a tensor or a number, anything like a tensor is
 * taken. Arrays of numbers may be tensors, or arrays of what is like a tensor. Tuples and records keep their structure.
 */
export type Arg<T> = IfAny<
  T,
  T,
  T extends TensorLike
    ? TensorLike
    : T extends AnyFunction
      ? T
      : T extends readonly unknown[]
        ? IfNumbers<T, TensorLike, never> | { readonly [K in keyof T]: Arg<T[K]> }
        : T extends object
          ? { readonly [K in keyof T]: Arg<T[K]> }
          : T
>;

export type Args<A extends readonly unknown[]> = { [K in keyof A]: Arg<A[K]> };

/** Type of a result: numbers come back as tensors, and structures as they are. */
export type Result<T> = T extends TensorLike
  ? Tensor
  : T extends AnyFunction
    ? T
    : T extends object
      ? { [K in keyof T]: Result<T[K]> }
      : T;

/**
 * Type of an argument that is differentiated: as `Arg`, but an array of numbers is given as a tensor, for its gradient is
 * one tensor then.
 */
type Primal<T> = IfAny<
  T,
  T,
  T extends TensorLike
    ? TensorLike
    : T extends AnyFunction
      ? T
      : T extends readonly unknown[]
        ? IfNumbers<T, TensorLike, { readonly [K in keyof T]: Primal<T[K]> }>
        : T extends object
          ? { readonly [K in keyof T]: Primal<T[K]> }
          : T
>;

/** Type of the gradient by a `Primal`. */
export type Gradient<T> = IfAny<
  T,
  T,
  T extends TensorLike
    ? Tensor
    : T extends AnyFunction
      ? T
      : T extends readonly unknown[]
        ? IfNumbers<T, Tensor, { [K in keyof T]: Gradient<T[K]> }>
        : T extends object
          ? { [K in keyof T]: Gradient<T[K]> }
          : T
>;

/** Arguments of a function differentiated by those at the positions N. */
export type PrimalArgs<A extends readonly unknown[], N extends number = number> = {
  [K in keyof A]: K extends `${N}` ? Primal<A[K]> : Arg<A[K]>;
};

/** The structure of T, with an L at each of its leaves. */
export type WithLeaves<T, L> = IfAny<
  T,
  T,
  T extends TensorLike ? L : T extends AnyFunction ? T : T extends object ? { [K in keyof T]: WithLeaves<T[K], L> } : T
>;

/** Where batch axes are: an axis (negative ones count from the end), null for "not mapped", or a tree of these. */
export type Axes = number | null | readonly Axes[] | { readonly [key: string]: Axes };

/** Batch axes of the arguments: one for all, or an array with one entry per argument, each a tree prefix of it. */
export type InAxes = number | null | readonly Axes[];

/** Batch axes of a value of type T: one for all of it, or a tree that begins as the value does. */
export type AxesOf<T> = number | null | IfAny<T, Axes, unknown extends T ? Axes : AxesBelow<T>>;

type AxesBelow<T> = T extends TensorLike | null | undefined
  ? never
  : T extends AnyFunction
    ? Axes
    : T extends object
      ? { readonly [K in keyof T]: AxesOf<T[K]> }
      : never;

/** Batch axes of the arguments A. */
export type InAxesOf<A extends readonly unknown[]> = number | null | { readonly [K in keyof A]: AxesOf<A[K]> };

/** For axes whose structure is only known when the program runs, such as `number[]` or `Axes`. */
type IfOpen<X, Yes, No> = [X] extends [readonly unknown[]]
  ? number extends X["length"]
    ? Yes
    : No
  : readonly Axes[] extends X
    ? Yes
    : No;

/** What axes given as X have to be where W is wanted: W, but for what is open, and without more keys than W has. */
export type Fitting<X, W> = IfOpen<X, X, Axes extends W ? W : FittingBelow<X, W>>;

type FittingBelow<X, W> = W extends readonly unknown[]
  ? { readonly [K in keyof W]: K extends keyof X ? Fitting<X[K], W[K]> : W[K] }
  : W extends object
    ? { readonly [K in keyof W]: K extends keyof X ? Fitting<X[K], W[K]> : W[K] } & {
        readonly [K in Exclude<keyof X, keyof W>]: never;
      }
    : W;
