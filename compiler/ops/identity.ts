// Views that show their operand as it is, for what transforms and passes make of them.
import { aval } from "../core/aval.js";
import type { ViewOp } from "../ir/op.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { affineView, bindOne, flat } from "./define.js";

function identity(name: string, more: Pick<ViewOp, "fence" | "jvp" | "stopsTangents">): ViewOp {
  const op: ViewOp = affineView(name, {
    keepsOrder: true,
    typeOf: (x) => aval(x.dtype, x.shape, Boolean(x.weak)),
    axes: (x) => x.shape.map((_, from) => ({ from, scale: 1, offset: 0 })),
    batch: ([x]) => ({ value: bindOne(op, [x!.value]), axis: x!.axis }),
    transpose: (ct) => [bindOne(op, [ct])],
    samples: [
      { shape: [2, 3], params: {} },
      { shape: [], params: {} },
      { shape: [0], params: {} },
    ],
    ...more,
  });
  return op;
}

/**
 * The operand. What is computed from the result is not merged with what is computed from the operand, nor computed
 * before what stands before this equation.
 */
export const barrierOp = identity("optimizationBarrier", { fence: true });

const stopGradientOp = identity("stopGradient", { jvp: flat, stopsTangents: true });

/** x, as a constant for derivatives. */
export const stopGradient = (x: Operand): Tensor => bindOne(stopGradientOp, [x]);
