// Where the elements of models that are batched together lie: side by side in stacks, which each call reads and writes.
import { aval } from "../core/aval.js";
import { literal } from "../ir/graph.js";
import { concatenate, dynamicUpdateSlice, expandDims, flip, gather, slice, squeeze } from "../ops/index.js";
import { copies } from "../trace/copies.js";
import { fromHost } from "../trace/create.js";
import { writeBack } from "../trace/stage.js";
import { type ArrayHandle, Tensor } from "../trace/tensor.js";
import { currentTrace, runTraced, untraced } from "../trace/trace.js";
import { Stack, Variable } from "../trace/variable.js";

/**
 * One tensor of all, along axis 0. Variables that have their elements for themselves are moved into a stack, once; the
 * same ones in the same order are that stack from then on. Others, some of a stack or of several, are gathered once, and
 * again when they have changed, and so are tensors that never change; a call that will write variables reads them where
 * they are, in one stack for all.
 */
export function stackOf(tensors: readonly Tensor[], willWrite: boolean): Tensor {
  const found = areVariables(tensors) ? stackOfVariables(tensors, willWrite) : gatheredOrTraced(tensors);
  // what is traced now holds as long as they stay there
  for (const x of tensors) if (!x.traced) currentTrace()?.noteRow(x);
  return found;
}

/** Variables, none of which the function being traced has assigned by itself or differentiates by. */
const areVariables = (tensors: readonly Tensor[]): tensors is readonly Variable[] =>
  tensors.every((x) => x instanceof Variable && isItself(x));

const isItself = (x: Tensor): boolean => (currentTrace()?.resolve(x) ?? x) === x;

const gatheredOrTraced = (tensors: readonly Tensor[]): Tensor =>
  keepingNow() === "nothing" && !tensors.some((x) => x.traced || isRewritten(x))
    ? gathered(tensors)
    : inOneProgram(() => sideBySide(tensors));

const keepingNow = () => currentTrace()?.keeping ?? "nothing";

function stackOfVariables(variables: readonly Variable[], willWrite: boolean): Tensor {
  const keeping = keepingNow();
  const rows = rowsOf(variables);
  if (keeping !== "variables apart") {
    if (rows && isWhole(rows)) return rows.stack;
    if (variables.every((x) => !x.row)) return moved(variables, willWrite);
  }
  if (keeping !== "nothing") return inOneProgram(() => sideBySide(variables));
  if (!willWrite && !variables.some(isRewritten)) return gathered(variables);
  if (rows) return inOneProgram(() => entriesOf(rows));
  if (variables.some(isRewritten)) return inOneProgram(() => sideBySide(variables));
  // those that they share stacks with come along: then sets that overlap do not take them from one another for ever
  return moved([...variables, ...variables.flatMap((x) => x.row?.of.members ?? [])], willWrite, variables);
}

/** Moves variables into a stack of their own, and gives what it has of some. */
function moved(all: readonly Variable[], willWrite: boolean, wanted = all): Tensor {
  const distinct = [...new Set(all)];
  copies.arraysStacked++;
  untraced(() => new Stack(runTraced("stack", () => [sideBySide(distinct)])[0]!, distinct));
  return stackOfVariables(wanted, willWrite);
}

/** The function being traced has assigned a tensor that the elements of `x` lie in. */
const isRewritten = (x: Tensor): boolean => !isItself(x) || (x.row !== undefined && isRewritten(x.row.of));

/** Entries of one stack. */
interface Rows {
  readonly stack: Stack;
  readonly rows: readonly number[];
}

function rowsOf(tensors: readonly Tensor[]): Rows | undefined {
  const stack = tensors[0]?.row?.of;
  if (!(stack instanceof Stack) || !tensors.every((x) => x.row?.of === stack)) return undefined;
  return { stack, rows: tensors.map((x) => x.row!.index) };
}

const isWhole = ({ stack, rows }: Rows): boolean => rows.length === stack.shape[0] && rows.every((row, k) => row === k);

/** Rows that follow one another, upwards (1) or downwards (-1). */
const areInTurn = (rows: readonly number[], step: 1 | -1): boolean =>
  rows.every((row, k) => row === rows[0]! + step * k);

