// The table that a module prints: layers, outputs, parameters, totals.
import { nn, optim, random, relu, setDevice, type Tensor, tensor, vmap, zeros } from "lanewise";
import { beforeAll, describe, expect, test, vi } from "vitest";

beforeAll(() => setDevice("cpu"));

class LeNet extends nn.Module {
  readonly features = new nn.Sequential(
    new nn.Conv2d(1, 6, 5),
    relu,
    new nn.MaxPool(2),
    new nn.Conv2d(6, 16, 5),
    new nn.BatchNorm(16, { spatial: 2 }),
    (x: Tensor) => relu(x),
    new nn.MaxPool(2),
  );
  readonly head = [new nn.Flatten(), new nn.Dense(400, 10)] as const;

  forward(images: Tensor): Tensor {
    return this.head[1].forward(this.head[0].forward(this.features.forward(images)));
  }
}

const tableOf = (net: nn.Module, inputs?: unknown[]): string[] => {
  const print = vi.fn();
  const table = net.summary({ print, ...(inputs && { inputs }) });
  expect(print.mock.calls).toEqual([[table]]);
  return table.split("\n");
};

test("shows each layer with what it gives, its parameters and the totals", () => {
  const net = new LeNet();
  (net.head[1].bias as nn.Parameter).trainable = false;
  expect(tableOf(net, [zeros([3, 1, 32, 32])])).toEqual([
    "layer              kind        output           variable  type           elements",
    "─────────────────────────────────────────────────────────────────────────────────────────",
    "                   LeNet       f32[3,10]",
    "features           Sequential  f32[3,16,5,5]",
    "features.layers.0  Conv2d      f32[3,6,28,28]   weight    f32[6,1,5,5]        150",
    "                                                bias      f32[6]                6",
    "features.layers.1  relu        f32[3,6,28,28]",
    "features.layers.2  MaxPool     f32[3,6,14,14]",
    "features.layers.3  Conv2d      f32[3,16,10,10]  weight    f32[16,6,5,5]     2,400",
    "                                                bias      f32[16]              16",
    "features.layers.4  BatchNorm   f32[3,16,10,10]  scale     f32[16]              16",
    "                                                shift     f32[16]              16",
    "                                                mean      f32[16]              16  state",
    "                                                variance  f32[16]              16  state",
    "features.layers.5  function    f32[3,16,10,10]",
    "features.layers.6  MaxPool     f32[3,16,5,5]",
    "head.0             Flatten     f32[3,400]",
    "head.1             Dense       f32[3,10]        weight    f32[400,10]       4,000",
    "                                                bias      f32[10]              10  frozen",
    "─────────────────────────────────────────────────────────────────────────────────────────",
    "6,646 elements in 26,584 bytes",
    "6,604 trained, 10 frozen, 32 of states",
  ]);
});

test("is printed on the console", () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
  const table = new nn.Dense(2, 3).summary();
  expect(log.mock.calls).toEqual([[table]]);
  log.mockRestore();
  expect(table.split("\n")).toEqual([
    "layer  kind   variable  type      elements",
    "──────────────────────────────────────────",
    "       Dense  weight    f32[2,3]         6",
    "              bias      f32[3]           3",
    "──────────────────────────────────────────",
    "9 elements in 36 bytes",
    "9 trained",
  ]);
});

describe("what is shared", () => {
  class Twice extends nn.Module {
    readonly first = new nn.Dense(2, 2);
    readonly again: nn.Dense;
    readonly tied: nn.Parameter;
    parent: nn.Module | undefined;

    constructor() {
      super();
      this.again = this.first;
      this.tied = this.first.weight;
    }

    forward(x: Tensor): Tensor {
      return this.again.forward(this.first.forward(x).matmul(this.tied));
    }
  }

  test("is counted once, and says where it came before", () => {
    const net = new Twice();
    net.parent = net;
    expect(tableOf(net, [zeros([4, 2])])).toEqual([
      "layer   kind   output       variable           type      elements",
      "───────────────────────────────────────────────────────────────────────────────────────",
      "        Twice  f32[4,2]     tied               f32[2,2]            same as first.weight",
      "first   Dense  f32[4,2] ×2  weight             f32[2,2]         4",
      "                            bias               f32[2]           2",
      "again   Dense  f32[4,2] ×2  same as first",
      "parent  Twice  f32[4,2]     same as the whole",
      "───────────────────────────────────────────────────────────────────────────────────────",
      "6 elements in 24 bytes",
      "6 trained",
    ]);
    expect(Object.keys(net.stateDict())).toEqual(["first.weight", "first.bias"]);
  });

  test("shows the outputs of all its calls", () => {
    const inner = new nn.Dense(2, 2);
    class Steps extends nn.Module {
      readonly inner = inner;
      forward(x: Tensor): Tensor {
        return this.inner.forward(this.inner.forward(x).at(0));
      }
    }
    expect(tableOf(new Steps(), [zeros([4, 2])])[3]).toContain("f32[4,2] | f32[2]");
  });
});

