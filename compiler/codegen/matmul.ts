// Contractions by tiles through workgroup memory.
import { fillTemplate } from "../../kernels/index.js";
import type { FusedKernel } from "../ir/kernel.js";
import type { Names } from "../ir/print.js";
import type { Launch } from "../ir/program.js";
import { launch, printerFor } from "./frame.js";
import { finishBody, operandBodies, productOf } from "./product.js";

/** Tiles through workgroup memory, operands and epilogue computed by functions. */
export function emitMatmul(kernel: FusedKernel, names: Names): Launch {
  const product = productOf(kernel);
  const { g, out } = product;
  const printer = printerFor(kernel);
  const operands = operandBodies(kernel, g, printer);
  const finish = finishBody(kernel, product, printer);
  const rows = g.m > 32 ? 4 : 2;
  const cols = g.n > 32 ? 4 : 2;
  const workgroups = [Math.ceil(g.n / (16 * cols)), Math.ceil(g.m / (16 * rows)), g.batch] as const;
  return launch(kernel, names, printer, {}, workgroups, (frame) =>
    fillTemplate("matmul", { ...frame, ...operands, finish, m: g.m, n: g.n, k: g.k, rows, cols, type: out.aval.dtype }),
  );
}
