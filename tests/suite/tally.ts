// Counts of the cases that a relation was checked on, printed when a test file ends.
import { afterAll } from "vitest";

/** Counts cases by relation; prints a line for each, with the adapter they ran on. */
export class Tally {
  readonly #cases = new Map<string, number>();

  constructor(readonly adapter: string) {
    afterAll(() => {
      for (const [relation, cases] of this.#cases) {
        console.log(`suite: ${relation}: ${cases.toLocaleString("en")} cases on ${this.adapter}`);
      }
    });
  }

  count(relation: string, cases = 1): void {
    this.#cases.set(relation, (this.#cases.get(relation) ?? 0) + cases);
  }
}
