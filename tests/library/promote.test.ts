// The promotion table at the head of library/numpy/promote.ts, row by row.
import {
  add,
  concatenate,
  type DType,
  divide,
  einsum,
  equal,
  jit,
  logicalAnd,
  matmul,
  maximum,
  multiply,
  ones,
  power,
  ShapeError,
  setDevice,
  sin,
  stack,
  subtract,
  Tensor,
  type TensorLike,
  tensor,
  ValueError,
  vmap,
  where,
} from "lanewise";
import { describe, expect, test } from "vitest";
import { broadcastShapes } from "../../library/numpy/promote.js";

setDevice("cpu");

const dtypes: readonly DType[] = ["bool", "u32", "i32", "f32"];
const of = (dtype: DType): Tensor => ones([2], { dtype });

/** What two tensors meet in, by the table. */
const joined: Record<DType, Record<DType, DType>> = {
  bool: { bool: "bool", u32: "u32", i32: "i32", f32: "f32" },
  u32: { bool: "u32", u32: "u32", i32: "i32", f32: "f32" },
  i32: { bool: "i32", u32: "i32", i32: "i32", f32: "f32" },
  f32: { bool: "f32", u32: "f32", i32: "f32", f32: "f32" },
};

const pairs = dtypes.flatMap((a) => dtypes.map((b) => [a, b] as const));
const counted = (dtype: DType): DType => (dtype === "bool" ? "i32" : dtype);

describe.each(pairs)("%s with %s", (a, b) => {
  const [x, y] = [of(a), of(b)];
  const common = joined[a][b];

  test("meet in one dtype where elements are chosen or joined", () => {
    const results = [where(true, x, y), concatenate([x, y]), stack([x, y])];
    expect(results.map(({ dtype }) => dtype)).toEqual(results.map(() => common));
  });

  test("are counted as i32 by arithmetic where both are bool", () => {
    const results = [add, subtract, multiply, maximum].map((f) => f(x, y));
    results.push(matmul(x, y), einsum("i,i", x, y));
    expect(results.map(({ dtype }) => dtype)).toEqual(results.map(() => counted(common)));
  });

  test("divide and raise to powers as f32; comparisons and logic give bool", () => {
    expect([divide(x, y), power(x, y)].map(({ dtype }) => dtype)).toEqual(["f32", "f32"]);
    expect([equal(x, y), logicalAnd(x, y), x.lt(y)].map(({ dtype }) => dtype)).toEqual(["bool", "bool", "bool"]);
  });
});

describe("a JS number beside a tensor", () => {
  const numbers: readonly (readonly [number, Record<DType, DType>])[] = [
    [2, { bool: "i32", u32: "u32", i32: "i32", f32: "f32" }],
    [0, { bool: "i32", u32: "u32", i32: "i32", f32: "f32" }],
    [0.5, { bool: "f32", u32: "f32", i32: "f32", f32: "f32" }],
    [-0, { bool: "f32", u32: "f32", i32: "f32", f32: "f32" }],
    [NaN, { bool: "f32", u32: "f32", i32: "f32", f32: "f32" }],
    [Infinity, { bool: "f32", u32: "f32", i32: "f32", f32: "f32" }],
  ];

  test.each(numbers)("%d takes its dtype where it is whole, else gives f32", (number, results) => {
    for (const dtype of dtypes) {
      const x = of(dtype);
      expect([x.add(number), add(number, x), where(true, number, x)].map((y) => y.dtype)).toEqual(
        Array(3).fill(results[dtype]),
      );
      expect(x.lt(number).dtype).toBe("bool");
    }
  });

  test("is computed in that dtype", async () => {
    expect(
      await tensor([2 ** 24 + 1], { dtype: "i32" })
        .add(2)
        .item(),
    ).toBe(2 ** 24 + 3); // not so in f32
    expect(await tensor([7], { dtype: "i32" }).mul(0.5).item()).toBe(3.5);
    expect(await tensor([true]).add(true).item()).toBe(2);
  });

  test("that its dtype cannot hold is refused", () => {
    const signs: readonly (readonly [DType, number])[] = [
      ["u32", -1],
      ["i32", 2 ** 31],
      ["i32", -(2 ** 31) - 1],
      ["u32", 2 ** 32],
    ];
    for (const [dtype, number] of signs) {
      expect(() => of(dtype).add(number)).toThrow(ValueError);
      expect(() => of(dtype).add(number)).toThrow(
        new RegExp(
          `^add: the constant ${number} does not fit ${dtype}\n {2}cast the tensor first: x\\.astype\\("f32"\\)\n {2}at .*promote\\.test\\.ts:\\d+`,
        ),
      );
    }
    expect(of("i32").add(2 ** 31 - 1).dtype).toBe("i32");
    expect(of("u32").add(2 ** 32 - 1).dtype).toBe("u32");
  });
});

