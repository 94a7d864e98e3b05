// Losses and measures: values, gradients, stability, batches, and refusals.
import {
  DTypeError,
  grad,
  hessian,
  jit,
  nn,
  ShapeError,
  setDevice,
  type Tensor,
  tensor,
  ValueError,
  vmap,
} from "lanewise";
import { beforeAll, describe, expect, test } from "vitest";

beforeAll(() => setDevice("cpu"));

const numbers = async (x: Tensor): Promise<number[]> => [...(await x.data())];

const near = async (x: Tensor, want: readonly number[], digits = 5): Promise<void> => {
  const got = await numbers(x);
  expect(got).toHaveLength(want.length);
  got.forEach((y, i) => void expect(y).toBeCloseTo(want[i]!, digits));
};

const classes = (x: number | number[] | number[][]): Tensor => tensor(x, { dtype: "i32" });
const slope = (f: (x: Tensor) => Tensor, x: Tensor): Tensor => grad(f)(x) as Tensor;

describe("softmaxCrossEntropy", () => {
  const rows = [
    [1, 2, 3],
    [0, 0, 0],
  ];
  const logits = tensor(rows);
  /** log Σ eˣ − x of the label, in f64. */
  const by = (row: readonly number[], label: number): number =>
    Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[label]!;
  const each = [by(rows[0]!, 0), by(rows[1]!, 2)];

  test("of classes and of probabilities, with each reduction", async () => {
    const labels = classes([0, 2]);
    const dense = tensor([
      [1, 0, 0],
      [0, 0, 1],
    ]);
    for (const y of [labels, dense, labels.astype("u32")]) {
      await near(nn.softmaxCrossEntropy(logits, y, { reduction: "none" }), each);
      await near(nn.softmaxCrossEntropy(logits, y, { reduction: "sum" }), [each[0]! + each[1]!]);
      await near(nn.softmaxCrossEntropy(logits, y), [(each[0]! + each[1]!) / 2]);
    }
    const soft = tensor([0.25, 0.25, 0.5]);
    const mixed = 0.25 * by(rows[0]!, 0) + 0.25 * by(rows[0]!, 1) + 0.5 * by(rows[0]!, 2);
    await near(nn.softmaxCrossEntropy(logits.at(0), soft), [mixed]);
  });

  test("takes one example, a batch of any shape, and lanes", async () => {
    await near(nn.softmaxCrossEntropy(logits.at(0), classes(0)), [each[0]!]);
    const cube = nn.softmaxCrossEntropy(logits.reshape([2, 1, 3]), classes([[0], [2]]), { reduction: "none" });
    expect(cube.shape).toEqual([2, 1]);
    await near(vmap((x: Tensor, y: Tensor) => nn.softmaxCrossEntropy(x, y))(logits, classes([0, 2])), each);
    const turned = vmap((x: Tensor, y: Tensor) => nn.softmaxCrossEntropy(x, y), [1, 0]);
    await near(turned(logits.transpose(), classes([0, 2])), each);
  });

  test("has the gradient softmax − label", async () => {
    const p = rows[0]!.map((x) => Math.exp(x - by(rows[0]!, 0) - rows[0]![0]!));
    const want = [p[0]! - 1, p[1]!, p[2]!];
    await near(
      slope((x) => nn.softmaxCrossEntropy(x, classes(0)), logits.at(0)),
      want,
    );
    await near(
      slope((x) => nn.softmaxCrossEntropy(x, tensor([1, 0, 0])), logits.at(0)),
      want,
    );
  });

  test("does not overflow, and takes classes ruled out by −∞", async () => {
    const wide = tensor([1000, -1000, 0]);
    await near(nn.softmaxCrossEntropy(wide, classes(1)), [2000]);
    await near(nn.softmaxCrossEntropy(wide, classes(0)), [0]);
    const ruled = tensor([0, -Infinity, 0]);
    for (const y of [classes(0), tensor([1, 0, 0])]) {
      await near(nn.softmaxCrossEntropy(ruled, y), [Math.LN2]);
      await near(
        slope((x) => nn.softmaxCrossEntropy(x, y), ruled),
        [-0.5, 0, 0.5],
      );
    }
    expect(await numbers(nn.softmaxCrossEntropy(ruled, classes(1)))).toEqual([Infinity]);
  });

  test("is NaN for a class that there is not, and for the mean of nothing", async () => {
    const wrong = nn.softmaxCrossEntropy(tensor([rows[0]!, rows[0]!, rows[0]!]), classes([0, 3, -1]), {
      reduction: "none",
    });
    expect((await numbers(wrong)).map(Number.isNaN)).toEqual([false, true, true]);
    const none = tensor([], { shape: [0, 3] });
    expect(await numbers(nn.softmaxCrossEntropy(none, tensor([], { dtype: "i32" })))).toEqual([Number.NaN]);
    expect(await numbers(nn.softmaxCrossEntropy(none, none, { reduction: "sum" }))).toEqual([0]);
  });

  test("refuses what does not fit", () => {
    const run = (y: Tensor, options = {}) => nn.softmaxCrossEntropy(logits, y, options);
    expect(() => run(classes([0, 1, 2]))).toThrow(ShapeError);
    expect(() => run(classes([0, 1, 2]))).toThrow(/labels are i32\[3\], but f32\[2,3\] wants .* \[2\], or f32\[2,3\]/);
    expect(() => run(tensor([0, 1]))).toThrow(/cast classes: labels\.astype\("i32"\)/);
    expect(() => run(tensor([true, false]))).toThrow(DTypeError);
    expect(() => nn.softmaxCrossEntropy(tensor(1), classes(0))).toThrow(/the scores are a scalar/);
    expect(() => run(classes([0, 1]), { reduction: "avg" })).toThrow(ValueError);
    expect(() => run(classes([0, 1]), { axis: 0 })).toThrow(/there is no option 'axis'/);
  });
});

