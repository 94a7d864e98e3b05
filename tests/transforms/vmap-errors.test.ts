// What vmap says of mistakes, word for word: what was seen, what is wanted, and the user's line.
import {
  type Axes,
  dot,
  type InAxes,
  jit,
  LanewiseError,
  matmul,
  ones,
  ShapeError,
  setDevice,
  type Tensor,
  TraceError,
  tensor,
  vmap,
} from "lanewise";
import { describe, expect, test } from "vitest";

setDevice("cpu");

type Kind = new (message: string) => Error;

/** Expects an error of this kind that ends with the place of this file, and gives its message without it. */
function messageOf(kind: Kind, work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(kind);
    const { message } = error as Error;
    expect(message).toMatch(/\n {2}at (.+ \()?tests\/transforms\/vmap-errors\.test\.ts:\d+\)?$/);
    return message.slice(0, message.lastIndexOf("\n  at "));
  }
  throw new Error("nothing was thrown");
}

const f = (x: Tensor, y: Tensor): Tensor => x.add(y);
const g = (x: Tensor): Tensor => x.mul(2);
const predict = (params: { w: Tensor; b: Tensor }, x: Tensor): Tensor => matmul(params.w, x).add(params.b);

describe("sizes of mapped axes that differ", () => {
  test("are named with their arguments, one and one", () => {
    expect(messageOf(ShapeError, () => vmap(f)(ones([3]), ones([4])))).toBe(
      "vmap of f: sizes of the mapped axes differ:\n" +
        "  one axis had size 3: axis 0 of argument x of type f32[3];\n" +
        "  one axis had size 4: axis 0 of argument y of type f32[4]",
    );
  });

  test("are named with the majority first", () => {
    const three = (x: Tensor, y: Tensor, z: Tensor): Tensor => x.add(y).add(z);
    expect(messageOf(ShapeError, () => vmap(three, [0, 1, 0])(ones([2, 5]), ones([5, 10]), ones([10])))).toBe(
      "vmap of three: sizes of the mapped axes differ:\n" +
        "  most axes (2 of them) had size 10, e.g. axis 1 of argument y of type f32[5,10];\n" +
        "  one axis had size 2: axis 0 of argument x of type f32[2,5]",
    );
  });

  test("are named with their path in a tree, and every size that there is", () => {
    const { w, b } = { w: ones([2, 3, 3]), b: ones([4, 3]) };
    expect(messageOf(ShapeError, () => vmap(predict)({ w, b }, ones([4, 3])))).toBe(
      "vmap of predict: sizes of the mapped axes differ:\n" +
        "  most axes (2 of them) had size 4, e.g. axis 0 of argument params.b of type f32[4,3];\n" +
        "  one axis had size 2: axis 0 of argument params.w of type f32[2,3,3]",
    );
    const lists = (xs: readonly Tensor[]): Tensor => xs[0]!;
    const sizes = [2, 3, 3, 2, 3, 5].map((n) => ones([n]));
    expect(messageOf(ShapeError, () => vmap(lists)(sizes))).toBe(
      "vmap of lists: sizes of the mapped axes differ:\n" +
        "  most axes (3 of them) had size 3, e.g. axis 0 of argument xs[1] of type f32[3];\n" +
        "  some axes (2 of them) had size 2, e.g. axis 0 of argument xs[0] of type f32[2];\n" +
        "  one axis had size 5: axis 0 of argument xs[5] of type f32[5]",
    );
  });

  test("are named by position where arguments have no names", () => {
    const rest = (...xs: Tensor[]): Tensor => xs[0]!;
    const text = messageOf(ShapeError, () => vmap(rest)(ones([2]), ones([3])));
    expect(text).toContain("one axis had size 2: axis 0 of argument xs[0] of type");
    expect(text).toContain("one axis had size 3: axis 0 of argument xs[1] of type");
    const taken = ({ a }: { a: Tensor }, [b]: readonly [Tensor]): Tensor => a.add(b);
    expect(messageOf(ShapeError, () => vmap(taken)({ a: ones([2]) }, [ones([3])]))).toContain(
      "one axis had size 2: axis 0 of arguments[0].a of type f32[2];\n  one axis had size 3: axis 0 of arguments[1][0] of type",
    );
  });

  test("are named as the innermost function names them", () => {
    expect(messageOf(ShapeError, () => vmap(vmap(jit(f)))(ones([2, 3]), ones([4, 3])))).toContain(
      "one axis had size 2: axis 0 of argument x of type f32[2,3];\n  one axis had size 4: axis 0 of argument y of type",
    );
    expect(messageOf(ShapeError, () => vmap(vmap(f))(ones([2, 3]), ones([2, 4])))).toContain(
      "one axis had size 3: axis 0 of argument x of type f32[3];\n  one axis had size 4: axis 0 of argument y of type f32[4]",
    );
  });

  test("may differ from axisSize too", () => {
    expect(messageOf(ShapeError, () => vmap(g, { axisSize: 3 })(ones([2])))).toBe(
      "vmap of g: axisSize is 3, but axis 0 of argument x of type f32[2] has size 2",
    );
  });
});

