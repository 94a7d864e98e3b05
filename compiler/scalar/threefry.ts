// Threefry-2x32, 20 rounds: a block cipher as a source of random bits (Salmon, Moraes, Dror and Shaw, SC 2011).
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";

type Words = readonly [Scalar, Scalar];

/** Left rotations of four rounds, for even and for odd groups of rounds. */
const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** Threefish's constant for 32 bits: the third word of the key is the XOR of it with the other two. */
const PARITY = 0x1bd11bda;

/** The counter (c0, c1), u32, enciphered with the key (k0, k1): two words. */
export function threefry2x32(b: ScalarBuilder, [k0, k1]: Words, [c0, c1]: Words): Words {
  const key = [k0, k1, b.xor(b.xor(k0, k1), b.u32(PARITY))] as const;
  let x = b.add(c0, k0);
  let y = b.add(c1, k1);
  for (let group = 0; group < 5; group++) {
    for (const turn of ROTATIONS[group % 2]!) {
      x = b.add(x, y);
      y = b.xor(rotateLeft(b, y, turn), x);
    }
    x = b.add(x, key[(group + 1) % 3]!);
    y = b.add(b.add(y, key[(group + 2) % 3]!), b.u32(group + 1));
  }
  return [x, y];
}

const rotateLeft = (b: ScalarBuilder, x: Scalar, turn: number): Scalar =>
  b.or(b.shl(x, b.u32(turn)), b.shr(x, b.u32(32 - turn)));
