// The CPU evaluator: every instruction on every type, and programs of many against an element-by-element machine.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocate, type DType, type TypedArray } from "../../compiler/core/dtype.js";
import { InternalError } from "../../compiler/core/errors.js";
import { type Scalar, ScalarBuilder } from "../../compiler/ir/scalar.js";
import { compileBlock, compileScalar } from "../../compiler/scalar/evaluate.js";
import { machineFor } from "../support/scalar-machine.js";
import { bitsOfFloat, floatOfBits } from "../support/ulp.js";

const INT_MIN = -2147483648;
const INT_MAX = 2147483647;
const UINT_MAX = 4294967295;

type Build = (b: ScalarBuilder, ...args: Scalar[]) => Scalar;

/** Result of `build` for each row of arguments. */
function run(build: Build, types: readonly DType[], rows: readonly (readonly number[])[]): number[] {
  let type: DType = "f32";
  const program = compileScalar((b, args) => {
    const x = build(b, ...args);
    type = x.type;
    return x;
  }, types);
  const args = types.map((t, k) => {
    const array = allocate(t, rows.length);
    rows.forEach((row, i) => {
      array[i] = row[k]!;
    });
    return array;
  });
  const out = allocate(type, rows.length);
  program([out], args, rows.length);
  return Array.from(out);
}

const binary = (build: Build, type: DType, rows: readonly (readonly [x: number, y: number, result: number])[]) =>
  expect(run(build, [type, type], rows)).toEqual(rows.map((row) => row[2]));
const unary = (build: Build, type: DType, rows: readonly (readonly [x: number, result: number])[]) =>
  expect(run(build, [type], rows)).toEqual(rows.map((row) => row[1]));

describe("f32", () => {
  test("add, sub, mul and div round to f32", () => {
    const third = Math.fround(1 / 3);
    binary((b, x, y) => b.add(x, y), "f32", [
      [2 ** 24, 1, 2 ** 24],
      [1, 2, 3],
      [-0, -0, -0],
      [3e38, 3e38, Infinity],
    ]);
    binary((b, x, y) => b.sub(x, y), "f32", [
      [1, 2 ** -30, 1],
      [Infinity, Infinity, NaN],
      [0, 0, 0],
    ]);
    binary((b, x, y) => b.mul(x, y), "f32", [
      [third, 3, 1],
      [2 ** -100, 2 ** -49, 2 ** -149],
      [-0, 5, -0],
      [0, Infinity, NaN],
    ]);
    binary((b, x, y) => b.div(x, y), "f32", [
      [1, 3, third],
      [1, 0, Infinity],
      [1, -0, -Infinity],
      [0, 0, NaN],
    ]);
  });

  test("min and max propagate NaN and tell zeros apart", () => {
    binary((b, x, y) => b.min(x, y), "f32", [
      [1, 2, 1],
      [NaN, 1, NaN],
      [1, NaN, NaN],
      [0, -0, -0],
      [-Infinity, 0, -Infinity],
    ]);
    binary((b, x, y) => b.max(x, y), "f32", [
      [1, 2, 2],
      [NaN, 1, NaN],
      [1, NaN, NaN],
      [-0, 0, 0],
      [Infinity, 0, Infinity],
    ]);
  });

  test("neg, abs and sqrt", () => {
    unary((b, x) => b.neg(x), "f32", [
      [0, -0],
      [-0, 0],
      [1, -1],
      [-Infinity, Infinity],
      [NaN, NaN],
    ]);
    unary((b, x) => b.abs(x), "f32", [
      [-0, 0],
      [-1, 1],
      [-Infinity, Infinity],
      [NaN, NaN],
    ]);
    unary((b, x) => b.sqrt(x), "f32", [
      [2, Math.fround(Math.SQRT2)],
      [-0, -0],
      [-1, NaN],
      [Infinity, Infinity],
    ]);
  });

  test("floor, ceil and trunc keep the sign of zero", () => {
    unary((b, x) => b.floor(x), "f32", [
      [1.5, 1],
      [-1.5, -2],
      [-0, -0],
      [-Infinity, -Infinity],
      [NaN, NaN],
    ]);
    unary((b, x) => b.ceil(x), "f32", [
      [1.5, 2],
      [-1.5, -1],
      [-0.5, -0],
      [Infinity, Infinity],
    ]);
    unary((b, x) => b.trunc(x), "f32", [
      [1.5, 1],
      [-1.5, -1],
      [-0.5, -0],
      [2 ** 30, 2 ** 30],
    ]);
  });

  test("nearest rounds ties to even", () => {
    const ties = [
      [0.5, 0],
      [1.5, 2],
      [2.5, 2],
      [-0.5, -0],
      [-1.5, -2],
      [-2.5, -2],
    ] as const;
    const others = [
      [0.49999997, 0],
      [8388607.5, 8388608],
      [4194303.5, 4194304],
      [-0.2, -0],
      [-0, -0],
      [0, 0],
    ] as const;
    const edges = [
      [2 ** 24 + 2, 2 ** 24 + 2],
      [3e38, Math.fround(3e38)],
      [Infinity, Infinity],
      [-Infinity, -Infinity],
      [NaN, NaN],
    ] as const;
    unary((b, x) => b.nearest(x), "f32", [...ties, ...others, ...edges]);
  });

  test("comparisons with NaN are false", () => {
    const rows = [
      [1, 2],
      [2, 1],
      [1, 1],
      [NaN, 1],
      [1, NaN],
      [NaN, NaN],
      [0, -0],
    ] as const;
    expect(run((b, x, y) => b.eq(x, y), ["f32", "f32"], rows)).toEqual([0, 0, 1, 0, 0, 0, 1]);
    expect(run((b, x, y) => b.lt(x, y), ["f32", "f32"], rows)).toEqual([1, 0, 0, 0, 0, 0, 0]);
    expect(run((b, x, y) => b.le(x, y), ["f32", "f32"], rows)).toEqual([1, 0, 1, 0, 0, 0, 1]);
    expect(run((b, x, y) => b.ne(x, y), ["f32", "f32"], rows)).toEqual([1, 1, 0, 1, 1, 1, 0]);
    expect(run((b, x) => b.isNaN(x), ["f32"], rows)).toEqual([0, 0, 0, 1, 0, 1, 0]);
  });
});

