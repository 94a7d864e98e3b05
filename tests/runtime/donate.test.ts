// Donated arguments: gone after the call, their memory used again where nothing else needs it, never wrong numbers.
import fc from "fast-check";
import { counters, DisposedError, DonatedError, grad, jit, ones, setDevice, type Tensor, tensor, vmap } from "lanewise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { countersSince } from "../../runtime/counters.js";
import { ready } from "../../runtime/engine.js";
import { hasGpu } from "../support/gpu.js";
import { errorOf } from "./support.js";

const range = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => i);

/** A tensor that only the device has. */
const made = (n: number): Tensor => tensor(range(n)).add(0);

/** What `work` adds to the counters, once the device is idle. */
async function counted(work: () => unknown) {
  await ready();
  const before = counters();
  await work();
  await ready();
  return countersSince(before);
}

describe.each(hasGpu ? (["cpu", "gpu"] as const) : (["cpu"] as const))("on the %s", (kind) => {
  beforeAll(async () => {
    setDevice(kind);
    await ready();
  });
  afterAll(() => setDevice("auto"));

  test("a donated tensor is gone after the call, however it is used", async () => {
    const step = jit((params: { w: Tensor; b: Tensor }, x: Tensor) => ({ w: params.w.add(x), b: params.b.mul(2) }), {
      donateArgnums: 0,
    });
    const params = { w: made(3), b: made(3) };
    const x = made(3);
    const next = step(params, x);
    for (const use of [
      () => params.w.data(),
      () => params.w.add(1),
      () => step(params, x),
      () => step(next, params.w),
    ]) {
      const error = await errorOf(use);
      expect(error).toBeInstanceOf(DonatedError);
      expect(error).toBeInstanceOf(DisposedError);
      expect(error.message).toMatch(
        /^this f32\[3\] tensor was donated to jit\(anonymous function\) as params\.[wb]: its memory belongs to the results of that call\n {2}use what jit\(anonymous function\) returned, or leave this argument out of donateArgnums\n {2}at .*donate\.test\.ts:\d+/,
      );
    }
    expect(await x.toArray()).toEqual([0, 1, 2]);
    expect(await next.w.toArray()).toEqual([0, 2, 4]);
    expect(await next.b.toArray()).toEqual([0, 2, 4]);
    params.w.dispose(); // once more is no mistake
  });

  test("its memory counts no more", async () => {
    const f = jit((x: Tensor) => x.sum(), { donateArgnums: [0] });
    const x = made(100_000);
    await x.data();
    const { liveBytes } = await counted(() => void f(x));
    expect(liveBytes).toBeLessThan(-300_000);
  });

  test("numbers and typed arrays in a donated argument stay the caller's", async () => {
    const f = jit((p: { rate: number; x: Tensor }) => p.x.mul(p.rate), { donateArgnums: 0 });
    const x = range(3);
    for (let i = 0; i < 2; i++) expect(await f({ rate: 2, x }).toArray()).toEqual([0, 2, 4]);
    expect([...x]).toEqual([0, 1, 2]);
  });

  test("a call that throws takes nothing", async () => {
    const f = jit((x: Tensor, y: Tensor) => x.add(y), { donateArgnums: 0 });
    const x = made(3);
    const gone = made(3);
    gone.dispose();
    f(made(3), made(3));
    expect(() => f(x, gone)).toThrow(DisposedError);
    expect(() => f(x, made(4))).toThrow();
    expect(await x.toArray()).toEqual([0, 1, 2]);
  });

  test("what else needs the elements keeps them", async () => {
    const f = jit((x: Tensor, y: Tensor) => [x.add(y), y.sub(x)], { donateArgnums: 0 });
    const numbers = async ([a, b]: readonly Tensor[]) => [await a!.toArray(), await b!.toArray()];

    const twice = made(3);
    expect(await numbers(f(twice, twice))).toEqual([
      [0, 2, 4],
      [0, 0, 0],
    ]);

    const seen = made(4);
    const view = seen.reshape([2, 2]);
    expect(await numbers(f(seen, ones([4])))).toEqual([
      [1, 2, 3, 4],
      [1, 0, -1, -2],
    ]);
    expect(await view.toArray()).toEqual([
      [0, 1],
      [2, 3],
    ]);

    const read = made(30_000);
    const reading = read.data();
    f(read, ones([30_000]));
    expect(await reading).toEqual(range(30_000));

    const waited = made(3);
    const later = waited.mul(3); // may still be encoded
    f(waited, ones([3]));
    expect(await later.toArray()).toEqual([0, 3, 6]);

    const host = range(3);
    const given = tensor(host);
    expect(await numbers(f(given, ones([3])))).toEqual([
      [1, 2, 3],
      [1, 0, -1],
    ]);
    expect([...host]).toEqual([0, 1, 2]);
  });

  test("a captured tensor that is donated, too, serves that call alone", async () => {
    const w = made(3);
    const f = jit((x: Tensor) => x.add(w), { donateArgnums: 0 });
    expect(await f(w).toArray()).toEqual([0, 2, 4]);
    expect(() => f(made(3))).toThrow(DonatedError);
  });

  test("a result may show a donated argument's own elements", async () => {
    const f = jit((x: Tensor) => [x, x.reshape([1, 3]), x.add(1)], { donateArgnums: 0 });
    const [a, b, c] = f(made(3)) as [Tensor, Tensor, Tensor];
    expect(await a.toArray()).toEqual([0, 1, 2]);
    expect(await b.toArray()).toEqual([[0, 1, 2]]);
    expect(await c.toArray()).toEqual([1, 2, 3]);
  });

  test("within another traced function nothing is donated", async () => {
    const inner = jit((x: Tensor) => x.mul(2), { donateArgnums: 0 });
    const x = made(3);
    expect(await jit((y: Tensor) => inner(y).add(inner(y)))(x).toArray()).toEqual([0, 4, 8]);
    expect(await vmap(inner)(x).toArray()).toEqual([0, 2, 4]);
    expect(await grad((y: Tensor) => inner(y).sum())(x).toArray()).toEqual([2, 2, 2]);
    expect(await x.toArray()).toEqual([0, 1, 2]);
  });

  test("random programs give the numbers they give without", async () => {
    const n = 6;
    const op = fc.tuple(fc.constantFrom("add", "mul", "sub", "roll", "sum", "dot"), fc.nat(), fc.nat());
    await fc.assert(
      fc.asyncProperty(
        fc.array(op, { minLength: 1, maxLength: 10 }),
        fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
        fc.subarray([0, 1, 2]),
        fc.array(fc.constantFrom("sole", "shared", "host"), { minLength: 3, maxLength: 3 }),
        async (steps, picked, donateArgnums, ways) => {
          const program = (...args: Tensor[]): Tensor[] => {
            const values = [...args];
            const at = (i: number): Tensor => values[i % values.length]!;
            for (const [name, i, j] of steps) {
              if (name === "roll") values.push(at(i).slice([1]).sum().add(at(j)));
              else if (name === "sum") values.push(at(i).sum().mul(at(j)));
              else if (name === "dot") values.push(at(i).reshape([n, 1]).mul(at(j)).sum(0));
              else values.push(at(i)[name](at(j)));
            }
            return picked.map((i) => at(i).mul(1)); // a result of its own
          };
          const make = (): Tensor[] => [0, 1, 2].map((k) => tensor(range(n).map((x) => (x % 3) - k)));
          const kept: Tensor[] = [];
          const args = make().map((x, k) => {
            if (ways[k] === "host") return x;
            const computed = x.add(0);
            if (ways[k] === "shared") kept.push(computed.reshape([n, 1]));
            return computed;
          });
          const before = await Promise.all(kept.map((x) => x.data()));
          const want = await Promise.all(jit(program)(...make()).map((x) => x.data()));
          const got = await Promise.all(jit(program, { donateArgnums })(...args).map((x) => x.data()));
          expect(got.map((x) => [...x])).toEqual(want.map((x) => [...x]));
          const after = await Promise.all(kept.map((x) => x.data()));
          expect(after).toEqual(before);
        },
      ),
      { numRuns: kind === "cpu" ? 60 : 25 },
    );
  });

  test("a training loop needs no more memory from step to step, and creates no buffers", async () => {
    const [rows, inner, outer] = [32, 80, 24];
    const loss = (w: { a: Tensor; b: Tensor }, x: Tensor, y: Tensor): Tensor => {
      const error = x.matmul(w.a).tanh().matmul(w.b).sub(y);
      return error.mul(error).mean();
    };
    type State = { w: { a: Tensor; b: Tensor }; m: { a: Tensor; b: Tensor } };
    const step = ({ w, m }: State, x: Tensor, y: Tensor): State => {
      const g = grad(loss)(w, x, y);
      const ma = m.a.mul(0.9).add(g.a);
      const mb = m.b.mul(0.9).add(g.b);
      return { w: { a: w.a.sub(ma.mul(0.01)), b: w.b.sub(mb.mul(0.01)) }, m: { a: ma, b: mb } };
    };
    const start = (): State => ({
      w: {
        a: made(16 * inner)
          .mul(1e-4)
          .reshape([16, inner]),
        b: made(inner * outer)
          .mul(1e-4)
          .reshape([inner, outer]),
      },
      m: { a: ones([16, inner]).mul(0), b: ones([inner, outer]).mul(0) },
    });
    const x = made(rows * 16)
      .mul(0.001)
      .reshape([rows, 16]);
    const y = ones([rows, outer]).add(0);

    const donating = jit(step, { donateArgnums: 0 });
    const plain = jit(step);
    let [state, other] = [start(), start()];
    for (let i = 0; i < 6; i++) other = plain(other, x, y);
    for (let i = 0; i < 6; i++) state = donating(state, x, y);
    await state.w.a.data();
    const bytes = 4 * 2 * (16 * inner + inner * outer);
    const peaks: number[] = [];
    const used = await counted(() => {
      for (let i = 0; i < 20; i++) {
        state = donating(state, x, y);
        peaks.push(counters().liveBytes + counters().pooledBytes);
      }
    });
    for (let i = 0; i < 20; i++) other = plain(other, x, y);
    expect([...(await state.w.a.data())]).toEqual([...(await other.w.a.data())]);
    expect([...(await state.m.b.data())]).toEqual([...(await other.m.b.data())]);
    expect(new Set(peaks).size).toBe(1);
    expect(used.buffersCreated).toBe(0);
    expect(used.liveBytes).toBe(0);
    if (kind === "gpu") {
      expect(used.bytesDonated).toBe(20 * bytes);
      expect(used.donationsKept).toBe(0);
      expect(used.bindGroupsCreated).toBe(0);
    }
    const [with_, without] = [donating.lower(state, x, y).memory, plain.lower(other, x, y).memory];
    expect(without.peakBytes - with_.peakBytes).toBe(bytes);
  });
});

