// Breaks every rule of every op record, one at a time, and looks whether the tests on the CPU notice.
//
//   npm run mutants [-- --minutes 10] [--op gather]
//
// A mutant is a record with one rule that gives something else (tests/mutants/mutations.ts). Rules are replaced in memory
// while a test runs. A first run of the tests, with nothing broken, tells which test comes by which rules. Then, in each
// round, a test is given one mutant whose rule it comes by, until some test has failed for a mutant or all have passed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values: options } = parseArgs({
  options: { minutes: { type: "string", default: "10" }, op: { type: "string" } },
});
const deadline = Date.now() + Number(options.minutes) * 60_000;
const folder = mkdtempSync(join(tmpdir(), "mutants-"));

/** One run of the tests: what the setup file noted. */
function run(tests, files = []) {
  const [plan, out] = [join(folder, "plan.json"), join(folder, "out.jsonl")];
  rmSync(out, { force: true });
  writeFileSync(plan, JSON.stringify({ tests, out }));
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const { status } = spawnSync(
    process.execPath,
    [vitest, "run", "--config", "tests/mutants/vitest.config.ts", ...files],
    {
      cwd: root,
      env: { ...process.env, LANEWISE_MUTANTS: plan, LANEWISE_DEVICE: "cpu" },
      stdio: ["ignore", "ignore", "ignore"],
      timeout: Math.max(60_000, deadline - Date.now()),
    },
  );
  const lines = existsSync(out) ? readFileSync(out, "utf8").split("\n").filter(Boolean) : [];
  return { status, notes: lines.map((line) => JSON.parse(line)) };
}

const ruleOf = (mutant) => mutant.slice(0, mutant.lastIndexOf("."));
const fileOf = (test) => test.slice(0, test.indexOf(" > "));

const first = run(undefined);
const passing = first.notes.filter((note) => note.test !== undefined && !note.failed);
const broken = first.notes.filter((note) => note.failed);
if (passing.length === 0) throw new Error("no test ran");
for (const { test } of broken) console.log(`fails without any mutant, and is left out: ${test}`);

const named = [...new Set(first.notes.flatMap((note) => note.all ?? []))].filter(
  (mutant) => options.op === undefined || mutant.startsWith(`${options.op}.`),
);
const [seen, empty] = ["used", "empty"].map((key) => new Set(passing.flatMap((note) => note[key])));
/** A rule that is run and never gives anything cannot be broken: tangents of functions that are flat. */
const all = named.filter((mutant) => seen.has(ruleOf(mutant)) || !empty.has(ruleOf(mutant)));
/** Tests that come by the rule of each mutant and were not tried yet. */
const untried = new Map(
  all.map((mutant) => [
    mutant,
    new Set(passing.filter(({ used }) => used.includes(ruleOf(mutant))).map(({ test }) => test)),
  ]),
);
const reach = new Map(all.map((mutant) => [mutant, untried.get(mutant).size]));
const caught = new Set();
console.log(`${all.length} mutants, ${passing.length} tests`);

for (let round = 1; Date.now() < deadline; round++) {
  const open = all.filter((mutant) => !caught.has(mutant) && untried.get(mutant).size > 0);
  if (open.length === 0) break;
  const tests = {};
  // those with few tests left choose first; all take turns, so that none is left without one
  const turns = open.sort((a, b) => untried.get(a).size - untried.get(b).size).map((m) => [m, [...untried.get(m)]]);
  for (let more = true, k = 0; more; k++) {
    more = false;
    for (const [mutant, list] of turns) {
      const test = list.slice(k).find((name) => tests[name] === undefined);
      if (test === undefined) continue;
      tests[test] = mutant;
      more = true;
    }
  }
  const { notes } = run(tests, [...new Set(Object.keys(tests).map(fileOf))]);
  const results = notes.filter(({ mutant }) => mutant !== undefined);
  for (const { mutant, failed, test } of results) {
    untried.get(mutant).delete(test);
    if (failed) caught.add(mutant);
  }
  console.log(`round ${round}: ${results.length} tests, caught ${caught.size} of ${all.length}`);
  // a worker that died noted nothing: its tests are not tried again
  const ended = new Set(results.map(({ test }) => test));
  for (const [test, mutant] of Object.entries(tests)) if (!ended.has(test)) untried.get(mutant).delete(test);
}
rmSync(folder, { recursive: true, force: true });

/** Mutants that no test can notice, and why. */
const explained = [
  [
    /^(broadcast|expandDims|squeeze|slice|optimizationBarrier|stopGradient)\.axes\./,
    "with an unchanged shape it is the identity",
  ],
  [/^cast\.(jvp|transpose)\./, "there is one float dtype, and a cast to the same is not recorded"],
  [/^stopGradient\.transpose\./, "its tangent is zero, so that nothing is transposed"],
];

const survivors = all.filter((mutant) => !caught.has(mutant));
let open = 0;
for (const mutant of survivors) {
  const reason = explained.find(([pattern]) => pattern.test(mutant))?.[1];
  if (reason !== undefined) {
    console.log(`survives: ${mutant} (${reason})`);
    continue;
  }
  open++;
  const left = untried.get(mutant).size;
  const tried = reach.get(mutant) - left;
  const why =
    reach.get(mutant) === 0
      ? "no test comes by the rule"
      : `${tried} tests pass${left > 0 ? `, ${left} not tried` : ""}`;
  console.log(`survives: ${mutant} (${why})`);
}
console.log(
  `caught ${caught.size} of ${all.length}; ${survivors.length - open} survive with a reason, ${open} without`,
);
process.exitCode = open > 0 ? 1 : 0;
