// Counts of the cases that a relation was checked on, and of the calls left out, printed when a test file ends.
import { afterAll } from "vitest";

/** Counts cases by relation; prints a line for each, with the adapter they ran on. */
export class Tally {
  readonly #cases = new Map<string, number>();
  readonly #leftOut = new Map<string, Map<string, number>>();

  constructor(readonly adapter: string) {
    afterAll(() => {
      for (const [relation, cases] of this.#cases) {
        console.log(
          `suite: ${relation}: ${cases.toLocaleString("en")} cases on ${this.adapter}${this.#without(relation)}`,
        );
      }
    });
  }

  count(relation: string, cases = 1): void {
    this.#cases.set(relation, (this.#cases.get(relation) ?? 0) + cases);
  }

  /** Notes a call that the relation is not asked of. */
  leaveOut(relation: string, why: string): void {
    const calls = this.#leftOut.get(relation) ?? new Map<string, number>();
    this.#leftOut.set(relation, calls.set(why, (calls.get(why) ?? 0) + 1));
  }

  #without(relation: string): string {
    const calls = [...(this.#leftOut.get(relation) ?? [])].map(([why, n]) => `${n} (${why})`);
    return calls.length === 0 ? "" : `; calls left out: ${calls.join(", ")}`;
  }
}
