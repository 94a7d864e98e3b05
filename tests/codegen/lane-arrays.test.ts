// Lanes that keep arrays of their own: one kernel with a loop, and what the interpreter gives.
import { describe, expect, test } from "vitest";
import { compileGraph, compileStages } from "../../compiler/compile.js";
import type { Aval } from "../../compiler/core/aval.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { baseLimits } from "../../compiler/ir/program.js";
import { showStage } from "../../compiler/report.js";
import {
  cond,
  cumsum,
  foriLoop,
  grad,
  maximum,
  ones,
  scan,
  sort,
  stack,
  switchCase,
  type Tensor,
  tensor,
  vmap,
  where,
  whileLoop,
  zeros,
} from "../../index.js";
import { draw } from "../support/arrays.js";
import { gpuTest } from "../support/gpu.js";
import { bool, expectGpuAgrees, f32, i32, trace } from "../support/trace.js";
import { randomStream } from "../support/ulp.js";

const LANES = 70; // more than a workgroup

/** The vmapped function as a Graph; its arguments have these types in each lane. */
const lanesOf = (types: readonly Aval[], fn: (...args: Tensor[]) => Tensor | readonly Tensor[]): Graph =>
  trace(
    types.map(({ dtype, shape }) => ({ dtype, shape: [LANES, ...shape] })),
    vmap(fn as (...args: Tensor[]) => Tensor[]) as never,
  );

const drawn = (graph: Graph, low: number, high: number): NDArray[] => {
  const random = randomStream(7);
  return graph.inputs.map((v) => draw(random, v.aval, v.aval.dtype === "bool" ? [0, 1] : [low, high]));
};

/** One dispatch with a loop in it, and the numbers of the interpreter. */
async function expectOneKernel(graph: Graph, low = -4, high = 9): Promise<void> {
  const { dispatches, schedule } = compileGraph(graph, baseLimits);
  const loops = dispatches.filter(({ wgsl }) => /var a\d+: array<(f32|i32|u32|bool), \d+>;/.test(wgsl));
  expect(loops).toHaveLength(1);
  // others bring stacked results in another order
  expect(schedule).toEqual(dispatches.map((_, i) => i));
  await expectGpuAgrees(graph, drawn(graph, low, high));
}

const index = (n: number): Tensor => tensor(n, { dtype: "i32" });

/** Insertion sort of a row, as one would write it for one row. */
const insertionSort = (row: Tensor): Tensor =>
  foriLoop(
    1,
    row.shape[0]!,
    (i, a: Tensor) => {
      const key = a.at(i);
      const [j, moved] = whileLoop(
        ([j, a]) => j.ge(0).and(a.at(maximum(j, 0)).gt(key)),
        ([j, a]) => [j.sub(1), a.update(j.add(1)).set(a.at(j))],
        [i.sub(1), a],
      );
      return moved.update(j.add(1)).set(key);
    },
    row,
  );

