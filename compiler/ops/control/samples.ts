// Where tests may sample control flow: small Graphs of one and of several results, with and without lane axes.
import { type Aval, aval } from "../../core/aval.js";
import type { DType } from "../../core/dtype.js";
import { type Graph, literal } from "../../ir/graph.js";
import { type Sample, shaped, type WhileParams } from "../../ir/op.js";
import type { Operand } from "../../trace/tensor.js";
import { add, mul, sqrt } from "../arithmetic.js";
import { broadcast } from "../axes.js";
import { and, eq, lt, not } from "../compare.js";
import { sin } from "../transcendental.js";
import { graphOf } from "./graphs.js";

const f32 = (...shape: number[]): Aval => shaped("f32", ...shape);
const i32 = (...shape: number[]): Aval => shaped("i32", ...shape);
const number = (value: number, dtype: DType = "f32") => literal(value, aval(dtype, []));

type Body = (...args: Operand[]) => readonly Operand[];
const graphsOf = (types: readonly Aval[], ...bodies: readonly Body[]): Graph[] =>
  bodies.map((body) => graphOf(types, (args) => body(...args)));

const curve: Body = (x, y) => [sqrt(add(mul(x!, x!), y!)), mul(x!, y!)];
const line: Body = (x, y) => [add(x!, y!), x!];

/** Three branches on two operands of one type, with a constant among the results. */
function plainSwitch(dtype: DType, ...shape: number[]): Sample {
  const types = [shaped(dtype, ...shape), shaped(dtype, ...shape)];
  const branches = graphsOf(
    types,
    (x, y) => [add(x!, y!), number(3, "i32")],
    (x) => [x!, number(-1, "i32")],
    (x, y) => [mul(x!, y!), number(0, "i32")],
  );
  return { inputs: [i32(), ...types], params: { branches, lanes: 0 }, domain: [[-1, 3]] };
}

const curveDomain = [[-1, 2] as const, [-2, 2] as const, [0.5, 2] as const];

export const switchSamples: readonly Sample[] = [
  {
    inputs: [i32(), f32(3), f32(3)],
    params: { branches: graphsOf([f32(3), f32(3)], curve, line), lanes: 0 },
    domain: curveDomain,
  },
  plainSwitch("f32", 2, 2),
  plainSwitch("i32", 3),
  plainSwitch("u32", 0),
  plainSwitch("i32"),
  {
    inputs: [i32(), shaped("bool", 2), shaped("bool", 2)],
    params: {
      branches: graphsOf(
        [shaped("bool", 2), shaped("bool", 2)],
        (x, y) => [and(x!, y!)],
        (_, y) => [y!],
      ),
      lanes: 0,
    },
  },
  {
    inputs: [i32(3), f32(3, 2), f32(3, 2)],
    params: {
      branches: graphsOf([f32(3, 2), f32(3, 2)], curve, line),
      lanes: 1,
      lane: graphsOf([f32(2), f32(2)], curve, line),
      laneAxes: [[0], [0]],
    },
    domain: curveDomain,
  },
  {
    // all lanes have the second operand in common
    inputs: [i32(4), f32(4), f32()],
    params: {
      branches: graphsOf(
        [f32(4), f32()],
        (x, y) => curve(x!, broadcast(y!, [4], [])),
        (x, y) => line(x!, broadcast(y!, [4], [])),
      ),
      lanes: 1,
      lane: graphsOf([f32(), f32()], curve, line),
      laneAxes: [[0], []],
    },
    domain: curveDomain,
  },
  {
    // each operand has one of the two lane axes
    inputs: [i32(2, 3), f32(2), f32(3)],
    params: {
      branches: graphsOf(
        [f32(2), f32(3)],
        (x, y) => curve(broadcast(x!, [2, 3], [0]), broadcast(y!, [2, 3], [1])),
        (x, y) => line(broadcast(x!, [2, 3], [0]), broadcast(y!, [2, 3], [1])),
      ),
      lanes: 2,
      lane: graphsOf([f32(), f32()], curve, line),
      laneAxes: [[0], [1]],
    },
    domain: curveDomain,
  },
];

