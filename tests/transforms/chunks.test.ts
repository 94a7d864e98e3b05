// vmap with chunkSize: the same results from fewer lanes at a time, in less memory.
import {
  grad,
  hessian,
  jit,
  jvp,
  LanewiseError,
  MemoryError,
  ones,
  psum,
  ShapeError,
  setDevice,
  setMemoryBudget,
  Tensor,
  tensor,
  type VmapOptions,
  vmap,
} from "lanewise";
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { memoryBudget } from "../../runtime/budget.js";
import { errorOf } from "../runtime/support.js";
import { gpuTest, hasGpu } from "../support/gpu.js";

afterAll(() => setDevice("auto"));

/** Small whole numbers, so that sums are exact in any order. */
const numbers = (...shape: number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(Float32Array.from({ length: size }, (_, i) => ((i * 7 + 3) % 11) - 5)).reshape(shape);
};

/** A tensor, or a tree of them. */
type Tree = object;

async function read(x: Tree): Promise<unknown> {
  if (x instanceof Tensor) return { shape: x.shape, data: [...(await x.data())] };
  return Promise.all(Object.values(x).map((item) => read(item as Tree)));
}

describe.each(hasGpu ? (["cpu", "gpu"] as const) : (["cpu"] as const))("on the %s", (kind) => {
  beforeEach(() => setDevice(kind));

  /** Any chunk gives what all lanes at once give. */
  async function expectSame(
    fn: (...args: never[]) => unknown,
    options: VmapOptions,
    wrap: (f: (...args: Tensor[]) => Tree) => (...args: Tensor[]) => Tree,
    args: readonly Tensor[],
    chunks: readonly number[],
  ): Promise<void> {
    const one = fn as (...args: Tensor[]) => Tensor;
    const mapped = (more: VmapOptions): ((...args: Tensor[]) => Tree) => {
      const merged: VmapOptions = { ...options, ...more };
      const made: unknown = vmap(one, merged);
      return wrap(made as (...args: Tensor[]) => Tree);
    };
    const want = await read(mapped({})(...args));
    for (const chunkSize of chunks) {
      expect(await read(mapped({ chunkSize })(...args)), `chunks of ${chunkSize}`).toEqual(want);
    }
  }

  const compiled = (f: (...args: Tensor[]) => Tree) => jit(f as (...args: Tensor[]) => Tensor);
  const plain = (f: (...args: Tensor[]) => Tree) => f;
  const all = kind === "cpu" ? [1, 2, 3, 4, 6, 7, 100] : [3];

  test("any chunk gives the same, divisor or not", async () => {
    const f = (x: Tensor, w: Tensor): Tensor => x.mul(2).matmul(w).sum();
    await expectSame(f, { inAxes: [0, null] }, plain, [numbers(7, 4), numbers(4, 2)], all);
    await expectSame(f, { inAxes: [0, null] }, compiled, [numbers(7, 4), numbers(4, 2)], all);
    for (const size of [0, 1, 2, 10]) {
      await expectSame((x: Tensor) => x.add(1), {}, plain, [numbers(size, 3)], kind === "cpu" ? [1, 2, 5] : [2]);
    }
  });

  test("with lanes along any axes of arguments and results, trees of them, and results that all lanes share", async () => {
    const f = (x: Tensor, p: Tensor, w: Tensor) => ({
      a: x.mul(p.sum()),
      b: [x.sum(), w.mul(2)],
      c: w.add(x.at(0)).reshape([1, 3]),
      d: x.gt(0),
    });
    const args = [numbers(4, 7), numbers(2, 3, 7), numbers(3)];
    const inAxes = [1, -1, null] as const;
    await expectSame(f, { inAxes }, plain, args, all);
    await expectSame(f, { inAxes, outAxes: { a: 1, b: [0, null], c: -1, d: 1 } }, plain, args, all);
  });

  test("with values from outside, and with axisSize alone", async () => {
    const w = numbers(3);
    await expectSame((x: Tensor) => x.mul(w).sum(), {}, plain, [numbers(5, 3)], all);
    await expectSame((x: Tensor) => x.mul(w), { inAxes: null, axisSize: 5 }, plain, [numbers(3)], all);
    const outer = (chunkSize?: number) => (scale: Tensor) =>
      vmap((x: Tensor) => x.mul(scale), chunkSize === undefined ? {} : { chunkSize })(numbers(5, 3)).sum();
    expect(await grad(outer(2))(tensor(2)).item()).toBe(await grad(outer())(tensor(2)).item());
  });

  test("under grad and inside of it, to the second order", async () => {
    const f = (x: Tensor, w: Tensor): Tensor => x.mul(w).mul(x).sum();
    const args = [numbers(7, 3), numbers(3)];
    const both = (g: (...args: Tensor[]) => Tree) => grad(g as (x: Tensor, w: Tensor) => Tensor, { argnums: [0, 1] });
    await expectSame(f, { inAxes: [0, null] }, both as never, args, all);
    await expectSame(f, { inAxes: [0, null] }, ((g: never) => jit(both(g) as never)) as never, args, all);
    await expectSame(grad(f), { inAxes: [0, null] }, compiled, args, all);
    await expectSame(hessian(f), { inAxes: [0, null] }, plain, args, kind === "cpu" ? all : []);
    const moved = (g: (...args: Tensor[]) => Tree) => (x: Tensor, w: Tensor) =>
      jvp(g as (x: Tensor, w: Tensor) => Tensor, [x, w], [ones([7, 3]), ones([3])]);
    await expectSame(f, { inAxes: [0, null] }, moved as never, args, all);
    const second = (g: (...args: Tensor[]) => Tree) =>
      grad((x: Tensor, w: Tensor) => grad(g as (x: Tensor, w: Tensor) => Tensor)(x, w).sum());
    await expectSame(
      (x: Tensor) => x.mul(x).mul(x).sum(),
      { inAxes: [0, null] },
      second as never,
      args.slice(0, 1),
      kind === "cpu" ? all : [],
    );
  });

  test("nested, each with its own chunk", async () => {
    const pair = (x: Tensor, y: Tensor): Tensor => x.sub(y).mul(x).sum();
    const grid = (a?: number, b?: number) => {
      const inner = vmap(pair, { inAxes: [null, 0], ...(a === undefined ? {} : { chunkSize: a }) });
      return jit(vmap(inner, { inAxes: [0, null], ...(b === undefined ? {} : { chunkSize: b }) }));
    };
    const [x, y] = [numbers(5, 3), numbers(7, 3)];
    const want = await grid()(x, y).toArray();
    for (const [a, b] of kind === "cpu" ? [[2], [undefined, 2], [3, 2], [1, 1]] : [[3, 2]]) {
      expect(await grid(a, b)(x, y).toArray()).toEqual(want);
    }
  });

  test("needs less memory between the kernels", () => {
    const f = (x: Tensor): Tensor => {
      const table = x.reshape([64, 1]).mul(x);
      return table.matmul(table).sum();
    };
    const bytes = (chunkSize?: number) =>
      jit(vmap(f, chunkSize === undefined ? {} : { chunkSize })).lower(numbers(64, 64)).memory.peakBytes;
    expect(bytes(8)).toBeLessThan(bytes() / 3);
    expect(bytes(1)).toBeLessThan(bytes(8));
  });
});

