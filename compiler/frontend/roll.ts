// Rolled loops: a turn is traced on what is carried until its types hold, and becomes the body of one equation.
import type { Graph } from "../ir/graph.js";
import * as ops from "../ops/index.js";
import { shareCaptures } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { currentTrace, Trace } from "../trace/trace.js";
import { recordIn } from "./active.js";
import { mapEnds, planOrFail, renumber, scalarOf, whereNormal } from "./branches.js";
import { type Abrupt, type Completion, type Evaluator, type Site, Thrown } from "./evaluator.js";
import { throwOnPath } from "./exceptions.js";
import { buildLocation, type LocationPlan, showPlan } from "./locations.js";
import { ABSENT, type Leaf, leafOperand, leafResult, linkBuilt } from "./merge.js";
import { affineOf, type Comparison, comparisonOf, constant, isBaseOf } from "./numbers.js";
import { assign, Cell, currentOf, enterStaled, inFrame, type Location, setCell, type Writes } from "./store.js";

/** A loop, whatever its syntax. */
export interface Loop {
  /** Whether another turn follows; a loop without it ends by leaving. */
  readonly test?: () => boolean | Tensor;
  /** The body; `continue` of this loop ends it normally, `break` of this loop is a break without label. */
  turn(): Completion;
  /** What stands between a turn and the next test. */
  readonly update?: () => void;
  /** do … while: the test comes behind the turn. */
  readonly testsLast?: boolean;
  /** Number of turns that all the world knows, if nothing leaves: unless small, it is not tried out. */
  readonly length?: number;
}

/** Most turns of the loops under way, by the user's word: for each loop by itself, and for all whose number is not known. */
interface Bound {
  readonly all: number | undefined;
  own: number | undefined;
}
const bounds: Bound[] = [{ all: undefined, own: undefined }];

/** Runs `work`, in which loops turn at most so often where that is not known otherwise; undefined: as outside. */
export function withinBound<T>(all: number | undefined, work: () => T): T {
  bounds.push({ all: all ?? bounds.at(-1)!.all, own: undefined });
  try {
    return work();
  } finally {
    bounds.pop();
  }
}

/** The innermost loop under way turns at most so often. */
export function boundLoop(most: number): void {
  bounds.at(-1)!.own = most;
}

/** Times a turn is traced until the types of what is carried hold. */
const ATTEMPTS = 12;

const isOwnBreak = (end: Abrupt | undefined): boolean => end?.kind === "break" && end.label === undefined;
/** How the statement ends that a loop is. */
export const afterLoop = (end: Abrupt | undefined): Abrupt | undefined => (isOwnBreak(end) ? undefined : end);

/** What is carried from turn to turn. */
interface Slot {
  readonly at: Location;
  /** At the start, then behind each turn that was traced. */
  readonly versions: unknown[];
  /** All that was changed up to each. */
  readonly sources: (Writes | undefined)[];
}

/** A turn, traced. */
interface Turn {
  readonly trace: Trace;
  readonly inputs: readonly Tensor[];
  readonly plans: readonly LocationPlan[];
  readonly leaves: readonly Leaf[];
  readonly text: string;
  readonly writes: Writes;
}

export interface Rolled {
  readonly completion: Completion;
  /** Whether some variable is of another kind before the first turn than behind it. */
  readonly isMixed: boolean;
}

