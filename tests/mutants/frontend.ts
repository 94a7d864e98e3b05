// Mutants of compiler/frontend: one change of its text each, that some test of the front-end must notice.

export interface FrontendMutant {
  readonly name: string;
  /** In compiler/frontend. */
  readonly file: string;
  /** Text that stands there once. */
  readonly from: string;
  readonly to: string;
  /** Why no test can notice it. */
  readonly reason?: string;
}

const of =
  (file: string) =>
  (name: string, from: string, to: string, reason?: string): FrontendMutant => ({
    name,
    file: `${file}.ts`,
    from,
    to,
    ...(reason !== undefined && { reason }),
  });

const roll = of("roll");
const [branches, loops, statements, expressions] = ["branches", "loops", "statements", "expressions"].map(of) as [
  ReturnType<typeof of>,
  ReturnType<typeof of>,
  ReturnType<typeof of>,
  ReturnType<typeof of>,
];
const [merge, store, numbers, operators, elements, math] = [
  "merge",
  "store",
  "numbers",
  "operators",
  "elements",
  "math",
].map(of) as [
  ReturnType<typeof of>,
  ReturnType<typeof of>,
  ReturnType<typeof of>,
  ReturnType<typeof of>,
  ReturnType<typeof of>,
  ReturnType<typeof of>,
];
const [functions, builtins, calls, properties] = ["functions", "builtins", "calls", "properties"].map(of) as [
  ReturnType<typeof of>,
  ReturnType<typeof of>,
  ReturnType<typeof of>,
  ReturnType<typeof of>,
];

