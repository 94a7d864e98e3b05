// Shapes: sizes, strides, and axes counted from either end.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../compiler/core/errors.js";
import {
  checkShape,
  insertAt,
  removeAt,
  resolveAxes,
  resolveAxis,
  sameShape,
  showShape,
  sizeOf,
  stridesOf,
} from "../../compiler/core/shape.js";

const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 6 });

test("the size is the product of the sizes, 1 without axes", () => {
  expect([sizeOf([]), sizeOf([2, 3]), sizeOf([2, 0, 3])]).toEqual([1, 6, 0]);
});

test("strides are row-major: one step along an axis passes all that is inside of it", () => {
  expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1]);
  fc.assert(
    fc.property(shapes, (shape) => {
      const strides = stridesOf(shape);
      shape.forEach((_, axis) => void expect(strides[axis]).toBe(sizeOf(shape.slice(axis + 1))));
    }),
  );
});

test("shapes are the same when all their sizes are", () => {
  expect(sameShape([2, 3], [2, 3])).toBe(true);
  expect(sameShape([2, 3], [3, 2])).toBe(false);
  expect(sameShape([2], [2, 1])).toBe(false);
  expect(showShape([2, 3])).toBe("[2,3]");
});

describe("an axis", () => {
  test("is counted from the end when it is negative", () => {
    expect([0, 2, -1, -3].map((axis) => resolveAxis(axis, 3, "f"))).toEqual([0, 2, 2, 0]);
  });

  test("that does not exist is refused, with those that do", () => {
    expect(() => resolveAxis(2, 2, "sum", "f32[2,3]")).toThrow("sum: axis 2 is out of range for f32[2,3], valid -2..1");
    expect(() => resolveAxis(-3, 2, "sum")).toThrow("sum: axis -3 is out of range for rank 2, valid -2..1");
    expect(() => resolveAxis(0, 0, "sum", "f32[]")).toThrow("sum: axis 0 is out of range for f32[], it has no axes");
  });

  test.each([0.5, NaN, Infinity, "0", null])("%s is no integer", (axis) => {
    expect(() => resolveAxis(axis as number, 2, "sum")).toThrow(new ShapeError(`sum: axis ${axis} is not an integer`));
  });
});

describe("several axes", () => {
  test("are all axes when none are named", () => {
    expect([resolveAxes(undefined, 3, "f"), resolveAxes(null, 2, "f"), resolveAxes([], 2, "f")]).toEqual([
      [0, 1, 2],
      [0, 1],
      [],
    ]);
  });

  test("keep their order", () => {
    expect(resolveAxes([-1, 0], 3, "f")).toEqual([2, 0]);
    expect(resolveAxes(-2, 3, "f")).toEqual([1]);
  });

  test("say what they are given instead of axes and sizes", () => {
    const options = { keepDims: true } as unknown as number;
    expect(() => resolveAxes(options, 2, "sum")).toThrow("sum: an object is given for the axes");
    expect(() => resolveAxis(options, 2, "sort")).toThrow("sort: an object is given for the axis");
    expect(() => checkShape(options as unknown as number[], "ones")).toThrow("ones: an object is given for the shape");
  });

  test("may not be named twice, however they are counted", () => {
    expect(() => resolveAxes([0, -2], 2, "sum")).toThrow("sum: axis 0 is named twice in [0,-2]");
  });
});

test("sizes are whole numbers that are not negative", () => {
  for (const n of [-1, 1.5, NaN, Infinity, 2 ** 53]) {
    expect(() => checkShape([2, n], "zeros")).toThrow(
      new ShapeError(`zeros: size ${n} of axis 1 is not a whole number ≥ 0, in shape [2,${n}]`),
    );
  }
  expect(() => checkShape([0, 2], "zeros")).not.toThrow();
});

test("what was put in at a place is taken out there again", () => {
  fc.assert(
    fc.property(shapes, fc.nat(), fc.nat(), (shape, place, n) => {
      const at = place % (shape.length + 1);
      expect(removeAt(insertAt(shape, at, n), at)).toEqual(shape);
      expect(insertAt(shape, at, n)[at]).toBe(n);
    }),
  );
});
