// Ops of the user's that bring whole dispatches.
import { type Aval, aval, showAval } from "../compiler/core/aval.js";
import { allocate, checkDType, type TypedArray } from "../compiler/core/dtype.js";
import { ShapeError, TraceError, ValueError } from "../compiler/core/errors.js";
import { checkShape, sizeOf } from "../compiler/core/shape.js";
import type { DeviceLimits } from "../compiler/ir/limits.js";
import {
  type OpaqueBuffer,
  type OpaqueDispatch,
  type OpaqueKernels,
  type OpaqueOp,
  registerUsers,
} from "../compiler/ir/op.js";
import * as ops from "../compiler/ops/index.js";
import { isTensorLike, type TensorLike } from "../compiler/trace/create.js";
import { hereText } from "../compiler/trace/here.js";
import type { Batched } from "../compiler/trace/rules.js";
import { type Operand, Tensor } from "../compiler/trace/tensor.js";
import { bind } from "../compiler/trace/trace.js";
import { asTensor } from "./numpy/shape.js";

/** Type of a tensor: dtype and shape. */
export type TensorType = Pick<Aval, "dtype" | "shape">;

/** One result, or a list of them. */
export type ResultTypes = TensorType | readonly TensorType[];

/** Elements of an operand or a result on the host, row-major; bool is 0 or 1. */
export interface HostElements extends TensorType {
  readonly data: TypedArray;
}

/** One dispatch: `wgsl` has an entry point `main` and reads `in0`, `in1`, …, the operands, and writes `out0`, … */
export interface KernelDispatch {
  /** The arrays are declared for it, `in0: array<f32>` and so on, bool as u32, and scratch memory as `array<u32>`. */
  readonly wgsl: string;
  readonly workgroups: readonly [x: number, y?: number, z?: number];
  /** Arrays that it binds to read, all operands without it. */
  readonly reads?: readonly OpaqueBuffer[];
  /** Arrays that it binds to write, all results without it. None may be read as well. */
  readonly writes?: readonly OpaqueBuffer[];
}

/** Several dispatches, in order, and the bytes of each scratch array `tmp0`, `tmp1`, … */
export interface KernelSequence {
  readonly dispatches: readonly KernelDispatch[];
  readonly scratch?: readonly number[];
}

type Tangents = readonly (Tensor | undefined)[];
type OneOrMany<T> = T | readonly T[];

/** An op with dispatches of its own. `P` are parameters that are known when it is called: numbers, strings, lists. */
export interface KernelDefinition<P extends object, R extends ResultTypes> {
  /** Letters and digits; it appears in printed Graphs and in `dump`. */
  readonly name: string;
  /** Types of the results; throws for operands that it does not take. A list makes the op give a list. */
  typeOf(inputs: readonly TensorType[], params: P): R;
  /** Fills `outputs` on the CPU. */
  cpu(inputs: readonly HostElements[], outputs: readonly HostElements[], params: P): void;
  /** The dispatches for these types. Results that hold no elements need not be written. */
  kernel(
    inputs: readonly TensorType[],
    outputs: readonly TensorType[],
    params: P,
    limits: DeviceLimits,
  ): KernelDispatch | KernelSequence;
  /**
   * What it does to a batch of `size` lanes: each operand, and each result, says along which axis they lie, null where it
   * is the same for all. "leading": the op takes operands with more axes in front, and treats each of them alike.
   * Without one, lanes are run one by one.
   */
  readonly batch?:
    | "leading"
    | ((args: readonly Batched<Tensor>[], params: P, size: number) => OneOrMany<Batched<Tensor>>);
  /** Tangents of the results from those of the operands; undefined is zero. */
  jvp?(
    tangents: Tangents,
    operands: readonly Tensor[],
    results: readonly Tensor[],
    params: P,
  ): OneOrMany<Tensor | undefined>;
  /** Cotangents of the operands in which the op is linear; of those, `operands` holds undefined. */
  transpose?(
    cts: Tangents,
    operands: Tangents,
    types: readonly TensorType[],
    params: P,
  ): readonly (Tensor | undefined)[];
  /** Units in the last place that the backends may differ by; for the user's own tests. */
  readonly ulp?: number;
}

/** Takes operands, then the parameters where there are any. */
export type KernelFunction<P extends object, R extends ResultTypes> = (
  ...args: [...operands: TensorLike[], params: TensorLike | P]
) => R extends readonly TensorType[] ? Tensor[] : Tensor;

const listOf = <T>(x: OneOrMany<T>): readonly T[] => (Array.isArray(x) ? (x as readonly T[]) : [x as T]);

