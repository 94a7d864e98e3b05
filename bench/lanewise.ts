// Our side of the comparison.
import type { Tensor } from "lanewise";
import type { Contestant } from "./contestant.js";

/** Waits by reading one element, which costs a small kernel and a read. */
async function waitFor(x: Tensor): Promise<void> {
  using element = x.ndim === 0 ? x.add(0) : x.at(...x.shape.map(() => 0));
  await element.item();
}

export function lanewise(call: () => Tensor): Contestant {
  return {
    name: "lanewise",
    async run(calls) {
      for (let k = 1; k < calls; k++) call().dispose();
      using last = call();
      await waitFor(last);
    },
    async read() {
      using result = call();
      return (await result.data()) as Float32Array;
    },
  };
}

/**
 * `call` again and again, each time on the result of the call before. Calls of one microtask share a submit; with
 * `yields`, each has its own.
 */
export function lanewiseChain(call: (x: Tensor) => Tensor, start: Tensor, yields: boolean): Contestant {
  return {
    name: "lanewise",
    async run(calls) {
      let x = call(start);
      for (let k = 1; k < calls; k++) {
        if (yields) await undefined;
        const next = call(x);
        x.dispose();
        x = next;
      }
      await waitFor(x);
      x.dispose();
    },
    async read() {
      using result = call(start);
      return (await result.data()) as Float32Array;
    },
  };
}
