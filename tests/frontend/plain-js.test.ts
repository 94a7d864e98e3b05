// Plain-JavaScript functions: each is its own oracle, in 64 bits exactly.
import { describe, expect, test } from "vitest";
import "../../index.js";
import { countLoops, traced } from "../support/plain-js.js";
import { accepted, draw, refused } from "./cases.js";

/** mulberry32 */
function seeded(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe("a traced function, interpreted in 64 bits, gives what the function itself gives", () => {
  test.each(accepted)("$name", ({ fn, args, loops }) => {
    const random = seeded(7);
    const f = traced(
      fn,
      args.map((kind) => draw(kind, random)),
    );
    for (let k = 0; k < 60; k++) {
      const values = args.map((kind) => draw(kind, random));
      expect(f.run(values), JSON.stringify(values)).toEqual(fn(...values));
    }
    if (loops !== undefined) expect(countLoops(f.graph)).toBe(loops);
  });
});

describe("what cannot be traced is refused, with a code frame", () => {
  test.each(refused)("$name", ({ fn, args, message, hint }) => {
    const example = args.map((kind) => draw(kind, seeded(3)));
    let error: unknown;
    try {
      traced(fn, example);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ name: "TraceError" });
    const text = (error as Error).message;
    expect(text).toContain(message);
    if (hint) expect(text).toContain(hint);
    expect(text).toMatch(/cases\.ts:\d+:\d+/);
    expect(text).toContain("^");
  });
});
