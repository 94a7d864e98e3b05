// linearize, and what is given beside values: aux, zeros and structures.
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  cos,
  DTypeError,
  grad,
  jit,
  jvp,
  linearize,
  matmul,
  numpy,
  ShapeError,
  setDevice,
  sin,
  type Tensor,
  TraceError,
  tensor,
  tools,
  vjp,
  vjpWithAux,
  vmap,
} from "../../index.js";

setDevice("cpu");

const numbers = async (x: Tensor): Promise<number[]> => [...(await x.data())];
const close = (values: readonly number[]) => values.map((v) => expect.closeTo(v, 5));

type P = { a: Tensor; n: Tensor };
const fn = (p: P, s: number) => ({ y: sin(p.a).mul(s), n: p.n, k: p.a.floor() });
const at = { a: tensor([1, 2]), n: tensor([3, 4], { dtype: "i32" }) };
const move = { a: tensor([10, 100]), n: at.n };

describe("linearize", () => {
  test("gives the value, and tangents in its structure", async () => {
    const [value, push] = linearize(fn, at, 3);
    expectTypeOf(value.y).toEqualTypeOf<Tensor>();
    expect(await numbers(value.y)).toEqual(close([3 * Math.sin(1), 3 * Math.sin(2)]));
    const tangent = push(move, 0.5);
    const want = [30 * Math.cos(1) + 0.5 * Math.sin(1), 300 * Math.cos(2) + 0.5 * Math.sin(2)];
    expect(await numbers(tangent.y)).toEqual(want.map((v) => expect.closeTo(v, 3)));
    expect([tangent.n.dtype, await numbers(tangent.n), await numbers(tangent.k)]).toEqual(["i32", [0, 0], [0, 0]]);
    expect(await numbers(jvp(fn, [at, 3], [move, 0.5])[1].y)).toEqual(await numbers(tangent.y));
  });

  test("computes what the tangents need once, however often they are asked for", async () => {
    const graphs: string[] = [];
    const stop = tools.observeCompiles(({ graph }) => void graphs.push(tools.printGraph(graph)));
    const [, push] = linearize((x: Tensor) => sin(sin(x)), at.a);
    for (const scale of [1, 2]) await push(at.a.mul(scale)).data();
    stop();
    const pushed = graphs.filter((text) => text.includes("mul") && !text.includes("2:f32"));
    expect(pushed.length).toBeGreaterThan(0);
    for (const text of pushed) expect(text).not.toMatch(/= (sin|cos) /);
  });

  test("gives a function that may be mapped and compiled, in or outside of one that is", async () => {
    const f = (x: Tensor) => sin(x).mul(x);
    const x = tensor([1, 2]);
    const basis = tensor([
      [1, 0],
      [0, 1],
    ]);
    const derivative = [1, 2].map((v) => Math.sin(v) + v * Math.cos(v));
    const want = close([derivative[0]!, 0, 0, derivative[1]!]);
    expect(await numbers(vmap(linearize(f, x)[1])(basis))).toEqual(want);
    expect(await numbers(jit(vmap(linearize(f, x)[1]))(basis))).toEqual(want);
    expect(await numbers(jit((t: Tensor) => vmap(linearize(f, t)[1])(basis))(x))).toEqual(want);
    const perLane = vmap((t: Tensor) => linearize(f, t)[1](tensor(1)));
    expect(await numbers(perLane(x))).toEqual(close(derivative));
    const second = grad((t: Tensor) => linearize(f, t)[1](numpy.onesLike(t)));
    expect(await numbers(second(x))).toEqual(close([1, 2].map((v) => 2 * Math.cos(v) - v * Math.sin(v))));
  });

  test("names the tangent that does not fit", () => {
    const [, push] = linearize(fn, at, 3);
    expect(() => push({ ...move, a: tensor([1]) }, 0)).toThrow(
      /linearize of fn: the tangent at \[0\]\.a is f32\[1\], but f32\[2\] is wanted/,
    );
    expect(() => push({ ...move, a: at.n }, 0)).toThrow(DTypeError);
    expect(() => push(at.a as never, 0)).toThrow(ShapeError);
  });
});

describe("aux", () => {
  const withAux = (x: Tensor): [Tensor, { twice: Tensor; n: number }] => [sin(x), { twice: x.mul(2), n: 3 }];

  test("is handed through by jvp and by vjp", async () => {
    const x = tensor([1, 2]);
    const [value, tangent, aux] = jvp(withAux, [x], [x], { hasAux: true });
    expectTypeOf(aux.twice).toEqualTypeOf<Tensor>();
    expect(await numbers(value)).toEqual(await numbers(sin(x)));
    expect(await numbers(tangent)).toEqual(await numbers(cos(x).mul(x)));
    expect([await numbers(aux.twice), await aux.n.item()]).toEqual([[2, 4], 3]);
    const [same, back, more] = vjpWithAux(withAux, x);
    expect(await numbers(same)).toEqual(await numbers(sin(x)));
    expect(await numbers(back(x)[0])).toEqual(await numbers(cos(x).mul(x)));
    expect(await numbers(more.twice)).toEqual([2, 4]);
  });

  test("must be there when it is asked for", () => {
    expect(() => jvp(sin as (x: Tensor) => Tensor, [at.a], [at.a], { hasAux: true })).toThrow(TraceError);
    expect(() => vjpWithAux(fn as never, at as never, 3 as never)).toThrow(/must return \[value, aux\]/);
    expect(() => jvp(fn, [at, 3], [move, 0], { aux: true } as never)).toThrow(/no option 'aux'/);
  });
});

test("the gradient by a value that all lanes share is the sum over them", async () => {
  const w = tensor([
    [1, 2],
    [3, 4],
  ]);
  const rows = tensor([
    [1, 0],
    [0, 1],
    [1, 1],
  ]);
  const [, back] = vjp((m: Tensor) => vmap((row: Tensor) => matmul(m, row))(rows), w);
  expect(await numbers(back(numpy.ones([3, 2]))[0])).toEqual([2, 2, 2, 2]);
  const perLane = vmap((row: Tensor) => vjp((m: Tensor) => matmul(m, row), w)[1](numpy.ones([2]))[0])(rows);
  expect(await numbers(perLane.sum(0))).toEqual([2, 2, 2, 2]);
});
