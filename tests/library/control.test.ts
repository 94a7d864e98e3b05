// Control flow: values and derivatives as JAX gives them, what lanes may not do to each other, structures and mistakes.
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, expectTypeOf, type TestContext, test } from "vitest";
import { regionsOf } from "../../compiler/ir/graph.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { stage } from "../../compiler/trace/stage.js";
import { gradGraph } from "../../compiler/transforms/grad.js";
import {
  abs,
  associativeScan,
  cond,
  cos,
  DTypeError,
  einsum,
  exp,
  foriLoop,
  grad,
  hessian,
  jacfwd,
  jit,
  jvp,
  LanewiseError,
  log,
  map,
  maximum,
  ones,
  psum,
  ShapeError,
  scan,
  setDevice,
  sin,
  sqrt,
  stack,
  switchCase,
  Tensor,
  TraceError,
  tanh,
  tensor,
  vjp,
  vmap,
  where,
  whileLoop,
  zeros,
} from "../../index.js";
import { gpuTest } from "../support/gpu.js";
import { array, f32, i32 } from "../support/trace.js";

beforeAll(() => setDevice("cpu"));

const golden = new Map<string, unknown>(
  readFileSync(new URL("control.jsonl", import.meta.url), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
    .map(({ name, value }) => [name, value]),
);

/** A tree of tensors as JAX's results are written: the elements of each tensor as one list. */
async function plain(x: unknown): Promise<unknown> {
  if (x instanceof Tensor) return [...(await x.data())];
  if (Array.isArray(x)) return Promise.all(x.map(plain));
  const entries = Object.entries(x as object).map(async ([key, value]) => [key, await plain(value)]);
  return Object.fromEntries(await Promise.all(entries));
}

function expectNear(got: unknown, want: unknown, path: string): void {
  if (typeof want === "number") {
    const off = Math.abs((got as number) - want) / Math.max(1, Math.abs(want));
    if (!(off <= 3e-5)) expect.fail(`${path} is ${String(got)}, not ${want}`);
    return;
  }
  expect(Object.keys(got as object), path).toEqual(Object.keys(want as object));
  for (const [key, value] of Object.entries(want as object))
    expectNear((got as Record<string, unknown>)[key], value, `${path}.${key}`);
}

async function expectGolden(name: string, got: unknown): Promise<void> {
  expect([...golden.keys()]).toContain(name);
  expectNear(await plain(got), golden.get(name), name);
}

const programs: [name: string, f: () => unknown][] = [];

/** f(), and f() as one program. */
async function expectGoldenTwice(name: string, f: () => unknown): Promise<void> {
  programs.push([name, f]);
  await expectGolden(name, f());
  await expectGolden(name, jit(f)());
}

const xs = tensor([-1, 0.5, 2, 4]);
const rows = tensor([
  [0.5, -1],
  [2, 0.25],
  [-0.75, 1.5],
]);

describe("cond and switchCase", () => {
  const root = (x: Tensor): Tensor => cond(x.gt(0), sqrt, (x) => x.mul(0), x);
  const pick = (i: Tensor, x: Tensor): Tensor =>
    switchCase(i, [sin, (x: Tensor) => x.mul(x), (x: Tensor) => exp(x.neg())], x);
  const weighted = (w: Tensor, i: Tensor, x: Tensor): Tensor =>
    switchCase(i, [(x: Tensor) => sin(w.mul(x)), (x: Tensor) => sqrt(x).mul(w), (x: Tensor) => w.mul(w).div(x)], x);

  test("give each lane its branch, and the gradient of its branch alone", async () => {
    await expectGoldenTwice("root", () => [vmap(root)(xs), vmap(grad(root))(xs)]);
  });

  test("clamp the index", async () => {
    const index = tensor([-1, 0, 1, 2, 3], { dtype: "i32" });
    await expectGoldenTwice("pick", () => [
      vmap(pick, [0, null])(index, 0.7),
      vmap(grad(pick, { argnums: 1 }), [0, null])(index, 0.7),
    ]);
    const third = grad(grad(grad(pick, { argnums: 1 }), { argnums: 1 }), { argnums: 1 });
    await expectGoldenTwice("pick, third order", () => vmap(third, [0, null])(index, 0.7));
    const unsigned = tensor([0, 1, 4294967295], { dtype: "u32" });
    expect(await vmap(pick, [0, null])(unsigned, 0).toArray()).toEqual([0, 0, 1]);
    expect(await switchCase(7, [() => 1, () => 2]).item()).toBe(2);
  });

  test("add up what lanes give to a value they share, without what they do not take", async () => {
    const which = tensor([0, 1, 2, 0], { dtype: "i32" });
    const numbers = tensor([-2, 4, 0.5, 0]);
    const total = (w: Tensor): Tensor => vmap(weighted, [null, 0, 0])(w, which, numbers).sum();
    await expectGoldenTwice("weighted", () => [
      total(tensor(1.5)),
      grad(total)(1.5),
      grad(grad(total))(1.5),
      grad(grad(grad(total)))(1.5),
    ]);
  });

  test("run only the branch that is taken", async () => {
    const forever = (x: Tensor): Tensor =>
      whileLoop(
        () => tensor(true),
        (x) => x,
        x,
      );
    const f = (p: Tensor, x: Tensor): Tensor => cond(p, (x) => x.add(1), forever, x);
    expect(await f(tensor(true), tensor(1)).item()).toBe(2);
    expect(await jit(f)(tensor(true), tensor(1)).item()).toBe(2);
    expect(await vmap(f, [null, 0])(tensor(true), tensor([1, 2])).toArray()).toEqual([2, 3]);
  });

  test("call the branch at once for a JS boolean", async () => {
    const refuse = (): Tensor => {
      throw new Error("called");
    };
    expect(await cond(true, (x: Tensor) => x.add(1), refuse, tensor(1)).item()).toBe(2);
    expect(await cond(false, refuse, () => 5).item()).toBe(5);
  });

  test("take trees, capture, and let numbers adapt", async () => {
    const scale = tensor([1, 2]);
    const f = (p: Tensor, at: { x: Tensor; n: number }) =>
      cond(
        p,
        ({ x, n }) => ({ sum: x.mul(scale), count: tensor(3, { dtype: "i32" }), none: null, one: n }),
        ({ x }) => ({ sum: x, count: 0, none: null, one: 7 }),
        at,
      );
    const result = f(tensor(false), { x: tensor([5, 6]), n: 2 });
    expect(result.count.dtype).toBe("i32");
    expect(await plain({ ...result, none: [] })).toEqual({ sum: [5, 6], count: [0], none: [], one: [7] });
    expect(await jit(f)(tensor(true), { x: tensor([5, 6]), n: 2 }).sum.toArray()).toEqual([5, 12]);
  });

  test("keep values that lanes share out of the lanes, and an unbatched choice a choice", () => {
    const traced = stage("test", [f32(3), f32()], ([x, y]) => {
      const both = vmap((x: Tensor) =>
        cond(
          y!.gt(0),
          (x: Tensor) => [x, y!],
          (x: Tensor) => [x.neg(), y!.mul(2)],
          x,
        ),
      )(x!) as unknown as Tensor[];
      return { outputs: both, rest: undefined };
    });
    const eqn = traced.graph.eqns.find((e) => e.op.kind === "region")!;
    expect(eqn.inputs[0]!.aval.shape).toEqual([]);
    expect(eqn.outputs.map((v) => v.aval.shape)).toEqual([[3], []]);
  });
});

describe("whileLoop", () => {
  const collatz = (n: Tensor): Tensor =>
    whileLoop(
      ([n]) => n.ne(1),
      ([n, count]) => {
        const half = n.div(2).astype("i32");
        return [where(n.eq(half.mul(2)), half, n.mul(3).add(1)), count.add(1)];
      },
      [n, 0],
    )[1];
  const newton = (a: Tensor): Tensor =>
    whileLoop(
      (x) => abs(x.mul(x).sub(a)).gt(1e-4),
      (x) => x.add(a.div(x)).mul(0.5),
      a,
    );

  test("ends lane by lane", async () => {
    await expectGoldenTwice("collatz", () =>
      vmap(collatz)(tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], { dtype: "i32" })),
    );
  });

  test("has forward derivatives, also of its lanes and twice", async () => {
    const a = tensor([1, 2, 9, 50]);
    await expectGoldenTwice("newton", () => [
      vmap(newton)(a),
      vmap(jacfwd(newton))(a),
      vmap(jacfwd(jacfwd(newton)))(a),
    ]);
    const [, dx] = jvp(vmap(newton), [a], [ones([4])]);
    expect((await dx.data())[2]).toBeCloseTo(1 / 6, 5);
  });

  test("does not let finished lanes go on", async () => {
    // a lane that went on would meet 1/0, and sqrt of negative numbers
    const f = (x: Tensor): Tensor =>
      whileLoop(
        (x) => x.gt(0.5),
        (x) => sqrt(x.sub(0.5)).add(x.sub(0.5).mul(0)).mul(0.9),
        x,
      );
    const values = [0.5, 0.75, 3, 10];
    const lanes = await vmap(f)(tensor(values)).data();
    const slopes = await vmap(jacfwd(f))(tensor(values)).data();
    for (const [i, x] of values.entries()) {
      expect(lanes[i]).toBe(await f(tensor(x)).item());
      expect(slopes[i]).toBe(await jacfwd(f)(x).item());
    }
    expect([...slopes].every(Number.isFinite)).toBe(true);
  });

  test("leaves a counter that no lane changes alone", () => {
    const traced = stage("test", [f32(5)], ([x]) => ({
      outputs: [
        vmap((x: Tensor) =>
          whileLoop(
            ([i]) => i.lt(3),
            ([i, x]) => [i.add(1), x.mul(2)],
            [tensor(0, { dtype: "i32" }), x],
          ),
        )(x!)[1],
      ],
      rest: undefined,
    }));
    const eqn = traced.graph.eqns.find((e) => e.op.name === "while")!;
    expect(eqn.outputs.map((v) => v.aval.shape)).toEqual([[], [5]]);
  });

  test("has no reverse mode, and says where and what to do", () => {
    const f = (x: Tensor): Tensor => newton(x).mul(2);
    expect(() => grad(f)(3)).toThrow(TraceError);
    expect(() => grad(f)(3)).toThrow(
      /how often a while loop runs.*\n.*bounded\(n\).*maxSteps: n.*\n.*whileLoop.*foriLoop.*\n.*jacfwd\n {2}at newton \(tests\/library\/control.test.ts:\d+\)/,
    );
    expect(() => grad(vmap(f))(xs)).toThrow(/while loop/);
  });

  test("is no hindrance to gradients that do not pass through it", async () => {
    const f = (x: Tensor): Tensor => {
      const n = whileLoop(
        (n) => n.lt(10),
        (n) => n.add(4),
        tensor(0),
      );
      return x.mul(n);
    };
    expect(await grad(f)(3).item()).toBe(12);
    const g = (x: Tensor): Tensor =>
      whileLoop(
        ([n]) => n.lt(10),
        ([n, y]) => [n.add(4), y.mul(2)],
        [tensor(0), x],
      )[0].mul(x);
    expect(await grad(g)(3).item()).toBe(12);
  });

  describe("with a bound", () => {
    const twelve = { maxSteps: 12 };
    const boundedNewton = (a: Tensor): Tensor =>
      whileLoop(
        (x) => abs(x.mul(x).sub(a)).gt(1e-4),
        (x) => x.add(a.div(x)).mul(0.5),
        a,
        twelve,
      );
    // a turn past the end would take the root of a negative number, whose derivative is NaN
    const fall = (x: Tensor, w: Tensor): Tensor =>
      whileLoop(
        ([x]) => x.gt(0),
        ([x, y]) => [x.sub(0.5), y.mul(w).add(sqrt(x))],
        [x, tensor(0)],
        { maxSteps: 8 },
      )[1];

    test("has a reverse mode: that of the loop without one, forwards", async () => {
      const a = tensor([1, 2, 9, 50]);
      await expectGoldenTwice("newton", () => [
        vmap(boundedNewton)(a),
        vmap(grad(boundedNewton))(a),
        vmap(grad(grad(boundedNewton)))(a),
      ]);
      await expectGoldenTwice("newton", () => [
        vmap(boundedNewton)(a),
        grad((a: Tensor) => vmap(boundedNewton)(a))(a),
        grad((a: Tensor) => grad((a: Tensor) => vmap(boundedNewton)(a))(a))(a),
      ]);
      expect(await hessian(boundedNewton)(9).item()).toBeCloseTo(-1 / 108, 5);
    });

    test("computes no gradient of turns past the end", async () => {
      const x = tensor([-1, 0.25, 1.75, 3]);
      const lanes = vmap(fall, [0, null]);
      await expectGoldenTwice("fall", () => [
        lanes(x, 0.5),
        grad(lanes, { argnums: [0, 1] })(x, 0.5),
        jvp(lanes, [x, tensor(0.5)], [x, tensor(1)]),
      ]);
      const [, [dx]] = golden.get("fall") as [unknown, [unknown]];
      expectNear(await plain(vmap(grad(fall), [0, null])(x, 0.5)), dx, "one by one");
    });

    test("ends at the bound, each lane by itself, and before it as soon as nothing goes on", async () => {
      const count = (n: Tensor, maxSteps: number): Tensor =>
        whileLoop(
          ([i]) => i.lt(n),
          ([i, y]) => [i.add(1), y.mul(2)],
          [tensor(0), tensor(1)],
          { maxSteps },
        )[1];
      const n = tensor([0, 2, 3, 7]);
      await expectGoldenTwice("bounds", () => vmap((n: Tensor) => count(n, 3))(n));
      expect(await count(tensor(7), 0).item()).toBe(1);
      // it would take hours to the bound
      const most = 2147483647;
      expect(await jit(vmap((n: Tensor) => count(n, most)))(n).toArray()).toEqual([1, 4, 8, 128]);
      const [, dy] = jvp((n: Tensor) => count(n, most).mul(n), [tensor(3)], [tensor(1)]);
      expect(await dy.item()).toBe(8);
    });

    test("lets lanes speak to each other", async () => {
      const f = (x: Tensor): Tensor =>
        whileLoop(
          (x) => x.lt(10),
          (x) => x.add(psum(x, "i")),
          x,
          { maxSteps: 4 },
        );
      const all = vmap(f, { axisName: "i" });
      const x = tensor([1, 2, 9]);
      const back = await plain(grad((x: Tensor) => all(x))(x));
      const forth = (await jacfwd((x: Tensor) => all(x))(x).toArray()) as number[][];
      expectNear(
        back,
        [0, 1, 2].map((k) => forth.reduce((sum, row) => sum + row[k]!, 0)),
        "psum",
      ); // prettier-ignore
    });

    test("refuses what is no bound", () => {
      const loop = (options: object): unknown =>
        whileLoop(
          (x) => x.lt(3),
          (x) => x.add(1),
          tensor(0),
          options,
        );
      for (const maxSteps of [-1, 1.5, NaN, 2 ** 31, "3"])
        expect(() => loop({ maxSteps })).toThrow(/maxSteps is .*, but a whole number from 0 to 2147483647 is wanted/);
      expect(() => loop({ steps: 3 })).toThrow(/no option 'steps'/);
    });
  });

  test("may have numbers and booleans in its carry", async () => {
    const [n, odd] = whileLoop(
      ([n]) => n.lt(5),
      ([n, odd]) => [n.add(1), odd.not()],
      [0, false],
    );
    expect([n.dtype, odd.dtype, await n.item(), await odd.item()]).toEqual(["f32", "bool", 5, 1]);
    const step = tensor(3, { dtype: "i32" });
    const last = whileLoop(
      (x) => x.lt(3),
      () => step,
      0,
    );
    expect([last.dtype, await last.item()]).toEqual(["i32", 3]);
  });
});

