// Traces: what is recorded, what a function takes from outside, and values that leave the trace they belong to.
import { jit, ones, ShapeError, setDevice, type Tensor, TraceError, tensor, vmap, zeros } from "lanewise";
import { beforeAll, describe, expect, test } from "vitest";
import { aval } from "../../compiler/core/aval.js";
import { literal } from "../../compiler/ir/graph.js";
import { printGraph } from "../../compiler/ir/print.js";
import { add, mul, neg } from "../../compiler/ops/index.js";
import { replay, stage } from "../../compiler/trace/stage.js";
import { currentTrace, inTrace, located, untraced, withLocation } from "../../compiler/trace/trace.js";

beforeAll(() => setDevice("cpu"));

const vector = aval("f32", [3]);

/** Stages a function of vectors of three. */
const staged = (fn: (...args: Tensor[]) => Tensor, count = fn.length) =>
  stage("f", Array(count).fill(vector), (args) => ({ outputs: [fn(...args)], rest: undefined }));

const text = (fn: (...args: Tensor[]) => Tensor): string => printGraph(staged(fn).graph);

describe("stage", () => {
  test("records the equations of a function, in order", () => {
    expect(text((x, y) => add(mul(x!, y!), x!))).toBe(
      ["graph (a:f32[3], b:f32[3]) {", "  c:f32[3] = mul a b", "  d:f32[3] = add c a", "  return d", "}"].join("\n"),
    );
  });

  test("gives what the function gave beside its results", () => {
    const { rest } = stage("f", [vector], ([x]) => ({ outputs: [x!], rest: "a pair" }));
    expect(rest).toBe("a pair");
  });

  test("takes tensors from outside as inputs behind the arguments, each once, in the order of their use", () => {
    const [p, q] = [tensor([1, 2, 3]), tensor([4, 5, 6])];
    const { graph, captures } = staged((x) => add(add(mul(x!, q), p), q));
    expect(captures.map((x) => [q, p].indexOf(x))).toEqual([0, 1]);
    expect(printGraph(graph)).toContain("graph (a:f32[3], b:f32[3], c:f32[3]) {\n  d:f32[3] = mul a b");
  });

  test("takes a result from outside as an input too", () => {
    const p = tensor([1, 2, 3]);
    const { graph, captures } = staged(() => p);
    expect(captures).toHaveLength(1);
    expect(captures[0]).toBe(p);
    expect(printGraph(graph)).toBe("graph (a:f32[3]) {\n  return a\n}");
  });

  test("keeps numbers as constants", () => {
    expect(text((x) => x!.mul(2).add(-0))).toContain("mul a 2:f32");
  });

  test("within another trace takes that one's values as inputs", () => {
    const outer = staged((x) => {
      const y = neg(x!);
      const inner = staged((z) => mul(z!, y));
      expect(inner.captures).toHaveLength(1);
      expect(inner.captures[0]).toBe(y);
      expect(printGraph(inner.graph)).toBe("graph (a:f32[3], b:f32[3]) {\n  c:f32[3] = mul a b\n  return c\n}");
      return replay(inner.graph, [x!, ...inner.captures])[0] as Tensor;
    });
    expect(printGraph(outer.graph)).toBe("graph (a:f32[3]) {\n  b:f32[3] = neg a\n  c:f32[3] = mul a b\n  return c\n}");
  });
});

describe("replay", () => {
  test("records a Graph again with the places of its equations", () => {
    const first = staged((x) => neg(x!)).graph;
    const second = staged((x) => replay(first, [x!])[0] as Tensor).graph;
    expect(printGraph(second)).toBe(printGraph(first));
    expect(second.eqns[0]!.location).toBe(first.eqns[0]!.location);
    expect(second.outputs[0]).not.toBe(first.outputs[0]);
  });

  test("outside of a trace computes", async () => {
    const { graph } = staged((x, y) => add(x!, y!));
    const [sum] = replay(graph, [tensor([1, 2, 3]), tensor([1, 1, 1])]) as [Tensor];
    expect(await sum.toArray()).toEqual([2, 3, 4]);
  });

  test("gives a constant result as it is", () => {
    const { graph } = stage("f", [], () => ({ outputs: [literal(2, aval("f32", []))], rest: undefined }));
    expect(replay(graph, [])).toEqual([literal(2, aval("f32", []))]);
  });
});

