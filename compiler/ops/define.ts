// Makers of op records: what is common to a family is written here once.
import type { Aval } from "../core/aval.js";
import { aval, showAval } from "../core/aval.js";
import { allocate, type DType } from "../core/dtype.js";
import { DTypeError, ShapeError } from "../core/errors.js";
import { sameShape, sizeOf, stridesOf } from "../core/shape.js";
import {
  type AxisMap,
  type ElementwiseOp,
  findOp,
  type Params,
  register,
  type Sample,
  type Samples,
  shaped,
  type ViewOp,
} from "../ir/op.js";
import { Position } from "../ir/position.js";
import type { Scalar, ScalarBuilder } from "../ir/scalar.js";
import { gatherStrided } from "../ir/strided.js";
import type { BatchRule, JvpRule, TransposeRule } from "../trace/rules.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { bind } from "../trace/trace.js";

type Range = readonly [low: number, high: number];

interface ElementwiseSpec {
  /** Dtypes of the operands; the result has the same unless `result` says otherwise. */
  readonly takes: readonly DType[];
  readonly result?: DType;
  readonly ulp?: number;
  /** Range of floats the suites draw from. Integers are drawn from -20 … 20, and unsigned ones from 0 … 40. */
  readonly domain?: Range | readonly Range[];
  readonly wide?: (...args: number[]) => number;
  readonly identity?: ElementwiseOp["identity"];
  readonly transpose?: TransposeRule;
}

/** A zero tangent: the op is constant between its jumps. */
export const flat = (): undefined => undefined;

interface UnarySpec extends ElementwiseSpec {
  scalar(b: ScalarBuilder, x: Scalar): Scalar;
  /** Tangent of y = f(x). */
  jvp?(dx: Tensor, x: Operand, y: Tensor): Tensor | undefined;
}

type Partial = (d: Tensor, x: Operand, y: Operand, z: Tensor) => Tensor | undefined;

interface BinarySpec extends ElementwiseSpec {
  scalar(b: ScalarBuilder, x: Scalar, y: Scalar): Scalar;
  /** What the tangent of x, and that of y, give to the tangent of z = f(x, y). */
  readonly jvp?: readonly [Partial, Partial];
}

type Partial3 = (d: Tensor, x: Operand, y: Operand, z: Operand, result: Tensor) => Tensor | undefined;

interface TernarySpec extends ElementwiseSpec {
  scalar(b: ScalarBuilder, x: Scalar, y: Scalar, z: Scalar): Scalar;
  /** What the tangents of x, y and z give to that of f(x, y, z). */
  readonly jvp?: readonly [Partial3, Partial3, Partial3];
}

export type Unary = ((x: Operand) => Tensor) & { readonly op: ElementwiseOp };
export type Binary = ((x: Operand, y: Operand) => Tensor) & { readonly op: ElementwiseOp };
type Ternary = ((x: Operand, y: Operand, z: Operand) => Tensor) & { readonly op: ElementwiseOp };

/** The one result of an op. */
export const bindOne = (op: Parameters<typeof bind>[0], operands: readonly Operand[], params: Params = {}): Tensor =>
  bind(op, operands, params)[0]!;

export function unary(name: string, spec: UnarySpec): Unary {
  const { jvp } = spec;
  const rule: JvpRule | undefined = jvp && (([dx], [x], y) => jvp(dx!, x!, y));
  const op = elementwise(name, 1, spec, (b, [x]) => spec.scalar(b, x!), rule);
  return Object.assign((x: Operand) => bindOne(op, [x]), { op });
}

export function binary(name: string, spec: BinarySpec): Binary {
  const { jvp } = spec;
  const rule: JvpRule | undefined =
    jvp && (([dx, dy], [x, y], z) => sumOf([dx && jvp[0](dx, x!, y!, z), dy && jvp[1](dy, x!, y!, z)]));
  const op = elementwise(name, 2, spec, (b, [x, y]) => spec.scalar(b, x!, y!), rule);
  return Object.assign((x: Operand, y: Operand) => bindOne(op, [x, y]), { op });
}

export function ternary(name: string, spec: TernarySpec): Ternary {
  const { jvp } = spec;
  const rule: JvpRule | undefined =
    jvp && ((ds, [x, y, z], result) => sumOf(ds.map((d, k) => d && jvp[k]!(d, x!, y!, z!, result))));
  const op = elementwise(name, 3, spec, (b, [x, y, z]) => spec.scalar(b, x!, y!, z!), rule);
  return Object.assign((x: Operand, y: Operand, z: Operand) => bindOne(op, [x, y, z]), { op });
}

/** Σ of tangents or cotangents, where undefined is zero. */
export function sumOf(terms: readonly (Tensor | undefined)[]): Tensor | undefined {
  const there = terms.filter((x) => x !== undefined);
  if (there.length <= 1) return there[0];
  const add = findOp("add")!;
  return there.reduce((sum, x) => bindOne(add, [sum, x]));
}

function elementwise(
  name: string,
  arity: number,
  spec: ElementwiseSpec,
  scalar: ElementwiseOp["scalar"],
  jvp: JvpRule | undefined,
): ElementwiseOp {
  return register<ElementwiseOp>({
    name,
    kind: "elementwise",
    typeOf: (inputs) => {
      const dtype = commonDType(name, inputs, spec.takes);
      return [elementwiseAval(name, inputs, spec.result ?? dtype)];
    },
    scalar,
    ...(spec.wide ? { wide: spec.wide } : {}),
    ...(spec.identity ? { identity: spec.identity } : {}),
    ...(jvp ? { jvp } : {}),
    ...(spec.transpose ? { transpose: spec.transpose } : {}),
    samples: spec.takes.map((dtype) => sampleOf(dtype, arity, spec.domain)),
    ulp: spec.ulp ?? 0,
  });
}