describe("foriLoop", () => {
  const powers = (x: Tensor): Tensor => foriLoop(1, 4, (i, c) => c.mul(x).add(i), x);

  test("with numbers has derivatives of every order", async () => {
    await expectGoldenTwice("powers", () => [
      powers(tensor(0.7)),
      grad(powers)(0.7),
      grad(grad(powers))(0.7),
      grad(grad(grad(powers)))(0.7),
    ]);
    expect(await foriLoop(5, 2, (_, c) => c.add(1), tensor(8)).item()).toBe(8);
  });

  test("with a bound for each lane", async () => {
    const halvings = (n: Tensor, x: Tensor): Tensor => foriLoop(0, n, (i, x) => x.div(2).add(i), x);
    await expectGoldenTwice("halvings", () => vmap(halvings)(tensor([0, 1, 3, 5], { dtype: "i32" }), xs));
    const from = foriLoop(tensor(2, { dtype: "u32" }), 5, (i, x) => x.add(i), tensor(0));
    expect(await from.item()).toBe(9);
    expect(() => grad(halvings, { argnums: 1 })(tensor(3, { dtype: "i32" }), 2)).toThrow(/while loop/);
  });
});

describe("scan", () => {
  const running = (c: Tensor, xs: Tensor, reverse: boolean) =>
    scan((c, x) => [c.mul(0.5).add(sin(x)), { before: c, product: c.mul(x) }], c, xs, { reverse });

  test.each([
    ["running", false],
    ["running in reverse", true],
  ] as const)("%s", async (name, reverse) => {
    const loss = (c: Tensor, xs: Tensor): Tensor => {
      const [last, ys] = running(c, xs, reverse);
      return last.square().sum().add(ys.before.mul(ys.product).sum());
    };
    const c0 = tensor([0.3, -0.2]);
    await expectGoldenTwice(name, () => {
      const [last, ys] = running(c0, rows, reverse);
      return [last, ys, grad(loss, { argnums: [0, 1] })(c0, rows), hessian(loss)(c0, rows)];
    });
  });

  interface Params {
    w: Tensor;
    u: Tensor;
    b: Tensor;
  }
  const params = {
    b: tensor([0.1, -0.1]),
    u: tensor([
      [0.5, -0.3],
      [0.2, 0.4],
    ]),
    w: tensor([
      [0.3, 0.7],
      [-0.6, 0.1],
    ]),
  };
  const rnn = ({ w, u, b }: Params, xs: Tensor): Tensor =>
    scan(
      (h, x) => {
        const next = tanh(w.matmul(x).add(u.matmul(h)).add(b));
        return [next, next.square().sum()];
      },
      zeros([2]),
      xs,
    )[1].sum();

  test("trains a recurrent net, also with a gradient per example", async () => {
    await expectGoldenTwice("rnn", () => [rnn(params, rows), grad(rnn)(params, rows)]);
    const batch = stack([rows, rows.mul(0.5), rows.neg()]);
    await expectGoldenTwice("rnn, gradient per example", () => vmap(grad(rnn), [null, 0])(params, batch));
  });

  test("integrates a pendulum, and differentiates by its constants", async () => {
    const pendulum = (theta: Tensor, x0: Tensor): Tensor => {
      const field = (x: Tensor): Tensor =>
        stack([
          x.at(1),
          theta
            .at(0)
            .neg()
            .mul(sin(x.at(0)))
            .sub(theta.at(1).mul(x.at(1))),
        ]);
      const h = 0.1;
      const [last, path] = scan(
        (x) => {
          const k1 = field(x);
          const k2 = field(x.add(k1.mul(h / 2)));
          const k3 = field(x.add(k2.mul(h / 2)));
          const k4 = field(x.add(k3.mul(h)));
          const next = x.add(
            k1
              .add(k2.mul(2))
              .add(k3.mul(2))
              .add(k4)
              .mul(h / 6),
          );
          return [next, next];
        },
        x0,
        null,
        { length: 20 },
      );
      return path.square().sum().add(last.at(0));
    };
    const [theta, x0] = [tensor([2, 0.3]), tensor([1, 0])];
    await expectGoldenTwice("pendulum", () => [pendulum(theta, x0), grad(pendulum, { argnums: [0, 1] })(theta, x0)]);
  });

  test("nests, to third order", async () => {
    const nested = (x: Tensor): Tensor => {
      const [c, ys] = scan(
        (c, a) => {
          const [s, inner] = scan((s, b) => [s.mul(a).add(b.mul(c)), s], c, tensor([0.5, 1.5]));
          return [s, inner.sum()];
        },
        x,
        tensor([0.2, -0.4, 0.9]),
      );
      return c.mul(ys.sum());
    };
    await expectGoldenTwice("nested", () => [
      nested(tensor(0.8)),
      grad(nested)(0.8),
      grad(grad(nested))(0.8),
      grad(grad(grad(nested)))(0.8),
    ]);
  });

  test("takes no arrays, no steps, nothing to stack and nothing to carry", async () => {
    const [last, none] = scan((c) => [c.mul(2), null], tensor(1), null, { length: 5 });
    expect([await last.item(), none]).toEqual([32, null]);
    const [same, ys] = scan((c, x) => [c.add(x), c], tensor(3), zeros([0]));
    expect([await same.item(), ys.shape]).toEqual([3, [0]]);
    const [empty, doubled] = scan((c, { x }) => [c, [x.mul(2)]], {}, { x: tensor([1, 2]) });
    expect([empty, await doubled[0]!.toArray()]).toEqual([{}, [2, 4]]);
  });

  test("stacks for its reverse mode only what the linear part needs of each step", () => {
    const traced = stage("test", [f32(3), f32(8, 3), f32(3)], ([c, xs, w]) => {
      // needed: cos of what is in sin. exp(w) does not change, and x is there already
      const [last] = scan((c, x) => [sin(c.mul(exp(w!)).add(x)).mul(x), null], c!, xs!);
      return { outputs: [last.sum()], rest: undefined };
    });
    const graph = gradGraph(traced.graph, [true, false, false]);
    const [forward, back] = graph.eqns.filter((e) => e.op.name === "scan");
    expect(forward!.outputs.map((v) => v.aval.shape)).toEqual([[3], [8, 3]]);
    expect(back!.inputs.map((x) => x.aval.shape)).toEqual([[3], [3], [8, 3], [8, 3]]);
    expect(regionsOf(forward!.params)[0]!.graph.eqns.some((e) => e.op.name === "exp")).toBe(false);
  });

  test("has vjp as well", async () => {
    const [, back] = vjp((c: Tensor, xs: Tensor) => running(c, xs, false)[0], tensor([0.3, -0.2]), rows);
    const [dc] = back(ones([2]));
    expect(await dc.toArray()).toEqual([0.125, 0.125]);
  });
});