describe("i32", () => {
  test("arithmetic wraps", () => {
    binary((b, x, y) => b.add(x, y), "i32", [
      [INT_MAX, 1, INT_MIN],
      [-5, 3, -2],
    ]);
    binary((b, x, y) => b.sub(x, y), "i32", [
      [INT_MIN, 1, INT_MAX],
      [3, 5, -2],
    ]);
    binary((b, x, y) => b.mul(x, y), "i32", [
      [65537, 65537, 131073],
      [INT_MIN, -1, INT_MIN],
      [-3, 7, -21],
    ]);
    unary((b, x) => b.neg(x), "i32", [
      [INT_MIN, INT_MIN],
      [5, -5],
      [0, 0],
    ]);
    unary((b, x) => b.abs(x), "i32", [
      [INT_MIN, INT_MIN],
      [-5, 5],
    ]);
  });

  test("div truncates; by 0 it gives the dividend, and rem gives 0", () => {
    binary((b, x, y) => b.div(x, y), "i32", [
      [7, 2, 3],
      [-7, 2, -3],
      [7, -2, -3],
      [5, 0, 5],
      [INT_MIN, -1, INT_MIN],
      [-1, 2, 0],
    ]);
    binary((b, x, y) => b.rem(x, y), "i32", [
      [7, 3, 1],
      [-7, 3, -1],
      [7, -3, 1],
      [5, 0, 0],
      [INT_MIN, -1, 0],
      [-6, 3, 0],
    ]);
  });

  test("min, max, bits and comparisons are signed", () => {
    binary((b, x, y) => b.min(x, y), "i32", [[-1, 1, -1]]);
    binary((b, x, y) => b.max(x, y), "i32", [[-1, 1, 1]]);
    binary((b, x, y) => b.and(x, y), "i32", [
      [-1, 12, 12],
      [6, 3, 2],
    ]);
    binary((b, x, y) => b.or(x, y), "i32", [[INT_MIN, 1, INT_MIN + 1]]);
    binary((b, x, y) => b.xor(x, y), "i32", [[-1, 1, -2]]);
    unary((b, x) => b.not(x), "i32", [
      [0, -1],
      [INT_MAX, INT_MIN],
    ]);
    binary((b, x, y) => b.lt(x, y), "i32", [
      [-1, 1, 1],
      [1, -1, 0],
      [1, 1, 0],
    ]);
    binary((b, x, y) => b.le(x, y), "i32", [
      [-1, 1, 1],
      [1, -1, 0],
      [1, 1, 1],
    ]);
    binary((b, x, y) => b.eq(x, y), "i32", [
      [-1, 1, 0],
      [7, 7, 1],
    ]);
  });

  test("shr is arithmetic, and shifts take 5 bits", () => {
    const rows = [
      [-8, 1],
      [-8, 33],
      [1, 31],
      [INT_MIN, 31],
      [5, 32],
    ] as const;
    expect(run((b, x, y) => b.shr(x, y), ["i32", "u32"], rows)).toEqual([-4, -4, 0, -1, 5]);
    expect(run((b, x, y) => b.shl(x, y), ["i32", "u32"], rows)).toEqual([-16, -16, INT_MIN, 0, 5]);
  });
});