test("models of a list that are alike are shown once", () => {
  const models = [1, 2, 3].map(() => new nn.Sequential(new nn.Dense(4, 3), relu));
  expect(tableOf(new nn.ModuleList(models), [zeros([5, 4])])).toEqual([
    "layer               kind        output    variable  type      elements",
    "──────────────────────────────────────────────────────────────────────",
    "                    ModuleList",
    "items.0–2           Sequential  f32[5,3]",
    "items.0–2.layers.0  Dense       f32[5,3]  weight    f32[4,3]    3 × 12",
    "                                          bias      f32[3]       3 × 3",
    "items.0–2.layers.1  relu        f32[5,3]",
    "──────────────────────────────────────────────────────────────────────",
    "45 elements in 180 bytes",
    "45 trained",
  ]);
  // a weight that two of them share is counted once
  const sharing = models.map((_, k) => new nn.Sequential(k < 2 ? models[0]!.layers[0]! : new nn.Dense(4, 3)));
  expect(tableOf(new nn.ModuleList(sharing)).at(-2)).toBe("30 elements in 120 bytes");
  const unlike = new nn.ModuleList([...models, new nn.Sequential(new nn.Dense(4, 2), relu)]);
  expect(tableOf(unlike).filter((line) => line.includes("weight"))).toHaveLength(4);
});

test("a trainer is shown with the moments of its optimiser", () => {
  class Trainer extends nn.Module {
    readonly net = new nn.Dense(2, 1);
    readonly optimiser = new nn.Optimiser(optim.adam({ learningRate: 0.1 }), this.net.parameters());
    forward(x: Tensor): Tensor {
      return this.net.forward(x);
    }
  }
  const table = tableOf(new Trainer());
  expect(table.find((line) => line.includes("states.moments.first.weight"))).toMatch(/f32\[2,1\] +2 {2}state$/);
  expect(table.at(-1)).toBe("3 trained, 7 of states");
});

test("changes nothing: no call, no assignment, no field", async () => {
  const norm = new nn.BatchNorm(2);
  const before = Reflect.ownKeys(norm);
  tableOf(norm, [tensor([[1, 2], [3, 4]])]); // biome-ignore format: rows
  expect(Reflect.ownKeys(norm)).toEqual(before);
  expect(await norm.mean.toArray()).toEqual([0, 0]);
  // also where forward throws
  expect(() => norm.summary({ inputs: [zeros([3])], print: () => undefined })).toThrow(/2 features along axis -1/);
  expect(Reflect.ownKeys(norm)).toEqual(before);
});

test("takes keys, trees and mapped layers as inputs do", () => {
  class Model extends nn.Module {
    readonly dropout = new nn.Dropout(0.5);
    readonly dense = new nn.Dense(2, 3);
    forward({ x }: { x: Tensor }, key: Tensor, scale: number): Tensor[] {
      const y = vmap(this.dense)(this.dropout.forward(x, key)) as Tensor;
      return [y.mul(scale), y.sum()];
    }
  }
  const table = tableOf(new Model(), [{ x: zeros([4, 2]) }, random.key(0), 2]);
  expect(table[2]).toMatch(/Model +f32\[4,3\], f32\[\]$/);
  expect(table[3]).toMatch(/dropout +Dropout +f32\[4,2\]$/);
  expect(table[4]).toMatch(/dense +Dense +f32\[3\] +weight/);
});

test("hands keys on as a call does", () => {
  const net = new nn.Sequential(new nn.Dropout(0.5), new nn.Dense(2, 3));
  expect(tableOf(net, [zeros([4, 2]), random.key(0)])[3]).toMatch(/layers\.0 +Dropout +f32\[4,2\]$/);
});

test("refuses inputs that are no list, and options that there are not", () => {
  const dense = new nn.Dense(2, 3);
  expect(() => dense.summary({ inputs: zeros([2]) as never })).toThrow(/a list of the arguments of forward is wanted/);
  expect(() => dense.summary({ input: [] } as never)).toThrow(/no option 'input'/);
});
