// What `tensor()` takes: nested arrays, numbers and typed arrays, all of it checked.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dtypes } from "../../compiler/core/dtype.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import { checkMemory, hostArray } from "../../compiler/core/host.js";
import { filled, ndarray, toNested } from "../../compiler/core/ndarray.js";

const message = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(ValueError);
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
};

describe("nested arrays", () => {
  test("come back as they were given", () => {
    const nested = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 }).chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        fc.infiniteStream(fc.float({ noNaN: true })).map((stream) => {
          const build = (axis: number): unknown =>
            axis === shape.length ? stream.next().value : Array.from({ length: shape[axis]! }, () => build(axis + 1));
          return build(0);
        }),
      ),
    );
    fc.assert(
      fc.property(nested, ([shape, value]) => {
        const made = hostArray(value);
        expect(made.shape).toEqual(shape);
        expect(toNested(made)).toEqual(value);
      }),
    );
  });

  test("of numbers are f32, of booleans bool, of both f32", () => {
    expect(hostArray([1, 2]).dtype).toBe("f32");
    expect(hostArray([[true], [false]])).toEqual({ dtype: "bool", shape: [2, 1], data: new Uint8Array([1, 0]) });
    expect(hostArray([true, 2])).toEqual({ dtype: "f32", shape: [2], data: new Float32Array([1, 2]) });
    expect(hostArray([]).dtype).toBe("f32");
    expect(hostArray(true).dtype).toBe("bool");
  });

  test("of nothing have the sizes that can be seen", () => {
    expect([[], [[]], [[], []], [[[]], [[]]]].map((x) => hostArray(x).shape)).toEqual([[0], [1, 0], [2, 0], [2, 1, 0]]);
  });

  test("that are ragged are refused, with the place", () => {
    expect(message(() => hostArray([[1, 2], [3]]))).toBe(
      "tensor: ragged array: element [1] is an array of 1, but an array of 2 is wanted, as in its first neighbour",
    );
    expect(message(() => hostArray([[1], 2]))).toContain("element [1] is a number, but an array of 1 is wanted");
    expect(message(() => hostArray([[[1]], [[2, 3]]]))).toContain("element [1][0] is an array of 2");
    expect(message(() => hostArray([1, [2]]))).toBe(
      "tensor: element [1] is an array of 1, but a number (depth 1) is wanted",
    );
  });

  test("of what is no number are refused", () => {
    expect(message(() => hostArray([1, "2"]))).toContain('element [1] is the string "2", but a number');
    expect(message(() => hostArray([null]))).toContain("element [0] is null");
    // biome-ignore lint/suspicious/noSparseArray: it is what is tested
    expect(message(() => hostArray([1, , 2]))).toContain("element [1] is undefined");
    expect(message(() => hostArray([1n]))).toContain("element [0] is a bigint");
    expect(message(() => hostArray({}))).toContain("the value is an object, but a number is wanted");
    expect(message(() => hostArray(undefined))).toContain("the value is undefined");
    expect(message(() => hostArray([new Date(0)]))).toContain("element [0] is a Date");
  });

  test("that contain themselves are refused", () => {
    const loop: unknown[] = [];
    loop.push(loop);
    expect(message(() => hostArray(loop))).toContain("nested more than 64 levels deep");
  });
});

describe("integers", () => {
  test.each([
    [NaN, "i32", "element [1] is NaN, which is no i32"],
    [Infinity, "u32", "element [1] is Infinity, which is no u32"],
    [1.5, "i32", "element [1] is 1.5, which is not whole, as i32 wants"],
    [-1, "u32", "element [1] is -1, which is out of range for u32"],
    [2 ** 31, "i32", "element [1] is 2147483648, which is out of range for i32"],
    [2 ** 32, "u32", "element [1] is 4294967296, which is out of range for u32"],
  ] as const)("%s is no element of %s", (x, dtype, text) => {
    expect(message(() => hostArray([0, x], { dtype }))).toContain(text);
    expect(message(() => hostArray(new Float64Array([0, x]), { dtype }))).toContain(text.replace("[1]", "1"));
  });

  test("at the ends of their range are taken", () => {
    expect(hostArray([-(2 ** 31), 2 ** 31 - 1], { dtype: "i32" }).data).toEqual(
      new Int32Array([-(2 ** 31), 2 ** 31 - 1]),
    );
    expect(hostArray([0, 2 ** 32 - 1], { dtype: "u32" }).data).toEqual(new Uint32Array([0, 2 ** 32 - 1]));
  });
});

