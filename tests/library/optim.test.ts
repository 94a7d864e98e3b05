// Optimisers under the transforms, gradients clipped, masks, schedules and refusals. Their numbers: trajectories.test.ts.
import {
  counters,
  DTypeError,
  grad,
  jit,
  type LanewiseError,
  ones,
  optim,
  ShapeError,
  setDevice,
  type Tensor,
  tensor,
  ValueError,
  vmap,
  zeros,
  zerosLike,
} from "lanewise";
import { beforeAll, describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";

beforeAll(() => setDevice("cpu"));

type Params = { readonly w: Tensor; readonly b: Tensor };
type State = optim.OptimiserState<Params>;

const params = (): Params => ({ w: tensor([1, -2, 3]), b: tensor(0.5) });
const gradients = (): Params => ({ w: tensor([0.1, 0, -0.2]), b: tensor(4) });
const numbers = async (x: Tensor): Promise<number[]> => [...(await x.data())];

const near = async (x: Tensor, want: readonly number[]): Promise<void> => {
  const got = await numbers(x);
  expect(got).toHaveLength(want.length);
  got.forEach((y, i) => void expect(y).toBeCloseTo(want[i]!, 5));
};

const every: [string, () => optim.Optimiser][] = [
  ["sgd", () => optim.sgd({ learningRate: 0.1 })],
  ["momentum", () => optim.sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true })],
  ["rmsprop", () => optim.rmsprop({ learningRate: 0.1, centered: true, momentum: 0.5 })],
  ["adam", () => optim.adam({ learningRate: 0.1 })],
  ["amsgrad", () => optim.adam({ learningRate: 0.1, amsgrad: true })],
  ["adamw", () => optim.adamw({ learningRate: optim.linear({ initial: 0.1, end: 0, steps: 4 }) })],
];

describe.each(every)("%s", (_, make) => {
  test("starts with zeros and counts its steps", async () => {
    const optimiser = make();
    const start = optimiser.init(params());
    expect(await start.step.item()).toBe(0);
    for (const tree of Object.values(start.moments)) {
      expect(await numbers(tree.w)).toEqual([0, 0, 0]);
      expect(tree.b.shape).toEqual([]);
    }
    const [, next] = optimiser.update(gradients(), start, params());
    expect(next.step.dtype).toBe("i32");
    expect(await next.step.item()).toBe(1);
    expect(Object.keys(next.moments).sort()).toEqual(Object.keys(start.moments).sort());
  });

  test("moves against the gradient at first, and not without one", async () => {
    const optimiser = make();
    const start = optimiser.init(params());
    const [{ w, b }] = optimiser.update(gradients(), start, params());
    const [x, y, z] = await numbers(w);
    expect(x).toBeLessThan(1);
    expect(y).toBeCloseTo(-2, 2);
    expect(z).toBeGreaterThan(3 - 0.1 * 0.01 * 3);
    expect(await b.item()).toBeLessThan(0.5);
  });

  test("gives the same under jit, with donated parameters and state", async () => {
    const optimiser = make();
    const step = jit((p: Params, s: State, g: Params) => optimiser.update(g, s, p), { donateArgnums: [0, 1] });
    let now: [Params, State] = [params(), optimiser.init(params())];
    let want: [Params, State] = [params(), optimiser.init(params())];
    for (let i = 0; i < 3; i++) {
      now = step(...now, gradients());
      want = optimiser.update(gradients(), want[1], want[0]);
    }
    await near(now[0].w, await numbers(want[0].w));
    await near(now[0].b, await numbers(want[0].b));
    expect(await now[1].step.item()).toBe(3);
  });

  test("gives each lane its own, with parameters, gradients and state mapped", async () => {
    const optimiser = make();
    const ws = tensor([
      [1, 2],
      [3, 4],
      [-5, 6],
    ]);
    const gs = tensor([
      [0.5, 0],
      [-1, 2],
      [0, -0.25],
    ]);
    const twice = (w: Tensor, g: Tensor) => {
      const [first, state] = optimiser.update(g, optimiser.init(w), w);
      return optimiser.update(g, state, first);
    };
    const [all, state] = vmap(twice)(ws, gs);
    const rows = [0, 1, 2].map((i) => twice(ws.at(i), gs.at(i))[0]);
    await near(all, (await Promise.all(rows.map(numbers))).flat());
    expect(await numbers(state.step)).toEqual([2, 2, 2]);
  });

  test("can be differentiated through, also where the gradient is 0", async () => {
    const optimiser = make();
    const after = (w: Tensor) => {
      const slope = grad((x: Tensor) => x.square().sum())(w) as Tensor;
      return optimiser.update(slope, optimiser.init(w), w)[0].square().sum();
    };
    for (const slope of await numbers(grad(after)(tensor([0, 0.5])) as Tensor)) expect(slope).not.toBeNaN();
  });
});