export const frontendMutants: readonly FrontendMutant[] = [
  branches("branches swapped", "[tracePath(run, no), taken]", "[taken, tracePath(run, no)]"),
  branches("select swapped", "ops.select(chooser, values[1]!, first)", "ops.select(chooser, first, values[1]!)"),
  branches("|| is &&", "(isOr ? ops.or : ops.and)", "(isOr ? ops.and : ops.or)"),
  branches(
    "a short circuit's sides swapped",
    "isOr ? [path, known] : [known, path]",
    "isOr ? [known, path] : [path, known]",
  ),
  branches("an impure right side always runs", "path.writes.size === 0 && trace.writes.size === 0", "true"),
  branches(
    "what follows runs on the paths that left",
    "completion.cases.indexOf(undefined)",
    "completion.cases.findIndex((x) => x !== undefined)",
  ),
  branches(
    "ends are numbered by the first",
    "own.map((end) => union.findIndex((x) => showEnd(x) === showEnd(end)))",
    "own.map(() => 0)",
  ),
  branches("labels of ends are forgotten", '(end.label ?? "")}', '""}'),
  branches("a renamed selector keeps its numbers", "numbers.every((n, i) => n === i)", "numbers.length > 0"),
  branches(
    "a path reads what another changed",
    "const sources = paths.map(({ writes }) => writes);\n  const changed",
    "const sources: never[] = [];\n  const changed",
  ),
  branches(
    "a variable reads what another path changed in its object",
    'leaves, "under a traced condition", false, sources)',
    'leaves, "under a traced condition", false, [])',
  ),
  roll("a turn less", "by > 0 ? Math.ceil(distance / by)", "by > 0 ? Math.floor(distance / by)"),
  roll("<= is <", "by > 0 ? Math.floor(distance / by) + 1", "by > 0 ? Math.floor(distance / by)"),
  roll(
    "counting down stops early",
    '">=": by < 0 ? Math.floor(distance / by) + 1',
    '">=": by < 0 ? Math.floor(distance / by)',
  ),
  roll("the start is forgotten", "bound - start - left.offset", "bound - left.offset"),
  roll(
    "a loop with exits is a scan",
    "turns !== undefined && !hasExits",
    "turns !== undefined",
    "where a turn may leave, its counter is counted on one path only, and the number of turns is not known",
  ),
  loops(
    "break goes on",
    'if (end) return { kind: "done", completion: afterLoop(end) };',
    'if (end && end.kind !== "break") return { kind: "done", completion: afterLoop(end) };',
  ),
  roll("a loop's break leaves the one around", "isOwnBreak(end) ? undefined : end", "end"),
  roll("no update behind a turn", "loop.update?.();\n      if (testsInside)", "if (testsInside)"),
  loops("do tests first", "if (loop.test && !(loop.testsLast && isFirst))", "if (loop.test)"),
  roll("a test that changes something is asked apart", "if (writes.size > 0) {", "if (writes.size < 0) {"),
  roll(
    "what a loop carries starts as it ends",
    "turn.leaves.map((leaf) => leafOperand(leaf, 0))",
    "turn.leaves.map((leaf) => leafOperand({ ...leaf, values: [0] }, 0))",
  ),
  roll(
    "types of what is carried are not widened",
    "if (after.text === before.text)",
    "if (k === 0 || after.text === before.text)",
  ),
  roll(
    "a return in a loop goes on",
    'setCell(left, end?.kind === "parted" ? renumber(end.selector, numbers) : numbers[0]!);',
    'setCell(left, end?.kind === "parted" ? renumber(end.selector, numbers.map(() => 0)) : numbers[0]!);',
  ),
  roll("the last turn that was traced is not carried", "leafOperand(leaf, last[k]!)", "leafOperand(leaf, 0)"),
  statements(
    "break is continue",
    'return each.kind === "continue" ? undefined : { kind: "break", label: undefined };',
    "return undefined;",
  ),
  statements(
    "labels are not the loop's",
    "each.label === undefined || labels.includes(each.label)",
    "each.label === undefined",
  ),
  statements(
    "a case does not fall through",
    "node.cases.slice(entry).flatMap",
    "node.cases.slice(entry, entry + 1).flatMap",
  ),
  statements(
    "default is the last case",
    "const none = node.cases.findIndex((each) => !each.test);",
    "const none = node.cases.length - 1;",
  ),
  statements(
    "a case is asked behind one that holds",
    'before.length === 0 || test.type === "Literal" || test.type === "Identifier"',
    "true",
  ),
  statements("else is left out", "part(alternate, leaves[1]!)", "part(undefined, leaves[1]!)"),
  statements(
    "what follows an if runs on one path",
    "covers && !isLeft ? whereNormal",
    "covers && isLeft ? whereNormal",
  ),
  statements(
    "finally is skipped",
    "const last = finalize();\n  if (!last) return end;",
    "const last = undefined as Completion;\n  if (!last) return end;",
  ),
  statements(
    "closures of turns share a variable",
    "own.declare(new Cell(name, scope.own(name)!.value))",
    "own.declare(scope.own(name)!)",
  ),
  statements(
    "an own break leaves more than the switch",
    'each?.kind === "break" && each.label === undefined ? undefined : each',
    "each",
  ),
  expressions("x++ is ++x", "node.prefix ? next : old", "next"),
  expressions("! is forgotten", 'unary(run, "!", holds, site)', "holds"),
  expressions(
    "&&= is ||=",
    'return operator === "||=" ? branch(run, site, holds, own, other)',
    'return operator === "&&=" ? branch(run, site, holds, own, other)',
  ),
  expressions(
    "&& gives its other side",
    'return operator === "||" ? branch(run, site, holds, own, other)',
    'return operator === "&&" ? branch(run, site, holds, own, other)',
  ),
  expressions(
    "operands in the other order",
    "const left = run.evaluate(node.left, scope);\n      return binary(run, node.operator, left, run.evaluate(node.right, scope), site);",
    "const right = run.evaluate(node.right, scope);\n      return binary(run, node.operator, run.evaluate(node.left, scope), right, site);",
  ),
  expressions("the comma gives its first", "run.evaluate(each, scope)).at(-1);", "run.evaluate(each, scope)).at(0);"),
  merge("chosen objects lose their names", "return known.plan;", "void known;"),
  merge("chosen objects forget what they may be", "linkSides(made, plan.sides);", ""),
  merge(
    "private fields are lost",
    "for (const [name, item] of plan.privates ?? [])",
    "for (const [name, item] of new Map<object, Plan>())",
  ),
  merge(
    "whole numbers have the bounds of the first",
    'Math.max(...ranges.map(([, high]) => high))];\n    return { type: aval("i32"',
    'ranges[0]![1]];\n    return { type: aval("i32"',
  ),
  merge("counters have narrow bounds", "inLoop ? loopRange(range) : range", "range"),
  store(
    "a write to a variable is not undone",
    "!top.saved.has(cell)) top.saved.set(cell, cell.value);",
    "!top.saved.has(cell)) void cell;",
  ),
  store(
    "a write to an object is not undone",
    "&& !top.saved.has(x)) top.saved.set(x, contentsOf(x));",
    "&& top.saved.has(x)) top.saved.set(x, contentsOf(x));",
  ),
  store(
    "a try that is kept forgets what was before",
    "if (top && born < top.serial && !top.saved.has(x)) top.saved.set(x, value);",
    "void born;",
  ),
  store(
    "what became stale is fresh behind its path",
    "for (const x of staledBy.get(writes)!) enterStale(x);",
    "void writes;",
  ),
  numbers("NaN holds", 'x.dtype === "f32" ? ops.and(isThere, ops.not(ops.isNan(x))) : isThere', "isThere"),
  numbers("bounds of a difference", "[a - d, b - c]", "[a - c, b - d]"),
  numbers("bounds of a sum are not kept to 32 bits", "if (inside(bounds, INT32)) return asWhole", "return asWhole"),
  numbers("whole % may be by 0", "(b.range[0] > 0 || b.range[1] < 0)", "true"),
  numbers(
    "low bits of a product are lost",
    "p && q && range(p, q), () => apply(lowBits",
    "undefined, () => apply(lowBits",
    "the interpreter in 64 bits has these bits in any case; f32 has not",
  ),
  numbers(
    ">>> of a negative number is signed",
    'return withLowBits(ops.cast(shifted, "f32"),',
    'return withLowBits(ops.cast(ops.cast(shifted, "i32"), "f32"),',
  ),
  numbers("-0 counts as whole", "!Object.is(x, -0) && ", ""),
  numbers("ToInt32 saturates", "ops.select(ops.lt(ops.abs(whole), constant(2 ** 31)), whole, high)", "whole"),
  numbers("shifts count beyond 31", 'ops.and(b, constant(31, "i32"))', "b"),
  numbers("a comparison is not mirrored", "operator: mirrored[operator]", "operator"),
  numbers("1 to the NaN is 1", 'if (typeof y === "number" && Number.isFinite(y)) return result;', "return result;"),
  operators("=== of a boolean and a number holds", "if (strict && isBool(x) !== isBool(y)) return negated;", ""),
  operators("NaN equals itself", "return equal(only, only, negated,", "return !negated || equal(only, only, negated,"),
  operators("-- counts on", 'binary(run, by === 1 ? "+" : "-"', 'binary(run, "+"'),
  elements(
    "the first element is the last choice",
    "if (certain && i === 0) return rest;",
    "if (certain && i <= 1) return rest;",
  ),
  elements(
    "a written element is another's",
    'const chosen = ops.select(ops.eq(at, constant(i, "i32")), next,',
    'const chosen = ops.select(ops.eq(at, constant(i + 1, "i32")), next,',
  ),
  math("halves round down", "ops.ge(ops.sub(x, below), constant(0.5))", "ops.gt(ops.sub(x, below), constant(0.5))"),
  math("bounds of a minimum", "[pick(p[0], q[0]), pick(p[1], q[1])]", "[p[0], p[1]]"),
  math("a boolean is an integer", '(converts || value.dtype !== "bool")', "true"),
  functions(
    "a path without a return is forgotten",
    "end.cases.includes(undefined) && value !== undefined ? new Mixed([value, undefined]) : value",
    "value",
  ),
  functions("a derived class has no object of its own", "self: { value: self, isSet: true }", "self: undefined"),
  builtins(
    "some is every",
    "return found === isSome ? isSome : from(i + 1);",
    "return found === isSome ? !isSome : from(i + 1);",
  ),
  builtins(
    "findIndex counts from 1",
    "const value = isIndex ? i : list[i];",
    "const value = isIndex ? i + 1 : list[i];",
  ),
  calls("apply drops its arguments", "(args[1] as unknown[] | undefined) ?? []", "[]"),
  properties("a setter is not run", "run.call(property.set, object, [value], site);", ""),
  properties("a getter is not run", "? run.call(property.get, self, [], site)", "? undefined"),
];
