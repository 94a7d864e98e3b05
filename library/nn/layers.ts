// Layers: modules that networks are built of. Each works on one example and on a batch of them.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { untraced } from "../../compiler/trace/trace.js";
import { type ConvOptions, conv } from "../conv.js";
import { take, where } from "../numpy/index.js";
import { type AvgPoolOptions, avgPool, maxPool, type PoolOptions } from "../pool.js";
import * as random from "../random.js";
import { heNormal, type Initialiser, normal, ones, xavierUniform, zeros } from "./initialisers.js";
import { Module, Parameter, State } from "./module.js";

let streamSeed = 0;
let drawn = 0;

/** Starts the stream anew that layers without a key draw their parameters from: two nets differ, a run repeats. */
export function seed(value: number): void {
  if (!Number.isSafeInteger(value)) throw new ValueError(`nn.seed: ${value} is no whole number${hereText()}`);
  streamSeed = value;
  drawn = 0;
}

const nextKey = (): Tensor => random.foldIn(random.key(streamSeed), drawn++);

const parameter = (initialise: Initialiser, shape: readonly number[], key: Tensor | undefined): Parameter =>
  untraced(() => new Parameter(initialise(key ?? nextKey(), shape)));

/** Throws `ShapeError` unless the axis of x at `axis` from the end has `size` entries. */
function checkFeatures(layer: string, x: Tensor, axis: number, size: number): void {
  if (x.shape.at(axis) === size) return;
  throw new ShapeError(
    `${layer}: an input ${showAval(x.aval)} is given, but ${size} features along axis ${axis} are wanted${hereText()}`,
  );
}

export interface DenseOptions {
  /** Of the weight [inputs, outputs]. Default: xavierUniform(). */
  readonly weight?: Initialiser;
  /** Of the bias [outputs], or false for none. Default: zeros(). */
  readonly bias?: Initialiser | false;
  /** Draws the weight. Default: the next of the stream that `nn.seed` starts. */
  readonly key?: Tensor;
}

/** x · weight + bias: f32[…, inputs] -> f32[…, outputs]. */
export class Dense extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(
    readonly inputs: number,
    readonly outputs: number,
    { weight = xavierUniform(), bias = zeros(), key }: DenseOptions = {},
  ) {
    super();
    this.weight = parameter(weight, [inputs, outputs], key);
    this.bias = bias === false ? undefined : parameter(bias, [outputs], key);
  }

  forward(x: Tensor): Tensor {
    checkFeatures("Dense", x, -1, this.inputs);
    const y = x.matmul(this.weight);
    return this.bias ? y.add(this.bias) : y;
  }
}

export interface ConvLayerOptions extends Pick<ConvOptions, "strides" | "padding" | "rhsDilation" | "groups"> {
  /** Of the weight [outputs, inputs / groups, …window]. Default: heNormal(). */
  readonly weight?: Initialiser;
  /** Of the bias [outputs], or false for none. Default: zeros(). */
  readonly bias?: Initialiser | false;
  readonly key?: Tensor;
}

/** A convolution over as many axes as the window has: f32[inputs, …] or f32[batch, inputs, …]. */
class Conv extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #options: ConvOptions;

  constructor(
    readonly inputs: number,
    readonly outputs: number,
    readonly window: readonly number[],
    { weight = heNormal(), bias = zeros(), key, ...options }: ConvLayerOptions = {},
  ) {
    super();
    this.#options = options;
    this.weight = parameter(weight, [outputs, inputs / (options.groups ?? 1), ...window], key);
    this.bias = bias === false ? undefined : parameter(bias, [outputs], key);
  }

  forward(x: Tensor): Tensor {
    const y = conv(x, this.weight, this.#options);
    return this.bias ? y.add(this.bias.reshape([this.outputs, ...this.window.map(() => 1)])) : y;
  }
}

const windowOf = (size: number | readonly number[], rank: number): readonly number[] =>
  typeof size === "number" ? new Array<number>(rank).fill(size) : size;

/** A convolution over one axis: f32[inputs, n] or f32[batch, inputs, n]. */
export class Conv1d extends Conv {
  constructor(inputs: number, outputs: number, window: number | readonly number[], options?: ConvLayerOptions) {
    super(inputs, outputs, windowOf(window, 1), options);
  }
}

/** A convolution over two axes: f32[inputs, height, width] or f32[batch, inputs, height, width]. */
export class Conv2d extends Conv {
  constructor(inputs: number, outputs: number, window: number | readonly number[], options?: ConvLayerOptions) {
    super(inputs, outputs, windowOf(window, 2), options);
  }
}

/** The maximum of windows of the last axes, as `maxPool`; strides are the window's unless given. */
export class MaxPool extends Module {
  readonly #options: PoolOptions;

  constructor(
    readonly window: number | readonly number[],
    options: PoolOptions = {},
  ) {
    super();
    this.#options = { strides: window, ...options };
  }

  forward(x: Tensor): Tensor {
    return maxPool(x, this.window, this.#options);
  }
}

/** The mean of windows of the last axes, as `avgPool`; strides are the window's unless given. */
export class AvgPool extends Module {
  readonly #options: AvgPoolOptions;

  constructor(
    readonly window: number | readonly number[],
    options: AvgPoolOptions = {},
  ) {
    super();
    this.#options = { strides: window, ...options };
  }

  forward(x: Tensor): Tensor {
    return avgPool(x, this.window, this.#options);
  }
}

/** Makes one axis of the last `axes` ones: by default of an image, f32[…, channels, height, width]. */
export class Flatten extends Module {
  constructor(readonly axes = 3) {
    super();
  }

