// Collectives over named axes: where names hold, what unbatched values are, and ties, empty batches and mistakes.
import { describe, expect, test } from "vitest";
import { InternalError } from "../../compiler/core/errors.js";
import { psum as psumOf } from "../../compiler/ops/index.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { batchGraph } from "../../compiler/transforms/batch.js";
import {
  allGather,
  axisIndex,
  axisSize,
  checkpoint,
  customJvp,
  grad,
  hessian,
  jit,
  LanewiseError,
  numpy,
  pmax,
  pmean,
  pmin,
  psum,
  psumScatter,
  ShapeError,
  setDevice,
  sin,
  type Tensor,
  TraceError,
  tensor,
  vmap,
} from "../../index.js";
import { f32, trace } from "../support/trace.js";

setDevice("cpu");

const numbers = async (x: Tensor): Promise<number[]> => [...(await x.data())];
const i = { axisName: "i" };
const x = tensor([1, 2, 3]);

describe("collectives", () => {
  test("take trees, several dtypes, and numbers", async () => {
    const out = vmap((a: Tensor, n: Tensor) => psum({ a, n, b: a.gt(1), one: 1 }, "i"), i)(
      x,
      tensor([1, 2, 3], { dtype: "i32" }),
    );
    expect(await out.a.toArray()).toEqual([6, 6, 6]);
    expect([out.n.dtype, await out.n.toArray()]).toEqual(["i32", [6, 6, 6]]);
    expect([out.b.dtype, await out.b.toArray()]).toEqual(["i32", [2, 2, 2]]);
    expect(await out.one.toArray()).toEqual([3, 3, 3]);
    const mean = vmap((n: Tensor) => pmean(n, "i"), i)(tensor([1, 2, 4], { dtype: "i32" }));
    expect([mean.dtype, await numbers(mean)]).toEqual(["f32", [7 / 3, 7 / 3, 7 / 3].map(Math.fround)]);
  });

  test("give results that do not differ between lanes", async () => {
    const f = (a: Tensor) => [psum(a, "i"), pmax(a, "i"), allGather(a, "i")] as [Tensor, Tensor, Tensor];
    const [sum, max, all] = vmap(f, { axisName: "i", outAxes: null })(x);
    expect([await sum.item(), await max.item(), await all.toArray()]).toEqual([6, 3, [1, 2, 3]]);
  });

  test("take a value that all lanes share as it is in each of them", async () => {
    const f = (_: Tensor, s: Tensor) => [
      psum(s, "i"),
      pmean(s, "i"),
      pmax(s, "i"),
      pmin(s, "i"),
      allGather(s, "i", { axis: -1 }),
      psumScatter(tensor([10, 20, 30]), "i"),
    ];
    const out = vmap(f, { axisName: "i", inAxes: [0, null] })(x, tensor(5)) as Tensor[];
    const lanes = await Promise.all(out.map((t) => t.toArray()));
    expect(lanes).toEqual([[15, 15, 15], [5, 5, 5], [5, 5, 5], [5, 5, 5], Array(3).fill([5, 5, 5]), [30, 60, 90]]);
  });

  test("number lanes, also of several axes, and know how many there are", async () => {
    const f = (_: Tensor) => {
      expect([axisSize("i"), axisSize(["i", "j"])]).toEqual([2, 6]);
      return axisIndex(["i", "j"]);
    };
    const out = vmap(vmap(f, { axisName: "j" }), i)(numpy.zeros([2, 3]));
    expect([out.dtype, await out.toArray()]).toEqual([
      "i32",
      [
        [0, 1, 2],
        [3, 4, 5],
      ],
    ]);
    // one that depends on no argument
    expect(await numbers(vmap(() => axisIndex("i"), { axisName: "i", axisSize: 3 })())).toEqual([0, 1, 2]);
  });

  test("gather several axes along one, the last name running fastest", async () => {
    const m = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const f = (a: Tensor) => allGather(numpy.stack([a, a.neg()]), ["i", "j"], { axis: 1 });
    const out = vmap(vmap(f, { axisName: "j", outAxes: null }), { axisName: "i", outAxes: null })(m);
    expect(await out.toArray()).toEqual([
      [1, 2, 3, 4, 5, 6],
      [-1, -2, -3, -4, -5, -6],
    ]);
  });

  test("let the axes of other vmaps pass by, wherever they lie", async () => {
    const m = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const over = (f: (a: Tensor) => Tensor, name: string) =>
      vmap((r: Tensor) => vmap(f, { axisName: "j" })(r), { axisName: "i" })(m)
        .toArray()
        .then((out) => [name, out]);
    expect(await over((a) => psum(a, "i"), "i")).toEqual([
      "i",
      [
        [5, 7, 9],
        [5, 7, 9],
      ],
    ]);
    expect(await over((a) => psum(a, "j"), "j")).toEqual([
      "j",
      [
        [6, 6, 6],
        [15, 15, 15],
      ],
    ]);
    for (const axis of [0, 1]) {
      const f = (r: Tensor) => allGather(r, "i", { axis });
      const gathered = vmap(vmap(f), { axisName: "i" })(
        tensor([
          [
            [1, 2],
            [3, 4],
          ],
          [
            [5, 6],
            [7, 8],
          ],
        ]),
      );
      const want =
        axis === 0
          ? [
              [
                [1, 2],
                [5, 6],
              ],
              [
                [3, 4],
                [7, 8],
              ],
            ]
          : [
              [
                [1, 5],
                [2, 6],
              ],
              [
                [3, 7],
                [4, 8],
              ],
            ];
      expect(await gathered.toArray()).toEqual([want, want]);
      const scattered = vmap(
        vmap((r: Tensor) => psumScatter(r, "i")),
        { axisName: "i", inAxes: 1 },
      );
      expect(
        await scattered(
          tensor([
            [
              [1, 2],
              [3, 4],
            ],
            [
              [5, 6],
              [7, 8],
            ],
          ]),
        ).toArray(),
      ).toEqual([
        [4, 12],
        [6, 14],
      ]);
    }
    // inside, a name hides the same name around it
    const hidden = vmap((r: Tensor) => vmap((a: Tensor) => psum(a, "i"), i)(r), i)(m);
    expect(await hidden.toArray()).toEqual([
      [6, 6, 6],
      [15, 15, 15],
    ]);
  });

  test("share the gradient between lanes that tie", async () => {
    const f = (a: Tensor) => pmax(a, "i").mul(2);
    expect(await numbers(grad(vmap(f, i))(tensor([3, 1, 3])))).toEqual([3, 0, 3]);
    expect(await numbers(vmap(grad(f), i)(tensor([3, 1, 3])))).toEqual([3, 0, 3]);
    expect(await numbers(grad(vmap((a: Tensor) => pmin(a, "i"), i))(tensor([3, 1, 3])))).toEqual([0, 3, 0]);
    const shared = (s: Tensor) => vmap((a: Tensor) => pmax(s, "i").mul(a), i)(x);
    expect(await numbers(grad(shared)(tensor(2)))).toEqual([6]);
  });

  test("of no lanes are of no lanes", async () => {
    const f = (a: Tensor) => psum(a, "i").add(pmax(a, "i")).add(allGather(a, "i").sum()).add(axisIndex("i"));
    for (const g of [vmap(f, i), vmap(grad(f), i), grad(vmap(f, i))]) expect(g(numpy.zeros([0])).shape).toEqual([0]);
  });

  test("hold inside of other functions with Graphs of their own", async () => {
    const f = (a: Tensor) => a.mul(psum(sin(a), "i"));
    const want = await numbers(grad(vmap(f, i))(x));
    const wrapped = customJvp(f, ([a], [da]) => [
      f(a),
      da.mul(psum(sin(a), "i")).add(a.mul(psum(a.cos().mul(da), "i"))),
    ]);
    for (const g of [checkpoint(f), jit(f), wrapped]) {
      expect(await numbers(grad(vmap(g, i))(x))).toEqual(want.map((v) => expect.closeTo(v, 5)));
      expect(await numbers(vmap(grad(g), i)(x))).toEqual(want.map((v) => expect.closeTo(v, 5)));
    }
    const total = (g: typeof f) => (t: Tensor) => vmap(g, i)(t).sum();
    const second = await numbers(hessian(total(f))(x));
    expect(await numbers(hessian(total(checkpoint(f)))(x))).toEqual(second.map((v) => expect.closeTo(v, 4)));
    // no operand differs between lanes, but the body speaks of them
    const body = checkpoint((s: Tensor) => s.mul(axisIndex("i").astype("f32")));
    expect(await numbers(vmap((_: Tensor) => body(tensor(10)), i)(x))).toEqual([0, 10, 20]);
  });
});

