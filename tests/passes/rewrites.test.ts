// simplify, fold, cse, dce, narrow and storable, each by the text of the Graph before and after.
import "../../compiler/ops/index.js";
import { describe, expect, test } from "vitest";
import { compileGraph } from "../../compiler/compile.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { parseGraph } from "../../compiler/ir/parse.js";
import { printGraph } from "../../compiler/ir/print.js";
import { baseLimits } from "../../compiler/ir/program.js";
import { cse } from "../../compiler/passes/cse.js";
import { dce } from "../../compiler/passes/dce.js";
import { fold } from "../../compiler/passes/fold.js";
import { ifConvert } from "../../compiler/passes/if-convert.js";
import { narrow } from "../../compiler/passes/narrow.js";
import { simplify } from "../../compiler/passes/simplify.js";
import { storable } from "../../compiler/passes/storable.js";
import { cond, grad, type Tensor, vmap } from "../../index.js";
import * as np from "../../library/numpy/index.js";
import { f32, trace } from "../support/trace.js";

/** Lines between the braces, names as printed. */
const linesOf = (graph: Graph): string[] =>
  printGraph(graph)
    .split("\n")
    .slice(1, -1)
    .map((line) => line.trim());

/** What a pass makes of one equation `b = …` of x (named a), returned. */
function rewritten(pass: (graph: Graph) => Graph, equation: string, type = "f32[3]"): string[] {
  return linesOf(pass(parseGraph(`graph (a:${type}) {\n  ${equation}\n  return b\n}`)));
}

describe("simplify", () => {
  test.each([
    "mul a 1:f32",
    "mul 1:f32 a",
    "div a 1:f32",
    "add a -0:f32",
    "add -0:f32 a",
    "sub a 0:f32",
    "select 1:bool a 5:f32",
    "select 0:bool 5:f32 a",
    "reshape shape=[3] a",
    "broadcast axes=[0] shape=[3] a",
    "transpose perm=[0] a",
    "slice start=[0] step=[1] stop=[3] a",
    "flip axes=[] a",
    "expandDims axes=[] a",
  ])("%s is its operand", (text) => {
    expect(rewritten(simplify, `b:f32[3] = ${text}`)).toEqual(["return a"]);
  });

  test.each([
    "add a 0:f32", // of -0 it is 0
    "sub 0:f32 a",
    "sub a -0:f32",
    "mul a 0:f32", // of NaN it is NaN
    "sub a a", // of Infinity it is NaN
    "div a a",
    "div 1:f32 a",
    "max a -Infinity:f32", // of NaN it could be either
    "mul a -1:f32",
    "pow a 1:f32", // within ulp is not bit for bit
  ])("%s is not rewritten: it is not exact", (text) => {
    expect(rewritten(simplify, `b:f32[3] = ${text}`)).toEqual([`b:f32[3] = ${text}`, "return b"]);
  });

  test("adds of an integer 0 are its operand: there is no -0", () => {
    expect(rewritten(simplify, "b:i32[3] = add a 0:i32", "i32[3]")).toEqual(["return a"]);
  });

  test("a broadcast constant becomes a constant beside an array", () => {
    const graph = parseGraph(
      "graph (a:f32[3]) {\n  b:f32[3] = broadcast axes=[] shape=[3] 2:f32\n  c:f32[3] = mul a b\n  return c\n}",
    );
    expect(linesOf(dce(simplify(graph)))).toEqual(["b:f32[3] = mul a 2:f32", "return b"]);
  });

  test("but not beside constants alone, where it gives the shape", () => {
    const graph = parseGraph(
      "graph () {\n  a:f32[3] = broadcast axes=[] shape=[3] 2:f32\n  b:f32[3] = mul a 3:f32\n  return b\n}",
    );
    expect(linesOf(simplify(graph))).toEqual(linesOf(graph));
  });
});

describe("fold", () => {
  test("computes what depends on constants alone, as the f32 interpreter does", () => {
    expect(rewritten(fold, "b:f32[] = add 0.1:f32 0.2:f32")).toEqual([
      `return ${Math.fround(Math.fround(0.1) + Math.fround(0.2))}:f32`,
    ]);
    expect(rewritten(fold, "b:i32[] = mul 2147483647:i32 2:i32")).toEqual(["return -2:i32"]);
    expect(rewritten(fold, "b:bool[] = lt 1:f32 NaN:f32")).toEqual(["return 0:bool"]);
    expect(rewritten(fold, "b:f32[] = div 1:f32 -0:f32")).toEqual(["return -Infinity:f32"]);
  });

  test("and what depends on that in turn", () => {
    const graph = parseGraph("graph () {\n  a:f32[] = add 1:f32 2:f32\n  b:f32[] = mul a a\n  return b\n}");
    expect(linesOf(fold(graph))).toEqual(["return 9:f32"]);
  });
});

