// What goes wrong on a device: it is lost, or has no memory left. Results say so, the rest goes on.
import { expect, onTestFinished } from "vitest";
import { DeviceError, DeviceLostError, InternalError, MemoryError } from "../../../compiler/core/errors.js";
import type { Tensor } from "../../../compiler/trace/tensor.js";
import { counters, countersSince } from "../../../runtime/counters.js";
import { setDeviceWrapper } from "../../../runtime/dawn/device.js";
import { describeGpu, gpuTest } from "../../support/gpu.js";
import { affine, dawnBench, emptyGraph, errorOf, hostTensor, program } from "../support.js";

const n = 64 * 1024; // 256 KiB: too large to be kept on the host after a read
const numbers = Float32Array.from({ length: n }, (_, i) => i % 100);

/** An executor that doubles arrays. */
async function doubling() {
  const bench = dawnBench();
  const graph = emptyGraph([[n]], [[n]]);
  bench.programs.set(graph, program(graph, [affine(n, 2, 0)]));
  await bench.executor.ready();
  const double = (x: Tensor): Tensor => bench.executor.run(graph, [x])[0]!;
  const check = async (y: Tensor, factor: number): Promise<void> => {
    const data = await y.data();
    expect([data[1], data[99], data[n - 1]]).toEqual([1, 99, (n - 1) % 100].map((x) => x * factor));
  };
  return { ...bench, double, check };
}

/** What the test makes go wrong. */
interface Faults {
  /** Buffers of so many bytes or more cannot be created. */
  outOfMemoryFrom: number;
}

