// Instructions that WGSL has only roughly: the exact remainder and the fused product and sum, on the CPU and the device.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Scalar, ScalarBuilder } from "../../compiler/ir/scalar.js";
import { compileScalar } from "../../compiler/scalar/evaluate.js";
import { type DeviceScalars, openDeviceScalars } from "../support/device-scalars.js";
import { describeGpu } from "../support/gpu.js";
import { bitsOfFloat, floatOfBits, randomStream } from "../support/ulp.js";

type Build = (b: ScalarBuilder, ...x: Scalar[]) => Scalar;
const rem: Build = (b, x, y) => b.rem(x!, y!);
const fma: Build = (b, x, y, z) => b.fma(x!, y!, z!);

function onCpu(build: Build, args: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(args[0]!.length);
  compileScalar(
    (b, x) => build(b, ...x),
    args.map(() => "f32" as const),
  )([out], args, out.length);
  return out;
}

const random = randomStream(77);
const COUNT = 200_000;
/** Any normal number whose exponent lies in a range. */
const normal = (low: number, high: number): number => {
  const exponent = 127 + low + Math.floor(random() * (high - low + 1));
  return floatOfBits(((Math.floor(random() * 512) << 23) & 0x80000000) | (exponent << 23) | (random() * 2 ** 23));
};
const columns = (rows: readonly (readonly number[])[]): Float32Array[] =>
  rows[0]!.map((_, k) => Float32Array.from(rows, (row) => row[k]!));

const remRows = Array.from({ length: COUNT }, (_, i) =>
  i % 3 === 0 ? [normal(-126, 127), normal(-126, 127)] : i % 3 === 1 ? [normal(0, 20), normal(-3, 3)] : multiple(),
);
function multiple(): number[] {
  const y = Math.fround(Math.ceil(random() * 4096) * 2 ** -7);
  return [Math.fround(y * Math.floor(random() * 2048)), -y];
}

const fmaRows = Array.from({ length: COUNT }, (_, i) => {
  if (i % 4 === 0) return [normal(-30, 30), normal(-30, 30), normal(-60, 60)];
  const [x, y] = [normal(-126, 60), normal(-60, 60)];
  if (i % 4 === 1) return [x, y, -Math.fround(x * y)]; // nothing is left but the rounding of the product
  if (i % 4 === 2) return [x, y, Math.fround(x * y * (random() * 4 - 2))];
  // x y is midway between two f32, and z decides
  return [1 + 2 ** -12, 1 + 2 ** -12, (random() < 0.5 ? 1 : -1) * normal(-126, -30)];
});

test("the remainder has the sign of the dividend, and is exact however large the quotient", () => {
  const rows = [
    [5.5, 2, 1.5],
    [-5.5, 2, -1.5],
    [5.5, -2, 1.5],
    [-4, 2, -0],
    [0, 3, 0],
    [-0, 3, -0],
    [1, Infinity, 1],
    [Infinity, 1, NaN],
    [1, 0, NaN],
    [NaN, 1, NaN],
    [1, NaN, NaN],
    [3.4028234663852886e38, 2 ** -149, 0],
    [2 ** 100, 3, 1],
    [2 ** 101, -3, 2],
  ] as const;
  expect([...onCpu(rem, columns(rows).slice(0, 2))]).toEqual(rows.map((row) => row[2]));
});

test("a fused product and sum is rounded once", () => {
  const e = 2 ** -12;
  const rows = [
    [1 + e, 1 + e, 0, Math.fround(1 + 2 * e)],
    [1 + e, 1 + e, 2 ** -80, floatOfBits(bitsOfFloat(Math.fround(1 + 2 * e)) + 1)],
    [1 + e, 1 + e, -(2 ** -80), Math.fround(1 + 2 * e)],
    [1 + e, 1 - e, -1, -e * e],
    [-0, 3, -0, -0],
    [Infinity, 0, 1, NaN],
    [2, 3.4028234663852886e38, -Infinity, -Infinity],
    [2, 3.4028234663852886e38, -3.4028234663852886e38, 3.4028234663852886e38],
  ] as const;
  expect([...onCpu(fma, columns(rows).slice(0, 3))]).toEqual(rows.map((row) => row[3]));
});

/** Too small for a device that flushes. */
const isSubnormal = (x: number): boolean => x !== 0 && Math.abs(x) < 2 ** -126;

describeGpu("on the device, bit for bit what they are on the CPU:", () => {
  let device: DeviceScalars;
  beforeAll(async () => {
    device = await openDeviceScalars();
  });
  afterAll(() => device.close());

  test.each([
    ["the remainder", rem, columns(remRows)],
    ["the fused product and sum", fma, columns(fmaRows)],
  ] as const)("%s", async (_, build, args) => {
    const want = onCpu(build, args);
    const got = await device.run(build, args);
    let checked = 0;
    for (let i = 0; i < want.length; i++) {
      const x = args.map((arg) => arg[i]!);
      if (isSubnormal(want[i]!) || x.some(isSubnormal)) continue;
      if (!Object.is(got[i], want[i])) expect.fail(`of (${x}) it is ${got[i]}, not ${want[i]}`);
      checked++;
    }
    expect(checked).toBeGreaterThan(COUNT / 2);
  });
});
