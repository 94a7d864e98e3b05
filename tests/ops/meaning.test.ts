// What ops mean, by facts worked out by hand: where the suites hold backends to each other, this holds them to the world.
import { describe, expect, test } from "vitest";
import { aval } from "../../compiler/core/aval.js";
import type { DType } from "../../compiler/core/dtype.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { literal } from "../../compiler/ir/graph.js";
import * as ops from "../../compiler/ops/index.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { array, evaluate } from "../support/trace.js";

const vector = (dtype: DType, ...elements: number[]): NDArray => array(dtype, [elements.length], elements);
const counted = (dtype: DType, ...shape: number[]): NDArray => {
  const n = shape.reduce((a, b) => a * b, 1);
  return array(
    dtype,
    shape,
    Array.from({ length: n }, (_, i) => i),
  );
};

/** Elements of the result. */
const run = (inputs: readonly NDArray[], fn: (...args: Tensor[]) => Tensor): number[] => [...evaluate(inputs, fn).data];
const zero = (dtype: DType) => literal(0, aval(dtype, []));

describe("integers", () => {
  const least = -2147483648;
  const most = 2147483647;

  test("wrap around", () => {
    const x = vector("i32", most, least, 65_536);
    expect(run([x, vector("i32", 1, -1, 65_536)], ops.add)).toEqual([least, most, 131_072]);
    expect(run([x, x], ops.mul)).toEqual([1, 0, 0]);
    expect(run([x], ops.neg)).toEqual([-most, least, -65_536]);
    expect(run([x], ops.abs)).toEqual([most, least, 65_536]);
    expect(run([vector("u32", 0, 4294967295)], ops.neg)).toEqual([0, 1]);
    expect(run([vector("u32", 4294967295, 3)], ops.square)).toEqual([1, 9]);
  });

  test("divide toward zero; by zero they stay", () => {
    const x = vector("i32", 7, -7, 7, least, 5, least);
    expect(run([x, vector("i32", 2, 2, -2, -1, 0, 0)], ops.div)).toEqual([3, -3, -3, least, 5, least]);
    expect(run([vector("u32", 4294967295, 9), vector("u32", 2, 0)], ops.div)).toEqual([2147483647, 9]);
  });

  test("combine bit by bit", () => {
    const [x, y] = [vector("i32", 12, -1), vector("i32", 10, 7)];
    expect(run([x, y], ops.and)).toEqual([8, 7]);
    expect(run([x, y], ops.or)).toEqual([14, -1]);
    expect(run([x, y], ops.xor)).toEqual([6, -8]);
    expect(run([x], ops.not)).toEqual([-13, 0]);
    expect(run([vector("u32", 0)], ops.not)).toEqual([4294967295]);
  });

  test("compare by sign, or without one", () => {
    expect(run([vector("i32", -1), vector("i32", 1)], ops.lt)).toEqual([1]);
    expect(run([vector("u32", 4294967295), vector("u32", 1)], ops.lt)).toEqual([0]);
  });
});

