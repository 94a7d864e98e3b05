// What tests of plain-JavaScript functions share: a traced one gives, in 64 bits, what the function itself gives.
import { expect, test } from "vitest";
import "../../index.js";
import { type PlainFunction, traced, type Value } from "../support/plain-js.js";

/** Numbers on both sides of what programs ask: signs, zeros, halves, NaN and infinity. */
export const numbers: readonly Value[][] = [1.5, -2.5, 0, -0, 0.25, 3, 7.9, Number.NaN, Infinity].map((x) => [x]);

/** States that `fn`, traced for the first of `inputs`, gives for all of them what it gives as JavaScript. */
export function same(name: string, fn: PlainFunction, inputs: readonly (readonly Value[])[] = numbers): void {
  test(name, () => {
    const f = traced(fn, inputs[0]!);
    for (const args of inputs) expect(f.run(args), JSON.stringify(args)).toEqual(fn(...structuredClone(args)));
  });
}

/** States that `fn` is refused with a code frame of this author's, in these words. */
export function refused(
  name: string,
  fn: PlainFunction,
  message: string | RegExp,
  args: readonly Value[] = [1.5],
  kind = "TraceError",
): void {
  test(name, () => {
    const error = caught(() => traced(fn, args));
    expect(error).toMatchObject({ name: kind });
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/ at (?:.+ \()?tests\/frontend\/[\w-]+\.(?:test\.)?ts:\d+:\d+/);
    expect(error.message).toMatch(/^ +\| +\^/m);
  });
}

export function caught(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}
