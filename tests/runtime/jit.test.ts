// jit: when it traces again, what it keeps, what it takes and gives, and what it refuses.
import fc from "fast-check";
import {
  add,
  counters,
  DTypeError,
  grad,
  jit,
  LanewiseError,
  ones,
  ShapeError,
  setDevice,
  type Tensor,
  TraceError,
  tensor,
  vmap,
  where,
  zeros,
} from "lanewise";
import { beforeEach, describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";

beforeEach(() => setDevice("cpu"));

/** A function that counts how often it runs. */
function counted<A extends unknown[], R>(fn: (...args: A) => R): { (...args: A): R; runs: number } {
  const wrapped = (...args: A): R => {
    wrapped.runs++;
    return fn(...args);
  };
  wrapped.runs = 0;
  return wrapped;
}

describe("a function is traced", () => {
  test("once for arguments of the same types, whatever their elements", async () => {
    const fn = counted((x: Tensor) => x.mul(2));
    const f = jit(fn);
    expect(await f(tensor([1, 2])).toArray()).toEqual([2, 4]);
    expect(await f(tensor([3, 4])).toArray()).toEqual([6, 8]);
    expect(await f(new Float32Array([5, 6])).toArray()).toEqual([10, 12]);
    expect([fn.runs, f.cacheSize]).toEqual([1, 1]);
  });

  test("anew for another shape, dtype, number of arguments or structure", () => {
    const fn = counted((..._args: unknown[]) => 0);
    const f = jit(fn, { retraceWarning: false }) as unknown as (...args: unknown[]) => Tensor;
    const calls: readonly (readonly unknown[])[] = [
      [ones([2])],
      [ones([3])],
      [ones([2, 1])],
      [ones([2], { dtype: "i32" })],
      [ones([2], { dtype: "bool" })],
      [ones([])],
      [1], // a number is weak, a scalar tensor is not
      [true],
      [ones([2]), ones([2])],
      [[ones([2])]],
      [[ones([2]), null]],
      [[ones([2]), undefined]],
      [{ x: ones([2]) }],
      [{ y: ones([2]) }],
      [{ x: [ones([2])] }],
      [],
    ];
    for (const args of calls) f(...args);
    expect(fn.runs).toBe(calls.length);
    for (const args of [...calls].reverse()) f(...args);
    expect(fn.runs).toBe(calls.length);
  });

  test("once for objects that differ in the order of their keys, and for all numbers", async () => {
    const fn = counted((p: { a: Tensor; b: Tensor }) => p.a.sub(p.b));
    const f = jit(fn);
    expect(await f({ a: tensor(3), b: 1 }).item()).toBe(2);
    expect(await f({ b: 2.5, a: tensor(3) }).item()).toBe(0.5);
    expect(fn.runs).toBe(1);
  });

  test("anew after it threw", () => {
    let fails = true;
    const f = jit((x: Tensor) => {
      if (fails) throw new Error("not yet");
      return x;
    });
    expect(() => f(ones([1]))).toThrow("not yet");
    expect(f.cacheSize).toBe(0);
    fails = false;
    expect(f(ones([1])).shape).toEqual([1]);
  });

  test("by each jit for itself", () => {
    const fn = counted((x: Tensor) => x);
    jit(fn)(ones([1]));
    jit(fn)(ones([1]));
    expect(fn.runs).toBe(2);
  });
});

describe("static arguments", () => {
  test("are plain JavaScript inside, and part of the key", async () => {
    const fn = counted((x: Tensor, n: number, mode: string) => (mode === "sum" ? x.sum() : x.slice([0, n])));
    const f = jit(fn, { staticArgnums: [1, 2] });
    expect(await f(ones([3]), 2, "head").toArray()).toEqual([1, 1]);
    expect(await f(ones([3]), 1, "head").toArray()).toEqual([1]);
    expect(await f(ones([3]), 1, "sum").item()).toBe(3);
    expect(await f(zeros([3]), 2, "head").toArray()).toEqual([0, 0]);
    expect(fn.runs).toBe(3);
  });

  test("are equal as data, functions and other objects by identity", () => {
    const fn = counted((_config: unknown) => 0);
    const f = jit(fn, { staticArgnums: 0, retraceWarning: false }) as unknown as (config: unknown) => Tensor;
    const [date, map] = [new Date(0), new Map()];
    const id = (): number => 0;
    const different: readonly unknown[] = [
      1,
      "1",
      true,
      "true",
      null,
      undefined,
      0,
      -0,
      NaN,
      1n,
      [],
      {},
      [1],
      ["1"],
      [[1]],
      { a: 1 },
      { a: [1, { b: "x y" }] },
      { "a:1": 1 },
      date,
      new Date(0),
      map,
      id,
    ];
    for (const config of different) f(config);
    expect(fn.runs).toBe(different.length);
    for (const config of [1, "1", -0, NaN, [1], { a: [1, { b: "x y" }] }, date, map, id]) f(config);
    expect(fn.runs).toBe(different.length);
  });

  test("may not be symbols, nor stand at positions that are none", () => {
    expect(() => jit((_x: symbol) => 0, { staticArgnums: 0 })(Symbol("s"))).toThrow(
      "jit: a symbol cannot be a static argument\n  use a string or a number",
    );
    expect(() => jit((x: Tensor) => x, { staticArgnums: -1 })).toThrow(LanewiseError);
    expect(() => jit((x: Tensor) => x, { staticArgnums: [0.5] })).toThrow("jit: staticArgnums has 0.5");
  });
});

describe("arguments and results are trees", () => {
  const leaf = fc.oneof(
    fc.integer({ min: -9, max: 9 }).map((n) => tensor([n, n])),
    fc.constantFrom(null, undefined),
  );
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("a", "b", "x-y"), tie("tree"), { maxKeys: 3, noNullPrototype: true }),
    ),
  }));

  /** The tree with its tensors read. */
  async function read(x: unknown): Promise<unknown> {
    if (x === null || x === undefined) return x;
    if (Array.isArray(x)) return Promise.all(x.map(read));
    if ("toArray" in (x as object)) return (x as Tensor).toArray();
    const entries = Object.entries(x as object).map(async ([key, value]) => [key, await read(value)] as const);
    return Object.fromEntries(await Promise.all(entries));
  }

  test("that come back as they went in", () =>
    fc.assert(
      fc.asyncProperty(tree, async (x) => {
        const same = jit((y: unknown) => y) as unknown as (y: unknown) => unknown;
        expect(await read(same(x))).toEqual(await read(x));
      }),
      { numRuns: 60 },
    ));

  test("of tensors, numbers and booleans", async () => {
    const f = jit((p: { w: Tensor; flag: boolean }, xs: readonly number[]) => ({
      sum: add(xs[0]!, xs[1]!),
      chosen: where(p.flag, p.w, 0),
      constant: 7,
      nothing: null,
    }));
    const { sum, chosen, constant, nothing } = f({ w: tensor([1, 2]), flag: false }, [1, 2]);
    expect(await sum.item()).toBe(3);
    expect(await chosen.toArray()).toEqual([0, 0]);
    expect(await constant.item()).toBe(7);
    expect(nothing).toBeNull();
  });

  test("of anything else are refused, with the path", () => {
    const f = jit((params: { list: unknown[] }, _n: number) => params.list.length) as unknown as (
      ...args: unknown[]
    ) => Tensor;
    const wrong =
      (x: unknown): (() => unknown) =>
      () =>
        f({ list: [1, x] }, 2);
    expect(wrong("tanh")).toThrow(TraceError);
    expect(wrong("tanh")).toThrow(
      /^jit of anonymous function: params\.list\[1\] is a string, but tensors, numbers, booleans and typed arrays are wanted\n {2}capture it in the function instead, or make it static: jit\(fn, \{ staticArgnums: \[0\] \}\)\n {2}at .*jit\.test\.ts:\d+/,
    );
    expect(wrong(new Map())).toThrow("params.list[1] is a Map");
    expect(wrong(() => 1)).toThrow("params.list[1] is a function");
    expect(wrong(1n)).toThrow("params.list[1] is a bigint");
    const loop: unknown[] = [];
    loop.push(loop);
    expect(wrong(loop)).toThrow("contains itself");
  });

  test("may hold one tensor twice, and give back an argument", async () => {
    const x = tensor([1, 2]);
    const [a, b, c] = jit((y: Tensor, z: Tensor) => [y, z, y.add(z)] as const)(x, x);
    expect([await a.toArray(), await b.toArray(), await c.toArray()]).toEqual([
      [1, 2],
      [1, 2],
      [2, 4],
    ]);
    a.dispose();
    expect([await b.toArray(), await x.toArray()]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });
});

