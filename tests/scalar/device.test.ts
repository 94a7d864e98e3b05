// The expansions on the device: within 4 ulp of f64 anywhere, and on software adapters the bits of the CPU.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Scalar, ScalarBuilder } from "../../compiler/ir/scalar.js";
import { compileScalar } from "../../compiler/scalar/evaluate.js";
import { atan2, pow } from "../../compiler/scalar/index.js";
import { type DeviceScalars, openDeviceScalars } from "../support/device-scalars.js";
import { floatFunctions } from "../support/float-functions.js";
import { describeGpu } from "../support/gpu.js";
import { around, bitsOfFloat, everyNth, floatOfBits, randomStream, ulpError } from "../support/ulp.js";

const BOUND = 4;
const STRIDE = 40009; // 107,000 numbers

/** Too small for a device that flushes. */
const isSubnormal = (x: number): boolean => x !== 0 && Math.abs(x) < 2 ** -126;

/** Results below this may have lost low parts to flushing: within bounds, but not bit for bit. */
const SMALL = 2 ** -100;

describeGpu("on the device", () => {
  let device: DeviceScalars;
  beforeAll(async () => {
    device = await openDeviceScalars();
  });
  afterAll(() => device.close());

  async function check(
    build: (b: ScalarBuilder, ...x: Scalar[]) => Scalar,
    wide: (...x: number[]) => number,
    args: readonly Float32Array[],
  ): Promise<void> {
    const count = args[0]!.length;
    const got = await device.run(build, args);
    const cpu = new Float32Array(count);
    const types = args.map(() => "f32" as const);
    compileScalar((b, x) => build(b, ...x), types)([cpu], args, count);
    let worst = { ulp: -1, where: "" };
    let different = "";
    for (let i = 0; i < count; i++) {
      const x = args.map((arg) => arg[i]!);
      const want = wide(...x);
      if (x.some(isSubnormal) || isSubnormal(Math.fround(want))) continue;
      const ulp = ulpError(got[i]!, want);
      if (!(ulp <= worst.ulp)) worst = { ulp, where: `of (${x}) it is ${got[i]}, not ${want}: ${ulp} ulp` };
      const isSame = Object.is(got[i], cpu[i]) || bitsOfFloat(got[i]!) === bitsOfFloat(cpu[i]!);
      if (!isSame && Math.abs(want) > SMALL) different = `of (${x}) it is ${got[i]}, on the CPU ${cpu[i]}`;
    }
    expect(worst.ulp, worst.where).toBeLessThanOrEqual(BOUND);
    if (device.info.isSoftware) expect(different).toBe("");
  }

  const random = randomStream(9);
  const anyFloat = (): number => floatOfBits(Math.floor(random() * 2 ** 32));
  const pairs = (draw: (i: number) => readonly [number, number]): Float32Array[] => {
    const rows = Array.from({ length: 100_000 }, (_, i) => draw(i));
    return [Float32Array.from(rows, (row) => row[0]), Float32Array.from(rows, (row) => row[1])];
  };

  test.each(floatFunctions)("$name", async (f) => {
    const x = Float32Array.of(...around(f.critical, 20), NaN, ...everyNth(STRIDE));
    await check((b, y) => f.build(b, y!), f.wide, [x]);
  });

  test("pow", async () => {
    const widePow = (x: number, y: number): number =>
      x === 1 || y === 0 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y;
    const special = [0, -0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 16777215, -16777215, 2 ** 32, Infinity, -Infinity, NaN];
    const args = pairs((i) => {
      if (i < special.length ** 2) return [special[i % special.length]!, special[Math.floor(i / special.length)]!];
      if (i % 4 === 0) return [anyFloat(), anyFloat()];
      if (i % 4 === 1) return [Math.fround(-9 * random()), Math.round(random() * 40 - 20)];
      const x = i % 4 === 2 ? Math.abs(anyFloat()) || 1 : Math.fround(0.5 + random());
      return [x, ((random() * 2 - 1) * 95) / Math.abs(Math.log(x))];
    });
    await check(
      (b, x, y) => pow(b, x!, y!),
      (x, y) => widePow(x!, y!),
      args,
    );
  });

  test("atan2", async () => {
    const special = [0, -0, 1, -1, 3.4028234663852886e38, Infinity, -Infinity, NaN];
    const args = pairs((i) => {
      if (i < special.length ** 2) return [special[i % special.length]!, special[Math.floor(i / special.length)]!];
      if (i % 3 === 0) return [anyFloat(), anyFloat()];
      const y = i % 3 === 1 ? random() * 4 - 2 : 2 ** (-126 * random());
      return [y, y * (random() * 8 - 4)];
    });
    await check((b, y, x) => atan2(b, y!, x!), Math.atan2, args);
  });
});
