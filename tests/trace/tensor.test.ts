// Tensor as a value: reading, freeing, showing, and what JavaScript may not do with it.
import { inspect } from "node:util";
import fc from "fast-check";
import {
  arange,
  DisposedError,
  exp,
  full,
  jit,
  ones,
  setDevice,
  type Tensor,
  TraceError,
  tensor,
  ValueError,
  vmap,
  zeros,
} from "lanewise";
import { describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";

setDevice("cpu");

/** The error `work` throws. */
function thrown(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

describe("reading", () => {
  test("gives a typed array of the dtype, nested arrays, or the one element", async () => {
    expect(
      await tensor([
        [1, 2],
        [3, 4],
      ]).data(),
    ).toEqual(new Float32Array([1, 2, 3, 4]));
    expect(await tensor([1], { dtype: "i32" }).data()).toEqual(new Int32Array([1]));
    expect(await tensor([1], { dtype: "u32" }).data()).toEqual(new Uint32Array([1]));
    expect(await tensor([true, false]).data()).toEqual(new Uint8Array([1, 0]));
    expect(await tensor([[true], [false]]).toArray()).toEqual([[true], [false]]);
    expect(await tensor([[[]], [[]]]).toArray()).toEqual([[[]], [[]]]);
    expect(await tensor(2.5).toArray()).toBe(2.5);
    expect(await tensor([[7]]).item()).toBe(7);
  });

  test("gives an array of one's own: writing to it changes no tensor", async () => {
    for (const x of [tensor([1, 2]), tensor([0.5, 1]).add(0.5)]) {
      const data = await x.data();
      data.fill(9);
      expect(await x.data()).not.toEqual(data);
    }
  });

  test("of one element is refused where there are more or none", async () => {
    await expect(tensor([1, 2]).item()).rejects.toThrow(
      new ValueError("item: f32[2] has 2 elements, not one\n  use data() or toArray()"),
    );
    await expect(zeros([0, 2]).item()).rejects.toThrow("item: f32[0,2] has 0 elements");
  });

  test("gives back what a tensor was made of", async () => {
    const arrays = fc.array(fc.float(), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(arrays, async (values) => {
        expect([...(await tensor(values, { shape: [values.length] }).data())]).toEqual(values);
      }),
      { numRuns: 50 },
    );
  });
});

test("type, rank and size are known at once", () => {
  const x = exp(zeros([2, 0, 3]));
  expect([x.shape, x.dtype, x.ndim, x.size]).toEqual([[2, 0, 3], "f32", 3, 0]);
  expect(tensor(1).size).toBe(1);
});

test("a tensor may be used any number of times", async () => {
  const x = tensor([1, 2]);
  const y = x.add(x).mul(x);
  expect(await y.add(y).add(x).toArray()).toEqual([5, 18]);
  expect(await x.toArray()).toEqual([1, 2]);
});

describe("a disposed tensor", () => {
  test("is refused wherever it is used, with the place", async () => {
    const x = tensor([1, 2]);
    x.dispose();
    const error = thrown(() => x.add(1));
    expect(error).toBeInstanceOf(DisposedError);
    expect(error.message).toMatch(
      /^this f32\[2\] tensor was disposed\n {2}drop the dispose\(\) call, or compute it again\n {2}at .*tensor\.test\.ts:\d+\)?$/,
    );
    await expect(x.data()).rejects.toThrow(DisposedError);
    await expect(x.toArray()).rejects.toThrow(DisposedError);
    expect(() => vmap((y: Tensor) => y.mul(2))(x)).toThrow(DisposedError);
    expect(() => vmap((y: Tensor) => y.mul(x))(ones([3]))).toThrow(DisposedError);
    expect(() => jit((y: Tensor) => y.mul(x))(ones([2]))).toThrow(DisposedError);
  });

  test("is refused by a function that captured it before", async () => {
    const x = tensor([1, 2]);
    const f = jit((y: Tensor) => y.mul(x));
    expect(await f(ones([2])).toArray()).toEqual([1, 2]);
    x.dispose();
    expect(() => f(ones([2]))).toThrow(DisposedError);
  });

  test("still has its type, and can be disposed again", () => {
    const x = full([2], 1);
    x.dispose();
    x.dispose();
    expect([x.shape, x.dtype]).toEqual([[2], "f32"]);
  });

  test("takes nothing along: what shows the same elements, or was computed from it, stays", async () => {
    const x = arange(4).mul(1);
    const [same, sum] = [x.reshape([2, 2]), x.sum()];
    x.dispose();
    expect(await same.toArray()).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(await sum.item()).toBe(6);
  });

  test("is what `using` leaves behind", () => {
    let outside: Tensor;
    {
      using x = tensor([1]);
      outside = x;
      expect(x.size).toBe(1);
    }
    expect(() => outside.neg()).toThrow(DisposedError);
  });

  gpuTest("may be disposed while its kernel is under way", async () => {
    setDevice("gpu");
    try {
      const x = ones([3]);
      const y = x.mul(2);
      const z = y.add(1);
      const pending = y.data();
      x.dispose();
      y.dispose();
      expect([...(await pending), ...(await z.data())]).toEqual([2, 2, 2, 3, 3, 3]);
      expect(() => y.neg()).toThrow(DisposedError);
    } finally {
      setDevice("cpu");
    }
  });
});

describe("on the console", () => {
  test("a tensor shows its type and elements", () => {
    expect(
      inspect(
        tensor([
          [1, 2.5],
          [-0.1, 1e10],
        ]),
      ),
    ).toBe("Tensor(f32[2,2] [[1, 2.5], [-0.1, 10000000000]])");
    expect(inspect(tensor([true, false]))).toBe("Tensor(bool[2] [true, false])");
    expect(inspect(tensor(3, { dtype: "i32" }))).toBe("Tensor(i32[] 3)");
    expect(inspect(zeros([2, 0]))).toBe("Tensor(f32[2,0] [[], []])");
    expect(inspect({ x: tensor([0.1]) })).toBe("{ x: Tensor(f32[1] [0.1]) }");
  });

  test("a long one shows the ends of its axes", () => {
    expect(inspect(arange(100))).toBe("Tensor(f32[100] [0, 1, 2, …, 97, 98, 99])");
    expect(inspect(arange(7))).toBe("Tensor(f32[7] [0, 1, 2, 3, 4, 5, 6])");
  });

  test("one without elements to show says why", () => {
    const x = tensor([1, 2]);
    x.dispose();
    expect(inspect(x)).toBe("Tensor(f32[2], disposed)");
    let shown = "";
    const show = (y: Tensor): Tensor => {
      shown = inspect(y);
      return y;
    };
    vmap(show, { frontend: "trace" })(ones([2, 3]));
    expect(shown).toBe("Tensor(f32[3], traced)");
  });

  gpuTest("one on the device says how to read it", async () => {
    setDevice("gpu");
    const x = ones([4]).mul(3);
    expect(inspect(x)).toBe("Tensor(f32[4], on device: read it with await x.data())");
    await x.data();
    expect(inspect(x)).toBe("Tensor(f32[4] [3, 3, 3, 3])");
    setDevice("cpu");
  });
});

describe("operators", () => {
  const x = tensor([1, 2]);
  // as plain JavaScript would write them
  const wrong = x as unknown as number;

  test.each([
    ["+", () => wrong + 1],
    ["*", () => wrong * 2],
    ["<", () => wrong < 1],
    ["-", () => -wrong],
    ["Number()", () => Number(wrong)],
    // biome-ignore lint/suspicious/noDoubleEquals: it is what is tested
    ["==", () => wrong == 1],
    ["Math.exp", () => Math.exp(wrong)],
  ])("%s on a tensor is refused with the way out", (_name, work) => {
    const error = thrown(work);
    expect(error).toBeInstanceOf(ValueError);
    expect(error.message).toMatch(
      /^a tensor f32\[2\] was used as a number, but its elements are read asynchronously\n {2}use methods \(x\.add\(y\), x\.lt\(y\)\) or read it first: await x\.item\(\)\n {2}at .*tensor\.test\.ts:\d+/,
    );
  });

  test("a template string is refused too", () => {
    expect(() => `${wrong}`).toThrow("a tensor f32[2] was used as a string");
    expect(() => String(wrong)).toThrow(ValueError);
  });

  test("on a traced value are a TraceError that names where()", () => {
    const messageOf = (work: (y: number) => unknown): string => {
      const f = (y: Tensor): Tensor => ones([work(y as unknown as number) ? 1 : 2]);
      const error = thrown(() => vmap(f, { frontend: "trace" })(ones([2, 3])));
      expect(error).toBeInstanceOf(TraceError);
      return error.message;
    };
    for (const work of [(y: number) => y < 3, (y: number) => y + 1, (y: number) => Number(y)]) {
      expect(messageOf(work)).toMatch(
        /^the value of this f32\[3\] is only known when the kernel runs, but the function needs its number \(an operator such as \+, \* or <, or Number\(\)\) while it is traced\n {2}use methods .* and where\(condition, a, b\) .*\n {2}at .*tensor\.test\.ts:\d+/,
      );
    }
    expect(messageOf((y) => `${y}`)).toContain("its text (template string or string conversion)");
  });

  test("reading a traced value is a TraceError", async () => {
    let pending: Promise<unknown> | undefined;
    const read = (y: Tensor): Tensor => {
      pending = y.data();
      pending.catch(() => undefined);
      return y;
    };
    vmap(read, { frontend: "trace" })(ones([2]));
    await expect(pending).rejects.toThrow(TraceError);
    await expect(pending).rejects.toThrow("but the function needs its elements while it is traced");
  });
});