/** Devices opened from now on have no room for large buffers while `outOfMemoryFrom` says so. */
function injectFaults(): Faults {
  const faults: Faults = { outOfMemoryFrom: Number.POSITIVE_INFINITY };
  setDeviceWrapper((device) => {
    const scopes: GPUErrorFilter[] = [];
    let failed = false;
    const own: Partial<Record<keyof GPUDevice, unknown>> = {
      pushErrorScope: (filter: GPUErrorFilter) => {
        scopes.push(filter);
        device.pushErrorScope(filter);
      },
      popErrorScope: async () => {
        const full = scopes.pop() === "out-of-memory" && failed;
        if (full) failed = false;
        const error = await device.popErrorScope();
        return full ? { message: "injected" } : error;
      },
      createBuffer: (descriptor: GPUBufferDescriptor) => {
        const buffer = device.createBuffer(descriptor);
        if (descriptor.size < faults.outOfMemoryFrom) return buffer;
        failed = true;
        buffer.destroy(); // its use is an error, as that of a buffer which was never made
        return buffer;
      },
    };
    return new Proxy(device, {
      get(target, key) {
        const value = own[key as keyof GPUDevice] ?? Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  });
  onTestFinished(() => setDeviceWrapper());
  return faults;
}

describeGpu("a lost device", () => {
  gpuTest("pending reads reject and name the tensor; calls run on a new device", async () => {
    const { executor, opened, double, check } = await doubling();
    const x = hostTensor(executor, numbers);
    const y = double(x);
    await check(y, 2);
    const reads = [errorOf(() => y.data()), errorOf(() => double(y).data())];
    opened[0]!.lose();
    for (const error of await Promise.all(reads)) {
      expect(error).toBeInstanceOf(DeviceLostError);
      expect(error.message).toMatch(
        /^this f32\[65536\] tensor was only on .+, which was lost: .+\n {2}compute it again/,
      );
    }
    // x was made on the host: it is uploaded again
    await check(double(x), 2);
    expect(opened).toHaveLength(2);
    // y was only on the device
    expect(await errorOf(() => y.data())).toBeInstanceOf(DeviceLostError);
    expect(() => double(y)).toThrow(DeviceLostError);
    await check(double(double(x)), 4);
    expect((await executor.currentDevice()).kind).toBe("gpu");
  });

  gpuTest("work queued behind it runs on the new device, except what needs a lost result", async () => {
    const { executor, opened, double, check } = await doubling();
    const x = hostTensor(executor, numbers);
    const lost = double(x);
    opened[0]!.lose();
    while (opened[0]!.lost === undefined) await new Promise((resolve) => void setImmediate(resolve));
    const first = double(x); // opens a new device, and queues
    const second = double(first);
    expect(() => double(lost)).toThrow(DeviceLostError);
    await check(second, 4);
    expect(opened).toHaveLength(2);
  });

  gpuTest("a loss that is noticed late spoils only the results of before", async () => {
    const { executor, opened, double, check } = await doubling();
    const x = hostTensor(executor, numbers);
    opened[0]!.lose();
    const y = double(x); // "succeeds": the loss is not known yet
    expect(await errorOf(() => y.data())).toBeInstanceOf(DeviceLostError);
    await check(double(x), 2);
  });

  gpuTest("small results that were read survive", async () => {
    const { executor, opened, programs } = await doubling();
    const graph = emptyGraph([[4]], [[4]]);
    programs.set(graph, program(graph, [affine(4, 2, 0)]));
    const [y] = executor.run(graph, [hostTensor(executor, Float32Array.of(1, 2, 3, 4))]);
    await y!.data();
    opened[0]!.lose();
    const [z] = executor.run(graph, [y!]);
    await errorOf(() => z!.data());
    expect(await executor.run(graph, [y!])[0]!.toArray()).toEqual([4, 8, 12, 16]);
  });

  gpuTest("its memory is counted back", async () => {
    const before = counters();
    const { executor, opened, double } = await doubling();
    const x = hostTensor(executor, numbers);
    const results = [double(x), double(x)];
    results.push(double(results[0]!));
    expect(countersSince(before).liveBytes).toBeGreaterThanOrEqual(4 * n * 4);
    opened[0]!.lose();
    while (opened[0]!.lost === undefined) await new Promise((resolve) => void setImmediate(resolve));
    for (const y of [...results, x]) y.dispose();
    expect(countersSince(before)).toMatchObject({ liveBytes: 0, pooledBytes: 0 });
  });
});

describeGpu("a device without memory", () => {
  gpuTest(
    "results that found no room reject with MemoryError, and so does what depends on them; the rest is right",
    async () => {
      const faults = injectFaults();
      const { executor, double, check } = await doubling();
      const x = hostTensor(executor, numbers);
      const before = double(x);
      faults.outOfMemoryFrom = n * 4;
      const full = double(x);
      const dependent = double(full);
      faults.outOfMemoryFrom = Number.POSITIVE_INFINITY;
      const after = double(before);
      const error = await errorOf(() => full.data());
      expect(error).toBeInstanceOf(MemoryError);
      expect(error.message).toMatch(/^memory: the device has no room left to create a buffer of 256 KiB: injected/);
      expect(await errorOf(() => dependent.data())).toBe(error);
      expect(() => double(full)).toThrow(error);
      await check(before, 2);
      await check(after, 4);
      full.dispose(); // a buffer that never was does not come back from the pool
      dependent.dispose();
      for (let i = 0; i < 3; i++) await check(double(x), 2);
    },
  );

  gpuTest("a read that finds no room for its copy rejects, and works later", async () => {
    const faults = injectFaults();
    const { executor, double, check } = await doubling();
    const y = double(hostTensor(executor, numbers));
    faults.outOfMemoryFrom = n * 4;
    expect(await errorOf(() => y.data())).toBeInstanceOf(MemoryError);
    faults.outOfMemoryFrom = Number.POSITIVE_INFINITY;
    await check(y, 2);
  });

  gpuTest("an error of unknown origin spoils what was on the device unverified, not what comes later", async () => {
    const { executor, opened, double, check } = await doubling();
    const x = hostTensor(executor, numbers);
    const y = double(x);
    await Promise.resolve();
    opened[0]!.device.createBuffer({ size: 16, usage: 0 }); // outside of all error scopes
    const error = await errorOf(() => double(y));
    expect(error).toBeInstanceOf(InternalError);
    expect(error.message).toMatch(/^Dawn reported an error that belongs to no call of ours: /);
    await expect(y.data()).rejects.toBe(error);
    await check(double(x), 2);
  });
});

gpuTest("an adapter whose device cannot be had is an error", async () => {
  const { OpenDevice } = await import("../../../runtime/dawn/device.js");
  const { findAdapter } = await import("../../../runtime/dawn/adapter.js");
  const found = await findAdapter();
  if ("reason" in found) throw new Error(found.reason);
  await found.adapter.requestDevice(); // uses it up
  const error = await errorOf(() => OpenDevice.open(found));
  expect(error).toBeInstanceOf(DeviceError);
  expect(error.message).toContain("gave no device");
});