describe("u32", () => {
  test("arithmetic wraps", () => {
    binary((b, x, y) => b.add(x, y), "u32", [
      [UINT_MAX, 1, 0],
      [INT_MAX, 1, 2147483648],
    ]);
    binary((b, x, y) => b.sub(x, y), "u32", [
      [0, 1, UINT_MAX],
      [5, 3, 2],
    ]);
    binary((b, x, y) => b.mul(x, y), "u32", [
      [65537, 65537, 131073],
      [UINT_MAX, UINT_MAX, 1],
      [3000000000, 3, 410065408],
    ]);
    unary((b, x) => b.neg(x), "u32", [
      [1, UINT_MAX],
      [0, 0],
    ]);
    unary((b, x) => b.abs(x), "u32", [[UINT_MAX, UINT_MAX]]);
  });

  test("div truncates; by 0 it gives the dividend, and rem gives 0", () => {
    binary((b, x, y) => b.div(x, y), "u32", [
      [UINT_MAX, 2, INT_MAX],
      [UINT_MAX, 0, UINT_MAX],
      [7, UINT_MAX, 0],
      [UINT_MAX, 1, UINT_MAX],
    ]);
    binary((b, x, y) => b.rem(x, y), "u32", [
      [UINT_MAX, 10, 5],
      [UINT_MAX, 0, 0],
      [7, 8, 7],
    ]);
  });

  test("min, max, bits and comparisons are unsigned", () => {
    binary((b, x, y) => b.min(x, y), "u32", [[UINT_MAX, 1, 1]]);
    binary((b, x, y) => b.max(x, y), "u32", [[UINT_MAX, 1, UINT_MAX]]);
    binary((b, x, y) => b.and(x, y), "u32", [[UINT_MAX, 0x80000001, 0x80000001]]);
    binary((b, x, y) => b.or(x, y), "u32", [[0x80000000, 1, 0x80000001]]);
    binary((b, x, y) => b.xor(x, y), "u32", [[UINT_MAX, 1, UINT_MAX - 1]]);
    unary((b, x) => b.not(x), "u32", [[0, UINT_MAX]]);
    binary((b, x, y) => b.lt(x, y), "u32", [
      [UINT_MAX, 1, 0],
      [1, UINT_MAX, 1],
    ]);
    binary((b, x, y) => b.le(x, y), "u32", [
      [UINT_MAX, 1, 0],
      [UINT_MAX, UINT_MAX, 1],
    ]);
    binary((b, x, y) => b.eq(x, y), "u32", [
      [UINT_MAX, UINT_MAX, 1],
      [0, 1, 0],
    ]);
  });

  test("shr is logical, and shifts take 5 bits", () => {
    binary((b, x, y) => b.shr(x, y), "u32", [
      [0x80000000, 31, 1],
      [UINT_MAX, 36, 0x0fffffff],
    ]);
    binary((b, x, y) => b.shl(x, y), "u32", [
      [1, 31, 0x80000000],
      [1, 32, 1],
      [UINT_MAX, 4, 0xfffffff0],
    ]);
  });
});