describe("what a function captures", () => {
  test("is an input where it is a tensor: its elements are not part of the program", async () => {
    const w = tensor([1, 2]);
    const f = jit((x: Tensor) => x.mul(w));
    expect(f.lower(ones([2])).graph.inputs).toHaveLength(2);
    expect(f.lower(ones([2])).text("graph")).not.toContain("1:f32");
    expect(await f(tensor([5, 6])).toArray()).toEqual([5, 12]);
  });

  test("is what it was at the first call where it is a JavaScript value", async () => {
    let factor = 2;
    const f = jit((x: Tensor) => x.mul(factor));
    expect(await f(tensor(1)).item()).toBe(2);
    factor = 3;
    expect(await f(tensor(1)).item()).toBe(2);
  });

  test("may belong to an outer function that is being traced, which keeps no trace for itself", async () => {
    const outer = counted((x: Tensor, y: Tensor) => {
      const inner = jit((z: Tensor) => z.mul(y));
      const result = inner(x);
      expect(inner.cacheSize).toBe(0);
      return result;
    });
    const f = jit(outer, { frontend: "trace" });
    expect(await f(tensor([1, 2]), tensor([3, 4])).toArray()).toEqual([3, 8]);
    expect(await f(tensor([1, 2]), tensor([5, 6])).toArray()).toEqual([5, 12]);
    expect(outer.runs).toBe(1);
  });
});

