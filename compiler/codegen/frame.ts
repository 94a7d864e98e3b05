// What every kernel's text has around its body: bindings, helpers, the equations as a comment, the grid.
import { showAval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import type { Var } from "../ir/graph.js";
import type { FusedKernel } from "../ir/kernel.js";
import { Position } from "../ir/position.js";
import { type Names, showEqn } from "../ir/print.js";
import type { DeviceLimits } from "../ir/program.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import type { Lowering } from "./lower.js";
import { helperCode, memoryType, needsZero, type WgslPrinter } from "./wgsl.js";

/** Code around the body: bindings, helpers, the equations as a comment. */
export interface Frame {
  readonly bindings: string[];
  readonly helpers: string[];
  readonly usesZero: boolean;
}

export interface Binding {
  readonly name: string;
  readonly dtype: DType;
  readonly access: "read" | "read_write";
  readonly note?: string;
}

export function frame(printer: WgslPrinter, list: readonly Binding[]): Frame {
  const bindings = list.map(
    ({ name, dtype, access, note }, i) =>
      `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${memoryType(dtype)}>;${note ? ` // ${note}` : ""}`,
  );
  const usesZero = needsZero(printer.helpers);
  if (usesZero) bindings.push(`@group(0) @binding(${list.length}) var<uniform> zero: vec4u;`);
  return { bindings, helpers: helperCode(printer.helpers), usesZero };
}

const typed = (v: Var, names: Names): string => `${names.of(v)}:${showAval(v.aval)}`;

export const loadBindings = (kernel: FusedKernel, names: Names): Binding[] =>
  kernel.loads.map((v, i) => ({ name: `in${i}`, dtype: v.aval.dtype, access: "read", note: typed(v, names) }));

export const storeBindings = (kernel: FusedKernel, names: Names): Binding[] =>
  kernel.stores.map((v, i) => ({ name: `out${i}`, dtype: v.aval.dtype, access: "read_write", note: typed(v, names) }));

/** `// k0` and the equations, by generated names only: no text of the user's reaches a shader. */
export function header(kernel: FusedKernel, names: Names, suffix = ""): string {
  const shown = kernel.eqns.slice(0, 40).map((eqn) => `//   ${showEqn(eqn, names)}`);
  if (kernel.eqns.length > 40) shown.push(`//   … and ${kernel.eqns.length - 40} more`);
  return [`// ${kernel.name}${suffix}`, ...shown, ""].join("\n");
}

export const bufferName = (slot: number | string): string => (typeof slot === "number" ? `in${slot}` : slot);

/** Stores of the kernel's results at row-major offset `i`. */
export function store(b: ScalarBuilder, kernel: FusedKernel, lowering: Lowering, i: Scalar): void {
  kernel.stores.forEach((v, k) => {
    b.store(`out${k}`, i, lowering.value(v, Position.atLinear(b, v.aval.shape, i)));
  });
}

/** x and y counts of `groups` workgroups, as neither may exceed the device's limit. */
export function grid(groups: number, limits: DeviceLimits): readonly [number, number, number] {
  // rows of one length, lest the last one be all but empty
  const y = Math.ceil(groups / limits.maxWorkgroups);
  return [Math.ceil(groups / y), y, 1];
}
