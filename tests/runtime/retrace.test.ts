// The warning for functions that are traced again and again: when it comes, and what it says.
import { jit, LanewiseError, ones, setDevice, type Tensor, tensor, vmap } from "lanewise";
import { afterAll, beforeAll, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";

let warn: MockInstance<typeof console.warn>;

beforeAll(() => {
  setDevice("cpu");
  warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
});
beforeEach(() => void warn.mockClear());
afterAll(() => {
  setDevice("auto");
  warn.mockRestore();
});

/** The one warning there was. */
function warning(): string {
  expect(warn).toHaveBeenCalledTimes(1);
  return warn.mock.calls[0]![0];
}

const times = (n: number, work: (i: number) => unknown): void => {
  for (let i = 0; i < n; i++) work(i);
};

describe("a function is warned of", () => {
  test("once, at the ninth trace in a row, with what changed and where", () => {
    function scale(x: Tensor): Tensor {
      return x.mul(2);
    }
    const f = jit(scale);
    times(8, (i) => f(ones([i + 1])));
    expect(warn).not.toHaveBeenCalled();
    times(20, (i) => f(ones([i + 9])));
    expect(warning()).toMatch(
      /^lanewise: jit\(scale\) was traced 9 times: each trace is compiled anew\n {2}between the last two:\n {4}shape of x: f32\[8\] → f32\[9\]\n {2}call it with few different shapes: pad to fixed sizes, or split into parts of one size\n {2}meant so\? jit\(scale, \{ retraceWarning: false \}\) says nothing\n {2}at .*retrace\.test\.ts:\d+/,
    );
  });

  test("not when its traces are used", () => {
    const f = jit((x: Tensor) => x);
    times(30, (i) => times(3, () => f(ones([i + 1]))));
    const other = jit((x: Tensor) => x);
    times(20, () => times(5, (i) => other(ones([i + 1]))));
    expect(warn).not.toHaveBeenCalled();
  });

  test("when its traces are used less often than made, and they are many", () => {
    const f = jit((x: Tensor) => x);
    times(32, (i) => times(i % 2 === 0 ? 2 : 1, () => f(ones([i + 1]))));
    expect(warn).not.toHaveBeenCalled();
    times(1, () => f(ones([40])));
    expect(warning()).toContain("was traced 33 times, and used again only 16 times:");
  });

  test("not for what is traced within others, nor for lower()", () => {
    const f = jit((x: Tensor) => x);
    times(20, (i) => f.lower(ones([i + 1])));
    const g = jit((x: Tensor) => x.add(1));
    times(20, (i) => vmap(g)(ones([2, i + 1])));
    expect(warn).not.toHaveBeenCalled();
  });

  test("as early as asked for, or never", () => {
    const early = jit((x: Tensor) => x, { retraceWarning: 1 });
    early(ones([1]));
    expect(warn).not.toHaveBeenCalled();
    early(ones([2]));
    warning();
    const never = jit((x: Tensor) => x, { retraceWarning: false });
    times(200, (i) => never(ones([i + 1])));
    expect(warn).toHaveBeenCalledTimes(1);
    for (const retraceWarning of [0, -1, Number.NaN, true as unknown as number]) {
      expect(() => jit((x: Tensor) => x, { retraceWarning })).toThrow(LanewiseError);
    }
    expect(() => jit((x: Tensor) => x, { retraceWarning: 0 })).toThrow(
      "jit: retraceWarning is 0, but a number of traces from 1 or false is wanted",
    );
  });
});

describe("it names", () => {
  /** The lines about what changed, and what to do, between two calls. */
  function changes(fn: (...args: never[]) => unknown, options: object, ...calls: readonly (readonly unknown[])[]) {
    const f = jit(fn as (...args: unknown[]) => Tensor, { retraceWarning: 1, ...options }) as (
      ...args: unknown[]
    ) => unknown;
    for (const args of calls) f(...args);
    const lines = warning().split("\n");
    return lines
      .slice(
        2,
        lines.findIndex((line) => line.startsWith("  meant so?")),
      )
      .map((line) => line.trim());
  }

  test("static arguments with their values", () => {
    const f = (x: Tensor, _rate: number): Tensor => x;
    expect(changes(f, { staticArgnums: 1 }, [ones([2]), 0.1], [ones([2]), 0.2])).toEqual([
      "static argument 1 (_rate): 0.1 → 0.2",
      "a number that changes often should be an ordinary argument: leave it out of staticArgnums",
    ]);
  });

  test("functions and objects made anew", () => {
    const f = (x: Tensor, _act: unknown): Tensor => x;
    const make = () => ({ f: () => 1 }).f;
    expect(changes(f, { staticArgnums: 1 }, [ones([2]), make()], [ones([2]), make()])).toEqual([
      "static argument 1 (_act): another function f each time",
      "make functions and objects that are static once, outside of the loop: they are told apart by identity",
    ]);
    warn.mockClear();
    expect(changes(f, { staticArgnums: 1 }, [ones([2]), new Map()], [ones([2]), new Date(0)])[0]).toBe(
      "static argument 1 (_act): Map → Date",
    );
  });

  test("dtypes, numbers that become tensors, and leaves of trees", () => {
    const f = (_x: Tensor, _p: { rate: number; w: Tensor }): number => 0;
    const before = [ones([2]), { rate: 1, w: ones([3]) }];
    const after = [ones([2], { dtype: "i32" }), { rate: tensor(1), w: ones([3, 1]) }];
    expect(changes(f, {}, before, after)).toEqual([
      "dtype of _x: f32[2] → i32[2]",
      "_p.rate: a number → a tensor",
      "shape of _p.w: f32[3] → f32[3,1]",
      "give it in one dtype: x.astype(dtype)",
      "give it always as a number, or always as a tensor",
      "call it with few different shapes: pad to fixed sizes, or split into parts of one size",
    ]);
  });

  test("another structure", () => {
    const f = (_p: object): number => 0;
    expect(changes(f, {}, [{ a: 1, b: [1, 2] }], [{ a: 1, c: 2, b: [1] }])[0]).toBe(
      "structure of the arguments: new are _p.c; gone are _p.b[1]",
    );
    warn.mockClear();
    expect(changes(f, {}, [{ a: 1, b: null }], [{ a: 1 }])[0]).toBe(
      'structure of the arguments: [{"a":*,"b":null}] → [{"a":*}]',
    );
  });

  test("at most four changes", () => {
    const f = (..._xs: Tensor[]): number => 0;
    const args = (n: number): Tensor[] => [1, 2, 3, 4, 5, 6].map((k) => ones([k, n]));
    const lines = changes(f, {}, args(1), args(2));
    expect(lines).toHaveLength(6);
    expect(lines[4]).toBe("and 2 more");
  });
});
