// Rearranging: what goes there and back, and what does not fit.
import fc from "fast-check";
import {
  arange,
  broadcastTo,
  concatenate,
  expandDims,
  flip,
  moveAxis,
  ones,
  pad,
  ravel,
  reshape,
  ShapeError,
  setDevice,
  squeeze,
  stack,
  swapAxes,
  type Tensor,
  type TensorLike,
  tensor,
  transpose,
  zeros,
} from "lanewise";
import { describe, expect, test } from "vitest";

setDevice("cpu");

const counted = (shape: readonly number[]): Tensor => arange(shape.reduce((a, b) => a * b, 1)).reshape(shape);
const shapes = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 });
const shapesWithAxes = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 });

async function expectSame(x: Tensor, y: Tensor): Promise<void> {
  expect(x.shape).toEqual(y.shape);
  expect(await x.toArray()).toEqual(await y.toArray());
}

describe("there and back", () => {
  const run = <T>(arbitrary: fc.Arbitrary<T>, check: (value: T) => Promise<void>) =>
    fc.assert(fc.asyncProperty(arbitrary, check), { numRuns: 40 });

  test("a transpose by a permutation and by its inverse", () =>
    run(
      shapes.chain((shape) =>
        fc.tuple(
          fc.constant(shape),
          fc.shuffledSubarray(
            shape.map((_, i) => i),
            { minLength: shape.length },
          ),
        ),
      ),
      async ([shape, perm]) => {
        const inverse = perm.map((_, axis) => perm.indexOf(axis));
        await expectSame(transpose(transpose(counted(shape), perm), inverse), counted(shape));
      },
    ));

  test("an axis that is moved", () =>
    run(fc.tuple(shapesWithAxes, fc.nat(), fc.nat()), async ([shape, i, j]) => {
      const [from, to] = [i % shape.length, j % shape.length];
      await expectSame(moveAxis(moveAxis(counted(shape), from, to), to, from), counted(shape));
      await expectSame(swapAxes(swapAxes(counted(shape), from, to), to, from), counted(shape));
    }));

  test("a tensor that is turned round, or made flat", () =>
    run(shapes, async (shape) => {
      await expectSame(flip(flip(counted(shape))), counted(shape));
      await expectSame(ravel(counted(shape)).reshape(shape), counted(shape));
    }));

  test("new axes that are squeezed away", () =>
    run(fc.tuple(shapes, fc.nat()), async ([shape, i]) => {
      const axis = i % (shape.length + 1);
      await expectSame(squeeze(expandDims(counted(shape), axis), axis), counted(shape));
      await expectSame(expandDims(counted(shape), [axis, -1]).reshape(shape), counted(shape));
    }));

  test("padding that is cut off", () =>
    run(fc.tuple(shapesWithAxes, fc.nat(3), fc.nat(3)), async ([shape, low, high]) => {
      await expectSame(pad(pad(counted(shape), [low, high], 7), [-low, -high]), counted(shape));
    }));

  test("parts that are joined, and rows that are stacked", () =>
    run(fc.tuple(shapesWithAxes, fc.nat()), async ([shape, i]) => {
      const x = counted(shape);
      const cut = i % (shape[0]! + 1);
      await expectSame(concatenate([x.slice([0, cut]), x.slice([cut])]), x);
      if (shape[0]! > 0) await expectSame(stack([...x]), x);
    }));
});

describe("reshape", () => {
  test("works out one size", () => {
    expect(reshape(ones([2, 6]), [-1, 4]).shape).toEqual([3, 4]);
    expect(ones([2, 6]).reshape(3, -1).shape).toEqual([3, 4]);
    expect(zeros([0, 3]).reshape(-1).shape).toEqual([0]);
  });

  test("refuses what has another number of elements", () => {
    expect(() => ones([2, 3]).reshape(4)).toThrow(
      /^reshape: f32\[2,3\] has 6 elements, \[4\] has 4\n {2}at .*shape\.test\.ts:\d+/,
    );
    expect(() => ones([2, 3]).reshape(4, -1)).toThrow(
      "reshape: f32[2,3] has 6 elements, which leaves no size for -1 in [4,-1]",
    );
    expect(() => ones([2, 3]).reshape(-1, -1)).toThrow("leaves no size for -1 in [-1,-1]");
    expect(() => zeros([0, 3]).reshape(0, -1)).toThrow("leaves no size for -1 in [0,-1]");
    expect(() => ones([2]).reshape(-2, -1)).toThrow(ShapeError);
    expect(() => ones([2]).reshape(0.5, 4)).toThrow("size 0.5 of axis 0 is not a whole number");
  });
});

