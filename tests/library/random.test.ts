// Random numbers: those of JAX, on the CPU and on the GPU; keys as data; and what is refused.
import { readFileSync } from "node:fs";
import { DTypeError, grad, jit, random, ShapeError, setDevice, type Tensor, tensor, ValueError, vmap } from "lanewise";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { describeGpu } from "../support/gpu.js";

interface Case {
  readonly call: string;
  readonly key: readonly number[] | null;
  readonly args: readonly unknown[];
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

const cases: readonly Case[] = JSON.parse(readFileSync(new URL("golden-random.json", import.meta.url), "utf8"));

/** As in golden-random.py: of longer arrays every so-manieth element is kept. */
const [WHOLE, STEP] = [2000, 97];

/** Distance to JAX in f32 numbers. What is not named has its bits; its `exponential` takes another log1p. */
const steps: Readonly<Record<string, number>> = { normal: 2, exponential: 3 };

/** Near 0 logarithms lose digits; and JAX's inverse of erf is off by up to 65 ulp. */
const distances: Readonly<Record<string, number>> = { gumbel: 1e-6, truncatedNormal: 2e-5 };

const run = ({ call, key, args }: Case): Tensor => {
  const functions = random as unknown as Record<string, (...args: unknown[]) => Tensor>;
  const takesTensors = call === "categorical" || call === "permutation";
  const given = args.map((x) => (takesTensors && Array.isArray(x) ? tensor(x as number[][]) : x));
  return functions[call]!(...(key ? [tensor([...key], { dtype: "u32" })] : []), ...given);
};

/** Integers in the order of the f32 numbers whose bits they are. */
const rank = (bits: number): number => (bits >= 2 ** 31 ? 2 ** 31 - bits : bits);

async function faultOf(c: Case): Promise<string | undefined> {
  const got = run(c);
  if (got.dtype !== c.dtype || got.shape.join() !== c.shape.join())
    return `${got.dtype}[${got.shape}] instead of ${c.dtype}[${c.shape}]`;
  const data = await got.data();
  const kept = data.length > WHOLE ? data.filter((_, i) => i % STEP === 0) : data;
  if (kept.length !== c.data.length) return `${kept.length} elements instead of ${c.data.length}`;
  const words = c.dtype === "f32" ? new Uint32Array(Float32Array.from(kept).buffer) : kept;
  const at = c.data.findIndex((want, i) => !isNear(c, words[i]!, want));
  return at < 0 ? undefined : `element ${at} is ${words[at]} instead of ${c.data[at]}`;
}

function isNear({ call }: Case, got: number, want: number): boolean {
  if (got === want) return true;
  if (!(call in distances)) return Math.abs(rank(got) - rank(want)) <= (steps[call] ?? 0);
  const [x, y] = new Float32Array(Uint32Array.of(got, want).buffer);
  return Math.abs(x! - y!) < distances[call]!;
}

async function faults(some: readonly Case[]): Promise<string[]> {
  const found: string[] = [];
  for (const c of some) {
    const fault = await faultOf(c);
    if (fault) found.push(`${c.call}(${c.key}, ${JSON.stringify(c.args)}): ${fault}`);
  }
  return found;
}

const names = [...new Set(cases.map((c) => c.call))];

describe("on the CPU", () => {
  beforeAll(() => setDevice("cpu"));

  test.each(names)("%s gives the numbers of JAX", async (name) => {
    const some = cases.filter((c) => c.call === name);
    expect(some.length).toBeGreaterThan(6);
    expect(await faults(some)).toEqual([]);
  });
});

describeGpu("on the GPU", () => {
  beforeAll(() => setDevice("gpu"));
  afterAll(() => setDevice("cpu"));

  test.each(names)("%s gives the numbers of JAX", async (name) => {
    // each is a program of its own: some keys will do, for all shapes and ranges
    const keys = new Set(cases.map((c) => String(c.key)).slice(-1));
    keys.add("0,42").add("null");
    const some = cases.filter((c) => c.call === name && keys.has(String(c.key)));
    expect(some.length).toBeGreaterThan(1);
    expect(await faults(some)).toEqual([]);
  });

  test("a million normal numbers have the bits they have on the CPU", async () => {
    const onGpu = await random.normal(random.key(3), 1_000_000).data();
    setDevice("cpu");
    const onCpu = await random.normal(random.key(3), 1_000_000).data();
    setDevice("gpu");
    expect(onGpu).toEqual(onCpu);
  });
});

describe("keys", () => {
  beforeAll(() => setDevice("cpu"));
  afterEach(() => setDevice("cpu"));

  test("are data: jit of a function of a key is traced once, vmap maps over them", async () => {
    let traces = 0;
    const f = jit((key: Tensor) => {
      traces++;
      return random.normal(key, [3]);
    });
    const keys = random.split(random.key(5), 4);
    const rows = await Promise.all([0, 1, 2, 3].map((i) => f(keys.at(i)).toArray()));
    expect(traces).toBe(1);
    expect(await vmap((key: Tensor) => random.normal(key, [3]))(keys).toArray()).toEqual(rows);
    expect(new Set(rows.flat()).size).toBe(12);
  });

  test("that all lanes share give all lanes the same numbers", async () => {
    const key = random.key(1);
    const f = vmap((x: Tensor) => x.add(random.uniform(key, [2])));
    const [a, b] = (await f(tensor([0, 0])).toArray()) as number[][];
    expect(a).toEqual(b);
  });

  test("can be made from traced seeds and numbers", async () => {
    const seeds = tensor([0, 7, -1], { dtype: "i32" });
    const want = await Promise.all([0, 7, -1].map((seed) => random.key(seed).toArray()));
    expect(await vmap((seed: Tensor) => random.key(seed))(seeds).toArray()).toEqual(want);
    const base = random.key(2);
    const folded = await Promise.all([0, 7, 2 ** 32 - 1].map((i) => random.foldIn(base, i).toArray()));
    expect(await vmap((i: Tensor) => random.foldIn(base, i))(seeds).toArray()).toEqual(folded);
  });

  test("that are none are refused, with the place", () => {
    const f32 = tensor([0, 1]);
    expect(() => random.normal(f32, [2])).toThrow(DTypeError);
    expect(() => random.normal(f32, [2])).toThrow(
      /^random\.normal: f32\[2\] given, but a key is u32\[2\]\n {2}make one with random\.key\(seed\).*\n {2}at .*random\.test\.ts:\d+/,
    );
    expect(() => random.bits(tensor([1, 2, 3], { dtype: "u32" }))).toThrow(ShapeError);
    expect(() => random.split(random.split(random.key(0)))).toThrow(/u32\[2,2\] given, but a key is u32\[2\]/);
    expect(() => random.uniform(0 as unknown as Tensor)).toThrow(/number given, but a key is wanted/);
    expect(() => random.key(0.5)).toThrow(ValueError);
    expect(() => random.key(tensor([1, 2], { dtype: "i32" }))).toThrow(/map over several with vmap\(random\.key\)/);
    expect(() => random.key(tensor(1))).toThrow(DTypeError);
    expect(() => random.foldIn(random.key(0), -1)).toThrow(ValueError);
    expect(() => random.foldIn(random.key(0), tensor(1))).toThrow(DTypeError);
  });
});

describe("arguments", () => {
  beforeAll(() => setDevice("cpu"));
  const key = random.key(0);

  test("of other shapes and dtypes are refused", () => {
    expect(() => random.uniform(key, [2], { min: tensor([1, 2, 3]) })).toThrow(ShapeError);
    expect(() => random.uniform(key, [1], { min: tensor([1, 2, 3]) })).toThrow(
      /random\.uniform: f32\[3\] does not stretch to the shape \[1\]/,
    );
    expect(() => random.uniform(key, [2], { low: 1 } as object)).toThrow(
      /there is no option 'low'; there are min, max/,
    );
    expect(() => random.randint(key, [2], 0.5, 3)).toThrow(ValueError);
    expect(() => random.randint(key, [2], tensor(1), 3)).toThrow(DTypeError);
    expect(() => random.normal(key, [-1])).toThrow(ShapeError);
    expect(() => random.permutation(key, -1)).toThrow(ValueError);
    expect(() => random.permutation(key, tensor(3))).toThrow(/random\.permutation: f32\[\] has no axis/);
    expect(() => random.categorical(key, tensor([1, 2]), { shape: [3, 1] })).not.toThrow();
    expect(() => random.categorical(key, tensor([[1, 2]]), { shape: [3] })).toThrow(/does not end with \[1\]/);
  });

  test("may be tensors, and gradients pass to the bounds", async () => {
    const u = [...(await random.uniform(key, [3]).data())];
    const f = (low: Tensor, high: Tensor) => random.uniform(key, [3], { min: low, max: high }).sum();
    const [dlow, dhigh] = grad(f, { argnums: [0, 1] })(tensor(1), tensor(4)) as unknown as [Tensor, Tensor];
    const sum = u.reduce((a, b) => a + b);
    expect(await dhigh.item()).toBeCloseTo(sum, 5);
    expect(await dlow.item()).toBeCloseTo(3 - sum, 5);
    const rows = await random.randint(key, [2, 3], tensor([0, 10, 20], { dtype: "i32" }), 30).data();
    rows.forEach((x, i) => void expect(x).toBeGreaterThanOrEqual((i % 3) * 10));
  });

  test("of normal and truncated normal numbers have the moments they should", async () => {
    const x = random.normal(key, 100_000);
    expect(Math.abs(await x.mean().item())).toBeLessThan(0.01);
    expect(Math.abs((await x.square().mean().item()) - 1)).toBeLessThan(0.02);
    const y = await random.truncatedNormal(key, -0.5, 0.25, 1000).data();
    expect(y.every((v) => v > -0.5 && v < 0.25)).toBe(true);
  });
});

test("a million numbers are one kernel", () => {
  const key = random.key(0);
  for (const f of [
    (k: Tensor) => random.uniform(k, 1_000_000),
    (k: Tensor) => random.uniform(k, 1_000_000, { min: -2, max: 5 }),
    (k: Tensor) => random.normal(k, 1_000_000),
    (k: Tensor) => random.bernoulli(k, 0.1, 1_000_000),
    (k: Tensor) => random.exponential(k, [1000, 1000]),
  ]) {
    expect(jit(f).lower(key).kernels).toHaveLength(1);
  }
});
