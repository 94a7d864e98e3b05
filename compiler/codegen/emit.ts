// One fused kernel to WGSL and its dispatches: which template, how many invocations, what goes into the holes.

import { fillTemplate } from "../../kernels/index.js";
import { showAval } from "../core/aval.js";
import { DEVICE_ELEMENT_BYTES, type DType } from "../core/dtype.js";
import type { Eqn, Var } from "../ir/graph.js";
import type { FusedKernel } from "../ir/kernel.js";
import { Position } from "../ir/position.js";
import { type Names, showEqn } from "../ir/print.js";
import type { DeviceLimits, Launch, Scratch } from "../ir/program.js";
import { type Scalar, ScalarBuilder } from "../ir/scalar.js";
import { Lowering, Terms } from "./lower.js";
import { helperCode, memoryType, needsZero, WgslPrinter } from "./wgsl.js";

/** Invocations of a workgroup that computes element by element. */
const MAP_WIDTH = 64;

/** Rows at least this long are folded by a workgroup each, unless there are enough rows to fill the device. */
const LONG_ROW = 64;
const MANY_ROWS = 8192;

/** Terms that one workgroup folds before a row is cut in parts, and workgroups that fill a device. */
const PART_TERMS = 8192;
const MANY_GROUPS = 1024;

/** Sides of a matrix product from which tiles pay. */
const TILED_SIDE = 16;

/** The dispatches of one kernel; none when it has nothing to store. */
export function emitKernel(kernel: FusedKernel, limits: DeviceLimits, names: Names): Launch[] {
  if (kernel.size === 0 || kernel.stores.length === 0) return [];
  if (kernel.kind === "map") return [emitMap(kernel, limits, names)];
  const [root] = kernel.roots as [Eqn];
  if (root.op.kind === "contraction") {
    const g = root.op.gemm(root.inputs[0]!.aval, root.inputs[1]!.aval, root.params);
    const tiled = g.m >= TILED_SIDE && g.n >= TILED_SIDE && g.batch <= limits.maxWorkgroups;
    if (tiled && Math.max(g.m, g.n) / 64 < limits.maxWorkgroups) return [emitMatmul(kernel, names)];
  }
  const terms = new Terms(new Lowering(new ScalarBuilder(), kernel), root, anywhere(root)).count;
  // enough rows: an invocation each, and neighbours read neighbouring columns
  if (terms < LONG_ROW || kernel.size >= MANY_ROWS) return [emitMap(kernel, limits, names)];
  return emitRows(kernel, terms, limits, names);
}

function anywhere(root: Eqn): Position {
  const b = new ScalarBuilder();
  return Position.atLinear(b, root.outputs[0]!.aval.shape, b.input("i", "u32"));
}

/** Code around the body: bindings, helpers, the equations as a comment. */
interface Frame {
  readonly bindings: string[];
  readonly helpers: string[];
  readonly usesZero: boolean;
}

interface Binding {
  readonly name: string;
  readonly dtype: DType;
  readonly access: "read" | "read_write";
  readonly note?: string;
}

function frame(printer: WgslPrinter, list: readonly Binding[]): Frame {
  const bindings = list.map(
    ({ name, dtype, access, note }, i) =>
      `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${memoryType(dtype)}>;${note ? ` // ${note}` : ""}`,
  );
  const usesZero = needsZero(printer.helpers);
  if (usesZero) bindings.push(`@group(0) @binding(${list.length}) var<uniform> zero: vec4u;`);
  return { bindings, helpers: helperCode(printer.helpers), usesZero };
}

const typed = (v: Var, names: Names): string => `${names.of(v)}:${showAval(v.aval)}`;

const loadBindings = (kernel: FusedKernel, names: Names): Binding[] =>
  kernel.loads.map((v, i) => ({ name: `in${i}`, dtype: v.aval.dtype, access: "read", note: typed(v, names) }));

const storeBindings = (kernel: FusedKernel, names: Names): Binding[] =>
  kernel.stores.map((v, i) => ({ name: `out${i}`, dtype: v.aval.dtype, access: "read_write", note: typed(v, names) }));

