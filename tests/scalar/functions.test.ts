// Functions of one f32 on the CPU: dense sweeps over all bit patterns, and the special values by name.
import { describe, expect, test } from "vitest";
import { compileScalar } from "../../compiler/scalar/evaluate.js";
import { type FloatFunction, floatFunctions } from "../support/float-functions.js";
import { around, everyNth, ulpError } from "../support/ulp.js";

const STRIDE = 4999; // 859,000 numbers; a prime, so that all low bits occur

function evaluate(f: FloatFunction, x: Float32Array): Float32Array {
  const out = new Float32Array(x.length);
  compileScalar((b, [arg]) => f.build(b, arg!), ["f32"])([out], [x], x.length);
  return out;
}

/** The greatest error over `x`, in words. */
function worst(f: FloatFunction, x: Float32Array): { ulp: number; where: string } {
  const got = evaluate(f, x);
  let found = { ulp: -1, at: 0 };
  for (let i = 0; i < x.length; i++) {
    const ulp = ulpError(got[i]!, f.wide(x[i]!));
    if (!(ulp <= found.ulp)) found = { ulp, at: i };
  }
  const { ulp, at } = found;
  return { ulp, where: `${f.name}(${x[at]}) is ${got[at]}, not ${f.wide(x[at]!)}: ${ulp} ulp` };
}

describe.each(floatFunctions)("$name", (f) => {
  test(`is good to ${f.ulp} ulp for every ${STRIDE}th f32`, () => {
    const { ulp, where } = worst(f, everyNth(STRIDE));
    expect(ulp, where).toBeLessThanOrEqual(f.ulp);
  });

  test("and around its critical points", () => {
    const { ulp, where } = worst(f, around(f.critical));
    expect(ulp, where).toBeLessThanOrEqual(f.ulp);
  });
});

/** numpy's results; those of an odd function for the negated argument follow. */
const special: Readonly<Record<string, readonly (readonly [x: number, y: number])[]>> = {
  exp: [
    [0, 1],
    [-0, 1],
    [Infinity, Infinity],
    [-Infinity, 0],
    [89, Infinity],
    [-104, 0],
    [1, Math.E],
  ],
  exp2: [
    [0, 1],
    [-0, 1],
    [Infinity, Infinity],
    [-Infinity, 0],
    [128, Infinity],
    [-150, 0],
    [10, 1024],
    [-149, 2 ** -149],
  ],
  expm1: [
    [0, 0],
    [-0, -0],
    [Infinity, Infinity],
    [-Infinity, -1],
    [-20, -1],
    [2 ** -149, 2 ** -149],
  ],
  logistic: [
    [0, 0.5],
    [-0, 0.5],
    [Infinity, 1],
    [-Infinity, 0],
    [100, 1],
  ],
  erfInv: [
    [0, 0],
    [-0, -0],
    [1, Infinity],
    [-1, -Infinity],
    [1.5, NaN],
    [-Infinity, NaN],
    [2 ** -100, (2 ** -100 * Math.sqrt(Math.PI)) / 2],
  ],
  tanh: [
    [0, 0],
    [-0, -0],
    [Infinity, 1],
    [-Infinity, -1],
    [20, 1],
    [2 ** -149, 2 ** -149],
  ],
  sinh: [
    [0, 0],
    [-0, -0],
    [Infinity, Infinity],
    [-Infinity, -Infinity],
    [90, Infinity],
  ],
  cosh: [
    [0, 1],
    [-0, 1],
    [Infinity, Infinity],
    [-Infinity, Infinity],
  ],
  erf: [
    [0, 0],
    [-0, -0],
    [Infinity, 1],
    [-Infinity, -1],
    [4, 1],
  ],
  log: [
    [0, -Infinity],
    [-0, -Infinity],
    [1, 0],
    [Infinity, Infinity],
    [-Infinity, NaN],
    [-1, NaN],
    [-(2 ** -149), NaN],
  ],
  log2: [
    [0, -Infinity],
    [-0, -Infinity],
    [1, 0],
    [Infinity, Infinity],
    [-1, NaN],
    [8, 3],
    [2 ** -149, -149],
    [2 ** 127, 127],
  ],
  log1p: [
    [0, 0],
    [-0, -0],
    [-1, -Infinity],
    [-2, NaN],
    [Infinity, Infinity],
    [-Infinity, NaN],
    [2 ** -149, 2 ** -149],
  ],
  rsqrt: [
    [0, Infinity],
    [-0, -Infinity],
    [Infinity, 0],
    [-Infinity, NaN],
    [-1, NaN],
    [4, 0.5],
    [2 ** -126, 2 ** 63],
  ],
  cbrt: [
    [0, 0],
    [-0, -0],
    [27, 3],
    [-8, -2],
    [Infinity, Infinity],
    [-Infinity, -Infinity],
    [2 ** -147, 2 ** -49],
  ],
  sin: [
    [0, 0],
    [-0, -0],
    [Infinity, NaN],
    [-Infinity, NaN],
    [2 ** -149, 2 ** -149],
  ],
  cos: [
    [0, 1],
    [-0, 1],
    [Infinity, NaN],
    [-Infinity, NaN],
  ],
  tan: [
    [0, 0],
    [-0, -0],
    [Infinity, NaN],
    [-Infinity, NaN],
  ],
  asin: [
    [0, 0],
    [-0, -0],
    [1, Math.PI / 2],
    [-1, -Math.PI / 2],
    [2, NaN],
    [-Infinity, NaN],
  ],
  acos: [
    [1, 0],
    [0, Math.PI / 2],
    [-0, Math.PI / 2],
    [-1, Math.PI],
    [2, NaN],
    [Infinity, NaN],
  ],
  atan: [
    [0, 0],
    [-0, -0],
    [Infinity, Math.PI / 2],
    [-Infinity, -Math.PI / 2],
    [1, Math.PI / 4],
  ],
  asinh: [
    [0, 0],
    [-0, -0],
    [Infinity, Infinity],
    [-Infinity, -Infinity],
  ],
  acosh: [
    [1, 0],
    [0.5, NaN],
    [0, NaN],
    [-1, NaN],
    [Infinity, Infinity],
    [-Infinity, NaN],
  ],
  atanh: [
    [0, 0],
    [-0, -0],
    [1, Infinity],
    [-1, -Infinity],
    [1.5, NaN],
    [-Infinity, NaN],
  ],
};

test.each(floatFunctions)("special values of $name", (f) => {
  const table = [...special[f.name]!, [NaN, NaN] as const];
  const got = evaluate(
    f,
    Float32Array.from(table, ([x]) => x),
  );
  table.forEach(([x, y], i) => {
    const isExact = !(Math.abs(y) < Infinity) || Number.isInteger(y);
    const shown = `${f.name}(${show(x)}) = ${show(got[i]!)}, not ${show(y)}`;
    expect(ulpError(got[i]!, y), shown).toBeLessThanOrEqual(isExact ? 0 : f.ulp);
  });
});

const show = (x: number): string => (Object.is(x, -0) ? "-0" : String(x));

test("subnormal numbers are numbers", () => {
  const x = Float32Array.from([2 ** -149, 3 * 2 ** -149, 2 ** -130, 2 ** -127 + 2 ** -149]);
  for (const f of floatFunctions) expect(worst(f, x).ulp, worst(f, x).where).toBeLessThanOrEqual(f.ulp);
});
