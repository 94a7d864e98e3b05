// Arrays, tables and local arrays of plain-JavaScript functions.
import { expect, test } from "vitest";
import { arange, jit, setDevice, vmap } from "../../index.js";
import { gpuTest } from "../support/gpu.js";
import { traced } from "../support/plain-js.js";
import { same } from "./oracle.js";

const nested = {
  a: [
    [1, 2],
    [3, 4],
  ],
  b: { c: [10, 20, 30] },
};

same("nested table", (x: number) => {
  const i = x > 1 ? 1 : 0;
  return nested.a[i]![1 - i]! + nested.b.c[i + 1]!;
});
same(
  "local short traced",
  (x: number) => {
    const a = [0, 0, 0, 0];
    const i = Math.floor(Math.abs(x)) % 4;
    a[i] = x;
    a[i]! += 1;
    return a;
  },
  [[1], [2.5], [0], [7]],
);
same(
  "local long traced",
  (x: number) => {
    const a = new Array(40).fill(0);
    for (let i = 0; i < 40; i++) a[(i * 7) % 40] = i;
    const j = Math.floor(Math.abs(x)) % 40;
    a[j] = x;
    a[(j + 1) % 40]++;
    return a;
  },
  [[1], [2.5], [0], [37]],
);
same(
  "histogram",
  (xs: number[]) => {
    const h = [0, 0, 0];
    for (const v of xs) h[Math.min(2, Math.max(0, Math.floor(v)))]!++;
    return h;
  },
  [[[0.5, 1.5, 2.5, 0, 7, -3]]],
);
same("matrix local", (x: number) => {
  const m = [
    [1, 2],
    [3, 4],
  ];
  const i = x > 1 ? 1 : 0;
  m[0]![1] = x;
  return m[i]![0]! + m[1 - i]![1]!;
});
same("matrix local write", (x: number) => {
  const m = [
    [1, 2],
    [3, 4],
  ];
  const i = x > 1 ? 1 : 0;
  m[i]![0] = x;
  return m;
});
same("reduce no init", (xs: number[]) => xs.reduce((a, b) => Math.max(a, b)), [[[0.5, 1.5, 2.5]]]);
same("Array.from fill", (x: number) => Array.from({ length: 4 }, (_, i) => i * x).concat(new Array(2).fill(x)));
same("array length set", (x: number) => {
  const a = [x, 1, 2];
  a.length = 2;
  return a.length + a[0]!;
});
same("inc exprs", (x: number) => {
  let i = 0;
  const a = [1, 2, 3, 4];
  return a[i++]! + a[++i]! * x + a[i--]! + i;
});

same("at() counts from the end", (i) => [1, 2, 3, 4].at(i | 0), [[1], [-1], [-4], [3]]);
test("positions outside are NaN, of tensors, tables and local arrays", () => {
  const table = new Float32Array([1, 2, 3]);
  const f = traced(
    (xs: number[], i: number) => {
      const local = [10, 20, 30];
      return [xs[i], table[i], local[i], nested.b.c[i]];
    },
    [[1, 2, 3], 0],
  );
  for (const i of [3, -1, 0.5, 1e9, Number.NaN]) expect(f.run([[4, 5, 6], i])).toEqual([NaN, NaN, NaN, NaN]);
  expect(f.run([[4, 5, 6], 2])).toEqual([6, 3, 30, 30]);
});
gpuTest("a table is read in the kernel, by each lane at its own position", async () => {
  const sum = (stop: number, values: number[]): number => {
    let s = 0;
    let i = 0;
    while (s < stop) s += values[i++ % 16]!;
    return i;
  };
  const f = jit(vmap(sum, [0, null]));
  const args = [arange(8).mul(10), arange(16)] as const;
  expect(f.lower(...args).text("kernels")).toMatch(/^1 kernel, 1 dispatch/);
  setDevice("gpu");
  const table = Array.from({ length: 16 }, (_, i) => i);
  expect(await f(...args).toArray()).toEqual(table.slice(0, 8).map((k) => sum(k * 10, table)));
});
