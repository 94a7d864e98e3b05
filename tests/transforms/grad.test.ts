// Derivatives as a user asks for them: numbers, structures and mistakes.
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  cos,
  DTypeError,
  dot,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jit,
  jvp,
  LanewiseError,
  ShapeError,
  setDevice,
  sin,
  stack,
  type Tensor,
  TraceError,
  tensor,
  valueAndGrad,
  vjp,
  vmap,
} from "../../index.js";

setDevice("cpu");

const x = tensor([
  [1, 2, 3],
  [2, 3, 4],
]);
const y = tensor([
  [2, 3, 4],
  [3, 4, 5],
]);
const wave = (a: Tensor, b: Tensor) => sin(a.add(b.mul(2)));

async function expectClose(
  got: Tensor,
  want: readonly (number | readonly number[])[] | number,
  digits = 5,
): Promise<void> {
  const flat = [want].flat(3) as number[];
  const data = [...(await got.data())];
  expect(data.length).toBe(flat.length);
  data.forEach((value, i) => void expect(value).toBeCloseTo(flat[i]!, digits));
}

describe("grad", () => {
  const dx = [
    [0.2836622, -0.1455, 0.0044257],
    [-0.1455, 0.0044257, 0.1367372],
  ];
  const dy = dx.map((row) => row.map((d) => 2 * d));

  test("of vmap, and vmap of grad, give the gradients of the sum of all lanes", async () => {
    const [ofVmap, other] = grad(vmap(wave), { argnums: [0, 1] })(x, y);
    await expectClose(ofVmap, dx);
    await expectClose(other, dy);
    const [perLane, otherPerLane] = vmap(grad(wave, { argnums: [0, 1] }))(x, y);
    await expectClose(perLane, dx);
    await expectClose(otherPerLane, dy);
  });

  test("nests to third order, with vmap and jit between", async () => {
    const quartic = (t: Tensor) => t.pow(4);
    await expectClose(jit(vmap(grad(grad(grad(quartic)))))(tensor([1, 2, -3])), [24, 48, -72]);
    await expectClose(grad((t: Tensor) => jit(vmap(grad(quartic)))(t).sum())(tensor([1, 2])), [12, 48]);
    await expectClose(vmap(grad((t: Tensor) => vmap(grad(quartic))(t)))(tensor([[1, 2]])), [12, 48]);
  });

  test("of a value shared by all lanes sums over them", async () => {
    const loss = (w: Tensor) => vmap((row: Tensor) => dot(row, w))(x).square();
    await expectClose(grad(loss)(tensor([1, 1, 1])), [2 * (6 * 1 + 9 * 2), 2 * (6 * 2 + 9 * 3), 2 * (6 * 3 + 9 * 4)]);
  });

  test("has the structure of the argument", async () => {
    const predict = (p: { w: Tensor; b: [Tensor, number] }, row: Tensor) => dot(row, p.w).add(p.b[0]).mul(p.b[1]);
    const gradient = grad(predict)({ w: tensor([1, 2]), b: [tensor(3), 4] }, tensor([5, 6]));
    expectTypeOf(gradient).toEqualTypeOf<{ w: Tensor; b: [Tensor, Tensor] }>();
    await expectClose(gradient.w, [20, 24]);
    await expectClose(gradient.b[0], 4);
    await expectClose(gradient.b[1], 5 + 12 + 3);
  });

  test("with aux hands it through, and valueAndGrad computes the value beside", async () => {
    const fn = (t: Tensor): [Tensor, { twice: Tensor }] => [t.square().sum(), { twice: t.mul(2) }];
    const [gradient, aux] = grad(fn, { hasAux: true })(tensor([1, 2]));
    await expectClose(gradient, [2, 4]);
    await expectClose(aux.twice, [2, 4]);
    const [[value, same], again] = valueAndGrad(fn, { hasAux: true })(tensor([1, 2]));
    await expectClose(value, 5);
    await expectClose(same.twice, [2, 4]);
    await expectClose(again, [2, 4]);
  });

  test("of what does not depend on the argument is zero", async () => {
    await expectClose(grad((_t: Tensor, s: Tensor) => s.sum())(tensor([1, 2]), tensor([3])), [0, 0]);
    await expectClose(grad((t: Tensor) => t.floor())(tensor([1.5, 2.5])), [0, 0]);
  });

  test("at ties and kinks follows the conventions", async () => {
    await expectClose(grad((t: Tensor) => t.maximum(2))(tensor([1, 2, 3])), [0, 0.5, 1]);
    await expectClose(grad((t: Tensor) => t.abs())(tensor([-1, 0, 1])), [-1, 0, 1]);
    await expectClose(grad((t: Tensor) => t.max())(tensor([3, 1, 3])), [0.5, 0, 0.5]);
    await expectClose(grad((t: Tensor) => t.prod())(tensor([0, 2, 3])), [6, 0, 0]);
    await expectClose(grad((t: Tensor) => t.prod())(tensor([0, 0, 3])), [0, 0, 0]);
  });

  test("of reads at repeated indices adds up", async () => {
    const indices = tensor([0, 2, 2, -1], { dtype: "i32" });
    await expectClose(
      grad((t: Tensor) => t.take(indices, 0).mul(tensor([1, 10, 100, 1000])))(tensor([1, 2, 3])),
      [1, 0, 1110],
    );
  });

  test("names the argument that has no gradient", () => {
    const fn = (p: { n: Tensor }) => p.n.mul(2).sum();
    expect(() => grad(fn)({ n: tensor([1, 2], { dtype: "i32" }) })).toThrow(DTypeError);
    expect(() => grad(fn)({ n: tensor([1, 2], { dtype: "i32" }) })).toThrow(
      /grad of fn: p\.n is i32\[2\], and only f32/,
    );
  });

  test("is named after the function, also by the transforms around it", () => {
    const loss = (w: Tensor, row: Tensor) => dot(w, row);
    expect(grad(loss).name).toBe("grad(loss)");
    expect(jacrev(loss).name).toBe("jacrev(loss)");
    expect(() => vmap(grad(loss))(x, tensor([1]))).toThrow(
      /vmap of grad\(loss\): .*\n.*axis 0 of argument w of type f32\[2,3\];\n.*argument row of type f32\[1\]/,
    );
  });

  test("refuses what it cannot differentiate, with the way out", () => {
    const two = (t: Tensor) => [t, t];
    expect(() => grad(two)(tensor([1]))).toThrow(TraceError);
    expect(() => grad(two)(tensor([1]))).toThrow(/hasAux: true/);
    expect(() => grad((t: Tensor) => t.mul(2), { strict: true })(tensor([1, 2]))).toThrow(ShapeError);
    expect(() => grad((t: Tensor) => t.argmax())(tensor([1, 2]))).toThrow(/the value is i32\[\]/);
    expect(() => grad((t: Tensor) => t.sum(), { argnums: 1 })(tensor([1]))).toThrow(/argument 1 is asked for, but 1/);
    expect(() => grad((t: Tensor) => t, { argnum: 1 } as object)).toThrow(LanewiseError);
    expect(() => grad((t: Tensor) => t, { argnums: -1 })).toThrow(/positions from 0/);
  });
});

