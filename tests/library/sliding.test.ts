// Convolution, its transpose and reductions over windows, with their gradients, against JAX: sliding.py wrote the cases.
import { readFileSync } from "node:fs";
import {
  avgPool,
  conv,
  convTranspose,
  grad,
  jit,
  maxPool,
  reduceWindow,
  setDevice,
  stack,
  Tensor,
  vjp,
  vmap,
} from "lanewise";
import { describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";
import { decode, difference, type EncodedArray } from "./golden-cases.js";

setDevice("cpu");

const functions = { avgPool, conv, convTranspose, maxPool, reduceWindow };

interface SlidingCase {
  readonly call: keyof typeof functions;
  readonly args: readonly unknown[];
  readonly result: EncodedArray;
  /** Cotangent of the result, and the gradients it gives the arrays among the arguments. */
  readonly ct?: EncodedArray;
  readonly grads?: readonly EncodedArray[];
}

const cases: readonly SlidingCase[] = readFileSync(new URL("sliding.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));

/** The call as a function of its arrays, and the arrays. */
function functionOf({ call, args }: SlidingCase): [(...arrays: Tensor[]) => Tensor, Tensor[]] {
  const given = args.map(decode);
  const arrays = given.filter((x) => x instanceof Tensor);
  const f = functions[call] as (...args: readonly unknown[]) => Tensor;
  const apply = (...xs: Tensor[]): Tensor => f(...xs, ...given.slice(arrays.length));
  return [apply, arrays];
}

const showCase = ({ call, args }: SlidingCase): string =>
  `${call}(${args.map((x) => (x as EncodedArray).shape ?? JSON.stringify(x)).join("; ")})`;

/** The value and the gradients of a case, with what they should be. */
function allOf(golden: SlidingCase): { readonly got: () => Tensor[]; readonly want: readonly EncodedArray[] } {
  const [f, arrays] = functionOf(golden);
  const { ct, grads, result } = golden;
  if (!ct || !grads) return { got: () => [f(...arrays)], want: [result] };
  const got = (): Tensor[] => {
    const [y, back] = vjp(f, ...arrays);
    return [y, ...(back(decode(ct) as Tensor) as Tensor[])];
  };
  return { got, want: [result, ...grads] };
}

async function faults(golden: SlidingCase, got: readonly Tensor[], want: readonly EncodedArray[]): Promise<string[]> {
  const found = await Promise.all(got.map((x, i) => difference({ call: "", args: [], result: want[i]! }, x)));
  return found.flatMap((fault, i) => (fault ? [`${showCase(golden)} result ${i}: ${fault}`] : []));
}

const names = [...new Set(cases.map(({ call }) => call))];

describe("as JAX computes it, with its gradients", () => {
  test.each(names)("%s", async (name) => {
    const wrong: string[] = [];
    for (const golden of cases.filter(({ call }) => call === name)) {
      const { got, want } = allOf(golden);
      wrong.push(...(await faults(golden, got(), want)));
    }
    expect(wrong).toEqual([]);
  });
});

/** Cases with gradients, every `step`-th. */
const sample = (step: number): SlidingCase[] => cases.filter(({ grads }) => grads).filter((_, i) => i % step === 0);

/** Three different arrays of the type of x. */
const lanesOf = (x: Tensor): Tensor[] => [x, x.add(1), x.mul(-1)];

describe("vmap is a loop over lanes", () => {
  test("over x, over w and over both, also of gradients", async () => {
    for (const golden of sample(5)) {
      const [f, arrays] = functionOf(golden);
      const squares = (...xs: Tensor[]): Tensor =>
        f(...xs)
          .square()
          .sum();
      const gradients = grad(squares, { argnums: arrays.map((_, i) => i) }) as (...xs: Tensor[]) => Tensor[];
      const all = (...xs: Tensor[]): Tensor[] => [f(...xs), ...gradients(...xs)];
      for (let ways = 1; ways < 2 ** arrays.length; ways++) {
        const isBatched = (i: number): boolean => (ways & (1 << i)) !== 0;
        const lanes = arrays.map((x) => lanesOf(x));
        // at the front of x, at the end of w
        const axes = arrays.map((x, i) => (isBatched(i) ? (i === 0 ? 0 : x.ndim) : null));
        const batched = arrays.map((x, i) => (isBatched(i) ? stack(lanes[i]!, axes[i]!) : x));
        const got = vmap(all, axes)(...batched) as Tensor[];
        const want = Array.from({ length: 3 }, (_, k) =>
          all(...arrays.map((x, i) => (isBatched(i) ? lanes[i]![k]! : x))),
        );
        for (const [j, x] of got.entries()) {
          const loop = await stack(want.map((results) => results[j]!)).toArray();
          expect(await x.toArray(), `${showCase(golden)} axes ${axes} result ${j}`).toEqual(loop);
        }
      }
    }
  });
});

gpuTest(
  "the GPU gives the same, gradients included",
  async () => {
    setDevice("gpu");
    const wrong: string[] = [];
    const picked = sample(4);
    for (let at = 0; at < picked.length; at += 8) {
      const together = picked.slice(at, at + 8);
      const all = together.map(allOf);
      const results = jit(() => all.map(({ got }) => got()))() as Tensor[][];
      for (const [i, golden] of together.entries()) {
        const got = results[i]!;
        const want = all[i]!.want.map((x) => ({ ...x, data: x.data.map((value) => Number(value) + 0) }));
        wrong.push(...(await faults(golden, got, want)));
      }
    }
    setDevice("cpu");
    expect(wrong).toEqual([]);
  },
  180_000,
);