test("bool has and, or, xor, not, eq and select", () => {
  const rows = [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ] as const;
  const of = (build: Build): number[] => run(build, ["bool", "bool"], rows);
  expect(of((b, x, y) => b.and(x, y))).toEqual([0, 0, 0, 1]);
  expect(of((b, x, y) => b.or(x, y))).toEqual([0, 1, 1, 1]);
  expect(of((b, x, y) => b.xor(x, y))).toEqual([0, 1, 1, 0]);
  expect(of((b, x, y) => b.eq(x, y))).toEqual([1, 0, 0, 1]);
  expect(of((b, x) => b.not(x))).toEqual([1, 1, 0, 0]);
  expect(of((b, x, y) => b.select(x, y, b.not(y)))).toEqual([1, 0, 0, 1]);
});

test("select takes one of two, per type", () => {
  for (const type of ["f32", "i32", "u32"] as const) {
    expect(
      run(
        (b, c, x, y) => b.select(c, x, y),
        ["bool", type, type],
        [
          [1, 5, 6],
          [0, 5, 6],
        ],
      ),
    ).toEqual([5, 6]);
  }
});

describe("cast", () => {
  const cast = (from: DType, to: DType, values: readonly number[]): number[] =>
    run(
      (b, x) => b.cast(x, to),
      [from],
      values.map((x) => [x]),
    );

  test("from f32 truncates and saturates", () => {
    const values = [1.9, -1.9, -0.5, 3e9, -3e9, 1e20, -1e20, NaN, Infinity, -Infinity];
    expect(cast("f32", "i32", values)).toEqual([1, -1, 0, INT_MAX, INT_MIN, INT_MAX, INT_MIN, 0, INT_MAX, INT_MIN]);
    expect(cast("f32", "u32", values)).toEqual([1, 0, 0, 3e9, 0, UINT_MAX, 0, 0, UINT_MAX, 0]);
    expect(cast("f32", "bool", [0, -0, 0.1, NaN])).toEqual([0, 0, 1, 1]);
  });

  test("to f32 rounds", () => {
    expect(cast("i32", "f32", [16777217, -16777219, INT_MAX])).toEqual([16777216, -16777220, 2147483648]);
    expect(cast("u32", "f32", [UINT_MAX, 16777219])).toEqual([4294967296, 16777220]);
    expect(cast("bool", "f32", [0, 1])).toEqual([0, 1]);
  });

  test("between integers keeps the bits", () => {
    expect(cast("i32", "u32", [-1, INT_MIN])).toEqual([UINT_MAX, 2147483648]);
    expect(cast("u32", "i32", [UINT_MAX, 5])).toEqual([-1, 5]);
    expect(cast("i32", "bool", [0, -7])).toEqual([0, 1]);
    expect(cast("u32", "bool", [0, UINT_MAX])).toEqual([0, 1]);
    expect(cast("bool", "i32", [0, 1])).toEqual([0, 1]);
    expect(cast("bool", "u32", [0, 1])).toEqual([0, 1]);
  });
});

test("bitcast keeps bits, also those of NaN, and keep is the identity", () => {
  const nan = 0x7fc12345;
  const there = (b: ScalarBuilder, x: Scalar): Scalar => b.bitcast(b.xor(b.bitcast(x, "u32"), b.u32(0)), "f32");
  const x = new Float32Array(Uint32Array.from([nan, 0xffc00001, 0x80000000, 1]).buffer);
  for (const build of [there, (b: ScalarBuilder, y: Scalar) => b.keep(y), (_: ScalarBuilder, y: Scalar) => y]) {
    const out = new Float32Array(4);
    compileScalar((b, [y]) => build(b, y!), ["f32"])([out], [x], 4);
    expect(new Uint32Array(out.buffer)).toEqual(new Uint32Array(x.buffer));
  }
  expect(run((b, y) => b.bitcast(y, "i32"), ["f32"], [[-0], [1]])).toEqual([INT_MIN, 0x3f800000]);
  expect(run((b, y) => b.bitcast(y, "i32"), ["u32"], [[UINT_MAX]])).toEqual([-1]);
  expect(run((b, y) => b.bitcast(y, "f32"), ["i32"], [[0x3f800000]])).toEqual([1]);
});