/** Counts up to a constant, or to six, and moves an array. It ends whatever the numbers are. */
function counted(array: Aval, lanes: number, move: (x: Operand) => Operand): Sample {
  const lane = array.shape.slice(0, lanes);
  const bound = (n: Operand): Operand => (lanes === 0 ? n : broadcast(n, lane, []));
  const types = [i32(), i32(...lane), array];
  const [cond, body] = graphsOf(
    types,
    (n, i) => [and(lt(i!, bound(n!)), lt(mul(i!, i!), bound(number(36, "i32"))))],
    (_, i, x) => [add(i!, lanes === 0 ? number(1, "i32") : broadcast(number(1, "i32"), lane, [])), move(x!)],
  );
  return {
    inputs: types,
    params: { cond, body, consts: 1, lanes },
    domain: [
      [0, 4],
      [-1, 2],
    ],
  };
}

/** With a bound that some of the lanes reach before their condition ends. */
const bounded = (sample: Sample, maxSteps: number): Sample => ({ ...sample, params: { ...sample.params, maxSteps } });

/** What a bounded loop with lanes keeps of one lane, for a sample made without lanes. */
const withLane = (sample: Sample, one: Sample, laneAxes: readonly (readonly number[])[]): Sample => ({
  ...sample,
  params: { ...sample.params, lane: (one.params as WhileParams).body, laneAxes },
});

/** Ends for every number: x²/2 + 1 > x. */
function grow(...lane: number[]): Sample {
  const spread = (value: number): Operand => (lane.length === 0 ? number(value) : broadcast(number(value), lane, []));
  const [cond, body] = graphsOf(
    [f32(...lane)],
    (x) => [lt(x!, spread(50))],
    (x) => [add(mul(mul(x!, x!), spread(0.5)), spread(1))],
  );
  return { inputs: [f32(...lane)], params: { cond, body, consts: 0, lanes: lane.length }, domain: [[0.5, 80]] };
}

export const whileSamples: readonly Sample[] = [
  counted(f32(3), 0, sin),
  counted(f32(0), 0, sin),
  counted(shaped("bool", 2), 0, not),
  counted(shaped("u32", 1), 0, (x) => add(x, x)),
  counted(f32(3, 2), 1, sin),
  counted(i32(2, 3), 2, (x) => mul(x, x)),
  counted(f32(0, 2), 1, sin),
  grow(),
  grow(5),
  bounded(counted(f32(3), 0, sin), 2),
  bounded(counted(f32(), 0, sin), 0),
  bounded(grow(), 3),
  withLane(bounded(grow(5), 3), grow(), []),
  withLane(bounded(counted(f32(3, 2), 1, sin), 2), counted(f32(2), 0, sin), [[]]),
  withLane(bounded(counted(f32(2, 3), 2, sin), 3), counted(f32(), 0, sin), [[]]),
];

/** A carry moved by a constant and by the entries of an array, with two stacked results. */
function recurrence(length: number, reverse: boolean): Sample {
  const [body] = graphsOf([f32(2), f32(2), f32(2)], (w, c, x) => [add(mul(c!, w!), sin(x!)), mul(c!, x!), mul(w!, w!)]);
  return {
    inputs: [f32(2), f32(2), f32(length, 2)],
    params: { body, length, reverse, consts: 1, carry: 1 },
    domain: [
      [-1, 1],
      [-2, 2],
      [-2, 2],
    ],
  };
}

function totals(dtype: "f32" | "i32" | "u32", length: number): Sample {
  const [body] = graphsOf([shaped(dtype), shaped(dtype)], (c, x) => [add(c!, x!), add(c!, x!)]);
  return {
    inputs: [shaped(dtype), shaped(dtype, length)],
    params: { body, length, reverse: false, consts: 0, carry: 1 },
    domain: [
      [0, 9],
      [0, 9],
    ],
  };
}

export const scanSamples: readonly Sample[] = [
  recurrence(4, false),
  recurrence(3, true),
  recurrence(1, false),
  recurrence(0, false),
  totals("f32", 5),
  totals("i32", 3),
  totals("u32", 2),
  {
    // no arrays: a counter and a value, which is stacked before it is moved
    inputs: [i32(), f32(2)],
    params: {
      body: graphsOf([i32(), f32(2)], (i, x) => [add(i!, number(1, "i32")), sin(x!), x!, i!])[0],
      length: 3,
      reverse: false,
      consts: 0,
      carry: 2,
    },
  },
  {
    // no carry: the same for each entry
    inputs: [shaped("bool", 3, 2), i32(3)],
    params: {
      body: graphsOf([shaped("bool", 2), i32()], (x, n) => [not(x!), eq(n!, number(2, "i32"))])[0],
      length: 3,
      reverse: true,
      consts: 0,
      carry: 0,
    },
  },
];