describe("learning rates", () => {
  test("are numbers, tensors or schedules", async () => {
    const at = (learningRate: optim.LearningRate) => {
      const { init, update } = optim.sgd({ learningRate });
      return update(tensor([1, 2]), init(tensor([0, 0])), tensor([0, 0]))[0];
    };
    await near(at(0.5), [-0.5, -1]);
    await near(at(tensor(0.5)), [-0.5, -1]);
    await near(
      at((step) => step.add(2).mul(0.25)),
      [-0.5, -1],
    );
    await near(
      at(() => 0.5),
      [-0.5, -1],
    );
    await near(vmap((rate: Tensor) => at(rate))(tensor([1, 10])), [-1, -2, -10, -20]);
  });

  test("carry gradients: of what a step gives by the rate", async () => {
    const after = (rate: Tensor) => {
      const { init, update } = optim.adam({ learningRate: rate });
      return update(tensor([3, -4]), init(tensor([0, 0])), tensor([0, 0]))[0]
        .mul(tensor([1, 10]))
        .sum();
    };
    await near(grad(after)(tensor(0.1)) as Tensor, [9]);
  });

  test("of one value for each parameter are refused, and those that are no numbers", () => {
    const step = (learningRate: unknown) => () => {
      const { init, update } = optim.sgd({ learningRate: learningRate as number });
      update(tensor([1]), init(tensor([1])), tensor([1]));
    };
    expect(step(tensor([1, 2]))).toThrow(ShapeError);
    expect(step(tensor([1, 2]))).toThrow(/sgd\.update: the learning rate is f32\[2\].*\n.*vmap/);
    expect(step(() => tensor([1]))).toThrow(/what the schedule gives is f32\[1\], but f32\[\] is wanted/);
    expect(step(tensor(true))).toThrow(DTypeError);
    for (const wrong of [-1, Number.NaN, Infinity, "1", undefined]) expect(step(wrong)).toThrow(ValueError);
  });
});

