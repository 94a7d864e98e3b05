// Text of the user's never reaches a shader: names of functions and files may hold anything.
import { expect, test } from "vitest";
import { compileStages } from "../../compiler/compile.js";
import { baseLimits } from "../../compiler/ir/program.js";
import { stage } from "../../compiler/trace/stage.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { withLocation } from "../../compiler/trace/trace.js";
import { jit, ones } from "../../index.js";
import { f32 } from "../support/trace.js";

/** Ends a comment in each of the ways WGSL knows, then brings code of its own. */
const EVIL = ["\n", "\v", "\f", "\r", "\u0085", "\u2028", "\u2029", "*/"]
  .map((end) => `${end}fn evil() {} // `)
  .join("");

test("files and functions are named in no shader", () => {
  const location = { source: { file: `${EVIL}.js`, line: 1, column: 1, functionName: EVIL } };
  const { graph } = stage(EVIL, [f32(100, 50)], ([x]) =>
    withLocation(location, () => ({ outputs: [x!.mul(2).sum(1), x!.matmul(x!.T)], rest: undefined })),
  );
  const { program } = compileStages(graph, baseLimits);
  for (const { wgsl, name } of program.dispatches) {
    expect(wgsl).not.toContain("evil");
    expect(name).toMatch(/^k\d+[ab]?$/);
  }
});

test("nor are jitted functions", () => {
  const functions = { [EVIL]: (x: Tensor) => x.mul(2).add(1) };
  const lowered = jit(functions[EVIL]!).lower(ones([3]));
  expect(functions[EVIL]!.name).toContain("evil");
  expect(lowered.wgsl.join("")).not.toContain("evil");
});