describe("jit within", () => {
  test("jit, vmap or both is one Graph", async () => {
    const double = jit((x: Tensor) => x.mul(2));
    const f = jit((x: Tensor) => vmap(jit((row: Tensor) => double(row).sum()))(double(x)));
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(await f(x).toArray()).toEqual([12, 28]);
    expect(f.lower(x).kernels).toHaveLength(1);
    expect(await vmap(double)(x).toArray()).toEqual([
      [2, 4],
      [6, 8],
    ]);
  });

  test("jit uses the inner trace again", () => {
    const fn = counted((x: Tensor) => x.mul(2));
    const inner = jit(fn);
    jit((x: Tensor) => inner(inner(x)))(ones([2]));
    inner(ones([2]));
    expect(fn.runs).toBe(1);
  });
});

describe("results are those of the function itself", () => {
  test("for random programs of several results", () => {
    const step = fc.tuple(fc.constantFrom("add", "mul", "maximum", "sub"), fc.nat(), fc.nat());
    return fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const program = (x: Tensor, y: Tensor): Tensor[] => {
          const values: Tensor[] = [x, y];
          for (const [name, i, j] of steps as ["add" | "mul" | "maximum" | "sub", number, number][]) {
            values.push(values[i % values.length]![name](values[j % values.length]!));
          }
          return values;
        };
        const args = [tensor([1, -2, 0.5]), tensor([[3], [-0.25]])] as const;
        const [compiled, plain] = [jit(program)(...args), program(...args)];
        for (const [i, x] of compiled.entries()) expect(await x.toArray()).toEqual(await plain[i]!.toArray());
      }),
      { numRuns: 60 },
    );
  });
});

describe("jit of what other transforms made", () => {
  test("is traced once, whatever is inside", async () => {
    const fn = counted((x: Tensor, y: Tensor) => x.mul(y).sum());
    const f = jit(vmap(grad(jit(fn)), [0, null]));
    const rows = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(await f(rows, tensor([5, 6])).toArray()).toEqual([
      [5, 6],
      [5, 6],
    ]);
    f(rows, tensor([7, 8]));
    expect([fn.runs, f.cacheSize]).toEqual([1, 1]);
    const second = jit(grad(jit(grad((x: Tensor) => x.mul(x).mul(x)))));
    expect(await second(tensor(2)).item()).toBe(12);
    const outer = vmap(jit(vmap(jit((x: Tensor) => x.add(1)))));
    expect(await outer(rows).toArray()).toEqual([
      [2, 3],
      [4, 5],
    ]);
  });
});

