// defineOp: ops of the user's, made of the very records that ours are made of.
import { aval, showAval } from "../compiler/core/aval.js";
import { checkDType, type DType, isInteger } from "../compiler/core/dtype.js";
import { DTypeError, TraceError, ValueError } from "../compiler/core/errors.js";
import { type ElementwiseOp, findOp, registerUsers } from "../compiler/ir/op.js";
import { elementwiseAval } from "../compiler/ops/define.js";
import * as ops from "../compiler/ops/index.js";
import type { TensorLike } from "../compiler/trace/create.js";
import { hereText } from "../compiler/trace/here.js";
import { type Operand, Tensor } from "../compiler/trace/tensor.js";
import { bind } from "../compiler/trace/trace.js";
import {
  checkTangent,
  defineKernelOp,
  type KernelDefinition,
  type KernelFunction,
  type ResultTypes,
} from "./define-kernel.js";
import { alike, operand, toDType } from "./numpy/promote.js";

/** An op whose results are computed element by element from operands of one shape. It fuses like an op of ours. */
export interface ElementwiseDefinition {
  /** Letters and digits; it appears in printed Graphs and in `dump`. */
  readonly name: string;
  /** Names that `wgsl` knows the operands by, with their dtypes, in order. */
  readonly operands: Readonly<Record<string, DType>>;
  /** The dtype of the result, f32 without it. */
  readonly result?: DType;
  /** An expression, such as `x / (1.0 + exp(-x))`, or the body of a function, with `return`. */
  readonly wgsl: string;
  /** The same for one element on the CPU; bool is 0 or 1. */
  cpu(...values: number[]): number | boolean;
  /**
   * Tangent of the result from the tangents of the operands, undefined where there is none. Without it, the op cannot be
   * differentiated.
   */
  jvp?(tangents: readonly (Tensor | undefined)[], operands: readonly Tensor[], result: Tensor): Tensor | undefined;
  /** Units in the last place that the backends may differ by; for the user's own tests. */
  readonly ulp?: number;
}

/**
 * Makes an op of the user's. With `wgsl`, an elementwise one, whose expression is fused with what is around it; with
 * `kernel`, one with dispatches of its own, of one or several results. It works at once and in traced functions, on the
 * GPU and on the CPU, under `vmap` and, where it has rules, under `grad`.
 *
 * Throws `ValueError` for a name that is no identifier or is taken, and for a definition without `wgsl` and `kernel`.
 * WGSL that does not compile is a `WgslError` with the compiler's message, when the result is read.
 */
export function defineOp<P extends object, R extends ResultTypes>(
  definition: KernelDefinition<P, R>,
): KernelFunction<P, R>;
export function defineOp(definition: ElementwiseDefinition): (...operands: TensorLike[]) => Tensor;
export function defineOp(
  definition: ElementwiseDefinition | KernelDefinition<object, ResultTypes>,
): (...operands: TensorLike[]) => Tensor | Tensor[] {
  checkName(definition.name);
  const hasWgsl = "wgsl" in definition && definition.wgsl !== undefined;
  const hasKernel = "kernel" in definition && definition.kernel !== undefined;
  if (hasWgsl === hasKernel) {
    throw new ValueError(
      `defineOp '${definition.name}': ${hasWgsl ? "wgsl and kernel are both given" : "neither wgsl nor kernel is given"}\n` +
        `  give wgsl for an expression of single elements, or kernel for whole dispatches${hereText()}`,
    );
  }
  if (typeof definition.cpu !== "function") {
    throw new ValueError(
      `defineOp '${definition.name}': no cpu function given; it says what the op computes where there is no GPU${hereText()}`,
    );
  }
  return hasWgsl
    ? defineElementwise(definition as ElementwiseDefinition)
    : (defineKernelOp(definition as KernelDefinition<object, ResultTypes>) as (...operands: TensorLike[]) => Tensor);
}

const isName = (name: unknown): boolean => typeof name === "string" && /^[A-Za-z][A-Za-z0-9]*$/.test(name);

function checkName(name: unknown): void {
  if (!isName(name)) {
    throw new ValueError(
      `defineOp: '${String(name)}' is no name for an op\n  letters and digits are wanted, a letter first${hereText()}`,
    );
  }
  if (findOp(name as string)) {
    throw new ValueError(
      `defineOp: there is an op '${name}' already\n  names are unique in a program: choose another, or define it once and import it${hereText()}`,
    );
  }
}

function defineElementwise(definition: ElementwiseDefinition): (...operands: TensorLike[]) => Tensor {
  const { name, operands, result = "f32", wgsl, cpu, jvp, ulp = 16 } = definition;
  const what = `defineOp '${name}'`;
  const names = Object.keys(operands);
  const dtypes = Object.values(operands);
  for (const [i, dtype] of dtypes.entries()) {
    checkDType(dtype, `${what}, operand ${names[i]}`);
    if (!isName(names[i])) throw new ValueError(`${what}: '${names[i]}' is no name for an operand${hereText()}`);
  }
  checkDType(result, `${what}, result`);
  if (names.length === 0) throw new ValueError(`${what}: no operand given${hereText()}`);
  const body = /\breturn\b/.test(wgsl) ? wgsl.trim() : `return ${wgsl.trim()};`;
  const parameters = names.map((x, i) => `${x}: ${dtypes[i]}`).join(", ");
  const callee = { op: name, name: `op_${name}`, wgsl: `fn op_${name}(${parameters}) -> ${result} {\n  ${body}\n}` };
  const op: ElementwiseOp = {
    name,
    kind: "elementwise",
    typeOf(inputs) {
      inputs.forEach((x, i) => {
        if (x.dtype !== dtypes[i])
          throw new DTypeError(`${name}: operand ${names[i]} is ${showAval(x)}, but ${dtypes[i]} is wanted`);
      });
      return [aval(result, elementwiseAval(name, inputs, result).shape)];
    },
    scalar: (b, args) => b.call(callee, args, result),
    host: (...values) => Number(cpu(...values)),
    jvp(tangents, args, y) {
      if (!jvp) {
        throw new TraceError(
          `${name}: this op of yours has no derivative\n  give defineOp a jvp, the tangent of its result${hereText()}`,
        );
      }
      const full = args.map((x) => (x instanceof Tensor ? x : ops.fill(x, y.shape)));
      return checkTangent(name, jvp(tangents, full, y), y.aval);
    },
    samples: [],
    ulp,
  };
  registerUsers(op);
  return (...args) => {
    if (args.length !== names.length) {
      throw new ValueError(
        `${name}: ${args.length} operands given, ${names.length} wanted: ${parameters}${hereText()}`,
      );
    }
    const cast = args.map((x, i) => toOperand(name, names[i]!, operand(x, name), dtypes[i]!));
    const stretched = alike(name, cast);
    // of constants alone the result is a scalar tensor
    const own = stretched.some((x) => x instanceof Tensor) ? stretched : stretched.map((x) => ops.fill(x, []));
    return bind(op, own, {})[0]!;
  };
}

/** Integers and bool become f32 where that is wanted; nothing else is converted. */
function toOperand(name: string, parameter: string, x: Operand, dtype: DType): Operand {
  const isConstant = !(x instanceof Tensor);
  const own = x.aval.dtype;
  if (own === dtype || dtype === "f32" || isConstant || (own === "bool" && isInteger(dtype)))
    return toDType(x, dtype, name);
  throw new DTypeError(
    `${name}: operand ${parameter} is ${showAval(x.aval)}, but ${dtype} is wanted\n  cast it with astype()${hereText()}`,
  );
}
