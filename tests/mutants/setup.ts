// Before each test of `npm run mutants`: breaks the rule that the plan has for it, and notes which rules it ran and how
// it ended. Records are changed in memory; no file is.
import { appendFileSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, type RunnerTask } from "vitest";
import { allOps, type Op, type RegionOp } from "../../compiler/ir/op.js";
import "../../compiler/ops/index.js";
import { isBreakable, mutationsOf } from "./mutations.js";

/** What scripts/mutants.mjs wants of a run. */
interface Plan {
  /** The mutant of each test, `op.rule.change`; others are skipped. Without it nothing is broken, and rules are noted. */
  readonly tests?: Readonly<Record<string, string>>;
  /** Lines of JSON are added here, one for each test. */
  readonly out: string;
}

/** Runs of a region's Graph in one call: a broken condition may never fail. */
const MAX_TURNS = 20_000;

const plan: Plan = JSON.parse(readFileSync(process.env.LANEWISE_MUTANTS!, "utf8"));
let active: string | undefined;
const used = new Set<string>();
/** Rules that gave nothing to break. */
const empty = new Set<string>();
const all: string[] = [];
const records = allOps();

for (const op of records) {
  for (const { rule, list } of mutationsOf(op)) {
    const record = op as unknown as Record<string, (...args: unknown[]) => unknown>;
    const original = record[rule]!;
    all.push(...list.map(({ name }) => `${op.name}.${rule}.${name}`));
    record[rule] = function (this: unknown, ...args: unknown[]) {
      const result = original.apply(this, args);
      if (isBreakable(rule, result)) used.add(`${op.name}.${rule}`);
      else empty.add(`${op.name}.${rule}`);
      const mutation = list.find(({ name }) => active === `${op.name}.${rule}.${name}`);
      return mutation ? mutation.apply(result, args) : result;
    };
  }
  if (op.kind === "region") limitTurns(op);
}

function limitTurns(op: RegionOp): void {
  const { cpu } = op;
  const limited: RegionOp["cpu"] = (inputs, params, context, outputs, run) => {
    let turns = 0;
    return cpu(inputs, params, context, outputs, (graph, args) => {
      if (active !== undefined && ++turns > MAX_TURNS) throw new Error("the loop of a mutant does not end");
      return run(graph, args);
    });
  };
  Object.assign(op, { cpu: limited });
}

// The interpreter keeps compiled scalar code for each record: a broken one must neither be kept nor found broken later.
const byRecord = new Set<unknown>(records);
const { get, set } = WeakMap.prototype;
WeakMap.prototype.get = function (key) {
  if (byRecord.has(key)) {
    used.add(`${(key as Op).name}.scalar`);
    if (active?.startsWith(`${(key as Op).name}.scalar.`)) return undefined;
  }
  return get.call(this, key);
};
WeakMap.prototype.set = function (key, value) {
  if (byRecord.has(key) && active?.startsWith(`${(key as Op).name}.scalar.`)) return this;
  return set.call(this, key, value);
};

const note = (line: object): void => appendFileSync(plan.out, `${JSON.stringify(line)}\n`);

const nameOf = (task: RunnerTask): string => `${task.file.name} > ${fullName(task)}`;

const fullName = (task: RunnerTask): string =>
  task.suite?.name ? `${fullName(task.suite)} > ${task.name}` : task.name;

note({ all });

beforeEach((context) => {
  used.clear();
  empty.clear();
  active = plan.tests?.[nameOf(context.task)];
  if (plan.tests && active === undefined) context.skip();
});

afterEach(({ task }) => {
  note({
    test: nameOf(task),
    failed: task.result?.state === "fail",
    mutant: active,
    used: plan.tests ? [] : [...used],
    empty: plan.tests ? [] : [...empty],
  });
  active = undefined;
});
