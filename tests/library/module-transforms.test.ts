// What a module promises under jit, vmap and grad, sentence by sentence.
import { beforeAll, describe, expect, test } from "vitest";
import {
  DTypeError,
  grad,
  jit,
  nn,
  ShapeError,
  setDevice,
  type Tensor,
  TraceError,
  tensor,
  valueAndGrad,
  vmap,
} from "../../index.js";

beforeAll(() => setDevice("cpu"));

class Line extends nn.Module {
  readonly slope: nn.Parameter;
  readonly offset: nn.Parameter;

  constructor(slope: number, offset: number) {
    super();
    this.slope = new nn.Parameter(tensor(slope));
    this.offset = new nn.Parameter(tensor(offset));
  }

  forward(x: Tensor): Tensor {
    return x.mul(this.slope).add(this.offset);
  }
}

const xs = tensor([1, 2, 3]);

test("a class in the place of a module is an error that says so, for every transform", () => {
  for (const [name, transform] of Object.entries({ jit, vmap, grad, valueAndGrad })) {
    expect(() => (transform as (fn: unknown) => unknown)(Line)).toThrow(
      new RegExp(`${name}: the class Line itself was given, .*\n.*${name}\\(new Line\\(…\\)\\)`),
    );
  }
  expect(() => vmap([Line] as never)).toThrow(/the class Line itself was given/);
  expect(() => jit([new Line(1, 2)] as never)).toThrow(/an array given.*\n.*jit\(vmap\(\[…\]\)\)/);
});

describe("gradients by parameters", () => {
  test("of a module that is differentiated itself, and of a loss that calls it", async () => {
    const line = new Line(2, 1);
    for (const run of [grad(line, { wrt: line.parameters() }), jit(grad(line, { wrt: line.parameters() }))]) {
      const g = run(xs);
      expect([await g.slope!.item(), await g.offset!.item()]).toEqual([6, 3]);
    }
    const [value, g] = valueAndGrad(() => line.forward(xs).square().sum(), { wrt: line.parameters() })();
    expect(await value.item()).toBe(9 + 25 + 49);
    expect([await g.slope!.item(), await g.offset!.item()]).toEqual([2 * (3 + 10 + 21), 2 * (3 + 5 + 7)]);
  });

  test("leave out frozen ones, and take any of them, in any tree", async () => {
    const pair = { first: new Line(2, 1), second: new Line(3, 0) };
    const net = new nn.ModuleList([pair.first, pair.second]);
    const loss = (): Tensor => pair.second.forward(pair.first.forward(xs)).sum();
    pair.first.freeze();
    const free = grad(loss, { wrt: net.parameters() })();
    expect(Object.keys(free)).toEqual(["items.1.offset", "items.1.slope"]);
    expect(await free["items.1.slope"]!.item()).toBe(15);
    const [slope, { deep }] = grad(loss, { wrt: [pair.first.slope, { deep: pair.second.offset }] as const })();
    expect([await slope.item(), await deep.item()]).toEqual([18, 3]);
    pair.first.freeze(false);
    expect(Object.keys(grad(loss, { wrt: net.parameters() })())).toHaveLength(4);
  });

  test("that are shared add up: of a module that is called twice, and of one parameter in two modules", async () => {
    const line = new Line(2, 1);
    const twice = grad(() => line.forward(line.forward(xs)).sum(), { wrt: line.parameters() })();
    // Σ a(ax + b) + b: by a 2ax + b, by b a + 1
    expect([await twice.slope!.item(), await twice.offset!.item()]).toEqual([24 + 3, 9]);
    const tied = new nn.ModuleList([new Line(2, 1), new Line(3, 1)]);
    Object.assign(tied.items[1]!, { slope: tied.items[0]!.slope });
    expect(Object.keys(tied.parameters())).toEqual(["items.0.slope", "items.0.offset", "items.1.offset"]);
    const g = grad(() => tied.items[1]!.forward(tied.items[0]!.forward(xs)).sum(), { wrt: tied.parameters() })();
    expect(await g["items.0.slope"]!.item()).toBe(24 + 3);
  });

  test("want tensors: a module or a class in their place says what to give", () => {
    const line = new Line(2, 1);
    expect(() => grad(line, { wrt: line })(xs)).toThrow(/wrt is a module Line.*\n.*module\.parameters\(\)/);
    expect(() => grad(line, { wrt: { net: line } })(xs)).toThrow(/wrt\.net is a module Line/);
    expect(() => grad(line, { wrt: Line })(xs)).toThrow(TraceError);
  });
});

test("parameters inside a vmapped module are arguments that all lanes share", async () => {
  const line = new Line(2, 1);
  const mapped = vmap(line);
  const asArguments = vmap((x: Tensor, a: Tensor, b: Tensor): Tensor => x.mul(a).add(b), [0, null, null]);
  expect(await mapped(xs).toArray()).toEqual(await asArguments(xs, line.slope, line.offset).toArray());
  const { graph } = jit(mapped).lower(xs);
  expect(graph.inputs.map(({ aval }) => aval.shape)).toEqual([[3], [], []]);
  line.slope.assign(5);
  expect(await mapped(xs).toArray()).toEqual([6, 11, 16]);
});