/** Rolls the rest of a loop, of which `done` turns have run. */
export function roll(run: Evaluator, loop: Loop, site: Site, done: number): Rolled {
  // how the loop was left: 0 while it goes on, else the number of the end
  const left = new Cell("left", 0);
  const goes = new Cell("goes", true);
  const returned = new Cell("returned", ABSENT);
  let constantReturn: unknown;
  const ends: (Abrupt | undefined)[] = [undefined];

  let testsInside = loop.testsLast === true && loop.test !== undefined;
  if (testsInside && done > 0) setCell(goes, loop.test!());
  if (loop.test && !testsInside) {
    // a test that changes something is part of the turn before it
    const { writes } = recordIn(new Trace(currentTrace(), "test"), () => inFrame(loop.test!));
    if (writes.size > 0) {
      testsInside = true;
      setCell(goes, loop.test());
      if (goes.value === false) return { completion: undefined, isMixed: false };
    }
  }

  const slots = new Map<Location, Slot>();
  const work = (): void => {
    const end = mapEnds(loop.turn(), (each) => each);
    const numbers = endNumbers(end, ends);
    setCell(left, end?.kind === "parted" ? renumber(end.selector, numbers) : numbers[0]!);
    const value = endsOf(end).find((each) => each?.kind === "return");
    if (value?.kind === "return") {
      setCell(returned, value.value);
      constantReturn = value.value;
    }
    whereNormal(run, site, end, () => {
      loop.update?.();
      if (testsInside) setCell(goes, loop.test!());
      return undefined;
    });
  };
  const turn = settle(run, site, slots, work);
  const hasExits = ends.length > 1;

  // the test, on what is carried
  let comparison: Comparison | undefined;
  const test = traceWith(turn, [...slots.values()], () => {
    const conditions: Operand[] = [];
    const holds = testsInside ? goes.value : (loop.test?.() ?? true);
    if (hasExits) conditions.push(ops.eq(asOperand(left.value), constant(0, "i32")));
    if (holds !== true)
      conditions.push(typeof holds === "boolean" ? constant(Number(holds), "bool") : (holds as Tensor));
    comparison = comparisonOf(holds);
    return conditions.length === 2
      ? ops.and(conditions[0]!, conditions[1]!)
      : scalarOf(conditions[0] ?? constant(1, "bool"));
  });
  if (!hasExits && !comparison && isEndless(test.graph))
    throw run.fail(
      site,
      "this loop never ends: nothing that its condition reads changes",
      "change it in the loop, or leave with break",
    );

  const starts = turn.leaves.map((leaf) => leafOperand(leaf, 0));
  const last = turn.leaves.map((leaf) => leaf.values.length - 1);
  const next = recordIn(turn.trace, () => turn.leaves.map((leaf, k) => leafOperand(leaf, last[k]!)));
  const body = { graph: turn.trace.finish(next), captures: turn.trace.captures };
  turn.trace.close();
  const known = loop.length ?? (comparison && turnsOf(comparison, test.inputs, turn));
  const results = emit(body, test, starts, known, hasExits, bounds.at(-1)!);

  const merged = turn.leaves.map((leaf, k) => leafResult(leaf, results[k]!));
  [...slots.values()].forEach(({ at }, i) => void assign(at, buildLocation(turn.plans[i]!, merged)));
  linkBuilt(merged);
  enterStaled(turn.writes);
  return {
    completion: completionOf(left.value, returned.value === ABSENT ? constantReturn : returned.value, ends),
    isMixed: turn.plans.some((plan) => plan.kind === "cell" && plan.plan.kind === "mixed"),
  };
}

/** Traces turns until what they leave behind has the types that they start from. */
function settle(run: Evaluator, site: Site, slots: Map<Location, Slot>, work: () => void): Turn {
  let last: Writes | undefined;
  for (let k = 0; k < ATTEMPTS; k++) {
    const before = planAll(run, site, slots);
    const trace = new Trace(currentTrace(), currentTrace()!.name);
    const inputs = before.leaves.map((leaf) => leafResult(leaf, trace.input(leaf.type), true));
    const { writes } = recordIn(trace, () =>
      inFrame(() => {
        try {
          [...slots.values()].forEach(({ at }, i) => void assign(at, buildLocation(before.plans[i]!, inputs)));
          linkBuilt(inputs);
          if (last) enterStaled(last);
          work();
        } catch (error) {
          if (!(error instanceof Thrown)) throw error;
          throw throwOnPath(run, error);
        }
      }),
    );
    if (trace.writes.size > 0)
      throw run.fail(
        site,
        "a variable is assigned in a rolled loop",
        "carry its value in a local variable, and assign it behind the loop",
      );
    for (const [at, value] of writes) {
      const slot = slots.get(at);
      if (slot) {
        slot.versions.push(value);
        slot.sources.push(writes);
      } else {
        const fresh: Slot = { at, versions: [currentOf(at), value], sources: [undefined, writes] };
        if (planAll(run, site, new Map([[at, fresh]])).text !== SAME) slots.set(at, fresh);
      }
    }
    const after = planAll(run, site, slots);
    if (after.text === before.text)
      return { trace, inputs, plans: after.plans, leaves: after.leaves, text: after.text, writes };
    trace.close();
    last = writes;
  }
  throw run.fail(
    site,
    "what this loop changes has no type that holds from turn to turn",
    "keep each variable a number, or an array of one length",
  );
}

const SAME = "same";

function planAll(run: Evaluator, site: Site, slots: ReadonlyMap<Location, Slot>) {
  const leaves: Leaf[] = [];
  const plans = [...slots.values()].map(({ at, versions, sources }) =>
    planOrFail(run, site, at, versions, leaves, "in a traced loop", true, sources),
  );
  return { leaves, plans, text: plans.map((plan) => showPlan(plan, leaves)).join(";") };
}

