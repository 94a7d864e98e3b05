// Checkpoints, rules of the user's and collectives in bodies of loops and branches.
import { describe, expect, test, vi } from "vitest";
import {
  axisIndex,
  checkpoint,
  cond,
  customJvp,
  customVjp,
  customVmap,
  foriLoop,
  grad,
  hessian,
  jit,
  jvp,
  numpy,
  psum,
  scan,
  setDevice,
  sin,
  switchCase,
  type Tensor,
  TraceError,
  tanh,
  tensor,
  vmap,
  whileLoop,
} from "../../index.js";
import { gpuTest } from "../support/gpu.js";

setDevice("cpu");
vi.setConfig({ testTimeout: 180_000 }); // a software adapter compiles some dozens of shaders

const numbers = async (x: Tensor): Promise<number[]> => [...(await x.data())];
const close = (values: readonly number[]) => values.map((v) => expect.closeTo(v, 4));
type Fn = (t: Tensor) => Tensor;

/** Loops and branches around a function of one tensor. */
const around: Record<string, (f: Fn) => Fn> = {
  scan: (f) => (t) => scan((c: Tensor, x: Tensor) => [f(c.add(x)), f(c)], t, tensor([0.5, -1, 0.25]))[1].sum(0),
  foriLoop: (f) => (t) => foriLoop(0, 3, (i, c: Tensor) => f(c.add(i)), t),
  cond: (f) => (t) =>
    cond(
      t.sum().gt(0),
      (u) => f(u).mul(2),
      (u) => f(u.mul(3)),
      t,
    ),
  switchCase: (f) => (t) => switchCase(t.sum().astype("i32"), [(u: Tensor) => f(u), (u: Tensor) => f(f(u))], t),
};

const plain: Fn = (t) => tanh(sin(t).mul(t));
const own = customJvp(plain, ([t], [dt]) => jvp(plain, [t as never], [dt as never]) as [Tensor, Tensor]);
const byHand = customVjp(
  plain,
  (t) => [plain(t), t],
  (t, ct) => [grad((u: Tensor) => plain(u).mul(ct))(t)],
);
const x = tensor([0.5, -0.25]);
const rows = tensor([
  [0.5, -0.25],
  [1, 0.75],
  [-0.5, -0.125],
]);

