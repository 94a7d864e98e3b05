// What the fuzzer asks of a program: traced and interpreted in 64 bits, it gives what JavaScript itself gives.
import { runInThisContext, Script } from "node:vm";
import { TraceError } from "../../../compiler/core/errors.js";
import { type PlainFunction, traced, type Value } from "../../support/plain-js.js";
import { drawFrom, seeded } from "./draw.js";

export type Verdict =
  | { readonly kind: "equal" }
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "differs"; readonly args: readonly Value[]; readonly got: unknown; readonly want: unknown }
  | { readonly kind: "fails"; readonly message: string }
  /** The program itself throws or does not end: it is none. */
  | { readonly kind: "invalid"; readonly message: string };

/** Functions from their texts, as one script: V8 takes long to tell of a new one. */
export const functionsOf = (texts: readonly string[]): PlainFunction[] =>
  runInThisContext(`[${texts.join(",\n")}]`) as PlainFunction[];

const NUMBERS = [
  0,
  1,
  -1,
  2,
  3,
  -7,
  0.5,
  -2.5,
  1.75,
  5,
  100,
  -1000.75,
  65537,
  16777217,
  2 ** 31,
  -(2 ** 33) - 1,
  1e10,
  1e300,
];
const SPECIAL = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** Arguments of a program: the first are fixed, others are drawn. */
export function argumentsOf(seed: number, count: number): Value[][] {
  const draw = drawFrom(seeded(seed));
  const one = (): number =>
    draw.oneOf<number>([
      [4, () => draw.pick(NUMBERS.slice(0, 10))],
      [1.5, () => draw.pick(NUMBERS)],
      [0.5, () => draw.pick(SPECIAL)],
      [3, () => Math.fround((draw.below(2001) - 1000) / 128)],
    ]);
  const row = (value: () => number): Value[] => [value(), value(), value(), [value(), value(), value(), value()]];
  const fixed = [0, 1, -3].map((x) => row(() => x));
  return [...fixed, ...Array.from({ length: count - fixed.length }, () => row(one))].slice(0, count);
}

declare global {
  var fuzzedWork: (() => unknown) | undefined;
}
const timed = new Script("fuzzedWork()");

/** Runs `work` for at most so long. */
function within<T>(timeoutMs: number, work: () => T): T {
  globalThis.fuzzedWork = work;
  try {
    return timed.runInThisContext({ timeout: timeoutMs }) as T;
  } finally {
    globalThis.fuzzedWork = undefined;
  }
}

/** Equal but for the sign of zero, which whole numbers do not keep. */
export function alike(got: unknown, want: unknown): boolean {
  if (typeof got === "number" && typeof want === "number") return got === want || Object.is(got, want);
  if (Array.isArray(got) && Array.isArray(want))
    return got.length === want.length && got.every((x, i) => alike(x, want[i]));
  return Object.is(got, want);
}

/** Numbers, or arrays of such: what a program may give. */
const isResult = (x: unknown): boolean =>
  typeof x === "number" || (Array.isArray(x) && x.length > 0 && x.every(isResult));

const messageOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);

/** Runs a program as it is and traced, on each of the arguments. */
export function verdictOn(fn: PlainFunction, args: readonly (readonly Value[])[]): Verdict {
  let wants: unknown[];
  try {
    wants = within(1000, () => args.map((each) => fn(...each)));
  } catch (error) {
    return { kind: "invalid", message: messageOf(error) };
  }
  if (!wants.every(isResult)) return { kind: "invalid", message: "it gives no numbers" };
  try {
    const f = within(20_000, () => traced(fn, args[0]!));
    for (const [k, each] of args.entries()) {
      const got = within(20_000, () => f.run(each));
      if (!alike(got, wants[k])) return { kind: "differs", args: each, got, want: wants[k] };
    }
  } catch (error) {
    // a part that never runs may name what is not in scope there
    if (error instanceof TraceError && error.message.startsWith("cannot see the variable"))
      return { kind: "invalid", message: error.message };
    if (error instanceof TraceError) return { kind: "refused", message: error.message };
    return { kind: "fails", message: messageOf(error) };
  }
  return { kind: "equal" };
}
