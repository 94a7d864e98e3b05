// Calls and their results: before the device is there and after, on the CPU and on Dawn, with errors on the way.
import { inspect } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { compileGraph } from "../../compiler/compile.js";
import { DeviceError, DisposedError, DonatedError, ValueError } from "../../compiler/core/errors.js";
import { type Graph, literal, newEqn, newVar } from "../../compiler/ir/graph.js";
import { findOp } from "../../compiler/ir/op.js";
import { add, mul } from "../../compiler/ops/arithmetic.js";
import "../../compiler/ops/axes.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import type { Compile } from "../../runtime/backend.js";
import { counters, countersSince } from "../../runtime/counters.js";
import { CpuBackend } from "../../runtime/cpu.js";
import { openDawn } from "../../runtime/dawn/open.js";
import { Devices } from "../../runtime/devices.js";
import { RuntimeExecutor } from "../../runtime/executor.js";
import { observeCompiles } from "../../runtime/programs.js";
import { hasGpu } from "../support/gpu.js";
import { errorOf, hostTensor } from "./support.js";

const f32 = (...shape: number[]) => newVar({ dtype: "f32", shape });

/** x + x */
function double(size: number): Graph {
  const x = f32(size);
  const eqn = newEqn(add.op, [x, x], {});
  return { inputs: [x], eqns: [eqn], outputs: eqn.outputs };
}

function executorOn(kind: "gpu" | "cpu", compile: Compile = compileGraph) {
  const environment = { LANEWISE_DEVICE: kind };
  const executor = new RuntimeExecutor(
    new Devices({
      cpu: () => new CpuBackend(compile),
      gpu: () => openDawn(compile),
      environment,
      notice: () => undefined,
    }),
  );
  const run = (graph: Graph, ...operands: Tensor[]): Tensor => executor.run(graph, operands)[0]!;
  const given = (...numbers: number[]) => hostTensor(executor, Float32Array.from(numbers));
  return { executor, run, given };
}

