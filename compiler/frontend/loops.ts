// Loops: unrolled while all that decides is known, otherwise rolled into one equation with what changes carried.
import { currentTrace, recordedEquations } from "../trace/trace.js";
import { mapEnds, whereNormal } from "./branches.js";
import { type Completion, type Evaluator, isTraceError, type Site } from "./evaluator.js";
import { afterLoop, type Loop, roll, withinBound } from "./roll.js";
import { attempt } from "./store.js";

/** Turns that are unrolled before a loop is rolled. */
const UNROLLED = 64;
/** Known turns in front of a traced one that are rolled with it. */
const EARLY = 4;
/** Equations that a loop is unrolled to before it is rolled: nested loops multiply. */
const EQUATIONS = 2048;
/** Turns that are unrolled where rolling is impossible. */
const MOST_UNROLLED = 4096;

type Try = { readonly kind: "done" | "open"; readonly completion: Completion } | { readonly kind: "traced" | "long" };

/** Interprets a loop. */
export const runLoop = (run: Evaluator, loop: Loop, site: Site): Completion =>
  withinBound(undefined, () => runWithinBound(run, loop, site));

function runWithinBound(run: Evaluator, loop: Loop, site: Site): Completion {
  const before = currentTrace()!.eqns.length;
  const startedAt = recordedEquations();
  let turns = 0;
  const unroll = (limit: number): Try => {
    for (; ; turns++) {
      const isHeavy = limit === UNROLLED && recordedEquations() - startedAt > EQUATIONS;
      if ((turns >= limit || isHeavy) && currentTrace()!.eqns.length > before) return { kind: "long" };
      const tried = tentative(
        () => oneTurn(loop, turns === 0),
        ({ kind }) => kind !== "traced",
      );
      if (tried.kind !== "open") return tried;
    }
  };
  const isLong = loop.length !== undefined && loop.length > UNROLLED;
  // turns that need not be known are rolled with the others
  const isEarly = (): boolean => turns > 0 && turns <= EARLY;
  let first: Try = isLong
    ? { kind: "long" }
    : tentative(
        () => unroll(UNROLLED),
        ({ kind }) => kind === "done" || (kind === "traced" && !isEarly()),
      );
  if (first.kind === "traced" && isEarly()) {
    const whole = tentative(
      () => rollWhole(run, loop, site),
      (rolled) => rolled !== undefined,
    );
    if (whole) return whole.completion;
    turns = 0;
    first = tentative(() => unroll(UNROLLED));
  }
  if (first.kind === "done") return first.completion;
  if (first.kind === "traced") {
    try {
      return tentative(() => roll(run, loop, site, turns).completion);
    } catch (error) {
      const guarded = isTraceError(error) ? attemptGuarded(run, loop, site, turns) : undefined;
      if (!guarded) throw error;
      return guarded.completion;
    }
  }
  try {
    return tentative(() => roll(run, loop, site, 0).completion);
  } catch (error) {
    if (!isTraceError(error)) throw error;
    turns = 0;
    const again = tentative(
      () => unroll(MOST_UNROLLED),
      ({ kind }) => kind === "done",
    );
    if (again.kind === "done") return again.completion;
    throw error;
  }
}

/** The loop rolled from its first turn on; undefined where a variable has its kind only behind that. */
function rollWhole(run: Evaluator, loop: Loop, site: Site): { readonly completion: Completion } | undefined {
  try {
    const rolled = roll(run, loop, site, 0);
    return rolled.isMixed ? undefined : rolled;
  } catch (error) {
    if (isTraceError(error)) return undefined;
    throw error;
  }
}

/** Runs `work` and keeps what it changed and recorded, unless it throws or `keep` refuses its result. */
function tentative<T>(work: () => T, keep: (result: T) => boolean = () => true): T {
  const trace = currentTrace()!;
  const mark = trace.mark();
  let kept = false;
  try {
    return attempt(work, (result) => {
      kept = keep(result);
      return kept;
    });
  } finally {
    if (!kept) trace.rewind(mark);
  }
}

/** One turn whose test and end are known while tracing; "traced" where they are not. */
function oneTurn(loop: Loop, isFirst: boolean): Try {
  if (loop.test && !(loop.testsLast && isFirst)) {
    const holds = loop.test();
    if (typeof holds !== "boolean") return { kind: "traced" };
    if (!holds) return { kind: "done", completion: undefined };
  }
  const end = loop.turn();
  if (end?.kind === "parted") return { kind: "traced" };
  if (end) return { kind: "done", completion: afterLoop(end) };
  loop.update?.();
  return { kind: "open", completion: undefined };
}

/** Turns behind one another, each on the paths that have not left; undefined where a test is traced. */
function attemptGuarded(
  run: Evaluator,
  loop: Loop,
  site: Site,
  from: number,
): { readonly completion: Completion } | undefined {
  const isOpen = Symbol("a traced test");
  const turn = (count: number): Completion => {
    if (loop.test && !(loop.testsLast && count === 0)) {
      const holds = loop.test();
      if (typeof holds !== "boolean" || count > from + UNROLLED) throw isOpen;
      if (!holds) return undefined;
    } else if (count > from + UNROLLED) throw isOpen;
    return whereNormal(run, site, loop.turn(), () => {
      loop.update?.();
      return turn(count + 1);
    });
  };
  try {
    return {
      completion: mapEnds(
        tentative(() => turn(from)),
        afterLoop,
      ),
    };
  } catch (error) {
    if (error === isOpen || isTraceError(error)) return undefined;
    throw error;
  }
}
