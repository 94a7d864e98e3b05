// Random numbers for the data of the examples, the same on every run.

/** A stream of numbers from 0 to 1: Numerical Recipes' quick generator. */
export function uniformStream(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
