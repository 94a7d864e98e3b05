// The programs of docs/training.md, on small data: they type-check, they train, and lanes do what models do alone.
import { readFileSync } from "node:fs";
import {
  grad,
  jit,
  nn,
  optim,
  random,
  relu,
  setDevice,
  stack,
  type Tensor,
  tensor,
  valueAndGrad,
  vmap,
  zeros,
} from "lanewise";
import { afterAll, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";

afterAll(() => setDevice("cpu"));

const { heNormal } = nn.initialisers;

function model(seed: number) {
  const [k1, k2] = random.split(random.key(seed));
  return { w1: heNormal()(k1!, [2, 8]), b1: zeros(8), w2: heNormal()(k2!, [8, 3]), b2: zeros(3) };
}

type Params = ReturnType<typeof model>;
type State = optim.OptimiserState<Params>;

const loss = (p: Params, x: Tensor, labels: Tensor) =>
  nn.softmaxCrossEntropy(x.matmul(p.w1).add(p.b1).tanh().matmul(p.w2).add(p.b2), labels);

/** Points in the plane, by the side of two lines that they are on. */
function points() {
  const x = random.uniform(random.key(1), [60, 2], { min: -1, max: 1 });
  const [u, v] = [x.slice(null, 0), x.slice(null, 1)];
  return { x, labels: u.gt(v).astype("i32").add(u.add(v).gt(0.5).astype("i32")) };
}

async function trains(): Promise<void> {
  const { x, labels } = points();
  let params = model(0);
  const adam = optim.chain(
    optim.clipByGlobalNorm(1),
    optim.adam({ learningRate: optim.warmupCosine({ peak: 0.1, warmupSteps: 5, steps: 60 }) }),
  );
  let state = adam.init(params);
  const step = jit(
    (p: typeof params, s: typeof state, images: Tensor, y: Tensor) => {
      const [value, gradients] = valueAndGrad(loss)(p, images, y);
      return [value, ...adam.update(gradients, s, p)] as const;
    },
    { donateArgnums: [0, 1] },
  );
  const losses: number[] = [];
  for (let i = 0; i < 60; i++) {
    const [value, nextParams, nextState] = step(params, state, x, labels);
    [params, state] = [nextParams, nextState];
    losses.push(await value.item());
  }
  expect(losses[59]!).toBeLessThan(0.25 * losses[0]!);
  const logits = x.matmul(params.w1).add(params.b1).tanh().matmul(params.w2).add(params.b2);
  expect(await nn.accuracy(logits, labels).item()).toBeGreaterThan(0.9);
}

test("a model trains on the CPU", async () => {
  await setDevice("cpu");
  await trains();
});

gpuTest("a model trains on the GPU", async () => {
  await setDevice("gpu");
  await trains();
});

test("lanes with a learning rate each do what the models do alone", async () => {
  await setDevice("cpu");
  const { x, labels } = points();
  const at = (rate: number | Tensor) => optim.adam({ learningRate: rate, amsgrad: true });
  const models = [model(1), model(2), model(3)];
  const rates = [1e-1, 1e-2, 1e-3];
  const together = jit(vmap((rate: Tensor, p: Params, s: State) => at(rate).update(grad(loss)(p, x, labels), s, p)));
  const key = ["w1", "b1", "w2", "b2"] as const;
  const stacked = Object.fromEntries(key.map((k) => [k, stack(models.map((m) => m[k]))])) as Params;
  let lanes: [Params, State] = [stacked, vmap(at(0).init)(stacked) as unknown as State];
  const alone = models.map((m): [Params, State] => [m, at(0).init(m)]);
  for (let i = 0; i < 3; i++) {
    lanes = together(tensor(rates), ...lanes);
    for (const [j, [p, s]] of alone.entries()) alone[j] = at(rates[j]!).update(grad(loss)(p, x, labels), s, p);
  }
  for (const [j, [p]] of alone.entries()) {
    const [got, want] = [await lanes[0].w1.at(j).data(), await p.w1.data()];
    got.forEach((y, i) => void expect(y).toBeCloseTo(want[i]!, 5));
  }
  expect([...(await lanes[1].step.data())]).toEqual([3, 3, 3]);
});

test("the table is the one that is shown", async () => {
  await setDevice("cpu");
  const net = new nn.Sequential(
    new nn.Conv2d(1, 6, 5),
    new nn.BatchNorm(6, { spatial: 2 }),
    relu,
    new nn.MaxPool(2),
    new nn.Flatten(),
    new nn.Dense(1176, 10),
  );
  net.layers[0]!.freeze();
  const table = net.summary({ inputs: [zeros([3, 1, 32, 32])], print: () => undefined });
  const page = readFileSync(new URL("../../docs/training.md", import.meta.url), "utf8");
  expect(page).toContain(`\`\`\`\n${table}\n\`\`\``);
});
