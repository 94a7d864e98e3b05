// Random programs of calls, assignments and ensembles of some models: as loops over the models compute, so do ensembles.
import { beforeAll, expect, test } from "vitest";
import { grad, jit, nn, setDevice, stack, type Tensor, tensor, valueAndGrad, vmap } from "../../index.js";
import { gpuTest } from "../support/gpu.js";

beforeAll(() => setDevice("cpu"));

/** A net with a state; its gradient step has a rate of its own. */
class Net extends nn.Module {
  readonly weight: nn.Parameter;
  readonly mean = new nn.State(tensor([0, 0]));

  constructor(readonly rate: number) {
    super();
    this.weight = new nn.Parameter(tensor([rate, 1 - rate]));
  }

  forward(x: Tensor): Tensor {
    const y = x.mul(this.weight);
    this.mean.assign(this.mean.mul(0.5).add(y));
    return y.add(this.mean);
  }
}

class Trainer extends nn.Module {
  constructor(readonly net: Net) {
    super();
  }

  forward(x: Tensor): Tensor {
    const [loss, d] = valueAndGrad((): Tensor => this.net.forward(x).square().sum(), { wrt: this.net.weight })();
    this.net.weight.assign(this.net.weight.sub(d.mul(this.net.rate / 10)));
    return loss;
  }
}

class Reader extends nn.Module {
  constructor(readonly net: Net) {
    super();
  }

  forward(x: Tensor): Tensor {
    return x.dot(this.net.weight);
  }
}

type OfOne = nn.Module & { forward(x: Tensor): Tensor };

/** Two nets or more as one model, which calls them together. */
class Group extends nn.Module {
  constructor(
    readonly models: readonly OfOne[],
    readonly all: Together,
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return this.all(this.models, x).add(this.models[0]!.forward(x).sum());
  }
}

type Together = (models: readonly OfOne[], x: Tensor) => Tensor;

const byEnsemble: Together = (models, x) => vmap(models, { inAxes: null })(x);
const byLoop: Together = (models, x) =>
  stack(
    models.map((model) => model.forward(x)),
    0,
  );

/** What is done with some of the nets. */
type Step = (nets: readonly Net[], all: Together, x: Tensor) => Tensor;

const steps: Record<string, (order: readonly number[]) => Step> = {
  call: (order) => (nets, _, x) => nets[order[0]!]!.forward(x),
  train: (order) => (nets, _, x) => new Trainer(nets[order[0]!]!).forward(x),
  assign: (order) => (nets, _, x) => {
    nets[order[0]!]!.weight.assign(x.mul(0.25));
    return x;
  },
  "call some": (order) => (nets, all, x) =>
    all(
      order.map((k) => nets[k]!),
      x,
    ),
  "read some": (order) => (nets, all, x) =>
    all(
      order.map((k) => new Reader(nets[k]!)),
      x,
    ),
  "train some": (order) => (nets, all, x) =>
    all(
      order.map((k) => new Trainer(nets[k]!)),
      x,
    ),
  "train all": () => (nets, all, x) =>
    all(
      nets.map((net) => new Trainer(net)),
      x,
    ),
  "differentiate some": (order) => (nets, all, x) => {
    const chosen = order.map((k) => nets[k]!);
    const wrt = chosen.map((net) => net.weight);
    const gradients = grad((): Tensor => all(chosen, x).square().sum(), { wrt })() as Tensor[];
    return gradients.reduce((sum, d) => sum.add(d), tensor([0, 0]));
  },
  "train groups": (order) => (nets, all, x) => {
    const [a, b] = order as [number, number];
    const others = [0, 1, 2, 3].filter((k) => k !== a && k !== b) as [number, number];
    const groups = [[a, b], others].map(
      (pair) =>
        new Group(
          pair.map((k) => new Trainer(nets[k]!)),
          all,
        ),
    );
    return all(groups, x);
  },
};

/** Numbers from 0 to below 1, the same on every run. */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function shuffled(next: () => number): number[] {
  const order = [0, 1, 2, 3];
  for (let i = 3; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order.slice(0, 2 + Math.floor(next() * 3));
}

interface Program {
  readonly names: readonly string[];
  readonly isJitted: boolean;
  readonly run: Step;
}

function programFrom(next: () => number): Program {
  const kinds = Object.keys(steps);
  const chosen = Array.from({ length: 1 + Math.floor(next() * 3) }, () => {
    const name = kinds[Math.floor(next() * kinds.length)]!;
    const order = shuffled(next);
    return { name: `${name} ${order}`, step: steps[name]!(order) };
  });
  return {
    names: chosen.map(({ name }) => name),
    isJitted: next() < 0.6,
    run: (nets, all, x) => chosen.map(({ step }) => step(nets, all, x).sum()).reduce((sum, y) => sum.add(y)),
  };
}

async function check(seed: number, rounds: number): Promise<void> {
  const next = numbersFrom(seed);
  const make = () => [0.1, 0.4, 0.7, 0.9].map((rate) => new Net(rate));
  const [together, apart] = [make(), make()];
  const programs = Array.from({ length: 3 }, () => programFrom(next));
  const running = programs.map(({ run, isJitted }) => {
    const call = (x: Tensor): Tensor => run(together, byEnsemble, x);
    return isJitted ? jit(call) : call;
  });
  const done: string[] = [];
  for (let i = 0; i < rounds; i++) {
    const at = Math.floor(next() * programs.length);
    const x = tensor([next() - 0.5, next() - 0.5]);
    const program = programs[at]!;
    done.push(`${program.isJitted ? "jit" : "now"}(${program.names.join(", ")})`);
    const [got, want] = [await running[at]!(x).item(), await program.run(apart, byLoop, x).item()];
    const place = `seed ${seed}: ${done.join("; ")}`;
    expect(got, place).toBeCloseTo(want, 3);
    for (const [k, net] of together.entries()) {
      for (const name of ["weight", "mean"] as const) {
        const [mine, other] = [await net[name].data(), await apart[k]![name].data()];
        for (const [j, y] of other.entries()) expect(mine[j]!, `${place}: ${name} of ${k}`).toBeCloseTo(y, 3);
      }
    }
  }
}

test("forty programs", { timeout: 60_000 }, async () => {
  for (let seed = 1; seed <= 40; seed++) await check(seed, 5);
});

gpuTest("some of them on the GPU", async () => {
  setDevice("gpu");
  try {
    for (let seed = 1; seed <= 3; seed++) await check(seed, 4);
  } finally {
    setDevice("cpu");
  }
});
