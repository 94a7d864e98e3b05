// Kernel templates: each is a shader by itself, and filling it leaves no hole.
import { describe, expect, test } from "vitest";
import { fillTemplate, type TemplateName, templates } from "../../kernels/index.js";
import { gpuTest } from "../support/gpu.js";
import { checkWgsl } from "../support/run-program.js";

const names = Object.keys(templates) as TemplateName[];

for (const name of names) {
  gpuTest(`the template ${name} is valid WGSL as it stands`, async () => {
    await checkWgsl(templates[name]);
  });
}

gpuTest("WGSL that is not valid is told with its line", async () => {
  await expect(checkWgsl("fn f() {}\nfn g( {}")).rejects.toThrow("line 2");
});

describe("fillTemplate", () => {
  const holes = { bindings: ["// bindings"], size: 5, stride: 64, helpers: [], body: ["let x = 1;", "", "let y = x;"] };

  test("puts lines in place of a block, indented like it", () => {
    expect(fillTemplate("map", holes)).toContain("\n  let x = 1;\n\n  let y = x;\n}");
  });

  test("puts a value in place of a constant's", () => {
    expect(fillTemplate("map", holes)).toContain("\nconst SIZE = 5u;\n");
  });

  test("leaves no hole and no empty lines in a row", () => {
    const text = fillTemplate("map", holes);
    expect(text).not.toMatch(/\/\/ <|\n\n\n/);
  });

  test("refuses to leave a hole open, or to fill one that is not there", () => {
    const { size: _, ...without } = holes;
    expect(() => fillTemplate("map", without)).toThrow("nothing given for <size>");
    expect(() => fillTemplate("map", { ...holes, other: 1 })).toThrow("no hole <other>");
  });
});
