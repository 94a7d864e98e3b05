// Folds with a workgroup per row.

import { fillTemplate } from "../../kernels/index.js";
import type { FusedKernel } from "../ir/kernel.js";
import { grid } from "../ir/limits.js";
import type { Names } from "../ir/print.js";
import type { DeviceLimits, Launch } from "../ir/program.js";
import { type Scalar, ScalarBuilder } from "../ir/scalar.js";
import { combineAll, elementAll, finishAll, initAll, scratchFor, stateTypes, termsAt } from "./folds.js";
import { launch, type Passing, printerFor, store } from "./frame.js";
import { Lowering, type Terms } from "./lower.js";
import type { WgslPrinter } from "./wgsl.js";

/** Terms that one workgroup folds before a row is cut in parts, and workgroups that fill a device. */
const PART_TERMS = 8192;
const MANY_GROUPS = 1024;

/** A workgroup per row; few long rows are cut in parts, which a second dispatch folds. */
export function emitRows(kernel: FusedKernel, length: number, limits: DeviceLimits, names: Names): Launch[] {
  const rows = kernel.size;
  const wanted = Math.ceil(MANY_GROUPS / rows);
  const parts = Math.max(1, Math.min(wanted, Math.ceil(length / PART_TERMS)));
  if (parts === 1) return [emitRowPass(kernel, { rows, length, parts: 1 }, limits, names)];
  const scratch = scratchFor(kernel, rows * parts);
  return [
    emitRowPass(kernel, { rows, length, parts, to: scratch }, limits, names),
    emitRowPass(kernel, { rows, length: parts, parts: 1, from: scratch }, limits, names),
  ];
}

interface RowPass extends Passing {
  readonly rows: number;
  readonly length: number;
  readonly parts: number;
}

function emitRowPass(kernel: FusedKernel, pass: RowPass, limits: DeviceLimits, names: Names): Launch {
  const { rows, length, parts, from, to } = pass;
  const types = stateTypes(kernel);
  const width = widthFor(length, limits);
  const printer = printerFor(kernel, pass);
  const termsOf = (b: ScalarBuilder): Terms[] => termsAt(kernel, b, b.input("i", "u32"));
  const named = (b: ScalarBuilder, name: (k: number) => string): Scalar[] =>
    types.map((type, k) => b.input(name(k), type));
  const assign = (list: readonly Scalar[], target: (k: number) => string): string[] => assignAll(printer, list, target);

  const initBuilder = new ScalarBuilder();
  const init = initAll(termsOf(initBuilder));
  const initLines = [
    ...printer.print(initBuilder.body, init, ""),
    ...init.map((x, k) => `var s${k} = ${printer.expression(x)};`),
  ];

  const stepBuilder = new ScalarBuilder();
  const stepTerms = termsOf(stepBuilder);
  const j = stepBuilder.input("j", "u32");
  const i = stepBuilder.input("i", "u32");
  const cell = stepBuilder.add(stepBuilder.mul(i, stepBuilder.u32(length)), j);
  const element = from ? types.map((type, k) => stepBuilder.load(`state${k}`, cell, type)) : elementAll(stepTerms, j);
  const stepped = combineAll(
    stepTerms,
    named(stepBuilder, (k) => `s${k}`),
    element,
  );
  const stepLines = [...printer.print(stepBuilder.body, stepped, ""), ...assign(stepped, (k) => `s${k}`)];

  const mergeBuilder = new ScalarBuilder();
  const merged = combineAll(
    termsOf(mergeBuilder),
    named(mergeBuilder, (k) => `shared${k}[lane]`),
    named(mergeBuilder, (k) => `shared${k}[other]`),
  );
  const mergeLines = [...printer.print(mergeBuilder.body, merged, ""), ...assign(merged, (k) => `shared${k}[lane]`)];

  const finishLines: string[] = [];
  if (to) types.forEach((_, k) => void finishLines.push(`state${k}[cell] = shared${k}[0];`));
  else {
    const b = new ScalarBuilder();
    const totals = named(b, (k) => `shared${k}[0]`);
    const roots = finishAll(termsOf(b), totals);
    store(b, kernel, new Lowering(b, kernel, roots), b.input("i", "u32"));
    finishLines.push(...printer.print(b.body, [], ""));
  }

  // the first pass stores no result; the second reads no operand of the fold, but its epilogue may
  return launch(kernel, names, printer, pass, grid(rows * parts, limits), (frame) =>
    fillTemplate("reduce-row", {
      ...frame,
      shared: types.map((type, k) => `var<workgroup> shared${k}: array<${type}, WIDTH>;`),
      init: initLines,
      step: stepLines,
      share: types.map((_, k) => `shared${k}[lane] = s${k};`),
      merge: mergeLines,
      finish: finishLines,
      width,
      rows,
      parts,
      length,
      part: Math.ceil(length / parts),
    }),
  );
}

/** Invocations per row: a power of two, with some terms for each, and no more subgroups than are kept busy. */
function widthFor(length: number, { maxInvocations, subgroupSize }: DeviceLimits): number {
  const most = Math.min(maxInvocations, 256, Math.max(32, 8 * subgroupSize));
  return Math.min(2 ** Math.floor(Math.log2(most)), Math.max(32, 2 ** Math.ceil(Math.log2(length / 4))));
}

/** Sets variables to values that may read them: all are computed before the first is set. */
function assignAll(printer: WgslPrinter, values: readonly Scalar[], target: (k: number) => string): string[] {
  const texts = values.map((x) => printer.expression(x));
  if (texts.length === 1) return [`${target(0)} = ${texts[0]};`];
  return [...texts.map((text, k) => `let next${k} = ${text};`), ...texts.map((_, k) => `${target(k)} = next${k};`)];
}
