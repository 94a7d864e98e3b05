// Programs on a device: hand-written ones, what they cost, and in what order things happen.
import { expect } from "vitest";
import { InternalError, MemoryError } from "../../../compiler/core/errors.js";
import { literal, newVar } from "../../../compiler/ir/graph.js";
import type { Tensor } from "../../../compiler/trace/tensor.js";
import { memoryBudget } from "../../../runtime/budget.js";
import { counters, countersSince } from "../../../runtime/counters.js";
import { setMemoryBudget } from "../../../runtime/engine.js";
import { observeCompiles } from "../../../runtime/programs.js";
import { describeGpu, gpuTest } from "../../support/gpu.js";
import { affine, dawnBench, emptyGraph, errorOf, hostTensor, program } from "../support.js";

const n = 16;
const numbers = Float32Array.from({ length: n }, (_, i) => i);

/** An executor with a program of three kernels: ((2x + 1) * 3) - 4. */
async function chain(size = n) {
  const bench = dawnBench();
  const graph = emptyGraph([[size]], [[size]]);
  const scratch = [0, 1].map((index) => ({ kind: "scratch" as const, index }));
  bench.programs.set(
    graph,
    program(graph, [
      affine(size, 2, 1, { writes: [scratch[0]!] }),
      affine(size, 3, 0, { reads: [scratch[0]!], writes: [scratch[1]!] }),
      affine(size, 1, -4, { reads: [scratch[1]!] }),
    ]),
  );
  await bench.executor.ready();
  const call = (x: Tensor): Tensor => bench.executor.run(graph, [x])[0]!;
  return { ...bench, graph, call };
}

const expected = (x: number): number => (2 * x + 1) * 3 - 4;