export function defineKernelOp<P extends object, R extends ResultTypes>(
  definition: KernelDefinition<P, R>,
): KernelFunction<P, R> {
  const { name, typeOf, cpu, kernel, batch, jvp, transpose, ulp = 16 } = definition;
  const tensorsOf = (operands: readonly Operand[]): Tensor[] =>
    operands.map((x) => (x instanceof Tensor ? x : ops.fill(x, [])));
  const missing = (what: string, way: string): never => {
    throw new TraceError(`${name}: this op of yours has no ${what}\n  ${way}${hereText()}`);
  };
  const op: OpaqueOp = {
    name,
    kind: "opaque",
    isUsers: true,
    typeOf: (inputs, params) => listOf(typeOf(inputs, params as P)).map((type) => checkedType(name, type)),
    cpu(inputs, params, { wide }, types) {
      const outputs = types.map(({ dtype, shape }) => ({ dtype, shape, data: allocate(dtype, sizeOf(shape), wide) }));
      cpu(inputs, outputs, params as P);
      return outputs;
    },
    kernels(inputs, outputs, params, limits) {
      return checkedKernels(name, kernel(inputs, outputs, params as P, limits), inputs.length, outputs.length);
    },
    ...(batch
      ? {
          batch(args, params, size) {
            const own = args.map(({ value, axis }) => ({ value: tensorsOf([value])[0]!, axis }));
            if (batch !== "leading") return listOf(batch(own, params as P, size));
            const inFront = own.map((x) => ops.lanesAt(x, 0, size));
            return bind(op, inFront, params).map((value) => ({ value, axis: 0 }));
          },
        }
      : {}),
    jvp(tangents, operands, results, params) {
      if (!jvp) return missing("derivative", "give defineOp a jvp, the tangents of its results");
      const given = listOf(jvp(tangents, tensorsOf(operands), results, params as P));
      return results.map((y, i) => checkTangent(name, given[i], y.aval));
    },
    transpose(cts, operands, types, params) {
      if (!transpose) return missing("transpose", "give defineOp one, or a jvp that does not run the op on tangents");
      const own = operands.map((x) => x && tensorsOf([x])[0]);
      return transpose(cts, own, types, params as P);
    },
    samples: [],
    ulp,
  };
  registerUsers(op);
  const call = (...args: unknown[]): Tensor | Tensor[] => {
    const last = args.at(-1);
    const hasParams = typeof last === "object" && last !== null && !isTensorLike(last);
    const params = hasParams ? checkedParams(name, last) : {};
    const operands = (hasParams ? args.slice(0, -1) : args).map((x) => asTensor(x as TensorLike, name));
    const results = bind(op, operands, params);
    const isList = Array.isArray(
      typeOf(
        operands.map((x) => x.aval),
        params as P,
      ),
    );
    return isList ? results : results[0]!;
  };
  return call as unknown as KernelFunction<P, R>;
}

function checkedType(name: string, type: TensorType | undefined): Aval {
  if (typeof type !== "object" || !Array.isArray(type.shape)) {
    throw new ShapeError(`${name}: its typeOf gave ${String(type)}, but { dtype, shape } is wanted`);
  }
  checkDType(type.dtype, `${name}, what its typeOf gave`);
  checkShape(type.shape, `${name}, what its typeOf gave`);
  return aval(type.dtype, type.shape);
}

function checkedKernels(
  name: string,
  given: KernelDispatch | KernelSequence,
  operands: number,
  results: number,
): OpaqueKernels {
  const named = (kind: "in" | "out", count: number) =>
    Array.from({ length: count }, (_, i): OpaqueBuffer => `${kind}${i}`);
  const list = "dispatches" in given ? given.dispatches : [given];
  const dispatches = list.map(({ wgsl, workgroups, reads, writes }): OpaqueDispatch => {
    const [x, y = 1, z = 1] = workgroups;
    if (![x, y, z].every((n) => Number.isInteger(n) && n >= 1)) {
      throw new ValueError(
        `defineOp '${name}': ${workgroups.join(" x ")} workgroups given, whole numbers ≥ 1 are wanted${hereText()}`,
      );
    }
    if (!wgsl.includes("fn main("))
      throw new ValueError(`defineOp '${name}': its kernel has no entry point 'fn main(…)'${hereText()}`);
    return {
      wgsl,
      reads: reads ?? named("in", operands),
      writes: writes ?? named("out", results),
      workgroups: [x, y, z],
    };
  });
  return { scratch: ("dispatches" in given && given.scratch) || [], dispatches };
}

/** Parameters are part of the Graph: they are compared and printed. */
function checkedParams(name: string, params: object): object {
  const isPlain = (x: unknown): boolean =>
    ["number", "string", "boolean", "undefined"].includes(typeof x) || (Array.isArray(x) && x.every(isPlain));
  for (const [key, value] of Object.entries(params)) {
    if (!isPlain(value)) {
      throw new ValueError(
        `${name}: parameter '${key}' is no number, string, boolean or list of them\n  pass tensors as operands, before the parameters${hereText()}`,
      );
    }
  }
  return params;
}

/** A tangent has the type of what it is the tangent of. */
export function checkTangent(name: string, tangent: Tensor | undefined, type: Aval): Tensor | undefined {
  if (tangent === undefined) return undefined;
  if (tangent.dtype !== type.dtype || tangent.shape.join() !== type.shape.join()) {
    throw new ShapeError(
      `${name}: its jvp gave ${showAval(tangent.aval)} for the tangent of a result ${showAval(type)}${hereText()}`,
    );
  }
  return tangent;
}
