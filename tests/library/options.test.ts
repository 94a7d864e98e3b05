// What stands behind the arrays: options, and arguments that there are not.
import { expect, test } from "vitest";
import {
  concatenate,
  grad,
  hstack,
  jacfwd,
  jit,
  LanewiseError,
  numpy,
  ones,
  reshape,
  ShapeError,
  setDevice,
  sort,
  stack,
  type Tensor,
  ValueError,
  valueAndGrad,
  vstack,
} from "../../index.js";

setDevice("cpu");

test("a reduction refuses an option that it does not have", () => {
  expect(() => ones([2, 3]).max(1, { keepdims: true } as object)).toThrow(ValueError);
  expect(() => ones([2, 3]).max(1, { keepdims: true } as object)).toThrow(
    /max: there is no option 'keepdims'; there is keepDims/,
  );
});

const x = ones([3]);

/** A call as JavaScript has it, where no types are checked. */
// biome-ignore lint/suspicious/noExplicitAny: wrong arguments are what is tested
type Untyped = any;

test("what is no object in the place of options is refused, with the option", () => {
  const calls: [string, string, () => unknown][] = [
    ["sum: true", "keepDims", () => (x as Untyped).sum(0, true)],
    ["mean: 1", "keepDims", () => (x as Untyped).mean(0, 1)],
    ["std: an array", "keepDims", () => (x as Untyped).std(0, [1])],
    ["sort: true", "descending", () => (sort as Untyped)(x, 0, true)],
    ["max: a tensor f32\\[3\\]", "keepDims", () => (x as Untyped).max(0, x)],
  ];
  for (const [seen, option, call] of calls) {
    expect(call).toThrow(ValueError);
    expect(call).toThrow(new RegExp(`^${seen} stands where options belong\\n {2}give an object: \\{ ${option}: … \\}`));
  }
  const fn = (y: Tensor): Tensor => y.sum();
  for (const [name, transform] of Object.entries({ grad, valueAndGrad, jacfwd })) {
    for (const [seen, wrong] of [
      ["1", 1],
      ["an array", [0]],
      ["a tensor", x],
    ] as const) {
      const call = () => (transform as Untyped)(fn, wrong)(x);
      expect(call).toThrow(LanewiseError);
      expect(call).toThrow(
        new RegExp(`^${name}: ${seen} stands where options belong\\n {2}give an object: \\{ argnums: … \\}`),
      );
    }
  }
  expect(() => (jit as Untyped)(fn, 1)).toThrow(
    /^jit: 1 stands where options belong\n {2}give an object: \{ staticArgnums/,
  );
});

test("arguments behind the last are refused, with the call that was meant", () => {
  const calls: [RegExp, () => unknown][] = [
    [/^hstack: a tensor f32\[3\] is given behind .*\n.*: hstack\(\[x, y\]\)/, () => (hstack as Untyped)(x, x)],
    [/^vstack: a tensor f32\[3\] is given behind .*\n.*: vstack\(\[x, y\]\)/, () => (vstack as Untyped)(x, x)],
    [/^reshape: 3 is given behind .*\n.*: x\.reshape\(\[2, 3\]\)/, () => (x as Untyped).reshape([1, -1], 3)],
    [/^reshape: -1 is given behind .*\n.*: reshape\(x, \[2, 3\]\)/, () => (reshape as Untyped)(x, 1, -1)],
    [/^transpose: 1 is given behind .*\n.*: x\.transpose/, () => (ones([2, 3]) as Untyped).transpose([1, 0], 1)],
  ];
  for (const [message, call] of calls) {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(message);
  }
  expect(x.reshape(3, 1).shape).toEqual([3, 1]);
  expect(x.reshape([3, 1]).shape).toEqual([3, 1]);
  expect(ones([2, 3]).transpose(1, 0).shape).toEqual([3, 2]);
  expect(numpy.hstack([x, x]).shape).toEqual([6]);
});

test("arrays side by side instead of in a list are refused as such", () => {
  for (const [name, join] of Object.entries({ concatenate, stack })) {
    const call = () => (join as Untyped)(x, x);
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(
      new RegExp(
        `^${name}: a tensor f32\\[3\\] is given for the axis, but a number is wanted\\n {2}arrays go into one list: ${name}\\(\\[x, y\\]\\)`,
      ),
    );
  }
});
