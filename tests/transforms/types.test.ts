// Types of transformed functions of plain numbers, and of trees of axes.
import {
  type Axes,
  grad,
  hessian,
  type InAxes,
  jacfwd,
  jacrev,
  jit,
  jvp,
  linearize,
  nn,
  type Tensor,
  type TensorLike,
  tensor,
  type VmapOptions,
  valueAndGrad,
  vjp,
  vmap,
} from "lanewise";
import { describe, expect, expectTypeOf, test } from "vitest";

/** A test that `npm run types` makes: the body is never run. */
const typeTest = (name: string, body: () => void): void => test(name, () => expect(body).toBeTypeOf("function"));

/** What stands for `number[]`: a tensor, or an array of what is like one. */
type Numbers = TensorLike | readonly TensorLike[];

const bump = (x: number): number => (x > 0 ? Math.sin(x) * x : x * x);
const dot = (xs: number[], ys: readonly number[]): number => xs.reduce((sum, x, i) => sum + x * ys[i]!, 0);
const trace = (m: number[][]): number => m.reduce((sum, row, i) => sum + row[i]!, 0);

describe("functions of plain numbers", () => {
  typeTest("become functions of tensors, whatever they are transformed by", () => {
    type OfTensor = (x: TensorLike) => Tensor;
    expectTypeOf(vmap(bump)).toEqualTypeOf<OfTensor>();
    expectTypeOf(grad(bump)).toEqualTypeOf<OfTensor>();
    expectTypeOf(jit(vmap(vmap(grad(bump))))).toExtend<OfTensor>();
    expectTypeOf(jacfwd(bump)).toEqualTypeOf<OfTensor>();
    expectTypeOf(vmap(hessian(bump))).toEqualTypeOf<OfTensor>();
    expectTypeOf(valueAndGrad(bump)).toEqualTypeOf<(x: TensorLike) => [Tensor, Tensor]>();
    expectTypeOf(jvp(bump, [1], [2])).toEqualTypeOf<[Tensor, Tensor]>();
    expectTypeOf(linearize(bump, 1)).toEqualTypeOf<[Tensor, (x: TensorLike) => Tensor]>();
    expectTypeOf(vjp(bump, 1)).toEqualTypeOf<[Tensor, (ct: TensorLike) => [Tensor]]>();
  });

  typeTest("give a tensor for a boolean", () => {
    expectTypeOf(vmap((x: number, flag: boolean) => flag && x > 0)).toEqualTypeOf<
      (x: TensorLike, flag: TensorLike) => Tensor
    >();
    expectTypeOf(jit((flag: boolean) => ({ flag, not: !flag }))).returns.toEqualTypeOf<{ flag: Tensor; not: Tensor }>();
  });

  typeTest("of arrays take a tensor, or an array of what is like one", () => {
    expectTypeOf(jit(dot)).parameters.toEqualTypeOf<[xs: Numbers, ys: Numbers]>();
    expectTypeOf(jit((m: readonly boolean[][]) => m.length)).parameters.toEqualTypeOf<
      [m: TensorLike | readonly Numbers[]]
    >();
    expectTypeOf(vmap(vmap(trace))).toEqualTypeOf<(m: TensorLike | readonly Numbers[]) => Tensor>();
    expectTypeOf(jit((xs: Float32Array) => xs[0]!)).parameters.toEqualTypeOf<[xs: TensorLike]>();
    expectTypeOf(vmap((xs: Tensor[]) => xs[0]!)).parameters.toEqualTypeOf<[xs: readonly TensorLike[]]>();
    expectTypeOf(jit(dot)).toBeCallableWith(tensor([1, 2]), [3, tensor(4)]);
    expectTypeOf(vmap(trace)).toBeCallableWith(tensor([[[1]]]));
    // @ts-expect-error: a string is no array of numbers
    void (() => jit(dot)("12", [1, 2]));
    // @ts-expect-error: nor is an array of strings
    void (() => jit(dot)(["1"], [1]));
  });

  typeTest("keep records and tuples, optional parts and rest parameters", () => {
    type Body = { readonly at: [number, number]; mass?: number; path: number[] };
    const move = ({ at: [x, y], mass = 1 }: Body, dt = 0.1, ...forces: number[]) => ({
      at: [x * dt, y * dt] as [number, number],
      hits: mass > 1,
      forces: forces.length,
    });
    const moved = jit(vmap(move, [0, null]));
    type Given = Parameters<typeof moved>;
    expectTypeOf<Given[0]["at"]>().toEqualTypeOf<readonly [TensorLike, TensorLike]>();
    expectTypeOf<Given[0]["mass"]>().toEqualTypeOf<TensorLike | undefined>();
    expectTypeOf<Given[0]["path"]>().toEqualTypeOf<Numbers>();
    expectTypeOf<Given[2]>().toEqualTypeOf<TensorLike>();
    expectTypeOf(moved).returns.toEqualTypeOf<{ at: [Tensor, Tensor]; hits: Tensor; forces: Tensor }>();
    expectTypeOf(moved).toBeCallableWith({ at: [1, 2], path: tensor([1]) });
    // @ts-expect-error: the tuple has two entries
    void (() => moved({ at: [1], path: [] }));
    // @ts-expect-error: a record is not a tensor
    void (() => moved(tensor(1)));
  });

  typeTest("keep type parameters", () => {
    const scale = <P extends { w: number }>(p: P, by: number): P => ({ ...p, w: p.w * by });
    const given = { w: 1, b: [2, 3] as const };
    expectTypeOf(vmap(scale)(given, 2)).toExtend<{ w: Tensor; b: readonly [Tensor, Tensor] }>();
    expectTypeOf(grad(scale)(given, 2)).toExtend<{ w: Tensor; b: readonly [Tensor, Tensor] }>();
    expectTypeOf(jit(scale)({ w: 1 }, 2)).toEqualTypeOf<{ w: Tensor }>();
  });
});

