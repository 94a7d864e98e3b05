// Random calls, disposals, reads and pauses: memory that is used again never shows through.
import { describe, expect, test } from "vitest";
import { compileGraph } from "../../compiler/compile.js";
import { type Graph, literal, newEqn, newVar } from "../../compiler/ir/graph.js";
import { findOp } from "../../compiler/ir/op.js";
import { add, mul } from "../../compiler/ops/arithmetic.js";
import "../../compiler/ops/axes.js";
import type { Operand, Tensor } from "../../compiler/trace/tensor.js";
import { counters, countersSince } from "../../runtime/counters.js";
import { CpuBackend } from "../../runtime/cpu.js";
import { openDawn } from "../../runtime/dawn/open.js";
import { Devices } from "../../runtime/devices.js";
import { RuntimeExecutor } from "../../runtime/executor.js";
import { hasGpu } from "../support/gpu.js";
import { hostTensor } from "./support.js";

const sizes = [1, 40, 5000, 40_000]; // 160 KB is created under error scopes

/** Numbers in [0, 1) that are the same on every run (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** (x + y, (x + y) * x): two results of one program. */
function sumAndProduct(size: number): Graph {
  const x = newVar({ dtype: "f32", shape: [size] });
  const y = newVar({ dtype: "f32", shape: [size] });
  const sum = newEqn(add.op, [x, y], {});
  const product = newEqn(mul.op, [sum.outputs[0]!, x], {});
  return { inputs: [x, y], eqns: [sum, product], outputs: [sum.outputs[0]!, product.outputs[0]!] };
}

/** A tensor whose elements are all the same small whole number. */
interface Known {
  readonly tensor: Tensor;
  readonly value: number;
}

/** Values that f32 does not hold exactly are not needed any more. */
function keep(pool: Known[], known: Known): void {
  if (known.value < 2 ** 24) pool.push(known);
  else known.tensor.dispose();
}

async function stress(kind: "cpu" | "gpu", seed: number, steps: number): Promise<void> {
  const sources = { cpu: () => new CpuBackend(compileGraph), gpu: () => openDawn(compileGraph) };
  const environment = { LANEWISE_DEVICE: kind };
  const executor = new RuntimeExecutor(new Devices({ ...sources, environment, notice: () => undefined }));
  const next = random(seed);
  const below = (n: number): number => Math.floor(next() * n);
  const graphs = new Map(sizes.map((size) => [size, sumAndProduct(size)]));
  const live = new Map<number, Known[]>(sizes.map((size) => [size, []]));
  const reads: Promise<void>[] = [];

  const check = async ({ tensor, value }: Known, size: number): Promise<void> => {
    const data = await tensor.data();
    expect(data).toHaveLength(size);
    expect(data.every((x) => x === value)).toBe(true);
  };

  for (let step = 0; step < steps; step++) {
    const size = sizes[below(sizes.length)]!;
    const pool = live.get(size)!;
    const pick = (): Known => pool[below(pool.length)]!;
    const what = pool.length < 2 ? 0 : below(10);
    if (what < 2) {
      const value = below(50);
      pool.push({ tensor: hostTensor(executor, new Float32Array(size).fill(value)), value });
    } else if (what < 5) {
      const [x, y] = [pick(), pick()];
      const [sum, product] = executor.run(graphs.get(size)!, [x.tensor, y.tensor]);
      const total = x.value + y.value;
      keep(pool, { tensor: sum!, value: total });
      keep(pool, { tensor: product!, value: total * x.value });
    } else if (what === 5) {
      const [x, by] = [pick(), below(4)];
      const operands: Operand[] = [x.tensor, literal(by, { dtype: "f32", shape: [] })];
      const [tensor] = executor.runOp(mul.op, operands, {}, [x.tensor.aval]);
      keep(pool, { tensor: tensor!, value: x.value * by });
    } else if (what === 6) {
      const { tensor, value } = pick();
      const aval = { dtype: "f32", shape: [1, size, 1] } as const;
      const [view] = executor.runOp(findOp("reshape")!, [tensor], { shape: aval.shape }, [aval]);
      reads.push(check({ tensor: view!, value }, size));
      view!.dispose(); // the read goes on
    } else if (what < 9) {
      const [dropped] = pool.splice(below(pool.length), 1);
      for (let copies = below(4); copies > 0; copies--) reads.push(check(dropped!, size));
      dropped!.tensor.dispose();
    } else if (next() < 0.5) {
      await (next() < 0.5 ? Promise.resolve() : new Promise((resolve) => void setImmediate(resolve)));
    }
    while (pool.length > 12) pool.shift()!.tensor.dispose();
  }
  await Promise.all(reads);
  for (const [size, pool] of live) for (const known of pool) await check(known, size);
  for (const pool of live.values()) for (const { tensor } of pool) tensor.dispose();
}

describe.each(hasGpu ? (["cpu", "gpu"] as const) : (["cpu"] as const))("on the %s", (kind) => {
  test.each([1, 2, 3])("every tensor keeps its elements (seed %i)", async (seed) => {
    const before = counters();
    await stress(kind, seed, 500);
    expect(countersSince(before).liveBytes).toBe(0);
  });
});
