// Random plain-JavaScript programs, as `npm run fuzz` makes them, and what was once wrong, as small as it gets.
import { describe, expect, test } from "vitest";
import "../../index.js";
import { argumentsOf, functionsOf, verdictOn } from "./fuzz/check.js";
import { reduce } from "./fuzz/reduce.js";
import { INPUTS, showVerdict, survey } from "./fuzz/survey.js";

test("300 random programs give what JavaScript gives, and few are refused", () => {
  const { equal, refused, invalid, failures } = survey(7, 0, 300);
  expect(failures.map(({ program, verdict }) => `${program}: ${showVerdict(verdict)}`)).toEqual([]);
  const count = [...refused.values()].flat().length;
  expect(equal + count + invalid).toBe(300);
  expect(count).toBeLessThan(15);
  expect(invalid).toBeLessThan(6);
});

test("a failing program is made small", () => {
  const text = "(x) => { let a = 1; for (let i = 0; i < 3; i++) { a += Math.sin(x) * 2; } return a + 5; }";
  expect(reduce(text, (each) => each.includes("sin"))).toBe("(x) => { Math.sin }");
});

describe("small programs that were once wrong", () => {
  test.each([
    [
      "an object that is changed on one path and replaced on the other",
      "(x) => { let o = { p: x, q: 1 }; switch (1) { default: o.q = 0; break; case x: o = { ...o, p: 0 }; } return o.q; }",
    ],
    [
      "names of one object stay names of one object where it is chosen",
      "(x, y) => { let a = { p: 1 }; let b = a; if (x > 0) { a = { p: y }; b = a; } a.p += 1; return b.p; }",
    ],
    [
      "objects of a class with private fields are chosen with them",
      "(x) => { class C { #h; constructor(h) { this.#h = h; } get h() { return this.#h; } } let o = new C(1); if (x > 0) o = new C(x); return o.h; }",
    ],
    ["&& of a condition and a number, as a condition", "(x, y) => (x > 0 && y) && 3 ? 1 : 2"],
    ["&& of a condition and a number, in arithmetic", "(x, y) => (x > 0 && y) + (y < 0 || x) * 2"],
    [
      "a boolean is no integer",
      "(x) => (Number.isInteger(x > 0) || Number.isFinite(x > 0) ? 1 : isFinite(x > 0) ? 2 : 3)",
    ],
  ])("%s", (_name, text) => {
    expect(verdictOn(functionsOf([text])[0]!, argumentsOf(1, INPUTS))).toEqual({ kind: "equal" });
  });

  test.each([
    [
      "an object that may have been changed under another name is not read",
      "(x) => { const a = { p: 1 }, b = { p: 2 }; const c = x > 0 ? a : b; c.p = 5; return a.p; }",
    ],
    [
      "nor is a choice of objects of which one was changed",
      "(x) => { const a = { p: 1 }, b = { p: 2 }; const c = x > 0 ? a : b; a.p = 5; return c.p; }",
    ],
    [
      "nor in a later turn of a loop",
      "(x) => { const a = [1]; let b = a, s = 0; for (let i = 0; i < 3; i++) { s += a[0]; if (x > i) b = [2]; b[0] += 1; } return s; }",
    ],
  ])("%s", (_name, text) => {
    expect(verdictOn(functionsOf([text])[0]!, argumentsOf(1, INPUTS))).toMatchObject({
      kind: "refused",
      message: expect.stringContaining("this object may have been changed"),
    });
  });
});
