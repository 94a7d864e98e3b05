// Dispatches of running folds along an axis.
import { fillTemplate } from "../../kernels/index.js";
import { type Shape, sizeOf } from "../core/shape.js";
import { type DeviceLimits, grid } from "../ir/limits.js";
import type { OpaqueBuffer, OpaqueDispatch, OpaqueKernels } from "../ir/op.js";

const WIDTH = 256;
/** Neighbours that an invocation folds at a time. */
const ITEMS = 8;
/** Rows as short as this, and rows so many, get an invocation each. */
const SHORT = 64;
const MANY_ROWS = 16384;
/** Invocations of a workgroup of `cumulative-rows.wgsl`. */
const ROWS_WIDTH = 64;
/** Parts that long rows are cut in, all of them together, and of one row. */
const MANY_PARTS = 1024;

/** A fold in WGSL. */
export interface WgslFold {
  /** Lines that declare `State`, `nothing()`, `load(at)` and `combine(earlier, later)`, which is associative. */
  readonly state: readonly string[];
  /** The result that `state` stands for. */
  readonly result: string;
  /** Words that a state takes in scratch memory, as u32; `state` is the variable. */
  readonly words: readonly string[];
  /** The state from its words `w0`, `w1`, … */
  readonly fromWords: string;
}

export interface CumulativeParams {
  readonly axis: number;
  /** From the last element to the first. */
  readonly reverse: boolean;
}

/** The dispatches of a fold over `operands` operands of one shape, which has an element at least. */
export function cumulativeKernels(
  shape: Shape,
  { axis, reverse }: CumulativeParams,
  fold: WgslFold,
  operands: number,
  limits: DeviceLimits,
): OpaqueKernels {
  const length = shape[axis]!;
  const inner = sizeOf(shape.slice(axis + 1));
  const rows = sizeOf(shape) / length;
  const reads = Array.from({ length: operands }, (_, k): OpaqueBuffer => `in${k}`);
  const direction = [reverse ? "let i = LENGTH - 1u - j;" : "let i = j;"];
  if (length <= SHORT || rows >= MANY_ROWS) {
    const workgroups = grid(Math.ceil(rows / ROWS_WIDTH), limits);
    const stride = workgroups[0] * ROWS_WIDTH;
    const { state, result } = fold;
    const results = [`out0[at] = ${result};`];
    const wgsl = fillTemplate("cumulative-rows", {
      bindings: [],
      rows,
      length,
      inner,
      stride,
      state,
      direction,
      results,
    });
    return { scratch: [], dispatches: [{ wgsl, reads, writes: ["out0"], workgroups }] };
  }
  const most = Math.min(WIDTH, limits.maxInvocations);
  const width = Math.min(most, Math.max(1, 2 ** Math.ceil(Math.log2(length / ITEMS))));
  const tile = width * ITEMS;
  const wanted = Math.min(Math.ceil(length / tile), Math.max(1, Math.floor(MANY_PARTS / rows)));
  const part = Math.ceil(Math.ceil(length / wanted) / tile) * tile;
  const parts = Math.ceil(length / part);
  const holes = {
    bindings: [],
    width,
    items: ITEMS,
    rows,
    length,
    inner,
    parts,
    part,
    state: fold.state,
    direction,
  };
  const results = [
    "for (var j = first; j < last; j++) {",
    "  state = combine(state, load(place(row, j)));",
    `  out0[place(row, j)] = ${fold.result};`,
    "}",
  ];
  const workgroups = grid(rows * parts, limits);
  const last: OpaqueDispatch = {
    wgsl: fillTemplate("cumulative", { ...holes, results, finish: [], carry: parts === 1 ? [] : foldEarlier(fold) }),
    reads: parts === 1 ? reads : [...reads, "tmp0"],
    writes: ["out0"],
    workgroups,
  };
  if (parts === 1) return { scratch: [], dispatches: [last] };
  const save = fold.words.map((word, k) => `tmp0[${fold.words.length}u * cell + ${k}u] = ${word};`);
  const totals: OpaqueDispatch = {
    wgsl: fillTemplate("cumulative", {
      ...holes,
      carry: [],
      results: ["_ = state;"],
      finish: ["if (lane == 0u) {", "  let state = carry;", ...save.map((line) => `  ${line}`), "}"],
    }),
    reads,
    writes: ["tmp0"],
    workgroups,
  };
  return { scratch: [4 * fold.words.length * rows * parts], dispatches: [totals, last] };
}

/** What the parts before this one give together. */
function foldEarlier({ words, fromWords }: WgslFold): string[] {
  return [
    "let share = (part + WIDTH - 1u) / WIDTH;",
    "var some = nothing();",
    "for (var k = lane * share; k < min((lane + 1u) * share, part); k++) {",
    ...words.map((_, k) => `  let w${k} = tmp0[${words.length}u * (row * PARTS + k) + ${k}u];`),
    `  some = combine(some, ${fromWords});`,
    "}",
    "_ = before(lane, some, WIDTH * groups.z);",
    "carry = states[WIDTH - 1u];",
    "workgroupBarrier();",
  ];
}
