// Rules of the user's, collectives, checkpoints and linearize against JAX: golden.py holds the same functions.
import { readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import {
  allGather,
  axisIndex,
  checkpoint,
  cos,
  customJvp,
  customVjp,
  customVmap,
  dot,
  exp,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jit,
  jvp,
  linearize,
  log,
  matmul,
  outer,
  pmax,
  pmean,
  pmin,
  psum,
  psumScatter,
  rsqrt,
  setDevice,
  sin,
  Tensor,
  tanh,
  tensor,
  vmap,
} from "../../index.js";
import { gpuTest } from "../support/gpu.js";

const golden = JSON.parse(readFileSync(new URL("golden.json", import.meta.url), "utf8")) as Record<string, number[]>;

const rows = [
  [0.5, -1, 2],
  [1, 0.25, -0.75],
];
const data = { x: rows[0]!, w: [0.2, 0.4, -0.6], m: rows };

type Fn = (...args: Tensor[]) => Tensor;

const overI = (f: Fn, inAxes?: (number | null)[]): Fn => vmap(f, { axisName: "i", ...(inAxes ? { inAxes } : {}) });

const waves = (a: Tensor): Tensor => psum(sin(a), "i").mul(a);
const shared: Fn = (a, b) => psum(b!.square(), "i").mul(a!);

const normalized = overI((row) => {
  const centred = row!.sub(pmean(row!, "i"));
  return centred.mul(rsqrt(pmean(centred.square(), "i").add(0.1)));
});
const cubes = (r: Tensor): Tensor => normalized(r).pow(3).sum();

const both: Fn = vmap(
  overI((a) =>
    psum(a!.square(), ["i", "j"])
      .mul(a!)
      .add(psum(a!, "j").mul(pmean(a!, "i"))),
  ),
  { axisName: "j" },
);

const log1pexp: (a: Tensor) => Tensor = customJvp(
  (a: Tensor) => log(exp(a).add(1)),
  ([a], [da]) => [log1pexp(a), exp(a).add(1).pow(-1).neg().add(1).mul(da)],
);

type Scale = { s: Tensor };
const scaled: (p: Scale, a: Tensor) => { y: Tensor; n: Tensor } = customJvp(
  (p: Scale, a: Tensor) => ({ y: p.s.mul(sin(a)), n: p.s }),
  ([p, a], [dp, da]) => [scaled(p, a), { y: dp.s.mul(a).mul(3).add(da.mul(5)), n: dp.s.mul(a) }],
);
const loss = (p: Scale, a: Tensor): Tensor => scaled(p, a).y.mul(scaled(p, a).n);

const product = customVjp(
  (a: Tensor, b: Tensor) => a.mul(b),
  (a, b) => [a.mul(b), { a, b: cos(b) }],
  ({ a, b }, ct) => [ct.mul(b), ct.mul(sin(a)).mul(2)],
);
const squares = (a: Tensor): Tensor => product(a, a.square());

const pick = customVjp(
  (a: Tensor, i: Tensor) => a.at(i).mul(a),
  (a, i) => [a.at(i).mul(a), i],
  (i, ct) => [ct.mul(i), null],
);

const affine = customVmap(
  (a: Tensor, b: Tensor) => a.mul(b),
  (size, [a, b], [x, y]) => [x.mul(y).add(100 * size + 10 * Number(a) + Number(b)), true],
);

function cases({ x, w, m }: { x: Tensor; w: Tensor; m: Tensor }): Record<string, () => unknown> {
  const layers = checkpoint((v: Tensor) => tanh(matmul(sin(v.square()), outer(w, x)).add(v)));
  const p = { s: tensor(2) };
  const perLane = { inAxes: [{ s: null }, 0] as const };
  return {
    psum: () => overI(waves as Fn)(x),
    "psum, grad inside": () => overI(grad(waves) as Fn)(x),
    "psum, grad outside": () => grad(overI(waves as Fn))(x),
    "psum of what all lanes share": () => overI((a, b) => psum(b!, "i").mul(a!), [0, null])(x, tensor(2)),
    "psum of what all lanes share, gradients": () => grad(overI(shared, [0, null]), { argnums: [0, 1] })(x, tensor(2)),
    "psum, jvp": () => jvp(overI(waves as Fn), [x], [w]),
    "pmean, gradient": () => grad(overI((a) => a!.sub(pmean(a!, "i")).pow(3)))(x),
    pmax: () => overI((a) => pmax(a!, "i").mul(a!))(x),
    pmin: () => overI((a) => pmin(a!, "i").sub(a!))(x),
    axisIndex: () => overI((a) => a!.add(axisIndex("i")))(x),
    allGather: () => overI((r) => matmul(allGather(r!, "i", { axis: 1 }), tensor([1, 10])))(m),
    "allGather, grad inside": () => overI(grad((a: Tensor) => sin(allGather(a, "i")).mul(w).sum()) as Fn)(x),
    "allGather, grad outside": () => grad(overI((a) => dot(allGather(a!, "i"), w).mul(a!)))(x),
    psumScatter: () => overI((r) => psumScatter(sin(r!), "i"))(outer(x, w)),
    "batch normalisation": () => normalized(m),
    "batch normalisation, gradient": () => grad(cubes)(m),
    "batch normalisation, Hessian": () => hessian(cubes)(m),
    "batch normalisation, third order": () => grad(grad(grad(cubes)))(m),
    "two names": () => both(m),
    "two names, gradient": () => grad(both)(m),
    "two names, grad between": () =>
      vmap(grad(overI((a) => psum(a!.square(), ["i", "j"]).mul(a!))), { axisName: "j" })(m),
    "customJvp, order 0": () => vmap(log1pexp)(x),
    "customJvp, order 1": () => vmap(grad(log1pexp))(x),
    "customJvp, order 2": () => vmap(grad(grad(log1pexp)))(x),
    "customJvp, order 3": () => vmap(grad(grad(grad(log1pexp))))(x),
    "customJvp of trees": () => grad(loss, { argnums: [0, 1] })(p, tensor(0.5)),
    "customJvp of trees, vmap of grad": () => vmap(grad(loss, { argnums: [0, 1] }), perLane)(p, x),
    "customJvp of trees, grad of vmap": () => grad(vmap(loss, perLane), { argnums: [0, 1] })(p, x),
    "customJvp of trees, jvp": () => jvp(loss, [p, tensor(0.5)], [{ s: tensor(0.1) }, tensor(0.7)]),
    customVjp: () =>
      grad((a: Tensor, b: Tensor) => product(a, b).mul(a), { argnums: [0, 1] })(tensor(0.5), tensor(0.25)),
    "customVjp, vmap of grad": () =>
      vmap(grad((a: Tensor, b: Tensor) => product(a, b).mul(a), { argnums: [0, 1] }))(x, w),
    "customVjp, grad of vmap": () =>
      grad(
        vmap((a: Tensor, b: Tensor) => product(a, b).mul(a), [0, null]),
        { argnums: [0, 1] },
      )(x, tensor(0.25)),
    "customVjp, second order": () => grad(grad(squares))(tensor(0.5)),
    "customVjp, third order": () => grad(grad(grad(squares)))(tensor(0.5)),
    "customVjp, Hessian": () => jacfwd(jacrev((v: Tensor) => vmap(product)(v, v.square()).sum()))(x),
    "customVjp with an integer": () => grad(pick)(x, tensor(2, { dtype: "i32" })),
    customVmap: () => vmap(affine)(x, w),
    "customVmap, one argument batched": () => vmap(affine, [null, 0])(tensor(3), w),
    "customVmap, vmap of vmap": () => vmap(vmap(affine, [0, null]))(m, m.slice(null, 0)),
    "checkpoint, order 0": () => layers(x).sum(),
    "checkpoint, order 1": () => grad(layers)(x),
    "checkpoint, order 2": () => grad(grad(layers))(x),
    "checkpoint, third order": () => grad(grad(grad(layers)))(x),
    "checkpoint, Hessian": () => hessian((v: Tensor) => layers(v).sum())(x),
    "checkpoint, vmap of grad": () => vmap(grad(layers))(m),
    linearize: () => linearize(layers, x)[1](w),
  };
}

const input = () => ({ x: tensor(data.x), w: tensor(data.w), m: tensor(data.m) });

/** Numbers of a tree, keys in sorted order. */
async function numbers(tree: unknown): Promise<number[]> {
  if (tree instanceof Tensor) return [...(await tree.data())];
  if (Array.isArray(tree)) return (await Promise.all(tree.map(numbers))).flat();
  const entries = Object.entries(tree as object).sort(([a], [b]) => (a < b ? -1 : 1));
  return numbers(entries.map(([, value]) => value));
}

function differenceFrom(name: string, got: readonly number[]): string | undefined {
  const want = golden[name]!;
  if (got.length !== want.length) return `${name}: ${got.length} numbers instead of ${want.length}`;
  const scale = Math.max(1, ...want.map(Math.abs));
  const i = want.findIndex((value, k) => !(Math.abs(got[k]! - value) <= 2e-5 * scale));
  return i < 0 ? undefined : `${name}: ${got[i]} instead of ${want[i]} at ${i}`;
}

test("there is a function for every case", () => {
  expect(Object.keys(cases(input())).sort()).toEqual(Object.keys(golden).sort());
});

test.each(Object.keys(golden))("%s, as JAX has it", async (name) => {
  setDevice("cpu");
  expect(differenceFrom(name, await numbers(cases(input())[name]!()))).toBeUndefined();
});

test("and so under jit", async () => {
  setDevice("cpu");
  const wrong: string[] = [];
  for (const name of Object.keys(golden)) {
    const f = jit((args: ReturnType<typeof input>) => cases(args)[name]!());
    wrong.push(differenceFrom(name, await numbers(f(input()))) ?? "");
  }
  expect(wrong.filter((text) => text !== "")).toEqual([]);
});

vi.setConfig({ testTimeout: 180_000 }); // a software adapter compiles a shader for each case

gpuTest("and so on the GPU", async () => {
  setDevice("gpu");
  const all = jit((args: ReturnType<typeof input>) =>
    Object.fromEntries(Object.entries(cases(args)).map(([name, run]) => [name, run()])),
  );
  const results = all(input()) as Record<string, unknown>;
  const wrong = await Promise.all(
    Object.keys(golden).map(async (name) => differenceFrom(name, await numbers(results[name]))),
  );
  setDevice("cpu");
  expect(wrong.filter((text) => text !== undefined)).toEqual([]);
});
