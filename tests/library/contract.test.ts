// Products beside the golden cases: each is one contraction, and says what does not fit.
import {
  dot,
  einsum,
  jit,
  matmul,
  ones,
  outer,
  ShapeError,
  setDevice,
  type Tensor,
  tensor,
  tensordot,
  ValueError,
  vdot,
  vmap,
} from "lanewise";
import { describe, expect, test } from "vitest";
import { cheapestOrder, type Order } from "../../library/numpy/einsum-order.js";

setDevice("cpu");

/** Names of the ops a function records. */
function opsOf(fn: (x: Tensor, y: Tensor) => Tensor, x: Tensor, y: Tensor): string[] {
  return jit(fn)
    .lower(x, y)
    .graph.eqns.map(({ op }) => op.name);
}

describe("is one contraction, with nothing moved or repeated before it", () => {
  const cases: readonly (readonly [string, (x: Tensor, y: Tensor) => Tensor, readonly number[], readonly number[]])[] =
    [
      ["dot of vectors", dot, [3], [3]],
      ["dot of matrices", dot, [2, 3], [3, 4]],
      ["vdot of vectors", vdot, [3], [3]],
      ["matmul of matrices", matmul, [2, 3], [3, 4]],
      ["matmul of a matrix and a vector", matmul, [2, 3], [3]],
      ["matmul of a vector and a matrix", matmul, [3], [3, 4]],
      ["matmul of a batch and a matrix", matmul, [5, 2, 3], [3, 4]],
      ["matmul of two batches", matmul, [5, 2, 3], [5, 3, 4]],
      ["outer", outer, [2], [3]],
      [
        "tensordot",
        (x, y) =>
          tensordot(x, y, [
            [1, 0],
            [0, 1],
          ]),
        [2, 3],
        [3, 2],
      ],
      ["einsum of attention scores", (x, y) => einsum("bhqd,bhkd->bhqk", x, y), [2, 2, 3, 4], [2, 2, 3, 4]],
      ["einsum of a batch and a matrix", (x, y) => einsum("bij,jk->bik", x, y), [2, 3, 4], [4, 5]],
    ];
  test.each(cases)("%s", (_name, fn, a, b) => {
    expect(opsOf(fn, ones(a), ones(b)).filter((name) => name !== "reshape")).toEqual(["dotGeneral"]);
  });

  test("vmap of vmap of vdot", () => {
    const all = vmap(vmap(vdot, [0, null], 0), [null, 1], 1);
    expect(opsOf(all as (x: Tensor, y: Tensor) => Tensor, ones([4, 3]), ones([3, 5]))).toEqual(["dotGeneral"]);
  });
});

describe("refuses", () => {
  test("sizes that differ, with both operands and the line", () => {
    expect(() => matmul(ones([4, 3]), ones([5, 2]))).toThrow(ShapeError);
    expect(() => matmul(ones([4, 3]), ones([5, 2]))).toThrow(
      /^dot: contracted sizes differ, 3 and 5\n {2}lhs f32\[4,3\] axis 1\n {2}rhs f32\[5,2\] axis 0\n {2}at .*contract\.test\.ts:\d+/,
    );
    expect(() => vdot(ones([2]), ones([3]))).toThrow(
      /^vdot: sizes differ, 2 and 3\n {2}lhs f32\[2\]\n {2}rhs f32\[3\]/,
    );
    expect(() => matmul(ones([2, 2, 3]), ones([3, 3, 2]))).toThrow("matmul: shapes [2] and [3] do not broadcast");
  });

  test("scalars as matrices", () => {
    expect(() => matmul(tensor(1), ones([2]))).toThrow(
      "matmul: f32[] and f32[2]: a scalar is no matrix\n  use multiply for it",
    );
  });

  test("axes that do not pair", () => {
    expect(() => tensordot(ones([2]), ones([2]), 2)).toThrow("tensordot: 2 axes cannot be taken of f32[2] and f32[2]");
    expect(() => tensordot(ones([2]), ones([2]), 0.5)).toThrow(ShapeError);
    expect(() => tensordot(ones([2]), ones([2]), [[0], []])).toThrow(
      "tensordot: 1 axes of lhs are paired with 0 of rhs",
    );
    expect(() => tensordot(ones([2]), ones([2]), [[1], [0]])).toThrow(
      "tensordot: axis 1 is out of range for f32[2], valid -1..0",
    );
  });
});

