// What the layers share: parameters drawn from keys, and checks of sizes.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { untraced } from "../../compiler/trace/trace.js";
import * as random from "../random.js";
import type { Initialiser } from "./initialisers.js";
import { Parameter } from "./variables.js";

let streamSeed = 0;
let drawn = 0;

/** Starts the stream anew that layers without a key draw their parameters from: two nets differ, a run repeats. */
export function seed(value: number): void {
  if (!Number.isSafeInteger(value)) throw new ValueError(`nn.seed: ${value} is no whole number${hereText()}`);
  streamSeed = value;
  drawn = 0;
}

const nextKey = (): Tensor => random.foldIn(random.key(streamSeed), drawn++);

/** A parameter drawn with the key, or with the next of the stream. */
export const parameter = (initialise: Initialiser, shape: readonly number[], key: Tensor | undefined): Parameter =>
  untraced(() => new Parameter(initialise(key ?? nextKey(), shape)));

/** Throws `ValueError` unless `n`, the `what` of a layer, is a whole number from `least` on. */
export function checkSize(layer: string, what: string, n: number, least = 1): void {
  if (Number.isSafeInteger(n) && n >= least) return;
  throw new ValueError(
    `${layer}: the ${what} is ${String(n)}, but a whole number from ${least} on is wanted${hereText()}`,
  );
}

/** Throws `ShapeError` unless the axis of x at `axis` from the end has `size` entries. */
export function checkFeatures(layer: string, x: Tensor, axis: number, size: number): void {
  if (x.shape.at(axis) === size) return;
  throw new ShapeError(
    `${layer}: an input ${showAval(x.aval)} is given, but ${size} features along axis ${axis} are wanted${hereText()}`,
  );
}
