// Loops inside a kernel: what stands in front of them, how many turns a round has, and that this changes no result.
import { describe, expect, test } from "vitest";
import { compileGraph } from "../../compiler/compile.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { baseLimits } from "../../compiler/ir/program.js";
import type { Block } from "../../compiler/ir/scalar.js";
import { ScalarBuilder } from "../../compiler/ir/scalar.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { vmap } from "../../compiler/transforms/vmap.js";
import { cond, foriLoop, whileLoop } from "../../library/control/index.js";
import * as np from "../../library/numpy/index.js";
import { gpuTest } from "../support/gpu.js";
import { expectGpuAgrees, f32, i32, trace } from "../support/trace.js";

const wgslOf = (graph: Graph): string => {
  const { dispatches } = compileGraph(graph, baseLimits);
  expect(dispatches).toHaveLength(1);
  return dispatches[0]!.wgsl;
};

describe("the builder", () => {
  const b = new ScalarBuilder();
  const i = b.input("i", "u32");
  b.while(
    [b.f32(0)],
    ([x]) => b.lt(x!, b.load(0, i, "f32")),
    ([x]) => {
      const step = b.mul(b.load(1, i, "f32"), b.load(2, i, "f32"));
      const [y] = b.branch(
        b.lt(x!, step),
        () => [b.sqrt(step)],
        () => [b.load("state", i, "f32")],
      );
      return [b.add(x!, y!)];
    },
  );
  const loop = b.body.instrs.find((x) => x.op === "while")!;
  const opsOf = (block: Block): string[] => block.instrs.map((x) => x.op);
  const inner = loop.blocks![1]!;

  test("computes in front of a loop what is the same in every turn", () => {
    const before = opsOf(b.body).slice(0, opsOf(b.body).indexOf("while"));
    expect(before).toEqual(["input", "const", "load", "load", "load", "mul"]);
    expect(opsOf(loop.blocks![0]!)).toEqual(["lt"]);
    expect(opsOf(inner)).toEqual(["lt", "branch", "result", "add"]);
  });

  test("leaves in a branch what only the branch needs, and in its place what the kernel may have written", () => {
    const [yes, no] = inner.instrs.find((x) => x.op === "branch")!.blocks!;
    expect(opsOf(yes!)).toEqual(["sqrt"]);
    expect(opsOf(no!)).toEqual(["load"]);
  });
});

/** Steps until a number of Collatz' is 1. */
const collatz = (n: Tensor): Tensor =>
  whileLoop(
    ([x]: [Tensor, Tensor]) => np.notEqual(x, 1),
    ([x, count]) => [np.where(np.equal(np.bitwiseAnd(x, 1), 0), np.rightShift(x, 1), x.mul(3).add(1)), count.add(1)],
    [n, np.zerosLike(n)] as [Tensor, Tensor],
  )[1];

/** Newton's root of `a`, from 1 on, as long as it moves by more than `by`. */
const root = (a: Tensor, by: Tensor): Tensor =>
  whileLoop(
    ([x, before]: [Tensor, Tensor]) => np.greater(x.sub(before).abs(), by),
    ([x]) => [x.add(a.div(x)).div(2), x],
    [np.onesLike(a), np.zerosLike(a)] as [Tensor, Tensor],
  )[0];

/** A long turn: thirty terms. */
const long = (a: Tensor): Tensor =>
  whileLoop(
    (x: Tensor) => np.less(x, 100),
    (x) =>
      Array.from({ length: 30 })
        .reduce<Tensor>((sum, _, k) => sum.add(x.mul(k).sub(1).abs()), x)
        .add(1),
    a,
  );

/** A loop in a loop. */
const nested = (a: Tensor): Tensor =>
  whileLoop(
    (x: Tensor) => np.less(x, 100),
    (x) => foriLoop(0, 5, (_i, y: Tensor) => y.mul(1.5), x).add(1),
    a.abs(),
  );

/** A branch, a loop that starts from it, and two branches on how that ended. */
const branching = (a: Tensor): Tensor[] => {
  const start = cond(
    np.less(a, 0),
    (x) => x.neg().exp().log(),
    (x) => x.sqrt(),
    a,
  );
  const [x, count] = whileLoop(
    ([x]: [Tensor, Tensor]) => np.less(x, 100),
    ([x, n]) => [x.mul(2).add(1), n.add(1)],
    [start, np.zeros([], { dtype: "i32" })] as [Tensor, Tensor],
  );
  const shade = cond(
    np.equal(np.bitwiseAnd(count, 1), 0),
    (v) => v.div(3),
    (v) => v.log(),
    x,
  );
  return cond(
    np.greater(shade, 10),
    (v) => [v, v.sin()],
    (v) => [v.neg(), v.cos()],
    shade,
  );
};

const programs: Readonly<Record<string, () => Graph>> = {
  "a short turn": () => trace([i32(500)], (n) => vmap(collatz)(np.bitwiseAnd(n, 1023).add(1))),
  "operands that are read in front": () =>
    trace([f32(100), f32(70)], (a, by) =>
      vmap(vmap(root, [null, 0]), [0, null])(a.square().add(0.5), by.abs().add(1e-3)),
    ),
  "a long turn": () => trace([f32(50)], vmap(long)),
  "a loop in a loop": () => trace([f32(200)], vmap(nested)),
  "branches around a loop": () => trace([f32(300)], vmap(branching)),
};

describe("a loop in a kernel", () => {
  const breaks = (name: string): number => wgslOf(programs[name]!()).match(/break;/g)!.length;

  test("has several turns a round when they are short", () => {
    expect(breaks("a short turn")).toBe(4);
    expect(breaks("operands that are read in front")).toBe(4);
    expect(breaks("a long turn")).toBe(1);
    expect(breaks("a loop in a loop")).toBe(1);
  });

  test("shares it with the branches before and after", () => {
    const wgsl = wgslOf(programs["branches around a loop"]!());
    expect(wgsl.match(/loop {/g)).toHaveLength(1);
    expect(wgsl.match(/= switch /g)).toHaveLength(3);
  });

  test("reads no array that is the same in every turn", () => {
    const wgsl = wgslOf(programs["operands that are read in front"]!());
    expect(wgsl.slice(wgsl.indexOf("loop {"))).not.toMatch(/in\d\[/);
  });

  for (const [name, make] of Object.entries(programs)) {
    gpuTest(`gives what the interpreter gives: ${name}`, () => expectGpuAgrees(make()));
  }
});