describe("einsum refuses", () => {
  const [x, y] = [ones([2, 3]), ones([3, 4])];
  const cases: readonly (readonly [string, readonly Tensor[], string])[] = [
    ["ij,jk->ik", [x], "it names 2 operands, but 1 are given"],
    ["ij->i->j", [x], "'->' occurs twice"],
    ["ijk->k", [x], "'ijk' has 3 letters, but operand 0 is f32[2,3]"],
    ["i->i", [x], "'i' has 1 letters, but operand 0 is f32[2,3]"],
    ["ij->ii", [x], "'i' occurs twice in the result"],
    ["ij->k", [x], "'k' of the result is in no operand"],
    ["i1->i", [x], "'i1' is not made of letters and one '...'"],
    ["......->", [x], "is not made of letters and one '...'"],
  ];

  test.each(cases)("%s", (spec, operands, message) => {
    expect(() => einsum(spec, ...operands)).toThrow(ValueError);
    expect(() => einsum(spec, ...operands)).toThrow(`einsum: "${spec}": `);
    expect(() => einsum(spec, ...operands)).toThrow(message);
    expect(() => einsum(spec, ...operands)).toThrow(/\n {2}at .*contract\.test\.ts:\d+/);
  });

  test("sizes that differ, and names the letter", () => {
    expect(() => einsum("ij,ik->jk", x, y)).toThrow(ShapeError);
    expect(() => einsum("ij,ik->jk", x, y)).toThrow(
      "einsum: \"ij,ik->jk\": 'i' has size 2 and 3\n  operand 1 is f32[3,4] axis 0",
    );
    expect(() => einsum("...,...", x, y)).toThrow("'...' has size");
    expect(() => einsum("ii", x)).toThrow("'i' has ");
  });
});

test("einsum finds the order with the fewest multiplications where the cheapest pair first misses it", () => {
  const sizes = new Map(Object.entries({ a: 8, b: 2, c: 7, d: 3, e: 9, f: 4 }));
  const work = (order: Order, operands: readonly string[], output: string): number => {
    const within = (part: Order): number[] => (typeof part === "number" ? [part] : part.flatMap(within));
    const left = (part: Order): string[] => {
      const outside = operands.filter((_, i) => !within(part).includes(i)).join("") + output;
      return [...new Set(within(part).flatMap((i) => [...operands[i]!]))].filter((name) => outside.includes(name));
    };
    if (typeof order === "number") return 0;
    const all = new Set([...left(order[0]), ...left(order[1])]);
    const own = [...all].reduce((product, name) => product * sizes.get(name)!, 1);
    return own + work(order[0], operands, output) + work(order[1], operands, output);
  };
  /** Every way to multiply `parts` two at a time. */
  const orders = (parts: readonly Order[]): Order[] =>
    parts.length === 1
      ? [parts[0]!]
      : parts.flatMap((a, i) =>
          parts.slice(i + 1).flatMap((b) => orders([...parts.filter((x) => x !== a && x !== b), [a, b] as const])),
        );
  for (const [spec, output] of [
    ["ab,bc,cd,de,ef", "af"],
    ["abc,cd,ade,ef,fb", "a"],
    ["ab,cd,bd,ae,ef", "cf"],
  ] as const) {
    const operands = spec.split(",");
    const chosen = cheapestOrder(
      operands.map((names) => [...names]),
      [...output],
      sizes,
    );
    const least = Math.min(...orders(operands.map((_, i) => i)).map((order) => work(order, operands, output)));
    expect(work(chosen, operands, output)).toBe(least);
  }
});

test("einsum multiplies the axes in the order of the result, and transposes nothing", () => {
  const count = (spec: string, ...shapes: number[][]): number =>
    jit((...xs: Tensor[]) => einsum(spec, ...xs)).lower(...shapes.map((shape) => ones(shape))).kernels.length;
  expect(count("ij,jk->ki", [20, 30], [30, 40])).toBe(1);
  expect(count("bqhd,bkhd->bhqk", [2, 20, 3, 30], [2, 25, 3, 30])).toBe(1);
  expect(count("ii->i", [30, 30])).toBe(1);
});

test("einsum contracts the cheapest pair first", () => {
  const f = jit((a: Tensor, b: Tensor, c: Tensor) => einsum("ij,jk,k->i", a, b, c));
  const { graph } = f.lower(ones([50, 40]), ones([40, 30]), ones([30]));
  expect(graph.eqns.map(({ outputs }) => outputs[0]!.aval.shape)).toEqual([[40], [50]]);
});
