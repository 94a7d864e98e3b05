// The checks of tests/frontend on functions, as one program that ends with 1 at the first that fails.
import "../../index.js";
import { accepted, draw, refused } from "../frontend/cases.js";
import { alike, argumentsOf, functionsOf, verdictOn } from "../frontend/fuzz/check.js";
import { seeded } from "../frontend/fuzz/draw.js";
import { INPUTS, showVerdict, survey } from "../frontend/fuzz/survey.js";
import { equalPrograms, refusedPrograms } from "../frontend/programs.js";
import { countLoops, traced } from "../support/plain-js.js";

function fault(): string | undefined {
  for (const [name, text] of equalPrograms) {
    const verdict = verdictOn(functionsOf([text])[0]!, argumentsOf(1, INPUTS));
    if (verdict.kind !== "equal") return `${name}: ${showVerdict(verdict)}`;
  }
  for (const [name, text] of refusedPrograms) {
    const verdict = verdictOn(functionsOf([text])[0]!, argumentsOf(1, INPUTS));
    if (verdict.kind !== "refused") return `${name}: ${showVerdict(verdict)}`;
  }
  for (const { name, fn, args, loops } of accepted) {
    const random = seeded(7);
    const values = Array.from({ length: 12 }, () => args.map((kind) => draw(kind, random)));
    const f = traced(fn, values[0]!);
    if (loops !== undefined && countLoops(f.graph) !== loops) return `${name}: ${countLoops(f.graph)} loops`;
    for (const each of values) if (!sameTree(f.run(each), fn(...each))) return name;
  }
  for (const { name, fn, args, message } of refused) {
    try {
      traced(
        fn,
        args.map((kind) => draw(kind, seeded(3))),
      );
      return `${name}: not refused`;
    } catch (error) {
      if (!(error as Error).message.includes(message)) return `${name}: ${(error as Error).message}`;
    }
  }
  const { failures, refused: declined } = survey(7, 0, 120);
  if (failures.length > 0) return `program ${failures[0]!.program}: ${showVerdict(failures[0]!.verdict)}`;
  const count = [...declined.values()].flat().length;
  return count < 6 ? undefined : `${count} programs are refused`;
}

function sameTree(got: unknown, want: unknown): boolean {
  if (typeof got !== "object" || got === null || Array.isArray(got)) return alike(got, want);
  return Object.entries(got).every(([key, x]) => sameTree(x, (want as Record<string, unknown>)[key]));
}

let found: string | undefined;
try {
  found = fault();
} catch (error) {
  found = String((error as Error).message);
}
if (found !== undefined) {
  console.log(found);
  process.exit(1);
}