describe.each(hasGpu ? (["cpu", "gpu"] as const) : (["cpu"] as const))("on the %s", (kind) => {
  test("calls made before the device is there are done in order, and their types are known", async () => {
    const { run, given } = executorOn(kind);
    const graph = double(2);
    const x = given(1, 2);
    const y = run(graph, run(graph, run(graph, x)));
    expect([y.shape, y.dtype]).toEqual([[2], "f32"]);
    expect(await y.toArray()).toEqual([8, 16]);
    expect(await x.toArray()).toEqual([1, 2]);
  });

  test("an operand may be disposed as soon as the call is made, before the device is there and after", async () => {
    const { executor, run, given } = executorOn(kind);
    const graph = double(2);
    for (const when of ["before", "after"]) {
      const x = given(1, 2);
      const y = run(graph, x);
      x.dispose();
      const z = run(graph, y);
      y.dispose();
      expect(await z.toArray(), when).toEqual([4, 8]);
      expect(() => run(graph, x)).toThrow(DisposedError);
      await executor.ready();
    }
  });

  test("the memory of a donated operand is used in its turn, and only where nobody else needs it", async () => {
    const { executor, run, given } = executorOn(kind);
    const graph = double(4);
    const give = (x: Tensor): Tensor => {
      const [y] = executor.run(graph, [x], "f", [0]);
      x.donate({ to: "f", argument: "x" });
      return y!;
    };
    const before = counters();
    for (const when of ["before", "after"]) {
      const x = run(graph, given(1, 2, 3, 4)); // queued before the device is there
      const other = run(graph, x);
      const y = give(x);
      const z = give(y);
      const w = run(graph, z);
      const read = z.data();
      const last = give(z);
      expect(() => run(graph, z), when).toThrow(DonatedError);
      expect(await read, when).toEqual(Float32Array.of(8, 16, 24, 32));
      expect(await other.toArray(), when).toEqual([4, 8, 12, 16]);
      for (const result of [w, last]) expect(await result.toArray(), when).toEqual([16, 32, 48, 64]);
      await executor.ready();
    }
    // before, z waits for a read when it is donated; after, its elements are still being copied
    if (kind === "gpu") expect(countersSince(before)).toMatchObject({ bytesDonated: 4 * 16, donationsKept: 2 });
  });

  test("memory that is dropped before its work was done is counted back", async () => {
    const { executor, run, given } = executorOn(kind);
    const before = counters();
    const results = Array.from({ length: 10 }, () => run(double(2), given(1, 2)));
    expect(countersSince(before).liveBytes).toBeGreaterThan(0);
    for (const y of results) y.dispose();
    await executor.ready();
    expect(countersSince(before).liveBytes).toBeLessThanOrEqual(kind === "gpu" ? 4096 : 0); // the operand's upload
  });

  test("an op runs at once, with numbers as scalar inputs of one program", async () => {
    const { executor, given } = executorOn(kind);
    const compiled: string[] = [];
    onTestFinished(observeCompiles(({ label }) => void compiled.push(label)));
    const x = given(1, 2, 3);
    const scaled = (by: number): Tensor => {
      const operands = [x, literal(by, { dtype: "f32", shape: [], weak: true })];
      return executor.runOp(mul.op, operands, {}, [x.aval])[0]!;
    };
    expect(await scaled(2).toArray()).toEqual([2, 4, 6]);
    expect(await scaled(-3).toArray()).toEqual([-3, -6, -9]);
    const [y] = executor.runOp(findOp("reshape")!, [x], { shape: [3, 1] }, [{ dtype: "f32", shape: [3, 1] }]);
    expect(await y!.toArray()).toEqual([[1], [2], [3]]);
    expect(compiled).toEqual(["mul", "reshape"]);
  });

  test("work that fails in the queue rejects the reads of its results and of what depends on them, and nothing else", async () => {
    const broken = double(2);
    const error = new DeviceError("compile: out of ideas");
    const compile: Compile = (graph, limits) => {
      if (graph === broken) throw error;
      return compileGraph(graph, limits);
    };
    onTestFinished(observeCompiles(() => undefined)); // so that the CPU compiles, too
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", listen);
    const { executor, run, given } = executorOn(kind, compile);
    const slow = executor.ready(); // on the CPU calls would run at once, and throw
    const x = given(1, 2);
    if (kind === "cpu") {
      await slow;
      expect(() => run(broken, x)).toThrow(error);
      expect(await run(double(2), x).toArray()).toEqual([2, 4]);
    } else {
      const bad = run(broken, x);
      const worse = run(double(2), bad);
      const good = run(double(2), x);
      run(broken, x); // read by nobody
      expect(await good.toArray()).toEqual([2, 4]);
      expect(await errorOf(() => bad.data())).toBe(error);
      expect(await errorOf(() => worse.data())).toBe(error);
      expect(() => run(double(2), worse)).toThrow(error);
      expect(inspect(bad)).toMatch(/^Tensor\(f32\[2\], /);
    }
    await new Promise((resolve) => void setTimeout(resolve, 20));
    process.off("unhandledRejection", listen);
    expect(unhandled).toEqual([]);
  });

  test("shared and detached memory is refused before it reaches the device", async () => {
    const { executor, run, given } = executorOn(kind);
    const shape = [2];
    const shared = new Float32Array(new SharedArrayBuffer(8));
    expect(() => executor.fromHost({ dtype: "f32", shape, data: shared })).toThrow(ValueError);
    await executor.ready();
    const data = Float32Array.of(1, 2);
    const x = hostTensor(executor, data);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    expect(() => run(double(2), x)).toThrow(/detached/);
    expect(await run(double(2), given(1, 2)).toArray()).toEqual([2, 4]);
  });
});

test.runIf(hasGpu)("tensors follow when the device is changed", async () => {
  const { executor, run, given } = executorOn("gpu");
  const graph = double(2);
  const y = run(graph, given(1, 2)); // only on the GPU
  executor.setDevice("cpu");
  expect((await executor.currentDevice()).kind).toBe("cpu");
  const z = run(graph, y);
  expect(z.handle.host).toBeUndefined(); // it has to wait for the copy
  expect(await z.toArray()).toEqual([4, 8]);
  executor.setDevice("gpu");
  expect((await executor.currentDevice()).kind).toBe("gpu");
  expect(await run(graph, z).toArray()).toEqual([8, 16]);
});

test("the CPU answers at once", async () => {
  const { executor, run, given } = executorOn("cpu");
  expect(run(double(2), given(1, 2)).handle.host?.data).toEqual(Float32Array.of(2, 4));
  expect(await executor.currentDevice()).toMatchObject({ kind: "cpu", name: "CPU", isSoftware: true });
});
