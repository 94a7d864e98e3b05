// Branches whose condition is traced: every path is interpreted, and what they leave behind is chosen by the kernel.

import * as ops from "../ops/index.js";
import { replay, shareCaptures } from "../trace/stage.js";
import { type Operand, Tensor } from "../trace/tensor.js";
import { currentTrace, Trace } from "../trace/trace.js";
import { recordIn } from "./active.js";
import { type Abrupt, type Completion, type Evaluator, type Site, Thrown } from "./evaluator.js";
import { throwOnPath } from "./exceptions.js";
import { buildLocation, type LocationPlan, planLocation, Unmergeable } from "./locations.js";
import { ABSENT, buildMerge, type Leaf, leafOperand, leafResult, linkBuilt, planMerge } from "./merge.js";
import { asWhole, constant } from "./numbers.js";
import { assign, currentOf, enterStaled, inFrame, type Location, type Writes } from "./store.js";

/** One way through the code, interpreted. */
export interface Path {
  readonly trace: Trace;
  readonly writes: Writes;
  readonly completion: Completion;
  readonly value: unknown;
}

/** What a piece of code comes to. */
export interface Outcome {
  readonly completion?: Completion;
  readonly value?: unknown;
}

/** Interprets `work` as one of several paths: what it changes is undone and kept in the result. */
export function tracePath(run: Evaluator, work: () => Outcome): Path {
  const trace = new Trace(currentTrace(), currentTrace()!.name);
  try {
    const { result, writes } = recordIn(trace, () => inFrame(work));
    return { trace, writes, completion: result.completion, value: result.value };
  } catch (error) {
    if (!(error instanceof Thrown)) throw error;
    throw throwOnPath(run, error);
  }
}

/** `yes` where `condition` holds, else `no`. */
export function branch(
  run: Evaluator,
  site: Site,
  condition: Tensor,
  yes: () => Outcome,
  no: () => Outcome,
): Required<Outcome> {
  const taken = tracePath(run, yes);
  return joinPaths(run, site, condition, [tracePath(run, no), taken]);
}

/**
 * Joins paths, of which `chooser`, a bool or the number of one, tells the one taken: assigns what they changed, and gives
 * how they ended and what they gave.
 */
export function joinPaths(run: Evaluator, site: Site, chooser: Tensor, paths: readonly Path[]): Required<Outcome> {
  const leaves: Leaf[] = [];
  const sources = paths.map(({ writes }) => writes);
  const changed = planWrites(run, site, paths, leaves);
  const targets = [...new Set(paths.flatMap(({ trace }) => [...trace.writes.keys()]))];
  const assigned = targets.map((x) =>
    planMerge(
      paths.map(({ trace }) => trace.writes.get(x) ?? x),
      leaves,
      false,
      sources,
    ),
  );
  const value = planMerge(
    paths.map((path) => path.value),
    leaves,
    false,
    sources,
  );
  const ends = endsOf(paths);
  const returned = planMerge(
    ends.perPath
      .map((list) => list.find((end) => end?.kind === "return"))
      .map((end) => (end?.kind === "return" ? end.value : ABSENT)),
    leaves,
    false,
    sources,
  );
  const selectors = ends.union.length > 1 ? paths.map((path, p) => selectorOf(path, ends.union, ends.perPath[p]!)) : [];

  const outputs = paths.map(({ trace }, p) =>
    recordIn(trace, () => [
      ...leaves.map((leaf) => leafOperand(leaf, p)),
      ...selectors.slice(p, p + 1).map((make) => make()),
    ]),
  );
  const results = choose(chooser, paths, outputs);
  for (const { trace } of paths) trace.close();

  const merged = leaves.map((leaf, k) => leafResult(leaf, results[k]!));
  for (const [at, plan] of changed) assign(at, buildLocation(plan, merged));
  targets.forEach((x, k) => void currentTrace()!.write(x, buildMerge(assigned[k]!, merged) as Tensor));
  const outcome = {
    completion: completionOf(ends.union, results.at(-1), buildMerge(returned, merged)),
    value: buildMerge(value, merged),
  };
  linkBuilt(merged);
  for (const { writes } of paths) enterStaled(writes);
  return outcome;
}