describe("a traced value", () => {
  test("that is used after its trace is a TraceError, wherever it is used", () => {
    const leaked: Tensor[] = [];
    const leak = (x: Tensor): Tensor => {
      leaked.push(x.mul(2));
      return x;
    };
    jit(leak, { frontend: "trace" })(ones([3]));
    const [x] = leaked as [Tensor];
    const message =
      /^a traced value f32\[3\] left jit\(leak\), the function it was traced in, and was used outside\n {2}return it from the function instead of storing it in a variable outside\n {2}at .*trace\.test\.ts:\d+/;
    const uses: (() => unknown)[] = [
      () => x.add(1),
      () => jit((y: Tensor) => y.add(x))(ones([3])),
      () => vmap((y: Tensor) => y.add(x))(ones([2, 3])),
      () => jit(() => x)(),
      () => jit((y: Tensor) => y.add(1))(x),
      () => vmap((y: Tensor) => y)(x),
      () => Number(x),
    ];
    for (const use of uses) {
      expect(use).toThrow(TraceError);
      expect(use).toThrow(message);
    }
  });

  test("of an inner function is not known to the outer one", () => {
    const f = (x: Tensor): Tensor => {
      let inner: Tensor | undefined;
      vmap(
        (row: Tensor) => {
          inner = row.neg();
          return inner;
        },
        { frontend: "trace" },
      )(x);
      return inner!.add(1);
    };
    expect(() => jit(f, { frontend: "trace" })(ones([2, 3]))).toThrow(/^a traced value f32\[3\] left vmap\(/);
  });

  test("of an outer function is known to the inner ones", async () => {
    const f = jit((x: Tensor) => vmap((row: Tensor) => vmap((y: Tensor) => y.mul(x.sum()))(row))(x));
    expect(await f(tensor([[1, 2]])).toArray()).toEqual([[3, 6]]);
  });
});

describe("an exception", () => {
  test("inside of a traced function leaves no trace open", async () => {
    const failing = (x: Tensor): Tensor => {
      jit((y: Tensor) => {
        y.mul(x);
        throw new Error("enough");
      })(x);
      return x;
    };
    for (const call of [() => jit(failing)(ones([2])), () => vmap(failing)(ones([2, 2]))]) {
      expect(call).toThrow("enough");
      expect(currentTrace()).toBeUndefined();
    }
    expect(await ones([2]).add(1).toArray()).toEqual([2, 2]);
  });

  test("that the function catches leaves the outer trace as it was", async () => {
    const f = jit((x: Tensor) => {
      const y = x.mul(2);
      expect(() => vmap((row: Tensor) => row.add(zeros([7])))(y)).toThrow(ShapeError);
      return y.add(1);
    });
    expect(await f(ones([2, 3])).toArray()).toEqual([
      [3, 3, 3],
      [3, 3, 3],
    ]);
  });
});

describe("the trace under way", () => {
  test("is the innermost one", () => {
    expect(currentTrace()).toBeUndefined();
    inTrace("outer", (outer) => {
      expect(currentTrace()).toBe(outer);
      inTrace("inner", (inner) => {
        expect(currentTrace()).toBe(inner);
        expect(inner.parent).toBe(outer);
        expect(untraced(currentTrace)).toBeUndefined();
        expect(currentTrace()).toBe(inner);
      });
      expect(outer.open).toBe(true);
    });
    expect(currentTrace()).toBeUndefined();
  });

  test("is closed with its function, also by an exception", () => {
    const open: boolean[] = [];
    let kept: { readonly open: boolean } | undefined;
    expect(() =>
      inTrace("f", (trace) => {
        kept = trace;
        open.push(trace.open);
        throw new Error();
      }),
    ).toThrow();
    expect([...open, kept!.open]).toEqual([true, false]);
  });
});

describe("places in the user's code", () => {
  test("stand on every equation, and are those of the user", () => {
    const { graph } = staged((x) => x!.sub(x!.mean()));
    for (const { location } of graph.eqns) expect(location?.source?.file).toMatch(/trace\.test\.ts$/);
  });

  test("are inherited by equations that are recorded for another", () => {
    const place = { source: { file: "/elsewhere.ts", line: 3, column: 1 } };
    const { graph } = staged((x) => withLocation(place, () => neg(x!)));
    expect(graph.eqns[0]!.location).toBe(place);
  });

  test("are put behind messages about shapes and dtypes, once", () => {
    const error = located(new ShapeError("sizes differ")) as Error;
    expect(error.message).toMatch(/^sizes differ\n {2}at .*trace\.test\.ts:\d+/);
    expect((located(error) as Error).message).toBe(error.message);
    const other = new Error("something else");
    expect((located(other) as Error).message).toBe("something else");
  });

  test("name the line of a wrong call", () => {
    const predict = (x: Tensor, w: Tensor): Tensor => x.matmul(w);
    expect(() => jit(predict)(ones([4, 3]), ones([5, 2]))).toThrow(
      /^dot: contracted sizes differ, 3 and 5\n {2}lhs f32\[4,3\] axis 1\n {2}rhs f32\[5,2\] axis 0\n {2}at predict \(.*trace\.test\.ts:\d+\)$/,
    );
  });
});