describe("schedules", () => {
  const rates = async (schedule: optim.RateAt, steps: readonly number[]): Promise<number[]> =>
    Promise.all(steps.map((step) => schedule(step).item()));
  const close = (got: readonly number[], want: readonly number[]): void =>
    got.forEach((x, i) => void expect(x).toBeCloseTo(want[i]!, 6));

  test("start, turn and end where they say", async () => {
    close(await rates(optim.constant(0.3), [0, 100]), [0.3, 0.3]);
    close(await rates(optim.exponentialDecay({ initial: 2, decay: 0.25, steps: 2 }), [0, 1, 2, 4]), [2, 1, 0.5, 0.125]);
    const stairs = optim.exponentialDecay({ initial: 2, decay: 0.25, steps: 2, staircase: true });
    close(await rates(stairs, [0, 1, 2, 3, 4]), [2, 2, 0.5, 0.5, 0.125]);
    close(await rates(optim.cosineDecay({ initial: 1, steps: 4, end: 0.2 }), [0, 2, 4, 9]), [1, 0.6, 0.2, 0.2]);
    const warm = optim.warmupCosine({ initial: 0.2, peak: 1, warmupSteps: 2, steps: 6, end: 0.5 });
    close(await rates(warm, [0, 1, 2, 4, 6, 7]), [0.2, 0.6, 1, 0.75, 0.5, 0.5]);
    const pieces = optim.piecewiseConstant({ boundaries: [2, 5], values: [3, 2, 1] });
    close(await rates(pieces, [0, 1, 2, 4, 5, 6]), [3, 3, 2, 2, 1, 1]);
    const line = optim.linear({ initial: 1, end: 3, steps: 4, begin: 2 });
    close(await rates(line, [0, 2, 3, 6, 8]), [1, 1, 1.5, 3, 3]);
    const square = optim.polynomial({ initial: 1, end: 0, steps: 4, power: 2 });
    close(await rates(square, [0, 2, 4, 5]), [1, 0.25, 0, 0]);
  });

  test("refuse options that make none", () => {
    expect(() => optim.piecewiseConstant({ boundaries: [1], values: [1] })).toThrow(/1 boundaries and 1 values/);
    expect(() => optim.piecewiseConstant({ boundaries: [3, 1], values: [1, 1, 1] })).toThrow(/boundaries\[1\] is 1/);
    expect(() => optim.warmupCosine({ peak: 1, warmupSteps: 5, steps: 5 })).toThrow(ValueError);
    expect(() => optim.exponentialDecay({ initial: 1, decay: 0, steps: 5 })).toThrow(/decay is 0/);
    expect(() => optim.linear({ initial: 1, end: 0, steps: 0 })).toThrow(/steps is 0/);
    expect(() => optim.cosineDecay({ initial: 1, steps: 4, alpha: 1 } as never)).toThrow(/no option 'alpha'/);
    expect(() => optim.constant(1)(tensor([1, 2]))).toThrow(/the step is f32\[2\]/);
  });
});

describe("clipping", () => {
  const tree = { a: tensor([3, 0]), b: [tensor([[4]])] };

  test("by global norm keeps the direction, and what is short enough bit for bit", async () => {
    expect(await optim.globalNorm(tree).item()).toBe(5);
    const { a, b } = optim.clipByGlobalNorm(1)(tree);
    await near(a, [0.6, 0]);
    await near(b[0]!, [0.8]);
    const kept = optim.clipByGlobalNorm(5)(tree);
    expect(await numbers(kept.a)).toEqual([3, 0]);
    expect(await numbers(kept.b[0]!)).toEqual([4]);
  });

  test("by global norm leaves zeros, and trees without elements, what they are", async () => {
    const zeros = { a: tensor([0, 0]), b: tensor([], { dtype: "f32" }) };
    expect(await optim.globalNorm(zeros).item()).toBe(0);
    expect(await numbers(optim.clipByGlobalNorm(1)(zeros).a)).toEqual([0, 0]);
    expect(await numbers(optim.clipByGlobalNorm(0)(zeros).a)).toEqual([0, 0]);
    expect(await optim.globalNorm([]).item()).toBe(0);
    const slope = grad((x: Tensor) => optim.clipByGlobalNorm(1)({ x }).x.sum())(tensor([0, 0])) as Tensor;
    expect(await numbers(slope)).toEqual([1, 1]);
    expect(await numbers(grad((x: Tensor) => optim.globalNorm([x]))(tensor([0, 0])) as Tensor)).toEqual([0, 0]);
  });

  test("by value", async () => {
    expect(await numbers(optim.clipByValue(2)(tensor([-5, -2, 1, 2.5, Infinity])))).toEqual([-2, -2, 1, 2, 2]);
    expect(await numbers(optim.clipByValue(2)(tensor([Number.NaN])))).toEqual([Number.NaN]);
  });

  test("clips each lane by its own norm", async () => {
    const rows = tensor([
      [3, 4],
      [0.3, 0.4],
    ]);
    await near(vmap(optim.clipByGlobalNorm(1))(rows), [0.6, 0.8, 0.3, 0.4]);
  });

  test("in a chain comes before the optimiser, in order", async () => {
    const double = <G>(tree: G): G => (tree as Tensor).mul(2) as G;
    const at = (...steps: Parameters<typeof optim.chain>) => {
      const { init, update } = optim.chain(...steps);
      return update(tensor([10]), init(tensor([0])), tensor([0]))[0];
    };
    const sgd = optim.sgd({ learningRate: 1 });
    await near(at(optim.clipByValue(1), double, sgd), [-2]);
    await near(at(double, optim.clipByValue(1), sgd), [-1]);
    await near(at(sgd), [-10]);
    expect(() => optim.chain(optim.clipByValue(1) as never)).toThrow(ValueError);
    expect(() => optim.chain(sgd as never, sgd)).toThrow(/with one optimiser at the end/);
  });

  test("refuses limits below 0 and leaves that are no floats", () => {
    expect(() => optim.clipByValue(-1)).toThrow(/the limit is -1/);
    expect(() => optim.globalNorm({ n: [tensor([1], { dtype: "i32" })] })).toThrow(/tree\.n\[0\] is i32\[1\]/);
  });
});

