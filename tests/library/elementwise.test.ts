// Elementwise functions beside the golden cases: laws, constants, NaN, and what they refuse.
import fc from "fast-check";
import {
  abs,
  add,
  astype,
  type DType,
  DTypeError,
  equal,
  exp,
  floor,
  jit,
  logicalNot,
  maximum,
  minimum,
  negative,
  notEqual,
  ones,
  power,
  round,
  setDevice,
  sign,
  sin,
  square,
  subtract,
  type Tensor,
  tensor,
  where,
} from "lanewise";
import { describe, expect, test } from "vitest";

setDevice("cpu");

const floats = fc.array(fc.float(), { minLength: 1, maxLength: 8 });
const list = async (x: Tensor): Promise<number[]> => [...(await x.data())];

test("of numbers alone give scalar tensors", async () => {
  const results = [add(1, 2), exp(0), negative(3), sign(-2), floor(2.5), round(3.5), where(false, 1, 2), square(3)];
  expect(results.map((x) => x.shape)).toEqual(results.map(() => []));
  expect(await Promise.all(results.map((x) => x.item()))).toEqual([3, 1, -3, -1, 2, 4, 2, 9]);
});

describe("laws", () => {
  test("x − y is x + (−y), bit for bit", () =>
    fc.assert(
      fc.asyncProperty(floats, floats, async (a, b) => {
        const n = Math.min(a.length, b.length);
        const [x, y] = [tensor(a.slice(0, n)), tensor(b.slice(0, n))];
        expect(await list(subtract(x, y))).toEqual(await list(x.add(y.neg())));
      }),
      { numRuns: 50 },
    ));

  test("the larger and the smaller of two are the two, and NaN where one is", () =>
    fc.assert(
      fc.asyncProperty(fc.float(), fc.float(), async (x, y) => {
        const found = [await maximum(x, y).item(), await minimum(x, y).item()];
        if (Number.isNaN(x) || Number.isNaN(y)) expect(found).toEqual([NaN, NaN]);
        else expect(found.map((z) => z + 0)).toEqual([Math.max(x, y) + 0, Math.min(x, y) + 0]);
      }),
      { numRuns: 100 },
    ));

  test("one of <, = and > holds, or none where one is NaN; ≠ is not =", () =>
    fc.assert(
      fc.asyncProperty(fc.float(), fc.float(), async (a, b) => {
        const [x, y] = [tensor(a), tensor(b)];
        const holds = await Promise.all([x.lt(y), x.eq(y), x.gt(y), x.ne(y)].map((z) => z.item()));
        const unordered = Number.isNaN(a) || Number.isNaN(b);
        expect(holds[0]! + holds[1]! + holds[2]!).toBe(unordered ? 0 : 1);
        expect(holds[3]).toBe(1 - holds[1]!);
      }),
      { numRuns: 100 },
    ));

  test("|x| · sign x is x", () =>
    fc.assert(
      fc.asyncProperty(fc.float({ noDefaultInfinity: true, noNaN: true }), async (x) => {
        expect((await abs(x).mul(sign(x)).item()) + 0).toBe(x + 0);
      }),
      { numRuns: 50 },
    ));

  test("a whole power is a product", async () => {
    for (let n = 0; n <= 16; n++) {
      const product = Array.from({ length: n }).reduce<Tensor>((y) => y.mul(3), tensor(1, { dtype: "i32" }));
      expect(await power(tensor(3, { dtype: "i32" }), n).item()).toBe(await product.item());
    }
    expect(await tensor([2, 0]).pow(-1).toArray()).toEqual([0.5, Infinity]);
  });
});

test("integers wrap around", async () => {
  const most = tensor(2 ** 31 - 1, { dtype: "i32" });
  expect(await most.add(1).item()).toBe(-(2 ** 31));
  expect(await most.mul(2).item()).toBe(-2);
  expect(await tensor(0, { dtype: "u32" }).sub(1).item()).toBe(2 ** 32 - 1);
  expect(await tensor(1, { dtype: "u32" }).neg().item()).toBe(2 ** 32 - 1);
});

test("round takes ties to even, and keeps the sign of zero", async () => {
  expect(await list(round(tensor([0.5, 1.5, 2.5, -0.5, -1.5, -0.2])))).toEqual([0, 2, 2, -0, -2, -0]);
});

describe("where", () => {
  test("chooses, whatever stands in the case that is not taken", async () => {
    const x = tensor([1, 0, -1]);
    expect(await list(where(x.gt(0), x.log(), NaN))).toEqual([0, NaN, NaN]);
    expect(await list(where(x.ne(0), x, Infinity))).toEqual([1, Infinity, -1]);
  });

  test("takes numbers as conditions, and constants alone", async () => {
    expect(await list(where(tensor([2, 0, NaN]), 1, 0))).toEqual([1, 0, 1]);
    expect(await where(1, 2, 3).item()).toBe(2);
  });

  test("as a method keeps the tensor where the condition holds", async () => {
    const x = tensor([1, -2]);
    expect(await list(x.where(x.gt(0), 0))).toEqual([1, 0]);
  });
});

describe("astype", () => {
  test("truncates toward zero, saturates, and makes 0 of NaN", async () => {
    const x = tensor([2.9, -2.9, 1e10, -1e10, NaN, Infinity]);
    expect(await list(x.astype("i32"))).toEqual([2, -2, 2147483647, -2147483648, 0, 2147483647]);
    expect(await list(x.astype("u32"))).toEqual([2, 0, 4294967295, 0, 0, 4294967295]);
    expect(await list(x.astype("bool"))).toEqual([1, 1, 1, 1, 1, 1]);
    expect(await list(tensor([0, -0]).astype("bool"))).toEqual([0, 0]);
  });

  test("keeps what has the dtype already", () => {
    const x = ones([2]);
    expect(x.astype("f32")).toBe(x);
    expect(astype(1, "i32").dtype).toBe("i32");
  });

  test("refuses a dtype that there is not", () => {
    expect(() => ones([1]).astype("f64" as DType)).toThrow(DTypeError);
    expect(() => ones([1]).astype("f64" as DType)).toThrow(
      /^astype: there is no dtype 'f64'; there are f32, i32, u32, bool\n {2}at .*elementwise\.test\.ts:\d+/,
    );
  });
});

test("NaN equals nothing, not even itself", async () => {
  const x = tensor([NaN, 1]);
  expect(await equal(x, x).toArray()).toEqual([false, true]);
  expect(await notEqual(x, x).toArray()).toEqual([true, false]);
  expect(await logicalNot(x).toArray()).toEqual([false, false]);
});

test("constants stand in the Graph as they were written", () => {
  const text = jit((x: Tensor) => x.mul(2).add(-0).sub(Infinity).div(0.1).pow(2))
    .lower(ones([2]))
    .text("graph");
  for (const constant of ["2:f32", "-0:f32", "Infinity:f32"]) expect(text).toContain(constant);
  expect(text).toContain("square");
  expect(text).not.toContain("pow");
});

test("sin stays right far from zero", async () => {
  const xs = [1e3, 1e5, -3e7, 2 ** 40];
  const seen = await list(sin(tensor(xs)));
  xs.forEach((x, i) => void expect(seen[i]).toBeCloseTo(Math.sin(Math.fround(x)), 5));
});
