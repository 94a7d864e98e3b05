// Random numbers from explicit keys: the same key and shape give the same numbers on every device, those of JAX.
import { aval, showAval } from "../compiler/core/aval.js";
import { DTypeError, ShapeError, ValueError } from "../compiler/core/errors.js";
import { checkShape, type Shape, sameShape, showShape, sizeOf } from "../compiler/core/shape.js";
import { literal } from "../compiler/ir/graph.js";
import * as ops from "../compiler/ops/index.js";
import { fromHost, type TensorLike } from "../compiler/trace/create.js";
import { hereText } from "../compiler/trace/here.js";
import { stage } from "../compiler/trace/stage.js";
import { type Operand, Tensor } from "../compiler/trace/tensor.js";
import { currentTrace, withPlace } from "../compiler/trace/trace.js";
import { runGraph } from "../compiler/transforms/run.js";
import { nextAfter } from "./numpy/bits.js";
import { take } from "./numpy/indexing.js";
import { broadcastShapes, operand, stretch, toDType } from "./numpy/promote.js";
import { asTensor, axisOf } from "./numpy/shape.js";
import { checkOptions } from "./numpy/statistics.js";

const u32 = (value: number): Operand => literal(value, aval("u32", []));
const f32 = (value: number): Operand => literal(value, aval("f32", []));

/** A whole function as one program, also where no function is being traced. */
function together(name: string, build: () => Tensor): Tensor {
  if (currentTrace()) return build();
  const { graph, captures } = stage(name, [], () => ({ outputs: [build()], rest: undefined }));
  return runGraph(graph, captures, name)[0]!;
}

/** Throws `DTypeError` or `ShapeError` for what is no key. */
function checkKey(name: string, key: Tensor): void {
  const wayOut = "make one with random.key(seed), or map over several with vmap";
  if (!(key instanceof Tensor))
    throw new DTypeError(`${name}: ${typeof key} given, but a key is wanted\n  ${wayOut}${hereText()}`);
  if (key.dtype === "u32" && key.shape.length === 1 && key.shape[0] === 2) return;
  const Kind = key.dtype === "u32" ? ShapeError : DTypeError;
  throw new Kind(`${name}: ${showAval(key.aval)} given, but a key is u32[2]\n  ${wayOut}${hereText()}`);
}

/** One axis, or sizes of all. Throws `ShapeError`. */
function sizesOf(name: string, shape: Shape | number): Shape {
  const sizes = typeof shape === "number" ? [shape] : shape;
  withPlace(() => checkShape(sizes, name));
  return sizes;
}

/** `x` as a tensor of this shape and dtype. Throws `ShapeError` where it does not stretch to it. */
function filled(name: string, x: TensorLike, dtype: "f32" | "i32", shape: Shape): Tensor {
  const a = toDType(operand(x, name), dtype, name);
  if (!sameShape(broadcastShapes([a.aval.shape, shape], name), shape)) {
    throw new ShapeError(`${name}: ${showAval(a.aval)} does not stretch to the shape ${showShape(shape)}${hereText()}`);
  }
  return a instanceof Tensor ? (stretch(a, shape) as Tensor) : ops.fill(a, shape);
}

type Words = "first" | "second" | "xor";

/** Threefry of counters of one shape. */
function cipher(key: Tensor, high: Operand, low: Tensor, words: Words): Tensor {
  const [k0, k1] = [0, 1].map((i) => {
    const word = ops.slice(key, { start: [i], stop: [i + 1], step: [1] });
    return ops.fill(ops.reshape(word, []), low.shape);
  }) as [Tensor, Tensor];
  return ops.threefry2x32(k0, k1, high, low, words);
}

/** 0, 1, 2, … in row-major order, below 2³². */
const counters = (shape: Shape): Tensor => ops.reshape(ops.iota("u32", [sizeOf(shape)], 0), shape);

/** Both words of each counter, along a new last axis. */
function bothWords(key: Tensor, high: Operand, low: Tensor): Tensor {
  const words = (["first", "second"] as const).map((word) => ops.expandDims(cipher(key, high, low, word), [low.ndim]));
  return ops.concatenate(words, low.ndim);
}