describe("cse", () => {
  test("computes equal equations once, and what becomes equal by that", () => {
    const graph = trace([f32(3)], (x) => [x.sin().add(1), x.sin().add(1)]);
    expect(linesOf(cse(graph))).toEqual(["b:f32[3] = sin a", "c:f32[3] = add b 1:f32~", "return c, c"]);
  });

  test("tells constants apart by their bits, and params by their values", () => {
    const graph = trace([f32(3, 3)], (x) => [x.mul(0), x.mul(-0), x.mul(NaN), x.mul(NaN), x.sum(0), x.sum(1)]);
    expect(cse(graph).eqns).toHaveLength(5);
  });
});

describe("dce", () => {
  test("drops what no result depends on, in one go", () => {
    const graph = trace([f32(3)], (x) => {
      x.sin().exp().add(1);
      return x.cos();
    });
    expect(linesOf(dce(graph))).toEqual(["b:f32[3] = cos a", "return b"]);
  });

  test("gives back the very Graph it has nothing to drop from", () => {
    const graph = trace([f32(3)], (x) => x.cos());
    expect(dce(graph)).toBe(graph);
  });
});

describe("narrow", () => {
  const limits = { ...baseLimits, maxStorageBuffers: 4 };

  test("joins many arrays as a tree of joins", () => {
    const graph = trace(
      Array.from({ length: 7 }, () => f32(2)),
      (...xs) => np.concatenate(xs),
    );
    expect(linesOf(narrow(graph, limits))).toEqual([
      "h:f32[6] = concatenate axis=0 a b c",
      "i:f32[6] = concatenate axis=0 d e f",
      "j:f32[14] = concatenate axis=0 h i g",
      "return j",
    ]);
  });

  test("leaves many parts of few arrays as they are", () => {
    const graph = trace([f32(10)], (x) => np.stack(Array.from({ length: 10 }, (_, i) => x.at(i))));
    expect(narrow(graph, limits)).toEqual(graph);
  });
});

describe("storable", () => {
  test("makes a constant result an equation", () => {
    const graph = parseGraph("graph (a:f32[3]) {\n  return a, 2:f32\n}");
    expect(linesOf(storable(graph, baseLimits))).toEqual(["b:f32[] = broadcast axes=[] shape=[] 2:f32", "return a, b"]);
  });
});

describe("ifConvert", () => {
  /** A switch between these branches of one operand, one line of each. */
  const chosen = (index: string, lanes: number, ...branches: string[]): string[] => {
    const type = lanes === 0 ? "f32[]" : "f32[3]";
    const graphs = branches.map((text, k) => {
      const [x, y] = [`x${k}`, `y${k}`];
      const body = text === "x" ? `return ${x}` : `${y}:${type} = ${text.replaceAll("x", x)}\n return ${y}`;
      return `branches.${k} = graph (${x}:${type}) {\n ${body}\n }`;
    });
    const source = `graph (a:${type}, b:bool${type.slice(3)}, c:i32${type.slice(3)}) {
      d:i32${type.slice(3)} = cast dtype=i32 b
      e:${type} = switch lanes=${lanes} ${index} a {\n ${graphs.join("\n")}\n }
      return e\n}`;
    return linesOf(ifConvert(parseGraph(source)));
  };

  test("a condition is the mask of a select", () => {
    expect(chosen("d", 1, "neg x", "x")).toEqual([
      "d:i32[3] = cast dtype=i32 b",
      "e:f32[3] = neg a",
      "f:f32[3] = select b a e",
      "return f",
    ]);
  });

  test("an index is compared, and clamped by it", () => {
    expect(chosen("c", 0, "neg x", "x", "mul x x").slice(1)).toEqual([
      "e:f32[] = neg a",
      "f:f32[] = mul a a",
      "g:bool[] = le c 1:i32",
      "h:f32[] = select g a f",
      "i:bool[] = le c 0:i32",
      "j:f32[] = select i e h",
      "return j",
    ]);
  });

  test("what costs much stays a branch", () => {
    expect(chosen("d", 1, "sin x", "x")[1]).toMatch(/switch/);
  });

  test("nested and early returns become one kernel, also their gradients", () => {
    const early = (k: number, x: Tensor): Tensor =>
      k === 0
        ? x.mul(2)
        : cond(
            x.gt(k),
            () => x.mul(x).mul(k),
            () => early(k - 1, x.mul(1.5)),
          );
    const slopes = trace([f32(64)], (x) => vmap(grad((x: Tensor) => early(14, x)))(x!));
    const { dispatches } = compileGraph(slopes, baseLimits);
    // what a level keeps for its gradient is not a result of all levels around it: the code grows linearly
    expect(dispatches).toHaveLength(1);
    expect(dispatches[0]!.wgsl.length).toBeLessThan(8000);
    const inTurn = trace([f32(64)], (x) =>
      vmap((x: Tensor) => {
        let y = x;
        for (let k = 0; k < 40; k++) {
          const z = y;
          y = cond(
            z.gt(k),
            () => z.mul(0.5),
            () => z.add(k),
          );
        }
        return y;
      })(x!),
    );
    expect(compileGraph(inTurn, baseLimits).dispatches).toHaveLength(1);
  });
});
