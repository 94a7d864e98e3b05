// Models that differ in numbers alone: each lane of the ensemble computes with its own.
import { beforeAll, describe, expect, test } from "vitest";
import {
  checkpoint,
  cond,
  customJvp,
  customVjp,
  foriLoop,
  grad,
  jit,
  nn,
  optim,
  random,
  scan,
  setDevice,
  sin,
  switchCase,
  type Tensor,
  tensor,
  valueAndGrad,
  vmap,
  where,
  whileLoop,
} from "../../index.js";
import { gpuTest } from "../support/gpu.js";

beforeAll(() => setDevice("cpu"));

/** A model of a number and a function of it. */
class Model extends nn.Module {
  readonly scale: nn.Parameter;

  constructor(
    readonly number: number,
    readonly rule: (x: Tensor, number: number, scale: Tensor) => Tensor,
  ) {
    super();
    this.scale = new nn.Parameter(tensor(1 + number / 8));
  }

  forward(x: Tensor): Tensor {
    return this.rule(x, this.number, this.scale);
  }
}

const x = tensor([0.5, -1, 2]);
const numbers = [2, 3, 5];

type Rule = Model["rule"];

const rules: Record<string, Rule> = {
  "in an expression": (y, k, s) =>
    y
      .mul(k)
      .add(s)
      .sub(k / 2),
  "as a result": (_, k) => tensor(k).mul(1),
  "as a fill": (y, k, s) => where(y.gt(0), k, s),
  "of integers": (y, k) => y.add(tensor([1, 2, 3]).astype("i32").mul(k).astype("f32")),
  "and in −0 from 0": (y, k) =>
    y
      .mul(0)
      .add(1)
      .div(k === 2 ? -0 : 0),
  "in a branch": (y, k, s) =>
    cond(
      y.sum().gt(0),
      (z: Tensor) => z.mul(k).add(s),
      (z: Tensor) => z.sub(k * 3),
      y,
    ),
  "in the branch not taken": (y, k) =>
    cond(
      y.sum().lt(0),
      (z: Tensor) => z.mul(k),
      (z: Tensor) => z,
      y,
    ),
  "in one of many branches": (y, k) =>
    switchCase(tensor(1).astype("i32"), [(z: Tensor) => z, (z: Tensor) => z.mul(k), (z: Tensor) => z.add(k)], y),
  "in branches of lanes that part": (y, k, s) =>
    vmap((z: Tensor) =>
      cond(
        z.gt(0),
        (a: Tensor) => a.mul(k).mul(s),
        (a: Tensor) => a.sub(k * 3),
        z,
      ),
    )(y),
  "in the body of a scan": (y, k, s) =>
    scan((c: Tensor, z: Tensor): [Tensor, Tensor] => [c.mul(1 / k).add(z), c.mul(s)], tensor(0), y)[1],
  "in the start of a scan": (y, k) =>
    scan((c: Tensor, z: Tensor): [Tensor, Tensor] => [c.add(z), c], tensor(0).add(k), y)[1],
  "in the body of a loop": (y, k) => foriLoop(0, 3, (_: Tensor, c: Tensor) => c.mul(k).sub(1), y),
  "in the condition of a loop": (y, k) =>
    whileLoop(
      (c: Tensor) => c.sum().lt(k * 10),
      (c: Tensor) => c.add(1),
      y,
    ),
  "in the condition and the body of a loop": (y, k, s) =>
    whileLoop(
      (c: Tensor) => c.sum().lt(k * 10),
      (c: Tensor) => c.add(k).add(s),
      y,
    ),
  "in a bounded loop of lanes that part": (y, k, s) =>
    vmap((z: Tensor) =>
      whileLoop(
        (c: Tensor) => c.lt(k * 2),
        (c: Tensor) => c.add(k).add(s),
        z,
        { maxSteps: 3 },
      ),
    )(y),
  "in a loop of a branch of a scan": (y, k) =>
    scan(
      (c: Tensor, z: Tensor): [Tensor, Tensor] => {
        const next = cond(
          z.gt(0),
          (a: Tensor) => foriLoop(0, 2, (_: Tensor, b: Tensor) => b.mul(k).add(z), a),
          (a: Tensor) => a.sub(k),
          c,
        );
        return [next, next];
      },
      tensor(1),
      y,
    )[1],
  "in what is checkpointed": (y, k, s) => checkpoint((z: Tensor) => sin(z.mul(k)).mul(s))(y),
  "as an argument of a function with a rule of its own": (y, k, s) => clipped(y.mul(s), k / 4),
  "in the gradient of one": (y, k, s) => grad((z: Tensor) => clipped(z.mul(s), k / 4))(y).mul(k),
};

/** min(y, limit), whose cotangent goes to y whatever the limit. */
const clipped = customVjp(
  (y: Tensor, limit: Tensor): Tensor => y.minimum(limit),
  (y: Tensor, limit: Tensor) => [y.minimum(limit), limit] as const,
  (limit: Tensor, ct: Tensor) => [ct.mul(limit), null] as const,
);

