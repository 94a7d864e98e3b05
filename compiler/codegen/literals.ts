// Floats as WGSL writes them.

const scratch = new DataView(new ArrayBuffer(4));

/** The 32 bits of an f32. */
export function floatBits(x: number): number {
  scratch.setFloat32(0, x);
  return scratch.getUint32(0);
}

/** Shortest decimal that reads back as the f32 `x`, and is not above the largest one, which WGSL refuses. */
export function floatLiteral(x: number): string {
  for (let digits = 1; digits <= 9; digits++) {
    const y = Number(x.toPrecision(digits));
    if (Math.fround(y) === Math.fround(x) && Math.abs(y) <= MAX_FLOAT) {
      const plain = String(y);
      return /[.e]/.test(plain) ? `${plain}f` : `${plain}.0f`;
    }
  }
  return `${x}f`;
}

const MAX_FLOAT = 3.4028234663852886e38;

/** The f32 of 32 bits. */
export function floatOfBits(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}
