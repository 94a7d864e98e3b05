// Loops over a chunk, one per scalar instruction and element type, each small enough for V8 to compile tightly.
import type { DType, TypedArray } from "../core/dtype.js";
import { InternalError } from "../core/errors.js";
import type { Scalar, ScalarOpName } from "../ir/scalar.js";

/**
 * Writes elements 0 … n - 1 of `out`. An operand's mask is -1 where it has an element for each, 0 where it is one
 * number for all: `x[i & mx]`. Unused operands are anything.
 */
export type Loop = (
  n: number,
  out: TypedArray,
  x: TypedArray,
  mx: number,
  y: TypedArray,
  my: number,
  z: TypedArray,
  mz: number,
) => void;

// A loop is written out per type, equal text or not: V8 keeps type feedback per function, and a loop that meets
// several kinds of array is compiled for all of them.

const float = {
  add: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! + y[i & my]!;
  },
  sub: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! - y[i & my]!;
  },
  mul: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! * y[i & my]!;
  },
  div: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! / y[i & my]!;
  },
  // of two f32 the remainder is an f32: JavaScript's % is exact
  rem: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! % y[i & my]!;
  },
  neg: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = -x[i & mx]!;
  },
  abs: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = Math.abs(x[i & mx]!);
  },
  // Math.min and Math.max propagate NaN, as wanted
  min: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = Math.min(x[i & mx]!, y[i & my]!);
  },
  max: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = Math.max(x[i & mx]!, y[i & my]!);
  },
  floor: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = Math.floor(x[i & mx]!);
  },
  ceil: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = Math.ceil(x[i & mx]!);
  },
  trunc: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = Math.trunc(x[i & mx]!);
  },
  nearest: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) {
      const value = x[i & mx]!;
      const size = Math.abs(value);
      // at 2^52 a double's last bit is 1: the sum is rounded to an integer, ties to even
      const whole = size < 4503599627370496 ? size + 4503599627370496 - 4503599627370496 : size;
      out[i] = value < 0 ? -whole : value > 0 ? whole : value; // NaN and both zeros are themselves
    }
  },
  sqrt: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = Math.sqrt(x[i & mx]!);
  },
  fma: (n, out, x, mx, y, my, z, mz) => {
    for (let i = 0; i < n; i++) out[i] = fused(x[i & mx]!, y[i & my]!, z[i & mz]!);
  },
  eq: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! === y[i & my]! ? 1 : 0;
  },
  lt: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! < y[i & my]! ? 1 : 0;
  },
  le: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! <= y[i & my]! ? 1 : 0;
  },
  select: (n, out, x, mx, y, my, z, mz) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! !== 0 ? y[i & my]! : z[i & mz]!;
  },
} satisfies Partial<Record<ScalarOpName, Loop>>;

const signed = {
  add: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = (x[i & mx]! + y[i & my]!) | 0;
  },
  sub: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = (x[i & mx]! - y[i & my]!) | 0;
  },
  mul: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = Math.imul(x[i & mx]!, y[i & my]!);
  },
  div: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) {
      const by = y[i & my]!;
      out[i] = by === 0 ? x[i & mx]! : (x[i & mx]! / by) | 0;
    }
  },
  rem: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) {
      const by = y[i & my]!;
      out[i] = by === 0 ? 0 : (x[i & mx]! % by) | 0;
    }
  },
  neg: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = -x[i & mx]! | 0;
  },
  abs: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = Math.abs(x[i & mx]!) | 0;
  },
  min: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = Math.min(x[i & mx]!, y[i & my]!);
  },
  max: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = Math.max(x[i & mx]!, y[i & my]!);
  },
  and: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! & y[i & my]!;
  },
  or: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! | y[i & my]!;
  },
  xor: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! ^ y[i & my]!;
  },
  not: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = ~x[i & mx]!;
  },
  shl: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! << y[i & my]!; // JavaScript takes 5 bits of the shift, as WGSL
  },
  shr: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! >> y[i & my]!;
  },
  popcount: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = onesIn(x[i & mx]!);
  },
  clz: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = Math.clz32(x[i & mx]!);
  },
  eq: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! === y[i & my]! ? 1 : 0;
  },
  lt: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! < y[i & my]! ? 1 : 0;
  },
  le: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! <= y[i & my]! ? 1 : 0;
  },
  select: (n, out, x, mx, y, my, z, mz) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! !== 0 ? y[i & my]! : z[i & mz]!;
  },
} satisfies Partial<Record<ScalarOpName, Loop>>;

