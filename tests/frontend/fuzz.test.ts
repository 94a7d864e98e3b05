// Random plain-JavaScript programs, as `npm run fuzz` makes them, and what was once wrong, as small as it gets.
import { describe, expect, test } from "vitest";
import "../../index.js";
import { argumentsOf, functionsOf, verdictOn } from "./fuzz/check.js";
import { reduce } from "./fuzz/reduce.js";
import { INPUTS, showVerdict, survey } from "./fuzz/survey.js";
import { equalPrograms, refusedPrograms } from "./programs.js";

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
  expect(reduce(text, (each) => each.includes("sin"))).toMatch(/^\(x\) => \{\s+\(*sin\)*;?\s+\}$/);
});

describe("small programs that were once wrong", () => {
  test.each(equalPrograms)("%s", (_name, text) => {
    expect(verdictOn(functionsOf([text])[0]!, argumentsOf(1, INPUTS))).toEqual({ kind: "equal" });
  });

  test.each(refusedPrograms)("%s", (_name, text) => {
    expect(verdictOn(functionsOf([text])[0]!, argumentsOf(1, INPUTS))).toMatchObject({
      kind: "refused",
      message: expect.stringContaining("this object may have been changed"),
    });
  });
});
