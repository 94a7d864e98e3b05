// Refuses functions that use a traced value where JavaScript does not ask us: truthiness, identity, indexing.
import { indentLines } from "../core/code-frame.js";
import { TraceError } from "../core/errors.js";
import type { Path } from "../core/tree.js";
import type { Location } from "../ir/graph.js";
import { findHazards, type Hazard } from "./hazards.js";
import { showPlace } from "./place.js";
import { scopesIn, unlessTooDeep } from "./scopes.js";
import { type AnyFunction, type FunctionSource, functionSource } from "./source.js";
import { type IsTraced, Values } from "./values.js";

export interface LintOptions {
  /** Positions of arguments that are never traced. */
  readonly staticParams?: ReadonlySet<number>;
  /**
   * Whether the argument at `index` is itself a traced value; for a `path` of keys, whether what stands there in it is.
   * Without it, a parameter, or an element of a destructured one, is taken for traced unless it has a default.
   */
  readonly traced?: (index: number, path: Path) => boolean;
  /** Where the trace was asked for. The user's current place unless given. */
  readonly location?: Location | undefined;
}

/**
 * Throws a `TraceError` with a code frame when `fn` asks a traced parameter, or what is obviously computed from one,
 * for what no tracer can intercept: `if (x)`, `!x`, `x && y`, `x === y`, `switch (x)`, `x[0]`. Says nothing where that
 * is not certain. Functions whose source cannot be read pass.
 */
export function checkHazards(fn: AnyFunction, options: LintOptions = {}): void {
  const source = functionSource(fn);
  const hazard = source && firstHazard(source, options);
  if (hazard) throw new TraceError(describe(fn, source, hazard, options.location));
}

// ---------------------------------------------------------------------------------------------------------------------

/** What was found, and the answers about the arguments that led to it. */
interface Finding {
  readonly answers: readonly { readonly question: Parameters<IsTraced>; readonly answer: boolean }[];
  readonly hazard: Hazard | undefined;
}

const findingsOf = new WeakMap<FunctionSource, Finding[]>();
const FINDINGS = 16; // kept per function

function firstHazard(source: FunctionSource, options: LintOptions): Hazard | undefined {
  const scopes = scopesIn(source);
  if (!scopes || scopes.dynamic) return undefined;
  let findings = findingsOf.get(source);
  if (!findings) {
    findings = [];
    findingsOf.set(source, findings);
  }

  const isTraced: IsTraced = (index, path, as) => {
    if (options.staticParams?.has(index)) return false;
    return options.traced ? options.traced(index, path) : as === "variable";
  };
  const known = findings.find(({ answers }) => answers.every((each) => isTraced(...each.question) === each.answer));
  if (known) return known.hazard;

  const answers: { question: Parameters<IsTraced>; answer: boolean }[] = [];
  const hazard = unlessTooDeep(() => {
    const values = new Values(scopes, (...question) => {
      const answer = isTraced(...question);
      answers.push({ question, answer });
      return answer;
    });
    return findHazards(source.node, values)[0];
  });
  if (findings.length >= FINDINGS) findings.shift();
  findings.push({ answers: distinct(answers), hazard });
  return hazard;
}

function distinct(answers: Finding["answers"]): Finding["answers"] {
  return [...new Map(answers.map((each) => [JSON.stringify(each.question), each])).values()];
}

// ---------------------------------------------------------------------------------------------------------------------

function describe(fn: AnyFunction, source: FunctionSource, hazard: Hazard, location: Location | undefined): string {
  const { start, end } = hazard.node;
  const value = snippet(source.text.slice(start - source.shift, end - source.shift));
  return [
    `${hazard.construct}: ${verdict(hazard, value)}`,
    showPlace(fn, source, start, end, location),
    `  hint: ${hint(hazard, value)}`,
    ...(hazard.kind === "truth" && hazard.isParameter ? [indentLines(flagHint(value), "        ")] : []),
  ].join("\n");
}

function verdict({ kind }: Hazard, value: string): string {
  switch (kind) {
    case "truth":
      return `${value} is traced, and a traced value has no truth value while the function is traced`;
    case "identity":
      return `${value} is traced, and this would compare tracer objects instead of the values they stand for`;
    case "index":
      return `${value} is traced, and a traced value has no elements that JavaScript could read`;
  }
}

function hint({ kind, construct }: Hazard, value: string): string {
  if (kind === "index") return `use ${value}.at(i) to read an element; traced values are never written to`;
  if (kind === "identity") {
    if (construct === "switch") return `choose between the results with where(${value}.eq(k), a, b)`;
    return `use ${value}.${construct.startsWith("!") ? "ne" : "eq"}(y), which compares element by element`;
  }
  switch (construct) {
    case "&&":
    case "&&=":
      return `use where(${value}, y, false) for a condition, where(${value}, a, b) for a choice`;
    case "||":
    case "||=":
      return `use where(${value}, true, y) for a condition, ?? for a default`;
    case "!":
      return `use where(${value}, false, true)`;
    case "Boolean()":
      return `use where(${value}, true, false)`;
    case "while":
    case "do while":
    case "for":
      return `loop a number of times that is known while tracing, and keep what is done with where(${value}, next, last)`;
    default:
      return `use where(${value}, a, b), which computes both and chooses element by element`;
  }
}

const flagHint = (value: string): string =>
  `to ask whether it was given, write ${value} !== undefined\na flag is captured by the function or listed in staticArgnums`;

/** A piece of code on one line, cut where it is long. */
function snippet(code: string): string {
  const line = code.replace(/\s+/g, " ");
  return line.length > 40 ? `${line.slice(0, 39)}…` : line;
}