describe("in each other", () => {
  const winding = (w: Tensor, x: Tensor): Tensor => {
    const [last, ys] = scan(
      (c, t) => {
        const next = cond(
          c.gt(t),
          (c) => c.sub(log(w.mul(c))),
          (c) => c.mul(w).add(sin(x)),
          c,
        );
        return [next, next.mul(t)];
      },
      x,
      tensor([0.1, 0.5, 0.3, 0.9]),
    );
    return last.add(ys.sum());
  };
  const lanes = tensor([-1.5, -0.2, 0.4, 1.3]);
  const by = { argnums: 1 } as const;

  test("lanes of gradients of a scan of a choice", async () => {
    await expectGoldenTwice("winding", () => [
      vmap(winding, [null, 0])(1.5, lanes),
      vmap(grad(winding, by), [null, 0])(1.5, lanes),
    ]);
  });

  test("to third order", async () => {
    const second = grad(grad(winding, by), by);
    await expectGoldenTwice("winding, second order", () => vmap(second, [null, 0])(1.5, lanes));
    await expectGoldenTwice("winding, third order", () => vmap(grad(second, by), [null, 0])(1.5, lanes));
    // the other way round: the gradient of the sum of all lanes
    const total = (x: Tensor): Tensor => vmap(winding, [null, 0])(1.5, x);
    const third = grad((x: Tensor) => grad((x: Tensor) => grad(total)(x))(x));
    await expectGoldenTwice("winding, third order", () => third(lanes));
  });

  test("gradients by what lanes share", async () => {
    const total = (w: Tensor): Tensor => vmap(winding, [null, 0])(w, lanes);
    await expectGoldenTwice("winding, by what lanes share", () => [grad(total)(1.5), grad(grad(total))(1.5)]);
  });

  test("lanes of lanes, of which each shares something", async () => {
    const f = (x: Tensor, y: Tensor): Tensor =>
      cond(
        x.gt(y),
        (x, y) => sqrt(x.sub(y)).mul(y),
        (x, y) => x.mul(y),
        x,
        y,
      );
    const [a, b] = [tensor([0.5, 1, 2]), tensor([1.5, 0.25])];
    const table = (x: Tensor, y: Tensor): Tensor => vmap(vmap(f, [null, 0]), [0, null])(x, y);
    const [da, db] = grad(table, { argnums: [0, 1] })(a, b);
    const want = { a: [0, 0, 0], b: [0, 0] };
    for (const [i, x] of [0.5, 1, 2].entries()) {
      for (const [j, y] of [1.5, 0.25].entries()) {
        want.a[i]! += x > y ? y / (2 * Math.sqrt(x - y)) : y;
        want.b[j]! += x > y ? Math.sqrt(x - y) - y / (2 * Math.sqrt(x - y)) : x;
      }
    }
    expectNear(await plain([da, db]), [want.a, want.b], "gradient");
  });

  test("lanes that speak to each other inside of a branch", async () => {
    const f = vmap(
      (x: Tensor) =>
        cond(
          x.gt(0),
          (x) => psum(x.square(), "i"),
          (x) => x,
          x,
        ),
      { axisName: "i" },
    );
    expect(await f(tensor([1, -2, 3])).toArray()).toEqual([14, -2, 14]);
    // of 2 (x0² + x1² + x2²) + x1
    expect(await grad(f)(tensor([1, -2, 3])).toArray()).toEqual([4, -7, 12]);
  });

  test("a while in a choice in a scan, forwards", async () => {
    const f = (x: Tensor): Tensor =>
      scan(
        (c, x) => [
          cond(
            c.gt(x),
            (c) =>
              whileLoop(
                (c) => c.gt(0.25),
                (c) => c.mul(0.5),
                c,
              ), // prettier-ignore
            (c) => c.add(x),
            c,
          ),
          null,
        ],
        x,
        tensor([0.5, 2, 1]),
      )[0];
    // 3 → 0.1875 → 2.1875 → 0.13671875, of which each halving halves the slope
    expect(await f(tensor(3)).item()).toBe(0.13671875);
    expect(await jacfwd(f)(3).item()).toBe(2 ** -8);
    expect(await vmap(jacfwd(f))(tensor([3, -4])).toArray()).toEqual([2 ** -8, 1]);
  });
});

