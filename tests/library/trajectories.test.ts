// Twenty steps of training with each optimiser, held to float64: by the formulas (trajectories.py), and by PyTorch's own
// optimisers (trajectories-pytorch.py).
import { readFileSync } from "node:fs";
import { type DeviceKind, jit, nn, optim, scan, setDevice, type Tensor, tensor, valueAndGrad } from "lanewise";
import { beforeAll, describe, expect, test } from "vitest";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { flatten, unflatten } from "../../compiler/core/tree.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { stage } from "../../compiler/trace/stage.js";
import { isLeaf } from "../../compiler/transforms/call.js";
import { widened } from "../support/arrays.js";
import { gpuTest } from "../support/gpu.js";

type Params = { readonly b1: Tensor; readonly b2: Tensor; readonly w1: Tensor; readonly w2: Tensor };

interface Case {
  readonly name: string;
  readonly rule: "sgd" | "rmsprop" | "adam" | "adamw";
  readonly options: object;
  readonly schedule?: { readonly name: string; readonly options: object };
  readonly clip?: { readonly by: "clipByValue" | "clipByGlobalNorm"; readonly limit: number };
  /** Before each of the twenty steps, and after the last one. */
  readonly losses: readonly number[];
  readonly params: Readonly<Record<keyof Params, readonly number[]>>;
}

const linesOf = (file: string): unknown[] =>
  readFileSync(new URL(file, import.meta.url), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

const [setup, ...cases] = linesOf("trajectories.jsonl") as [
  { x: number[][]; labels: number[]; params: Record<keyof Params, number[] | number[][]> },
  ...Case[],
];
const byPyTorch = linesOf("trajectories-pytorch.jsonl") as Case[];

/** The optimiser of a case: its options are ours. */
function optimiserOf({ rule, options, schedule, clip }: Case): optim.Optimiser {
  const rate = schedule && (optim as never as Record<string, (o: object) => optim.RateAt>)[schedule.name]!;
  const learningRate = rate ? { learningRate: rate(schedule!.options) } : {};
  const optimiser = optim[rule]({ ...options, ...learningRate } as optim.AdamOptions);
  return clip ? optim.chain(optim[clip.by](clip.limit), optimiser) : optimiser;
}

function loss(params: Params, x: Tensor, labels: Tensor): Tensor {
  const hidden = x.matmul(params.w1).add(params.b1).tanh();
  return nn.softmaxCrossEntropy(hidden.matmul(params.w2).add(params.b2), labels);
}

let data: { readonly x: Tensor; readonly labels: Tensor; readonly start: Params };
beforeAll(() => {
  setDevice("cpu");
  const { b1, b2, w1, w2 } = setup.params;
  const start = { b1: tensor(b1), b2: tensor(b2), w1: tensor(w1), w2: tensor(w2) };
  data = { x: tensor(setup.x), labels: tensor(setup.labels, { dtype: "i32" }), start };
});

const expectAllClose = (got: ArrayLike<number>, want: readonly number[], tolerance: number, what: string): void => {
  expect(got.length, what).toBe(want.length);
  want.forEach((y, i) => {
    const off = Math.abs(got[i]! - y);
    if (!(off <= tolerance)) expect.fail(`${what}: entry ${i} is ${got[i]}, not ${y}`);
  });
};

const hostOf = (x: Tensor): NDArray => x.handle.host!;

test("PyTorch runs each optimiser that it has", () => {
  const ofPyTorch = cases.filter(
    ({ schedule, options }) => !schedule && !JSON.stringify(options).includes("corrected"),
  );
  expect(byPyTorch.map(({ name }) => name)).toEqual(ofPyTorch.map(({ name }) => `${name}, by PyTorch`));
});

describe("in f64", () => {
  test.each([...cases, ...byPyTorch].map((c) => [c.name, c] as const))(
    "%s takes the same path to 1e-9",
    (_, golden) => {
      const optimiser = optimiserOf(golden);
      const state = flatten([data.start, optimiser.init(data.start)], isLeaf);
      const leaves = state.leaves as Tensor[];
      const inputs = [data.x, data.labels];
      const { graph } = stage(
        "step",
        [...leaves, ...inputs].map((x) => x.aval),
        (args) => {
          const [params, old] = unflatten(state.def, args.slice(0, leaves.length)) as [
            Params,
            optim.OptimiserState<Params>,
          ];
          const [value, gradients] = valueAndGrad(loss)(params, args.at(-2)!, args.at(-1)!);
          const next = flatten(optimiser.update<Params>(gradients, old, params), isLeaf);
          return { outputs: [value, ...(next.leaves as Tensor[])], rest: undefined };
        },
      );
      const constants = inputs.map(hostOf).map(widened);
      let now = leaves.map(hostOf).map(widened);
      const losses: number[] = [];
      for (let i = 0; i <= 20; i++) {
        const [value, ...next] = interpret(graph, [...now, ...constants], { wide: true });
        losses.push(value!.data[0]!);
        if (i < 20) now = next;
      }
      expectAllClose(losses, golden.losses, 1e-9, "losses");
      (["b1", "b2", "w1", "w2"] as const).forEach((key, i) => {
        expectAllClose(now[i]!.data, golden.params[key], 1e-9, key);
      });
    },
  );
});

/** All twenty steps as one program. */
async function expectInF32(device: DeviceKind, golden: Case): Promise<void> {
  await setDevice(device);
  const optimiser = optimiserOf(golden);
  const train = jit((start: Params, x: Tensor, labels: Tensor) => {
    const [[last], losses] = scan(
      ([params, state]: [Params, optim.OptimiserState<Params>]) => {
        const [value, gradients] = valueAndGrad(loss)(params, x, labels);
        return [optimiser.update<Params>(gradients, state, params), value];
      },
      [start, optimiser.init(start)] as [Params, optim.OptimiserState<Params>],
      null,
      { length: 20 },
    );
    return [losses, loss(last as Params, x, labels)] as const;
  });
  const [losses, last] = train(data.start, data.x, data.labels);
  expectAllClose([...(await losses.data()), await last.item()], golden.losses, 1e-3, `${golden.name} on the ${device}`);
}

describe("in f32", () => {
  test.each(cases.map((c) => [c.name, c] as const))("%s stays within 1e-3 on the CPU", (_, golden) =>
    expectInF32("cpu", golden),
  );

  gpuTest(
    "and on the GPU",
    async () => {
      // schedules differ in one scalar
      for (const golden of cases.filter((c) => !c.schedule || c.name === "warmupCosine"))
        await expectInF32("gpu", golden);
      await setDevice("cpu");
    },
    300_000,
  );
});