describe("axes", () => {
  test("that an argument does not have are refused, with those it has", () => {
    expect(messageOf(ShapeError, () => vmap(g, 3)(ones([10, 4])))).toBe(
      "vmap of g: inAxes of x: axis 3 is out of range for f32[10,4], valid -2..1",
    );
    expect(messageOf(ShapeError, () => vmap(g, -3)(ones([10, 4])))).toBe(
      "vmap of g: inAxes of x: axis -3 is out of range for f32[10,4], valid -2..1",
    );
    expect(messageOf(ShapeError, () => vmap(g)(tensor(1)))).toBe(
      "vmap of g: inAxes of x: axis 0 is out of range for f32[], a scalar has no axes to map: use null for it",
    );
    expect(messageOf(ShapeError, () => vmap(f)(ones([2]), 3))).toBe(
      "vmap of f: inAxes of y: axis 0 is out of range for f32~[], a scalar has no axes to map: use null for it",
    );
    expect(
      messageOf(ShapeError, () => vmap(predict, [{ w: 0, b: 1 }, 0])({ w: ones([2, 3]), b: ones([2]) }, ones([2]))),
    ).toBe("vmap of predict: inAxes of params.b: axis 1 is out of range for f32[2], valid -1..0");
  });

  test("are integers or null", () => {
    const seen = (axis: unknown): string => messageOf(ShapeError, () => vmap(g, [axis as Axes])(ones([2])));
    expect(seen(0.5)).toBe("vmap: inAxes of x is 0.5, but an integer or null is wanted");
    expect(seen("0")).toBe('vmap: inAxes of x is "0", but an integer or null is wanted');
    expect(seen(undefined)).toBe("vmap: inAxes of x is undefined, but an integer or null is wanted");
    expect(seen(NaN)).toBe("vmap: inAxes of x is NaN, but an integer or null is wanted");
    expect(seen(true)).toBe("vmap: inAxes of x is true, but an integer or null is wanted");
    expect(seen(Infinity)).toBe("vmap: inAxes of x is Infinity, but an integer or null is wanted");
    expect(messageOf(ShapeError, () => vmap(g, 0, 1.5)(ones([2])))).toBe(
      "vmap: outAxes of the result is 1.5, but an integer or null is wanted",
    );
  });

  test("of all arguments may not be null without an axisSize", () => {
    const text =
      "vmap of g: no argument is mapped (every inAxes is null), so the number of lanes is unknown\n" +
      "  map at least one argument, or give axisSize";
    expect(messageOf(ShapeError, () => vmap(g, null)(ones([2])))).toBe(text);
    expect(messageOf(ShapeError, () => vmap(g, [null])(ones([2])))).toBe(text);
    expect(messageOf(ShapeError, () => vmap(() => 1)())).toContain("no argument is mapped");
  });
});