describeGpu("programs on Dawn", () => {
  gpuTest("dispatches run in order through scratch memory", async () => {
    const { executor, call } = await chain();
    const y = call(hostTensor(executor, numbers));
    expect(y.shape).toEqual([n]);
    expect([...(await y.data())]).toEqual([...numbers].map(expected));
  });

  gpuTest("the second equal call creates nothing, and is one pass and one submit", async () => {
    const { executor, call } = await chain();
    const x = hostTensor(executor, numbers);
    const first = call(x);
    await first.data();
    first.dispose();
    const before = counters();
    const y = call(x);
    await y.data();
    expect(countersSince(before)).toMatchObject({
      programsCompiled: 0,
      pipelinesCreated: 0,
      bindGroupsCreated: 0,
      buffersCreated: 0,
      dispatches: 3,
      passes: 1,
      submits: 1,
      bytesUploaded: 0,
      bytesRead: 64,
    });
  });

  gpuTest("calls made in one go share a submit; after a turn there is another", async () => {
    const { executor, call } = await chain();
    const x = hostTensor(executor, numbers);
    await call(x).data();
    const before = counters();
    for (let i = 0; i < 5; i++) call(x);
    expect(countersSince(before).submits).toBe(0);
    await Promise.resolve();
    expect(countersSince(before)).toMatchObject({ submits: 1, passes: 1, dispatches: 15 });
    call(x);
    await Promise.resolve();
    expect(countersSince(before).submits).toBe(2);
  });

  gpuTest("a long run of calls is submitted on the way, so that the device can begin", async () => {
    const { executor, call } = await chain();
    const x = hostTensor(executor, numbers);
    await call(x).data();
    const before = counters();
    for (let i = 0; i < 100; i++) call(x).dispose();
    expect(countersSince(before).submits).toBeGreaterThanOrEqual(4);
  });

  gpuTest("disposed at once, memory is used again only by later work", async () => {
    const { executor, call } = await chain();
    const x = hostTensor(executor, numbers);
    await call(x).data();
    const before = counters();
    const results: Tensor[] = [];
    for (let i = 0; i < 20; i++) {
      const step = call(x);
      results.push(call(step));
      step.dispose(); // encoded, but not submitted
    }
    const fresh = hostTensor(
      executor,
      numbers.map((v) => v + 100),
    );
    const other = call(fresh); // its upload must not overtake what is encoded
    expect(countersSince(before).buffersCreated).toBeLessThan(30);
    const all = await Promise.all(results.map((y) => y.data()));
    for (const y of all) expect([...y]).toEqual([...numbers].map((v) => expected(expected(v))));
    expect([...(await other.data())]).toEqual([...numbers].map((v) => expected(v + 100)));
  });

  gpuTest("results are the same whatever the order of reads, with many calls in flight", async () => {
    const { executor, call } = await chain();
    const results = Array.from({ length: 40 }, (_, k) =>
      call(
        hostTensor(
          executor,
          numbers.map((v) => v + k),
        ),
      ),
    );
    const reads = results.map((y, k) => ({ y, k })).sort((a, b) => ((a.k * 7) % 40) - ((b.k * 7) % 40));
    await Promise.all(
      reads.map(async ({ y, k }) => expect([...(await y.data())]).toEqual([...numbers].map((v) => expected(v + k)))),
    );
  });

  gpuTest("literals are scalars on the device, compared bit by bit", async () => {
    const { executor, programs } = dawnBench();
    const graph = emptyGraph([[n], []], [[n]]);
    const wgsl = `
      @group(0) @binding(0) var<storage, read> x: array<f32>;
      @group(0) @binding(1) var<storage, read> s: array<u32>;
      @group(0) @binding(2) var<storage, read_write> y: array<f32>;
      @group(0) @binding(3) var<uniform> zero: vec4u;
      @compute @workgroup_size(64)
      fn main(@builtin(global_invocation_id) id: vec3u) {
        if (id.x >= ${n}u) { return; }
        y[id.x] = x[id.x] + f32(s[0] >> 16u) + f32(zero.x + zero.y + zero.z + zero.w);
      }`;
    const reads = [0, 1].map((index) => ({ kind: "input" as const, index }));
    programs.set(graph, program(graph, [affine(n, 1, 0, { wgsl, reads, usesZero: true })]));
    const x = hostTensor(executor, numbers);
    const top = async (value: number): Promise<number> => {
      const [y] = executor.run(graph, [x, literal(value, { dtype: "f32", shape: [] })]);
      return (await y!.data())[1]! - 1;
    };
    expect(await top(1)).toBe(0x3f80);
    expect(await top(0)).toBe(0);
    expect(await top(-0)).toBe(0x8000);
    expect(await top(Number.NaN)).toBe(0x7fc0);
    const before = counters();
    expect(await top(1)).toBe(0x3f80);
    expect(countersSince(before).bytesUploaded).toBe(0);
  });

  gpuTest("a program may have more scalars than the cache holds", async () => {
    const { executor, programs } = dawnBench();
    const count = 600;
    const graph = emptyGraph(new Array(count).fill([]), [[]]);
    const reads = (k: number) => [{ kind: "input" as const, index: k }];
    const dispatches = Array.from({ length: count }, (_, k) =>
      affine(1, 1, 0, {
        wgsl: `
          @group(0) @binding(0) var<storage, read> x: array<f32>;
          @group(0) @binding(1) var<storage, read_write> y: array<f32>;
          @compute @workgroup_size(1)
          fn main() { y[0] = x[0]${k === 0 ? "" : " + y[0]"}; }`,
        reads: reads(k),
      }),
    );
    programs.set(graph, program(graph, dispatches));
    const [y] = executor.run(
      graph,
      Array.from({ length: count }, (_, k) => literal(k + 1, { dtype: "f32", shape: [] })),
    );
    expect(await y!.item()).toBe((count * (count + 1)) / 2);
  });

  gpuTest("results that show an input, or the same elements twice, share memory", async () => {
    const { executor, programs, opened } = dawnBench();
    const graph = emptyGraph([[n]], [[4, 4], [n], [2, 8]]);
    const shared = { kind: "output", index: 0 } as const;
    programs.set(
      graph,
      program(graph, [affine(n, 2, 0)], {
        outputBytes: [4 * n],
        results: graph.outputs.map(({ aval }, i) => ({ aval, from: i === 0 ? { kind: "input", index: 0 } : shared })),
      }),
    );
    await executor.ready();
    const x = hostTensor(executor, numbers);
    const [same, twice, again] = executor.run(graph, [x]);
    x.dispose();
    twice!.dispose();
    expect(await again!.toArray()).toEqual([
      [0, 2, 4, 6, 8, 10, 12, 14],
      [16, 18, 20, 22, 24, 26, 28, 30],
    ]);
    expect(await same!.toArray()).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9, 10, 11],
      [12, 13, 14, 15],
    ]);
    again!.dispose();
    expect(opened).toHaveLength(1);
  });

  gpuTest("booleans are one byte on the host and u32 on the device", async () => {
    const { executor, programs } = dawnBench();
    const shape = [5];
    const graph = { inputs: [newVar({ dtype: "bool", shape })], eqns: [], outputs: [newVar({ dtype: "bool", shape })] };
    const wgsl = `
      @group(0) @binding(0) var<storage, read> x: array<u32>;
      @group(0) @binding(1) var<storage, read_write> y: array<u32>;
      @compute @workgroup_size(64)
      fn main(@builtin(global_invocation_id) id: vec3u) { if (id.x < 5u) { y[id.x] = 1u - x[id.x]; } }`;
    programs.set(graph, program(graph, [affine(5, 1, 0, { wgsl })]));
    const { Tensor } = await import("../../../compiler/trace/tensor.js");
    const data = Uint8Array.of(1, 0, 0, 1, 1);
    const x = new Tensor({ dtype: "bool", shape }, { handle: executor.fromHost({ dtype: "bool", shape, data }) });
    const [y] = executor.run(graph, [x]);
    expect(await y!.data()).toEqual(Uint8Array.of(0, 1, 1, 0, 0));
  });

  gpuTest("an array of size 0 has a buffer, but is not read", async () => {
    const { executor, programs } = dawnBench();
    const graph = emptyGraph([[0, 3]], [[0, 3]]);
    programs.set(graph, program(graph, [affine(1, 1, 0)], { outputBytes: [4] }));
    const [y] = executor.run(graph, [hostTensor(executor, new Float32Array(0), [0, 3])]);
    const before = counters();
    expect(await y!.data()).toEqual(new Float32Array(0));
    expect(countersSince(before).bytesRead).toBe(0);
  });

  gpuTest("large arrays are read in parts", async () => {
    const size = 17 * 1024 * 1024; // 68 MiB, of which a read takes 32 at a time
    const { executor, programs } = dawnBench();
    const graph = emptyGraph([[size]], [[size]]);
    const wide = affine(size, 1, 0.5, {
      wgsl: `
        @group(0) @binding(0) var<storage, read> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3u) {
          let i = id.y * 4194240u + id.x;
          if (i < ${size}u) { y[i] = x[i] + 0.5; }
        }`,
      workgroups: [65535, Math.ceil(size / 64 / 65535), 1],
    });
    programs.set(graph, program(graph, [wide]));
    const x = Float32Array.from({ length: size }, (_, i) => i % 1000);
    const [y] = executor.run(graph, [hostTensor(executor, x)]);
    const { data } = await y!.handle.read();
    expect(data).toHaveLength(size);
    let wrong = 0;
    for (let i = 0; i < size; i++) if (data[i] !== x[i]! + 0.5) wrong++;
    expect(wrong).toBe(0);
  });

  gpuTest("a small result that was read is kept on the host", async () => {
    const { executor, call } = await chain();
    const y = call(hostTensor(executor, numbers));
    expect(y.handle.host).toBeUndefined();
    await y.data();
    expect(y.handle.host?.data[1]).toBe(expected(1));
    const before = counters();
    await y.data();
    expect(countersSince(before).bytesRead).toBe(0);
  });

  gpuTest("code that Dawn refuses rejects the reads of its results, and of what depends on them, alone", async () => {
    const { executor, programs, call } = await chain();
    const bad = emptyGraph([[n]], [[n]]);
    programs.set(bad, program(bad, [affine(n, 1, 0, { name: "k7", wgsl: "fn main() { let x = y; }" })]));
    const x = hostTensor(executor, numbers);
    const before = call(x);
    const [broken] = executor.run(bad, [x]);
    const dependent = call(broken!);
    const after = call(x);
    const error = await errorOf(() => dependent.data());
    expect(error).toBeInstanceOf(InternalError);
    expect(error.message).toMatch(/^Dawn refused the code of kernel k7: /);
    expect(error.message).toContain("unresolved value 'y'");
    expect(error.message).toContain("fn main() { let x = y; }");
    await expect(broken!.data()).rejects.toBe(error);
    for (const y of [before, after]) expect((await y.data())[1]).toBe(expected(1));
  });

  gpuTest("a program that cannot fit is refused before anything is made", async () => {
    const { executor, programs, opened } = dawnBench();
    await executor.ready();
    const most = opened[0]!.limits.maxBindingBytes / 4;
    const size = most + 64;
    const graph = emptyGraph([[n]], [[size]]);
    programs.set(graph, program(graph, [affine(n, 1, 0)], { outputBytes: [size * 4] }));
    const before = counters();
    const error = await errorOf(() => executor.run(graph, [hostTensor(executor, numbers)]));
    expect(error).toBeInstanceOf(MemoryError);
    expect(error.message).toMatch(/^memory: f32\[\d+\] takes [\d.]+ [MG]iB, but one array on .* can have at most /);
    expect(countersSince(before)).toMatchObject({ buffersCreated: 0, pipelinesCreated: 0, liveBytes: 0 });

    const peak = emptyGraph([[n]], [[n]]);
    programs.set(peak, program(peak, [affine(n, 1, 0)], { peakBytes: 2 ** 50 }));
    expect(() => executor.run(peak, [hostTensor(executor, numbers)])).toThrow(
      /^memory: this call needs 1024 TiB at its peak, but the budget is .*\n {2}arguments f32\[16\]\n {2}results f32\[16\]/,
    );
    expect(memoryBudget()).toBeGreaterThan(0);
    expect(() => setMemoryBudget(0)).toThrow("setMemoryBudget: 0 is not a number of bytes above 0");
  });

  gpuTest("observers see each compilation once, with its label", async () => {
    const { executor, graph, opened } = await chain();
    const seen: string[] = [];
    const stop = observeCompiles((event) => {
      expect(event.graph).toBe(graph);
      expect(event.program.dispatches).toHaveLength(3);
      expect(event.limits).toBe(opened[0]!.limits);
      seen.push(event.label);
    });
    const x = hostTensor(executor, numbers);
    executor.run(graph, [x], "loss");
    executor.run(graph, [x], "loss");
    stop();
    expect(seen).toEqual(["loss"]);
  });

  gpuTest("precompile builds the pipelines, so that the call creates none", async () => {
    const { executor, graph, call } = await chain();
    await executor.precompile(graph);
    const before = counters();
    await call(hostTensor(executor, numbers)).data();
    expect(countersSince(before)).toMatchObject({ programsCompiled: 0, pipelinesCreated: 0 });
  });
});
