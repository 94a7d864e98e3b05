// Initialisers: their spread, the fans they take it from, keys, and refusals.
import { jit, nn, random, type Shape, ShapeError, setDevice, type Tensor, ValueError, vmap } from "lanewise";
import { beforeAll, describe, expect, test } from "vitest";

beforeAll(() => setDevice("cpu"));

const { initialisers } = nn;
const key = random.key(7);

const numbers = async (x: Tensor): Promise<number[]> => [...(await x.data())];

/** Mean, standard deviation and largest size of what an initialiser draws. */
async function spread(draw: nn.initialisers.Initialiser, shape: Shape) {
  const x = await numbers(draw(key, shape));
  const mean = x.reduce((sum, y) => sum + y, 0) / x.length;
  const stddev = Math.sqrt(x.reduce((sum, y) => sum + (y - mean) ** 2, 0) / x.length);
  return { mean, stddev, most: Math.max(...x.map(Math.abs)) };
}

/** Within four standard errors of so many numbers, or nearly so. */
async function expectSpread(draw: nn.initialisers.Initialiser, shape: Shape, stddev: number): Promise<number> {
  const got = await spread(draw, shape);
  const count = shape.reduce((n, size) => n * size, 1);
  expect(Math.abs(got.mean)).toBeLessThan((4 * stddev) / Math.sqrt(count));
  expect(Math.abs(got.stddev / stddev - 1)).toBeLessThan(4 / Math.sqrt(count));
  return got.most;
}

describe("initialisers", () => {
  test("of constants", async () => {
    expect(await numbers(initialisers.zeros()(key, [2, 2]))).toEqual([0, 0, 0, 0]);
    expect(await numbers(initialisers.ones()(key, [2]))).toEqual([1, 1]);
    const half = initialisers.constant(0.5)(key, []);
    expect([half.dtype, await half.item()]).toEqual(["f32", 0.5]);
  });

  test("of plain distributions", async () => {
    await expectSpread(initialisers.normal(), [50, 100], 0.01);
    await expectSpread(initialisers.normal(3), [5000], 3);
    const most = await expectSpread(initialisers.uniform(0.5), [5000], 0.5 / Math.sqrt(3));
    expect(most).toBeLessThanOrEqual(0.5);
    expect(most).toBeGreaterThan(0.49);
    // a standard normal variable within [-2, 2] has the standard deviation 0.8796
    const cut = await expectSpread(initialisers.truncatedNormal(0.1), [5000], 0.1 * 0.8796);
    expect(cut).toBeLessThanOrEqual(0.2);
    const above = await numbers(initialisers.truncatedNormal(2, { lower: 0, upper: 1 })(key, [100]));
    expect(Math.min(...above)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...above)).toBeLessThanOrEqual(2);
  });

  const dense: Shape = [40, 120];
  const filters: Shape = [30, 8, 3, 5];
  const made = {
    xavierNormal: [initialisers.xavierNormal, Math.sqrt(2 / 160), Math.sqrt(2 / (38 * 15)), Math.sqrt(2 / 160)],
    xavierUniform: [initialisers.xavierUniform, Math.sqrt(2 / 160), Math.sqrt(2 / (38 * 15)), Math.sqrt(2 / 160)],
    heNormal: [initialisers.heNormal, Math.sqrt(2 / 40), Math.sqrt(2 / 120), Math.sqrt(2 / 120)],
    heUniform: [initialisers.heUniform, Math.sqrt(2 / 40), Math.sqrt(2 / 120), Math.sqrt(2 / 120)],
    lecunNormal: [initialisers.lecunNormal, Math.sqrt(1 / 40), Math.sqrt(1 / 120), Math.sqrt(1 / 120)],
    lecunUniform: [initialisers.lecunUniform, Math.sqrt(1 / 40), Math.sqrt(1 / 120), Math.sqrt(1 / 120)],
  } as const;

  test.each(Object.entries(made))(
    "%s goes by the fans of [in, out], [out, in, ...window] and [out, in]",
    async (name, row) => {
      const [make, ofDense, ofFilters, turned] = row;
      const most = [
        await expectSpread(make(), dense, ofDense),
        await expectSpread(make(), filters, ofFilters),
        await expectSpread(make({ layout: "out-in" }), dense, turned),
      ];
      if (name.endsWith("Uniform")) expect(most[0]).toBeLessThanOrEqual(Math.sqrt(3) * ofDense * (1 + 1e-6));
      else expect(most[0]).toBeGreaterThan(Math.sqrt(3) * ofDense);
    },
  );

  test("he takes the gain of another activation", async () => {
    await expectSpread(initialisers.heNormal({ gain: 5 / 3 }), [50, 100], 5 / 3 / Math.sqrt(50));
  });

  test("give the same for the same key, under jit, and each lane its own", async () => {
    const draw = (k: Tensor) => initialisers.heNormal()(k, [3, 4]);
    const want = await numbers(draw(key));
    expect(await numbers(draw(key))).toEqual(want);
    expect(await numbers(jit(draw)(key))).toEqual(want);
    const keys = random.split(key, 2);
    const lanes = await numbers(vmap(draw)(keys));
    expect(lanes.slice(12)).toEqual(await numbers(draw(keys.at(1))));
    expect(lanes.slice(0, 12)).not.toEqual(lanes.slice(12));
  });

  test("take weights without elements", () => {
    expect(initialisers.xavierUniform()(key, [0, 0]).shape).toEqual([0, 0]);
    expect(initialisers.lecunNormal()(key, [0, 3]).shape).toEqual([0, 3]);
  });

  test("refuse what has no fans, and numbers that are no scale", () => {
    expect(() => initialisers.heNormal()(key, [3])).toThrow(ShapeError);
    expect(() => initialisers.heNormal()(key, [3])).toThrow(/initialisers\.heNormal: the shape \[3\] has no inputs/);
    expect(() => initialisers.heNormal({ layout: "in-out" })(key, [3, 4, 5])).toThrow(/is for two axes/);
    expect(() => initialisers.xavierNormal({ layout: "io" as never })).toThrow(/there is no layout 'io'/);
    expect(() => initialisers.xavierNormal({ gain: 2 } as never)).toThrow(ValueError);
    expect(() => initialisers.normal(-1)).toThrow(/stddev is -1/);
    expect(() => initialisers.uniform(Number.NaN)).toThrow(/limit is NaN/);
    expect(() => initialisers.truncatedNormal(1, { lower: 2, upper: 1 })).toThrow(/2 is not below 1/);
    expect(() => initialisers.heUniform({ gain: Infinity })).toThrow(/the gain is Infinity/);
  });
});
