// Contractions by tiles through workgroup memory.

import { fillTemplate } from "../../kernels/index.js";
import { InternalError } from "../core/errors.js";
import type { Atom, Eqn } from "../ir/graph.js";
import type { FusedKernel } from "../ir/kernel.js";
import type { Place } from "../ir/op.js";
import type { Names } from "../ir/print.js";
import type { Launch } from "../ir/program.js";
import { type Scalar, ScalarBuilder } from "../ir/scalar.js";
import { launch, printerFor, store } from "./frame.js";
import { Lowering } from "./lower.js";

/** Tiles through workgroup memory, operands and epilogue computed by functions. */
export function emitMatmul(kernel: FusedKernel, names: Names): Launch {
  const [root] = kernel.roots as [Eqn];
  const [x, y] = root.inputs as [Atom, Atom];
  const out = root.outputs[0]!;
  if (root.op.kind !== "contraction") throw new InternalError(`matmul: ${root.op.name} is no contraction`);
  const g = root.op.gemm(x.aval, y.aval, root.params);
  const printer = printerFor(kernel);

  const operand = (value: Atom, place: (b: ScalarBuilder) => Place): string[] => {
    const b = new ScalarBuilder();
    const loaded = new Lowering(b, kernel).valueIn(value, place(b));
    return [...printer.print(b.body, [loaded], ""), `return ${printer.expression(loaded)};`];
  };
  const u = (b: ScalarBuilder, name: string): Scalar => b.input(name, "u32");
  const [left, right] = g.swapped ? [y, x] : [x, y];
  const lhs = operand(left, (b) => g.left(b, u(b, "batch"), u(b, "m"), u(b, "k")));
  const rhs = operand(right, (b) => g.right(b, u(b, "batch"), u(b, "k"), u(b, "n")));

  const b = new ScalarBuilder();
  const total = b.unsignedZero(b.input("total", out.aval.dtype));
  const at = g.result?.at(b, u(b, "batch"), u(b, "m"), u(b, "n"));
  store(b, kernel, new Lowering(b, kernel, new Map([[out, total]])), at?.linear ?? u(b, "i"));
  const inOrder = at ? [] : ["let i = (batch * M + m) * N + n;"];
  const finish = [...inOrder, ...printer.print(b.body, [], "")];

  const rows = g.m > 32 ? 4 : 2;
  const cols = g.n > 32 ? 4 : 2;
  const workgroups = [Math.ceil(g.n / (16 * cols)), Math.ceil(g.m / (16 * rows)), g.batch] as const;
  return launch(kernel, names, printer, {}, workgroups, (frame) =>
    fillTemplate("matmul", { ...frame, lhs, rhs, finish, m: g.m, n: g.n, k: g.k, rows, cols, type: out.aval.dtype }),
  );
}
