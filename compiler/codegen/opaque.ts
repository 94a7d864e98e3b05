// Equations with dispatches of their own: their WGSL behind our bindings.
import { InternalError } from "../core/errors.js";
import type { Eqn, Var } from "../ir/graph.js";
import type { FusedKernel } from "../ir/kernel.js";
import type { OpaqueBuffer, OpaqueOp } from "../ir/op.js";
import type { Names } from "../ir/print.js";
import type { DeviceLimits, Launch, Scratch } from "../ir/program.js";
import { type Binding, bindingOf, declaration, header } from "./frame.js";

/** The dispatches of an opaque op. Those of one text are one pipeline, so they are not told apart in it. */
export function emitOpaque(kernel: FusedKernel, limits: DeviceLimits, names: Names): Launch[] {
  const [eqn] = kernel.roots as [Eqn];
  const op = eqn.op as OpaqueOp;
  const avals = (list: readonly { readonly aval: Var["aval"] }[]) => list.map((x) => x.aval);
  const made = op.kernels(avals(eqn.inputs), avals(eqn.outputs), eqn.params, limits);
  const scratch = made.scratch.map((bytes): Scratch => ({ kind: "scratch", bytes: Math.max(4, bytes) }));
  const fail = (why: string): never => {
    throw new InternalError(`emit: a dispatch of ${op.name} ${why}`);
  };
  const find = (name: OpaqueBuffer): Var | Scratch => {
    const [, kind, index] = /^(in|out|tmp)(\d+)$/.exec(name) ?? [];
    const list: readonly (Var | Scratch)[] = { in: kernel.loads, out: kernel.stores, tmp: scratch }[kind as "in"] ?? [];
    return list[Number(index)] ?? fail(`binds '${name}', which is not there`);
  };
  const bind = (name: OpaqueBuffer, access: Binding["access"]): Binding => {
    const x = find(name);
    if (x.kind === "scratch") return { name, dtype: "u32", access };
    // under the type that the op knows the operand by: its memory may belong to another shape
    return name.startsWith("in")
      ? bindingOf(name, eqn.inputs[Number(name.slice(2))] as Var, access, names)
      : bindingOf(name, x, access, names);
  };
  return made.dispatches.map(({ wgsl, reads, writes, workgroups }, i): Launch => {
    if (reads.length + writes.length > limits.maxStorageBuffers)
      fail(`binds ${reads.length} + ${writes.length} arrays, but the device binds ${limits.maxStorageBuffers}`);
    if (workgroups.some((n) => n > limits.maxWorkgroups))
      fail(`has ${workgroups.join(" x ")} workgroups, but the device takes ${limits.maxWorkgroups} along an axis`);
    const list = [...reads.map((name) => bind(name, "read")), ...writes.map((name) => bind(name, "read_write"))];
    return {
      name: made.dispatches.length === 1 ? kernel.name : `${kernel.name}.${i}`,
      wgsl: `${[header(kernel, names, ""), ...list.map(declaration)].join("\n")}\n\n${wgsl.trim()}\n`,
      reads: reads.map(find),
      writes: writes.map(find),
      usesZero: false,
      ...(op.isUsers ? { userOps: [op.name] } : {}),
      workgroups,
    };
  });
}
