// Contractions with few rows: an invocation computes a column.
import { fillTemplate } from "../../kernels/index.js";
import type { Eqn } from "../ir/graph.js";
import type { FusedKernel } from "../ir/kernel.js";
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

/** Columns that fill a device, and terms of a part at least. */
const MANY_COLUMNS = 65536;
const PART_TERMS = 32;

/** Into how many parts each sum is cut; undefined where this kernel does not pay or the device has too few workgroups. */
export function skinnyParts({ op, inputs, params }: Eqn, limits: DeviceLimits): number | undefined {
  if (op.kind !== "contraction") return undefined;
  const { m, n, k, batch } = op.gemm(inputs[0]!.aval, inputs[1]!.aval, params);
  if (m < 2 || m > MOST_ROWS || n <= m) return undefined;
  const parts = Math.max(1, Math.min(Math.ceil(MANY_COLUMNS / (n * batch)), Math.floor(k / PART_TERMS)));
  const fits = Math.max(n / widthFor(n), parts, batch) <= limits.maxWorkgroups;
  return fits && n * batch * parts >= LEAST_COLUMNS ? parts : undefined;
}

const widthFor = (n: number): number => (n <= 32 ? 32 : 64);

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
  const perRow = (line: (m: number) => string): string[] => Array.from({ length: g.m }, (_, m) => line(m));
  const first = launch(kernel, names, printer, passing, [Math.ceil(g.n / width), parts, g.batch], (frame) =>
    fillTemplate("skinny", {
      ...frame,
      ...operands,
      finish,
      sums: perRow((m) => `var sum${m} = T(0);`),
      step: perRow((m) => `sum${m} += lhs(batch, ${m}u, k) * x;`),
      results: perRow((m) => `finish(part, batch, ${m}u, n, sum${m});`),
      batches: g.batch,
      m: g.m,
      n: g.n,
      k: g.k,
      part: Math.ceil(g.k / parts),
      width,
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
