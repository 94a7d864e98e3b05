// vmap is a loop over the lanes and a stack of their results: whatever the axes, however they are written.
import fc from "fast-check";
import {
  type Axes,
  arange,
  at,
  einsum,
  type InAxes,
  jit,
  matmul,
  moveAxis,
  ones,
  setDevice,
  stack,
  type Tensor,
  tensor,
  vmap,
  where,
  zeros,
} from "lanewise";
import { beforeAll, describe, expect, test } from "vitest";

beforeAll(() => setDevice("cpu"));

const counted = (shape: readonly number[]): Tensor =>
  arange(shape.reduce((n, m) => n * m, 1))
    .reshape(shape)
    .sub(3);

const insertAt = (shape: readonly number[], axis: number, n: number): number[] => shape.toSpliced(axis, 0, n);

async function expectSame(x: Tensor, y: Tensor): Promise<void> {
  expect(`${x.dtype}[${x.shape}]`).toBe(`${y.dtype}[${y.shape}]`);
  expect(await x.toArray()).toEqual(await y.toArray());
}

type Binary = (x: Tensor, y: Tensor) => Tensor;

/** Functions of an f32[2,3] and an f32[3] that treat their operands in every way there is. */
const functions: Readonly<Record<string, Binary>> = {
  "an elementwise one": (x, y) => x.mul(y).add(1),
  "one with views of each": (x, y) => x.T.reshape(6).slice([1, 4]).add(y.flip()),
  "one that reduces": (x, y) => x.sum(-1).mul(y.max()),
  "one that contracts": (x, y) => matmul(x, y),
  "one that joins": (x, y) => stack([x.at(0), y, x.at(1)], 1),
  "one that pads and expands": (x, y) => x.pad(1).expandDims(1).add(y.sum()),
  "one that chooses": (x, y) => where(x.gt(y), x, y),
  "one that reads at computed places": (x, y) => x.take(y.abs().astype("i32"), 1),
  "one that looks at its first operand alone": (x) => x.exp().mean(0),
  "one that looks at its second operand alone": (_x, y) => y.argmax(),
  "one that looks at none": () => tensor([1, 2]),
  "one with a product over both axes": (x, y) => einsum("ij,j->ij", x, y).argmin(0),
};

/** What vmap means. */
function loop(fn: Binary, x: Tensor, y: Tensor, inAxes: readonly (number | null)[], out: number, size: number): Tensor {
  const lane = (z: Tensor, axis: number | null | undefined, i: number): Tensor =>
    axis === null || axis === undefined ? z : at(moveAxis(z, axis, 0), i);
  const lanes = Array.from({ length: size }, (_, i) => fn(lane(x, inAxes[0], i), lane(y, inAxes[1], i)));
  return stack(lanes, out);
}

const axisOf = (rank: number) => fc.option(fc.integer({ min: -rank - 1, max: rank }));

const setting = fc
  .record({
    name: fc.constantFrom(...Object.keys(functions)),
    axes: fc.tuple(axisOf(2), axisOf(1)),
    size: fc.integer({ min: 1, max: 3 }),
    out: fc.nat(),
  })
  .filter(({ axes }) => axes.some((axis) => axis !== null));

/** An operand of one lane's shape with `size` lanes along `axis`. */
const batched = (shape: readonly number[], axis: number | null, size: number): Tensor =>
  counted(axis === null ? shape : insertAt(shape, axis < 0 ? axis + shape.length + 1 : axis, size));

test("vmap is a loop and a stack, for every place of the axes in and out", () =>
  fc.assert(
    fc.asyncProperty(setting, async ({ name, axes, size, out }) => {
      const fn = functions[name]!;
      const [x, y] = [batched([2, 3], axes[0], size), batched([3], axes[1], size)];
      const rank = fn(zeros([2, 3]), zeros([3])).ndim;
      for (const outAxis of [out % (rank + 1), (out % (rank + 1)) - rank - 1]) {
        const mapped = vmap(fn, [...axes], outAxis);
        await expectSame(mapped(x, y), loop(fn, x, y, axes, outAxis, size));
        await expectSame(jit(mapped)(x, y), loop(fn, x, y, axes, outAxis, size));
      }
    }),
    { numRuns: 150 },
  ));

