// Reads and writes of parts of tensors, and their gradients, against JAX: indexed.py wrote the cases.
import { readFileSync } from "node:fs";
import {
  type DType,
  DTypeError,
  grad,
  type IndexSpec,
  jit,
  ones,
  ShapeError,
  type SliceSpec,
  setDevice,
  slice,
  stack,
  type Tensor,
  tensor,
  ValueError,
  vmap,
  zeros,
} from "lanewise";
import { describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";

setDevice("cpu");

interface Encoded {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface Case {
  readonly x: Encoded;
  readonly index: readonly (number | null | readonly (number | null)[] | Encoded)[];
  readonly combine: "get" | "set" | "add" | "mul" | "min" | "max";
  readonly mode: "clip" | "drop";
  readonly value: Encoded;
  readonly result: Encoded;
  readonly weights?: Encoded;
  readonly dx?: Encoded;
  readonly dvalue?: Encoded;
}

const cases: readonly Case[] = readFileSync(new URL("indexed.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));

const isEncoded = (x: unknown): x is Encoded => typeof x === "object" && x !== null && "data" in x;
const decode = (x: Encoded): Tensor => tensor(x.data, { dtype: x.dtype, shape: x.shape });

/** The index with its arrays as tensors, in order. */
const arraysOf = ({ index }: Case): Tensor[] => index.filter(isEncoded).map(decode);

/** The call as a function of x, the value and the arrays of the index. */
function callOf({ index, combine, mode }: Case): (x: Tensor, value: Tensor, ...arrays: Tensor[]) => Tensor {
  return (x, value, ...arrays) => {
    let at = 0;
    const specs = index.map((spec): SliceSpec => (isEncoded(spec) ? arrays[at++]! : spec) as SliceSpec);
    if (combine === "get") return slice(x, ...specs);
    if (combine === "set" && mode === "clip") return x.with(specs, value);
    return x.update(specs, { mode })[combine](value);
  };
}

/** The call, then its gradients by x and by the value. */
function gradientsOf(c: Case): (x: Tensor, value: Tensor, ...arrays: Tensor[]) => readonly Tensor[] {
  const weights = decode(c.weights!);
  const f = callOf(c);
  return grad(
    (x: Tensor, value: Tensor, ...arrays: Tensor[]) =>
      f(x, value, ...arrays)
        .mul(weights)
        .sum(),
    {
      argnums: c.combine === "get" ? [0] : [0, 1],
    },
  ) as never;
}

async function fault(got: Tensor, want: Encoded): Promise<string | undefined> {
  if (got.dtype !== want.dtype || got.shape.join() !== want.shape.join())
    return `${got.dtype}[${got.shape}] instead of ${want.dtype}[${want.shape}]`;
  const data = await got.data();
  const at = want.data.findIndex((x, i) => !(Math.abs(data[i]! - x) <= 1e-5 * Math.max(1, Math.abs(x))));
  return at < 0 ? undefined : `element ${at} is ${data[at]} instead of ${want.data[at]}`;
}

const name = ({ combine, mode, x, index }: Case): string =>
  `${combine} ${mode} ${x.dtype}[${x.shape}] at ${JSON.stringify(index.map((s) => (isEncoded(s) ? { i: s.data } : s)))}`;

const differentiable = cases.filter((c) => c.weights);
const gradients = (c: Case): Encoded[] => [c.dx!, ...(c.dvalue ? [c.dvalue] : [])];

/** Two of each operand side by side. */
const twice = (x: Tensor): Tensor => stack([x, x]);
const lanesOf = (x: Tensor): Tensor[] => [x.at(0), x.at(1)];

async function faultsOf(c: Case, got: readonly Tensor[], want: readonly Encoded[]): Promise<string[]> {
  const found = await Promise.all(got.map((x, i) => fault(x, want[i]!)));
  return found.filter((text) => text !== undefined).map((text) => `${name(c)}: ${text}`);
}

describe("as JAX computes it", () => {
  test("there are cases of all kinds", () => {
    expect(cases.length).toBeGreaterThan(190);
    expect(differentiable.length).toBeGreaterThan(160);
  });

  test("at once and under jit", async () => {
    for (const c of cases) {
      const args = [decode(c.x), decode(c.value), ...arraysOf(c)] as const;
      const got = [callOf(c)(...args), jit(callOf(c))(...args) as Tensor];
      expect(await faultsOf(c, got, [c.result, c.result])).toEqual([]);
    }
  });

  test("under vmap, with the tensor, the value or the indices batched", async () => {
    for (const c of cases) {
      const args = [decode(c.x), decode(c.value), ...arraysOf(c)];
      for (const batched of [[0], [1], [0, 1], args.map((_, k) => k).slice(2), args.map((_, k) => k)]) {
        if (batched.length === 0) continue;
        const inAxes = args.map((_, k) => (batched.includes(k) ? 0 : null));
        const f = vmap(callOf(c) as (...xs: Tensor[]) => Tensor, inAxes);
        const got = lanesOf(f(...args.map((x, k) => (batched.includes(k) ? twice(x) : x))));
        expect(await faultsOf(c, got, [c.result, c.result])).toEqual([]);
      }
    }
  });

  test("in gradients, at once, under jit, under vmap, and under both", async () => {
    for (const c of differentiable) {
      const args = [decode(c.x), decode(c.value), ...arraysOf(c)] as const;
      const f = gradientsOf(c);
      expect(await faultsOf(c, f(...args), gradients(c)), "grad").toEqual([]);
      expect(await faultsOf(c, jit(f)(...args) as Tensor[], gradients(c)), "jit of grad").toEqual([]);
      const lanes = args.map(twice) as [Tensor, Tensor];
      const want = gradients(c).flatMap((x) => [x, x]);
      const mapped = vmap(f)(...lanes) as Tensor[];
      expect(await faultsOf(c, mapped.flatMap(lanesOf), want), "vmap of grad").toEqual([]);
      const both = jit(vmap(f))(...lanes) as Tensor[];
      expect(await faultsOf(c, both.flatMap(lanesOf), want), "jit of vmap of grad").toEqual([]);
    }
  });
});

gpuTest(
  "a sample of the gradients is the same on the GPU, under jit of vmap",
  async () => {
    setDevice("gpu");
    const picked = differentiable.filter((_, i) => i % 9 === 4);
    expect(picked.length).toBeGreaterThan(15);
    const lanes = picked.map((c) => [decode(c.x), decode(c.value), ...arraysOf(c)].map(twice) as [Tensor, Tensor]);
    const all = jit((xs: Tensor[][]) => picked.map((c, i) => vmap(gradientsOf(c))(...(xs[i] as [Tensor, Tensor]))));
    const results = all(lanes) as unknown as Tensor[][];
    const faults: string[] = [];
    for (const [i, c] of picked.entries()) {
      const want = gradients(c).flatMap((x) => [x, x]);
      faults.push(...(await faultsOf(c, results[i]!.flatMap(lanesOf), want)));
    }
    setDevice("cpu");
    expect(faults).toEqual([]);
  },
  120_000,
);

const index = (i: number | readonly number[]): Tensor => tensor(i as number, { dtype: "i32" });

describe("gradients", () => {
  test("of a table's rows add up per row, for each lane of vmap by itself", async () => {
    const table = ones([4, 2]);
    const loss = (t: Tensor, i: Tensor, w: Tensor) => t.take(i, 0).mul(w).sum();
    const ids = tensor([0, 2, 2, 3, 3, 3], { dtype: "i32", shape: [2, 3] });
    const w = tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3, 1] });
    const perLane = jit(vmap(grad(loss), [null, 0, 0]))(table, ids, w) as Tensor;
    expect(await perLane.slice(null, null, 0).toArray()).toEqual([
      [1, 0, 5, 0],
      [0, 0, 0, 15],
    ]);
    // by the table that all lanes share: the sum over the lanes
    const shared = jit(grad((t: Tensor) => vmap(loss, [null, 0, 0])(t, ids, w).sum()))(table) as Tensor;
    expect(await shared.slice(null, 0).toArray()).toEqual([1, 0, 5, 15]);
  });

  test("do not pass through what was filled in", async () => {
    const f = (x: Tensor) => x.take(index([1, 5, -1]), 0, { mode: "fill" });
    const x = tensor([1, 2, 3]);
    expect(await f(x).toArray()).toEqual([2, NaN, 3]);
    const weights = tensor([10, 20, 30]);
    const sum = (y: Tensor) => y.where(y.eq(y), 0).mul(weights).sum();
    expect(await grad((y: Tensor) => sum(f(y)))(x).toArray()).toEqual([0, 10, 30]);
  });

  test("of an infinite or missing number stay in their place", async () => {
    const f = grad((x: Tensor, w: Tensor) =>
      x
        .take(index([0, 2]))
        .mul(w)
        .sum(),
    );
    expect(await f(ones([3]), tensor([Infinity, NaN])).toArray()).toEqual([Infinity, 0, NaN]);
    const one = grad((x: Tensor, w: Tensor) => x.at(index(1)).mul(w));
    expect(await one(ones([3]), tensor(NaN)).toArray()).toEqual([0, NaN, 0]);
  });

  test("of products that meet need no division by zero", async () => {
    const f = (x: Tensor, u: Tensor) =>
      x
        .update([index([0, 0, 0, 1, 1])])
        .mul(u)
        .sum();
    const [dx, du] = grad(f, { argnums: [0, 1] })(tensor([2, 3]), tensor([4, 0, 5, 0, 0])) as unknown as Tensor[];
    expect(await dx!.toArray()).toEqual([0, 0]);
    expect(await du!.toArray()).toEqual([0, 40, 0, 0, 0]);
  });

  test("of a window that moves under a trace are a window of ones", async () => {
    const f = jit(
      vmap(
        grad((x: Tensor, i: Tensor) => x.with(i, 0).sum()),
        [null, 0],
      ),
    );
    expect(await f(ones([3]), index([0, 2])).toArray()).toEqual([
      [0, 1, 1],
      [1, 1, 0],
    ]);
  });
});

describe("mistakes", () => {
  const x = zeros([3, 4]);
  const mask = x.gt(0);

  test.each([
    ["with", () => x.with([mask], 1), "use where(mask, value, x)"],
    ["with", () => x.with(mask, 1), "use where(mask, value, x)"],
    ["update", () => x.update(mask), "use where(mask, value, x)"],
    ["slice", () => x.slice(mask), "use where(mask, x, other) to keep the shape"],
    ["take", () => x.take(mask), "use where(mask, x, other) to keep the shape"],
    ["at", () => x.at(mask.at(0, 0)), "use where(mask, x, other) to keep the shape"],
    ["takeAlongAxis", () => x.takeAlongAxis(mask, 1), "use where(mask, x, other) to keep the shape"],
  ])("a mask is no index of %s", (what, call, instead) => {
    expect(call).toThrow(DTypeError);
    expect(call).toThrow(
      new RegExp(`^${what}: a boolean mask bool\\[.*\\] selects a number of entries that is not known`),
    );
    expect(call).toThrow(instead);
    expect(call).toThrow(/\n {2}at .*indexed\.test\.ts:\d+/);
  });

  test("numbers out of range are refused, lists of numbers are taken for ranges", () => {
    expect(() => x.with(3, 1)).toThrow("with: index 3 is out of range for axis 0 of f32[3,4]");
    expect(() => x.update([0, -5])).toThrow("update: index -5 is out of range for axis 1 of f32[3,4]");
    expect(() => x.with([0, 0, 0], 1)).toThrow("with: 3 ranges given for f32[3,4]");
    expect(() => x.slice([0, 1, 2, 1] as unknown as SliceSpec)).toThrow(
      'slice: axis 0 is given 4 numbers, but [start, stop, step] is wanted\n  make a list of indices a tensor: tensor([0,1, …], { dtype: "i32" })',
    );
    expect(() => x.slice(index([0, 1]), index([0, 1, 2]))).toThrow("slice: shapes [2] and [3] do not broadcast");
    expect(() => x.slice(tensor([0.5]))).toThrow("slice: the indices are f32[1], but i32 or u32 is wanted");
  });

  test("values must fit in shape and dtype", () => {
    expect(() => x.with(0, ones([3]))).toThrow(ShapeError);
    expect(() => x.with(0, ones([3]))).toThrow(
      /^with: the value f32\[3\] does not stretch to \[4\], the shape of what it is written to\n {2}at .*indexed\.test\.ts:\d+/,
    );
    expect(() => x.update([index([0, 1])]).add(ones([3, 4]))).toThrow(
      "update add: the value f32[3,4] does not stretch",
    );
    const whole = index([1, 2]);
    expect(() => whole.with(0, tensor(0.5))).toThrow(DTypeError);
    expect(() => whole.with(0, tensor(0.5))).toThrow("with: the value f32[] does not fit into i32[2]");
    expect(() => whole.with(0, 0.5)).toThrow("with: the constant 0.5 does not fit i32");
    expect(() => mask.update([index([0])]).add(true)).toThrow("scatter: add does not take bool");
  });

  test("unknown options and modes are refused", () => {
    expect(() => x.update(0, { mode: "wrap" as "clip" })).toThrow(
      "update: there is no mode 'wrap'; there are clip, drop",
    );
    expect(() => x.update(0, { modes: 1 } as object)).toThrow("update: there is no option 'modes'; there is mode");
    expect(() => x.take(index(0), 0, { mode: "drop" as "clip" })).toThrow(ValueError);
  });

  test("speak of one example inside of vmap", () => {
    expect(() => vmap((row: Tensor) => row.with(4, 0))(x)).toThrow(
      "with: index 4 is out of range for axis 0 of f32[4]",
    );
  });
});

test("an index may be a number, a tensor, or a list of specs, for each of which the old tensor stays as it was", async () => {
  const x = tensor([1, 2, 3]);
  const specs: readonly IndexSpec[] = [1, -2, index(1), [1], [[1, 2]], [index([1])]];
  for (const spec of specs) expect(await x.with(spec, 9).toArray()).toEqual([1, 9, 3]);
  expect(await x.toArray()).toEqual([1, 2, 3]);
  expect(x.with([], 7).shape).toEqual([3]);
});