describe("arrays", () => {
  const lengths = [0, 1, 2, 1023, 1024, 1025, 5000];

  test.each(lengths)("of %i elements", (length) => {
    const program = compileScalar((b, [x, y]) => b.add(b.mul(x!, b.f32(2)), y!), ["f32", "f32"]);
    const x = Float32Array.from({ length }, (_, i) => i);
    const out = new Float32Array(length).fill(-1);
    program([out], [x, x], length);
    expect(out).toEqual(x.map((v) => 3 * v));
  });

  test("longer than the work leave the rest alone", () => {
    const program = compileScalar((b, [x]) => [b.neg(x!), x!, b.f32(7)], ["f32"]);
    const outs = [new Float32Array(4), new Float32Array(4), new Float32Array(4)];
    program(outs, [Float32Array.of(1, 2, 3, 4)], 2);
    expect(outs.map((out) => [...out])).toEqual([
      [-1, -2, 0, 0],
      [1, 2, 0, 0],
      [7, 7, 0, 0],
    ]);
  });

  test("that are views into a buffer are read and written in place, also by their bits", () => {
    const buffer = new ArrayBuffer(4 * 6000);
    const x = new Float32Array(buffer, 8, 2500).map((_, i) => i / 2);
    new Float32Array(buffer, 8, 2500).set(x);
    const out = new Uint32Array(buffer, 4 * 3001, 2500);
    const program = compileScalar((b, [y]) => b.xor(b.bitcast(y!, "u32"), b.u32(0x80000000)), ["f32"]);
    program([out], [new Float32Array(buffer, 8, 2500)], 2500);
    expect(Array.from(out, floatOfBits)).toEqual(Array.from(x, (v) => -v));
  });

  test("step 0 takes the first element for all", () => {
    const program = compileScalar((b, [x, y]) => b.sub(x!, b.mul(y!, y!)), ["f32", "f32"]);
    const x = Float32Array.from({ length: 3000 }, (_, i) => i);
    const out = new Float32Array(3000);
    program([out], [x, Float32Array.of(3, 99)], 3000, [1, 0]);
    expect(out).toEqual(x.map((v) => v - 9));
    program([out], [x, Float32Array.of(3)], 3000, [0, 0]); // and every element of the result is written
    expect(out).toEqual(new Float32Array(3000).fill(-9));
    program([out], [x, x], 3000); // what was one number before is an array again
    expect(out).toEqual(x.map((v) => v - Math.fround(v * v)));
  });

  test("a result named twice, a constant and an argument are copied", () => {
    const program = compileScalar(
      (b, [x]) => {
        const y = b.add(x!, b.i32(1));
        return [y, y, x!, b.i32(5), b.bitcast(y, "u32")];
      },
      ["i32"],
    );
    const outs = [0, 1, 2, 3].map(() => new Int32Array(2000));
    const last = new Uint32Array(2000);
    program([...outs, last], [new Int32Array(2000).fill(-2)], 2000);
    expect(outs.map((out) => out[1999])).toEqual([-1, -1, -2, 5]);
    expect(last[1999]).toBe(UINT_MAX);
  });

  test("of the wrong kind are refused", () => {
    const program = compileScalar((b, [x]) => b.neg(x!), ["f32"]);
    expect(() => program([new Float32Array(1)], [new Int32Array(1)], 1)).toThrow(InternalError);
    expect(() => program([new Int32Array(1)], [new Float32Array(1)], 1)).toThrow(
      "output 0: Float32Array wanted, Int32Array given",
    );
    expect(() => program([], [new Float32Array(1)], 1)).toThrow("1 outputs wanted, 0 given");
  });
});