/** Traces `work` once more on values like those carried. */
function traceWith(
  turn: Turn,
  slots: readonly Slot[],
  work: () => Tensor,
): { readonly graph: Graph; readonly captures: readonly Tensor[]; readonly inputs: readonly Tensor[] } {
  const trace = new Trace(currentTrace(), currentTrace()!.name);
  const inputs = turn.leaves.map((leaf) => leafResult(leaf, trace.input(leaf.type), true));
  return recordIn(trace, () => {
    const { result } = inFrame(() => {
      slots.forEach(({ at }, i) => void assign(at, buildLocation(turn.plans[i]!, inputs)));
      linkBuilt(inputs);
      return work();
    });
    const graph = trace.finish([result]);
    trace.close();
    return { graph, captures: trace.captures, inputs };
  });
}

/** A condition that reads nothing that is carried, and is not false. */
function isEndless({ eqns, outputs }: Graph): boolean {
  const constants = new Set<unknown>(
    eqns.filter((eqn) => eqn.inputs.every((x) => x.kind === "literal" && x.value !== 0)).flatMap((eqn) => eqn.outputs),
  );
  return outputs.every((x) => x.kind === "literal" || constants.has(x)) && eqns.length <= 1;
}

const endsOf = (end: Completion): readonly (Abrupt | undefined)[] =>
  end?.kind === "parted" ? end.cases : [end as Abrupt | undefined];

/** Numbers of the ends of a turn; new ones are entered. Going on is 0. */
function endNumbers(end: Completion, ends: (Abrupt | undefined)[]): number[] {
  return endsOf(end).map((each) => {
    if (each === undefined) return 0;
    const found = ends.findIndex(
      (x) => x?.kind === each.kind && (x.kind === "return" || x.label === (each as { label?: string }).label),
    );
    if (found > 0) return found;
    return ends.push(each.kind === "return" ? { kind: "return", value: undefined } : each) - 1;
  });
}

function completionOf(left: unknown, returned: unknown, ends: readonly (Abrupt | undefined)[]): Completion {
  const cases = ends.map((end): Abrupt | undefined =>
    end?.kind === "return" ? { kind: "return", value: returned } : end,
  );
  if (typeof left === "number") return afterLoop(cases[left]);
  return mapEnds({ kind: "parted", selector: left as Tensor, cases }, afterLoop);
}

const asOperand = (x: unknown): Operand => (typeof x === "number" ? constant(x, "i32") : (x as Tensor));

/** Number of turns of a loop that counts to a number; undefined where that is not what it does. */
function turnsOf(
  { operator, left, bound }: Comparison,
  tested: readonly Tensor[],
  { leaves, inputs }: Turn,
): number | undefined {
  const at = tested.findIndex((x) => isBaseOf(x, left));
  const leaf = leaves[at];
  const start = leaf?.values[0];
  const step = affineOf(leaf?.values.at(-1));
  if (typeof start !== "number" || !step || !isBaseOf(inputs[at]!, step)) return undefined;
  const distance = bound - start - left.offset;
  const by = step.offset;
  const turns = {
    "<": by > 0 ? Math.ceil(distance / by) : distance > 0 ? undefined : 0,
    "<=": by > 0 ? Math.floor(distance / by) + 1 : distance >= 0 ? undefined : 0,
    ">": by < 0 ? Math.ceil(distance / by) : distance < 0 ? undefined : 0,
    ">=": by < 0 ? Math.floor(distance / by) + 1 : distance <= 0 ? undefined : 0,
    "!==": by !== 0 && Number.isInteger(distance / by) && distance / by >= 0 ? distance / by : undefined,
  }[operator];
  if (turns === undefined) return undefined;
  return Number.isSafeInteger(turns) ? Math.max(0, turns) : undefined;
}

/** The loop as an equation: a scan where all turns run, else a while. */
function emit(
  body: { readonly graph: Graph; readonly captures: readonly Tensor[] },
  test: { readonly graph: Graph; readonly captures: readonly Tensor[] },
  starts: readonly Operand[],
  turns: number | undefined,
  hasExits: boolean,
  { all, own }: Bound,
): Tensor[] {
  const most = turns === undefined ? (own ?? all) : Math.min(turns, own ?? turns);
  if (turns !== undefined && !hasExits) {
    const { graphs, captures } = shareCaptures([body]);
    return ops.scanArrays({ body: graphs[0]!, length: most!, reverse: false }, captures, starts, []);
  }
  const { graphs, captures } = shareCaptures([test, body]);
  return ops.whileHolds(graphs[0]!, graphs[1]!, captures, starts, most);
}