describe("reading and assigning", () => {
  class Counter extends nn.Module {
    readonly count = new nn.State(tensor(0));
    readonly last = new nn.State(tensor(0));

    forward(x: Tensor): Tensor {
      this.count.assign(this.count.add(1));
      this.last.assign(x.add(this.count));
      this.count.assign(this.count.mul(10));
      return this.count.add(this.last);
    }
  }

  test("a parameter that is read is an input, one that is assigned an output: each once", () => {
    const counter = new Counter();
    const { graph } = jit(counter).lower(tensor(1));
    expect(graph.inputs).toHaveLength(2);
    expect(graph.outputs).toHaveLength(3);
  });

  test("in the order of the function, jitted or not, and with nested transforms", async () => {
    const inner = (counter: Counter) => (x: Tensor) => valueAndGrad((y: Tensor) => counter.forward(y))(x)[0];
    for (const wrap of [
      (counter: Counter) => jit(counter),
      (counter: Counter) => inner(counter),
      (counter: Counter) => jit(inner(counter)),
      (counter: Counter) => (x: Tensor) => counter.forward(x),
    ]) {
      const counter = new Counter();
      const run = wrap(counter);
      expect(await run(tensor(5)).item()).toBe(10 + 6);
      expect(await run(tensor(5)).item()).toBe(110 + 16);
      expect([await counter.count.item(), await counter.last.item()]).toEqual([110, 16]);
    }
  });

  test("what is written back is a plain value: gradients are those of the value alone", async () => {
    class Tracking extends nn.Module {
      readonly weight = new nn.Parameter(tensor(3));
      readonly seen = new nn.State(tensor(0));

      forward(x: Tensor): Tensor {
        const y = x.mul(this.weight);
        this.seen.assign(y.square());
        return y;
      }
    }
    const net = new Tracking();
    const step = jit(() => grad(net, { wrt: net.parameters() })(tensor(2)));
    expect(await step().weight!.item()).toBe(2);
    expect(await net.seen.item()).toBe(36);
    // what a later call reads is a constant there
    const g = grad((x: Tensor) => net.seen.mul(x).mul(net.weight), { wrt: net.weight })(tensor(1));
    expect(await g.item()).toBe(36);
  });

  test("a batched value does not fit a parameter that all lanes share, whichever transform is around", () => {
    const state = new nn.State(tensor(0));
    const keep = (x: Tensor): Tensor => {
      state.assign(x.mul(2));
      return x;
    };
    for (const run of [vmap(keep), jit(vmap(keep)), vmap((x: Tensor) => grad(keep)(x))])
      expect(() => run(xs)).toThrow(/differs between lanes is assigned to a variable f32\[\] that all lanes share/);
    // also when it lies in the stack of an ensemble
    const [line, other] = [new Line(1, 2), new Line(3, 4)];
    vmap([line, other], { inAxes: null })(tensor(1));
    const assign = (x: Tensor): Tensor => {
      line.slope.assign(x);
      return x;
    };
    for (const run of [vmap(assign), vmap((x: Tensor) => grad(assign)(x))])
      expect(() => run(xs)).toThrow(/is assigned to a variable f32\[\] that all/);
  });

  test("numbers and typed arrays are assigned as tensors are; all else is refused and changes nothing", async () => {
    const p = new nn.Parameter(tensor([1, 2]));
    p.assign(new Float32Array([3, 4]));
    expect(await p.toArray()).toEqual([3, 4]);
    const step = new nn.State(tensor(0).astype("i32"));
    step.assign(7);
    expect(await step.item()).toBe(7);
    expect(() => step.assign(0.5)).toThrow(DTypeError);
    expect(() => p.assign(1)).toThrow(ShapeError);
    expect(() => p.assign([1, 2] as never)).toThrow(/an array is given.*\n.*tensor\(\[…\]\)/);
    expect([await p.toArray(), await step.item()]).toEqual([[3, 4], 7]);
  });

  test("a parameter that is differentiated by and assigned keeps what was assigned, also in a stack", async () => {
    const lines = [new Line(2, 1), new Line(3, 1)];
    const assigning = (line: Line) => (): Tensor => {
      const loss = line.slope.mul(4);
      line.slope.assign(line.slope.add(1));
      return loss.add(line.slope);
    };
    for (const _ of [0, 1]) {
      const [a, b] = [await lines[0]!.slope.item(), await lines[1]!.slope.item()];
      const [value, g] = valueAndGrad(assigning(lines[0]!), { wrt: lines[0]!.slope })();
      expect([await value.item(), await g.item()]).toEqual([5 * a + 1, 5]);
      expect([await lines[0]!.slope.item(), await lines[1]!.slope.item()]).toEqual([a + 1, b]);
      await vmap(lines, { inAxes: null })(tensor(1)).data();
    }
  });
});
