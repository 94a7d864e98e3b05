// Distances in units in the last place of f32, and the inputs that sweeps walk over.

const wide = new Float64Array(1);
const wideBits = new Uint32Array(wide.buffer);
const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

export function bitsOfFloat(x: number): number {
  single[0] = x;
  return singleBits[0]!;
}

export function floatOfBits(bits: number): number {
  singleBits[0] = bits;
  return single[0]!;
}

/** Distance between neighbouring f32 numbers at `x`; 2^-149 among the subnormal ones. */
export function ulpAt(x: number): number {
  wide[0] = x;
  const exponent = Math.max(((wideBits[1]! >>> 20) & 0x7ff) - 1023, -126);
  wideBits[1] = (exponent - 23 + 1023) << 20;
  wideBits[0] = 0;
  return wide[0]!;
}

/**
 * How far the f32 `got` is from `want`, which is exact to many more bits: 0 where `got` is `want` rounded, infinite
 * where one is NaN or an infinity and the other is not, or where a zero has the wrong sign.
 */
export function ulpError(got: number, want: number): number {
  const rounded = Math.fround(want);
  if (Object.is(got, rounded)) return 0;
  if (!Number.isFinite(got) || !Number.isFinite(rounded)) {
    // the largest number for a value that rounds to infinity is one step away
    const isNext = !Number.isNaN(want) && !Number.isNaN(got) && Math.abs(got - want) <= 2 ** 104;
    return isNext ? 1 : Infinity;
  }
  if (got === 0 && rounded === 0) return Infinity;
  return Math.abs(got - want) / ulpAt(want);
}

/** Every `stride`-th of all bit patterns of f32: both signs, all magnitudes, subnormal numbers, infinities and NaNs. */
export function everyNth(stride: number): Float32Array {
  const bits = new Uint32Array(Math.ceil(2 ** 32 / stride));
  for (let i = 0; i < bits.length; i++) bits[i] = i * stride;
  return new Float32Array(bits.buffer);
}

/** The 2 · `reach` + 1 numbers around each point. */
export function around(points: readonly number[], reach = 300): Float32Array {
  const bits = points.flatMap((point) => {
    const middle = bitsOfFloat(point);
    return Array.from({ length: 2 * reach + 1 }, (_, i) => (middle + i - reach) >>> 0);
  });
  return new Float32Array(Uint32Array.from(bits).buffer);
}

/** Numbers in [0, 1), the same on every run (xorshift32). */
export function randomStream(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