describe("gradients", () => {
  typeTest("have the structure of the arguments; that of an array of numbers is one tensor", () => {
    const loss = (p: { w: number[]; b: number; pair: [number, number[][]] }, xs: number[]): number => p.b * xs[0]!;
    type Slope = { w: Tensor; b: Tensor; pair: [Tensor, Tensor] };
    expectTypeOf(grad(loss)).returns.toEqualTypeOf<Slope>();
    expectTypeOf(grad(loss, { argnums: 1 })).returns.toEqualTypeOf<Tensor>();
    expectTypeOf(grad(loss, { argnums: [1, 0] })).returns.toEqualTypeOf<[Tensor, Slope]>();
    expectTypeOf(valueAndGrad(loss)).returns.toEqualTypeOf<[Tensor, Slope]>();
    expectTypeOf(vmap(grad(dot), [0, null])).toBeCallableWith(tensor([[1]]), [1]);
    expectTypeOf(grad(grad(bump))).toEqualTypeOf<(x: TensorLike) => Tensor>();
    const [, back] = vjp(loss, { w: tensor([1]), b: 2, pair: [1, tensor([[1]])] }, tensor([3]));
    expectTypeOf(back).returns.toEqualTypeOf<[Slope, Tensor]>();
  });

  typeTest("are only asked for by tensors where the function has an array of numbers", () => {
    expectTypeOf(grad(dot)).parameters.toEqualTypeOf<[xs: TensorLike, ys: Numbers]>();
    expectTypeOf(grad(dot, { argnums: 1 })).parameters.toEqualTypeOf<[xs: Numbers, ys: TensorLike]>();
    expectTypeOf(grad(dot, { argnums: [0, 1] })).parameters.toEqualTypeOf<[xs: TensorLike, ys: TensorLike]>();
    expectTypeOf(grad(dot, { wrt: tensor(1) })).parameters.toEqualTypeOf<[xs: Numbers, ys: Numbers]>();
    // @ts-expect-error: the gradient would be an array
    void (() => grad(dot)([1, 2], [3, 4]));
    // @ts-expect-error: and here too
    void (() => hessian(dot)([1, 2], [3, 4]));
  });

  typeTest("of second order have a structure for each leaf", () => {
    const f = (p: { x: number; y: number[] }, k: number): [number, { z: number }] => [p.x * k, { z: p.y[0]! }];
    type Row = { x: Tensor; y: Tensor };
    expectTypeOf(jacfwd(f)).returns.toEqualTypeOf<[Row, { z: Row }]>();
    expectTypeOf(jacrev(f, { argnums: 1 })).returns.toEqualTypeOf<[Tensor, { z: Tensor }]>();
    expectTypeOf(hessian((p: { x: number; y: number[] }) => p.x)).returns.toEqualTypeOf<{ x: Row; y: Row }>();
    expectTypeOf(hessian((x: Tensor) => x.sum())(tensor([1]))).toEqualTypeOf<Tensor>();
    expectTypeOf(jacfwd(f)).parameter(1).toEqualTypeOf<TensorLike>();
  });
});