describe("losses of elements", () => {
  const x = tensor([0.5, -2, 3]);
  const y = tensor([0, -2, 1]);

  test("meanSquaredError", async () => {
    await near(nn.meanSquaredError(x, y), [4.25 / 3]);
    await near(nn.meanSquaredError(x, y, { reduction: "none" }), [0.25, 0, 4]);
    await near(
      slope((z) => nn.meanSquaredError(z, y, { reduction: "sum" }), x),
      [1, 0, 4],
    );
  });

  test("huber is a parabola near 0 and a line beyond, with one slope where they meet", async () => {
    await near(nn.huber(x, y, { reduction: "none" }), [0.125, 0, 1.5]);
    await near(nn.huber(x, y, { delta: 0.25, reduction: "sum" }), [0.25 * 0.375 + 0.25 * 1.875]);
    await near(
      slope((z) => nn.huber(z, 0, { reduction: "none" }), tensor(0.5)),
      [0.5],
    );
    const zeros = tensor([0, 0, 0, 0, 0]);
    await near(
      slope((z) => nn.huber(z, zeros, { reduction: "sum" }), tensor([-3, -1, 0, 1, 1e30])),
      [-1, -1, 0, 1, 1],
    );
  });

  test("binaryCrossEntropyWithLogits keeps its digits for large logits", async () => {
    const logit = tensor([0, 2, -3, 20, -20, 1000, -1000]);
    const label = tensor([1, 0, 1, 1, 0, 0, 0]);
    const softplus = (z: number): number => (z > 0 ? z : 0) + Math.log1p(Math.exp(-Math.abs(z)));
    const got = await numbers(nn.binaryCrossEntropyWithLogits(logit, label, { reduction: "none" }));
    const want = [Math.LN2, softplus(2), softplus(3), softplus(-20), softplus(-20), 1000, 0];
    got.forEach((z, i) => void expect(Math.abs(z - want[i]!)).toBeLessThanOrEqual(1e-6 * want[i]!));
    const at = (z: Tensor) => nn.binaryCrossEntropyWithLogits(z, label, { reduction: "sum" });
    const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
    await near(slope(at, logit), [-0.5, sigmoid(2), sigmoid(-3) - 1, -sigmoid(-20), sigmoid(-20), 1, 0]);
    await near(nn.binaryCrossEntropyWithLogits(tensor([0]), tensor([true])), [Math.LN2]);
    const second = hessian((z: Tensor) => nn.binaryCrossEntropyWithLogits(z, 1))(tensor(2));
    await near(second, [sigmoid(2) * sigmoid(-2)]);
  });

  test("refuse shapes that only broadcast", () => {
    const column = tensor([[1], [2], [3]]);
    for (const loss of [nn.meanSquaredError, nn.huber, nn.binaryCrossEntropyWithLogits]) {
      expect(() => loss(column, y)).toThrow(ShapeError);
      expect(() => loss(column, y)).toThrow(/f32\[3,1\] predicted, but the targets are f32\[3\]/);
      expect(() => loss(x, y, { reduction: "best" as never })).toThrow(/there is no reduction 'best'/);
    }
    expect(() => nn.huber(x, y, { delta: 0 })).toThrow(/delta is 0/);
  });
});

describe("measures", () => {
  const scores = tensor([
    [0, 1],
    [2, 1],
    [0, 3],
  ]);

  test("accuracy takes classes and scores on both sides", async () => {
    await near(nn.accuracy(scores, classes([1, 1, 1])), [2 / 3]);
    await near(nn.accuracy(classes([1, 0, 1]), scores), [1]);
    await near(nn.accuracy(scores.at(0), classes(1)), [1]);
    await near(
      vmap(nn.accuracy, [0, null])(
        classes([
          [1, 0, 1],
          [0, 0, 0],
        ]),
        scores,
      ),
      [1, 1 / 3],
    );
    expect(() => nn.accuracy(scores, classes([1, 1]))).toThrow(
      /f32\[3,2\] and labels i32\[2\] are for \[3\] and \[2\]/,
    );
    expect(() => nn.accuracy(scores, tensor([true, true, true]))).toThrow(DTypeError);
    expect(() => nn.accuracy(tensor(0.5), classes(0))).toThrow(/predictions are f32\[\]/);
  });

  test("confusionMatrix has a row for each label and a column for each prediction", async () => {
    const count = jit((y: Tensor, p: Tensor) => nn.confusionMatrix(y, p, 3));
    const matrix = count(classes([0, 0, 1, 2, 2, 2]), classes([0, 1, 1, 2, 2, 0]));
    expect(matrix.dtype).toBe("i32");
    expect(await matrix.toArray()).toEqual([
      [1, 1, 0],
      [0, 1, 0],
      [1, 0, 2],
    ]);
    await near(nn.confusionMatrix(classes([1, 0, 1]), scores, 2), [1, 0, 0, 2]);
  });

  test("confusionMatrix leaves out classes that there are not", async () => {
    expect(await nn.confusionMatrix(classes([0, 2, -1, 1]), classes([2, 0, 0, 1]), 2).toArray()).toEqual([
      [0, 0],
      [0, 1],
    ]);
    expect(nn.confusionMatrix(classes([0]), classes([0]), 0).shape).toEqual([0, 0]);
    expect(() => nn.confusionMatrix(classes([0]), classes([0]), 1.5)).toThrow(ValueError);
    expect(() => nn.confusionMatrix(classes([0, 1]), classes([0]), 2)).toThrow(ShapeError);
  });
});
