// A run of the fuzzer: so many programs, and what became of each.
import { argumentsOf, functionsOf, type Verdict, verdictOn } from "./check.js";
import { programOf } from "./functions.js";
import { reduce } from "./reduce.js";

/** Arguments that each program runs on. */
export const INPUTS = 12;

export interface Survey {
  readonly equal: number;
  readonly invalid: number;
  /** Numbers of the programs that were refused, by the first line of the message. */
  readonly refused: ReadonlyMap<string, readonly number[]>;
  readonly failures: readonly Failure[];
}

export interface Failure {
  readonly program: number;
  readonly verdict: Verdict;
}

/** Programs of one script; V8 takes long to tell of a new one. */
const PER_SCRIPT = 200;

/** Runs programs `from` to `from + count - 1` of a seed. */
export function survey(
  seed: number,
  from: number,
  count: number,
  progress = (_done: number): void => undefined,
): Survey {
  let [equal, invalid] = [0, 0];
  const refused = new Map<string, number[]>();
  const failures: Failure[] = [];
  for (let start = from; start < from + count; start += PER_SCRIPT) {
    const numbers = Array.from({ length: Math.min(PER_SCRIPT, from + count - start) }, (_, i) => start + i);
    const functions = functionsOf(numbers.map((k) => programOf(seed, k)));
    for (const [i, program] of numbers.entries()) {
      const verdict = verdictOn(functions[i]!, argumentsOf(program, INPUTS));
      if (verdict.kind === "equal") equal++;
      else if (verdict.kind === "invalid") invalid++;
      else if (verdict.kind === "refused") {
        const [message] = verdict.message.split("\n") as [string];
        refused.set(message, [...(refused.get(message) ?? []), program]);
      } else failures.push({ program, verdict });
    }
    progress(start - from + numbers.length);
  }
  return { equal, invalid, refused, failures };
}

const firstLine = (verdict: Verdict): string => ("message" in verdict ? verdict.message.split("\n")[0]! : "");

/** The smallest program found that fails as this one does, with what becomes of it. */
export function smallest(seed: number, { program, verdict }: Failure, mostTries = 1500): string {
  const args = argumentsOf(program, INPUTS);
  const bad = verdict.kind === "differs" ? [args[0]!, verdict.args] : args.slice(0, 3);
  const judge = (text: string): Verdict => {
    try {
      return verdictOn(functionsOf([text])[0]!, bad);
    } catch {
      return { kind: "invalid", message: "" };
    }
  };
  const fails = (text: string): boolean => {
    const other = judge(text);
    return other.kind === verdict.kind && firstLine(other) === firstLine(verdict);
  };
  const text = reduce(programOf(seed, program), fails, mostTries).replace(/\s+/g, " ");
  return `${text}\n  ${showVerdict(judge(text))}`;
}

export function showVerdict(verdict: Verdict): string {
  if (verdict.kind === "differs")
    return `on ${show(verdict.args)}: ${show(verdict.got)}, but JavaScript gives ${show(verdict.want)}`;
  return firstLine(verdict) || verdict.kind;
}

const show = (x: unknown): string =>
  JSON.stringify(x, (_, v: unknown) => (typeof v === "number" && !Number.isFinite(v) ? String(v) : v));