test("axes that do not exist are refused, with those that do and the user's line", () => {
  const x = ones([2, 3]);
  const cases: readonly (readonly [() => unknown, string])[] = [
    [() => x.sum(2), "sum: axis 2 is out of range for f32[2,3], valid -2..1"],
    [() => x.max([0, -3]), "max: axis -3 is out of range for f32[2,3], valid -2..1"],
    [() => x.moveAxis(0, 2), "moveAxis: axis 2 is out of range for f32[2,3], valid -2..1"],
    [() => x.swapAxes(5, 0), "swapAxes: axis 5 is out of range for f32[2,3], valid -2..1"],
    [() => x.flip(2), "flip: axis 2 is out of range for f32[2,3], valid -2..1"],
    [() => x.expandDims(3), "expandDims: axis 3 is out of range for a result of rank 3, valid -3..2"],
    [() => x.transpose(0, 2), "transpose: axis 2 is out of range for f32[2,3], valid -2..1"],
    [() => concatenate([x, x], 2), "concatenate: axis 2 is out of range for f32[2,3], valid -2..1"],
    [() => stack([x, x], 3), "stack: axis 3 is out of range for a result of rank 3, valid -3..2"],
    [() => x.squeeze(2), "squeeze: axis 2 is out of range for f32[2,3], valid -2..1"],
    [() => concatenate([tensor(1), 2]), "concatenate: axis 0 is out of range for f32[], it has no axes"],
  ];
  for (const [call, message] of cases) {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(`${message}\n  at `);
  }
});

test("axes that are named twice, or not at all, are refused", () => {
  const x = ones([2, 3]);
  expect(() => x.transpose(0, 0)).toThrow("transpose: axis 0 is named twice in [0,0]");
  expect(() => x.transpose(0)).toThrow("transpose: [0] is no order of the 2 axes of f32[2,3]");
  expect(() => x.expandDims([0, 0])).toThrow("expandDims: [0,0] are no 2 axes of a result of rank 4");
  expect(() => x.squeeze(0)).toThrow("squeeze: axis 0 of f32[2,3] does not have size 1");
});

describe("joining", () => {
  test("refuses arrays that do not fit, and names them", () => {
    expect(() => stack([ones([2]), ones([3])])).toThrow(
      /^stack: array 1 is f32\[3\], array 0 is f32\[2\], but one shape is wanted\n {2}at .*shape\.test\.ts:\d+/,
    );
    expect(() => concatenate([ones([2, 2]), ones([2, 3])])).toThrow(
      "concatenate: array 1 is f32[2,3], array 0 is f32[2,2]; they may differ only along axis 0",
    );
    expect(() => concatenate([ones([2]), ones([2, 2])])).toThrow(ShapeError);
  });

  test("refuses no arrays, and what is no list of arrays", () => {
    expect(() => stack([])).toThrow("stack: no arrays given");
    expect(() => concatenate(3 as unknown as TensorLike[])).toThrow("concatenate: an array of tensors is wanted");
  });

  test("takes anything that lists tensors: a tensor lists its rows", async () => {
    const x = counted([2, 2]);
    expect(await stack(x as unknown as Tensor[], 1).toArray()).toEqual([
      [0, 2],
      [1, 3],
    ]);
    expect(await concatenate(x as unknown as Tensor[]).toArray()).toEqual([0, 1, 2, 3]);
  });
});

test("broadcastTo refuses a shape that the tensor does not stretch to", () => {
  expect(() => broadcastTo(ones([2]), [3])).toThrow(
    /^broadcast: axis 0 of f32\[2\] has size 2, which does not stretch to 3 in \[3\]\n {2}at /,
  );
  expect(() => broadcastTo(ones([2, 2]), [2])).toThrow("broadcastTo: f32[2,2] has more axes than [2]");
});

describe("pad", () => {
  test("takes a value of any dtype that its array can hold", async () => {
    expect(await pad(tensor([1], { dtype: "i32" }), 1, 7).toArray()).toEqual([7, 1, 7]);
    expect(await pad(tensor([1]), 1, tensor(2, { dtype: "i32" })).toArray()).toEqual([2, 1, 2]);
    expect(() => pad(tensor([1], { dtype: "u32" }), 1, -1)).toThrow("pad: the constant -1 does not fit u32");
  });

  test("refuses a pair too few, and cutting off more than there is", () => {
    expect(() => pad(ones([2, 2]), [[1, 1]])).toThrow("pad: 1 pairs given for f32[2,2]");
    expect(() => pad(ones([2]), -2)).toThrow("pad: -2 and -2 leave size -2 of axis 0 of f32[2]");
    expect(() => pad(ones([2]), 1, ones([2]))).toThrow("pad: the value is f32[2], but a scalar is wanted");
  });
});
