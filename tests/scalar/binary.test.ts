// pow and atan2 on the CPU: sweeps where their results are finite, and every pair of special values.
import { describe, expect, test } from "vitest";
import { compileScalar } from "../../compiler/scalar/evaluate.js";
import { atan2, pow } from "../../compiler/scalar/index.js";
import { floatOfBits, randomStream, ulpError } from "../support/ulp.js";

const COUNT = 400_000;

/** As C99 has it; JavaScript gives NaN for 1^NaN and (±1)^±∞. */
const widePow = (x: number, y: number): number =>
  x === 1 || y === 0 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y;

const functions = {
  pow: { run: compileScalar((b, [x, y]) => pow(b, x!, y!), ["f32", "f32"]), wide: widePow },
  atan2: { run: compileScalar((b, [y, x]) => atan2(b, y!, x!), ["f32", "f32"]), wide: Math.atan2 },
};

function worst(name: keyof typeof functions, x: Float32Array, y: Float32Array): { ulp: number; where: string } {
  const { run, wide } = functions[name];
  const out = new Float32Array(x.length);
  run([out], [x, y], x.length);
  let found = { ulp: -1, at: 0 };
  for (let i = 0; i < x.length; i++) {
    const ulp = ulpError(out[i]!, wide(x[i]!, y[i]!));
    if (!(ulp <= found.ulp)) found = { ulp, at: i };
  }
  const { ulp, at } = found;
  return { ulp, where: `${name}(${x[at]}, ${y[at]}) is ${out[at]}, not ${wide(x[at]!, y[at]!)}: ${ulp} ulp` };
}

function draw(seed: number, pair: (random: () => number) => readonly [number, number]): [Float32Array, Float32Array] {
  const random = randomStream(seed);
  const [x, y] = [new Float32Array(COUNT), new Float32Array(COUNT)];
  for (let i = 0; i < COUNT; i++) [x[i], y[i]] = pair(random) as [number, number];
  return [x, y];
}

const anyFloat = (random: () => number): number => floatOfBits(Math.floor(random() * 2 ** 32));

/** An exponent for which x^y spans all finite numbers, and a little more. */
const exponentFor = (x: number, part: number): number => (part * 105) / Math.abs(Math.log(Math.fround(x)) || 1);

describe("pow", () => {
  const sweeps: Record<string, (random: () => number) => readonly [number, number]> = {
    "any two numbers": (random) => [anyFloat(random), anyFloat(random)],
    "all results": (random) => {
      const x = Math.exp((random() - 0.5) * 176);
      return [x, exponentFor(x, random() * 2 - 1)];
    },
    "bases near 1": (random) => {
      const x = 1 + (random() - 0.5) * 2 ** (-23 * random());
      return [x, exponentFor(x, random() * 2 - 1)];
    },
    "results near overflow and underflow": (random) => {
      const x = 0.5 + random() * 2;
      return [x, exponentFor(x, (random() < 0.5 ? -1 : 1) * (0.8 + 0.2 * random()))];
    },
    "negative bases to whole powers": (random) => [-8 * random(), Math.round(random() * 60 - 30)],
    "subnormal bases": (random) => [floatOfBits(Math.floor(random() * 2 ** 23)), random() * 2 - 1],
  };
  test.each(Object.entries(sweeps))("%s", (_, pair) => {
    const { ulp, where } = worst("pow", ...draw(7, pair));
    expect(ulp, where).toBeLessThanOrEqual(1);
  });

  test("every pair of special values, as C99 has it", () => {
    const odd = 16777215;
    const positive = [0, 2 ** -149, 2 ** -127, 1 - 2 ** -24, 1, 1 + 2 ** -23, 0.5, 1.5, 2, 3, odd, odd + 1, 2 ** 31];
    const all = [...positive, 8388607.5, 2 ** 32, 1e30, 3.4028234663852886e38, Infinity].flatMap((x) => [x, -x]);
    all.push(NaN);
    const x = Float32Array.from(all.flatMap((a) => all.map(() => a)));
    const y = Float32Array.from(all.flatMap(() => all));
    const { ulp, where } = worst("pow", x, y);
    expect(ulp, where).toBeLessThanOrEqual(1);
  });

  test("the cases of C99 by name", () => {
    const cases: readonly (readonly [x: number, y: number, result: number])[] = [
      [NaN, 0, 1],
      [1, NaN, 1],
      [-1, Infinity, 1],
      [-1, -Infinity, 1],
      [0, -3, Infinity],
      [-0, -3, -Infinity],
      [-0, -2, Infinity],
      [-0, 3, -0],
      [-0, 2, 0],
      [-0, 0.5, 0],
      [0.5, -Infinity, Infinity],
      [2, -Infinity, 0],
      [0.5, Infinity, 0],
      [-2, Infinity, Infinity],
      [-Infinity, -3, -0],
      [-Infinity, -2, 0],
      [-Infinity, 3, -Infinity],
      [-Infinity, 0.5, Infinity],
      [Infinity, -1, 0],
      [-8, 1 / 3, NaN],
      [-2, 3, -8],
      [-2, -2, 0.25],
      [NaN, 1, NaN],
      [2, NaN, NaN],
    ];
    const out = new Float32Array(cases.length);
    const args = [0, 1].map((k) => Float32Array.from(cases, (c) => c[k]!));
    functions.pow.run([out], args, cases.length);
    expect([...out]).toEqual(cases.map(([, , result]) => result));
  });
});

describe("atan2", () => {
  const sweeps: Record<string, (random: () => number) => readonly [number, number]> = {
    "any two numbers": (random) => [anyFloat(random), anyFloat(random)],
    "of like size": (random) => {
      const x = anyFloat(random);
      return [x * 2 ** (random() * 40 - 20) * (random() < 0.5 ? -1 : 1), x];
    },
    "the unit circle": (random) => {
      const angle = random() * 2 * Math.PI;
      return [Math.sin(angle), Math.cos(angle)];
    },
  };
  test.each(Object.entries(sweeps))("%s", (_, pair) => {
    const { ulp, where } = worst("atan2", ...draw(11, pair));
    expect(ulp, where).toBeLessThanOrEqual(1.8);
  });

  test("every pair of special values, as C99 has it", () => {
    const all = [0, 2 ** -149, 2 ** -126, 1, 2, 3.4028234663852886e38, Infinity].flatMap((x) => [x, -x]);
    all.push(NaN);
    const y = Float32Array.from(all.flatMap((a) => all.map(() => a)));
    const x = Float32Array.from(all.flatMap(() => all));
    const { ulp, where } = worst("atan2", y, x);
    expect(ulp, where).toBeLessThanOrEqual(1);
  });
});