const unsigned = {
  add: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = (x[i & mx]! + y[i & my]!) >>> 0;
  },
  sub: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = (x[i & mx]! - y[i & my]!) >>> 0;
  },
  mul: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = Math.imul(x[i & mx]!, y[i & my]!) >>> 0;
  },
  div: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) {
      const by = y[i & my]!;
      out[i] = by === 0 ? x[i & mx]! : (x[i & mx]! / by) >>> 0;
    }
  },
  rem: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) {
      const by = y[i & my]!;
      out[i] = by === 0 ? 0 : x[i & mx]! % by;
    }
  },
  neg: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = -x[i & mx]! >>> 0;
  },
  min: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = Math.min(x[i & mx]!, y[i & my]!);
  },
  max: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = Math.max(x[i & mx]!, y[i & my]!);
  },
  and: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = (x[i & mx]! & y[i & my]!) >>> 0;
  },
  or: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = (x[i & mx]! | y[i & my]!) >>> 0;
  },
  xor: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = (x[i & mx]! ^ y[i & my]!) >>> 0;
  },
  not: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = ~x[i & mx]! >>> 0;
  },
  shl: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = (x[i & mx]! << y[i & my]!) >>> 0;
  },
  shr: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! >>> y[i & my]!;
  },
  popcount: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = onesIn(x[i & mx]!);
  },
  clz: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = Math.clz32(x[i & mx]!);
  },
  eq: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! === y[i & my]! ? 1 : 0;
  },
  lt: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! < y[i & my]! ? 1 : 0;
  },
  le: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! <= y[i & my]! ? 1 : 0;
  },
  select: (n, out, x, mx, y, my, z, mz) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! !== 0 ? y[i & my]! : z[i & mz]!;
  },
} satisfies Partial<Record<ScalarOpName, Loop>>;

// a bool is 0 or 1
const boolean = {
  and: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! & y[i & my]!;
  },
  or: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! | y[i & my]!;
  },
  xor: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! ^ y[i & my]!;
  },
  not: (n, out, x, mx) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! ^ 1;
  },
  eq: (n, out, x, mx, y, my) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! ^ y[i & my]! ^ 1;
  },
  select: (n, out, x, mx, y, my, z, mz) => {
    for (let i = 0; i < n; i++) out[i] = x[i & mx]! !== 0 ? y[i & my]! : z[i & mz]!;
  },
} satisfies Partial<Record<ScalarOpName, Loop>>;

/** x y + z of f32 numbers, rounded once to f32. */
function fused(x: number, y: number, z: number): number {
  const product = x * y; // exact
  const sum = product + z;
  const rounded = Math.fround(sum);
  if (!Number.isFinite(rounded)) return rounded;
  // where the f64 sum lies midway between two f32, what it lost decides: `other` is the f32 as far on its other side
  const other = sum + (sum - rounded);
  if (other === rounded || Math.fround(other) !== other) return rounded;
  const part = sum - product;
  const lost = product - (sum - part) + (z - part);
  if (lost === 0) return rounded;
  return lost > 0 === other > rounded ? other : rounded;
}

/** Counted by adding neighbours: bits, pairs, fours, then the four bytes at once. */
function onesIn(bits: number): number {
  const pairs = bits - ((bits >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** By the type of the first data operand (of `select`: of what it selects). */
const byType: Record<DType, Partial<Record<ScalarOpName, Loop>>> = {
  f32: float,
  i32: signed,
  u32: unsigned,
  bool: boolean,
};

const toFloat: Loop = (n, out, x, mx) => {
  for (let i = 0; i < n; i++) out[i] = x[i & mx]!;
};

/** `casts[from][to]`. Integers into each other keep their bits; floats truncate and saturate, NaN becomes 0. */
const casts: Record<DType, Partial<Record<DType, Loop>>> = {
  f32: {
    i32: (n, out, x, mx) => {
      for (let i = 0; i < n; i++) {
        const value = x[i & mx]!;
        out[i] = value >= 2147483647 ? 2147483647 : value <= -2147483648 ? -2147483648 : value | 0;
      }
    },
    u32: (n, out, x, mx) => {
      for (let i = 0; i < n; i++) {
        const value = x[i & mx]!;
        out[i] = value >= 4294967295 ? 4294967295 : value > 0 ? value >>> 0 : 0;
      }
    },
    bool: (n, out, x, mx) => {
      for (let i = 0; i < n; i++) out[i] = x[i & mx]! === 0 ? 0 : 1;
    },
  },
  i32: {
    f32: toFloat,
    u32: (n, out, x, mx) => {
      for (let i = 0; i < n; i++) out[i] = x[i & mx]! >>> 0;
    },
    bool: (n, out, x, mx) => {
      for (let i = 0; i < n; i++) out[i] = x[i & mx]! === 0 ? 0 : 1;
    },
  },
  u32: {
    f32: toFloat,
    i32: (n, out, x, mx) => {
      for (let i = 0; i < n; i++) out[i] = x[i & mx]! | 0;
    },
    bool: (n, out, x, mx) => {
      for (let i = 0; i < n; i++) out[i] = x[i & mx]! === 0 ? 0 : 1;
    },
  },
  bool: {
    f32: toFloat,
    i32: (n, out, x, mx) => {
      for (let i = 0; i < n; i++) out[i] = x[i & mx]!;
    },
    u32: (n, out, x, mx) => {
      for (let i = 0; i < n; i++) out[i] = x[i & mx]!;
    },
  },
};

/** The loop of an instruction. Throws `InternalError` for one that has no meaning element by element. */
export function loopOf(x: Scalar): Loop {
  const found =
    x.op === "cast" ? casts[x.args[0]!.type][x.type] : byType[x.args[x.op === "select" ? 1 : 0]?.type ?? x.type][x.op];
  if (!found) {
    throw new InternalError(`scalar ${x.op} has no loop for operands ${x.args.map((arg) => arg.type).join(", ")}`);
  }
  return found;
}

/** Elements 0 … n - 1 of `x`, or its one number n times. */
export function copy(n: number, out: TypedArray, x: TypedArray, mx: number): void {
  if (mx === 0) out.fill(x[0]!, 0, n);
  else out.set(x.length === n ? x : x.subarray(0, n));
}
