// Code frames: lines around a position with a caret below it.
import { expect, test } from "vitest";
import { codeFrame, indentLines, positionAt } from "../../compiler/core/code-frame.js";

const text = "const relu = (x) => {\n\tconst y = x.mul(2);\n\treturn y ? x : 0;\n};\n";

test("shows two lines before, one after, and a caret below its character", () => {
  expect(codeFrame(text, { line: 3, column: 9 })).toBe(
    [
      "  1 | const relu = (x) => {",
      "  2 | \tconst y = x.mul(2);",
      "> 3 | \treturn y ? x : 0;",
      "    | \t       ^",
      "  4 | };",
    ].join("\n"),
  );
});

test("fits the first and last lines, and line numbers of different width", () => {
  expect(codeFrame("a\nb", { line: 1, column: 1 })).toBe("> 1 | a\n    | ^\n  2 | b");
  const lines = codeFrame("x\r\n".repeat(12), { line: 9, column: 1 }).split("\n");
  expect(lines).toEqual(["   7 | x", "   8 | x", ">  9 | x", "     | ^", "  10 | x"]);
});

test("is empty for a line that is not there", () => {
  expect(codeFrame("a", { line: 2, column: 1 })).toBe("");
});

test("cuts a long line to a window around the caret", () => {
  for (const column of [1, 60, 500, 951, 1000]) {
    const line = `${"a".repeat(column - 1)}X${"b".repeat(1000 - column)}`;
    const [code, caret] = codeFrame(line, { line: 1, column }).split("\n") as [string, string];
    expect(code.length).toBeLessThan(110);
    expect(code[caret.indexOf("^")]).toBe("X");
  }
});

test("positions count lines and columns from one", () => {
  expect(positionAt(text, 0)).toEqual({ line: 1, column: 1 });
  expect(positionAt(text, text.indexOf("return"))).toEqual({ line: 3, column: 2 });
  expect(positionAt("a\r\nb\u2028c", 5)).toEqual({ line: 3, column: 1 });
});

test("every line is indented", () => {
  expect(indentLines("a\nb", "  ")).toBe("  a\n  b");
});
