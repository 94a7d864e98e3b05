// Normalisation: layers that bring their inputs to mean 0 and variance 1.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import { axisScope } from "../../compiler/trace/axis-names.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { pmean } from "../../compiler/transforms/collectives.js";
import { checkOptions } from "../numpy/statistics.js";
import { checkFeatures, checkSize, parameter } from "./create.js";
import { ones, zeros } from "./initialisers.js";
import { Module } from "./module.js";
import type { PyTorchLayout } from "./state-dict.js";
import { type Parameter, State } from "./variables.js";

/** Fields that PyTorch calls weight and bias. */
const scaleAndShift = { scale: { name: "weight" }, shift: { name: "bias" } };

/** Subtracts the mean of the last axis and divides by its standard deviation, then scales and shifts (Ba et al. 2016). */
export class LayerNorm extends Module {
  static override readonly pyTorch: PyTorchLayout = { fields: scaleAndShift };

  readonly scale: Parameter;
  readonly shift: Parameter;

  constructor(
    readonly features: number,
    readonly epsilon = 1e-5,
  ) {
    super();
    checkSize("LayerNorm", "number of features", features);
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
  /**
   * Name of an axis of `vmap` whose lanes are examples of one batch: while it trains, the statistics are of all of them.
   * A batch outside of such a `vmap` is taken for the whole.
   */
  readonly axisName?: string;
}

/**
 * Subtracts the mean of each channel over the batch and divides by the standard deviation, then scales and shifts; keeps
 * running statistics while it trains, and uses them otherwise (Ioffe & Szegedy 2015): f32[batch, channels, …], in use also
 * f32[channels, …]. The variance is that of the batch, not corrected for its size, in the running statistics too.
 */
export class BatchNorm extends Module {
  static override readonly pyTorch: PyTorchLayout = {
    fields: { ...scaleAndShift, mean: { name: "running_mean" }, variance: { name: "running_var" } },
    unused: ["num_batches_tracked"],
  };

  readonly scale: Parameter;
  readonly shift: Parameter;
  readonly mean: State;
  readonly variance: State;
  readonly spatial: number;
  readonly momentum: number;
  readonly epsilon: number;
  readonly axisName: string | undefined;

  constructor(
    readonly channels: number,
    options: BatchNormOptions = {},
  ) {
    super();
    checkOptions("BatchNorm", options, ["spatial", "momentum", "epsilon", "axisName"]);
    const { spatial = 0, momentum = 0.9, epsilon = 1e-5, axisName } = options;
    checkSize("BatchNorm", "number of channels", channels);
    checkSize("BatchNorm", "number of spatial axes", spatial, 0);
    if (!(momentum >= 0 && momentum <= 1))
      throw new ValueError(`BatchNorm: a momentum of ${momentum} is given, but one from 0 to 1 is wanted${hereText()}`);
    this.scale = parameter(ones(), [channels], undefined);
    this.shift = parameter(zeros(), [channels], undefined);
    this.mean = new State(new Float32Array(channels));
    this.variance = new State(new Float32Array(channels).fill(1));
    this.spatial = spatial;
    this.momentum = momentum;
    this.epsilon = epsilon;
    this.axisName = axisName;
  }

  forward(x: Tensor): Tensor {
    checkFeatures("BatchNorm", x, -1 - this.spatial, this.channels);
    const [mean, variance] = this.training ? this.#track(x) : [this.mean, this.variance];
    const scale = variance.add(this.epsilon).rsqrt().mul(this.scale);
    return x.sub(this.#along(mean)).mul(this.#along(scale)).add(this.#along(this.shift));
  }

  /** f32[channels] beside the channels of an input. */
  #along(v: Tensor): Tensor {
    return v.reshape([this.channels, ...new Array<number>(this.spatial).fill(1)]);
  }

  /** Mean and variance of the batch, which move the running ones. */
  #track(x: Tensor): [Tensor, Tensor] {
    const { axisName } = this;
    const isMapped = axisName !== undefined && axisScope().some(({ name }) => name === axisName);
    const channelAxis = x.ndim - 1 - this.spatial;
    if (channelAxis > 1 || (channelAxis === 0 && !isMapped)) {
      throw new ShapeError(
        `BatchNorm: an input ${showAval(x.aval)} is given while it trains, but a batch of ${this.spatial + 2} axes is wanted\n` +
          `  call eval() to use the running statistics, or name the axis that examples are mapped over, here by { axisName: "batch" } and in vmap${hereText()}`,
      );
    }
    const axes = x.shape.map((_, axis) => axis).filter((axis) => axis !== channelAxis);
    const ofAll = (v: Tensor): Tensor => (isMapped ? pmean(v.mean(axes), axisName) : v.mean(axes));
    const mean = ofAll(x);
    const variance = ofAll(x.sub(this.#along(mean)).square());
    const moved = (old: Tensor, now: Tensor): Tensor => old.mul(this.momentum).add(now.mul(1 - this.momentum));
    this.mean.assign(moved(this.mean, mean));
    this.variance.assign(moved(this.variance, variance));
    return [mean, variance];
  }
}