/**
 * `left && right()` or `left || right()`, as a condition. A right side that changes nothing and cannot go on for ever is
 * simply computed too.
 */
export function shortCircuit(
  run: Evaluator,
  site: Site,
  isOr: boolean,
  left: Tensor,
  right: () => boolean | Tensor,
): boolean | Tensor {
  const path = tracePath(run, () => ({ value: right() }));
  const value = path.value as boolean | Tensor;
  const { trace } = path;
  const isPure =
    path.writes.size === 0 && trace.writes.size === 0 && trace.eqns.every((eqn) => eqn.op.kind !== "region");
  if (isPure) {
    trace.close();
    if (typeof value === "boolean") return value === isOr ? value : left;
    const [found] = replay(trace.finish([value]), trace.captures);
    return (isOr ? ops.or : ops.and)(left, found!);
  }
  const known = tracePath(run, () => ({ value: isOr }));
  return joinPaths(run, site, left, isOr ? [path, known] : [known, path]).value as boolean | Tensor;
}

/** Plans the merge of all that some path changed. */
function planWrites(run: Evaluator, site: Site, paths: readonly Path[], leaves: Leaf[]): Map<Location, LocationPlan> {
  const changed = new Map<Location, LocationPlan>();
  const sources = paths.map(({ writes }) => writes);
  for (const at of new Set(paths.flatMap(({ writes }) => [...writes.keys()]))) {
    const now = currentOf(at);
    const versions = paths.map(({ writes }) => (writes.has(at) ? writes.get(at) : now));
    changed.set(at, planOrFail(run, site, at, versions, leaves, "under a traced condition", false, sources));
  }
  return changed;
}

/** As `planLocation`; contents that cannot be merged are an error at `site`. */
export function planOrFail(
  run: Evaluator,
  site: Site,
  at: Location,
  versions: readonly unknown[],
  leaves: Leaf[],
  where: string,
  inLoop: boolean,
  sources: readonly (Writes | undefined)[],
): LocationPlan {
  try {
    return planLocation(at, versions, leaves, inLoop, sources);
  } catch (error) {
    if (!(error instanceof Unmergeable)) throw error;
    const grows = error.message.startsWith("an array");
    throw run.fail(
      site,
      `${error.message} ${where}`,
      grows
        ? "preallocate it before, at its full length"
        : "change it outside of the condition, or use arrays of numbers",
    );
  }
}

// ---------------------------------------------------------------------------------------------------------------------

type End = Abrupt | undefined;

const showEnd = (end: End): string =>
  end ? `${end.kind} ${end.kind === "return" ? "" : (end.label ?? "")}` : "normal";

const endsIn = (completion: Completion): readonly End[] =>
  completion?.kind === "parted" ? completion.cases : [completion as End];

/** All ways in which the paths end. */
function endsOf(paths: readonly Path[]): {
  readonly union: readonly End[];
  readonly perPath: readonly (readonly End[])[];
} {
  const perPath = paths.map(({ completion }) => endsIn(completion));
  const union = new Map(perPath.flat().map((end) => [showEnd(end), end]));
  return { union: [...union.values()], perPath };
}

/** The number of a path's end among `union`. */
function selectorOf({ completion }: Path, union: readonly End[], own: readonly End[]): () => Operand {
  const numbers = own.map((end) => union.findIndex((x) => showEnd(x) === showEnd(end)));
  return () => (completion?.kind === "parted" ? renumber(completion.selector, numbers) : constant(numbers[0]!, "i32"));
}

/** `numbers[selector]` */
export function renumber(selector: Tensor, numbers: readonly number[]): Operand {
  if (numbers.every((n, i) => n === i)) return selector;
  if (numbers.every((n) => n === numbers[0])) return constant(numbers[0]!, "i32");
  return numbers
    .slice(1)
    .reduce<Operand>(
      (chosen, n, i) => ops.select(ops.eq(selector, constant(i + 1, "i32")), constant(n, "i32"), chosen),
      constant(numbers[0]!, "i32"),
    );
}