describe("weight decay", () => {
  const decayed = (decayMask?: optim.DecayMask) => {
    const tree = { layers: [{ w: tensor([10]), b: tensor([10]) }], norm: tensor([10]) };
    const options = { learningRate: 0.1, weightDecay: 1, ...(decayMask !== undefined && { decayMask }) };
    const { init, update } = optim.sgd(options);
    const none = { layers: [{ w: zerosLike(tree.norm), b: zerosLike(tree.norm) }], norm: zerosLike(tree.norm) };
    const [next] = update(none, init(tree), tree);
    return Promise.all([next.layers[0]!.w.item(), next.layers[0]!.b.item(), next.norm.item()]);
  };

  test("holds for all, for a tree of booleans, or by the path", async () => {
    expect(await decayed()).toEqual([9, 9, 9]);
    expect(await decayed({ layers: [{ w: true, b: false }], norm: false })).toEqual([9, 10, 10]);
    expect(await decayed({ layers: true, norm: false })).toEqual([9, 9, 10]);
    expect(await decayed((path) => path.at(-1) === "w")).toEqual([9, 10, 10]);
    expect(await decayed(false)).toEqual([10, 10, 10]);
  });

  test("refuses masks that do not fit", async () => {
    await expect(async () => decayed({ layers: true })).rejects.toThrow(ShapeError);
    await expect(async () => decayed({ layers: [true, true], norm: true })).rejects.toThrow(/decayMask\.layers is/);
    await expect(async () => decayed((() => 1) as never)).rejects.toThrow(
      /params\.layers\[0\]\.b.*a boolean is wanted/,
    );
  });
});