test("f32 rounds, and keeps NaN, infinities and -0; bool is what is not zero", () => {
  expect([...hostArray([0.1, NaN, -Infinity, -0]).data]).toEqual([Math.fround(0.1), NaN, -Infinity, -0]);
  expect([...hostArray([0, 2, NaN, -0], { dtype: "bool" }).data]).toEqual([0, 1, 1, 0]);
});

describe("typed arrays", () => {
  test("keep their kind, in the dtype that holds it", () => {
    const dtypeOf = (array: ArrayBufferView): string => hostArray(array).dtype;
    expect([Float32Array, Float64Array].map((Kind) => dtypeOf(new Kind(1)))).toEqual(["f32", "f32"]);
    expect([Int8Array, Int16Array, Int32Array].map((Kind) => dtypeOf(new Kind(1)))).toEqual(["i32", "i32", "i32"]);
    const unsigned = [Uint8Array, Uint8ClampedArray, Uint16Array, Uint32Array];
    expect(unsigned.map((Kind) => dtypeOf(new Kind(1)))).toEqual(["u32", "u32", "u32", "u32"]);
  });

  test("are copied: what is written to them later changes nothing", () => {
    fc.assert(
      fc.property(fc.constantFrom(...dtypes), fc.constantFrom(Float32Array, Int32Array, Uint8Array), (dtype, Kind) => {
        const source = new Kind([1, 0, 1]);
        const made = hostArray(source, { dtype });
        source.fill(7);
        expect([...made.data]).toEqual([1, 0, 1]);
      }),
    );
  });

  test("may be parts of a larger buffer", () => {
    const whole = new Float32Array([1, 2, 3, 4]);
    expect([...hostArray(whole.subarray(1, 3)).data]).toEqual([2, 3]);
    expect([...hostArray(Buffer.from([1, 2]).subarray(1)).data]).toEqual([2]);
  });

  test("of other kinds are refused", () => {
    expect(message(() => hostArray(new BigInt64Array(1)))).toContain("a BigInt64Array has no dtype here");
    expect(message(() => hostArray(new DataView(new ArrayBuffer(4))))).toContain("a DataView has no dtype here");
  });

  test("in shared memory are refused", () => {
    const shared = new Float32Array(new SharedArrayBuffer(8));
    expect(message(() => hostArray(shared))).toContain(
      "lies in shared memory, which another thread may change\n  copy it first",
    );
  });

  test("whose memory was taken away are refused, empty ones are not", () => {
    const gone = new Float32Array(2);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    expect(message(() => hostArray(gone))).toContain("memory was detached");
    expect(message(() => checkMemory(gone))).toContain("memory was detached");
    expect(hostArray(new Float32Array(0)).shape).toEqual([0]);
  });
});

describe("a shape", () => {
  test("arranges the elements", () => {
    expect(hostArray([1, 2, 3, 4], { shape: [2, 2] }).shape).toEqual([2, 2]);
    expect(hostArray(new Int8Array(6), { shape: [3, 2] })).toMatchObject({ dtype: "i32", shape: [3, 2] });
  });

  test("repeats a single number", () => {
    expect(hostArray(5, { shape: [2], dtype: "i32" })).toEqual({
      dtype: "i32",
      shape: [2],
      data: new Int32Array([5, 5]),
    });
    expect(hostArray(5, { shape: [1, 1] }).shape).toEqual([1, 1]);
    expect(hostArray(5, { shape: [0] }).data).toHaveLength(0);
  });

  test("of another size is refused", () => {
    expect(() => hostArray([1, 2, 3], { shape: [2, 2] })).toThrow(
      new ShapeError("tensor: 3 elements do not fill shape [2,2], which has 4"),
    );
    expect(() => hostArray([1], { shape: [2] })).toThrow(ShapeError);
    expect(() => hostArray([1], { shape: [-1] })).toThrow("size -1 of axis 0 is not a whole number");
  });
});

describe("arrays on the host", () => {
  test("wrap as many elements as their shape has", () => {
    expect(ndarray("f32", [2], new Float32Array(2)).shape).toEqual([2]);
    expect(() => ndarray("f32", [3], new Float32Array(2))).toThrow(
      "array: 2 elements do not fill shape [3], which has 3",
    );
  });

  test("are filled with one value, as their dtype stores it", () => {
    expect([...filled("i32", [2], 2.7).data]).toEqual([2, 2]);
    expect([...filled("f32", [1], -0).data]).toEqual([-0]);
    expect([...filled("f32", [1], 0.1, true).data]).toEqual([0.1]);
  });

  test("nest as booleans where they are bool; a scalar is its element", () => {
    expect(toNested(filled("bool", [2, 1], 1))).toEqual([[true], [true]]);
    expect(toNested(filled("f32", [], 3))).toBe(3);
    expect(toNested(filled("f32", [2, 0], 3))).toEqual([[], []]);
  });
});
