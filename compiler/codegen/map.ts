// Kernels with an invocation per element; folds loop inside the invocation.

import { fillTemplate } from "../../kernels/index.js";
import { DEVICE_ELEMENT_BYTES } from "../core/dtype.js";
import type { Var } from "../ir/graph.js";
import type { FusedKernel } from "../ir/kernel.js";
import type { Names } from "../ir/print.js";
import type { DeviceLimits, Launch, Scratch } from "../ir/program.js";
import { type Scalar, ScalarBuilder } from "../ir/scalar.js";
import { combineAll, elementAll, finishAll, initAll, stateTypes, termsAt } from "./folds.js";
import { type Binding, bufferName, frame, grid, header, loadBindings, store, storeBindings } from "./frame.js";
import { Lowering } from "./lower.js";
import { WgslPrinter } from "./wgsl.js";

/** Invocations of a workgroup. */
const WIDTH = 64;

/** An invocation for every element of the results, which folds all terms of its roots. */
export function emitMap(kernel: FusedKernel, limits: DeviceLimits, names: Names): Launch {
  const b = new ScalarBuilder();
  const i = b.input("i", "u32");
  const all = termsAt(kernel, b, i);
  const roots = new Map<Var, Scalar>();
  if (all.length > 0) {
    const last = b.loop(b.u32(all[0]!.count), initAll(all), (k, state) => combineAll(all, state, elementAll(all, k)));
    finishAll(all, last).forEach((x, r) => void roots.set(kernel.roots[r]!.outputs[0]!, x));
  }
  store(b, kernel, new Lowering(b, kernel, roots), i);
  return finishMap(kernel, b, kernel.size, limits, names, {});
}

/**
 * For folds over outer axes: an invocation for every column and part of it, so that neighbours read neighbouring
 * elements; a second dispatch folds the parts. Partial states lie [part, column].
 */
export function emitColumns(kernel: FusedKernel, parts: number, limits: DeviceLimits, names: Names): Launch[] {
  const columns = kernel.size;
  const types = stateTypes(kernel);
  const scratch = types.map((): Scratch => ({ kind: "scratch", bytes: columns * parts * DEVICE_ELEMENT_BYTES }));
  return [partOfColumns(), foldParts()];

  function partOfColumns(): Launch {
    const b = new ScalarBuilder();
    const cell = b.input("i", "u32");
    const all = termsAt(kernel, b, b.rem(cell, b.u32(columns)));
    const length = all[0]!.count;
    const part = b.u32(Math.ceil(length / parts));
    // the last parts may have nothing to fold
    const begin = b.min(b.mul(b.div(cell, b.u32(columns)), part), b.u32(length));
    const count = b.min(part, b.sub(b.u32(length), begin));
    const last = b.loop(count, initAll(all), (k, state) => combineAll(all, state, elementAll(all, b.add(begin, k))));
    last.forEach((x, k) => void b.store(`state${k}`, cell, x));
    return finishMap(kernel, b, columns * parts, limits, names, { to: scratch });
  }

  function foldParts(): Launch {
    const b = new ScalarBuilder();
    const i = b.input("i", "u32");
    const all = termsAt(kernel, b, i);
    const last = b.loop(b.u32(parts), initAll(all), (k, state) => {
      const at = b.add(b.mul(k, b.u32(columns)), i);
      return combineAll(
        all,
        state,
        types.map((type, t) => b.load(`state${t}`, at, type)),
      );
    });
    const roots = new Map<Var, Scalar>();
    finishAll(all, last).forEach((x, r) => void roots.set(kernel.roots[r]!.outputs[0]!, x));
    store(b, kernel, new Lowering(b, kernel, roots), i);
    return finishMap(kernel, b, columns, limits, names, { from: scratch });
  }
}

/** Where a pass of two takes partial states from, or puts them. */
interface Passing {
  readonly from?: readonly Scratch[];
  readonly to?: readonly Scratch[];
}

function finishMap(
  kernel: FusedKernel,
  b: ScalarBuilder,
  size: number,
  limits: DeviceLimits,
  names: Names,
  { from, to }: Passing,
): Launch {
  const printer = new WgslPrinter(bufferName);
  const body = printer.print(b.body, [], "");
  const states = (access: Binding["access"]): Binding[] =>
    stateTypes(kernel).map((dtype, k) => ({ name: `state${k}`, dtype, access }));
  const loads = kernel.loads.map((v, k) => ({ v, k })).filter(({ k }) => printer.reads(k));
  const { bindings, helpers, usesZero } = frame(printer, [
    ...loads.map(({ k }) => loadBindings(kernel, names)[k]!),
    ...(from ? states("read") : []),
    ...(to ? states("read_write") : storeBindings(kernel, names)),
  ]);
  const workgroups = grid(Math.ceil(size / WIDTH), limits);
  const wgsl = fillTemplate("map", { bindings, helpers, body, size, stride: workgroups[0] * WIDTH });
  return {
    name: kernel.name + (to ? "a" : from ? "b" : ""),
    wgsl: header(kernel, names, to ? " part 1" : from ? " part 2" : "") + wgsl,
    reads: [...loads.map(({ v }) => v), ...(from ?? [])],
    writes: to ?? kernel.stores,
    usesZero,
    workgroups,
  };
}