describe("lower", () => {
  const f = jit((x: Tensor, w: Tensor) => x.matmul(w).add(1).tanh());
  const lowered = f.lower(ones([4, 64]), ones([64, 2]));

  test("shows the Graph, the kernels, their code and the memory without running anything", () => {
    expect(lowered.graph.eqns.map(({ op }) => op.name)).toEqual(["dotGeneral", "add", "tanh"]);
    expect(lowered.kernels.map(({ name, kind }) => [name, kind])).toEqual([["k0", "contract"]]);
    expect(lowered.wgsl).toHaveLength(1);
    expect(lowered.wgsl[0]).toContain("@compute");
    expect(lowered.memory).toEqual({ peakBytes: (256 + 128 + 8) * 4, outputBytes: 8 * 4, scratchBytes: 0 });
  });

  test("shows each stage as text", () => {
    expect(lowered.text("graph")).toMatch(
      /^graph \(a:f32\[4,64\], b:f32\[64,2\]\) \{\n {2}c:f32\[4,2\] = dotGeneral .* # .*jit\.test\.ts:\d+/,
    );
    expect(lowered.text("simplified")).toBe("(no pass changed the graph)");
    expect(lowered.text("kernels")).toContain("because it is a result");
    expect(lowered.text("plan")).toContain("peak 1568 bytes");
    expect(lowered.text("wgsl")).toContain(lowered.wgsl[0]);
    const again = jit((x: Tensor) => x.mul(1).add(x.mul(1)))
      .lower(ones([2]))
      .text("simplified");
    expect(again).toMatch(/^after simplify:\ngraph \(a:f32\[2\]\) \{/);
  });

  test("takes static arguments as a call does", () => {
    const g = jit((n: number, x: Tensor, mode: string) => (mode === "sum" ? x.sum() : x.slice([0, n])), {
      staticArgnums: [0, 2],
    });
    const ops = (...args: Parameters<typeof g>): string[] => g.lower(...args).graph.eqns.map(({ op }) => op.name);
    expect(ops(2, ones([3]), "head")).toEqual(["slice"]);
    expect(ops(2, ones([3]), "sum")).toEqual(["reduceSum"]);
    expect(g.lower(1, ones([3]), "head").graph.outputs[0]!.aval.shape).toEqual([1]);
    expect(g.cacheSize).toBe(3);
    g(1, ones([3]), "head");
    expect(g.cacheSize).toBe(3);
  });

  test("refuses a stage that there is not", () => {
    expect(() => lowered.text("ptx" as "wgsl")).toThrow(
      "there is no stage 'ptx'; there are graph, simplified, kernels, plan, wgsl",
    );
  });

  test("keeps its trace for the calls that follow", () => {
    const fn = counted((x: Tensor) => x.neg());
    const g = jit(fn);
    g.lower(ones([2]));
    g(ones([2]));
    expect(fn.runs).toBe(1);
  });

  gpuTest("builds the pipelines, so that the first call builds none", async () => {
    setDevice("gpu");
    const g = jit((x: Tensor) => x.mul(3).sub(0.125));
    await g.lower(ones([5])).compile();
    const x = tensor([1, 2, 3, 4, 5]);
    const before = counters().pipelinesCreated;
    expect(await g(x).toArray()).toEqual([2.875, 5.875, 8.875, 11.875, 14.875]);
    expect(counters().pipelinesCreated).toBe(before);
  });
});

describe("mistakes in the function", () => {
  /** The message, which ends with a place in this file. */
  function messageOf(work: () => unknown, kind: new (message: string) => Error = TraceError): string {
    try {
      work();
    } catch (error) {
      expect(error).toBeInstanceOf(kind);
      expect((error as Error).message).toMatch(/jit\.test\.ts:\d+/);
      return (error as Error).message;
    }
    throw new Error("nothing was thrown");
  }

  test("such as operators on traced values are found with the user's line", () => {
    const own = { frontend: "trace" } as const; // run on tracers
    const compare = (x: number, y: number): number => (x < y ? x : y);
    const sum = (x: number): number => x + 1;
    const text = (x: Tensor): string => `${x}`;
    const convert = (x: Tensor): number => Number(x);
    for (const work of [
      () => jit(compare, own)(1, 2),
      () => jit(sum, own)(1),
      () => jit(convert, own)(ones([2])),
      () => vmap(sum, own)(ones([2])),
    ]) {
      expect(messageOf(work)).toContain("the function needs its number (an operator such as +, * or <, or Number())");
      expect(messageOf(work)).toContain("where(condition, a, b)");
    }
    expect(messageOf(() => jit(text, own)(ones([2])))).toContain(
      "needs its text (template string or string conversion)",
    );
    expect(messageOf(() => jit(compare, own)(1, 2))).toContain("at compare (");
  });

  test("such as truth tests and identity of parameters are found before it runs, with a code frame", () => {
    const run = counted(() => undefined);
    const relu = (x: Tensor): Tensor => {
      run();
      if (x as unknown) return x;
      return x.neg();
    };
    const text = messageOf(() => jit(relu, { frontend: "trace" })(ones([2])));
    expect(text).toMatch(/^if: x is traced, and a traced value has no truth value/);
    expect(text).toMatch(/> \d+ \| {7}if \(x as unknown\) return x;\n +\| {11}\^/);
    expect(text).toContain("where(x, a, b)");
    expect(run.runs).toBe(0);
    for (const fn of [
      (x: Tensor) => !x,
      (x: Tensor) => x || x,
      (x: unknown) => (x === run ? 1 : 2),
      (x: Tensor) => vmap((y: Tensor) => (y ? y : 0), { frontend: "trace" })(x),
    ] as unknown as ((x: Tensor) => Tensor)[]) {
      expect(messageOf(() => jit(fn, { frontend: "trace" })(ones([2])))).toContain("is traced");
    }
  });

  test("are none where the parameter is static, null or a container", () => {
    const f = (x: Tensor, options: { flip: boolean } | null, n: number): Tensor => {
      if (!options) return x;
      return n > 2 && options ? x.neg() : x;
    };
    expect(jit(f, { staticArgnums: [1, 2] })(ones([2]), { flip: true }, 3).shape).toEqual([2]);
    expect(jit(f, { staticArgnums: 2 })(ones([2]), null, 3).shape).toEqual([2]);
  });

  test("such as a wrong shape say where", () => {
    const predict = (x: Tensor, w: Tensor): Tensor => x.matmul(w);
    expect(messageOf(() => jit(predict)(ones([4, 3]), ones([5, 2])), ShapeError)).toMatch(
      /^dot: contracted sizes differ, 3 and 5\n {2}lhs f32\[4,3\] axis 1\n {2}rhs f32\[5,2\] axis 0\n {2}at predict \(/,
    );
    expect(messageOf(() => jit((x: Tensor) => x.take(x))(ones([2])), DTypeError)).toContain("i32 or u32 is wanted");
  });

  test("such as being async are refused, and the promise is not left unhandled", async () => {
    const load = async (): Promise<Tensor> => {
      throw new Error("later");
    };
    expect(() => jit(load)()).toThrow("async functions cannot be traced");
    expect(messageOf(() => jit(load, { frontend: "trace" })())).toMatch(
      /^jit of load: the function is async, so its result is not known when it returns\n {2}await data outside and pass it as an argument\n/,
    );
    await new Promise((resolve) => setImmediate(resolve));
  });

  test("leave everything usable", async () => {
    const failing = jit((x: Tensor) => {
      jit((y: Tensor) => {
        y.mul(2);
        throw new RangeError("own");
      })(x);
      return x;
    });
    for (let i = 0; i < 3; i++) expect(() => failing(ones([2]))).toThrow(RangeError);
    expect(await jit((x: Tensor) => x.add(1))(ones([2])).toArray()).toEqual([2, 2]);
    expect(await ones([2]).mul(3).toArray()).toEqual([3, 3]);
  });

  test("such as keeping a traced value are found when it is used", () => {
    let kept: Tensor | undefined;
    const keep = (x: Tensor): Tensor => {
      kept = x.mul(2);
      return x;
    };
    jit(keep, { frontend: "trace" })(ones([2]));
    expect(messageOf(() => kept!.add(1))).toContain("left jit(keep), the function it was traced in");
    expect(messageOf(() => jit((x: Tensor) => x.add(kept!))(ones([2])))).toContain("left jit(keep)");
  });
});

test("options and functions that are none are refused", () => {
  expect(() => jit(3 as unknown as () => Tensor)).toThrow(
    new LanewiseError("jit: number given, but a function or a module is wanted"),
  );
  expect(() => jit((x: Tensor) => x, { static: [0] } as object)).toThrow(
    new LanewiseError(
      "jit: there is no option 'static'; there are staticArgnums, donateArgnums, retraceWarning, frontend, scope, maxSteps",
    ),
  );
});

test("a jitted function is named after its own", () => {
  const score = (x: Tensor): Tensor => x;
  expect(jit(score).name).toBe("jit(score)");
  expect(vmap(jit(score)).name).toBe("vmap(jit(score))");
});

gpuTest("a second call creates nothing, and is one pass and one submit however many kernels it has", async () => {
  setDevice("gpu");
  const f = jit((x: Tensor) => [x.sum(0), x.mul(2).tanh(), x.matmul(x).sum(1)] as const);
  const x = ones([32, 32]);
  const call = async (): Promise<number> => {
    const results = f(x);
    const data = await results[2].data();
    for (const result of results) result.dispose(); // their buffers are used again
    return data[0]!;
  };
  for (let i = 0; i < 3; i++) await call();
  const before = counters();
  expect(await call()).toBe(1024);
  const after = counters();
  expect(after.dispatches - before.dispatches).toBeGreaterThan(1);
  expect(after.submits - before.submits).toBe(1);
  expect(after.passes - before.passes).toBe(1);
  for (const key of ["programsCompiled", "pipelinesCreated", "bindGroupsCreated", "buffersCreated"] as const) {
    expect([key, after[key] - before[key]]).toEqual([key, 0]);
  }
});