describe("jvp", () => {
  test("gives the value and its tangent", async () => {
    const [value, tangent] = jvp(wave, [x, y], [x, y]);
    await expectClose(value, await numbers(sin(x.add(y.mul(2)))));
    await expectClose(tangent, await numbers(cos(x.add(y.mul(2))).mul(x.add(y.mul(2)))));
  });

  test("keeps structures, and leaves integers alone", async () => {
    const fn = (p: { a: Tensor; k: Tensor }) => ({ picked: p.a.at(p.k), k: p.k });
    const at = { a: tensor([1, 2, 3]), k: tensor(1, { dtype: "i32" }) };
    const [value, tangent] = jvp(fn, [at], [{ a: tensor([10, 20, 30]), k: tensor(0, { dtype: "i32" }) }]);
    await expectClose(value.picked, 2);
    await expectClose(tangent.picked, 20);
    await expectClose(tangent.k, 0);
  });

  test("names the tangent that does not fit", () => {
    const bare = jvp as (fn: unknown, primals: unknown, tangents: unknown) => unknown;
    expect(() => bare((t: Tensor) => t, tensor([[1, 2]]), tensor([[3, 4]]))).toThrow(
      "as two arrays: jvp(fn, [x], [dx])",
    );
    expect(() => jvp(wave, [x, y], [x, tensor([1])])).toThrow(
      /the tangent at \[1\] is f32\[1\], but f32\[2,3\] is wanted/,
    );
    expect(() => jvp((t: Tensor) => t, [x], [tensor([1], { dtype: "i32" })])).toThrow(DTypeError);
  });
});