describe("map", () => {
  const f = (x: { a: Tensor; b: Tensor }) => ({ sum: x.a.add(x.b).sum(), product: x.a.mul(x.b) });
  const data = { a: rows, b: rows.add(1) };

  test.each([undefined, 1, 2, 3, 5])("is vmap, batchSize %s", async (batchSize) => {
    const want = await plain(vmap(f)(data));
    const mapped = (x: typeof data) => map(f, x, batchSize === undefined ? {} : { batchSize });
    expect(await plain(mapped(data))).toEqual(want);
    expect(await plain(jit(mapped)(data))).toEqual(want);
    const slope = (g: (x: typeof data) => { product: Tensor }) => grad((x: typeof data) => g(x).product)(data);
    expect(await plain(slope(mapped))).toEqual(await plain(slope(vmap(f))));
  });

  test("of nothing is empty", () => {
    const nothing = { a: zeros([0, 2]), b: zeros([0, 2]) };
    expect(map(f, nothing).product.shape).toEqual([0, 2]);
    expect(map(f, nothing, { batchSize: 4 }).sum.shape).toEqual([0]);
  });
});

describe("associativeScan", () => {
  test("of matrices, with a gradient", async () => {
    const c = cos(xs).mul(1.1);
    const s = sin(xs).mul(1.1);
    const turns = stack([stack([c, s.neg()], 1), stack([s, c], 1)], 1);
    const products = (m: Tensor): Tensor => associativeScan((a, b) => einsum("nij,njk->nik", a, b), m);
    await expectGoldenTwice("products", () => [products(turns), grad((m: Tensor) => products(m).square())(turns)]);
  });

  test("in reverse, along an axis, over trees", async () => {
    const seven = tensor([
      [3, -1, 4, 1, -5, 9, 2],
      [0, 0.5, -2, 6, 1, -1, 1],
    ]);
    await expectGoldenTwice("maxima in reverse", () => associativeScan(maximum, seven, { reverse: true, axis: -1 }));
    const elems = { k: xs.slice([0, 3]).mul(0.5), x: rows.slice(null, 0) };
    await expectGoldenTwice("affine", () =>
      associativeScan((a, b) => ({ k: b.k.mul(a.k), x: b.k.mul(a.x).add(b.x) }), elems),
    );
  });

  test.each([0, 1, 2, 3, 8, 9])("of %i elements", async (n) => {
    const counts = Array.from({ length: n }, (_, i) => i + 1);
    const sums = associativeScan((a, b) => a.add(b), tensor(counts, { shape: [n] }));
    expect(await sums.toArray()).toEqual(counts.map((k) => (k * (k + 1)) / 2));
  });
});