function completionOf(union: readonly End[], selector: Tensor | undefined, returned: unknown): Completion {
  const cases = union.map((end): End => (end?.kind === "return" ? { kind: "return", value: returned } : end));
  if (cases.length <= 1) return cases[0];
  return { kind: "parted", selector: asWhole(selector!, [0, cases.length - 1]), cases };
}

/** The completion with its ends renamed; those that become the same are one. */
export function mapEnds(completion: Completion, rename: (end: End) => End): Completion {
  if (completion?.kind !== "parted") return rename(completion);
  const renamed = completion.cases.map(rename);
  const union = [...new Map(renamed.map((end) => [showEnd(end), end])).values()];
  if (union.length === 1) return union[0];
  const numbers = renamed.map((end) => union.findIndex((x) => showEnd(x) === showEnd(end)));
  const selector = renumber(completion.selector, numbers) as Tensor;
  return { kind: "parted", selector: asWhole(selector, [0, union.length - 1]), cases: union };
}

/** Goes on with `work` on those paths that ended normally. */
export function whereNormal(run: Evaluator, site: Site, completion: Completion, work: () => Completion): Completion {
  if (completion === undefined) return work();
  if (completion.kind !== "parted") return completion;
  const normal = completion.cases.indexOf(undefined);
  if (normal < 0) return completion;
  const goesOn = ops.eq(completion.selector, constant(normal, "i32"));
  return branch(
    run,
    site,
    goesOn,
    () => ({ completion: work() }),
    () => ({ completion: withoutNormal(completion) }),
  ).completion;
}

/** The ends that are not normal; the normal one is not taken here. */
function withoutNormal(completion: Completion): Completion {
  if (completion?.kind !== "parted") return completion;
  const rest = completion.cases.filter((end) => end !== undefined);
  if (rest.length === 1) return rest[0];
  const numbers = completion.cases.map((end) => Math.max(0, rest.indexOf(end as Abrupt)));
  return { kind: "parted", selector: renumber(completion.selector, numbers) as Tensor, cases: rest };
}

// ---------------------------------------------------------------------------------------------------------------------

/** One of the outputs of each path, by the op that suits: none, a select, or a switch. */
function choose(chooser: Tensor, paths: readonly Path[], outputs: readonly (readonly Operand[])[]): Tensor[] {
  if (outputs[0]!.length === 0) return [];
  const closed = paths.map(({ trace }, p) => ({ graph: trace.finish(outputs[p]!), captures: trace.captures }));
  if (closed.every(({ graph }) => graph.eqns.length === 0)) {
    // nothing is computed on any path
    const values = closed.map(({ graph, captures }) =>
      graph.outputs.map((x) => (x.kind === "literal" ? x : captures[graph.inputs.indexOf(x)]!)),
    );
    return values[0]!.map((_, k) =>
      select(
        chooser,
        values.map((list) => list[k]!),
      ),
    );
  }
  const { graphs, captures } = shareCaptures(closed);
  const index = chooser.dtype === "bool" ? ops.cast(chooser, "i32") : chooser;
  return ops.switchBranches(index, graphs, captures);
}

function select(chooser: Tensor, values: readonly Operand[]): Tensor {
  const [first, ...others] = values as readonly [Operand, ...Operand[]];
  const same = others.every((x) => x === first || sameLiteral(x, first));
  if (same) return first instanceof Tensor ? first : ops.fill(first, []);
  if (chooser.dtype === "bool") return ops.select(chooser, values[1]!, first);
  return others.reduce<Operand>(
    (chosen, x, i) => ops.select(ops.eq(chooser, constant(i + 1, "i32")), x, chosen),
    first,
  ) as Tensor;
}

const sameLiteral = (x: Operand, y: Operand): boolean =>
  !(x instanceof Tensor) && !(y instanceof Tensor) && Object.is(x.value, y.value) && x.aval.dtype === y.aval.dtype;

/** A typed scalar of the trace, for an atom. */
export const scalarOf = (x: Operand): Tensor => (x instanceof Tensor ? x : ops.fill(x, []));