const models = (rule: Rule): Model[] => numbers.map((k) => new Model(k, rule));

/** Each alone, and all together. */
async function compare(rule: Rule): Promise<void> {
  const want = [];
  for (const model of models(rule)) want.push(await model.forward(x).data());
  for (const run of [vmap(models(rule), { inAxes: null }), jit(vmap(models(rule), { inAxes: null }))]) {
    const got = await run(x).data();
    const size = got.length / numbers.length;
    for (const [k, row] of want.entries()) {
      for (const [i, y] of row.entries()) expect(got[k * size + i]!).toBeCloseTo(y, 4);
    }
  }
}

describe("numbers that differ between models", () => {
  for (const [name, rule] of Object.entries(rules)) test(name, () => compare(rule));

  gpuTest("are each model's own on the GPU", async () => {
    setDevice("gpu");
    try {
      for (const name of ["in a branch", "in the body of a scan", "in the condition and the body of a loop"])
        await compare(rules[name]!);
    } finally {
      setDevice("cpu");
    }
  });

  test("of an optimiser: a learning rate for each", async () => {
    class Trainer extends nn.Module {
      readonly weight = new nn.Parameter(tensor([1, -1, 0.5]));
      readonly optimiser: nn.Optimiser;

      constructor(learningRate: number, amsgrad: boolean) {
        super();
        this.optimiser = new nn.Optimiser(optim.adam({ learningRate, amsgrad }), this.parameters());
      }

      forward(y: Tensor): Tensor {
        const loss = (): Tensor => this.weight.mul(y).sum().square();
        const [value, gradients] = valueAndGrad(loss, { wrt: { weight: this.weight } })();
        this.optimiser.forward(gradients);
        return value;
      }
    }
    const rates = [0.1, 0.01, 0.5];
    for (const amsgrad of [false, true]) {
      const [together, apart] = [0, 1].map(() => rates.map((rate) => new Trainer(rate, amsgrad))) as [
        Trainer[],
        Trainer[],
      ];
      const step = jit(vmap(together, { inAxes: null }));
      for (let i = 0; i < 4; i++) {
        const got = await step(x).data();
        for (const [k, one] of apart.entries()) expect(got[k]!).toBeCloseTo(await one.forward(x).item(), 5);
      }
      for (const [k, one] of apart.entries()) {
        const [got, want] = [await together[k]!.weight.data(), await one.weight.data()];
        for (const [i, y] of want.entries()) expect(got[i]!).toBeCloseTo(y, 5);
      }
    }
  });

  test("of dropout: a rate for each", async () => {
    const make = () => [0.25, 0.5, 0.9].map((rate) => new nn.Dropout(rate));
    const key = random.key(3);
    const ones = tensor(new Float32Array(64).fill(1));
    const got = (await vmap(make(), { inAxes: null })(ones, key).toArray()) as number[][];
    for (const [k, layer] of make().entries()) expect(got[k]).toEqual(await layer.forward(ones, key).toArray());
  });

  test("are computed with by gradients through the ensemble", async () => {
    for (const name of [
      "in a branch",
      "in the body of a scan",
      "in what is checkpointed",
      "in branches of lanes that part",
      "in a bounded loop of lanes that part",
      "as an argument of a function with a rule of its own",
    ]) {
      const [together, apart] = [models(rules[name]!), models(rules[name]!)];
      const got = await grad((y: Tensor) => vmap(together, { inAxes: null })(y).sum())(x).data();
      const want = [0, 0, 0];
      for (const model of apart)
        for (const [i, y] of (await grad((z: Tensor) => model.forward(z).sum())(x).data()).entries()) want[i]! += y;
      for (const [i, y] of want.entries()) expect(got[i]!).toBeCloseTo(y, 4);
    }
  });

  test("are refused where a function with a rule of its own takes them from outside", async () => {
    const scaled = (y: Tensor, k: number): Tensor =>
      customJvp(
        (z: Tensor): Tensor => z.mul(k),
        ([z], [dz]) => [z.mul(k), dz.mul(k)],
      )(y);
    expect(() => vmap(models(scaled), { inAxes: null })(x)).toThrow(
      /different numbers to customJvp of .*as arguments/s,
    );
    const ruled = (y: Tensor, k: number): Tensor =>
      customJvp(
        (z: Tensor): Tensor => z.mul(2),
        ([z], [dz]) => [z.mul(2), dz.mul(k)],
      )(y);
    const together = vmap(models(ruled), { inAxes: null });
    expect(await together(x).at(0).toArray()).toEqual([1, -2, 4]);
    expect(() => grad((y: Tensor) => together(y).sum())(x)).toThrow(/rules of customJvp of .*differ between models/s);
  });
});
