// fuse: what becomes one kernel, where chains are cut, and that no kernel waits for itself.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileStages } from "../../compiler/compile.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { printGraph } from "../../compiler/ir/print.js";
import { baseLimits, type DeviceLimits } from "../../compiler/ir/program.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { vmap } from "../../compiler/transforms/vmap.js";
import * as np from "../../library/numpy/index.js";
import { difference } from "../support/arrays.js";
import { faultsOfFused, faultsOfProgram, interpretFused } from "../support/check-program.js";
import { gpuTest } from "../support/gpu.js";
import { cook, recipes } from "../support/random-graph.js";
import { expectGpuAgrees, f32, i32, trace } from "../support/trace.js";

/** The kernels of a Graph, after checking what every fused Graph promises. */
function kernelsOf(graph: Graph, limits: DeviceLimits = baseLimits) {
  const { fused, program } = compileStages(graph, limits);
  const text = printGraph(graph);
  expect(faultsOfFused(fused, limits), text).toEqual([]);
  expect(faultsOfProgram(program, limits), text).toEqual([]);
  return fused.kernels.filter(({ stores, size }) => stores.length > 0 && size > 0);
}

describe("one kernel", () => {
  test("computes a chain of elementwise operations", () => {
    const graph = trace([f32(100), f32(100)], (x, y) => x.mul(y).add(1).tanh().sub(x).maximum(0));
    expect(kernelsOf(graph)).toHaveLength(1);
  });

  test("reads through views, which cost none", () => {
    const graph = trace([f32(6, 4)], (x) =>
      x.T.slice([1, 4], [null, null, 2]).flip(0).pad(1).reshape(-1).expandDims(0).broadcastTo([5, 25]).mul(2),
    );
    expect(kernelsOf(graph)).toHaveLength(1);
  });

  test("reads through thousands of views in a row", () => {
    const graph = trace([f32(100)], (x) => {
      let y = x.mul(2);
      for (let i = 0; i < 5000; i++) y = y.reshape(i % 2 === 0 ? [2, 50] : [100]);
      return y.add(1);
    });
    expect(kernelsOf(graph)).toHaveLength(1);
  });

  test("joins arrays, each of them computed", () => {
    const graph = trace([f32(4), f32(4)], (x, y) => np.concatenate([x.mul(2), y.add(x), x]));
    expect(kernelsOf(graph)).toHaveLength(1);
  });

  test("folds rows with what comes before and after", () => {
    const graph = trace([f32(8, 700), f32(8)], (x, y) => x.mul(x).add(1).sum(1).tanh().mul(y));
    const [kernel, ...others] = kernelsOf(graph);
    expect(others).toEqual([]);
    expect(kernel!.kind).toBe("reduce");
    expect(compileStages(graph, baseLimits).program.dispatches).toHaveLength(1);
  });

  test("multiplies matrices with what comes before and after", () => {
    const graph = trace([f32(40, 30), f32(50, 30), f32(50)], (x, w, b) => x.mul(2).matmul(w.T).add(b).maximum(0));
    const [kernel, ...others] = kernelsOf(graph);
    expect(others).toEqual([]);
    expect(kernel!.kind).toBe("contract");
  });

  test("has several results", () => {
    const graph = trace([f32(100), f32(100)], (x, y) => [x.add(y), x.mul(y), x.add(y).tanh(), x.reshape([10, 10]).T]);
    expect(kernelsOf(graph)).toHaveLength(1);
  });

  test("folds rows of one operand in several ways", () => {
    const graph = trace([f32(8, 700)], (x) => [x.sum(1), x.max(1), x.square().sum(1)]);
    expect(kernelsOf(graph)).toHaveLength(1);
  });

  test("is the vmapped convolution of three slices", () => {
    const convolve = (x: Tensor, w: Tensor): Tensor => {
      const n = x.shape[0]!;
      const [a, b, c] = [0, 1, 2].map((i) => x.slice([i, n - 2 + i]).mul(w.at(i)));
      return a!.add(b!).add(c!);
    };
    const graph = trace([f32(4096, 1024), f32(3)], vmap(convolve, [0, null]));
    expect(kernelsOf(graph)).toHaveLength(1);
  });

  test("is the vmapped loop over 62 windows", () => {
    const convolve = (x: Tensor, w: Tensor): Tensor => {
      const windows: Tensor[] = [];
      for (let i = 1; i < x.shape[0]! - 1; i++) windows.push(np.dot(x.slice([i - 1, i + 2]), w));
      return np.stack(windows);
    };
    for (const graph of [
      trace([f32(3, 64), f32(3, 3)], vmap(convolve)),
      trace([f32(3, 64), f32(3)], vmap(convolve, [0, null])),
      trace([f32(64), f32(3)], convolve),
    ]) {
      expect(kernelsOf(graph)).toHaveLength(1);
    }
  });
});