const bitsOf = (key: Tensor, shape: Shape): Tensor => cipher(key, u32(0), counters(shape), "xor");

/**
 * A key, u32[2], from a seed: a whole number, of which the lowest 32 bits count, or an integer scalar tensor. Throws
 * `ValueError` for a fraction, `DTypeError` or `ShapeError` for another tensor.
 */
export function key(seed: number | Tensor): Tensor {
  if (seed instanceof Tensor) {
    if (seed.dtype !== "i32" && seed.dtype !== "u32")
      throw new DTypeError(`random.key: the seed is ${showAval(seed.aval)}, but i32 or u32 is wanted${hereText()}`);
    if (seed.ndim !== 0)
      throw new ShapeError(
        `random.key: the seed is ${showAval(seed.aval)}, but a scalar is wanted\n  map over several with vmap(random.key)${hereText()}`,
      );
    return together("random.key", () =>
      ops.concatenate([ops.fill(u32(0), [1]), ops.reshape(ops.bitcast(seed, "u32"), [1])], 0),
    );
  }
  if (!Number.isSafeInteger(seed))
    throw new ValueError(`random.key: the seed is ${String(seed)}, but a whole number is wanted${hereText()}`);
  return fromHost({ dtype: "u32", shape: [2], data: Uint32Array.of(0, Number(BigInt.asUintN(32, BigInt(seed)))) });
}

/** `count` new keys, u32[count, 2], or an array of them, u32[...count, 2]. A key that was split is used no more. */
export function split(key: Tensor, count: number | Shape = 2): Tensor {
  checkKey("random.split", key);
  const shape = sizesOf("random.split", count);
  return together("random.split", () => bothWords(key, u32(0), counters(shape)));
}

/** A new key from a key and a number: a whole one from 0 to 2³² − 1, or an integer scalar tensor. */
export function foldIn(key: Tensor, data: number | Tensor): Tensor {
  checkKey("random.foldIn", key);
  if (!(data instanceof Tensor)) {
    if (!(Number.isInteger(data) && data >= 0 && data < 2 ** 32))
      throw new ValueError(
        `random.foldIn: the number is ${data}, but a whole one from 0 to 2^32 - 1 is wanted${hereText()}`,
      );
    return together("random.foldIn", () => bothWords(key, u32(0), ops.fill(u32(data), [])));
  }
  if (data.dtype !== "i32" && data.dtype !== "u32")
    throw new DTypeError(`random.foldIn: the number is ${showAval(data.aval)}, but i32 or u32 is wanted${hereText()}`);
  if (data.ndim !== 0)
    throw new ShapeError(`random.foldIn: the number is ${showAval(data.aval)}, but a scalar is wanted${hereText()}`);
  return together("random.foldIn", () => bothWords(key, u32(0), ops.bitcast(data, "u32")));
}

/** 32 random bits for each element, u32. */
export function bits(key: Tensor, shape: Shape | number = []): Tensor {
  checkKey("random.bits", key);
  const sizes = sizesOf("random.bits", shape);
  return together("random.bits", () => bitsOf(key, sizes));
}

export interface UniformOptions {
  /** 0; a number, or a tensor that stretches to the shape. */
  readonly min?: TensorLike;
  /** 1. */
  readonly max?: TensorLike;
}

function uniformOf(name: string, key: Tensor, shape: Shape, min: TensorLike = 0, max: TensorLike = 1): Tensor {
  const fraction = ops.uniformOfBits(bitsOf(key, shape));
  if (min === 0 && max === 1) return fraction;
  const [low, high] = [min, max].map((x) => filled(name, x, "f32", shape)) as [Tensor, Tensor];
  return ops.max(low, ops.fma(fraction, ops.sub(high, low), low));
}

/**
 * f32 numbers in [min, max), of 2²³ equally likely ones. In ranges other than [0, 1) rounding may give `max`. Gradients
 * pass to `min` and `max`.
 */
export function uniform(key: Tensor, shape: Shape | number = [], options: UniformOptions = {}): Tensor {
  checkKey("random.uniform", key);
  checkOptions("random.uniform", options, ["min", "max"]);
  const sizes = sizesOf("random.uniform", shape);
  return together("random.uniform", () => uniformOf("random.uniform", key, sizes, options.min, options.max));
}

