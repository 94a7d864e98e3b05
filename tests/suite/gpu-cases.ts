// Graphs to run on the GPU, many to a program, with the results they should have.
import { expect } from "vitest";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { sizeOf } from "../../compiler/core/shape.js";
import { differenceBeyond, differenceBy } from "../support/arrays.js";
import { chunks, type Job, pack } from "../support/pack.js";
import { runOnGpu } from "../support/run-program.js";
import type { Tally } from "./tally.js";

/** A job with the results it should have, and how far off they may be. */
export interface Case extends Job {
  readonly name: string;
  readonly want: readonly NDArray[];
  /** In units in the last place, for all results; or the largest difference for each element of each. */
  readonly allowed: number | readonly Float64Array[];
}

/** Runs all cases, `most` in a program. Those with results of one size lie side by side: their kernels can be one. */
export async function checkOnGpu(relation: string, cases: readonly Case[], most: number, tally: Tally): Promise<void> {
  const order = ({ graph, inputs }: Case): string =>
    `${String(sizeOf(graph.outputs[0]!.aval.shape)).padStart(9)} ${inputs.map((x) => x.dtype).join()}`;
  const sorted = [...cases].sort((a, b) => (order(a) < order(b) ? -1 : 1));
  const faults: string[] = [];
  for (const some of chunks(sorted, most)) {
    const job = pack(some);
    const results = await runOnGpu(job.graph, job.inputs);
    let at = 0;
    for (const { name, allowed, want } of some) {
      for (const [k, x] of want.entries()) {
        const found = faultOf(results[at++]!, x, typeof allowed === "number" ? allowed : allowed[k]!);
        if (found) faults.push(`${name}, result ${k}: ${found}`);
      }
    }
    tally.count(relation, some.length);
  }
  expect(faults).toEqual([]);
}

function faultOf(got: NDArray, want: NDArray, allowed: number | Float64Array): string | undefined {
  if (typeof allowed === "number") {
    const found = differenceBeyond(got, want, allowed);
    return found && `${found} (${allowed} ulp)`;
  }
  return differenceBy(got, want, (x, y, i) => Object.is(x, y) || Math.abs(x - y) <= allowed[i]!);
}