/** `// k0` and the equations, by generated names only: no text of the user's reaches a shader. */
function header(kernel: FusedKernel, names: Names, suffix = ""): string {
  const shown = kernel.eqns.slice(0, 40).map((eqn) => `//   ${showEqn(eqn, names)}`);
  if (kernel.eqns.length > 40) shown.push(`//   … and ${kernel.eqns.length - 40} more`);
  return [`// ${kernel.name}${suffix}`, ...shown, ""].join("\n");
}

const bufferName = (slot: number | string): string => (typeof slot === "number" ? `in${slot}` : slot);

/** Stores of the kernel's results at row-major offset `i`. */
function store(b: ScalarBuilder, kernel: FusedKernel, lowering: Lowering, i: Scalar): void {
  kernel.stores.forEach((v, k) => {
    b.store(`out${k}`, i, lowering.value(v, Position.atLinear(b, v.aval.shape, i)));
  });
}

/** x and y counts of `groups` workgroups, as neither may exceed the device's limit. */
function grid(groups: number, limits: DeviceLimits): readonly [number, number, number] {
  const x = Math.min(groups, limits.maxWorkgroups);
  return [x, Math.ceil(groups / x), 1];
}

/** An invocation per element; a fold loops inside it. */
function emitMap(kernel: FusedKernel, limits: DeviceLimits, names: Names): Launch {
  const b = new ScalarBuilder();
  const i = b.input("i", "u32");
  const roots = new Map<Var, Scalar>();
  const lowering = new Lowering(b, kernel, roots);
  foldRoots(kernel, b, i, roots);
  store(b, kernel, lowering, i);
  const printer = new WgslPrinter(bufferName);
  const body = printer.print(b.body, [], "");
  const { bindings, helpers, usesZero } = frame(printer, [
    ...loadBindings(kernel, names),
    ...storeBindings(kernel, names),
  ]);
  const workgroups = grid(Math.ceil(kernel.size / MAP_WIDTH), limits);
  const wgsl = fillTemplate("map", { bindings, helpers, body, size: kernel.size, stride: workgroups[0] * MAP_WIDTH });
  return {
    name: kernel.name,
    wgsl: header(kernel, names) + wgsl,
    reads: kernel.loads,
    writes: kernel.stores,
    usesZero,
    workgroups,
  };
}

/** Roots of a kernel whose invocations fold a whole row each. */
function foldRoots(kernel: FusedKernel, b: ScalarBuilder, i: Scalar, roots: Map<Var, Scalar>): void {
  if (kernel.roots.length === 0) return;
  // roots read only what is loaded or computed before them
  const before = new Lowering(b, kernel);
  const all = kernel.roots.map((root) => new Terms(before, root, Position.atLinear(b, root.outputs[0]!.aval.shape, i)));
  const last = b.loop(
    b.u32(all[0]!.count),
    all.flatMap((terms) => terms.init()),
    (k, state) => splitState(all, state).flatMap((own, r) => all[r]!.combine(own, all[r]!.element(k))),
  );
  splitState(all, last).forEach((own, r) => void roots.set(kernel.roots[r]!.outputs[0]!, all[r]!.finish(own)));
}

/** Each root's part of all their state. */
function splitState(all: readonly Terms[], state: readonly Scalar[]): (readonly Scalar[])[] {
  let at = 0;
  return all.map((terms) => {
    const n = terms.init().length;
    at += n;
    return state.slice(at - n, at);
  });
}

/** A workgroup per row; few long rows are cut in parts, which a second dispatch folds. */
function emitRows(kernel: FusedKernel, length: number, limits: DeviceLimits, names: Names): Launch[] {
  const rows = kernel.size;
  const wanted = Math.ceil(MANY_GROUPS / rows);
  const parts = Math.max(1, Math.min(wanted, Math.ceil(length / PART_TERMS)));
  if (parts === 1)
    return [emitRowPass(kernel, { rows, length, parts: 1, from: undefined, to: undefined }, limits, names)];
  const types = stateTypes(kernel);
  const scratch = types.map((): Scratch => ({ kind: "scratch", bytes: rows * parts * DEVICE_ELEMENT_BYTES }));
  return [
    emitRowPass(kernel, { rows, length, parts, from: undefined, to: scratch }, limits, names),
    emitRowPass(kernel, { rows, length: parts, parts: 1, from: scratch, to: undefined }, limits, names),
  ];
}

