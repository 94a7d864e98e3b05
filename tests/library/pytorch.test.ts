// Weights of PyTorch in our layers: they load, give what PyTorch gives, and go back by the same names.
import { readFileSync } from "node:fs";
import { type DeviceKind, files, nn, relu, StateDictError, setDevice, type Tensor, tensor, vmap } from "lanewise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";

beforeAll(() => setDevice("cpu"));
afterAll(() => setDevice("cpu"));

const folder = new URL("../files/pytorch/", import.meta.url);

type Nested = number | Nested[];

interface Golden {
  readonly name: string;
  readonly file: string;
  readonly names: string[];
  readonly input: Nested[];
  readonly output: Nested[];
}

const rows = readFileSync(new URL("golden.jsonl", folder), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Golden);
const golden = (name: string): Golden => rows.find((row) => row.name === name)!;

const numbers = (x: Nested): number[] => (typeof x === "number" ? [x] : x.flatMap(numbers));

/** Elements of `got` within 1e-5 of those wanted, of at least 1 in size. */
async function expectClose(got: Tensor, want: Nested): Promise<void> {
  const [x, y] = [await got.data(), numbers(want)];
  expect(x.length).toBe(y.length);
  y.forEach((value, i) => void expect(Math.abs(x[i]! - value)).toBeLessThan(1e-5 * Math.max(1, Math.abs(value))));
}

class ConvNet extends nn.Module {
  readonly conv1 = new nn.Conv2d(2, 4, 3, { padding: 1 });
  readonly norm1 = new nn.BatchNorm(4, { spatial: 2 });
  readonly conv2 = new nn.Conv2d(4, 6, 3, { strides: 2, groups: 2, bias: false });
  readonly head = new nn.Sequential(
    new nn.Flatten(),
    new nn.Dense(6, 5),
    new nn.LayerNorm(5),
    relu,
    new nn.Dense(5, 3),
  );
  readonly pool = new nn.MaxPool(2);

  forward(x: Tensor): Tensor {
    const y = this.pool.forward(relu(this.norm1.forward(this.conv1.forward(x))));
    return this.head.forward(relu(this.conv2.forward(y)));
  }
}

class Signals extends nn.Module {
  readonly blocks = new nn.ModuleList(
    [0, 1].map(
      () =>
        new nn.Sequential(new nn.Conv1d(3, 3, 3, { rhsDilation: 2, padding: 2 }), new nn.BatchNorm(3, { spatial: 1 })),
    ),
  );

  forward(x: Tensor): Tensor {
    return this.blocks.items.reduce((y, block) => block.forward(y).tanh(), x);
  }
}

class Words extends nn.Module {
  readonly embedding = new nn.Embedding(11, 4);
  readonly norm = new nn.LayerNorm(4);

  forward(words: Tensor): Tensor {
    return this.norm.forward(this.embedding.forward(words)).matmul(this.embedding.table.transpose());
  }
}

/** Two layers with one weight. */
class Pair extends nn.Module {
  readonly left = new nn.Dense(3, 2);
  readonly right: nn.Dense = Object.assign(new nn.Dense(3, 2), { weight: this.left.weight });

  forward(x: Tensor): Tensor {
    return this.left.forward(x).sub(this.right.forward(x));
  }
}

const mlp = (): nn.Module => new nn.Sequential(new nn.Dense(3, 5), relu, new nn.Dense(5, 2));

const nets: Record<string, [make: () => nn.Module, rename?: (name: string) => string | null]> = {
  mlp: [mlp],
  wrapped: [mlp, (name) => name.slice("module.".length)],
  convnet: [() => new ConvNet()],
  signals: [() => new Signals()],
  words: [() => new Words(), (name) => (name === "decoder.weight" ? null : name)],
  pair: [() => new Pair()],
  half: [mlp],
  bfloat: [mlp],
};

async function expectLoads(name: string): Promise<void> {
  const { file, input, output } = golden(name);
  const [make, rename] = nets[name]!;
  const net = make().eval();
  await net.load(new URL(file, folder), { layout: "pytorch", ...(rename && { rename }) });
  const x = tensor(input as number[][], { dtype: name === "words" ? "i32" : "f32" });
  await expectClose(net.forward(x) as Tensor, output);
  await expectClose(vmap(net, { inAxes: -1 })(x.moveAxis(0, -1)) as Tensor, output);
}

