// Stable functions, whole quotients, bits and statistics beside the golden cases: gradients at corners, and refusals.
import {
  average,
  bitcast,
  bitwiseAnd,
  clip,
  DTypeError,
  divmod,
  elu,
  grad,
  hypot,
  jit,
  logaddexp,
  logSoftmax,
  logsumexp,
  mod,
  norm,
  relu,
  setDevice,
  softmax,
  softplus,
  std,
  type Tensor,
  tensor,
  where,
} from "lanewise";
import { beforeAll, describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";
import { randomStream } from "../support/ulp.js";

describe("gradients", () => {
  beforeAll(() => setDevice("cpu"));
  const at = async (f: (x: Tensor) => Tensor, x: number | number[]): Promise<unknown> =>
    (grad(f)(tensor(x)) as Tensor).toArray();

  test("of relu, clip, norm, std and hypot at their corners are 0", async () => {
    expect(await at(relu, [-1, 0, 2])).toEqual([0, 0, 1]);
    expect(await at((x) => clip(x, 0, 1), [-1, 0, 0.5, 1, 2])).toEqual([0, 0, 1, 0, 0]);
    expect(await at((x) => clip(x, 0), [-1, 0, 0.5])).toEqual([0, 0, 1]);
    expect(await at((x) => norm(x), [0, 0])).toEqual([0, 0]);
    expect(await at((x) => norm(x), [3, 4])).toEqual([Math.fround(0.6), Math.fround(0.8)]);
    expect(await at((x) => std(x), [2, 2])).toEqual([0, 0]);
    expect(await at((x) => hypot(x, 0), [0, -2])).toEqual([0, -1]);
  });

  test("are finite where functions overflow in their usual form", async () => {
    expect(await at(softplus, [-200, 0, 200])).toEqual([0, 0.5, 1]);
    expect(await at((x) => elu(x), [-200, 100])).toEqual([0, 1]);
    expect(await at((x) => logaddexp(x, -Infinity), [3, -Infinity])).toEqual([1, 0.5]);
    expect(await at((x) => logsumexp(x), [1000, 1000])).toEqual([0.5, 0.5]);
    expect(await at((x) => logsumexp(x), [-Infinity, 5])).toEqual([0, 1]);
  });

  test("of softmax and its logarithm are those of their formulas", async () => {
    const x = tensor([0.5, -1, 2]);
    const p = (await softmax(x).toArray()) as number[];
    const dlog = (grad((y: Tensor) => logSoftmax(y).at(1))(x) as Tensor).toArray();
    ((await dlog) as number[]).forEach((d, i) => void expect(d).toBeCloseTo((i === 1 ? 1 : 0) - p[i]!, 6));
    const d = (await (grad((y: Tensor) => softmax(y).at(1))(x) as Tensor).toArray()) as number[];
    d.forEach((v, i) => void expect(v).toBeCloseTo(p[1]! * ((i === 1 ? 1 : 0) - p[i]!), 6));
  });

  test("of where need their operand kept off infinite derivatives, twice", async () => {
    const once = (x: Tensor) => where(x.gt(0), x.log(), 0);
    const twice = (x: Tensor) => where(x.gt(0), where(x.gt(0), x, 1).log(), 0);
    expect(await at(once, [0, 2])).toEqual([NaN, 0.5]);
    expect(await at(twice, [0, 2])).toEqual([0, 0.5]);
  });

  test("of mod pass to both operands, and none through bits", async () => {
    const f = (x: Tensor, y: Tensor) => mod(x, y);
    const [dx, dy] = grad(f, { argnums: [0, 1] })(tensor(-7), tensor(3)) as unknown as [Tensor, Tensor];
    expect([await dx.item(), await dy.item()]).toEqual([1, 3]);
    expect(await at((x) => bitcast(bitcast(x, "u32"), "f32").mul(x), 3)).toBe(3);
  });
});

describe("refusals", () => {
  beforeAll(() => setDevice("cpu"));

  test("say what is wanted", () => {
    const x = tensor([1, 2]);
    expect(() => bitwiseAnd(x, 1)).toThrow(
      /^bitwiseAnd: f32\[2\] and 1 given, but integers are wanted\n {2}cast with .*\n {2}at .*functions\.test\.ts:\d+/,
    );
    expect(() => bitcast(x.gt(1), "u32")).toThrow(DTypeError);
    expect(() => clip(x)).toThrow(/clip: there is no bound/);
    expect(() => norm(x, null, { ord: 3 as 2 })).toThrow(/norm: there is no ord 3; there are 1, 2 and Infinity/);
    expect(() => std(x, 0, { dof: 1 } as object)).toThrow(/std: there is no option 'dof'; there are keepDims, ddof/);
    expect(() => average(x, 0, { weights: tensor([1, 2, 3]) })).toThrow(/give one for each element, or 2 for axis 0/);
  });
});

test("divmod is floorDivide and mod", async () => {
  setDevice("cpu");
  const [q, r] = divmod(tensor([7, -7], { dtype: "i32" }), 2);
  expect([await q.toArray(), await r.toArray()]).toEqual([
    [3, -4],
    [1, 1],
  ]);
});

describe("a sum of ten million numbers has its digits", () => {
  const data = (): { x: Float32Array; sum: number } => {
    const random = randomStream(11);
    const x = new Float32Array(10_000_000);
    let sum = 0;
    for (let i = 0; i < x.length; i++) {
      x[i] = random();
      sum += x[i]!;
    }
    return { x, sum };
  };
  const relativeError = async (): Promise<number> => {
    const { x, sum } = data();
    return Math.abs((await jit((y: Tensor) => y.sum())(tensor(x)).item()) / sum - 1);
  };

  test("on the CPU", async () => {
    setDevice("cpu");
    expect(await relativeError()).toBeLessThanOrEqual(1e-6);
  });

  gpuTest("on the GPU", async () => {
    setDevice("gpu");
    expect(await relativeError()).toBeLessThanOrEqual(1e-6);
  });
});
