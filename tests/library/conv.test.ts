// Convolution and pooling beside the cases of JAX: kernels, nested transforms, specials, and what they refuse.
import {
  avgPool,
  conv,
  convTranspose,
  grad,
  jit,
  maxPool,
  ones,
  reduceWindow,
  ShapeError,
  setDevice,
  type Tensor,
  tensor,
  ValueError,
  vmap,
} from "lanewise";
import { describe, expect, test } from "vitest";

setDevice("cpu");

const [x, w] = [ones([8, 16, 14, 14]), ones([32, 16, 3, 3])];
const same = (a: Tensor, b: Tensor): Tensor => conv(a, b, { padding: "same", strides: 2 });

/** Kernels of `f` compiled for these arguments. */
const kernels = (f: (...args: Tensor[]) => Tensor, ...args: Tensor[]): number => jit(f).lower(...args).kernels.length;

describe("one kernel does", () => {
  test("a convolution with bias and relu", () => {
    expect(kernels((a, b, c) => same(a, b).add(c).maximum(0), x, w, ones([32, 1, 1]))).toBe(1);
  });

  test("each gradient of a convolution, with padding, strides and groups", () => {
    const grouped = (a: Tensor, b: Tensor): Tensor =>
      conv(a, b, {
        padding: [
          [1, 0],
          [-1, 2],
        ],
        strides: 2,
        groups: 4,
      });
    for (const [f, filters] of [
      [same, w],
      [grouped, ones([32, 4, 3, 3])],
    ] as const) {
      expect(kernels((a, b) => grad(f)(a, b), x, filters)).toBe(1);
      expect(kernels((a, b) => grad(f, { argnums: 1 })(a, b), x, filters)).toBe(1);
    }
  });

  test("a batch of convolutions over either operand or both", () => {
    const [xs, ws] = [ones([3, 8, 16, 14, 14]), ones([3, 32, 16, 3, 3])];
    expect(kernels(vmap(same, [0, null]), xs, w)).toBe(1);
    expect(kernels(vmap(same, [null, 0]), x, ws)).toBe(1);
    expect(kernels(vmap(same, [0, 0]), xs, ws)).toBe(1);
    expect(kernels(vmap(grad(same, { argnums: 1 }), [0, null]), xs, w)).toBe(1);
  });

  test("pooling", () => {
    expect(kernels((a) => maxPool(a, 3, { strides: 2, padding: 1 }), x)).toBe(1);
    expect(kernels((a) => avgPool(a, 3, { strides: 2, padding: 1, countPadding: false }), x)).toBe(1);
    expect(kernels((a) => grad((b: Tensor) => avgPool(b, 2, { strides: 2 }))(a), x)).toBe(1);
    expect(kernels((a) => grad((b: Tensor) => maxPool(b, 2, { strides: 2 }))(a), x)).toBe(1);
  });
});

test("jit of vmap of grad of a small network is the loop over examples", async () => {
  const images = tensor(
    Array.from({ length: 3 * 2 * 6 * 6 }, (_, i) => Math.sin(i)),
    { shape: [3, 2, 6, 6] },
  );
  const filters = tensor(
    Array.from({ length: 4 * 2 * 9 }, (_, i) => Math.cos(i)),
    { shape: [4, 2, 3, 3] },
  );
  const loss = (v: Tensor, image: Tensor): Tensor =>
    maxPool(conv(image, v, { padding: "same" }), 2)
      .square()
      .sum();
  const each = (await jit(vmap(grad(loss), [null, 0]))(filters, images).data()) as Float32Array;
  for (let i = 0; i < 3; i++) {
    const alone = (await grad(loss)(filters, images.at(i)).data()) as Float32Array;
    expect(each.slice(i * 72, i * 72 + 72)).toEqual(alone);
  }
});

test("the second derivative of a max pool of squares is that of the chosen elements", async () => {
  const total = (a: Tensor): Tensor => maxPool(a.square(), [2], { strides: 2 }).sum();
  const second = grad((a: Tensor) => grad(total)(a).sum());
  expect(await second(tensor([1, 3, 2, 2, -5, 4])).toArray()).toEqual([0, 2, 2, 0, 2, 0]);
});

test("padding under an infinite weight is NaN, as in any product with 0", async () => {
  expect(await conv(ones([1, 2]), tensor([[[Infinity, 1]]]), { padding: [[1, 0]] }).toArray()).toEqual([
    [NaN, Infinity],
  ]);
});

test("bool is counted in sums and ordered in maxima", async () => {
  const mask = tensor([true, false, false, true]);
  expect(await reduceWindow(mask, "sum", { window: [2] }).toArray()).toEqual([1, 0, 1]);
  expect(await reduceWindow(mask, "max", { window: [2] }).toArray()).toEqual([true, false, true]);
  expect(await reduceWindow(mask, "mean", { window: [2] }).toArray()).toEqual([0.5, 0, 0.5]);
});

