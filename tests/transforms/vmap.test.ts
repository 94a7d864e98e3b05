// vmap as users meet it: batch axes in and out, trees, nesting, captured values, and what it says of mistakes.
import { describe, expect, test } from "vitest";
import { printGraph } from "../../compiler/ir/print.js";
import {
  type Axes,
  arange,
  type InAxes,
  jit,
  numpy as np,
  ones,
  setDevice,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from "../../index.js";
import { f32, trace } from "../support/trace.js";

setDevice("cpu");

const iota = (...shape: number[]): Tensor => arange(shape.reduce((n, m) => n * m, 1)).reshape(shape);

/** Equations of a traced function, as text. */
const equations = (graph: Parameters<typeof printGraph>[0]): string[] =>
  printGraph(graph)
    .split("\n")
    .slice(1, -2)
    .map((line) => line.trim());

describe("batch axes", () => {
  test("are axis 0 by default, in and out", async () => {
    const f = vmap((x: Tensor) => x.sum().mul(2));
    expect(await f(iota(3, 2)).toArray()).toEqual([2, 10, 18]);
  });

  test("stand anywhere, counted from either end", async () => {
    const x = iota(2, 3, 4);
    const want = await np.moveAxis(x, 1, 2).mul(2).toArray();
    for (const inAxes of [1, -2]) {
      for (const outAxes of [2, -1]) {
        expect(await vmap((a: Tensor) => a.mul(2), inAxes, outAxes)(x).toArray()).toEqual(want);
      }
    }
  });

  test("are null for an argument all lanes share", async () => {
    const f = vmap((x: Tensor, w: Tensor) => np.dot(x, w), [0, null]);
    expect(await f(iota(2, 3), tensor([1, 1, 1])).toArray()).toEqual([3, 12]);
  });

  test("are given as a number, an array, or options", async () => {
    const add = (x: Tensor, y: Tensor): Tensor => x.add(y);
    const [x, y] = [iota(2, 3), ones([2, 3])];
    const want = await x.add(y).T.toArray();
    expect(await vmap(add, 0, 1)(x, y).toArray()).toEqual(want);
    expect(await vmap(add, [0, 0], 1)(x, y).toArray()).toEqual(want);
    expect(await vmap(add, { inAxes: [0, 0], outAxes: 1 })(x, y).toArray()).toEqual(want);
  });

  test("are prefixes of trees", async () => {
    const layer = ({ w, b }: { w: Tensor; b: Tensor }, x: Tensor) => ({ y: w.matmul(x).add(b), parts: [x, b] });
    const f = vmap(layer, [{ w: null, b: 0 }, 1], { y: 0, parts: [1, 0] });
    const { y, parts } = f({ w: ones([2, 3]), b: iota(4, 2) }, iota(3, 4));
    expect(y.shape).toEqual([4, 2]);
    expect(parts.map((p) => p.shape)).toEqual([
      [3, 4],
      [4, 2],
    ]);
    expect(await y.slice(0).toArray()).toEqual([12, 13]);
  });

  test("repeat a result that no lane differs in", async () => {
    const f = vmap((x: Tensor, w: Tensor) => [x.mul(2), w.sum()], [0, null]);
    const [, sum] = f(iota(3), ones([5]));
    expect(await sum!.toArray()).toEqual([5, 5, 5]);
  });

  test("are none for a result that no lane differs in and whose outAxes is null", async () => {
    const f = vmap((x: Tensor, w: Tensor) => [x.mul(2), w.sum()], [0, null], [0, null]);
    const [, sum] = f(iota(3), ones([5]));
    expect(sum!.shape).toEqual([]);
  });

  test("may have no lanes, or one", () => {
    const f = vmap((x: Tensor) => [x.sum(), x.matmul(x.reshape(3, 1)), x.argmax()]);
    for (const n of [0, 1]) expect(f(zeros([n, 3])).map((y) => y.shape)).toEqual([[n], [n, 1], [n]]);
  });

  test("can be all null if axisSize is given", async () => {
    const f = vmap((x: Tensor) => x.add(1), { inAxes: null, axisSize: 2 });
    expect(await f(tensor([1, 2])).toArray()).toEqual([
      [2, 3],
      [2, 3],
    ]);
  });
});

describe("vmapped functions", () => {
  test("convolve as the tutorial does, over both arguments in turn", async () => {
    const convolve = (x: Tensor, w: Tensor): Tensor => {
      const out: Tensor[] = [];
      for (let i = 1; i < x.shape[0]! - 1; i++) out.push(np.dot(x.slice([i - 1, i + 2]), w));
      return np.stack(out);
    };
    const [x, w] = [arange(5), tensor([1, 2, 3])];
    expect(await convolve(x, w).toArray()).toEqual([8, 14, 20]);
    const xs = np.stack([x, x, x]);
    const ws = np.stack([w, w, w]);
    const rows = [0, 1, 2].map(() => [8, 14, 20]);
    expect(await vmap(convolve)(xs, ws).toArray()).toEqual(rows);
    expect(await vmap(convolve, { inAxes: [0, 1], outAxes: 1 })(xs, ws.T).T.toArray()).toEqual(rows);
    expect(await vmap(convolve, [0, null])(xs, w).toArray()).toEqual(rows);
    const each = vmap(vmap(convolve, [null, 0]), [0, null]);
    const hyperX = tensor([
      [1, 2, 3, 4, 5],
      [2, 3, 4, 5, 6],
    ]);
    const hyperW = tensor([
      [1, 1, 1],
      [2, 2, 2],
    ]);
    expect(await each(hyperX, hyperW).toArray()).toEqual([
      [
        [6, 9, 12],
        [12, 18, 24],
      ],
      [
        [9, 12, 15],
        [18, 24, 30],
      ],
    ]);
  });

  test("nest: the innermost maps what the outermost handed it", async () => {
    const f = vmap(
      vmap(
        vmap((x: Tensor, y: Tensor) => x.mul(10).add(y), [0, null]),
        [null, 0],
      ),
      [0, null],
      2,
    );
    const out = f(iota(2, 3), iota(4));
    expect(out.shape).toEqual([4, 3, 2]);
    // [j, i, lane] is 10 · x[lane, i] + y[j]
    expect(await out.slice(3, 2, 1).item()).toBe(10 * 5 + 3);
  });

  test("read tensors and traced values from outside", async () => {
    const w = tensor([1, 2]);
    const f = vmap((x: Tensor) => vmap((y: Tensor) => y.mul(x).add(w.sum()))(w));
    expect(await f(tensor([10, 20])).toArray()).toEqual([
      [13, 23],
      [23, 43],
    ]);
  });

  test("give in a jitted function what they give outside", async () => {
    const f = (x: Tensor, y: Tensor): Tensor => vmap((a: Tensor) => a.sub(y).square().sum())(x);
    const [x, y] = [iota(4, 3), tensor([1, 2, 3])];
    expect(await jit(f)(x, y).toArray()).toEqual(await f(x, y).toArray());
    expect(await vmap(jit((a: Tensor) => a.sum()))(x).toArray()).toEqual([3, 12, 21, 30]);
  });

  test("return numbers, trees and arguments as they are", async () => {
    const f = vmap((x: Tensor) => ({ one: 1, same: x, none: null, list: [true] }));
    const { one, same, none, list } = f(iota(2, 2));
    expect(await one.toArray()).toEqual([1, 1]);
    expect(await same.toArray()).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(none).toBeNull();
    expect(await list[0]!.toArray()).toEqual([true, true]);
  });

  test("take typed arrays", async () => {
    expect(await vmap((x: Tensor) => x.mul(2))(new Float32Array([1, 2])).toArray()).toEqual([2, 4]);
  });
});

describe("the batched Graph", () => {
  test("of nested dot products is one contraction and nothing else", () => {
    const product = vmap(vmap(np.vdot, [0, null], 0), [null, 1], 1);
    expect(equations(trace([f32(3, 4), f32(4, 5)], product))).toEqual([
      "c:f32[3,5] = dotGeneral batch=[[],[]] contract=[[1],[0]] a b",
    ]);
  });

  test("leaves alone what no lane differs in", () => {
    const graph = trace(
      [f32(4, 3), f32(3)],
      vmap((x: Tensor, w: Tensor) => x.mul(w.exp()), [0, null]),
    );
    expect(equations(graph)).toEqual([
      "c:f32[3] = exp b",
      "d:f32[4,3] = broadcast axes=[1] shape=[4,3] c",
      "e:f32[4,3] = mul a d",
    ]);
  });

  test("moves no axis that a rule can leave where it is", () => {
    const graph = trace(
      [f32(3, 4, 5)],
      vmap((x: Tensor) => x.sin().flip(0).slice([1, 3]).sum(1), 1, 1),
    );
    expect(equations(graph).filter((line) => line.includes("transpose"))).toEqual([]);
  });

  test("says in errors what the user's own shapes are", () => {
    const f = vmap((x: Tensor, y: Tensor) => x.add(y));
    expect(() => f(ones([3, 4]), ones([3, 5]))).toThrow("shapes [4] and [5] do not broadcast");
    expect(() => vmap((x: Tensor) => x.sum(1))(ones([3, 4]))).toThrow("axis 1 is out of range for f32[4], valid -1..0");
  });
});

describe("mistakes", () => {
  const add = (x: Tensor, y: Tensor): Tensor => x.add(y);
  const one = (x: Tensor): Tensor => x.add(1);
  const [a, b] = [ones([10, 4]), ones([2, 4])];
  const three = (x: Tensor, y: Tensor, z: Tensor): Tensor => x.add(y).add(z);

  const mistakes: Readonly<Record<string, () => unknown>> = {
    "most axes (2 of them) had size 10, e.g. axis 0 of argument x of type f32[10,4];\n  one axis had size 2: axis 1 of argument y of type f32[4,2]":
      () => vmap(three, [0, 1, 0])(a, b.T, a),
    "axis 3 is out of range for f32[10,4], valid -2..1": () => vmap(one, 3)(a),
    "axis -3 is out of range for f32[10,4], valid -2..1": () => vmap(one, -3)(a),
    "a scalar has no axes to map: use null for it": () => vmap(one)(tensor(1)),
    "inAxes of x is 0.5, but an integer or null is wanted": () => vmap(one, 0.5)(a),
    'inAxes of x is "0", but an integer or null is wanted': () => vmap(one, "0" as unknown as number)(a),
    "outAxes of the result is 1.5, but an integer or null is wanted": () => vmap(one, 0, 1.5)(a),
    "inAxes has 2 entries for 1 arguments": () => vmap(one, [0, 0] as InAxes)(a),
    "inAxes has the wrong structure at inAxes[0]: it is an object with keys w": () =>
      vmap(one, [{ w: 0 }] as InAxes)(a),
    "outAxes has the wrong structure at outAxes: it is an array of 2": () => vmap(one, 0, [0, 0] as Axes)(a),
    "no argument is mapped (every inAxes is null), so the number of lanes is unknown": () => vmap(one, null)(a),
    "outAxes is null at the result, but that result differs between lanes": () => vmap(one, 0, null)(a),
    "outAxes 2 at the result is out of range for a result of rank 1 per lane, valid -2..1": () => vmap(one, 0, 2)(a),
    "axisSize is 5, but axis 0 of argument x of type f32[10,4] has size 10": () => vmap(one, { axisSize: 5 })(a),
    "axisSize -1 is not a whole number": () => vmap(one, { axisSize: -1 }),
    "there is no option 'inAxis'": () => vmap(one, { inAxis: 0 } as object),
    "outAxes is given twice": () => vmap(one, { outAxes: 0 }, 0),
    "a function or a module is wanted": () => vmap(3 as unknown as typeof one),
    "x is a string, but tensors, numbers, booleans and typed arrays are wanted": () =>
      (vmap(one) as (x: unknown) => unknown)("a"),
    "the function is async": () => vmap((async (x: Tensor) => x) as unknown as typeof one)(a),
    "the result is a string": () => vmap((() => "a") as unknown as typeof one)(a),
  };

  test.each(Object.entries(mistakes))("%s", (message, mistake) => {
    expect(mistake).toThrow(message);
  });

  test("leave everything usable", async () => {
    const failing = (_: Tensor): Tensor => {
      throw new Error("own");
    };
    expect(() => vmap(failing)(a)).toThrow("own");
    expect(await vmap(add)(ones([2]), ones([2])).toArray()).toEqual([2, 2]);
  });

  test("such as keeping a traced value are found when it is used", () => {
    let kept: Tensor | undefined;
    const keep = (x: Tensor): Tensor => {
      kept = x;
      return x;
    };
    vmap(keep, { frontend: "trace" })(a);
    expect(() => kept!.add(1)).toThrow("left vmap(keep), the function it was traced in");
  });
});