/** f32 numbers of the standard normal distribution. */
export function normal(key: Tensor, shape: Shape | number = []): Tensor {
  checkKey("random.normal", key);
  const sizes = sizesOf("random.normal", shape);
  return together("random.normal", () => ops.normalOfBits(bitsOf(key, sizes)));
}

/**
 * Whole numbers, i32, from `low` up to and without `high`: numbers or i32 tensors that stretch to the shape. Where
 * `high` is not above `low` it is `low`. Throws `ValueError` for numbers that are not whole or do not fit i32.
 */
export function randint(key: Tensor, shape: Shape | number, low: TensorLike, high: TensorLike): Tensor {
  checkKey("random.randint", key);
  const sizes = sizesOf("random.randint", shape);
  return together("random.randint", () => {
    const [from, to] = [low, high].map((x) => filled("random.randint", wholeOf(x), "i32", sizes)) as [Tensor, Tensor];
    const one = u32(1);
    const span = ops.select(ops.le(to, from), one, ops.bitcast(ops.sub(to, from), "u32"));
    // 64 random bits modulo span: 2^32 is (2^16)^2
    const root = ops.rem(ops.fill(u32(65536), sizes), span);
    const factor = ops.rem(ops.mul(root, root), span);
    const keys = bothWords(key, u32(0), counters([2]));
    const [upper, lower] = [0, 1].map((i) => ops.rem(bitsOf(rowOf(keys, i), sizes), span)) as [Tensor, Tensor];
    const offset = ops.rem(ops.add(ops.mul(upper, factor), lower), span);
    return ops.add(from, ops.bitcast(offset, "i32"));
  });
}

const rowOf = (keys: Tensor, i: number): Tensor =>
  ops.reshape(ops.slice(keys, { start: [i, 0], stop: [i + 1, 2], step: [1, 1] }), [2]);

function wholeOf(x: TensorLike): TensorLike {
  if (x instanceof Tensor ? x.dtype === "f32" : typeof x !== "number") {
    const given = x instanceof Tensor ? showAval(x.aval) : `a ${typeof x}`;
    throw new DTypeError(`random.randint: a bound is ${given}, but a whole number or i32 is wanted${hereText()}`);
  }
  return x instanceof Tensor && x.dtype !== "i32" ? ops.cast(x, "i32") : x;
}

/** true with probability `p`, a number or tensor; of its shape unless another one is given. */
export function bernoulli(key: Tensor, p: TensorLike = 0.5, shape?: Shape | number): Tensor {
  checkKey("random.bernoulli", key);
  const sizes = sizesOf("random.bernoulli", shape ?? operand(p, "random.bernoulli").aval.shape);
  return together("random.bernoulli", () =>
    ops.lt(uniformOf("random.bernoulli", key, sizes), filled("random.bernoulli", p, "f32", sizes)),
  );
}

/** f32 numbers of the exponential distribution of mean 1. */
export function exponential(key: Tensor, shape: Shape | number = []): Tensor {
  checkKey("random.exponential", key);
  const sizes = sizesOf("random.exponential", shape);
  return together("random.exponential", () => ops.neg(ops.log1p(ops.neg(uniformOf("random.exponential", key, sizes)))));
}

/** Smallest normal f32: what a uniform 0 counts as where its logarithm is taken. */
const TINY = 2 ** -126;

const gumbelOf = (name: string, key: Tensor, shape: Shape): Tensor =>
  ops.neg(ops.log(ops.neg(ops.log(ops.max(uniformOf(name, key, shape), f32(TINY))))));

/** f32 numbers of the standard Gumbel distribution, −log(−log u). */
export function gumbel(key: Tensor, shape: Shape | number = []): Tensor {
  checkKey("random.gumbel", key);
  const sizes = sizesOf("random.gumbel", shape);
  return together("random.gumbel", () => gumbelOf("random.gumbel", key, sizes));
}

/**
 * f32 numbers of the standard normal distribution between `lower` and `upper`, numbers or tensors; of the shape they
 * stretch to unless another one is given. Gradients pass to both.
 */
