// How scalars lie in the memory of a device.
import { castNumber, type DType } from "../../compiler/core/dtype.js";

const word = new ArrayBuffer(4);
const asFloat = new Float32Array(word);
const asInteger = new Int32Array(word);
const asUnsigned = new Uint32Array(word);

/** The 32 bits that hold `x` on the device. */
export function bitsOf(x: number, dtype: DType): number {
  switch (dtype) {
    case "f32":
      asFloat[0] = x;
      break;
    case "i32":
      asInteger[0] = castNumber(x, dtype);
      break;
    case "u32":
    case "bool":
      asUnsigned[0] = castNumber(x, dtype);
      break;
  }
  return asUnsigned[0]!;
}
