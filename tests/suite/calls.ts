// The calls that the suite makes of every op record there is. No op is named here, nor anywhere in the suite.
import { type Aval, showAval } from "../../compiler/core/aval.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { type Atom, type Graph, type Literal, literal, newEqn, newVar, showParams } from "../../compiler/ir/graph.js";
import { allOps, type Op, type Sample } from "../../compiler/ir/op.js";
import "../../compiler/ops/index.js";
import { draw, type Range } from "../support/arrays.js";
import { randomStream } from "../support/ulp.js";

/** One equation by itself, and where its operands may be drawn. */
export interface Call {
  readonly op: Op;
  /** For failure messages: `op key=value f32[2,3] f32[3]`. */
  readonly name: string;
  readonly graph: Graph;
  /** One range per input of the Graph. */
  readonly ranges: readonly (Range | undefined)[];
}

/** Every record with its calls. */
export const records = allOps().map((op) => ({ op, name: op.name, calls: op.samples.map((s) => callOf(op, s)) }));

export const allCalls: readonly Call[] = records.flatMap(({ calls }) => calls);

/** A sample as a Graph. Operands with a number in `constants` are literals instead of inputs. */
export function callOf(op: Op, sample: Sample, constants: ReadonlyMap<number, number> = new Map()): Call {
  const operands = sample.inputs.map((x, k): Atom => {
    const value = constants.get(k);
    return value === undefined ? newVar(x) : literal(value, { dtype: x.dtype, shape: [] });
  });
  const ranges = sample.inputs.flatMap((_, k) => (constants.has(k) ? [] : [sample.domain?.[k]]));
  const words = operands.map((x) => (x.kind === "literal" ? String(x.value) : showAval(x.aval)));
  return {
    op,
    name: [op.name, showParams(sample.params), ...words].filter((word) => word !== "").join(" "),
    graph: oneEqn(op, operands, sample.params),
    ranges,
  };
}

/** The Graph of one equation. */
export function oneEqn(op: Op, operands: readonly Atom[], params: object): Graph {
  const eqn = newEqn(op, operands, params);
  return { inputs: operands.filter((x) => x.kind === "var"), eqns: [eqn], outputs: eqn.outputs };
}

/** Operands that may be constants: scalars, and any operand of an elementwise op. */
export const literalPositions = (op: Op, sample: Sample): number[] =>
  sample.inputs.flatMap((x, k) => (op.kind === "elementwise" || x.shape.length === 0 ? [k] : []));

/** Inputs for `graph`, the same on every run; `avals` stand in for its own types. */
export function drawInputs(
  { graph, ranges, name }: Call,
  avals: readonly Aval[] = graph.inputs.map((v) => v.aval),
): NDArray[] {
  const random = randomStream(hash(name));
  return avals.map((x, k) => draw(random, x, ranges[k]));
}

/** A number for a text, to seed by. */
export function hash(text: string): number {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return h >>> 0;
}

export const isLiteral = (x: Atom): x is Literal => x.kind === "literal";
