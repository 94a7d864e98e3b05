// Making tensors: tensor(), full, arange, linspace, eye, and what they refuse.
import {
  arange,
  type DType,
  DTypeError,
  eye,
  full,
  jit,
  linspace,
  numpy,
  ones,
  onesLike,
  ShapeError,
  setDevice,
  type Tensor,
  tensor,
  ValueError,
  vmap,
  zeros,
} from "lanewise";
import { describe, expect, test } from "vitest";

setDevice("cpu");

describe("tensor()", () => {
  test("takes numbers, booleans, nested arrays and typed arrays", () => {
    const types = [tensor(1), tensor(true), tensor([[1], [2]]), tensor(new Uint16Array(3)), tensor([])];
    expect(types.map((x) => `${x.dtype}[${x.shape}]`)).toEqual(["f32[]", "bool[]", "f32[2,1]", "u32[3]", "f32[0]"]);
  });

  test("copies a typed array", async () => {
    const source = new Float32Array([1, 2]);
    const x = tensor(source);
    source[0] = 9;
    expect(await x.toArray()).toEqual([1, 2]);
  });

  test("arranges and converts as its options say", async () => {
    expect(await tensor([1, 2, 3, 4], { shape: [2, 2], dtype: "i32" }).toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(await tensor(new Float64Array([1, 0]), { dtype: "bool" }).toArray()).toEqual([true, false]);
    expect(tensor(1, { dtype: undefined }).dtype).toBe("f32");
  });

  test("says where it was given what is no tensor", () => {
    const detached = new Float32Array(2);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const calls = [
      () => tensor([[1], []]),
      () => tensor([NaN], { dtype: "i32" }),
      () => tensor([1], { shape: [2] }),
      () => ones([2]).add(detached),
      () => jit((x: Tensor) => x)(new Float32Array(new SharedArrayBuffer(8))),
    ];
    for (const call of calls) expect(call).toThrow(/\n {2}at .*create\.test\.ts:\d+/);
  });

  test("refuses an option that there is not", () => {
    const options = { type: "i32" } as object;
    expect(() => tensor([1], options)).toThrow(ValueError);
    expect(() => tensor([1], options)).toThrow(/^tensor: there is no option 'type'; there are dtype, shape\n {2}at /);
  });

  test("refuses a dtype that there is not", () => {
    const dtype = "f64" as DType;
    const calls = [
      () => tensor([1], { dtype }),
      () => tensor(new Float32Array(1), { dtype }),
      () => zeros([1], { dtype }),
      () => full([1], 1, { dtype }),
      () => arange(3, undefined, 1, { dtype }),
      () => linspace(0, 1, 3, { dtype }),
      () => eye(2, 2, { dtype }),
    ];
    for (const call of calls) {
      expect(call).toThrow(DTypeError);
      expect(call).toThrow(
        /^\w+: there is no dtype 'f64'; there are f32, i32, u32, bool\n {2}at .*create\.test\.ts:\d+/,
      );
    }
  });

  test("inside a traced function is a value captured from outside", async () => {
    const f = jit((x: Tensor) => x.mul(tensor([1, 2])));
    expect(await f(ones([2])).toArray()).toEqual([1, 2]);
    expect(await f(full([2], 3)).toArray()).toEqual([3, 6]);
  });
});

describe("full, zeros and ones", () => {
  test("take a shape, or a number for one axis", () => {
    expect([zeros(3), ones([2, 0]), full([], 1)].map((x) => x.shape)).toEqual([[3], [2, 0], []]);
  });

  test("refuse sizes and unknown words in the place of options", () => {
    expect(() => zeros(2, 3 as never)).toThrow(/zeros: 3 stands where options belong\n.*zeros\(\[2, 3\]\)/);
    expect(() => ones([2], { dType: "i32" } as never)).toThrow(/no option 'dType'/);
    expect(() => full(2, 1, 4 as never)).toThrow(ValueError);
  });

  test("take the dtype of their value, or the one named", () => {
    expect([full(1, 2), full(1, true), full(1, 2, { dtype: "u32" }), zeros(1)].map((x) => x.dtype)).toEqual([
      "f32",
      "bool",
      "u32",
      "f32",
    ]);
    expect(onesLike(zeros([2], { dtype: "i32" })).dtype).toBe("i32");
  });

  test("are no weak scalars: they do not take the dtype of their partner", () => {
    expect(full([], 1).add(tensor(1, { dtype: "i32" })).dtype).toBe("f32");
    expect(tensor(1).add(tensor(1, { dtype: "i32" })).dtype).toBe("f32");
  });

  test("take a scalar tensor as their value, also a traced one", async () => {
    expect(await full([2], tensor(3)).toArray()).toEqual([3, 3]);
    expect(await full([2], tensor(3.7), { dtype: "i32" }).toArray()).toEqual([3, 3]);
    expect(await vmap((x: Tensor) => full([2], x))(tensor([1, 2])).toArray()).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  test("refuse sizes that are none, values that do not fit, and values with axes", () => {
    expect(() => zeros([2, -1])).toThrow(ShapeError);
    expect(() => zeros([2, -1])).toThrow(
      /^zeros: size -1 of axis 1 is not a whole number ≥ 0, in shape \[2,-1\]\n {2}at .*create\.test\.ts:\d+/,
    );
    expect(() => ones(1.5)).toThrow("ones: size 1.5 of axis 0");
    expect(() => full([1], 0.5, { dtype: "i32" })).toThrow(ValueError);
    expect(() => full([1], NaN, { dtype: "u32" })).toThrow("the constant NaN does not fit u32");
    expect(() => full([2], tensor([1, 2]))).toThrow(/^full: the value is f32\[2\], but a scalar is wanted/);
  });
});

describe("arange", () => {
  test("counts exactly, however far from 0", async () => {
    const far = 2 ** 31 - 3;
    expect(await arange(far, far + 3, 1, { dtype: "i32" }).toArray()).toEqual([far, far + 1, far + 2]);
    expect(await arange(2 ** 31 - 1, 2 ** 31 + 2, 1, { dtype: "u32" }).toArray()).toEqual([
      2 ** 31 - 1,
      2 ** 31,
      2 ** 31 + 1,
    ]);
    expect(await arange(-(2 ** 31), -(2 ** 31) - 2, -1).toArray()).toEqual([-(2 ** 31), -(2 ** 31)]); // in f32
  });

  test("costs no memory where it only counts", () => {
    expect(
      jit(() => arange(1000).sum())
        .lower()
        .text("plan"),
    ).not.toContain("input");
  });

  test("is empty where it goes away from its end", () => {
    expect([arange(0), arange(-3), arange(3, 1), arange(1, 3, -1)].map((x) => x.size)).toEqual([0, 0, 0, 0]);
  });

  test("refuses steps of 0, bounds that are no numbers, and bool", () => {
    expect(() => arange(0, 5, 0)).toThrow("arange: from 0 to 5 in steps of 0 is no range\n  at ");
    expect(() => arange(NaN)).toThrow("arange: from 0 to NaN in steps of 1 is no range");
    expect(() => arange(0, Infinity)).toThrow(ValueError);
    expect(() => arange(0, 2, 1, { dtype: "bool" })).toThrow("arange: bool has no range");
  });
});

describe("linspace", () => {
  test("ends exactly where it is told to", async () => {
    for (const [start, stop, count] of [
      [0, 1, 7],
      [0.1, 0.3, 3],
      [-1, 1e-3, 11],
    ] as const) {
      const data = await linspace(start, stop, count).data();
      expect([data[0], data.at(-1), data.length]).toEqual([Math.fround(start), Math.fround(stop), count]);
    }
  });

  test("refuses a count that is none", () => {
    expect(() => linspace(0, 1, -1)).toThrow(ShapeError);
    expect(() => linspace(0, 1, 2.5)).toThrow("size 2.5 of axis 0");
  });
});

test("eye refuses a diagonal between two, and sizes that are none", () => {
  expect(() => eye(2, 2, { k: 0.5 })).toThrow("eye: diagonal 0.5 is not a whole number\n  at ");
  expect(() => eye(-1)).toThrow(ShapeError);
});

test("numpy holds every function that is exported by itself", () => {
  expect(numpy.zeros).toBe(zeros);
  expect(numpy.tensor).toBe(tensor);
});
