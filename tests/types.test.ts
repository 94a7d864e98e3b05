// Types of the package's face: `npm run types` checks them, here they only have to exist.
import {
  type Axes,
  add,
  type DType,
  type HostTypedArray,
  type Jitted,
  jit,
  type Nested,
  type NestedInput,
  type Shape,
  setDevice,
  stack,
  Tensor,
  type TensorLike,
  type TypedArray,
  tensor,
  type VmapOptions,
  vmap,
  where,
  zeros,
} from "lanewise";
import { describe, expectTypeOf, test } from "vitest";

type Params = { w: Tensor; layers: [Tensor, Tensor]; scale: number };

const model = (params: Params, x: Tensor, training: boolean): { loss: Tensor; aux: [Tensor, number] } => ({
  loss: where(training, x.matmul(params.w), params.layers[0]),
  aux: [x, 1],
});

type Out = { loss: Tensor; aux: [Tensor, Tensor] };
type In = [
  params: { readonly w: TensorLike; readonly layers: readonly [TensorLike, TensorLike]; readonly scale: TensorLike },
  x: TensorLike,
  training: TensorLike,
];

describe("jit, vmap, and one of the other", () => {
  const vmapped = vmap(model, [null, 0, null]);
  const [jitted, both, reversed] = [jit(model), vmap(jit(model)), jit(vmap(model))];

  test("take what is like a tensor wherever the function takes a tensor, a number or a boolean", () => {
    expectTypeOf(vmapped).parameters.toEqualTypeOf<In>();
    expectTypeOf(jitted).parameters.toEqualTypeOf<In>();
    expectTypeOf(both).parameters.toEqualTypeOf<In>();
    expectTypeOf(reversed).parameters.toEqualTypeOf<In>();
    expectTypeOf(reversed.lower).parameters.toEqualTypeOf<In>();
  });

  test("keep the structure of the result; numbers become tensors", () => {
    expectTypeOf(vmapped).returns.toEqualTypeOf<Out>();
    expectTypeOf(jitted).returns.toEqualTypeOf<Out>();
    expectTypeOf(both).returns.toEqualTypeOf<Out>();
    expectTypeOf(reversed).returns.toEqualTypeOf<Out>();
  });
});

describe("jit and vmap", () => {
  test("keep readonly tuples, arrays, optional parts, null and undefined", () => {
    const f = jit(
      (x: readonly [Tensor, number], options?: { bias?: Tensor; names: readonly Tensor[] | null }) =>
        [x[0], options?.names ?? null, undefined] as const,
    );
    expectTypeOf(f).returns.toEqualTypeOf<readonly [Tensor, readonly Tensor[] | null, undefined]>();
    type Given = Parameters<typeof f>;
    expectTypeOf<Given[0]>().toEqualTypeOf<readonly [TensorLike, TensorLike]>();
    expectTypeOf<NonNullable<Given[1]>["bias"]>().toEqualTypeOf<TensorLike | undefined>();
    expectTypeOf<NonNullable<Given[1]>["names"]>().toEqualTypeOf<readonly TensorLike[] | null>();
    expectTypeOf<Given["length"]>().toEqualTypeOf<1 | 2>();
  });

  test("keep rest parameters, and static arguments that are no trees", () => {
    const f = jit((mode: string, act: (x: Tensor) => Tensor, ...xs: Tensor[]) => act(add(xs[0]!, mode.length)), {
      staticArgnums: [0, 1],
    });
    expectTypeOf(f).parameters.toEqualTypeOf<[mode: string, act: (x: Tensor) => Tensor, ...xs: TensorLike[]]>();
  });

  test("give a tensor for a number or a boolean", () => {
    expectTypeOf(vmap((x: number) => x > 0)).toEqualTypeOf<(x: TensorLike) => Tensor>();
    expectTypeOf(vmap(() => 1)).toEqualTypeOf<() => Tensor>();
  });

  test("nest without losing types", () => {
    const dot = (x: Tensor, y: Tensor): Tensor => x.mul(y).sum();
    const all = vmap(vmap(dot, [null, 0]), [0, null]);
    expectTypeOf(all).toEqualTypeOf<(x: TensorLike, y: TensorLike) => Tensor>();
    expectTypeOf(jit(all)).toEqualTypeOf<Jitted<[x: TensorLike, y: TensorLike], Tensor>>();
  });

  test("refuse at compile time what they refuse when they run", () => {
    const one = (x: Tensor): Tensor => x;
    // @ts-expect-error: no axis is a string
    vmap(one, "0");
    // @ts-expect-error: no axis is undefined
    void (() => vmap(one, [undefined])(zeros([1])));
    // @ts-expect-error: there is no such option
    void (() => vmap(one, { inAxis: 0 }));
    // @ts-expect-error: nor here
    void (() => jit(one, { static: 0 }));
    // @ts-expect-error: a string is no tensor
    void (() => jit(one)("x"));
    // @ts-expect-error: nested arrays are made into a tensor first
    void (() => vmap(one)([1, 2]));
    // @ts-expect-error: one argument too many
    void (() => jit(one)(zeros([1]), 2));
  });

  test("take axes as numbers, null and trees of these", () => {
    expectTypeOf<0>().toExtend<Axes>();
    expectTypeOf<[null, { w: 0; layers: [1, null] }]>().toExtend<Axes>();
    expectTypeOf<{ inAxes: [0, null]; outAxes: { loss: 0; aux: null }; axisSize: 3 }>().toExtend<VmapOptions>();
  });
});