test("a static argument has nothing to donate, and positions are whole numbers", () => {
  const f = (x: Tensor, _n: number): Tensor => x;
  expect(() => jit(f, { staticArgnums: 1, donateArgnums: [0, 1] })).toThrow(
    "jit of f: argument 1 is in staticArgnums and in donateArgnums, but a static argument has no memory to give\n  leave it out of one of them",
  );
  expect(() => jit(f, { donateArgnums: -1 })).toThrow("jit: donateArgnums has -1, but positions from 0 are wanted");
});

test("the plan says which result takes whose memory, and the code reads it through one binding", () => {
  const f = jit((x: Tensor, y: Tensor) => [x.mul(2).add(y), x.sub(y)], { donateArgnums: [0, 1] });
  const lowered = f.lower(ones([8]), ones([8]));
  expect(lowered.text("plan")).toContain("output0: 32 bytes, in the memory of input0, element by element");
  expect(lowered.text("plan")).toContain("output1: 32 bytes, in the memory of input1, element by element");
  expect(lowered.wgsl[0]).toContain("let t0 = out0[i];");
  expect(lowered.wgsl[0]!.match(/var<storage/g)).toHaveLength(2);

  // read elsewhere than where it is written: only a later kernel's result may lie there
  const reversed = jit((x: Tensor) => x.flip(0).add(x), { donateArgnums: 0 }).lower(ones([8]));
  expect(reversed.text("plan")).not.toContain("memory of");
  const later = jit((x: Tensor) => x.sum().mul(ones([40])), { donateArgnums: 0 }).lower(ones([40]));
  expect(later.text("plan")).toContain("output0: 160 bytes, in the memory of input0\n");
});
