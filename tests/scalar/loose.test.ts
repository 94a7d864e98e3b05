// The expansions on a device as loose as WGSL allows: products contracted into sums, subnormal numbers flushed,
// division and root off by ulps. What is kept must hold them to 4 ulp.
import { describe, expect, test } from "vitest";
import { type Scalar, ScalarBuilder } from "../../compiler/ir/scalar.js";
import { atan2, pow } from "../../compiler/scalar/index.js";
import { floatFunctions } from "../support/float-functions.js";
import { type Looseness, loosely, machineFor } from "../support/scalar-machine.js";
import { around, floatOfBits, randomStream, ulpError } from "../support/ulp.js";

const COUNT = 15_000;
const BOUND = 4;

/** Too small for a device that flushes. */
const isSubnormal = (x: number): boolean => x !== 0 && Math.abs(x) < 2 ** -126;

function worst(
  results: Scalar,
  wide: (...x: number[]) => number,
  rows: Iterable<readonly number[]>,
  looseness: Looseness,
): { ulp: number; where: string } {
  const machine = machineFor([results], looseness);
  let found = { ulp: -1, where: "" };
  for (const row of rows) {
    const want = wide(...row);
    if (row.some(isSubnormal) || isSubnormal(want)) continue;
    const [got] = machine(...row) as [number];
    const ulp = ulpError(got, want);
    if (!(ulp <= found.ulp)) found = { ulp, where: `of (${row}) it is ${got}, not ${want}` };
  }
  return found;
}

const random = randomStream(3);
const anyFloat = (): number => floatOfBits(Math.floor(random() * 2 ** 32));

describe.each([
  ["everything at once", loosely],
  ["contraction alone", { ...loosely, flushes: false, division: 0, root: 0 }],
  ["flushing alone", { contracts: false, flushes: true, division: 0, root: 0 }],
])("%s", (_, looseness) => {
  test.each(floatFunctions)("$name", (f) => {
    const b = new ScalarBuilder(true);
    const rows = [...around(f.critical, 20)].map((x) => [x]);
    for (let i = 0; i < COUNT; i++) rows.push([i % 2 === 0 ? anyFloat() : Math.fround(random() * 24 - 12)]);
    const { ulp, where } = worst(f.build(b, b.input(0, "f32")), f.wide, rows, looseness);
    expect(ulp, where).toBeLessThanOrEqual(BOUND);
  });

  test("pow", () => {
    const b = new ScalarBuilder(true);
    const rows = Array.from({ length: COUNT }, (_, i) => {
      const x = i % 3 === 0 ? Math.abs(anyFloat()) : Math.fround(0.4 + random() * 2);
      return [x, Math.fround(((random() * 2 - 1) * 95) / Math.abs(Math.log(x)))];
    }).filter(([x, y]) => !Number.isNaN(x! ** y!));
    const { ulp, where } = worst(pow(b, b.input(0, "f32"), b.input(1, "f32")), (x, y) => x! ** y!, rows, looseness);
    expect(ulp, where).toBeLessThanOrEqual(BOUND);
  });

  test("atan2", () => {
    const b = new ScalarBuilder(true);
    const rows = Array.from({ length: COUNT }, (_, i) => {
      if (i % 3 === 0) return [anyFloat(), anyFloat()];
      const y = Math.fround(i % 3 === 1 ? random() * 4 - 2 : 2 ** (-126 * random()));
      return [y, Math.fround(y * (i % 2 === 0 ? 2 ** (80 * random()) : random() * 8 - 4))];
    });
    const { ulp, where } = worst(atan2(b, b.input(0, "f32"), b.input(1, "f32")), Math.atan2, rows, looseness);
    expect(ulp, where).toBeLessThanOrEqual(BOUND);
  });
});