describe("vjp", () => {
  test("gives the value and the way back", async () => {
    const [value, back] = vjp((a: Tensor, b: Tensor) => a.mul(b), tensor([1, 2]), tensor([3, 4]));
    await expectClose(value, [3, 8]);
    const [da, db] = back(tensor([10, 100]));
    await expectClose(da, [30, 400]);
    await expectClose(db, [10, 200]);
  });

  test("makes a Jacobian under vmap", async () => {
    const [, back] = vjp((t: Tensor) => t.square().add(t.sum()), tensor([1, 2]));
    const [rows] = vmap(back)(
      tensor([
        [1, 0],
        [0, 1],
      ]),
    ) as [Tensor];
    await expectClose(rows, [3, 1, 1, 5]);
  });

  test("names the cotangent that does not fit", () => {
    const [, back] = vjp((t: Tensor) => ({ v: t }), x);
    expect(() => back({ v: tensor([1]) })).toThrow(/the cotangent at v is f32\[1\], but f32\[2,3\] is wanted/);
    expect(() => back(x as never)).toThrow(/structure \*, but \{"v":\*\} is wanted/);
  });
});

const numbers = async (t: Tensor): Promise<number[]> => [...(await t.data())];

describe("Jacobians", () => {
  const map = (t: Tensor) => stack([t.at(0).mul(t.at(1)), t.at(1).square(), t.at(0)]);

  test("by forward and reverse mode are the same, result axes first", async () => {
    const want = [
      [3, 2],
      [0, 6],
      [1, 0],
    ];
    await expectClose(jacfwd(map)(tensor([2, 3])), want);
    await expectClose(jacrev(map)(tensor([2, 3])), want);
    expect(jacrev(map)(tensor([2, 3])).shape).toEqual([3, 2]);
  });

  test("have the structure of the result over that of the argument", async () => {
    const fn = (p: { a: Tensor; b: Tensor }) => ({ sum: p.a.mul(2).add(p.b.sum()) });
    const at = { a: tensor([1, 2]), b: tensor([3, 4, 5]) };
    for (const jacobian of [jacfwd(fn)(at), jacrev(fn)(at)] as { sum: { a: Tensor; b: Tensor } }[]) {
      await expectClose(jacobian.sum.a, [2, 0, 0, 2]);
      await expectClose(jacobian.sum.b, [1, 1, 1, 1, 1, 1]);
    }
  });

  test("refuse a function that asks for the truth of its argument", () => {
    const relu = (t: Tensor) => (t ? t : 0);
    for (const jacobian of [jacfwd, jacrev, hessian]) expect(() => jacobian(relu)(tensor([1]))).toThrow(TraceError);
  });

  test("Rosenbrock's Hessian, also for many points at once", async () => {
    const rosenbrock = (t: Tensor) => {
      const [a, b] = t as unknown as [Tensor, Tensor];
      return b.sub(a.square()).square().mul(100).add(a.neg().add(1).square());
    };
    const at = (a: number, b: number) => [1200 * a * a - 400 * b + 2, -400 * a, -400 * a, 200];
    await expectClose(hessian(rosenbrock)(tensor([1, 1])), at(1, 1), 2);
    await expectClose(
      jit(vmap(hessian(rosenbrock)))(
        tensor([
          [1, 1],
          [0.5, -1],
        ]),
      ),
      [...at(1, 1), ...at(0.5, -1)],
      2,
    );
  });
});