describe("a batch of no lanes", () => {
  test.each(Object.entries(functions))("of %s has the type of one of many, without lanes", (_name, fn) => {
    const [none, two] = [0, 2].map((n) => vmap(fn)(zeros([n, 2, 3]), zeros([n, 3])));
    expect([none!.dtype, none!.shape]).toEqual([two!.dtype, [0, ...two!.shape.slice(1)]]);
  });
});

describe("three levels", () => {
  test("each take their own axis, in any order", () =>
    fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), async (order) => {
        // x[i, j, k], mapped over the axes in this order, outermost first; an inner axis counts without the outer ones
        const [a, b, c] = order as [number, number, number];
        const without = (axis: number, ...gone: number[]): number => axis - gone.filter((g) => g < axis).length;
        const f = vmap(
          vmap(
            vmap((x: Tensor) => x.mul(2), without(c, a, b)),
            without(b, a),
          ),
          a,
        );
        const x = counted([2, 3, 4]);
        await expectSame(f(x), x.transpose(order).mul(2));
      }),
      { numRuns: 12 },
    ));

  test("give all triples of three arguments", async () => {
    const f = (x: Tensor, y: Tensor, z: Tensor): Tensor => x.add(y.mul(10)).add(z.mul(100));
    const all = vmap(vmap(vmap(f, [null, null, 0]), [null, 0, null]), [0, null, null]);
    const out = all(arange(2), arange(3), arange(4));
    expect(out.shape).toEqual([2, 3, 4]);
    expect(await out.at(1, 2, 3).item()).toBe(321);
  });

  test("read the values of all levels outside of them", async () => {
    const w = tensor([1, 10]);
    const f = (x: Tensor): Tensor =>
      vmap((row: Tensor) => vmap((y: Tensor) => y.mul(row.sum()).add(x.sum()).add(w.at(1)))(row))(x);
    const x = counted([2, 2, 2]);
    const lanes = (await x.toArray()) as number[][][];
    const sum = (list: readonly number[]): number => list.reduce((total, n) => total + n, 0);
    const expected = lanes.map((m) => m.map((row) => row.map((y) => y * sum(row) + sum(m.flat()) + 10)));
    expect(await vmap(f)(x).toArray()).toEqual(expected);
    expect(await jit(vmap(f))(x).toArray()).toEqual(expected);
  });
});

describe("axes of trees", () => {
  type Params = { readonly w: Tensor; readonly b: readonly [Tensor, Tensor] };
  const f = ({ w, b }: Params, x: Tensor): { y: Tensor; list: Tensor[] } => ({
    y: w.mul(x).add(b[0]),
    list: [b[1], x.sum()],
  });
  const params = { w: counted([2, 3]), b: [counted([2, 3]), counted([2, 3])] as const };
  const x = counted([2, 3]);

  test("are prefixes: what stands for a node stands for all below it", async () => {
    const full = vmap(f, [{ w: 0, b: [0, 0] }, 0], { y: 1, list: [1, 0] })(params, x);
    const same: readonly (readonly [InAxes, Axes])[] = [
      [0, { y: 1, list: [1, 0] }],
      [[0, 0], { y: -1, list: [-1, -1] }],
      [[{ w: -2, b: 0 }, -2], { y: 1, list: [1, 0] }],
    ];
    for (const [inAxes, outAxes] of same) {
      const { y, list } = vmap(f, inAxes, outAxes)(params, x);
      await expectSame(y, full.y);
      await expectSame(list[0]!, full.list[0]!);
      await expectSame(list[1]!, full.list[1]!);
    }
  });

  test("are null for a whole part that all lanes share", async () => {
    const shared = { w: ones([3]), b: [ones([3]), counted([3])] as const };
    const { y, list } = vmap(f, [null, 0], { y: 0, list: [null, 0] })(shared, x);
    await expectSame(y, x.add(1));
    expect(list.map((z) => z.shape)).toEqual([[3], [2]]);
  });

  test("leave null and undefined arguments and results as they are", async () => {
    const g = vmap((a: Tensor, b: { c: Tensor | null }, d?: Tensor) => [a.neg(), b.c, d] as const);
    const [a, b, d] = g(x, { c: null }, undefined);
    await expectSame(a, x.neg());
    expect([b, d]).toEqual([null, undefined]);
  });
});