async function checkOnGpu({ skip }: TestContext): Promise<void> {
  if (programs.length === 0) skip("the tests above were left out");
  setDevice("gpu");
  try {
    for (const [name, f] of programs) await expectGolden(name, jit(f)());
  } finally {
    setDevice("cpu");
  }
}

gpuTest("on the GPU all these give the same", checkOnGpu, 180_000);

describe("mistakes", () => {
  const w = { w: [tensor([1, 2]), tensor([1, 2, 3])] };

  test("a carry that changes is named by its path", () => {
    const grows = (c: typeof w, x: Tensor): [typeof w, Tensor] => [{ w: [c.w[0]!, tensor([1, 2, 3, 4]).add(x)] }, x];
    expect(() => scan(grows as never, w, xs)).toThrow(ShapeError);
    expect(() => scan(grows as never, w, xs)).toThrow(
      /scan of grows: the carry changes its type.*\n {2}carry.w\[1\]: f32\[3\] in, f32\[4\] out\n {2}return the shape that the carry starts with\n {2}at .*control.test.ts/,
    );
    expect(() =>
      whileLoop(
        (n) => n.lt(3),
        (n) => n.add(0.5),
        tensor(0, { dtype: "i32" }),
      ),
    ).toThrow(/carry: i32\[\] in, f32\[\] out\n {2}cast what the step returns, astype\("i32"\), or start with f32/);
    expect(() => foriLoop(0, 3, (_, c) => c.add(xs), 0)).toThrow(
      /carry: f32\[\] in, f32\[4\] out\n {2}start with an array.*\[4\]/,
    );
    expect(() => foriLoop(0, 3, (_, c) => c.gt(0), 0)).toThrow(DTypeError);
  });

  test("and so is one that changes its structure", () => {
    const loses = (c: { a: Tensor; b: [Tensor, Tensor] }) => ({ a: c.a, b: [c.b[0]] });
    const init = { a: xs, b: [xs, xs] as [Tensor, Tensor] };
    expect(() => foriLoop(0, 3, (_, c) => loses(c as never) as never, init)).toThrow(
      /foriLoop of .*the carry changes its structure\n {2}carry.b: an array of 2 in, an array of 1 out/,
    );
    expect(() => scan(((c: Tensor) => c) as never, xs, null, { length: 2 })).toThrow(
      /must return \[carry, y\], but it returns one value/,
    );
  });

  test("branches that differ", () => {
    const p = tensor(true);
    expect(() =>
      cond(
        p,
        () => ({ a: [xs] }),
        () => ({ a: [rows] }),
      ),
    ).toThrow(
      /cond: the branches return different types\n {2}result.a\[0\]: f32\[3,2\] from onFalse, f32\[4\] from onTrue/,
    );
    expect(() =>
      cond(
        p,
        () => [xs],
        () => xs as never,
      ),
    ).toThrow(/different structures\n {2}result: a single value from onFalse, an array of 1 from onTrue/);
    const k = tensor(0, { dtype: "i32" });
    expect(() => switchCase(k, [() => xs, () => xs.astype("i32")])).toThrow(DTypeError);
    expect(() => switchCase(k, [() => xs, () => xs.astype("i32")])).toThrow(
      /f32\[4\] from branches\[0\], i32\[4\] from branches\[1\]/,
    );
    expect(() => switchCase(k, [])).toThrow(LanewiseError);
  });

  test("predicates and indices of another type", () => {
    const id = (): Tensor => xs;
    expect(() => cond(xs.gt(0), id, id)).toThrow(/the predicate is bool\[4\], but a bool scalar is wanted/);
    expect(() => cond(tensor(1), id, id)).toThrow(DTypeError);
    expect(() => cond(1, id, id)).toThrow(/is a number/);
    expect(() => switchCase(tensor(1), [id])).toThrow(/the index is f32\[\]/);
    expect(() => switchCase(0.5, [id])).toThrow(/0.5/);
    expect(() =>
      whileLoop(
        (x) => x.gt(0),
        (x) => x,
        xs,
      ),
    ).toThrow(/the condition .* gives bool\[4\]/); // prettier-ignore
    expect(() => foriLoop(0, tensor(2.5), (_, c) => c, xs)).toThrow(/upper is f32\[\]/);
    expect(() => foriLoop(0.5, 2, (_, c) => c, xs)).toThrow(/lower is 0.5/);
  });

  test("arrays of different lengths, or of unknown length", () => {
    const step = (c: Tensor, _x: { pos: Tensor; vel: Tensor }): [Tensor, null] => [c, null];
    expect(() => scan(step, xs, { pos: rows, vel: xs })).toThrow(
      /sizes of axis 0 differ, 3 and 4\n {2}_x.pos of type f32\[3,2\]\n {2}_x.vel of type f32\[4\]\n {2}at/,
    );
    expect(() => scan((c) => [c, null], xs, null)).toThrow(/length: n/);
    expect(() => scan((c) => [c, null], xs, rows, { length: 4 })).toThrow(
      /length is 4, but axis 0 of .* f32\[3,2\] has size 3/,
    );
    expect(() => scan((c, x) => [c.add(x), null], xs, tensor(1))).toThrow(/no axis 0/);
    expect(() => scan((c) => [c, null], xs, null, { lenght: 4 } as never)).toThrow(/no option 'lenght'/);
    expect(() => map(sin, xs, { batchSize: 0 })).toThrow(/batchSize 0/);
    expect(() => associativeScan((a) => ({ a: a.a.sum(), b: a.b }), { a: xs, b: xs })).toThrow(
      /elems.a: f32\[2\] in, f32\[\] out/,
    );
  });

  test("callbacks that ask what only the kernel knows", () => {
    expect(() => foriLoop(0, 3, (_, c) => (c ? c : c), xs)).toThrow(
      /c is traced, and a traced value has no truth value/,
    );
    expect(() =>
      whileLoop(
        (c) => !c,
        (c) => c,
        xs,
      ),
    ).toThrow(TraceError); // prettier-ignore
    expect(() => scan((c, x) => [c, x && c], xs, xs)).toThrow(/x is traced/);
  });
});

describe("types", () => {
  test("of carries and results are those of tensors", () => {
    const [carry, ys] = scan((c, x: Tensor) => [{ n: c.n.add(1), w: c.w }, [x, 1]] as const, { n: 0, w: xs }, rows);
    expectTypeOf(carry.n).toEqualTypeOf<Tensor>();
    expectTypeOf(carry.w).toEqualTypeOf<Tensor>();
    expectTypeOf(ys[1]).toEqualTypeOf<Tensor>();
    expectTypeOf(
      cond(
        true,
        () => xs,
        () => 1,
      ),
    ).toEqualTypeOf<Tensor>(); // prettier-ignore
    expectTypeOf(map((x: Tensor) => ({ x }), rows)).toEqualTypeOf<{ readonly x: Tensor }>();
  });

  test("of constants among the operands keep their values", () => {
    const traced = stage("test", [i32()], ([i]) => {
      const results = switchCase(i!, [(x: Tensor) => x.add(1), (x: Tensor) => x.mul(2)], 5);
      return { outputs: [results], rest: undefined };
    });
    expect(interpret(traced.graph, [array("i32", [], [1])])[0]!.data[0]).toBe(10);
  });
});