describe("no kernel", () => {
  test("is needed where the results are the inputs in other shapes", () => {
    const graph = trace([f32(2, 6)], (x) => [x, x.reshape(-1), x.expandDims(0).add(-0)]);
    expect(kernelsOf(graph)).toEqual([]);
  });

  test("is needed for arrays without elements", () => {
    expect(kernelsOf(trace([f32(0, 3)], (x) => x.mul(2).add(1)))).toEqual([]);
  });

  test("writes an array without elements that another kernel reads", () => {
    const graph = trace([f32(0, 20), f32(3)], (x, y) => np.concatenate([x.sum(1), y]).add(1));
    expect(kernelsOf(graph)).toHaveLength(1);
  });

  test("is emitted for what nobody reads", () => {
    const graph = trace([f32(4, 100)], (x) => {
      x.sum(1).exp();
      return x.add(1);
    });
    expect(kernelsOf(graph)).toHaveLength(1);
  });
});

describe("a kernel ends", () => {
  test("where a sum over an axis is read at another place", () => {
    const softmax = trace([f32(8, 100)], (x) => {
      const e = x.sub(x.max(1, { keepDims: true })).exp();
      return e.div(e.sum(1, { keepDims: true }));
    });
    const kinds = kernelsOf(softmax).map(({ kind }) => kind);
    expect(kinds).toEqual(["reduce", "reduce", "map"]);
  });

  test("before it is too long: 2,000 operations make a few", () => {
    const kernels = kernelsOf(chain(2000));
    expect(kernels.length).toBeGreaterThan(1);
    expect(kernels.length).toBeLessThan(10);
    expect(kernels.flatMap(({ why }) => why)).toContain("one kernel holds at most 1000 instructions");
  });

  test("where reading back is cheaper than computing again", () => {
    const graph = trace([f32(1000)], (x) => {
      const y = x.sin();
      return Array.from({ length: 8 }, (_, i) => y.slice([i, 992 + i])).reduce((sum, z) => sum.add(z));
    });
    const kernels = kernelsOf(graph);
    expect(kernels.map(({ why }) => why)).toEqual([
      ["reading it back is cheaper than computing it again at every use"],
      ["it is a result"],
    ]);
  });

  test("nowhere, when computing again is cheaper than reading back", () => {
    const graph = trace([f32(1000)], (x) => {
      const y = x.mul(2);
      return Array.from({ length: 8 }, (_, i) => y.slice([i, 992 + i])).reduce((sum, z) => sum.add(z));
    });
    expect(kernelsOf(graph)).toHaveLength(1);
  });

  test("before it binds more arrays than the device can", () => {
    const types = Array.from({ length: 40 }, () => f32(10));
    for (const graph of [
      trace(types, (...xs) => np.concatenate(xs)),
      trace(types, (...xs) => np.stack(xs)),
      trace(types, (...xs) => xs.reduce((sum, x) => sum.add(x))),
      trace(types, (...xs) => xs.map((x) => x.mul(2))),
      trace(types, (...xs) => np.stack(xs.map((x, i) => x.mul(xs[(i * 7) % 40]!)))),
    ]) {
      // every kernel of this binds at most eight, which kernelsOf checks
      const kernels = kernelsOf(graph);
      expect(kernels.length).toBeGreaterThan(4);
      expect(kernels.length).toBeLessThan(30);
    }
  });
});