describe("axisSize", () => {
  test("may be given where it agrees, and says how many lanes there are where nothing else does", () => {
    expect(vmap((x: Tensor) => x, { axisSize: 2 })(ones([2, 3])).shape).toEqual([2, 3]);
    expect(vmap((x: Tensor) => x.neg(), { inAxes: null, axisSize: 4, outAxes: 1 })(ones([3])).shape).toEqual([3, 4]);
    expect(vmap(() => tensor([1, 2]), { axisSize: 3 })().shape).toEqual([3, 2]);
    expect(vmap(() => 1, { axisSize: 0 })().shape).toEqual([0]);
  });
});

describe("numbers and booleans", () => {
  test("are arguments that all lanes share, and results that are repeated", async () => {
    const f = vmap((x: Tensor, n: Tensor, flag: Tensor) => [where(flag, x.mul(n), x), 7] as const, [0, null, null]);
    const [y, seven] = f(tensor([1, 2]), 3, true);
    expect([await y.toArray(), await seven.toArray()]).toEqual([
      [3, 6],
      [7, 7],
    ]);
  });
});

describe("what no lane differs in", () => {
  test("is computed once: its equations are those of a single example", () =>
    fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(functions)), fc.constantFrom(0, 1), async (name, mapped) => {
        const fn = functions[name]!;
        const one = jit(fn).lower(zeros([2, 3]), zeros([3])).graph;
        const axes = mapped === 0 ? [0, null] : [null, 0];
        const many = jit(vmap(fn, axes)).lower(
          mapped === 0 ? zeros([5, 2, 3]) : zeros([2, 3]),
          mapped === 0 ? zeros([3]) : zeros([5, 3]),
        ).graph;
        // what the mapped argument reaches
        const touched = (graph: typeof one): Set<unknown> => {
          const found = new Set<unknown>([graph.inputs[mapped]]);
          for (const { inputs, outputs } of graph.eqns)
            if (inputs.some((x) => found.has(x))) for (const v of outputs) found.add(v);
          return found;
        };
        const untouched = (graph: typeof one): string[] => {
          const found = touched(graph);
          return graph.eqns
            .filter(({ outputs }) => !found.has(outputs[0]))
            .map(({ op, outputs }) => `${op.name} ${outputs[0]!.aval.dtype}[${outputs[0]!.aval.shape}]`);
        };
        // broadcasts that bring the lanes together, or repeat the result, come on top
        const extra = untouched(many);
        for (const eqn of untouched(one)) {
          expect(extra).toContain(eqn);
          extra.splice(extra.indexOf(eqn), 1);
        }
        expect(extra.filter((eqn) => !eqn.startsWith("broadcast "))).toEqual([]);
      }),
    ));

  test("stays without lanes as a result whose outAxes is null", async () => {
    const f = vmap((x: Tensor, w: Tensor) => [x.mul(w), w.exp()] as const, [0, null], [0, null]);
    const [, shared] = f(ones([4, 2]), tensor([0, 0]));
    expect(await shared.toArray()).toEqual([1, 1]);
  });
});

test("a vmapped function is named after its own", () => {
  function score(x: Tensor): Tensor {
    return x;
  }
  expect(vmap(vmap(score)).name).toBe("vmap(vmap(score))");
  expect(vmap((x: Tensor) => x).name).toBe("vmap(anonymous function)");
});

test("a vmapped function is traced at every call, so that it sees what changed", async () => {
  let factor = 2;
  const f = vmap((x: Tensor) => x.mul(factor));
  expect(await f(tensor([1, 2])).toArray()).toEqual([2, 4]);
  factor = 3;
  expect(await f(tensor([1, 2])).toArray()).toEqual([3, 6]);
});