describe("arms of a select that no element takes", () => {
  // 4 and more instructions in each arm; conditions nest, and both arms share x + 1
  const program = compileScalar(
    (b, [c, d, x]) => {
      const shared = b.add(x!, b.f32(1));
      const power = (y: Scalar, n: number): Scalar => (n === 0 ? y : power(b.mul(y, shared), n - 1));
      const inner = b.select(d!, power(x!, 5), power(b.f32(2), 6));
      return b.select(c!, b.add(inner, b.mul(inner, inner)), power(b.neg(x!), 7));
    },
    ["bool", "bool", "f32"],
  );
  const expected = (c: number, d: number, x: number): number => {
    const f = Math.fround;
    const shared = f(x + 1);
    const power = (y: number, n: number): number => (n === 0 ? y : power(f(y * shared), n - 1));
    const inner = d ? power(x, 5) : power(2, 6);
    return c ? f(inner + f(inner * inner)) : power(-x, 7);
  };

  test.each([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
    [2, 0],
    [0, 2],
    [2, 2],
  ])("conditions %i and %i (2 is mixed)", (c, d) => {
    const length = 4000;
    const draw = (kind: number) => Uint8Array.from({ length }, (_, i) => (kind < 2 ? kind : ((i * 7919) >> 5) & 1));
    // a second run, over chunks of other kinds, must not see what the first left in the registers
    for (const kinds of [
      [c, d],
      [d, c],
    ] as const) {
      const [cs, ds] = [draw(kinds[0]), draw(kinds[1])];
      const x = Float32Array.from({ length }, (_, i) => (i % 100) / 64 - 0.5);
      const out = new Float32Array(length);
      program([out], [cs, ds, x], length);
      expect(out).toEqual(x.map((v, i) => expected(cs[i]!, ds[i]!, v)));
    }
  });

  test("a condition that is one number for all", () => {
    const out = new Float32Array(1500);
    const x = new Float32Array(1500).fill(0.25);
    for (const c of [0, 1]) {
      program([out], [Uint8Array.of(c), Uint8Array.of(1), x], 1500, [0, 0, 1]);
      expect([...new Set(out)]).toEqual([expected(c, 1, 0.25)]);
    }
  });
});

describe("wide", () => {
  test("computes in 64 bits", () => {
    const program = compileScalar((b, [x, y]) => b.nearest(b.mul(b.div(x!, y!), b.f32(3))), ["f32", "f32"], {
      wide: true,
    });
    const out = new Float64Array(3);
    program([out], [Float64Array.of(1, 2 ** 53, -(2 ** 60)), Float64Array.of(3, 3, 3)], 3);
    expect([...out]).toEqual([1, 2 ** 53, -(2 ** 60)]);
    const sum = compileScalar((b, [x, y]) => b.keep(b.add(x!, y!)), ["f32", "f32"], { wide: true });
    sum([out], [Float64Array.of(1, 2, 3), Float64Array.of(2 ** -40, 0, 0.1)], 3);
    expect([...out]).toEqual([1 + 2 ** -40, 2, 3.1]);
  });

  test("integers stay integers", () => {
    const out = new Int32Array(1);
    compileScalar((b, [x]) => b.cast(b.bitcast(b.bitcast(x!, "u32"), "i32"), "i32"), ["i32"], { wide: true })(
      [out],
      [Int32Array.of(-3)],
      1,
    );
    expect(out[0]).toBe(-3);
  });

  test("refuses code that looks at the bits of f32", () => {
    const build = (b: ScalarBuilder, [x]: Scalar[]): Scalar => b.isNaN(x!);
    expect(() => compileScalar(build, ["f32"], { wide: true })).toThrow("bitcast of f32 has no meaning in 64 bits");
  });
});

test("code that is not straight-line and elementwise is refused", () => {
  const load = (b: ScalarBuilder): Scalar => b.load(0, b.u32(0), "f32");
  const loop = (b: ScalarBuilder): Scalar => b.loop(b.u32(3), [b.f32(0)], (_, [x]) => [b.add(x!, b.f32(1))])[0]!;
  for (const build of [load, loop]) expect(() => compileScalar(build, [])).toThrow(InternalError);
  expect(() => compileScalar((b) => b.input("i", "u32"), [])).toThrow("input i of type u32 is none of the arguments");
  expect(() => compileScalar((b, [x]) => b.and(x!, x!), ["f32"])).toThrow("scalar and has no loop");
});

// Random programs: registers are reused, arms skipped, bits looked at in place, and none of it shows.

interface Draw {
  readonly kinds: readonly number[];
  readonly picks: readonly number[];
}

const types: readonly DType[] = ["f32", "i32", "u32", "bool"];

