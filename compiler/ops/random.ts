// Random bits from counters: the same for the same key on every device. The keys are data.
import { type Aval, aval, showAval } from "../core/aval.js";
import { DTypeError } from "../core/errors.js";
import { type ElementwiseOp, register, type Samples, shaped } from "../ir/op.js";
import { ONE_BITS } from "../scalar/float.js";
import * as normal from "../scalar/normal.js";
import * as threefry from "../scalar/threefry.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { bindOne, elementwiseAval } from "./define.js";

/** Which of the two words, or the exclusive or of both. */
type Word = "first" | "second" | "xor";

const words: readonly Word[] = ["first", "second", "xor"];

/** All of u32, for tests to draw from. */
const anyBits = [[0, 4294967295]] as const;

const threefryOp = register<ElementwiseOp>({
  name: "threefry2x32",
  kind: "elementwise",
  typeOf(inputs) {
    for (const x of inputs) {
      if (x.dtype !== "u32") throw new DTypeError(`threefry2x32: keys and counters are u32, not ${showAval(x)}`);
    }
    return [aval("u32", elementwiseAval("threefry2x32", inputs, "u32").shape)];
  },
  scalar(b, [k0, k1, c0, c1], params) {
    const [first, second] = threefry.threefry2x32(b, [k0!, k1!], [c0!, c1!]);
    const { word } = params as { word: Word };
    return word === "first" ? first : word === "second" ? second : b.xor(first, second);
  },
  samples: words.flatMap((word) =>
    [[3, 4], [1], [0, 2]].map((shape) => ({
      inputs: Array.from({ length: 4 }, () => shaped("u32", ...shape)),
      params: { word },
      domain: [...anyBits, ...anyBits, ...anyBits, ...anyBits],
    })),
  ),
  ulp: 0,
});

/** Threefry-2x32 of the counter (c0, c1) with the key (k0, k1), all u32 of one shape: one word of the two, or their XOR. */
export const threefry2x32 = (k0: Operand, k1: Operand, c0: Operand, c1: Operand, word: Word): Tensor =>
  bindOne(threefryOp, [k0, k1, c0, c1], { word });

const bitsSamples: Samples = [[30, 40], [1], [0, 2]].map((shape) => ({
  inputs: [shaped("u32", ...shape)],
  params: {},
  domain: anyBits,
}));

function floatOfBits(name: string, x: Aval): Aval {
  if (x.dtype !== "u32") throw new DTypeError(`${name}: the bits are u32, not ${showAval(x)}`);
  return aval("f32", x.shape);
}

const uniformOp = register<ElementwiseOp>({
  name: "uniformOfBits",
  kind: "elementwise",
  typeOf: ([x]) => [floatOfBits("uniformOfBits", x!)],
  // a number in [1, 2) less 1
  scalar: (b, [bits]) => b.sub(b.keep(b.bitcast(b.or(b.shr(bits!, b.u32(9)), b.u32(ONE_BITS)), "f32")), b.f32(1)),
  wide: (bits) => (bits! >>> 9) * 2 ** -23,
  samples: bitsSamples,
  ulp: 0,
});

/** A multiple of 2^-23 in [0, 1) for each 32 random bits, u32, of which the upper 23 count. */
export const uniformOfBits = (bits: Operand): Tensor => bindOne(uniformOp, [bits]);

const normalOp = register<ElementwiseOp>({
  name: "normalOfBits",
  kind: "elementwise",
  typeOf: ([x]) => [floatOfBits("normalOfBits", x!)],
  scalar: (b, [bits]) => normal.normalOfBits(b, bits!),
  wide: normal.wideNormalOfBits,
  samples: bitsSamples,
  ulp: 4,
});

/** A number of the standard normal distribution for each 32 random bits, u32. */
export const normalOfBits = (bits: Operand): Tensor => bindOne(normalOp, [bits]);