function stateTypes(kernel: FusedKernel): DType[] {
  const lowering = new Lowering(new ScalarBuilder(), kernel);
  return kernel.roots.flatMap((root) => new Terms(lowering, root, anywhere(root)).init().map((x) => x.type));
}

interface RowPass {
  readonly rows: number;
  readonly length: number;
  readonly parts: number;
  /** Partial states to fold instead of the operands. */
  readonly from: readonly Scratch[] | undefined;
  /** Where partial states go instead of the results. */
  readonly to: readonly Scratch[] | undefined;
}

function emitRowPass(kernel: FusedKernel, pass: RowPass, limits: DeviceLimits, names: Names): Launch {
  const { rows, length, parts, from, to } = pass;
  const types = stateTypes(kernel);
  const width = Math.min(limits.maxInvocations, 256, Math.max(32, 2 ** Math.ceil(Math.log2(length / 4))));
  const printer = new WgslPrinter(bufferName);
  const termsAt = (b: ScalarBuilder): Terms[] => {
    const lowering = new Lowering(b, kernel);
    return kernel.roots.map(
      (root) => new Terms(lowering, root, Position.atLinear(b, root.outputs[0]!.aval.shape, b.input("i", "u32"))),
    );
  };
  const combine = (all: readonly Terms[], earlier: readonly Scalar[], later: readonly Scalar[]): Scalar[] => {
    const theirs = splitState(all, later);
    return splitState(all, earlier).flatMap((own, r) => [...all[r]!.combine(own, theirs[r]!)]);
  };
  const named = (b: ScalarBuilder, name: (k: number) => string): Scalar[] =>
    types.map((type, k) => b.input(name(k), type));
  const assign = (list: readonly Scalar[], target: (k: number) => string): string[] => assignAll(printer, list, target);

  const initBuilder = new ScalarBuilder();
  const init = termsAt(initBuilder).flatMap((terms) => terms.init());
  const initLines = [
    ...printer.print(initBuilder.body, init, ""),
    ...init.map((x, k) => `var s${k} = ${printer.expression(x)};`),
  ];

  const stepBuilder = new ScalarBuilder();
  const stepTerms = termsAt(stepBuilder);
  const j = stepBuilder.input("j", "u32");
  const i = stepBuilder.input("i", "u32");
  const cell = stepBuilder.add(stepBuilder.mul(i, stepBuilder.u32(length)), j);
  const element = from
    ? types.map((type, k) => stepBuilder.load(`state${k}`, cell, type))
    : stepTerms.flatMap((terms) => [...terms.element(j)]);
  const stepped = combine(
    stepTerms,
    named(stepBuilder, (k) => `s${k}`),
    element,
  );
  const stepLines = [...printer.print(stepBuilder.body, stepped, ""), ...assign(stepped, (k) => `s${k}`)];

  const mergeBuilder = new ScalarBuilder();
  const merged = combine(
    termsAt(mergeBuilder),
    named(mergeBuilder, (k) => `shared${k}[lane]`),
    named(mergeBuilder, (k) => `shared${k}[other]`),
  );
  const mergeLines = [...printer.print(mergeBuilder.body, merged, ""), ...assign(merged, (k) => `shared${k}[lane]`)];

  const finishLines: string[] = [];
  if (to) types.forEach((_, k) => void finishLines.push(`state${k}[cell] = shared${k}[0];`));
  else {
    const b = new ScalarBuilder();
    const states = splitState(
      termsAt(b),
      named(b, (k) => `shared${k}[0]`),
    );
    const roots = new Map<Var, Scalar>();
    termsAt(b).forEach((terms, r) => void roots.set(kernel.roots[r]!.outputs[0]!, terms.finish(states[r]!)));
    store(b, kernel, new Lowering(b, kernel, roots), b.input("i", "u32"));
    finishLines.push(...printer.print(b.body, [], ""));
  }

  const stateBindings = (access: Binding["access"]): Binding[] =>
    types.map((dtype, k) => ({ name: `state${k}`, dtype, access }));
  // the first pass stores no result; the second reads no operand of the fold, but its epilogue may
  const code = [...initLines, ...stepLines, ...mergeLines, ...finishLines].join("\n");
  const loads = kernel.loads.map((v, k) => ({ v, k })).filter(({ k }) => new RegExp(`\\bin${k}\\b`).test(code));
  const list = [
    ...loads.map(({ k }) => loadBindings(kernel, names)[k]!),
    ...(from ? stateBindings("read") : []),
    ...(to ? stateBindings("read_write") : storeBindings(kernel, names)),
  ];
  const { bindings, helpers, usesZero } = frame(printer, list);
  const wgsl = fillTemplate("reduce-row", {
    bindings,
    helpers,
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
  });
  const suffix = to ? " part 1" : from ? " part 2" : "";
  return {
    name: kernel.name + (to ? "a" : from ? "b" : ""),
    wgsl: header(kernel, names, suffix) + wgsl,
    reads: [...loads.map(({ v }) => v), ...(from ?? [])],
    writes: to ?? kernel.stores,
    usesZero,
    workgroups: grid(rows * parts, limits),
  };
}