test("a JS boolean is a bool like a tensor's", () => {
  expect(dtypes.map((dtype) => of(dtype).add(true).dtype)).toEqual(["i32", "u32", "i32", "f32"]);
  expect(where(of("bool"), true, false).dtype).toBe("bool");
  expect(add(true, 1).dtype).toBe("i32");
  expect(add(true, 0.5).dtype).toBe("f32");
});

test("JS numbers alone are f32", async () => {
  expect([add(1, 2), maximum(1, 0.5), where(true, 1, 0), sin(1), stack([1, 2])].map((x) => x.dtype)).toEqual(
    Array(5).fill("f32"),
  );
  expect(await power(2, 3).item()).toBe(8);
});

test("a typed array is a tensor of its kind", () => {
  expect(add(new Int32Array(2), new Uint8Array(2)).dtype).toBe("i32");
  expect(of("f32").add(new Float64Array(2)).dtype).toBe("f32");
});

test("a JS number given to a transformed function is f32, since nobody knows yet whether it is whole", async () => {
  const seen: string[] = [];
  const f = (x: Tensor, n: Tensor): Tensor => {
    seen.push(n.dtype);
    return x.mul(n);
  };
  const results = [jit(f)(of("i32"), 2), jit(f)(of("bool"), 2), vmap(f, [0, null])(of("u32"), 2)];
  expect(seen).toEqual(["f32", "f32", "f32"]);
  expect(results.map(({ dtype }) => dtype)).toEqual(["f32", "f32", "f32"]);
  expect(jit(f)(of("i32"), true).dtype).toBe("i32");
});

test("what is no tensor, number, boolean or typed array is refused", () => {
  for (const [value, word] of [
    ["1", "a string"],
    [[1, 2], "an array"],
    [null, "null"],
    [undefined, "undefined"],
    [{}, "an object"],
    [1n, "a bigint"],
  ] as const) {
    expect(() => add(of("f32"), value as unknown as TensorLike)).toThrow(ValueError);
    expect(() => add(of("f32"), value as unknown as TensorLike)).toThrow(
      new RegExp(
        `^add: ${word} given, but a tensor or number is wanted\n {2}make a tensor of it: tensor\\(x\\)\n {2}at `,
      ),
    );
  }
});

describe("shapes", () => {
  test("broadcast from their last axes; sizes of 1 stretch", () => {
    expect(broadcastShapes([[2, 1, 3], [4, 1], []], "add")).toEqual([2, 4, 3]);
    expect(broadcastShapes([[0], [1]], "add")).toEqual([0]);
    expect(broadcastShapes([], "add")).toEqual([]);
  });

  test("that do not are refused, with the axis", () => {
    expect(() => ones([2, 3]).add(ones([2]))).toThrow(ShapeError);
    expect(() => ones([2, 3]).add(ones([2]))).toThrow(
      /^add: shapes \[2,3\] and \[2\] do not broadcast: axis -1 has sizes 3 and 2\n {2}at .*promote\.test\.ts:\d+/,
    );
    expect(() => where(ones([2]), ones([3]), 0)).toThrow("where: shapes [2] and [3] and [] do not broadcast");
    expect(() => ones([0]).add(ones([2]))).toThrow("axis -1 has sizes 0 and 2");
  });

  test("of constants stay out of the Graph", () => {
    expect(
      jit((x: Tensor) => x.mul(2))
        .lower(ones([3]))
        .text("graph"),
    ).not.toContain("broadcast");
    expect(add(1, ones([2])).shape).toEqual([2]);
    expect(Tensor.prototype.add.call(ones([2]), 1).shape).toEqual([2]);
  });
});