describe("axes", () => {
  type Params = { w: Tensor; layers: [Tensor, Tensor]; scale: number };
  const model = (p: Params, x: Tensor): { loss: Tensor; aux: [Tensor, number] } => ({ loss: x.mul(p.w), aux: [x, 1] });
  const optional = (x: Tensor, options?: { bias?: Tensor; names: readonly number[] }) => x.add(options?.bias ?? 0);
  const net = new nn.Dense(2, 3);

  typeTest("are prefixes of the trees they are for", () => {
    vmap(bump, [0], 0);
    vmap(dot, [0, null]);
    vmap(dot, [0, [0, null, 1]]);
    vmap(model, [null, -1], -1);
    vmap(model, [{ w: 0, layers: [1, null], scale: null }, 0], { loss: 0, aux: [1, null] });
    vmap(model, { inAxes: [{ w: 0, layers: 1, scale: null }, 0], outAxes: { loss: null, aux: 0 }, axisSize: 2 });
    vmap(optional, [0]);
    vmap(optional, [0, { names: null }]);
    vmap(optional, [0, { bias: 0, names: [0] }]);
    vmap((x: number, ...more: number[]) => x + more.length, [0, null, 1, 2]);
    vmap((table: Record<string, Tensor>) => Object.values(table), [{ a: 0, b: null }], [0, 1]);
    vmap(net, [0], 1);
    vmap([net, net], { inAxes: [null], outAxes: -1 });
    vmap(jit(model), [null, 0]);
    vmap(vmap(dot, [null, 0]), [0, null]);
  });

  typeTest("that do not fit are refused", () => {
    // @ts-expect-error: one entry for two arguments
    vmap(dot, [0]);
    // @ts-expect-error: two entries for one argument
    vmap(bump, [0, 0]);
    // @ts-expect-error: no axis is a string
    vmap(bump, ["0"]);
    // @ts-expect-error: nor in options
    vmap(bump, { inAxes: ["0"] });
    // @ts-expect-error: a number has no entries
    vmap(bump, [[0]]);
    // @ts-expect-error: an array has no w
    vmap(dot, { inAxes: [{ w: 0 }, 0] });
    // @ts-expect-error: scale is left out
    vmap(model, [{ w: 0, layers: 0 }, 0]);
    // @ts-expect-error: the parameters have no b
    vmap(model, [{ w: 0, layers: 0, scale: null, b: 0 }, 0]);
    // @ts-expect-error: there are two layers
    vmap(model, { inAxes: [{ w: 0, layers: [0, 0, 0], scale: 0 }, 0] });
    // @ts-expect-error: w is one tensor
    vmap(model, [{ w: [0], layers: 0, scale: null }, 0]);
    // @ts-expect-error: options have no w; axes of a record stand in the array
    vmap(model, { w: 0 });
    // @ts-expect-error: aux is left out
    vmap(model, 0, { loss: 0 });
    // @ts-expect-error: aux has two entries
    vmap(model, 0, { loss: 0, aux: [0] });
    // @ts-expect-error: the result is a record
    vmap(model, 0, [0, 0]);
    // @ts-expect-error: no axis is a string here either
    vmap(model, 0, "0");
    // @ts-expect-error: the result has no other
    vmap(model, { outAxes: { loss: 0, aux: 0, other: 0 } });
    // @ts-expect-error: there is no such option
    vmap(model, { inAxes: 0, size: 3 });
    // @ts-expect-error: the module takes one argument
    vmap(net, [0, 0]);
    // @ts-expect-error: the modules take one argument
    vmap([net, net], { inAxes: [0, null] });
    // @ts-expect-error: a module gives one tensor
    vmap(net, 0, { y: 0 });
  });

  typeTest("that are only known when the program runs are taken", () => {
    const [list, wide, axes, options] = [[0, 0], 0 as InAxes, 0 as Axes, {} as VmapOptions];
    vmap(dot, list);
    vmap(dot, wide);
    vmap(dot, options);
    vmap(model, [axes, 0]);
    vmap(model, 0, axes);
    vmap(net, { inAxes: list });
    // @ts-expect-error: but what is known has to fit
    vmap(model, [axes, [0]]);
  });

  typeTest("of generic functions are taken where they fit the constraint", () => {
    const scale = <P extends { w: Tensor }>(p: P, by: Tensor): P => ({ ...p, w: p.w.mul(by) });
    vmap(scale, [0, null]);
    vmap(scale, [{ w: 0 }, null]);
    vmap((x: unknown, y: Tensor) => [x, y], [{ any: 0 }, 0], [{ thing: 0 }, 0]);
    const twice = <A extends unknown[], R>(fn: (...args: A) => R, inAxes: InAxes, given: VmapOptions) => [
      vmap(fn),
      vmap(fn, 0),
      vmap(fn, inAxes),
      vmap(fn, given),
    ];
    void twice;
    // @ts-expect-error: the constraint has no b
    vmap(scale, [{ b: 0 }, null]);
  });
});
