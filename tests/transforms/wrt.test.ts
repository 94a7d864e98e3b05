// grad by tensors that the function reads from outside.
import { describe, expect, test } from "vitest";
import {
  DTypeError,
  grad,
  jit,
  LanewiseError,
  type Tensor,
  TraceError,
  tensor,
  valueAndGrad,
  vmap,
} from "../../index.js";

const near = async (x: Tensor, want: readonly number[]): Promise<void> => {
  const got = [...(await x.data())];
  expect(got).toHaveLength(want.length);
  got.forEach((y, i) => void expect(y).toBeCloseTo(want[i]!, 5));
};

describe("grad with wrt", () => {
  const params = { w: tensor([1, 2, 3]), b: tensor(0.5), unused: tensor([7, 7]) };
  /** (w · x + b)², by hand: 2 (w · x + b) x and 2 (w · x + b). */
  const loss = (x: Tensor): Tensor => params.w.dot(x).add(params.b).square();
  const x = tensor([1, 0, -1]);

  test("differentiates by a tree, zeros for what is not read", async () => {
    const gradients = grad(loss, { wrt: params })(x);
    await near(gradients.w, [-3, 0, 3]);
    await near(gradients.b, [-3]);
    await near(gradients.unused, [0, 0]);
  });

  test("also with the value, with aux, and under jit", async () => {
    const [value, { w }] = valueAndGrad(loss, { wrt: { w: params.w } })(x);
    await near(value, [2.25]);
    await near(w, [-3, 0, 3]);
    const [[b], aux] = grad((y: Tensor) => [loss(y), y.sum()], { wrt: [params.b], hasAux: true })(x);
    await near(b, [-3]);
    await near(aux as Tensor, [0]);
    await near(jit(grad(loss, { wrt: params }))(x).w, [-3, 0, 3]);
  });

  test("sums over lanes around it, and is one gradient per lane inside of vmap", async () => {
    const xs = tensor([
      [1, 0, -1],
      [2, 1, 0],
    ]);
    await near(grad(vmap(loss), { wrt: params })(xs).w, [-3 + 18, 9, 3]);
    await near(vmap(grad(loss, { wrt: params }))(xs).w, [-3, 0, 3, 18, 9, 0]);
  });

  test("differentiates by values of an outer trace, and of higher order", async () => {
    const outer = (w: Tensor, y: Tensor): Tensor => grad((z: Tensor) => w.mul(z).square().sum(), { wrt: w })(y);
    await near(jit(outer)(tensor([1, 2]), tensor([3, 4])), [18, 64]);
    // ∂/∂w of 2 w y² is 2 y²
    await near(grad(outer)(tensor([1, 2]), tensor([3, 4])), [18, 32]);
  });

  test("gives one tensor in two places the same gradient", async () => {
    const gradients = grad(loss, { wrt: [params.w, { again: params.w }] })(x);
    await near(gradients[0], [-3, 0, 3]);
    await near(gradients[1].again, [-3, 0, 3]);
  });

  test("refuses what it cannot differentiate by", () => {
    expect(() => grad(loss, { wrt: { n: 3 } })).toThrow(TraceError);
    expect(() => grad(loss, { wrt: { n: 3 } })).toThrow(/wrt\.n is a number/);
    expect(() => grad(loss, { wrt: [tensor([1, 2], { dtype: "i32" })] })).toThrow(DTypeError);
    expect(() => grad(loss, { wrt: params, argnums: 0 })).toThrow(LanewiseError);
  });
});
