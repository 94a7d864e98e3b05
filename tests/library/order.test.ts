// Sorting and running folds with their gradients against JAX: order-golden.py wrote the cases.
import { readFileSync } from "node:fs";
import { arange, type DType, grad, numpy, setDevice, sum, type Tensor, tensor } from "lanewise";
import { afterEach, describe, expect, test } from "vitest";
import { hasGpu } from "../support/gpu.js";

interface Encoded {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}

interface Case {
  readonly call: string;
  readonly x: Encoded;
  readonly args: readonly unknown[];
  readonly results: readonly Encoded[];
  /** Of the first result times weights 1, 2, 3, …, summed. */
  readonly gradient?: Encoded;
  /** Of that gradient, weighted alike. */
  readonly second?: Encoded;
}

const cases: readonly Case[] = readFileSync(new URL("order-golden.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));

setDevice("cpu");
afterEach(() => void setDevice("cpu"));

const decode = ({ dtype, shape, data }: Encoded): Tensor => tensor(data.map(Number), { dtype, shape });
const weighted = (y: Tensor): Tensor => sum(y.mul(arange(1, y.size + 1).reshape(y.shape)));
const firstOf = ({ call, args }: Case, x: Tensor): Tensor => [resultsOf(call, x, args)].flat()[0]!;

const resultsOf = (call: string, x: Tensor, args: readonly unknown[]): Tensor | Tensor[] =>
  (numpy as unknown as Record<string, (...args: readonly unknown[]) => Tensor | Tensor[]>)[call]!(x, ...args);

async function fault(got: Tensor, want: Encoded, tolerance = 1e-5): Promise<string | undefined> {
  if (`${got.dtype}[${got.shape}]` !== `${want.dtype}[${want.shape}]`) return `${got.dtype}[${got.shape}]`;
  const data = await got.data();
  const at = want.data.findIndex((x, i) => !isClose(data[i]!, Number(x), tolerance));
  return at < 0 ? undefined : `element ${at} is ${data[at]} instead of ${want.data[at]}`;
}

/** Either zero will do: where equal elements meet, JAX tells zeros apart in some functions and not in others. */
const isClose = (x: number, want: number, tolerance: number): boolean =>
  Object.is(x, want) || Math.abs(x - want) <= tolerance * Math.max(1, Math.abs(want));

const names = [...new Set(cases.map(({ call }) => call))];

for (const device of hasGpu ? (["cpu", "gpu"] as const) : (["cpu"] as const)) {
  describe(`as JAX computes it, on the ${device}`, () => {
    test.each(names)(
      "%s",
      async (name) => {
        setDevice(device);
        const wrong: string[] = [];
        const own = cases.filter(({ call }) => call === name);
        // shaders that are compiled for the first time take most of the time
        for (const golden of device === "cpu" ? own : own.filter((_, i) => i % 3 === 0)) {
          const x = decode(golden.x);
          const say = (what: string, found: string | undefined): void => {
            if (found) wrong.push(`${what} of ${name}(${golden.x.dtype}[${golden.x.shape}], ${golden.args}): ${found}`);
          };
          const results = [resultsOf(golden.call, x, golden.args)].flat();
          for (const [k, want] of golden.results.entries()) say("value", await fault(results[k]!, want));
          if (!golden.gradient) continue;
          const slope = grad((v: Tensor) => weighted(firstOf(golden, v)));
          say("gradient", await fault(slope(x), golden.gradient));
          if (!golden.second || device === "gpu") continue;
          say("second", await fault(grad((v: Tensor) => weighted(slope(v)))(x), golden.second, 2e-5));
        }
        expect(wrong).toEqual([]);
      },
      120_000,
    );
  });
}