describe("refuses", () => {
  const f32 = (...shape: number[]): Tensor => ones(shape);
  const cases: readonly (readonly [() => unknown, typeof ShapeError | typeof ValueError, string])[] = [
    [() => conv(f32(3), f32(2, 3)), ShapeError, "conv: w is f32[2,3], but [O, C, ...window] is wanted"],
    [
      () => conv(f32(3, 4, 5), f32(2, 3, 2, 2, 2)),
      ShapeError,
      "conv: x is f32[3,4,5], but with 3 spatial axes, as w f32[2,3,2,2,2] has, [N, C, ...spatial] or [C, ...spatial]",
    ],
    [
      () => conv(f32(1, 4, 5), f32(2, 3, 2)),
      ShapeError,
      "conv: x has 4 channels, but the filters want 3\n  x f32[1,4,5]",
    ],
    [
      () => conv(f32(1, 4, 5), f32(2, 3, 2), { groups: 2 }),
      ShapeError,
      "x has 4 channels, but the filters want 3 in each of 2 groups, which makes 6",
    ],
    [() => conv(f32(1, 4, 5), f32(3, 2, 2), { groups: 2 }), ShapeError, "3 filters do not divide into 2 groups"],
    [
      () => conv(f32(3, 2, 5), f32(4, 2, 2), { batchGroups: 2 }),
      ShapeError,
      "3 examples do not divide into 2 batchGroups",
    ],
    [() => conv(f32(2, 5), f32(4, 2, 2), { batchGroups: 2 }), ShapeError, "batchGroups want examples, but x is one"],
    [
      () => conv(f32(2, 2, 5), f32(4, 1, 2), { batchGroups: 2, groups: 2 }),
      ShapeError,
      "there can be groups or batchGroups, but not both",
    ],
    [() => conv(f32(2, 5), f32(4, 2, 2), { groups: 0.5 }), ValueError, "conv: groups 0.5 is not a whole number ≥ 1"],
    [
      () =>
        conv(f32(2, 5, 4), f32(1, 2, 3, 3), {
          rhsDilation: [1, 2],
          padding: [
            [0, 0],
            [0, -1],
          ],
        }),
      ShapeError,
      "conv: a window of 5 elements is larger than its input along spatial axis 1, 3 elements (4 and padding [0,-1])",
    ],
    [() => conv(f32(2, 5), f32(1, 2, 0)), ShapeError, "conv: w f32[1,2,0] has a window of size 0 along axis 2"],
    [
      () => conv(f32(2, 5), f32(1, 2, 3), { strides: [1, 2] }),
      ShapeError,
      "strides has 2 numbers, but windows slide along 1",
    ],
    [() => conv(f32(2, 5), f32(1, 2, 3), { strides: 0 }), ValueError, "conv: strides 0 is not a whole number ≥ 1"],
    [
      () => conv(f32(2, 5), f32(1, 2, 3), { padding: "full" as "same" }),
      ValueError,
      "conv: there is no padding 'full'",
    ],
    [
      () => conv(f32(2, 5), f32(1, 2, 3), { padding: [[1, 0.5]] }),
      ValueError,
      "padding [1,0.5] is no pair of whole numbers",
    ],
    [
      () =>
        conv(f32(2, 5), f32(1, 2, 3), {
          padding: [
            [1, 1],
            [1, 1],
          ],
        }),
      ShapeError,
      "2 pairs of padding",
    ],
    [
      () => conv(f32(2, 5), f32(1, 2, 3), { stride: 1 } as object),
      ValueError,
      "there is no option 'stride'; there are strides,",
    ],
    [
      () => convTranspose(f32(2, 5), f32(1, 3, 3)),
      ShapeError,
      "convTranspose: x has 2 channels, but the filters want 3",
    ],
    [
      () => reduceWindow(f32(4), "median" as "sum", { window: [2] }),
      ValueError,
      "there is no reduction 'median'; there are sum,",
    ],
    [
      () => reduceWindow(f32(4), "sum", { window: [1, 2] }),
      ShapeError,
      "a window with 2 axes does not slide along f32[4]",
    ],
    [
      () => reduceWindow(f32(4), "sum", { window: [0] }),
      ValueError,
      "reduceWindow: window 0 is not a whole number ≥ 1",
    ],
    [() => maxPool(f32(3, 3), 4), ShapeError, "maxPool: a window of 4 elements is larger than its input"],
    [
      () => maxPool(f32(3, 3), 2, { countPadding: true } as object),
      ValueError,
      "maxPool: there is no option 'countPadding'",
    ],
  ];

  test.each(cases.map(([f, kind, message]) => [message, f, kind] as const))("%s", (message, f, kind) => {
    expect(f).toThrow(kind);
    expect(f).toThrow(message);
    expect(f).toThrow(/\n {2}at .*conv\.test\.ts:\d+/);
  });

  test("shapes of one example under vmap, not those of the batch", () => {
    const f = vmap((a: Tensor) => conv(a, ones([2, 3, 2])));
    expect(() => f(ones([7, 4, 5]))).toThrow("x has 4 channels, but the filters want 3\n  x f32[4,5]");
  });
});
