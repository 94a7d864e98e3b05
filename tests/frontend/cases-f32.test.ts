// The cases of plain-JavaScript functions in f32, vmapped and compiled, on the CPU and on the GPU; and their slopes.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { grad, jit, setDevice, type Tensor, tensor, vmap } from "../../index.js";
import { describeGpu } from "../support/gpu.js";
import type { Value } from "../support/plain-js.js";
import { type Accepted, accepted, draw, type Kind } from "./cases.js";
import { seeded } from "./fuzz/draw.js";

const LANES = 24;

/** Arguments of all lanes: each number a vector, each array a matrix. */
function stacked(kind: Kind, lanes: readonly Value[]): unknown {
  if (kind === "n" || (Array.isArray(kind) && kind.length === 1 && typeof kind[0] === "number"))
    return tensor(lanes as number[]);
  const at = (key: string | number): Value[] => lanes.map((x) => (x as Record<string | number, Value>)[key]!);
  if (Array.isArray(kind)) return kind.map((each, i) => stacked(each as Kind, at(i)));
  return Object.fromEntries(Object.entries(kind).map(([key, each]) => [key, stacked(each, at(key))]));
}

/** Results of lane i of a tree. */
async function laneOf(x: unknown, i: number): Promise<unknown> {
  if (typeof (x as Tensor).toArray === "function") return ((await (x as Tensor).toArray()) as unknown[])[i];
  if (Array.isArray(x)) return Promise.all(x.map((each) => laneOf(each, i)));
  const entries = Object.entries(x as object).map(async ([key, each]) => [key, await laneOf(each, i)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** Far enough from a jump that rounding to f32 does not decide: the function hardly changes beside the arguments. */
function isSteady(fn: (...args: Value[]) => unknown, args: readonly Value[]): boolean {
  const moved = (by: number): unknown => fn(...args.map((x) => scaled(x, 1 + by)));
  return isClose(moved(2e-6), moved(-2e-6), 1e-3);
}

function scaled(x: Value, by: number): Value {
  if (typeof x === "number") return x * by;
  if (Array.isArray(x)) return x.map((each) => scaled(each, by));
  return typeof x === "boolean"
    ? x
    : Object.fromEntries(Object.entries(x).map(([key, each]) => [key, scaled(each, by)]));
}

function isClose(got: unknown, want: unknown, tolerance: number): boolean {
  if (typeof got === "number" && typeof want === "number")
    return Object.is(got, want) || Math.abs(got - want) <= tolerance * (1 + Math.abs(want));
  if (typeof got !== "object" || got === null) return got === want;
  return Object.entries(got).every(([key, x]) => isClose(x, (want as Record<string, unknown>)[key], tolerance));
}

async function checkCase({ fn, args }: Accepted): Promise<void> {
  const random = seeded(11);
  const lanes = Array.from({ length: LANES }, () => args.map((kind) => draw(kind, random)));
  const f = jit(vmap(fn)) as (...xs: unknown[]) => unknown;
  const got = f(
    ...args.map((kind, k) =>
      stacked(
        kind,
        lanes.map((each) => each[k]!),
      ),
    ),
  );
  let steady = 0;
  for (const [i, values] of lanes.entries()) {
    if (!isSteady(fn, values)) continue;
    steady++;
    const [mine, plain] = [await laneOf(got, i), fn(...values)];
    expect(
      isClose(mine, plain, 2e-4),
      `${JSON.stringify(values)}: ${JSON.stringify(mine)}, not ${JSON.stringify(plain)}`,
    ).toBe(true);
  }
  expect(steady).toBeGreaterThan(LANES / 2);
}

describe("jit(vmap(fn)) on the CPU gives what the function gives", () => {
  beforeAll(() => setDevice("cpu"));
  afterAll(() => setDevice("auto"));
  test.each(accepted)("$name", checkCase);
});

describeGpu("jit(vmap(fn)) on the GPU gives what the function gives", () => {
  beforeAll(() => setDevice("gpu"));
  afterAll(() => setDevice("auto"));
  test.each(accepted)("$name", checkCase);
});

/** Functions of numbers alone, smooth almost everywhere, whose loops have a count that is known or a bound. */
const SMOOTH = /^(01|02|03|04|09|10|14|21|22|25|27|29|32) /;
/** Most turns of the loops of cases that are not static. */
const BOUNDED: Readonly<Record<string, number>> = { "16": 16, "06": 30 };
const differentiable = accepted.filter(
  ({ name, args }) => (SMOOTH.test(name) || name.slice(0, 2) in BOUNDED) && args.every((kind) => kind === "n"),
);

async function checkSlope({ name, fn, args }: Accepted): Promise<void> {
  const random = seeded(13);
  const lanes = Array.from({ length: LANES }, () => args.map((kind) => draw(kind, random) as number));
  const maxSteps = BOUNDED[name.slice(0, 2)];
  const one = grad(fn as (...xs: number[]) => number, { argnums: 0, ...(maxSteps !== undefined && { maxSteps }) });
  const f = jit(vmap(one as never)) as unknown as (...xs: Tensor[]) => Tensor;
  const got = (await f(...args.map((_, k) => tensor(lanes.map((each) => each[k]!)))).toArray()) as number[];
  let compared = 0;
  for (const [i, [x, ...others]] of lanes.entries()) {
    const at = (h: number): number => Number(fn(x! + h, ...others));
    const slope = (h: number): number => (at(h) - at(-h)) / (2 * h);
    // where both steps agree there is no edge between
    const [near, far] = [slope(1e-6), slope(1e-4)];
    if (!isClose(near, far, 1e-3)) continue;
    compared++;
    expect(isClose(got[i], near, 5e-3), `${x}, ${others.join(", ")}: ${got[i]}, not ${near}`).toBe(true);
  }
  expect(compared).toBeGreaterThan(LANES / 2);
}

describe("jit(vmap(grad(fn))) on the CPU gives the slope of the function", () => {
  beforeAll(() => setDevice("cpu"));
  afterAll(() => setDevice("auto"));
  test.each(differentiable)("$name", checkSlope);
});

describeGpu("jit(vmap(grad(fn))) on the GPU gives the slope of the function", () => {
  beforeAll(() => setDevice("gpu"));
  afterAll(() => setDevice("auto"));
  test.each(differentiable)("$name", checkSlope);
});
