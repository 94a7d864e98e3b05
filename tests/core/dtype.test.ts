// Element types: how numbers are stored in them, and the arrays that hold them.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { aval, sameAval, showAval } from "../../compiler/core/aval.js";
import { allocate, castNumber, dtypes } from "../../compiler/core/dtype.js";

describe("castNumber", () => {
  test("truncates toward zero and saturates, as WGSL converts", () => {
    expect([2.9, -2.9, 3e9, -3e9, Infinity, -Infinity, NaN].map((x) => castNumber(x, "i32"))).toEqual([
      2, -2, 2147483647, -2147483648, 2147483647, -2147483648, 0,
    ]);
    expect([2.9, -2.9, 5e9, Infinity, -Infinity, NaN].map((x) => castNumber(x, "u32") + 0)).toEqual([
      2, 0, 4294967295, 4294967295, 0, 0,
    ]);
    expect([0, -0, NaN, 0.1, -3].map((x) => castNumber(x, "bool"))).toEqual([0, 0, 1, 1, 1]);
    expect(castNumber(0.1, "f32")).toBe(Math.fround(0.1));
  });

  test("gives what the typed array of the dtype holds, and does nothing more the second time", () => {
    fc.assert(
      fc.property(fc.double(), fc.constantFrom(...dtypes), (x, dtype) => {
        const stored = castNumber(x, dtype);
        const data = allocate(dtype, 1);
        data[0] = stored;
        expect(data[0]).toEqual(stored + 0 === 0 && dtype !== "f32" ? 0 : stored);
        expect(castNumber(stored, dtype)).toEqual(stored);
      }),
    );
  });
});

test("every dtype has its own array; the oracle holds f32 in 64 bits", () => {
  expect(dtypes.map((dtype) => allocate(dtype, 2).constructor.name)).toEqual([
    "Float32Array",
    "Int32Array",
    "Uint32Array",
    "Uint8Array",
  ]);
  expect(allocate("f32", 2, true)).toEqual(new Float64Array(2));
  expect(allocate("i32", 2, true)).toEqual(new Int32Array(2));
});

test("types show as dtype and shape; weakness is seen, but makes no other type", () => {
  expect([aval("f32", [2, 3]), aval("bool", []), aval("f32", [], true)].map(showAval)).toEqual([
    "f32[2,3]",
    "bool[]",
    "f32~[]",
  ]);
  expect(sameAval(aval("f32", [], true), aval("f32", []))).toBe(true);
  expect(sameAval(aval("f32", [1]), aval("f32", []))).toBe(false);
  expect(sameAval(aval("i32", [2]), aval("u32", [2]))).toBe(false);
});
