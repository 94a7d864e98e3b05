// Programs that combine features, against JAX: pairs.py holds the same ones.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  arange,
  checkpoint,
  cond,
  conv,
  customVjp,
  einsum,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jit,
  psum,
  scan,
  setDevice,
  switchCase,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from "../../index.js";
import { gpuTest } from "../support/gpu.js";

const golden = JSON.parse(readFileSync(new URL("pairs.json", import.meta.url), "utf8")) as Record<
  string,
  { readonly shape: number[]; readonly data: number[] }
>;

const count = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** Sixteenths between −2 and 2, all different up to 64 of them. */
const ramp = (shape: readonly number[], seed = 0): Tensor =>
  tensor(
    Array.from({ length: count(shape) }, (_, i) => (((i * 37 + 11 * seed + 5) % 64) - 31) / 16),
    { shape },
  );

const whole = (shape: readonly number[], below: number): Tensor =>
  tensor(
    Array.from({ length: count(shape) }, (_, i) => (i * 7 + 1) % below),
    { shape, dtype: "i32" },
  );

function scatterScan(v: Tensor, places: Tensor): Tensor {
  const [c, y] = scan(
    (before: Tensor, i: Tensor) => {
      const after = before.update(i).add(v.mul(before.sum()).add(1).sin());
      return [after, after.take(i, 0).sum()];
    },
    zeros([4]),
    places,
  );
  return c
    .square()
    .sum()
    .add(y.mul(ramp([5])).sum());
}

const clip = customVjp(
  (x: Tensor) => x.clip(-1, 1),
  (x) => [x.clip(-1, 1), x],
  (x, ct) => [ct.mul(2).mul(x.cos())],
);

const layer = checkpoint((c: Tensor, a: Tensor): [Tensor, Tensor] => {
  const after = c.matmul(a).add(c).tanh();
  return [after, after.sum()];
});

function coupled(x: Tensor): Tensor {
  const meet = (c: Tensor): Tensor => psum(c, "i").mul(0.3);
  const step = (c: Tensor, a: Tensor): [Tensor, Tensor] => [
    cond(a.gt(0), meet, (own: Tensor) => own.sin(), c).add(x),
    c,
  ];
  return scan(step, x, ramp([4]))[0];
}

const choose = (x: Tensor, i: Tensor): Tensor =>
  switchCase(i, [(y: Tensor) => ramp([2, 2]).matmul(y), (y: Tensor) => y.sort(), (y: Tensor) => y.cumsum()], x);

const cases: Readonly<Record<string, () => Tensor>> = {
  "weights of an ensemble of convolutions": () =>
    grad((ws: Tensor) => vmap((w: Tensor) => conv(ramp([2, 3, 4]), w, { padding: 1 }).tanh())(ws))(ramp([2, 2, 3, 3])),
  "Hessian through sort": () => vmap(hessian((x: Tensor) => x.sort().pow(3).mul(arange(1, 5)).sum()))(ramp([2, 4])),
  "scatters that repeat, in a scan": () => vmap(grad(scatterScan))(ramp([3]), whole([3, 5, 2], 4)),
  "an update where lanes differ": () =>
    vmap(
      grad(
        (x: Tensor, i: Tensor, v: Tensor) =>
          x
            .update(i)
            .add(v)
            .sin()
            .mul(ramp([4])),
        { argnums: 2 },
      ),
    )(ramp([3, 4]), whole([3, 3], 2), ramp([3, 3], 2)),
  "reversed sums, forward over reverse": () =>
    jacfwd(jacrev((x: Tensor) => x.sin().cumsum(0, { reverse: true }).square()))(ramp([4])),
  "a rule of the user's in a scan": () =>
    vmap(
      grad((x: Tensor, w: Tensor) => scan((c: Tensor, a: Tensor) => [clip(c.mul(a).add(x)), c], x, w)[1].sum()),
      [0, null],
    )(ramp([3]), ramp([4])),
  "checkpoints in a scan, Hessian": () =>
    vmap(
      hessian((c: Tensor, a: Tensor) => scan(layer, c, a)[1].sum()),
      [0, null],
    )(ramp([2, 1, 2]), ramp([3, 2, 2]).mul(0.3)),
  "a collective in a branch in a scan": () => grad((x: Tensor) => vmap(coupled, { axisName: "i" })(x))(ramp([3])),
  "branches that part, with matrices": () =>
    vmap(grad((x: Tensor, i: Tensor) => choose(x, i).square()))(ramp([3, 2]), tensor([2, 0, 1], { dtype: "i32" })),
  "a diagonal in einsum, both sides mapped": () =>
    vmap((a: Tensor, b: Tensor) => einsum("iij,jk->ik", a, b), [0, 1])(ramp([2, 3, 3, 4]), ramp([4, 2, 2])),
  "products with zeros, Hessian": () =>
    vmap(hessian((x: Tensor) => x.cumprod().at(-1)))(
      tensor([
        [1, 0, 2],
        [0, 0, 1],
      ]),
    ),
};

async function expectGolden(name: string, got: Tensor): Promise<void> {
  const { shape, data } = golden[name]!;
  expect(got.shape).toEqual(shape);
  const values = [...(await got.data())];
  const wrong = values.findIndex((x, i) => !(Math.abs(x - data[i]!) <= 1e-5 * Math.max(1, Math.abs(data[i]!))));
  expect(wrong < 0 ? "as JAX" : `element ${wrong} is ${values[wrong]} instead of ${data[wrong]}`).toBe("as JAX");
}

test.each(Object.keys(cases))("%s", async (name) => {
  setDevice("cpu");
  await expectGolden(name, cases[name]!());
  await expectGolden(name, jit(cases[name]!)());
});

for (const name of ["scatters that repeat, in a scan", "a collective in a branch in a scan"]) {
  gpuTest(`${name}, on the GPU`, async () => {
    setDevice("gpu");
    await expectGolden(name, jit(cases[name]!)());
    setDevice("cpu");
  });
}
