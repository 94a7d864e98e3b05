// checkpoint: what is kept for the backward pass falls, and numbers stay. stopGradient: derivatives end there.
import { describe, expect, test } from "vitest";
import { jvpGraph } from "../../compiler/transforms/jvp.js";
import { linearize } from "../../compiler/transforms/linearize.js";
import {
  checkpoint,
  grad,
  hessian,
  jit,
  jvp,
  LanewiseError,
  matmul,
  numpy,
  setDevice,
  sin,
  stopGradient,
  type Tensor,
  tanh,
  tensor,
  valueAndGrad,
  vjp,
  vmap,
} from "../../index.js";
import { f32, trace } from "../support/trace.js";

setDevice("cpu");

const numbers = async (x: Tensor): Promise<number[]> => [...(await x.data())];

/** The types of what the linear part of `fn`'s derivative keeps. */
function residualsOf(fn: (x: Tensor, w: Tensor) => Tensor): string[] {
  const graph = trace([f32(8, 8), f32(8, 8)], fn);
  const forward = jvpGraph(graph, [true, true]).graph;
  const { linear, residuals } = linearize(forward, 2, 1);
  return linear.inputs.slice(0, residuals).map((v) => v.aval.shape.join());
}

const block = (x: Tensor, w: Tensor): Tensor => tanh(sin(tanh(matmul(x, w)))).mul(x);
const kept = checkpoint(block);

describe("checkpoint", () => {
  test("keeps the arguments and nothing else", () => {
    expect(residualsOf(block).length).toBeGreaterThan(4);
    expect(residualsOf(kept)).toEqual(["8,8", "8,8"]);
    const inner = (x: Tensor, w: Tensor) => checkpoint((t: Tensor) => sin(t).mul(w))(x.mul(2)).mul(3);
    expect(residualsOf(inner)).toEqual(["8,8", "8,8"]); // x·2, and what it captured
  });

  test("keeps what the policy says", () => {
    const sizes = (policy: "nothing" | "contractions" | "everything") =>
      residualsOf(checkpoint(block, { policy })).length;
    expect(sizes("nothing")).toBe(2);
    expect(sizes("contractions")).toBe(3);
    expect(sizes("everything")).toBeGreaterThanOrEqual(residualsOf(block).length);
  });

  test.each(["nothing", "contractions", "everything"] as const)(
    "gives the same numbers, keeping %s",
    async (policy) => {
      const own = checkpoint(block, { policy });
      const [x, w] = [
        tensor([
          [0.5, -1],
          [2, 0.25],
        ]),
        tensor([
          [1, 2],
          [-0.5, 0.75],
        ]),
      ];
      const all = { argnums: [0, 1] } as const;
      for (const [f, g] of [
        [grad(block, all), grad(own, all)],
        [jit(grad(block, all)), jit(grad(own, all))],
        [vmap(grad(block, all), [null, 0]), vmap(grad(own, all), [null, 0])],
        [grad(vmap(block, [null, 0]), all), grad(vmap(own, [null, 0]), all)],
      ] as const) {
        const ws = f.name.includes("vmap") ? numpy.stack([w, w.mul(2)]) : w;
        const [want, got] = [f(x, ws), g(x, ws)] as [Tensor[], Tensor[]];
        for (const k of [0, 1]) expect(await numbers(got[k]!)).toEqual(await numbers(want[k]!));
      }
      const second = (f: typeof block) => hessian((t: Tensor) => f(t, w).sum())(x);
      const close = (await numbers(second(block))).map((v) => expect.closeTo(v, 5));
      expect(await numbers(second(own))).toEqual(close);
      expect(await numbers(jvp(own, [x, w], [x, w])[1])).toEqual(await numbers(jvp(block, [x, w], [x, w])[1]));
    },
  );

  test.each([
    ["products", (x: Tensor) => tanh(matmul(tanh(matmul(x, x)), tanh(matmul(x, x).add(1))))],
    ["elementwise work", (x: Tensor) => tanh(sin(tanh(sin(tanh(sin(tanh(sin(x))))))))],
  ])("halves the peak of memory of a long chain of %s", (_, layer) => {
    const chain = (f: (x: Tensor) => Tensor) => (x: Tensor) => {
      let y = x;
      for (let i = 0; i < 12; i++) y = f(y);
      return y.sum();
    };
    const x = numpy.ones([64, 64]);
    const peak = (f: (x: Tensor) => Tensor): number => jit(grad(chain(f))).lower(x).memory.peakBytes;
    expect(peak(checkpoint(layer))).toBeLessThanOrEqual(0.5 * peak(layer));
  });

  test("computes again behind barriers, which cse does not merge", () => {
    const f = (x: Tensor) => sin(sin(x));
    const text = (fn: typeof f) =>
      jit(valueAndGrad(fn))
        .lower(tensor([1, 2]))
        .text("simplified")
        .split("after ")
        .at(-1)!;
    expect(text(f).match(/= sin /g)).toHaveLength(2);
    expect(text(checkpoint(f)).match(/= sin /g)).toHaveLength(3); // sin(x) and its sine, and sin(x) again
    expect(text(checkpoint(f)).match(/= optimizationBarrier /g)).toHaveLength(1);
  });

  test("keeps the structure of arguments and results, and runs by itself", async () => {
    const f = checkpoint((p: { a: Tensor; n: Tensor }) => ({ twice: p.a.mul(2), n: p.n, one: 1 as number }));
    const { twice, n, one } = f({ a: tensor([1, 2]), n: tensor(3, { dtype: "i32" }) });
    expect([await twice.toArray(), await n.item(), n.dtype, await one.item()]).toEqual([[2, 4], 3, "i32", 1]);
    expect(f.name).toMatch(/^checkpoint/);
    const [gradient] = grad((a: Tensor) => f({ a, n: tensor(3, { dtype: "i32" }) }).twice, { argnums: [0] })(
      tensor([1, 2]),
    );
    expect(await gradient.toArray()).toEqual([2, 2]);
  });

  test("refuses a policy that there is not", () => {
    expect(() => checkpoint(block, { policy: "some" as never })).toThrow(LanewiseError);
    expect(() => checkpoint(block, { policy: "some" as never })).toThrow(/nothing, contractions, everything/);
    expect(() => checkpoint(block, { save: 1 } as never)).toThrow(/no option 'save'/);
  });
});

