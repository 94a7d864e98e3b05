// Every op record under vmap of derivatives and derivatives of vmap, on the interpreter.
import { describe, expect, test } from "vitest";
import { records } from "./calls.js";
import { askedOf, type Relation } from "./exclusions.js";
import { nestedChecks, waysOf } from "./nestings.js";
import { Tally } from "./tally.js";

const tally = new Tally("interpreter");

/** Ways to place the batch axes of one call. */
const WAYS = 12;

for (const [relation, fault] of Object.entries(nestedChecks)) {
  describe(relation, () => {
    for (const { name, calls } of records) {
      const own = askedOf(relation as Relation, calls, tally);
      if (own.length === 0) continue;
      test(name, () => {
        for (const mapped of own.flatMap((call) => waysOf(call, WAYS))) {
          expect(fault(mapped), mapped.name).toBeUndefined();
          tally.count(relation);
        }
      });
    }
  });
}