describe("a net of PyTorch gives what it gives there", () => {
  test.each(Object.keys(nets))("%s", (name) => expectLoads(name));

  gpuTest(
    "on the GPU too",
    async () => {
      await setDevice("gpu");
      try {
        for (const name of Object.keys(nets)) await expectLoads(name);
      } finally {
        await setDevice("cpu");
      }
    },
    120_000,
  );
});

describe("a net goes back to PyTorch", () => {
  test.each(["mlp", "convnet", "signals", "pair"])("%s has the names and the elements of its file", async (name) => {
    const { file, names } = golden(name);
    const net = nets[name]![0]();
    await net.load(new URL(file, folder), { layout: "pytorch" });
    const values = net.stateDict({ layout: "pytorch" });
    const there = await files.load(new URL(file, folder));
    const kept = names.filter((key) => !key.endsWith("num_batches_tracked"));
    expect(Object.keys(values).sort()).toEqual(kept);
    for (const key of kept) {
      expect(values[key]!.shape).toEqual(there[key]!.shape);
      expect(await values[key]!.data()).toEqual(await there[key]!.data());
    }
  });
});

describe("a BatchNorm that trains", () => {
  const { input, output, mean, variance } = golden("training") as unknown as Record<string, Nested[]>;
  const makeNorm = (axisName?: string) =>
    new nn.BatchNorm(2, { spatial: 2, momentum: 0.75, ...(axisName !== undefined && { axisName }) });

  async function expectTrained(device: DeviceKind): Promise<void> {
    await setDevice(device);
    const norm = makeNorm();
    await expectClose(norm.forward(tensor(input as number[][])), output!);
    await expectClose(norm.mean, mean!);
    await expectClose(norm.variance, variance!);
    // the examples as lanes, along another axis
    const mapped = makeNorm("batch");
    const run = vmap(mapped, { inAxes: -1, axisName: "batch" });
    await expectClose(run(tensor(input as number[][]).moveAxis(0, -1)), output!);
    await expectClose(mapped.mean, mean!);
    await expectClose(mapped.variance, variance!);
  }

  test("does as PyTorch's, over a batch and over lanes", () => expectTrained("cpu"));

  gpuTest("and so it does on the GPU", async () => {
    await expectTrained("gpu");
    await setDevice("cpu");
  });
});