describe("one kernel is", () => {
  gpuTest("a ring of the last values, under a counter that lanes share", async () => {
    const graph = lanesOf([f32()], (x) => {
      const { i, ring } = whileLoop(
        ({ i }) => i.lt(20),
        ({ i, ring }) => ({ i: i.add(1), ring: ring.update(i.sub(i.div(5).astype("i32").mul(5))).add(x) }),
        { i: index(0), ring: zeros([5]) },
      );
      return [i, ring];
    });
    await expectOneKernel(graph);
  });

  gpuTest("an insertion sort, in place", async () => {
    const graph = lanesOf([f32(8)], insertionSort);
    await expectOneKernel(graph);
    const { wgsl } = compileGraph(graph, baseLimits).dispatches[0]!;
    // one array; it is copied from memory and back, and never in between
    expect(wgsl.match(/var a\d+: array/g)).toHaveLength(1);
    expect(wgsl.match(/for \(/g)).toHaveLength(3);
  });

  gpuTest("a sort of one row alone, and of rows of rows", async () => {
    await expectOneKernel(trace([f32(9)], insertionSort));
    const graph = trace([f32(3, 5, 6)], (x) => vmap(vmap(insertionSort))(x!));
    await expectOneKernel(graph);
  });

  gpuTest("a loop over columns, which are the lanes", async () => {
    const graph = trace([f32(6, LANES)], (x) => vmap(insertionSort, { inAxes: 1, outAxes: 1 })(x!));
    const loops = compileGraph(graph, baseLimits).dispatches.filter(({ wgsl }) => wgsl.includes("var a"));
    expect(loops).toHaveLength(1);
    await expectGpuAgrees(graph, drawn(graph, 0, 9));
  });

  gpuTest("a histogram of a table that all lanes read, each from a place of its own", async () => {
    const table = f32(12);
    const graph = trace([table, i32(LANES)], (t, starts) =>
      vmap((start: Tensor) =>
        foriLoop(
          0,
          9,
          (i, counts: Tensor) => {
            const value = t!.at(start.add(i).clip(0, 11));
            return counts.update(value.clip(0, 3).astype("i32")).add(1);
          },
          zeros([4]).astype("i32"),
        ),
      )(starts!),
    );
    const [values, starts] = drawn(graph, 0, 4) as [NDArray, NDArray];
    expect(compileGraph(graph, baseLimits).dispatches.filter(({ wgsl }) => wgsl.includes("for ("))).toHaveLength(1);
    await expectGpuAgrees(graph, [values, starts]);
  });

  gpuTest("arrays that change places, and sums over them", async () => {
    const graph = lanesOf([f32()], (x) =>
      whileLoop(
        ([i]) => i.lt(x),
        ([i, a, b, c]) => [i.add(1), b.mul(0.5), c, a.add(b.sum()).sub(c.max())],
        [tensor(0), stack([x, x.mul(2), tensor(1)]), zeros([3]).add(x), ones([3])],
      ),
    );
    await expectOneKernel(graph, 0, 5);
  });

  gpuTest("a write under a condition, without a copy", async () => {
    const graph = lanesOf([f32()], (x) =>
      whileLoop(
        ([i]) => i.lt(9),
        ([i, a]) => {
          const write = (a: Tensor): Tensor => a.update(i).set(x.mul(i.astype("f32")));
          return [i.add(1), cond(x.gt(i.astype("f32")), write, (a: Tensor) => a, a)];
        },
        [index(0), zeros([9])],
      ),
    );
    await expectOneKernel(graph);
    expect(compileGraph(graph, baseLimits).dispatches[0]!.wgsl.match(/var a\d+: array/g)).toHaveLength(1);
  });

  gpuTest("a switch of lanes between writes, inside of a while of lanes, inside of a switch", async () => {
    const graph = lanesOf([i32(), f32(6)], (n, row) => {
      const walk = (row: Tensor): Tensor =>
        whileLoop(
          ([i]) => i.lt(n),
          ([i, a]) => {
            const next = switchCase(
              a.at(i).astype("i32"),
              [
                (a: Tensor) => a.update(i).add(1),
                (a: Tensor) => a.flip(0),
                (a: Tensor) => insertionSort(a.update(0).set(-1)),
              ],
              a,
            );
            return [i.add(1), next];
          },
          [index(0), row],
        )[1];
      return switchCase(n.sub(3), [walk, (row: Tensor) => walk(row.mul(2)).add(row)], row);
    });
    await expectOneKernel(graph, -1, 6);
  });

  gpuTest("arrays of every dtype, boxes, and updates that are dropped", async () => {
    const graph = lanesOf([i32(), bool(4), i32(5)], (n, flags, counts) =>
      whileLoop(
        ([i]) => i.lt(n),
        ([i, flags, counts, grid]) => [
          i.add(1),
          flags.update(i.sub(1), { mode: "drop" }).set(flags.at(i).not()),
          where(flags.at(0), counts.mul(2), counts).update(n.sub(i), { mode: "drop" }).max(7),
          grid
            .update([i.sub(2), [0, 2]])
            .set(counts.at(1).astype("f32"))
            .add(counts.sum().astype("f32")),
        ],
        [index(0), flags, counts, zeros([3, 4])],
      ),
    );
    await expectOneKernel(graph, 0, 7);
  });

  gpuTest("a scan that stacks numbers and arrays, forwards and in reverse", async () => {
    for (const reverse of [false, true]) {
      const graph = lanesOf([f32(6), f32(3)], (xs, start) => {
        const step = (a: Tensor, x: Tensor): [Tensor, [Tensor, Tensor]] => {
          const next = a.update(x.abs().astype("i32")).add(x);
          return [next, [next.max(), next.mul(x)]];
        };
        const [last, [most, all]] = scan(step, start, xs, { reverse });
        return [last, most, all];
      });
      await expectOneKernel(graph, -3, 3);
    }
  });

  gpuTest("a loop with a bound, and what comes before and after it", async () => {
    const graph = lanesOf([f32(4), f32()], (row, x) => {
      const [, a] = whileLoop(
        ([s]) => s.lt(50),
        ([s, a]) => [s.add(a.at(s.astype("i32").clip(0, 3)).abs()), a.update(0).add(s)],
        [x.exp(), row.mul(2)],
        { maxSteps: 6 },
      );
      return a;
    });
    await expectOneKernel(graph, -2, 2);
  });
});

gpuTest("more results than a kernel binds, and a counter that all lanes share", async () => {
  const graph = trace([f32(LANES)], (x) =>
    whileLoop(
      (all) => all[9]!.lt(3),
      (all) => [...all.slice(0, 9).map((y, k) => y.mul(0.5).add(all[(k + 1) % 9]!)), all[9]!.add(1)] as [Tensor],
      [x!, ...Array.from({ length: 8 }, (_, k) => x!.add(k)), zeros([])] as [Tensor, ...Tensor[]],
    ),
  );
  await expectGpuAgrees(graph);
});

test("constants among what a loop starts with need no buffer", () => {
  const graph = lanesOf([f32()], (x) =>
    whileLoop(
      ([x]) => x.lt(50),
      (all) => all.map((y, k) => y.add(all[(k + 1) % all.length]!).mul(0.75)) as [Tensor, ...Tensor[]],
      [x, ...Array.from({ length: 11 }, (_, k) => zeros([]).add(k))],
    ).slice(0, 1),
  );
  expect(compileStages(graph, baseLimits).notLocal).toEqual([]);
});

test("arrays that a device cannot bind together are given as the reason", () => {
  const graph = trace(
    Array.from({ length: 9 }, () => f32(LANES)),
    (...xs) =>
      vmap((...xs: Tensor[]) =>
        whileLoop(
          (all) => all[0]!.lt(50),
          (all) => all.map((y, k) => y.abs().add(all[(k + 1) % 9]!)) as [Tensor, ...Tensor[]],
          xs as [Tensor, ...Tensor[]],
        ),
      )(...(xs as [Tensor, ...Tensor[]]))[0]!,
  );
  const text = (maxStorageBuffers: number): string =>
    showStage(compileStages(graph, { ...baseLimits, maxStorageBuffers }), "kernels");
  expect(text(8)).toMatch(/because it reads 9 arrays; the device binds 7 beside a result/);
  expect(text(10)).not.toMatch(/not in the lanes/);
});

describe("the gradient", () => {
  gpuTest("of a bounded loop over an array is that of the interpreter", async () => {
    const walk = (row: Tensor): Tensor =>
      whileLoop(
        ([i, a]) => i.lt(3).and(a.at(i).lt(4)),
        ([i, a]) => [i.add(1), a.update(i.add(1)).mul(a.at(i))],
        [index(0), row],
        { maxSteps: 5 },
      )[1].sum();
    await expectGpuAgrees(lanesOf([f32(4)], grad(walk)));
  });
});

describe("`dump` says why lanes do not keep to themselves:", () => {
  const reasons = (graph: Graph): string => showStage(compileStages(graph, baseLimits), "kernels");

  test.each<[name: string, body: (a: Tensor) => Tensor, reason: RegExp]>([
    [
      "an op with dispatches of its own",
      (a) => sort(a),
      /because sortOrder has kernels of its own\n {2}at \w+:i32\[70,5\] = sortOrder/,
    ], // prettier-ignore
    ["running sums", (a) => cumsum(a), /because cumsum has kernels of its own/],
  ])("%s", (_name, body, reason) => {
    const graph = lanesOf([f32(5)], (x) =>
      whileLoop(
        (a) => a.sum().lt(9),
        (a) => body(a).add(1),
        x,
      ),
    );
    expect(reasons(graph)).toMatch(/not in the lanes of a kernel: \w+:f32\[70,5\] = while/);
    expect(reasons(graph)).toMatch(reason);
  });

  test("arrays that are too long", () => {
    const graph = lanesOf([f32(300)], (x) =>
      whileLoop(
        (a) => a.at(0).lt(9),
        (a) => a.update(0).add(1),
        x,
      ),
    );
    expect(reasons(graph)).toMatch(/a lane would hold an array of 300 elements; 256 are the most/);
  });

  test("lanes that read each other", () => {
    const graph = trace([f32(LANES, 3)], (x) =>
      foriLoop(0, 4, (i, a: Tensor) => a.update(i.clip(0, 2)).add(a.flip(0).at(0)), x),
    );
    expect(reasons(graph)).toMatch(/not in the lanes of a kernel/);
  });
});