test("what all lanes share is computed once", () => {
  const f = (x: Tensor, w: Tensor): Tensor => w.matmul(w).exp().mul(x).sum();
  const { graph } = jit(vmap(f, { inAxes: [0, null], chunkSize: 3 })).lower(numbers(7, 2, 2), numbers(2, 2));
  const names = graph.eqns.map(({ op }) => op.name);
  expect(names.filter((name) => name === "exp")).toHaveLength(1);
  expect(names.indexOf("exp")).toBeLessThan(names.indexOf("scan"));
  expect(names.filter((name) => name === "scan")).toHaveLength(1);
});

test("no scan is made where one chunk holds all lanes", () => {
  for (const chunkSize of [7, 8]) {
    const { graph } = jit(vmap((x: Tensor) => x.exp(), { chunkSize })).lower(numbers(7, 2));
    expect(graph.eqns.map(({ op }) => op.name)).toEqual(["exp"]);
  }
});

test("a chunk is a whole number of lanes", async () => {
  for (const chunkSize of [0, -1, 1.5, Number.NaN]) {
    const error = await errorOf(() => vmap((x: Tensor) => x, { chunkSize }));
    expect(error).toBeInstanceOf(ShapeError);
    expect(error.message).toBe(`vmap: chunkSize ${chunkSize} is not a whole number ≥ 1`);
  }
});

test("collectives need all lanes, so that a named axis has no chunks", async () => {
  const error = await errorOf(() => vmap((x: Tensor) => x, { axisName: "rows", chunkSize: 2 }));
  expect(error).toBeInstanceOf(LanewiseError);
  expect(error.message).toBe(
    "vmap: axisName 'rows' and chunkSize 2 are both given, but collectives need all lanes at once\n  leave out one of them",
  );
  // those over an outer axis are no lanes of ours
  const inner = (x: Tensor): Tensor => psum(x, "outer").mul(x);
  const nested = (chunkSize?: number) =>
    vmap((row: Tensor) => vmap(inner, chunkSize === undefined ? {} : { chunkSize })(row), { axisName: "outer" });
  setDevice("cpu");
  expect(await nested(2)(numbers(3, 5)).toArray()).toEqual(await nested()(numbers(3, 5)).toArray());
});

test("a lane's result that outAxes takes for shared is refused as without chunks", () => {
  const f = vmap((x: Tensor) => x.add(1), { chunkSize: 2, outAxes: null });
  expect(() => f(numbers(5, 3))).toThrow("vmap: outAxes is null at the result, but that result differs between lanes");
});

gpuTest("a call that exceeds the budget is told a chunk that fits, and it does", async () => {
  setDevice("gpu");
  const budget = memoryBudget();
  onTestFinished(() => setMemoryBudget(budget));
  const f = (x: Tensor): Tensor => {
    const table = x.reshape([64, 1]).mul(x);
    return table.matmul(table).sum();
  };
  const x = numbers(256, 64);
  await x.add(0).data();
  setMemoryBudget(2 ** 20);
  for (const call of [vmap(f), jit(vmap(f)), jit(grad(vmap(f)))]) {
    const error = await errorOf(() => call(x).data());
    expect(error).toBeInstanceOf(MemoryError);
    expect(error.message).toMatch(
      /^memory: this call needs .* at its peak, but the budget is 1 MiB\n {2}arguments f32\[256,64\]\n {2}results .*\n {2}compute fewer of the 256 lanes of vmap\(f\) at a time: vmap\(fn, \{ chunkSize: \d+ \}\), or raise the budget: setMemoryBudget\(bytes\)/,
    );
  }
  const advice = /chunkSize: (\d+)/.exec((await errorOf(() => vmap(f)(x).data())).message)!;
  expect(await vmap(f, { chunkSize: Number(advice[1]) })(x).data()).toHaveLength(256);
});