/** Adds one instruction per number: which one, and of what, follows from the numbers. */
function randomProgram(b: ScalarBuilder, args: Scalar[], { kinds, picks }: Draw): Scalar[] {
  const pool: Scalar[] = [...args, b.f32(1.5), b.f32(-0), b.f32(Infinity), b.i32(-3), b.u32(0x80000001), b.bool(true)];
  let at = 0;
  const pick = (type: DType): Scalar => {
    const fitting = pool.filter((x) => x.type === type);
    return fitting[fitting.length - 1 - (picks[at++ % picks.length]! % Math.min(fitting.length, 9))]!;
  };
  for (const kind of kinds) {
    const type = types[kind % 4]!;
    const of = Math.floor(kind / 4);
    const x = pick(type);
    const y = pick(type);
    const c = pick("bool");
    const anything: readonly (() => Scalar)[] = [
      () => b.select(c, x, y),
      () => b.select(c, x, y),
      () => b.cast(x, types[of % 4]!),
      () => b.eq(x, y),
    ];
    const ordered: readonly (() => Scalar)[] = [
      () => b.lt(x, y),
      () => b.le(x, y),
      () => b.min(x, y),
      () => b.max(x, y),
      () => b.add(x, y),
      () => b.sub(x, y),
      () => b.mul(x, y),
      () => b.div(x, y),
      () => b.neg(x),
      () => b.abs(x),
      () => b.bitcast(x, (["f32", "i32", "u32"] as const)[of % 3]!),
      () => b.keep(x),
    ];
    const bits: readonly (() => Scalar)[] = [() => b.and(x, y), () => b.or(x, y), () => b.xor(x, y), () => b.not(x)];
    const shifts = [() => b.shl(x, pick("u32")), () => b.shr(x, pick("u32")), () => b.rem(x, y)];
    const float = [() => b.floor(x), () => b.ceil(x), () => b.trunc(x), () => b.nearest(x), () => b.sqrt(x)];
    const choices = {
      f32: [...anything, ...ordered, ...float],
      i32: [...anything, ...ordered, ...bits, ...shifts],
      u32: [...anything, ...ordered, ...bits, ...shifts],
      bool: [...anything, ...bits],
    }[type];
    pool.push(choices[of % choices.length]!());
  }
  return pool.slice(-3);
}

const draws = fc.record({
  kinds: fc.array(fc.nat(400), { minLength: 5, maxLength: 80 }),
  picks: fc.array(fc.nat(100), { minLength: 7, maxLength: 40 }),
  values: fc.array(
    fc.tuple(
      fc.float(),
      fc.oneof(fc.constant(Infinity), fc.float({ min: -8, max: 8 })),
      fc.integer(),
      fc.nat(UINT_MAX),
      fc.nat(1),
    ),
    { minLength: 1, maxLength: 20 },
  ),
  steps: fc.array(fc.constantFrom<0 | 1>(0, 1, 1), { minLength: 5, maxLength: 5 }),
});

test("random programs give what the element machine gives, bit for bit", () => {
  const argTypes: readonly DType[] = ["f32", "f32", "i32", "u32", "bool"];
  fc.assert(
    fc.property(draws, (draw) => {
      const b = new ScalarBuilder(true);
      const args = argTypes.map((type, slot) => b.input(slot, type));
      const results = randomProgram(b, args, draw);
      const machine = machineFor(results);
      const length = 1030;
      const rows = Array.from({ length }, (_, i) => draw.values[i % draw.values.length]!);
      const arrays = argTypes.map((type, k) => {
        const array = allocate(type, length);
        for (let i = 0; i < length; i++) array[i] = rows[i]![k]!;
        return array;
      });
      const outs = results.map((x): TypedArray => allocate(x.type, length));
      compileBlock({ ...b.body, results }, argTypes)(outs, arrays, length, draw.steps);
      for (const i of [0, 1, 2, 511, 1023, 1024, 1029]) {
        const wanted = machine(...arrays.map((array, k) => array[draw.steps[k] === 0 ? 0 : i]!));
        const bits = (x: number, k: number): number => (results[k]!.type === "f32" ? bitsOfFloat(x) : x);
        outs.forEach((out, k) => {
          const same = Object.is(out[i], wanted[k]) || bits(out[i]!, k) === bits(wanted[k]!, k);
          expect(same, `result ${k}, element ${i}: ${out[i]}, not ${wanted[k]}`).toBe(true);
        });
      }
    }),
    { numRuns: 400, seed: 20 },
  );
});