describe("names that do not fit", () => {
  const load = async (name: string): Promise<Record<string, Tensor>> => files.load(new URL(golden(name).file, folder));

  const faultsOf = (net: nn.Module, values: Record<string, Tensor>, options?: nn.LoadStateDictOptions) => {
    try {
      net.loadStateDict(values, options);
    } catch (error) {
      expect(error).toBeInstanceOf(StateDictError);
      const { missing, unexpected, misfits, message } = error as StateDictError;
      return { missing, unexpected, misfits, message };
    }
    return expect.fail("nothing was thrown");
  };

  test("are listed, all of them, and nothing is assigned", async () => {
    const values = await load("convnet");
    const { "conv1.bias": bias, "norm1.running_var": _, ...others } = values;
    const wrong = { ...others, "conv1.bais": bias!, "head.1.weight": values["head.4.weight"]! };
    const net = new ConvNet();
    const before = await net.conv1.weight.toArray();
    const faults = faultsOf(net, wrong, { layout: "pytorch" });
    expect(faults.missing).toEqual(["conv1.bias", "norm1.running_var"]);
    expect(faults.unexpected).toEqual(["conv1.bais"]);
    expect(faults.misfits).toEqual([{ name: "head.1.weight", seen: "f32[3,5]", wanted: "f32[5,6]" }]);
    expect(faults.message).toMatch(/nothing was assigned\n {2}no value for conv1\.bias, norm1\.running_var\n/);
    expect(faults.message).toMatch(
      /there is no conv1\.bais\n {2}head\.1\.weight is f32\[5,6\], but a value f32\[3,5\]/,
    );
    expect(await net.conv1.weight.toArray()).toEqual(before);
  });

  test("have a way out where they say it", async () => {
    expect(faultsOf(mlp(), await load("mlp")).message).toContain('{ layout: "pytorch" }');
    const wrapped = faultsOf(mlp(), await load("wrapped"), { layout: "pytorch" });
    expect(wrapped.message).toContain('begin with "module."');
    expect(wrapped.message).toContain("name.slice(7)");
  });

  test("a counter of batches is passed over beside a BatchNorm, and nowhere else", async () => {
    const values = { ...(await load("mlp")), "0.num_batches_tracked": tensor(3, { dtype: "i32" }) };
    expect(faultsOf(mlp(), values, { layout: "pytorch" }).unexpected).toEqual(["0.num_batches_tracked"]);
  });

  test("may be left with strict: false, which says what they were", async () => {
    const { "2.bias": _, ...values } = await load("mlp");
    const net = mlp();
    const bias = net.variables()["layers.2.bias"]!;
    bias.assign(tensor([7, 8]));
    const options = { layout: "pytorch", strict: false } as const;
    const left = net.loadStateDict({ ...values, more: tensor(1) }, options);
    expect(left).toEqual({ missing: ["2.bias"], unexpected: ["more"] });
    expect(await bias.toArray()).toEqual([7, 8]);
    expect(await net.stateDict({ layout: "pytorch" })["0.weight"]!.data()).toEqual(await values["0.weight"]!.data());
    expect(faultsOf(net, { "2.bias": tensor([1, 2, 3]) }, options).misfits).toHaveLength(1);
  });

  test("of one parameter must have one value", async () => {
    const { "left.weight": left, ...values } = await load("pair");
    const net = new Pair();
    net.loadStateDict(values, { layout: "pytorch" }); // one of its names is enough
    expect(await net.left.weight.transpose().data()).toEqual(await left!.data());
    const other = { ...values, "left.weight": tensor([[1, 2, 3], [4, 5, 6]]) }; // biome-ignore format: a row
    expect(faultsOf(net, other, { layout: "pytorch" }).message).toMatch(
      /right\.weight is that of left\.weight, which is the same parameter/,
    );
  });

  test("that two values would have are refused, and so are layouts and options that there are not", async () => {
    const values = await load("mlp");
    const options = { layout: "pytorch", rename: () => "0.weight" } as const;
    expect(() => mlp().loadStateDict(values, options)).toThrow(/0\.bias and 0\.weight are both called 0\.weight/);
    expect(() => mlp().stateDict({ layout: "torch" as never })).toThrow(/no layout 'torch'/);
    expect(() => mlp().loadStateDict(values, { strickt: true } as never)).toThrow(/no option 'strickt'/);
  });
});

test("a module of one's own says how PyTorch has it", async () => {
  class Scaled extends nn.Module {
    static override readonly pyTorch = {
      fields: { gain: { name: "g" }, inner: { name: "linear" }, table: { axes: [2, 0, 1] } },
      unused: ["version"],
    };
    readonly gain = new nn.Parameter(tensor([1, 2]));
    readonly inner = { first: new nn.Dense(1, 2) };
    readonly table = new nn.State(tensor(new Float32Array(24), { shape: [4, 2, 3] }));

    forward(x: Tensor): Tensor {
      return this.inner.first.forward(x).mul(this.gain);
    }
  }
  const net = new Scaled();
  const table = tensor(
    Float32Array.from({ length: 24 }, (_, i) => i),
    { shape: [2, 3, 4] },
  );
  net.loadStateDict(
    {
      g: tensor([3, 4]),
      "linear.first.weight": tensor([[5], [6]]),
      "linear.first.bias": tensor([0, 1]),
      table,
      version: tensor(2),
    },
    { layout: "pytorch" },
  );
  expect(await net.forward(tensor([1])).toArray()).toEqual([15, 28]);
  expect(await net.table.at(3, 1, 2).item()).toBe(23);
  expect(await net.table.at(1, 0, 0).item()).toBe(1);
  expect(await net.stateDict({ layout: "pytorch" }).table!.toArray()).toEqual(await table.toArray());
});