describe("names", () => {
  const f = jit((a: Tensor) => psum(a, "i").mul(axisSize("i")));

  test("and sizes are part of the key of jit", async () => {
    expect(await numbers(vmap(f, i)(x))).toEqual([18, 18, 18]);
    expect(await numbers(vmap(f, i)(tensor([1, 2])))).toEqual([6, 6]);
    expect(await numbers(vmap((r: Tensor) => vmap(f, i)(r), { axisName: "k" })(tensor([[1, 2]])))).toEqual([6, 6]);
    expect(f.cacheSize).toBe(3);
    expect(await numbers(vmap(f, i)(x))).toEqual([18, 18, 18]);
    expect(f.cacheSize).toBe(3);
    expect(() => f(tensor(1))).toThrow(TraceError);
    const named = jit((a: Tensor) => vmap((b: Tensor) => psum(b, "i"), i)(a));
    expect(await numbers(named(x))).toEqual([6, 6, 6]);
  });

  test("that are not there are errors that list those that are", () => {
    const inside = (name: string) => () =>
      vmap((r: Tensor) => vmap((a: Tensor) => psum(a, name), { axisName: "inner" })(r), i)(tensor([[1, 2]]));
    expect(inside("outer")).toThrow(TraceError);
    expect(inside("outer")).toThrow(
      /psum: there is no axis named 'outer' here; there are 'i' \(1 lanes\), 'inner' \(2 lanes\)\n {2}.*axisName: "outer"/,
    );
    for (const use of [psum, pmean, pmax, pmin, allGather, psumScatter]) {
      expect(() => use(x, "i")).toThrow(new RegExp(`^${use.name}: .*this code is in no vmap with an axisName`));
    }
    for (const use of [axisIndex, axisSize]) expect(() => use("i")).toThrow(TraceError);
    expect(() => vmap((a: Tensor) => psum(a, []), i)(x)).toThrow(LanewiseError);
    expect(() => vmap((a: Tensor) => psum(a, ["i", "i"]), i)(x)).toThrow(/named twice in \[i, i\]/);
    expect(() => vmap((a: Tensor) => a, { axisName: 3 as never })).toThrow(/axisName 3 is no string/);
    // the name is gone with its vmap
    vmap((a: Tensor) => psum(a, "i"), i)(x);
    expect(() => psum(x, "i")).toThrow(TraceError);
    expect(() =>
      vmap((_: Tensor): Tensor => {
        throw new Error("mine");
      }, i)(x),
    ).toThrow("mine");
    expect(() => psum(x, "i")).toThrow(TraceError);
  });

  test("and axes that do not fit are errors too", () => {
    expect(() => vmap((a: Tensor) => allGather(a, "i", { axis: 1 }), i)(x)).toThrow(ShapeError);
    expect(() => vmap((a: Tensor) => allGather(a, "i", { axes: 1 } as never), i)(x)).toThrow(/no option 'axes'/);
    expect(() => vmap((_: Tensor) => psumScatter(tensor([1, 2]), "i"), i)(x)).toThrow(
      /axis 0 of f32\[2\] has size 2, but 'i' has 3 lanes/,
    );
  });
});

test("a collective that no vmap took out is our mistake", () => {
  const graph = trace([f32(2)], (a) => psumOf(a, ["i"]));
  const { graph: passed, outAxes } = batchGraph(graph, [1], 3, "other");
  expect([passed.eqns.map((eqn) => eqn.op.name), outAxes]).toEqual([["psum"], [1]]);
  const array = { dtype: "f32", shape: [2], data: new Float32Array(2) } as const;
  expect(() => interpret(graph, [array])).toThrow(InternalError);
});