export function truncatedNormal(key: Tensor, lower: TensorLike, upper: TensorLike, shape?: Shape | number): Tensor {
  const name = "random.truncatedNormal";
  checkKey(name, key);
  const own = [lower, upper].map((x) => operand(x, name).aval.shape);
  const sizes = sizesOf(name, shape ?? broadcastShapes(own, name));
  return together(name, () => {
    const bounds = [lower, upper].map((x) => filled(name, x, "f32", sizes)) as [Tensor, Tensor];
    const [from, to] = bounds.map((x) => ops.erf(ops.div(x, f32(Math.SQRT2)))) as [Tensor, Tensor];
    const drawn = ops.mul(f32(Math.SQRT2), ops.erfInv(uniformOf(name, key, sizes, from, to)));
    // rounding must not give a bound itself
    return ops.clamp(drawn, nextAfter(bounds[0], Infinity), nextAfter(bounds[1], -Infinity));
  });
}

export interface CategoricalOptions {
  /** The axis of the classes; the last one. */
  readonly axis?: number;
  /** Of the result: what `logits` has without its axis, with axes before that for several draws. */
  readonly shape?: Shape | number;
}

/**
 * Classes, i32, drawn with probabilities proportional to e^logits along an axis, by the largest of logits with Gumbel
 * noise. Throws `ShapeError` for a shape that does not end as that of the logits.
 */
export function categorical(key: Tensor, logits: TensorLike, options: CategoricalOptions = {}): Tensor {
  const name = "random.categorical";
  checkKey(name, key);
  checkOptions(name, options, ["axis", "shape"]);
  const a = toDType(asTensor(logits, name), "f32", name) as Tensor;
  const axis = axisOf(options.axis ?? -1, a.ndim, name, showAval(a.aval));
  const rest = a.shape.filter((_, k) => k !== axis);
  const shape = sizesOf(name, options.shape ?? rest);
  const draws = shape.slice(0, Math.max(0, shape.length - rest.length));
  if (!sameShape(shape.slice(draws.length), rest)) {
    throw new ShapeError(
      `${name}: the shape ${showShape(shape)} does not end with ${showShape(rest)}, what is left of ${showAval(a.aval)} without axis ${axis}${hereText()}`,
    );
  }
  return together(name, () => {
    const noisy = [...draws, ...a.shape];
    const sum = ops.add(gumbelOf(name, key, noisy), stretch(a, noisy));
    return ops.argmax(sum, [draws.length + axis]);
  });
}

/** Sorts by random words, as often as it takes for equal words to do no harm: as JAX's `_shuffle`. */
function shuffled(key: Tensor, x: Tensor): Tensor {
  const rounds = Math.ceil((3 * Math.log(Math.max(1, x.size))) / Math.log(2 ** 32 - 1));
  let keys = key;
  let result = x;
  for (let i = 0; i < rounds; i++) {
    const next = bothWords(keys, u32(0), counters([2]));
    keys = rowOf(next, 0);
    result = ops.sort([bitsOf(rowOf(next, 1), x.shape), result], 0)[1]!;
  }
  return result;
}

/**
 * The numbers 0 … n − 1 in random order, i32, or the entries of a tensor along an axis, the first one unless given.
 * Throws `ValueError` for an n that is not a whole number from 0 on, `ShapeError` for a scalar tensor.
 */
export function permutation(key: Tensor, x: number | Tensor, axis = 0): Tensor {
  const name = "random.permutation";
  checkKey(name, key);
  if (!(x instanceof Tensor)) {
    if (!(Number.isInteger(x) && x >= 0))
      throw new ValueError(`${name}: the number of entries is ${x}, but a whole one from 0 on is wanted${hereText()}`);
    return together(name, () => shuffled(key, ops.iota("i32", [x], 0)));
  }
  if (x.ndim === 0)
    throw new ShapeError(`${name}: ${showAval(x.aval)} has no axis\n  pass a number for 0 … n - 1${hereText()}`);
  const along = axisOf(axis, x.ndim, name, showAval(x.aval));
  return together(name, () => {
    if (x.ndim === 1) return shuffled(key, x);
    return take(x, shuffled(key, ops.iota("i32", [x.shape[along]!], 0)), along);
  });
}