describe("the structure", () => {
  test("of inAxes fits the arguments", () => {
    expect(messageOf(ShapeError, () => vmap(f, [0] as InAxes)(ones([2]), ones([2])))).toBe(
      "vmap of f: inAxes has 1 entries for 2 arguments\n  give one entry per argument, or a single number for all",
    );
    const params = { w: ones([2, 2]), b: ones([2]) };
    const wrong = (axes: Axes): string => messageOf(ShapeError, () => vmap(predict, [axes, 0])(params, ones([2, 2])));
    expect(wrong([0, 0])).toBe(
      "vmap of predict: inAxes has the wrong structure at inAxes[0]: it is an array of 2, but the value there is an object with keys b, w",
    );
    expect(wrong({ w: 0 })).toBe(
      "vmap of predict: inAxes has the wrong structure at inAxes[0]: it is an object with keys w, but the value there is an object with keys b, w",
    );
    expect(wrong({ w: 0, b: [0] })).toBe(
      "vmap of predict: inAxes has the wrong structure at inAxes[0].b: it is an array of 1, but the value there is a single value",
    );
  });

  test("of outAxes fits the result", () => {
    const pair = (x: Tensor) => ({ first: x, list: [x, x] });
    const wrong = (axes: Axes): string => messageOf(ShapeError, () => vmap(pair, 0, axes)(ones([2])));
    expect(wrong([0, 0])).toBe(
      "vmap of pair: outAxes has the wrong structure at outAxes: it is an array of 2, but the value there is an object with keys first, list",
    );
    expect(wrong({ first: 0, list: [0] })).toBe(
      "vmap of pair: outAxes has the wrong structure at outAxes.list: it is an array of 1, but the value there is an array of 2",
    );
  });
});

describe("results", () => {
  test("that differ between lanes have a batch axis", () => {
    expect(messageOf(ShapeError, () => vmap(g, 0, null)(ones([2, 3])))).toBe(
      "vmap: outAxes is null at the result, but that result differs between lanes: it is f32[2,3] with the batch along axis 0\n" +
        "  give a number for outAxes there, or reduce the result over the batch outside",
    );
    const parts = (x: Tensor, w: Tensor) => ({ w, list: [w, x.sum()] });
    const text = messageOf(ShapeError, () => vmap(parts, [0, null], { w: null, list: null })(ones([2, 3]), ones([1])));
    expect(text).toContain("outAxes is null at the result.list[1], but that result differs between lanes");
  });

  test("get their axis where there is room for it, counted without it", () => {
    expect(messageOf(ShapeError, () => vmap(g, 0, 2)(ones([2, 3])))).toBe(
      "vmap: outAxes 2 at the result is out of range for a result of rank 1 per lane, valid -2..1",
    );
    expect(messageOf(ShapeError, () => vmap((x: Tensor) => [x.sum()], 0, [-2])(ones([2, 3])))).toBe(
      "vmap: outAxes -2 at the result[0] is out of range for a result of rank 0 per lane, valid -1..0",
    );
  });

  test("are trees of tensors and numbers", () => {
    const wrong = (fn: (x: Tensor) => unknown): string => messageOf(TraceError, () => vmap(fn)(ones([2])));
    expect(wrong(() => "done")).toBe(
      "vmap of anonymous function: the result is a string, but tensors and numbers are wanted",
    );
    expect(wrong((x) => ({ x, list: [x, new Map()] }))).toBe(
      "vmap of anonymous function: the result at list[1] is a Map, but tensors and numbers are wanted",
    );
    expect(wrong(() => () => 1)).toContain("the result is a function");
  });

  test("are known when the function returns: it may not be async", () => {
    const load = async (x: Tensor): Promise<Tensor> => x;
    expect(() => vmap(load)(ones([2]))).toThrow(
      "async functions cannot be traced\n  at load (tests/transforms/vmap-errors",
    );
    expect(messageOf(TraceError, () => vmap(load, { frontend: "trace" })(ones([2])))).toBe(
      "vmap of load: the function is async, so its result is not known when it returns\n" +
        "  await data outside and pass it as an argument",
    );
  });
});

