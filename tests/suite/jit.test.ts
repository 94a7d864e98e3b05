// Every op record through the package's front door: jit gives what eager calls give, on the CPU and on the GPU.
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import type { NDArray } from "../../compiler/core/ndarray.js";
import * as ops from "../../compiler/ops/index.js";
import { fromHost } from "../../compiler/trace/create.js";
import type { Operand } from "../../compiler/trace/tensor.js";
import { bind } from "../../compiler/trace/trace.js";
import { jit, setDevice, type Tensor } from "../../index.js";
import { difference, differenceBeyond } from "../support/arrays.js";
import { describeGpu } from "../support/gpu.js";
import { randomStream } from "../support/ulp.js";
import { allCalls, type Call, drawInputs } from "./calls.js";
import { Tally } from "./tally.js";

vi.setConfig({ testTimeout: 180_000 }); // a software adapter compiles a shader for each eager call

const gpu = inject("gpu");
const GPU_CALLS = 30;

/** Does nothing to a value, in a way that no pass sees through: an operation before and behind each call. */
const through = (x: Tensor): Tensor => (x.dtype === "bool" ? ops.not(ops.not(x)) : ops.neg(ops.neg(x)));

/** The call between two others, so that jit has something to fuse and eager calls hand results on. */
function sandwich({ graph }: Call): (...xs: Tensor[]) => Tensor[] {
  const [eqn] = graph.eqns;
  return (...xs) => {
    const operands = xs.map((x): Operand => through(x));
    return bind(eqn!.op, operands, eqn!.params).map(through);
  };
}

/** How results differ, in words; undefined where they do not. */
async function fault(
  got: readonly Tensor[],
  want: readonly Tensor[],
  compare: (got: NDArray, want: NDArray) => string | undefined,
): Promise<string | undefined> {
  for (const [k, x] of want.entries()) {
    const found = compare(await resultOf(got[k]!), await resultOf(x));
    if (found) return `result ${k}: ${found}`;
  }
  return undefined;
}

const resultOf = async (x: Tensor): Promise<NDArray> => ({ dtype: x.dtype, shape: x.shape, data: await x.data() });

describe("on the CPU", () => {
  beforeAll(() => setDevice("cpu"));
  afterAll(() => setDevice("auto"));
  const tally = new Tally("CPU");

  test("jit gives every op the bits that eager calls give it", async () => {
    const faults: string[] = [];
    for (const call of allCalls) {
      const f = sandwich(call);
      const inputs = drawInputs(call).map(fromHost);
      const found = await fault(jit(f)(...inputs), f(...inputs), difference);
      if (found) faults.push(`${call.name}: ${found}`);
      tally.count("jit = eager");
    }
    expect(faults).toEqual([]);
  });
});

describeGpu("on the GPU", () => {
  beforeAll(() => setDevice("gpu"));
  afterAll(() => setDevice("auto"));
  const tally = new Tally("adapter" in gpu ? gpu.adapter : "no GPU");

  test("jit gives a sample of calls what eager calls give them", async () => {
    const random = randomStream(40);
    const picked = Array.from({ length: GPU_CALLS }, () => allCalls[Math.floor(random() * allCalls.length)]!);
    const faults: string[] = [];
    for (const call of picked) {
      const f = sandwich(call);
      const inputs = drawInputs(call).map(fromHost);
      const found = await fault(jit(f)(...inputs), f(...inputs), (x, y) => differenceBeyond(x, y, call.op.ulp));
      if (found) faults.push(`${call.name}: ${found}`);
      tally.count("jit = eager");
    }
    expect(faults).toEqual([]);
  });
});