describe.each(Object.entries(around))("in %s", (_, loop) => {
  test.each([
    ["checkpoint", checkpoint(plain)],
    ["checkpoint of contractions", checkpoint(plain, { policy: "contractions" })],
    ["customJvp", own],
    ["customVjp", byHand],
  ] as const)("%s gives the gradients of the function itself", async (_name, f) => {
    const [want, got] = [loop(plain), loop(f)];
    const nestings: ((h: Fn) => Tensor)[] = [
      (h) => h(x),
      (h) => grad(h)(x),
      (h) => jit(grad(h))(x),
      (h) => vmap(grad(h))(rows),
      (h) => grad(vmap(h))(rows),
      (h) => grad((t: Tensor) => vmap((r: Tensor) => h(t.mul(r)))(rows))(x),
      (h) => grad((t: Tensor) => grad(h)(t).mul(t))(x),
    ];
    for (const nest of nestings) expect(await numbers(nest(got))).toEqual(close(await numbers(nest(want))));
  });

  test("customJvp has tangents, and customVjp has none", async () => {
    expect(await numbers(jvp(loop(own), [x], [x])[1])).toEqual(close(await numbers(jvp(loop(plain), [x], [x])[1])));
    expect(await numbers(hessian((t: Tensor) => loop(own)(t).sum())(x))).toEqual(
      close(await numbers(hessian((t: Tensor) => loop(plain)(t).sum())(x))),
    );
    expect(() => jvp(loop(byHand), [x], [x])).toThrow(TraceError);
  });

  test("collectives combine lanes, and their gradients do", async () => {
    const body: Fn = (t) => t.mul(psum(sin(t), "i"));
    const over = (h: Fn) => vmap(h, { axisName: "i" });
    // psum of three lanes, by hand
    const total: Fn = (t) => t.mul(sin(t).sum(0, { keepDims: true }));
    const isLoop = loop === around.scan || loop === around.foriLoop;
    const [f, g] = isLoop ? [loop(body), loop(total)] : [body, total];
    expect(await numbers(over(f)(rows))).toEqual(close(await numbers(g(rows.reshape([3, 2])))));
    expect(await numbers(grad(over(f))(rows))).toEqual(close(await numbers(grad(g)(rows))));
    expect(await numbers(jit(over(loop(body)))(rows))).toEqual(close(await numbers(over(loop(body))(rows))));
    // the predicate is the same in all lanes: then so is the branch
    const shared: Fn = (t) => loop(body)(t.mul(0).add(axisIndex("i").mul(0)).add(0.5));
    expect(await numbers(over(shared)(rows))).toHaveLength(6);
  });

  test("lanes differ where nothing but the lane's number does", async () => {
    const f = vmap((_: Tensor) => loop((t) => t.add(axisIndex("i")))(tensor(0.25)), { axisName: "i" });
    const lane = (i: number) => loop((t) => t.add(i))(tensor(0.25));
    const want = await Promise.all([0, 1, 2].map((i) => lane(i).item()));
    expect(await numbers(f(numpy.zeros([3])))).toEqual(close(want));
  });

  test("customVmap is called with the lanes of the loop's values", async () => {
    const f = customVmap(
      (t: Tensor) => t.mul(2),
      (_size, _batched, [t]) => [t.mul(2).add(0.001), true],
    );
    const got = await numbers(vmap(loop(f))(rows));
    const want = await numbers(vmap(loop((t) => t.mul(2).add(0.001)))(rows));
    expect(got).toEqual(close(want));
  });
});

test("a checkpointed step of a scan stacks its carry alone", () => {
  const step: Fn = (t) => tanh(sin(tanh(sin(tanh(sin(t))))));
  const loss = (f: Fn) => (t: Tensor) => scan((c: Tensor, _: null) => [f(c), null], t, null, { length: 64 })[0];
  const peak = (f: Fn) => jit(grad(loss(f))).lower(numpy.ones([256])).memory.peakBytes;
  const stack = 64 * 256 * 4;
  expect(peak(step)).toBeGreaterThan(3 * stack);
  expect(peak(checkpoint(step))).toBeLessThan(2 * stack);
});

test("a while loop takes rules and collectives forward", async () => {
  const f = (h: Fn) => (t: Tensor) =>
    whileLoop(
      (c: Tensor) => c.sum().lt(40),
      (c: Tensor) => h(c.mul(2)),
      t,
    );
  const shifted = customJvp(
    (t: Tensor) => t.add(1),
    ([t], [dt]) => [t.add(1), dt.mul(3)],
  );
  expect(await numbers(jvp(f(shifted), [tensor(1)], [tensor(1)])[1])).toEqual([6 ** 5]);
  const lanes = vmap(
    f((t) => t.add(psum(t, "i").mul(0))),
    { axisName: "i" },
  );
  expect(await numbers(lanes(tensor([1, 5, 50])))).toEqual([64, 40, 50]);
});

gpuTest("loops and branches of all of these give on the GPU what they give on the CPU", async () => {
  const all = jit((r: Tensor) =>
    Object.values(around).flatMap((loop) =>
      [checkpoint(plain), own, byHand, (t: Tensor) => t.mul(psum(sin(t), "i"))].map((f) => {
        const overLanes = vmap(loop(f), { axisName: "i" });
        return grad((m: Tensor) => overLanes(m).sum())(r);
      }),
    ),
  );
  const want = await Promise.all((all(rows) as Tensor[]).map(numbers));
  setDevice("gpu");
  const got = await Promise.all((all(rows) as Tensor[]).map(numbers));
  setDevice("cpu");
  expect(got).toEqual(want.map(close));
});