/** These rows, in their order. */
function entriesOf({ stack, rows }: Rows): Tensor {
  const [lowest, rest] = [Math.min(...rows), stack.shape.slice(1)];
  const range = (): Tensor =>
    slice(stack, {
      start: [lowest, ...rest.map(() => 0)],
      stop: [lowest + rows.length, ...rest],
      step: stack.shape.map(() => 1),
    });
  if (areInTurn(rows, 1)) return range();
  if (areInTurn(rows, -1)) return flip(range(), [0]);
  return gather(stack, [indices(rows)], { axes: [0], batch: 0, mode: "clip" });
}

/** The stack with `value` in these rows. */
function withEntries({ stack, rows }: Rows, value: Tensor): Tensor {
  const i32 = (x: number) => literal(x, aval("i32", []));
  if (areInTurn(rows, 1))
    return dynamicUpdateSlice(
      stack,
      value,
      stack.shape.map((_, axis) => i32(axis === 0 ? rows[0]! : 0)),
    );
  const count = stack.shape[0]!;
  const from = Array.from({ length: count }, (_, row) => (rows.includes(row) ? count + rows.indexOf(row) : row));
  return gather(concatenate([stack, value], 0), [indices(from)], { axes: [0], batch: 0, mode: "clip" });
}

const indices = (rows: readonly number[]): Tensor =>
  fromHost({ dtype: "i32", shape: [rows.length], data: Int32Array.from(rows) });

const sideBySide = (tensors: readonly Tensor[]): Tensor =>
  concatenate(
    tensors.map((x) => expandDims(x, [0])),
    0,
  );

/** Traced ops go into the trace under way; others are one program. */
const inOneProgram = (work: () => Tensor): Tensor =>
  currentTrace() ? work() : runTraced("ensemble", () => [work()])[0]!;

const versionOf = (x: Tensor): object => (x instanceof Variable ? x.version : x);

/** Tensors side by side in an array of their own, which is made anew when a variable among them has changed. */
class Gathered extends Tensor {
  readonly of: readonly Tensor[];
  #versions: readonly object[];
  #array: ArrayHandle;

  constructor(of: readonly Tensor[]) {
    const handle = gatherNow(of);
    super(aval(of[0]!.dtype, [of.length, ...of[0]!.shape]), { handle });
    this.of = of;
    this.#versions = of.map(versionOf);
    this.#array = handle;
  }

  override get handle(): ArrayHandle {
    if (this.of.some((x, k) => versionOf(x) !== this.#versions[k])) {
      this.#versions = this.of.map(versionOf);
      this.#array.release();
      this.#array = gatherNow(this.of);
    }
    return this.#array;
  }
}

function gatherNow(tensors: readonly Tensor[]): ArrayHandle {
  copies.arraysGathered++;
  return untraced(() => {
    const rows = rowsOf(tensors);
    return runTraced("gather", () => [rows ? entriesOf(rows) : sideBySide(tensors)])[0]!.handle;
  });
}

/** What was gathered, by the first of the tensors. */
const kept = new WeakMap<Tensor, Gathered[]>();

/** So many sets that begin with the same tensor are kept. */
const SETS = 2;

function gathered(tensors: readonly Tensor[]): Gathered {
  const [first] = tensors as [Tensor];
  const sets = kept.get(first) ?? [];
  const known = sets.find(({ of }) => of.length === tensors.length && of.every((x, k) => x === tensors[k]));
  const found = known ?? new Gathered(tensors);
  kept.set(first, [found, ...sets.filter((x) => x !== found)].slice(0, SETS));
  return found;
}

/** Gives each variable its entry of `value`: the stack that they are is replaced, or the rows of one. */
export function writeStack(variables: readonly Variable[], value: Tensor): void {
  const keeping = keepingNow();
  const rows = areVariables(variables) ? rowsOf(variables) : undefined;
  if (rows && isWhole(rows) && keeping !== "variables apart") {
    writeBack([rows.stack], [value]);
    return;
  }
  if (rows && keeping === "nothing") {
    writeBack([rows.stack], [inOneProgram(() => withEntries(rows, value))]);
    return;
  }
  const rest = value.shape.slice(1);
  const entry = (index: number): Tensor =>
    inOneProgram(() =>
      squeeze(
        slice(value, {
          start: [index, ...rest.map(() => 0)],
          stop: [index + 1, ...rest],
          step: value.shape.map(() => 1),
        }),
        [0],
      ),
    );
  writeBack(
    variables,
    variables.map((_, index) => entry(index)),
  );
}
