// Every op record's derivative rules, in f64: tangents against differences, transposes against inner products.
import { describe, expect, test } from "vitest";
import { records } from "./calls.js";
import { derivativeChecks } from "./derivatives.js";
import { askedOf, type Relation } from "./exclusions.js";
import { Tally } from "./tally.js";

const tally = new Tally("interpreter in f64");

for (const [relation, fault] of Object.entries(derivativeChecks)) {
  describe(relation, () => {
    for (const { name, calls } of records) {
      const own = askedOf(relation as Relation, calls, tally);
      if (own.length === 0) continue;
      test(name, () => {
        for (const call of own) {
          expect(fault(call), call.name).toBeUndefined();
          tally.count(relation);
        }
      });
    }
  });
}