describe("trees", () => {
  test("keep their structure, with nothing at null", async () => {
    const { init, update } = optim.adam({ learningRate: 1 });
    const tree = { a: [tensor([1]), null], b: { c: tensor(2) } };
    const [next, state] = update({ a: [tensor([1]), null], b: { c: tensor(-1) } }, init(tree), tree);
    expect(next.a[1]).toBeNull();
    await near(next.b.c, [3]);
    expect(state.moments.first!.a[1]).toBeNull();
  });

  gpuTest("of many parameters are updated by few kernels, also outside of jit", async () => {
    await setDevice("gpu");
    const { init, update } = optim.adam({ learningRate: 1 });
    const tree = Array.from({ length: 6 }, (_, i) => tensor([i, 1]));
    const state = init(tree);
    await near(state.moments.second![5]!, [0, 0]);
    const before = counters().dispatches;
    const [next] = update(tree, state, tree);
    await near(next[5]!, [4, 0]);
    const dispatches = counters().dispatches - before;
    await setDevice("cpu");
    // each parameter with its two moments; of ops one by one it would be 20 for each
    expect(dispatches).toBeLessThanOrEqual(8);
  });

  gpuTest("stay in their memory from the first step on, where they are donated", async () => {
    await setDevice("gpu");
    const { init, update } = optim.adam({ learningRate: 1, amsgrad: true });
    const step = jit((p: Params, s: State, g: Params) => update(g, s, p), { donateArgnums: [0, 1] });
    const tree = { w: ones([32, 32]), b: ones([32, 32]) };
    const before = counters();
    const [next] = step(tree, init(tree), { w: ones([32, 32]), b: zeros([32, 32]) });
    await next.w.data();
    const after = counters();
    await setDevice("cpu");
    expect(after.donationsKept - before.donationsKept).toBe(0);
    // parameters and three moments of two arrays; every element reads the step, which is not donated
    expect(after.bytesDonated - before.bytesDonated).toBe(4 * 2 * 32 * 32 * 4);
  });

  test("that do not go together are refused with the place", () => {
    const { init, update } = optim.sgd({ learningRate: 1, momentum: 0.5 });
    const tree = params();
    const state = init(tree);
    const run = (g: unknown, s: unknown = state, p: unknown = tree) => update(g as Params, s as State, p as Params);
    const mistakes: [() => unknown, typeof LanewiseError, RegExp][] = [
      [
        () => run({ w: tree.w }),
        ShapeError,
        /gradients is an object with keys w, but params is an object with keys b, w/,
      ],
      [
        () => run({ w: [tree.w], b: tree.b }),
        ShapeError,
        /gradients\.w is an array of 1, but params\.w is a single value/,
      ],
      [() => run({ w: tensor([1, 2]), b: tree.b }), ShapeError, /gradients\.w is f32\[2\], but params\.w is f32\[3\]/],
      [() => run({ w: tree.w, b: 1 }), DTypeError, /gradients\.b is a number, but params\.b is f32\[\]/],
      [() => run(tree, optim.sgd({ learningRate: 1 }).init(tree)), ShapeError, /moments of no name, but .* velocity/],
      [() => run(tree, {}), ShapeError, /the state has no step and no moments/],
      [() => run(tree, null), ShapeError, /the state has no step/],
      [() => run(tree, { ...state, step: 0 }), DTypeError, /state\.step is a number, but i32\[\] is wanted/],
      [() => run(tree, { ...state, moments: { velocity: { w: tree.w } } }), ShapeError, /state\.moments\.velocity is/],
      [() => init({ w: [tree.w, 3] }), DTypeError, /sgd\.init: params\.w\[1\] is a number.*\n.*tensor\(\)/],
      [() => init(tensor([1], { dtype: "u32" })), DTypeError, /params is u32\[1\], but an f32 tensor/],
    ];
    for (const [run, Kind, text] of mistakes) {
      expect(run).toThrow(Kind);
      expect(run).toThrow(text);
    }
  });

  test("options that there are not, and numbers out of range, are refused", () => {
    expect(() => optim.adam({ learningRate: 1, betas: [0.9, 0.99] } as never)).toThrow(/there is no option 'betas'/);
    expect(() => optim.adam({ learningRate: 1, beta1: 1 })).toThrow(
      /beta1 is 1, but a number from 0 up to and without 1/,
    );
    expect(() => optim.adam({ learningRate: 1, amsgrad: "best" as never })).toThrow(ValueError);
    expect(() => optim.sgd({ learningRate: 1, nesterov: true })).toThrow(/nesterov is given without a momentum/);
    expect(() => optim.rmsprop({ learningRate: 1, rho: -0.1 })).toThrow(/rho is -0\.1/);
    expect(() => optim.adamw({ learningRate: 1, weightDecay: -1 })).toThrow(/weightDecay is -1/);
  });
});