/** Sets variables to values that may read them: all are computed before the first is set. */
function assignAll(printer: WgslPrinter, values: readonly Scalar[], target: (k: number) => string): string[] {
  const texts = values.map((x) => printer.expression(x));
  if (texts.length === 1) return [`${target(0)} = ${texts[0]};`];
  return [...texts.map((text, k) => `let next${k} = ${text};`), ...texts.map((_, k) => `${target(k)} = next${k};`)];
}

/** Tiles through workgroup memory, operands and epilogue computed by functions. */
function emitMatmul(kernel: FusedKernel, names: Names): Launch {
  const [root] = kernel.roots as [Eqn];
  const [x, y] = root.inputs as [Var, Var];
  const out = root.outputs[0]!;
  if (root.op.kind !== "contraction") throw new Error("not a contraction");
  const g = root.op.gemm(x.aval, y.aval, root.params);
  const printer = new WgslPrinter(bufferName);

  const operand = (value: Var, position: (b: ScalarBuilder) => Position): string[] => {
    const b = new ScalarBuilder();
    const loaded = new Lowering(b, kernel).value(value, position(b));
    return [...printer.print(b.body, [loaded], ""), `return ${printer.expression(loaded)};`];
  };
  const u = (b: ScalarBuilder, name: string): Scalar => b.input(name, "u32");
  const lhs = operand(x, (b) => g.lhs(b, u(b, "batch"), u(b, "m"), u(b, "k")));
  const rhs = operand(y, (b) => g.rhs(b, u(b, "batch"), u(b, "k"), u(b, "n")));

  const b = new ScalarBuilder();
  const total = b.input("total", out.aval.dtype);
  store(b, kernel, new Lowering(b, kernel, new Map([[out, total]])), u(b, "i"));
  const finish = printer.print(b.body, [], "");

  const { bindings, helpers, usesZero } = frame(printer, [
    ...loadBindings(kernel, names),
    ...storeBindings(kernel, names),
  ]);
  const rows = g.m > 32 ? 4 : 2;
  const cols = g.n > 32 ? 4 : 2;
  const wgsl = fillTemplate("matmul", {
    bindings,
    helpers,
    lhs,
    rhs,
    finish,
    m: g.m,
    n: g.n,
    k: g.k,
    rows,
    cols,
    type: out.aval.dtype,
  });
  return {
    name: kernel.name,
    wgsl: header(kernel, names) + wgsl,
    reads: kernel.loads,
    writes: kernel.stores,
    usesZero,
    workgroups: [Math.ceil(g.n / (16 * cols)), Math.ceil(g.m / (16 * rows)), g.batch],
  };
}
