// Contractions with few rows: an invocation computes all of a column, or of several.
import { fillTemplate } from "../../kernels/index.js";
import type { Eqn } from "../ir/graph.js";
import type { FusedKernel } from "../ir/kernel.js";
import type { Gemm } from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Names } from "../ir/print.js";
import type { DeviceLimits, Launch } from "../ir/program.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { scratchFor } from "./folds.js";
import { launch, printerFor } from "./frame.js";
import { emitFoldOfParts } from "./map.js";
import { finishBody, operandBodies, productOf } from "./product.js";

/** Rows at most, each of which is a register; columns of all batches and parts together at least. */
const MOST_ROWS = 16;
const LEAST_COLUMNS = 4096;

/** Sums of an invocation at most, and invocations at least where each has several columns. */
const MOST_SUMS = 32;
const LEAST_INVOCATIONS = 8192;

/** Columns that fill a device, and terms of a part at least. */
const MANY_COLUMNS = 65536;
const PART_TERMS = 32;

/** Into how many parts each sum is cut; undefined where this kernel does not pay or the device has too few workgroups. */
export function skinnyParts({ op, inputs, params }: Eqn, limits: DeviceLimits): number | undefined {
  if (op.kind !== "contraction") return undefined;
  const { m, n, k, batch } = op.gemm(inputs[0]!.aval, inputs[1]!.aval, params);
  if (m < 2 || m > MOST_ROWS || n <= m) return undefined;
  // no more parts than terms in one: the second dispatch adds them one after another
  const most = Math.min(Math.floor(k / PART_TERMS), Math.ceil(Math.sqrt(k)));
  const parts = Math.max(1, Math.min(Math.ceil(MANY_COLUMNS / (n * batch)), most));
  const fits = Math.max(n / widthFor(n), parts, batch) <= limits.maxWorkgroups;
  return fits && n * batch * parts >= LEAST_COLUMNS ? parts : undefined;
}

const widthFor = (n: number): number => (n <= 32 ? 32 : 64);

/** Columns of an invocation: as many as leave enough invocations, each of them full. */
function colsFor({ m, n, batch }: Gemm, parts: number): number {
  const fits = (cols: number): boolean =>
    m * cols <= MOST_SUMS && n >= cols * widthFor(n) && n * batch * parts >= cols * LEAST_INVOCATIONS;
  return [4, 2].find(fits) ?? 1;
}

/** Partial sums lie [part, batch, m, n]; where there are several, a second dispatch folds them. */
export function emitSkinny(kernel: FusedKernel, parts: number, limits: DeviceLimits, names: Names): Launch[] {
  const product = productOf(kernel);
  const { g, out } = product;
  const cells = g.batch * g.m * g.n;
  const scratch = scratchFor(kernel, cells * parts);
  const passing = parts > 1 ? { to: scratch } : {};
  const printer = printerFor(kernel, passing);
  const operands = operandBodies(kernel, g, printer);
  const finish =
    parts > 1 ? ["state0[((part * BATCHES + batch) * M + m) * N + n] = total;"] : finishBody(kernel, product, printer);
  const width = widthFor(g.n);
  const cols = colsFor(g, parts);
  const groups = [Math.ceil(g.n / (width * cols)), parts, g.batch] as const;
  const first = launch(kernel, names, printer, passing, groups, (frame) =>
    fillTemplate("skinny", {
      ...frame,
      ...operands,
      ...columns(g.m, cols),
      finish,
      batches: g.batch,
      m: g.m,
      n: g.n,
      k: g.k,
      part: Math.ceil(g.k / parts),
      width,
      cols,
      type: out.aval.dtype,
    }),
  );
  if (parts === 1) return [first];
  const cellOf = (b: ScalarBuilder, i: Scalar): Scalar => {
    if (!g.result) return i;
    const [batch, m, n] = g.result.of(b, Position.atLinear(b, out.aval.shape, i));
    return Position.at(b, [g.batch, g.m, g.n], [batch, m, n]).linear;
  };
  return [first, emitFoldOfParts(kernel, { parts, cells, cellOf, scratch }, limits, names)];
}

/** The lines that an invocation has for each of its sums, which are registers of their own: `sum1_0` of row 1, column 0. */
function columns(rows: number, cols: number): Record<"sums" | "step" | "results", string[]> {
  const each = (count: number, lines: (i: number) => readonly string[]): string[] =>
    Array.from({ length: count }, (_, i) => lines(i)).flat();
  const column = (c: number): string => (c === 0 ? "n0" : `n0 + ${c}u * WIDTH`);
  return {
    sums: each(rows, (m) => each(cols, (c) => [`var sum${m}_${c} = T(0);`])),
    step: [
      // behind the last column it is read once more
      ...each(cols, (c) => [`let x${c} = rhs(batch, k, ${c === 0 ? "n0" : `min(${column(c)}, N - 1u)`});`]),
      ...each(rows, (m) => [
        `let w${m} = lhs(batch, ${m}u, k);`,
        ...each(cols, (c) => [`sum${m}_${c} += w${m} * x${c};`]),
      ]),
    ],
    results: each(cols, (c) => {
      const lines = each(rows, (m) => [`finish(part, batch, ${m}u, ${column(c)}, sum${m}_${c});`]);
      return c === 0 ? lines : [`if (${column(c)} < N) {`, ...lines.map((line) => `  ${line}`), "}"];
    }),
  };
}