describe("errors inside of the function", () => {
  test("speak of the shapes of one example, and of its line", () => {
    expect(messageOf(ShapeError, () => vmap(f)(ones([3, 4]), ones([3, 5])))).toBe(
      "add: shapes [4] and [5] do not broadcast: axis -1 has sizes 4 and 5",
    );
    expect(messageOf(ShapeError, () => vmap(vmap(dot))(ones([6, 5, 4]), ones([6, 5, 3])))).toBe(
      "dot: contracted sizes differ, 4 and 3\n  lhs f32[4] axis 0\n  rhs f32[3] axis 0",
    );
    expect(messageOf(ShapeError, () => vmap((x: Tensor) => x.reshape(5), 1)(ones([3, 2])))).toBe(
      "reshape: f32[3] has 3 elements, [5] has 5",
    );
    expect(messageOf(ShapeError, () => vmap((x: Tensor) => x.sum(1))(ones([3, 4])))).toBe(
      "sum: axis 1 is out of range for f32[4], valid -1..0",
    );
    expect(() => vmap(predict, [null, 0])({ w: ones([2, 3]), b: ones([2]) }, ones([7, 4]))).toThrow(
      /lhs f32\[2,3\] axis 1\n {2}rhs f32\[4\] axis 0\n {2}at predict \(tests\/transforms\/vmap-errors\.test\.ts:\d+\)$/,
    );
  });

  test("of its own come out as they are", () => {
    const own = new RangeError("mine");
    const failing = (_x: Tensor): Tensor => {
      throw own;
    };
    expect(() => vmap(vmap(failing))(ones([2, 2]))).toThrow(own);
  });

  test("such as a truth test of an array, or of any traced value where the source is not read", () => {
    const relu = (x: Tensor): Tensor => ((x as unknown) ? x : x.neg());
    expect(() => vmap(relu)(ones([2, 3]))).toThrow(TraceError);
    expect(() => vmap(relu)(ones([2, 3]))).toThrow("a traced array of shape [3] has no single truth value");
    expect(() => vmap(relu, { frontend: "trace" })(ones([2]))).toThrow("conditional: x is traced");
    const choose = (x: Tensor, flag: boolean): Tensor => (flag ? x : x.neg());
    expect(() => vmap(choose, { inAxes: [0, null], frontend: "trace" })(ones([2]), true)).toThrow("flag is traced");
  });
});

describe("what is given to vmap itself", () => {
  test("is a function, axes and known options", () => {
    const refused =
      (...args: readonly unknown[]): (() => unknown) =>
      () =>
        (vmap as (...all: readonly unknown[]) => unknown)(...args);
    expect(refused(3)).toThrow(new LanewiseError("vmap: number given, but a function or a module is wanted"));
    expect(refused(g, { inAxis: 0 })).toThrow(LanewiseError);
    expect(refused(g, { inAxis: 0 })).toThrow(
      "vmap: there is no option 'inAxis'; there are inAxes, outAxes, axisSize, axisName, chunkSize, frontend, scope, maxSteps\n" +
        "  axes of an argument that is an object are given inside the array: inAxes: [{ inAxis: … }]",
    );
    expect(refused(g, { outAxes: 0 }, 0)).toThrow("vmap: outAxes is given twice, in the options and as an argument");
    expect(refused(g, { axisSize: -1 })).toThrow("vmap: axisSize -1 is not a whole number ≥ 0");
    expect(refused(g, { axisSize: 1.5 })).toThrow(ShapeError);
  });

  test("is called with tensors, numbers and trees of them", () => {
    const wrong = (x: unknown): string =>
      messageOf(TraceError, () => (vmap(g) as unknown as (y: unknown) => unknown)(x));
    expect(wrong("a")).toBe(
      "vmap of g: x is a string, but tensors, numbers, booleans and typed arrays are wanted\n" +
        "  capture it in the function instead",
    );
    expect(wrong({ a: [new Map()] })).toContain("vmap of g: x.a[0] is a Map, but");
  });
});
