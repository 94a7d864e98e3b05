// The list of what the suites leave out holds nothing that could be asked.
import { describe, expect, test } from "vitest";
import { allCalls, type Call } from "./calls.js";
import { derivativeChecks } from "./derivatives.js";
import { exclusions, isAbout, type Relation } from "./exclusions.js";
import { nestedChecks, waysOf } from "./nestings.js";

describe.each(exclusions)("$relations of $of", ({ relations, of, ...exclusion }) => {
  const calls = allCalls.filter((call) => isAbout({ relations, of, ...exclusion }, call));

  test("is about calls that there are", () => {
    expect(calls.length).toBeGreaterThan(0);
  });

  // records are named because of what fails; calls are described because nothing is said of them
  if (typeof of === "string") {
    test.each(relations.filter(isChecked))("is needed for %s", (relation) => {
      expect(calls.some((call) => fails(relation, call))).toBe(true);
    });
  }
});

/** Whether the relation is one of Graphs; the others are the same ones through jit. */
const isChecked = (relation: Relation): boolean => relation in derivativeChecks || relation in nestedChecks;

function fails(relation: Relation, call: Call): boolean {
  try {
    const mapped = waysOf(call, 4).map((way) => nestedChecks[relation]?.(way));
    return [derivativeChecks[relation]?.(call), ...mapped].some((found) => found !== undefined);
  } catch {
    return true;
  }
}