  forward(x: Tensor): Tensor {
    if (x.ndim < this.axes)
      throw new ShapeError(`Flatten: ${showAval(x.aval)} has fewer than ${this.axes} axes${hereText()}`);
    const kept = x.shape.slice(0, x.ndim - this.axes);
    return x.reshape([...kept, x.shape.slice(x.ndim - this.axes).reduce((size, n) => size * n, 1)]);
  }
}

/**
 * Leaves out each element with probability `rate` while it trains, and makes the others larger so that the mean stays.
 * The key says which: another one for every call.
 */
export class Dropout extends Module {
  constructor(readonly rate = 0.5) {
    super();
    if (!(rate >= 0 && rate < 1))
      throw new ValueError(`Dropout: a rate of ${rate} is given, but one from 0 and below 1 is wanted${hereText()}`);
  }

  forward(x: Tensor, key: Tensor): Tensor {
    if (!this.training || this.rate === 0) return x;
    const kept = random.bernoulli(key, 1 - this.rate, x.shape);
    return where(kept, x.div(1 - this.rate), 0);
  }
}

/** A row of the table for each index: integers […] -> f32[…, features]. */
export class Embedding extends Module {
  readonly table: Parameter;

  constructor(
    readonly entries: number,
    readonly features: number,
    { table = normal(1), key }: { readonly table?: Initialiser; readonly key?: Tensor } = {},
  ) {
    super();
    this.table = parameter(table, [entries, features], key);
  }

  forward(indices: Tensor): Tensor {
    return take(this.table, indices, 0);
  }
}

/** Subtracts the mean of the last axis and divides by its standard deviation, then scales and shifts. */
export class LayerNorm extends Module {
  readonly scale: Parameter;
  readonly shift: Parameter;

  constructor(
    readonly features: number,
    readonly epsilon = 1e-5,
  ) {
    super();
    this.scale = parameter(ones(), [features], undefined);
    this.shift = parameter(zeros(), [features], undefined);
  }

  forward(x: Tensor): Tensor {
    checkFeatures("LayerNorm", x, -1, this.features);
    const centred = x.sub(x.mean(-1, { keepDims: true }));
    const variance = centred.square().mean(-1, { keepDims: true });
    return centred.mul(variance.add(this.epsilon).rsqrt()).mul(this.scale).add(this.shift);
  }
}

export interface BatchNormOptions {
  /** Number of axes behind the channels: 2 for images. Default 0. */
  readonly spatial?: number;
  /** How much of the running statistics stays at each step. Default 0.9. */
  readonly momentum?: number;
  readonly epsilon?: number;
}

/**
 * Subtracts the mean of each channel over the batch and divides by the standard deviation, then scales and shifts; keeps
 * running statistics while it trains, and uses them otherwise: f32[batch, channels, …], in use also f32[channels, …].
 */
export class BatchNorm extends Module {
  readonly scale: Parameter;
  readonly shift: Parameter;
  readonly mean: State;
  readonly variance: State;
  readonly spatial: number;
  readonly momentum: number;
  readonly epsilon: number;

  constructor(
    readonly channels: number,
    { spatial = 0, momentum = 0.9, epsilon = 1e-5 }: BatchNormOptions = {},
  ) {
    super();
    this.scale = parameter(ones(), [channels], undefined);
    this.shift = parameter(zeros(), [channels], undefined);
    this.mean = new State(untraced(() => new Parameter(new Float32Array(channels))));
    this.variance = new State(untraced(() => new Parameter(new Float32Array(channels).fill(1))));
    this.spatial = spatial;
    this.momentum = momentum;
    this.epsilon = epsilon;
  }

  forward(x: Tensor): Tensor {
    checkFeatures("BatchNorm", x, -1 - this.spatial, this.channels);
    const along = (v: Tensor): Tensor => v.reshape([this.channels, ...new Array<number>(this.spatial).fill(1)]);
    const [mean, variance] = this.training ? this.#track(x) : [this.mean, this.variance];
    const scale = variance.add(this.epsilon).rsqrt().mul(this.scale);
    return x.sub(along(mean)).mul(along(scale)).add(along(this.shift));
  }

  /** Mean and variance of the batch, which move the running ones. */
  #track(x: Tensor): [Tensor, Tensor] {
    if (x.ndim !== this.spatial + 2) {
      throw new ShapeError(
        `BatchNorm: an input ${showAval(x.aval)} is given while it trains, but a batch of ${this.spatial + 2} axes is wanted\n  call eval() to use the running statistics${hereText()}`,
      );
    }
    const axes = x.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
    const mean = x.mean(axes, { keepDims: true });
    const variance = x.sub(mean).square().mean(axes);
    const flat = mean.reshape([this.channels]);
    const moved = (old: Tensor, now: Tensor): Tensor => old.mul(this.momentum).add(now.mul(1 - this.momentum));
    this.mean.assign(moved(this.mean, flat));
    this.variance.assign(moved(this.variance, variance));
    return [flat, variance];
  }
}

/** One layer after the other; functions may stand between modules. */
export class Sequential extends Module {
  readonly layers: readonly (Module | ((x: Tensor) => Tensor))[];

  constructor(...layers: readonly (Module | ((x: Tensor) => Tensor))[]) {
    super();
    this.layers = layers;
  }

  forward(x: Tensor): Tensor {
    return this.layers.reduce<Tensor>((y, layer) => (layer instanceof Module ? layer.forward(y) : layer(y)), x);
  }
}