describe("stopGradient", () => {
  test("is the identity, a constant for derivatives, on any tree and dtype", async () => {
    const f = (x: Tensor) =>
      stopGradient({ x, n: x.gt(0) })
        .x.mul(x)
        .sum();
    expect(await numbers(grad(f)(tensor([1, 2])))).toEqual([1, 2]);
    expect(await numbers(jvp(stopGradient as (x: Tensor) => Tensor, [tensor([1, 2])], [tensor([1, 1])])[1])).toEqual([
      0, 0,
    ]);
    const { n } = stopGradient({ n: tensor([1, 2], { dtype: "i32" }), x: 0.5 });
    expect([n.dtype, await n.toArray()]).toEqual(["i32", [1, 2]]);
    expect(
      await numbers(
        vmap(grad(f))(
          tensor([
            [1, 2],
            [3, 4],
          ]),
        ),
      ),
    ).toEqual([1, 2, 3, 4]);
  });

  test("costs no kernel", () => {
    const lowered = jit((x: Tensor) => stopGradient(sin(x)).mul(2)).lower(tensor([1, 2]));
    expect(lowered.kernels).toHaveLength(1);
    expect(lowered.text("simplified")).not.toMatch(/stopGradient/);
  });
});

describe("what derivatives do not need", () => {
  const kernels = (f: (x: Tensor) => unknown) => jit(f as never).lower(tensor([1, 2, 3])).kernels.length;

  test("is dropped before kernels are made", () => {
    const wide = (x: Tensor) => [x.sum(), sin(x).max(), matmul(x, x)] as [Tensor, Tensor, Tensor];
    const alone = kernels((x) => vjp((t: Tensor) => t.sum(), x)[0]);
    expect(kernels((x) => vjp(wide, x)[0][0])).toBe(alone);
    expect(kernels((x) => jvp(wide, [x], [x])[1][0])).toBe(alone);
    expect(kernels((x) => valueAndGrad((t: Tensor) => t.sum())(x)[0])).toBe(alone);
  });

  test("may be empty", async () => {
    const gradient = grad((x: Tensor) => sin(x).sum())(numpy.zeros([0, 3]));
    expect([gradient.shape, await numbers(gradient)]).toEqual([[0, 3], []]);
    const [value, tangent] = jvp((x: Tensor) => x.square(), [numpy.zeros([0])], [numpy.zeros([0])]);
    expect([value.shape, tangent.shape]).toEqual([[0], [0]]);
  });
});