describe("floats", () => {
  const x = vector("f32", NaN, NaN, 1, 0, -0, Infinity);
  const y = vector("f32", 1, NaN, NaN, -0, 0, Infinity);

  test("compare as IEEE says", () => {
    expect(run([x, y], ops.eq)).toEqual([0, 0, 0, 1, 1, 1]);
    expect(run([x, y], ops.ne)).toEqual([1, 1, 1, 0, 0, 0]);
    expect(run([x, y], ops.lt)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(run([x, y], ops.ge)).toEqual([0, 0, 0, 1, 1, 1]);
  });

  test("hand NaN on through min and max", () => {
    expect(run([x, y], ops.max).slice(0, 3)).toEqual([NaN, NaN, NaN]);
    expect(run([x, y], ops.min).slice(0, 3)).toEqual([NaN, NaN, NaN]);
  });

  test("round as their names say", () => {
    const z = vector("f32", -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.6);
    expect(run([z], ops.round)).toEqual([-2, -2, -0, 0, 2, 2, 3]);
    expect(run([z], ops.floor)).toEqual([-3, -2, -1, 0, 1, 2, 2]);
    expect(run([z], ops.ceil)).toEqual([-2, -1, -0, 1, 2, 3, 3]);
  });

  test("have a sign, also when they are zero", () => {
    expect(run([vector("f32", -3, -0, 0, 5, NaN, -Infinity)], ops.sign)).toEqual([-1, -0, 0, 1, NaN, -1]);
    expect(run([vector("f32", 0, -1)], ops.neg)).toEqual([-0, 1]);
  });

  test("become integers toward zero, within their range", () => {
    const z = vector("f32", 2.9, -2.9, NaN, 3e9, -3e9, 5e9, Infinity, -Infinity);
    const cast = (dtype: DType) => (a: Tensor) => ops.cast(a, dtype);
    expect(run([z], cast("i32"))).toEqual([2, -2, 0, 2147483647, -2147483648, 2147483647, 2147483647, -2147483648]);
    expect(run([z], cast("u32"))).toEqual([2, 0, 0, 3000000000, 0, 4294967295, 4294967295, 0]);
    expect(run([vector("f32", 0, -0, 0.1, NaN)], cast("bool"))).toEqual([0, 0, 1, 1]);
    expect(run([vector("i32", -1)], cast("u32"))).toEqual([4294967295]);
    expect(run([vector("u32", 4294967295)], cast("i32"))).toEqual([-1]);
    expect(run([vector("i32", 16_777_217)], cast("f32"))).toEqual([16_777_216]);
  });
});

describe("views", () => {
  const x = counted("i32", 2, 3);

  test("broadcast repeats axes of size 1 and those that are new", () => {
    expect(run([counted("i32", 3)], (a) => ops.broadcast(a, [2, 3], [1]))).toEqual([0, 1, 2, 0, 1, 2]);
    expect(run([array("i32", [2, 1], [5, 6])], (a) => ops.broadcast(a, [2, 2, 2], [0, 2]))).toEqual([
      5, 5, 5, 5, 6, 6, 6, 6,
    ]);
    expect(run([x], (a) => ops.broadcast(a, [3, 2], [1, 0]))).toEqual([0, 3, 1, 4, 2, 5]);
  });

  test("transpose says for each axis of the result where it comes from", () => {
    const cube = evaluate([counted("i32", 2, 3, 4)], (a) => ops.transpose(a, [2, 0, 1]));
    expect(cube.shape).toEqual([4, 2, 3]);
    // [k, i, j] is element [i, j, k], which is 12 i + 4 j + k
    expect([...cube.data.slice(0, 6)]).toEqual([0, 4, 8, 12, 16, 20]);
    expect(cube.data[6]).toBe(1);
  });

  test("slice starts, stops and steps", () => {
    const params = { start: [0, 0], stop: [2, 3], step: [1, 2] };
    expect(run([x], (a) => ops.slice(a, params))).toEqual([0, 2, 3, 5]);
  });

  test("flip reverses", () => {
    expect(run([x], (a) => ops.flip(a, [1]))).toEqual([2, 1, 0, 5, 4, 3]);
    expect(run([x], (a) => ops.flip(a, [0, 1]))).toEqual([5, 4, 3, 2, 1, 0]);
  });

  test("pad adds before, after and between, and cuts off", () => {
    const pad = (low: number, high: number, interior: number) => (a: Tensor) =>
      ops.pad(a, literal(9, aval("i32", [])), { low: [low], high: [high], interior: [interior] });
    const v = vector("i32", 1, 2, 3);
    expect(run([v], pad(1, 2, 0))).toEqual([9, 1, 2, 3, 9, 9]);
    expect(run([v], pad(0, 0, 2))).toEqual([1, 9, 9, 2, 9, 9, 3]);
    expect(run([v], pad(-1, -1, 0))).toEqual([2]);
    expect(run([v], pad(-1, 1, 1))).toEqual([9, 2, 9, 3, 9]);
    expect(run([v], pad(2, -3, 0))).toEqual([9, 9]);
    expect(run([vector("i32")], pad(1, 2, 3))).toEqual([9, 9, 9]);
  });

  test("concatenate joins along an axis", () => {
    const y = array("i32", [2, 1], [7, 8]);
    expect(run([x, y, y], (a, b, c) => ops.concatenate([a, b, c], 1))).toEqual([0, 1, 2, 7, 7, 3, 4, 5, 8, 8]);
  });

  test("iota counts along its axis", () => {
    expect(run([], () => ops.iota("u32", [2, 3], 0))).toEqual([0, 0, 0, 1, 1, 1]);
    expect(run([], () => ops.iota("f32", [2, 3], 1))).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test("gather reads at positions along one axis, the nearest where there is none", () => {
    const at = (axis: number, batch: number) => (a: Tensor, i: Tensor) =>
      ops.gather(a, [i], { axes: [axis], batch, mode: "clip" });
    expect(run([x, vector("i32", 2, 0, -5, 99)], at(1, 0))).toEqual([2, 0, 0, 2, 5, 3, 3, 5]);
    expect(run([x, vector("u32", 1, 4294967295)], at(0, 0))).toEqual([3, 4, 5, 3, 4, 5]);
    expect(run([x, array("i32", [2, 1], [2, 0])], at(1, 1))).toEqual([2, 3]);
    // the indices' own axes stand where the axis stood
    const shape = evaluate([counted("f32", 2, 5, 3), counted("i32", 4, 1)], at(1, 0)).shape;
    expect(shape).toEqual([2, 4, 1, 3]);
  });
});

describe("folds", () => {
  const x = counted("f32", 2, 3);

  test("take the axes they are given", () => {
    expect(run([x], (a) => ops.reduceSum(a, [0]))).toEqual([3, 5, 7]);
    expect(run([x], (a) => ops.reduceSum(a, [1]))).toEqual([3, 12]);
    expect(run([x], (a) => ops.reduceSum(a, [1, 0]))).toEqual([15]);
    expect(run([x], (a) => ops.reduceProd(a, [0]))).toEqual([0, 4, 10]);
  });

  test("of nothing are 0 and 1", () => {
    const none = array("f32", [2, 0], []);
    expect(run([none], (a) => ops.reduceSum(a, [1]))).toEqual([0, 0]);
    expect(run([none], (a) => ops.reduceProd(a, [1]))).toEqual([1, 1]);
  });

  test("find NaN, wherever it is", () => {
    for (const v of [vector("f32", NaN, 1, 2), vector("f32", 1, NaN, 2), vector("f32", 1, 2, NaN)]) {
      expect(run([v], (a) => ops.reduceMax(a, [0]))).toEqual([NaN]);
      expect(run([v], (a) => ops.reduceMin(a, [0]))).toEqual([NaN]);
      expect(run([v], (a) => ops.argmax(a, [0]))).toEqual([v.data.findIndex(Number.isNaN)]);
    }
  });

  test("give the position of the first of equals", () => {
    const v = vector("i32", 3, 7, 1, 7, 1);
    expect(run([v], (a) => ops.argmax(a, [0]))).toEqual([1]);
    expect(run([v], (a) => ops.argmin(a, [0]))).toEqual([2]);
    expect(run([array("f32", [2, 2], [1, 9, 9, 0])], (a) => ops.argmax(a, [0, 1]))).toEqual([1]);
    expect(run([vector("f32", -Infinity, -Infinity)], (a) => ops.argmax(a, [0]))).toEqual([0]);
  });

  test("carry f32 sums in more bits", () => {
    const v = vector("f32", 2 ** 24, 1, 1, 1, 1);
    expect(run([v], (a) => ops.reduceSum(a, [0]))).toEqual([2 ** 24 + 4]);
  });
});

describe("contractions", () => {
  test("have batch axes first, then the free axes of the left, then of the right", () => {
    const [x, y] = [counted("i32", 3, 2, 4), counted("i32", 4, 5, 2)];
    const product = evaluate([x, y], (a, b) => ops.dotGeneral(a, b, { contract: [[2], [0]], batch: [[1], [2]] }));
    expect(product.shape).toEqual([2, 3, 5]);
    // [i, m, n] = Σ_k x[m, i, k] · y[k, n, i]
    const at = (i: number, m: number, n: number): number =>
      [0, 1, 2, 3].reduce((sum, k) => sum + (8 * m + 4 * i + k) * (10 * k + 2 * n + i), 0);
    const want = [0, 1].flatMap((i) => [0, 1, 2].flatMap((m) => [0, 1, 2, 3, 4].map((n) => at(i, m, n))));
    expect([...product.data]).toEqual(want);
  });

  test("over no axis are outer products, over an empty one zero", () => {
    const outer = { contract: [[], []], batch: [[], []] } as const;
    expect(run([vector("f32", 1, 2), vector("f32", 3, 4)], (a, b) => ops.dotGeneral(a, b, outer))).toEqual([
      3, 4, 6, 8,
    ]);
    const empty = { contract: [[1], [0]], batch: [[], []] } as const;
    expect(run([array("f32", [2, 0], []), array("f32", [0, 1], [])], (a, b) => ops.dotGeneral(a, b, empty))).toEqual([
      0, 0,
    ]);
  });

  test("of integers wrap around", () => {
    const x = vector("i32", 2147483647, 2147483647);
    const dims = { contract: [[0], [0]], batch: [[], []] } as const;
    expect(run([x, x], (a, b) => ops.dotGeneral(a, b, dims))).toEqual([2]);
  });
});

describe("mistakes", () => {
  const x = counted("f32", 2, 3);
  const mistakes: Readonly<Record<string, () => unknown>> = {
    "add: operands have dtypes f32 and i32": () => run([x, counted("i32", 2, 3)], ops.add),
    "add: operands have shapes [2,3] and [3,2], but one shape is wanted": () => run([x, counted("f32", 3, 2)], ops.add),
    "sqrt: does not take i32, only f32": () => run([counted("i32", 3)], ops.sqrt),
    "select: the condition is f32[2,3], but bool is wanted": () => run([x, x, x], ops.select),
    "reshape: f32[2,3] has 6 elements, [4] has 4": () => run([x], (a) => ops.reshape(a, [4])),
    "broadcast: axis 1 of f32[2,3] has size 3, which does not stretch to 4": () =>
      run([x], (a) => ops.broadcast(a, [2, 4], [0, 1])),
    "transpose: [0,0] is no order of the 2 axes of f32[2,3]": () => run([x], (a) => ops.transpose(a, [0, 0])),
    "squeeze: axis 0 of f32[2,3] does not have size 1": () => run([x], (a) => ops.squeeze(a, [0])),
    "slice: 1:4:1 does not lie in axis 1 of f32[2,3]": () =>
      run([x], (a) => ops.slice(a, { start: [0, 1], stop: [2, 4], step: [1, 1] })),
    "pad: the value is f32[2,3], but a scalar is wanted": () =>
      run([x], (a) => ops.pad(a, a, { low: [0, 0], high: [0, 0], interior: [0, 0] })),
    "pad: -2 and -2 leave size -2 of axis 0 of f32[2,3]": () =>
      run([x], (a) => ops.pad(a, zero("f32"), { low: [-2, 0], high: [-2, 0], interior: [0, 0] })),
    "concatenate: array 1 is f32[3,2], array 0 is f32[2,3]; they may differ only along axis 0": () =>
      run([x, counted("f32", 3, 2)], (a, b) => ops.concatenate([a, b], 0)),
    "gather: the indices of axis 0 are f32[2,3], but i32 or u32 is wanted": () =>
      run([x, x], (a, b) => ops.gather(a, [b], { axes: [0], batch: 0, mode: "clip" })),
    "reduceMax: axis 1 of f32[2,0] has size 0, and reduceMax of nothing has no value": () =>
      run([array("f32", [2, 0], [])], (a) => ops.reduceMax(a, [1])),
    "dot: contracted sizes differ, 3 and 2\n  lhs f32[2,3] axis 1\n  rhs f32[2,3] axis 0": () =>
      run([x, x], (a, b) => ops.dotGeneral(a, b, { contract: [[1], [0]], batch: [[], []] })),
  };

  test.each(Object.entries(mistakes))("%s", (message, mistake) => {
    expect(mistake).toThrow(message);
    expect(mistake).toThrow("\n  at tests/");
  });
});
