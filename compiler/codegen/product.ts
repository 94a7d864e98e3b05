// What the templates of matrix products have in common: operands and epilogue as the bodies of functions.
import { InternalError } from "../core/errors.js";
import type { Atom, Eqn, Var } from "../ir/graph.js";
import type { FusedKernel } from "../ir/kernel.js";
import type { Gemm, Place } from "../ir/op.js";
import { type Scalar, ScalarBuilder } from "../ir/scalar.js";
import { store } from "./frame.js";
import { Lowering } from "./lower.js";
import type { WgslPrinter } from "./wgsl.js";

/** The contraction of a kernel, seen as a matrix product, and its result. */
export function productOf({ roots }: FusedKernel): { readonly g: Gemm; readonly out: Var } {
  const [{ op, inputs, params, outputs }] = roots as [Eqn];
  if (op.kind !== "contraction") throw new InternalError(`product: ${op.name} is no contraction`);
  return { g: op.gemm(inputs[0]!.aval, inputs[1]!.aval, params), out: outputs[0]! };
}

const u = (b: ScalarBuilder, name: string): Scalar => b.input(name, "u32");

/** Bodies of `lhs(batch, m, k)` and `rhs(batch, k, n)`. */
export function operandBodies(kernel: FusedKernel, g: Gemm, printer: WgslPrinter): Record<"lhs" | "rhs", string[]> {
  const [x, y] = kernel.roots[0]!.inputs as [Atom, Atom];
  const operand = (value: Atom, place: (b: ScalarBuilder) => Place): string[] => {
    const b = new ScalarBuilder();
    const loaded = new Lowering(b, kernel).valueIn(value, place(b));
    return [...printer.print(b.body, [loaded], ""), `return ${printer.expression(loaded)};`];
  };
  const [left, right] = g.swapped ? [y, x] : [x, y];
  return {
    lhs: operand(left, (b) => g.left(b, u(b, "batch"), u(b, "m"), u(b, "k"))),
    rhs: operand(right, (b) => g.right(b, u(b, "batch"), u(b, "k"), u(b, "n"))),
  };
}

/** Body of `finish(batch, m, n, total)`, which stores the kernel's results. */
export function finishBody(
  kernel: FusedKernel,
  { g, out }: ReturnType<typeof productOf>,
  printer: WgslPrinter,
): string[] {
  const b = new ScalarBuilder();
  const total = b.unsignedZero(b.input("total", out.aval.dtype));
  const at = g.result?.at(b, u(b, "batch"), u(b, "m"), u(b, "n"));
  store(b, kernel, new Lowering(b, kernel, new Map([[out, total]])), at?.linear ?? u(b, "i"));
  const inOrder = at ? [] : ["let i = (batch * M + m) * N + n;"];
  return [...inOrder, ...printer.print(b.body, [], "")];
}