const sampleOf = (dtype: DType, arity: number, domain: ElementwiseSpec["domain"]): Sample => ({
  inputs: Array.from({ length: arity }, () => shaped(dtype, 3, 4)),
  params: {},
  domain: Array.from({ length: arity }, (_, k) => drawRange(dtype, domain, k)),
});

function drawRange(dtype: DType, domain: ElementwiseSpec["domain"], k: number): Range {
  if (dtype === "i32") return [-20, 20];
  if (dtype === "u32") return [0, 40];
  if (dtype === "bool") return [0, 1];
  if (!domain) return [-8, 8];
  return typeof domain[0] === "number" ? (domain as Range) : (domain as readonly Range[])[k]!;
}

/** The dtype all operands share. Throws `DTypeError` when they differ or the op does not take it. */
function commonDType(name: string, inputs: readonly Aval[], takes: readonly DType[]): DType {
  const dtype = inputs[0]!.dtype;
  if (inputs.some((x) => x.dtype !== dtype)) {
    throw new DTypeError(
      `${name}: operands have dtypes ${inputs.map((x) => x.dtype).join(" and ")}\n  cast one of them with astype()`,
    );
  }
  if (!takes.includes(dtype)) {
    throw new DTypeError(
      `${name}: does not take ${dtype}, only ${takes.join(", ")}\n  operand ${showAval(inputs[0]!)}\n  cast it with astype()`,
    );
  }
  return dtype;
}

/** Shape of the result of an elementwise op: that of its operands, next to scalar constants. */
export function elementwiseAval(name: string, inputs: readonly Aval[], dtype: DType): Aval {
  const shape = (inputs.find((x) => x.shape.length > 0) ?? inputs[0]!).shape;
  for (const x of inputs) {
    if (x.shape.length > 0 && !sameShape(x.shape, shape)) {
      throw new ShapeError(
        `${name}: operands have shapes ${inputs.map((y) => `[${y.shape}]`).join(" and ")}, but one shape is wanted`,
      );
    }
  }
  return aval(dtype, shape, inputs.every((x) => x.weak) && dtype === inputs[0]!.dtype);
}

interface AffineViewSpec {
  typeOf(input: Aval, params: never): Aval;
  axes(input: Aval, output: Aval, params: never): AxisMap[];
  batch: BatchRule;
  transpose: TransposeRule;
  readonly samples: readonly { shape: readonly number[]; params: Params }[];
  /** Where the result lies in the operand, row-major, if it is a run of elements there. */
  runFrom?(input: Aval, output: Aval, params: never): number | undefined;
  readonly keepsOrder?: boolean;
  readonly fence?: boolean;
  readonly jvp?: JvpRule;
  readonly stopsTangents?: boolean;
}

export const allDTypes: readonly DType[] = ["f32", "i32", "u32", "bool"];

/** A view of one operand in which every axis of it is read at a multiple of one coordinate of the result. */
export function affineView(name: string, spec: AffineViewSpec): ViewOp {
  return register<ViewOp>({
    name,
    kind: "view",
    typeOf: ([x], params) => [spec.typeOf(x!, params as never)],
    axes: (input, output, params) => spec.axes(input, output, params as never),
    read(b, at, operand, [input], params) {
      const maps = spec.axes(input!, { dtype: input!.dtype, shape: at.shape }, params as never);
      if (spec.keepsOrder) return operand(0, at.reshaped(input!.shape));
      const coords = maps.map(({ from, scale, offset }, axis) => {
        if (from === null || input!.shape[axis] === 1) return b.u32(offset);
        const coord = at.coords[from]!;
        // flip: offset - coord
        if (scale < 0) return b.sub(b.u32(offset), b.mul(coord, b.u32(-scale)));
        return b.add(b.mul(coord, b.u32(scale)), b.u32(offset));
      });
      const start = spec.runFrom?.(input!, { dtype: input!.dtype, shape: at.shape }, params as never);
      if (start !== undefined) return operand(0, at.within(input!.shape, coords, start));
      return operand(0, Position.at(b, input!.shape, coords));
    },
    cpu([x], params, { wide }, output) {
      if (spec.keepsOrder) return { dtype: output.dtype, shape: output.shape, data: x!.data };
      const data = allocate(output.dtype, sizeOf(output.shape), wide);
      const own = stridesOf(x!.shape);
      const strides = new Array<number>(output.shape.length).fill(0);
      let offset = 0;
      for (const [axis, map] of spec.axes(x!, output, params as never).entries()) {
        offset += map.offset * own[axis]!;
        if (map.from !== null) strides[map.from] = strides[map.from]! + map.scale * own[axis]!;
      }
      gatherStrided(data, output.shape, x!.data, offset, strides);
      return { dtype: output.dtype, shape: output.shape, data };
    },
    batch: spec.batch,
    transpose: spec.transpose,
    samples: viewSamples(spec.samples),
    ulp: 0,
    ...(spec.keepsOrder ? { keepsOrder: true } : {}),
    ...(spec.fence ? { fence: true } : {}),
    ...(spec.jvp ? { jvp: spec.jvp } : {}),
    ...(spec.stopsTangents ? { stopsTangents: true } : {}),
  });
}

/** Each shape once per dtype. */
export const viewSamples = (list: readonly { shape: readonly number[]; params: Params }[]): Samples =>
  list.flatMap(({ shape, params }) => allDTypes.map((dtype) => ({ inputs: [shaped(dtype, ...shape)], params })));
