// Choices of the fuzzer: everything follows from one number, so that a program is known by its own.

export interface Draw {
  /** A whole number below n. */
  below(n: number): number;
  /** True so often of 1. */
  chance(p: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** One of several makers by weight; those that give nothing are passed over. */
  oneOf<T>(makers: readonly (readonly [weight: number, make: () => T | undefined])[]): T;
}

/** mulberry32 */
export function seeded(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function drawFrom(random: () => number): Draw {
  const below = (n: number): number => Math.floor(random() * n);
  return {
    below,
    chance: (p) => random() < p,
    pick: (list) => list[below(list.length)]!,
    oneOf(makers) {
      let left = makers.filter(([weight]) => weight > 0);
      while (left.length > 0) {
        let at = random() * left.reduce((sum, [weight]) => sum + weight, 0);
        const chosen = left.find(([weight]) => {
          at -= weight;
          return at < 0;
        })!;
        const made = chosen[1]();
        if (made !== undefined) return made;
        left = left.filter((each) => each !== chosen);
      }
      throw new Error("nothing can be made here");
    },
  };
}
