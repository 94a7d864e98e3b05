// Size classes and the pool: little is wasted, nothing is bound that is too large, and free memory is given back.
import { expect, test } from "vitest";
import { baseLimits } from "../../../compiler/ir/program.js";
import { counters, countersSince } from "../../../runtime/counters.js";
import type { DawnBackend } from "../../../runtime/dawn/backend.js";
import { BufferPool, sizeClass } from "../../../runtime/dawn/buffers.js";
import { gpuTest } from "../../support/gpu.js";
import { affine, dawnBench, emptyGraph, hostTensor, program } from "../support.js";

test("a size class is at most an eighth larger, a multiple of 16, and can be bound", () => {
  for (let bytes = 65; bytes < 3e9; bytes = Math.ceil(bytes * 1.31)) {
    const limits = { maxBindingBytes: 2 ** 32, maxBufferBytes: 2 ** 32 };
    const size = sizeClass(bytes, limits);
    expect(size).toBeGreaterThanOrEqual(bytes);
    expect(size).toBeLessThanOrEqual(Math.max(bytes * 1.125, bytes + 16));
    expect(size % 16).toBe(0);
    expect(sizeClass(size, limits)).toBe(size);
  }
  expect(sizeClass(4, baseLimits)).toBe(64);
  const most = baseLimits.maxBindingBytes;
  expect(sizeClass(most - 4, baseLimits)).toBe(most);
  expect(sizeClass(most - 4, { ...baseLimits, maxBindingBytes: most - 4 })).toBe(most - 4);
});

async function openBackend(): Promise<DawnBackend> {
  const { executor, opened } = dawnBench();
  await executor.ready();
  return opened[0]!;
}

gpuTest("the pool gives back the buffer released last, and counts what lies in it", async () => {
  const pool = new BufferPool(await openBackend());
  const before = counters();
  const [a, b] = [pool.acquire(1000), pool.acquire(1001)];
  expect(a.size).toBe(b.size);
  pool.release(a);
  pool.release(b);
  expect(countersSince(before)).toMatchObject({ buffersCreated: 2, pooledBytes: a.bytes + b.bytes });
  expect(pool.acquire(1002)).toBe(b);
  expect(pool.acquire(1002)).toBe(a);
  expect(countersSince(before)).toMatchObject({ buffersCreated: 2, buffersReused: 2, pooledBytes: 0 });
  pool.release(a);
  pool.clear();
  expect(countersSince(before).pooledBytes).toBe(0);
  expect(pool.acquire(1002)).not.toBe(a);
});

gpuTest("buffers that were not used for long make room for others", async () => {
  const pool = new BufferPool(await openBackend());
  const before = counters();
  const mebibyte = 1024 * 1024;
  const old = Array.from({ length: 4 }, () => pool.acquire(50 * mebibyte));
  for (const buffer of old) pool.release(buffer);
  for (let i = 0; i < 300; i++) pool.release(pool.acquire(mebibyte));
  expect(countersSince(before).pooledBytes).toBeGreaterThan(200 * mebibyte);
  pool.acquire(100 * mebibyte);
  expect(countersSince(before).pooledBytes).toBeLessThan(160 * mebibyte);
  pool.clear();
});

gpuTest("a bind group is dropped with its buffers, and what is encoded is done before they are destroyed", async () => {
  const { executor, programs, opened } = dawnBench();
  const n = 1024;
  const graph = emptyGraph([[n]], [[n]]);
  programs.set(graph, program(graph, [affine(n, 2, 0)]));
  const x = hostTensor(executor, new Float32Array(n).fill(3));
  await executor.ready();
  await executor.run(graph, [x])[0]!.data();
  const y = executor.run(graph, [x])[0]!;
  const z = executor.run(graph, [y])[0]!;
  y.dispose();
  opened[0]!.trim(); // y's buffer is named by what is encoded
  expect((await z.data())[n - 1]).toBe(12);
  const before = counters();
  expect((await executor.run(graph, [x])[0]!.data())[0]).toBe(6);
  expect(countersSince(before).bindGroupsCreated).toBe(1);
});