describe("tensors", () => {
  test("are made of numbers, booleans, nested arrays and typed arrays", () => {
    expectTypeOf(tensor).parameter(0).toEqualTypeOf<NestedInput | HostTypedArray>();
    expectTypeOf<number[][][]>().toExtend<NestedInput>();
    expectTypeOf<readonly (readonly boolean[])[]>().toExtend<NestedInput>();
    expectTypeOf<Uint8ClampedArray>().toExtend<HostTypedArray>();
    // @ts-expect-error: no element is a string
    void (() => tensor(["a"]));
    // @ts-expect-error: there is no such dtype
    void (() => tensor([1], { dtype: "f64" }));
    // @ts-expect-error: 64-bit integers have no dtype
    void (() => tensor(new BigInt64Array(1)));
  });

  test("tell their type, and are read asynchronously", () => {
    expectTypeOf<Tensor["shape"]>().toEqualTypeOf<Shape>();
    expectTypeOf<Tensor["dtype"]>().toEqualTypeOf<DType>();
    expectTypeOf<Tensor["data"]>().returns.toEqualTypeOf<Promise<TypedArray>>();
    expectTypeOf<Tensor["toArray"]>().returns.toEqualTypeOf<Promise<Nested>>();
    expectTypeOf<Tensor["item"]>().returns.toEqualTypeOf<Promise<number>>();
    expectTypeOf<Tensor>().toExtend<Disposable>();
    expectTypeOf<Tensor>().toExtend<Iterable<Tensor>>();
    // @ts-expect-error: a shape is not to be changed
    void ((x: Tensor) => x.shape.push(1));
    // @ts-expect-error: operators are for numbers
    void ((x: Tensor) => x * 2);
  });

  test("have methods that chain", () => {
    expectTypeOf((x: Tensor) =>
      x.mul(2).sum(-1, { keepDims: true }).reshape(2, -1).T.slice([0, null, 2], 1).at(0),
    ).returns.toEqualTypeOf<Tensor>();
    expectTypeOf(stack).parameter(0).toEqualTypeOf<readonly TensorLike[]>();
    // @ts-expect-error: there is no such option
    void ((x: Tensor) => x.sum(0, { keepdims: true }));
  });

  test("are instances of one class", () => {
    expectTypeOf(Tensor).instance.toEqualTypeOf<Tensor>();
    expectTypeOf(setDevice).parameter(0).toEqualTypeOf<"auto" | "gpu" | "cpu">();
  });
});