describe("a kernel reads only what is there", () => {
  test("when the epilogue of a sum reads what the sum was made of", () => {
    const graph = trace([f32(8, 8)], (x) => {
      const y = x.exp();
      return [y.sum(1).mul(2), y, y.sum(1).add(y.sum(0))];
    });
    kernelsOf(graph);
  });

  test("when one fold of a size depends on another", () => {
    const graph = trace([f32(30, 30)], (x) => {
      const first = x.sum(1);
      const second = x.mul(first).sum(1);
      return [second, first.add(second), x.sub(second.expandDims(1)).sum(1)];
    });
    kernelsOf(graph);
  });

  test("when kernels of one size wait for each other in turns", () => {
    // a and d could share a kernel, b and c too, but then each would wait for the other
    const graph = trace([f32(100), f32(100)], (x, y) => {
      const a = x.add(1);
      const b = y.sum().mul(2);
      const c = a.flip(0).sum().add(b);
      const d = y.mul(b).flip(0);
      return [a, b, c, d, d.add(c), a.mul(c)];
    });
    kernelsOf(graph);
  });

  test("in random graphs, whose kernels give what the graph gives", () => {
    const limits = [baseLimits, { ...baseLimits, maxStorageBuffers: 5 }, { ...baseLimits, maxStorageBuffers: 16 }];
    const property = fc.property(recipes, (recipe) => {
      const { graph, inputs } = cook(recipe);
      const limit = limits[recipe.seed % limits.length]!;
      kernelsOf(graph, limit);
      const { fused } = compileStages(graph, limit);
      const got = interpretFused(fused, inputs);
      interpret(graph, inputs).forEach((x, k) => {
        expect(difference(got[k]!, x), `result ${k}\n${printGraph(graph)}`).toBeUndefined();
      });
    });
    fc.assert(property, { seed: 11, numRuns: 300 });
  });
});

/** n operations, each on the result of the one before. */
function chain(n: number): Graph {
  return trace([f32(1000), f32(1000)], (x, y) => {
    let z = x;
    for (let i = 0; i < n; i += 2) z = z.mul(0.5).add(y);
    return z;
  });
}

gpuTest("a chain of 2,000 operations gives on the GPU what it gives on the CPU", async () => {
  await expectGpuAgrees(chain(2000));
});

gpuTest("joined, stacked and summed arrays of more than a kernel binds are right", async () => {
  const types = Array.from({ length: 40 }, () => f32(3));
  await expectGpuAgrees(trace(types, (...xs) => np.concatenate(xs)));
  await expectGpuAgrees(trace(types, (...xs) => np.stack(xs, 1)));
  await expectGpuAgrees(trace(types, (...xs) => xs.reduce((sum, x) => sum.add(x))));
});

gpuTest("kernels that share their work are right", async () => {
  await expectGpuAgrees(
    trace([f32(8, 100)], (x) => {
      const e = x.sub(x.max(1, { keepDims: true })).exp();
      return [e.div(e.sum(1, { keepDims: true })), x.argmax(1), x.sum(0), x.max(1)];
    }),
  );
  await expectGpuAgrees(
    trace([f32(30, 30), i32(30)], (x, i) => {
      const first = x.sum(1);
      const second = x.mul(first).sum(1);
      return [second, first.add(second), np.take(x, i, 0).sum(1), first];
    }),
  );
  await expectGpuAgrees(
    trace([f32(40, 30), f32(50, 30), f32(50)], (x, w, b) => [x.matmul(w.T).add(b).tanh(), x.mul(2)]),
  );
});
