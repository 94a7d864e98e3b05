// What every kernel's text has around its body: bindings, helpers, the equations as a comment, the grid.
import { showAval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import type { Var } from "../ir/graph.js";
import type { FusedKernel } from "../ir/kernel.js";
import { Position } from "../ir/position.js";
import { type Names, showEqn } from "../ir/print.js";
import type { Launch, Scratch } from "../ir/program.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { stateTypes } from "./folds.js";
import { helperCode, needsZero } from "./helpers.js";
import type { Lowering } from "./lower.js";
import { memoryType, WgslPrinter } from "./wgsl.js";

/** Where the first of two dispatches puts partial states, or the second takes them from. */
export interface Passing {
  readonly from?: readonly Scratch[];
  readonly to?: readonly Scratch[];
}

/** What a template gets beside what is its own. */
interface Frame {
  readonly bindings: string[];
  readonly helpers: string[];
}

export interface Binding {
  readonly name: string;
  readonly dtype: DType;
  readonly access: "read" | "read_write";
  readonly note?: string;
}

/**
 * The dispatch whose code `printer` printed; `fill` puts it into its template. Of the kernel's arrays it binds those the
 * code reads, then partial states to read, then what it writes, then the zeros.
 */
export function launch(
  kernel: FusedKernel,
  names: Names,
  printer: WgslPrinter,
  { from, to }: Passing,
  workgroups: Launch["workgroups"],
  fill: (frame: Frame) => string,
): Launch {
  // entries are stacked while the loop still reads
  const storesEarly = kernel.roots.some(({ op }) => op.kind === "region");
  const isInPlace = (v: Var): boolean => !to && kernel.inPlace?.has(v) === true;
  const states = (access: Binding["access"]): Binding[] =>
    stateTypes(kernel).map((dtype, k) => ({ name: `state${k}`, dtype, access }));
  const loads = kernel.loads.map((v, k) => ({ v, k })).filter(({ v, k }) => printer.reads(k) && !isInPlace(v));
  const list: Binding[] = [
    ...loads.map(({ v, k }) => bindingOf(`in${k}`, v, "read", names)),
    ...(from ? states("read") : []),
    ...(to ? states("read_write") : kernel.stores.map((v, k) => bindingOf(`out${k}`, v, "read_write", names))),
  ];
  const bindings = list.map(declaration);
  const usesZero = needsZero(printer.helpers);
  if (usesZero) bindings.push(`@group(0) @binding(${list.length}) var<uniform> zero: vec4u;`);
  const foreign = [...printer.foreign.values()];
  const helpers = [...helperCode(printer.helpers), ...foreign.map((f) => f.wgsl)];
  const [letter, part] = to ? ["a", " part 1"] : from ? ["b", " part 2"] : ["", ""];
  return {
    name: kernel.name + letter,
    wgsl: header(kernel, names, part) + fill({ bindings, helpers }),
    reads: [...loads.map(({ v }) => v), ...(from ?? [])],
    writes: to ?? kernel.stores,
    ...(to || storesEarly
      ? {}
      : { own: new Set(loads.filter(({ k }) => printer.readsOwnElement(k)).map(({ v }) => v)) }),
    ...(kernel.part ? { over: new Map([...kernel.part.of].map(([v, { array }]) => [v, array])) } : {}),
    usesZero,
    ...(foreign.length > 0 ? { userOps: foreign.map((f) => f.op) } : {}),
    workgroups,
  };
}

/** The binding's line of WGSL, as number `i`. */
export const declaration = ({ name, dtype, access, note }: Binding, i: number): string =>
  `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${memoryType(dtype)}>;${note ? ` // ${note}` : ""}`;

export const bindingOf = (name: string, v: Var, access: Binding["access"], names: Names): Binding => ({
  name,
  dtype: v.aval.dtype,
  access,
  note: `${names.of(v)}:${showAval(v.aval)}`,
});

/** `// k0` and the equations, by generated names only: no text of the user's reaches a shader. */
export function header(kernel: FusedKernel, names: Names, suffix: string): string {
  const shown = kernel.eqns.slice(0, 40).map((eqn) => `//   ${showEqn(eqn, names)}`);
  if (kernel.eqns.length > 40) shown.push(`//   … and ${kernel.eqns.length - 40} more`);
  return [`// ${kernel.name}${suffix}`, ...shown, ""].join("\n");
}

/** A printer of a kernel's code. What is read in place has the name of the result that takes its memory. */
export function printerFor({ loads, stores, inPlace, part }: FusedKernel, { to }: Passing = {}): WgslPrinter {
  const inputName = (k: number): string => {
    const result = to ? undefined : inPlace?.get(loads[k]!);
    return result ? `out${stores.indexOf(result)}` : `in${k}`;
  };
  return new WgslPrinter((slot) => (typeof slot === "number" ? inputName(slot) : slot), String, part !== undefined);
}

/** Stores of the kernel's results at row-major offset `i`, of a part counted from its first element. */
export function store(b: ScalarBuilder, kernel: FusedKernel, lowering: Lowering, i: Scalar): void {
  const { part } = kernel;
  const value = (v: Var): Scalar => {
    const x = part ? part.of.get(v)!.values : v;
    return lowering.value(x, Position.atLinear(b, x.aval.shape, i));
  };
  // what is read in place must be read before the first store
  const early = (kernel.inPlace || part) && kernel.stores.map(value);
  const at = part ? b.add(i, b.u32(part.from)) : i;
  kernel.stores.forEach((v, k) => void b.store(`out${k}`, at, early ? early[k]! : value(v)));
}
