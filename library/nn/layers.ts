// Layers: modules that networks are built of. Each works on one example and on a batch of them.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError, TraceError, ValueError } from "../../compiler/core/errors.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { type ConvOptions, conv } from "../conv.js";
import { take, where } from "../numpy/index.js";
import { checkOptions } from "../numpy/statistics.js";
import { type AvgPoolOptions, avgPool, maxPool, type PoolOptions } from "../pool.js";
import * as random from "../random.js";
import { checkFeatures, checkSize, parameter } from "./create.js";
import { heNormal, type Initialiser, normal, xavierUniform, zeros } from "./initialisers.js";
import { KIND, Module } from "./module.js";
import type { PyTorchLayout } from "./state-dict.js";
import type { Parameter } from "./variables.js";

export interface DenseOptions {
  /** Of the weight [inputs, outputs]. Default: xavierUniform(). */
  readonly weight?: Initialiser;
  /** Of the bias [outputs], or false for none. Default: zeros(). */
  readonly bias?: Initialiser | false;
  /** Draws the weight. Default: the next of the stream that `nn.seed` starts. */
  readonly key?: Tensor;
}

/** x · weight + bias: f32[…, inputs] -> f32[…, outputs]. PyTorch's Linear, whose weight is [outputs, inputs]. */
export class Dense extends Module {
  static override readonly pyTorch: PyTorchLayout = { fields: { weight: { axes: [1, 0] } } };

  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(
    readonly inputs: number,
    readonly outputs: number,
    options: DenseOptions = {},
  ) {
    super();
    checkOptions("Dense", options, ["weight", "bias", "key"]);
    checkSize("Dense", "number of inputs", inputs);
    checkSize("Dense", "number of outputs", outputs);
    const { weight = xavierUniform(), bias = zeros(), key } = options;
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
    options: ConvLayerOptions = {},
  ) {
    super();
    const name = new.target.name;
    checkOptions(name, options, ["weight", "bias", "key", "strides", "padding", "rhsDilation", "groups"]);
    const { weight = heNormal(), bias = zeros(), key, ...convOptions } = options;
    const { groups = 1 } = convOptions;
    checkSize(name, "number of inputs", inputs);
    checkSize(name, "number of outputs", outputs);
    for (const size of window) checkSize(name, "size of the window", size);
    checkSize(name, "number of groups", groups);
    if (inputs % groups !== 0 || outputs % groups !== 0)
      throw new ShapeError(
        `${name}: ${inputs} inputs and ${outputs} outputs do not divide into ${groups} groups${hereText()}`,
      );
    this.#options = convOptions;
    this.weight = parameter(weight, [outputs, inputs / groups, ...window], key);
    this.bias = bias === false ? undefined : parameter(bias, [outputs], key);
  }

  forward(x: Tensor): Tensor {
    const y = conv(x, this.weight, this.#options);
    return this.bias ? y.add(this.bias.reshape([this.outputs, ...this.window.map(() => 1)])) : y;
  }
}

function windowOf(layer: string, size: number | readonly number[], rank: number): readonly number[] {
  if (typeof size === "number") return new Array<number>(rank).fill(size);
  if (size.length === rank) return size;
  throw new ShapeError(`${layer}: a window of ${size.length} axes is given, but ${rank} are wanted${hereText()}`);
}

/** A convolution over one axis: f32[inputs, n] or f32[batch, inputs, n]. */
export class Conv1d extends Conv {
  constructor(inputs: number, outputs: number, window: number | readonly number[], options?: ConvLayerOptions) {
    super(inputs, outputs, windowOf("Conv1d", window, 1), options);
  }
}

/** A convolution over two axes: f32[inputs, height, width] or f32[batch, inputs, height, width]. */
export class Conv2d extends Conv {
  constructor(inputs: number, outputs: number, window: number | readonly number[], options?: ConvLayerOptions) {
    super(inputs, outputs, windowOf("Conv2d", window, 2), options);
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
 * The key says which: another one for every call; lanes of a `vmap` that share it leave out the same. Without training none
 * is needed. Throws `TraceError` where one is.
 */
export class Dropout extends Module {
  constructor(readonly rate = 0.5) {
    super();
    if (!(rate >= 0 && rate < 1))
      throw new ValueError(`Dropout: a rate of ${rate} is given, but one from 0 and below 1 is wanted${hereText()}`);
  }

  forward(x: Tensor, key?: Tensor): Tensor {
    if (!this.training || this.rate === 0) return x;
    if (key === undefined)
      throw new TraceError(
        `Dropout: no key is given while it trains\n  pass one, as in forward(x, random.key(0)), another for each call, or call eval()${hereText()}`,
      );
    const kept = random.bernoulli(key, 1 - this.rate, x.shape);
    return where(kept, x.div(1 - this.rate), 0);
  }
}

export interface EmbeddingOptions {
  /** Of the table [entries, features]. Default: normal(1). */
  readonly table?: Initialiser;
  readonly key?: Tensor;
}

/** A row of the table for each index: integers […] -> f32[…, features]. An index out of range takes the nearest row. */
export class Embedding extends Module {
  static override readonly pyTorch: PyTorchLayout = { fields: { table: { name: "weight" } } };

  readonly table: Parameter;

  constructor(
    readonly entries: number,
    readonly features: number,
    options: EmbeddingOptions = {},
  ) {
    super();
    checkOptions("Embedding", options, ["table", "key"]);
    checkSize("Embedding", "number of entries", entries);
    checkSize("Embedding", "number of features", features);
    const { table = normal(1), key } = options;
    this.table = parameter(table, [entries, features], key);
  }

  forward(indices: Tensor): Tensor {
    return take(this.table, indices, 0);
  }
}

/** A function as a layer, called as it is. */
class FunctionLayer extends Module {
  readonly #fn: (x: Tensor) => Tensor;

  constructor(fn: (x: Tensor) => Tensor) {
    super();
    this.#fn = fn;
  }

  get [KIND](): string {
    return this.#fn.name || "function";
  }

  forward(x: Tensor): Tensor {
    return this.#fn(x);
  }
}

/**
 * One layer after the other; functions may stand between modules. A key is for layers whose `forward` takes a second
 * argument, as that of `Dropout` does: each gets a key of its own, made of the key and of its position.
 */
export class Sequential extends Module {
  static override readonly pyTorch: PyTorchLayout = { fields: { layers: { name: "" } } };

  readonly layers: readonly Module[];

  constructor(...layers: readonly (Module | ((x: Tensor) => Tensor))[]) {
    super();
    this.layers = layers.map((layer, i) => {
      if (layer instanceof Module) return layer;
      if (typeof layer === "function" && !(layer.prototype instanceof Module)) return new FunctionLayer(layer);
      const seen = typeof layer === "function" ? `the class ${(layer as { name: string }).name}` : `a ${typeof layer}`;
      throw new ValueError(`Sequential: layer ${i} is ${seen}, but a module or a function is wanted${hereText()}`);
    });
  }

  forward(x: Tensor, key?: Tensor): Tensor {
    return this.layers.reduce<Tensor>((y, layer, i) => {
      if (key === undefined || layer.forward.length < 2) return layer.forward(y);
      return layer.forward(y, random.foldIn(key, i));
    }, x);
  }
}
