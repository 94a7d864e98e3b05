// Plain-JavaScript functions as their own oracles: a traced one, interpreted in 64 bits, must give what the function gives.
import type { NDArray } from "../../compiler/core/ndarray.js";
import { unflatten } from "../../compiler/core/tree.js";
import { exactElements } from "../../compiler/frontend/elements.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { tensorOf } from "../../compiler/trace/create.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { flattenArgs, stageCall } from "../../compiler/transforms/call.js";

/** A value of an argument: a number, or nested arrays and objects of numbers; arrays of numbers are tensors. */
export type Value = number | boolean | Value[] | { [key: string]: Value };

// biome-ignore lint/suspicious/noExplicitAny: functions of any arguments
export type PlainFunction = (...args: any[]) => unknown;

export interface TracedFunction {
  readonly graph: Graph;
  /** What the graph gives in 64 bits. */
  run(args: readonly Value[]): unknown;
}

/** Arrays of numbers become tensors; what holds other things stays a tree. */
function toArgument(x: Value): unknown {
  if (typeof x === "number") return tensorOf(x);
  if (typeof x === "boolean") return tensorOf(x);
  if (Array.isArray(x)) return x.every((item) => typeof item === "number") ? tensorOf(x) : x.map(toArgument);
  return Object.fromEntries(Object.entries(x).map(([key, item]) => [key, toArgument(item)]));
}

function flatValues(x: Value): Value[] {
  if (typeof x === "number" || typeof x === "boolean") return [x];
  if (Array.isArray(x)) return x.every((item) => typeof item === "number") ? [x] : x.flatMap(flatValues);
  return Object.keys(x)
    .sort()
    .flatMap((key) => flatValues(x[key]!));
}

const wide = (x: Value): NDArray => {
  if (typeof x === "boolean") return { dtype: "bool", shape: [], data: Uint8Array.of(Number(x)) };
  const list = (Array.isArray(x) ? x : [x]) as number[];
  return { dtype: "f32", shape: Array.isArray(x) ? [x.length] : [], data: Float64Array.from(list) };
};

/** Traces `fn` for arguments like `example`. */
export function traced(fn: PlainFunction, example: readonly Value[]): TracedFunction {
  const flat = flattenArgs("jit", fn, example.map(toArgument));
  const { graph, captures, rest } = stageCall("jit", fn, flat);
  const known = captures.map(widened);
  return {
    graph,
    run(args) {
      const outputs = interpret(graph, [...args.flatMap(flatValues).map(wide), ...known], { wide: true });
      const leaves = outputs.map((x) =>
        x.shape.length === 0 ? (x.dtype === "bool" ? x.data[0] === 1 : x.data[0]) : [...x.data],
      );
      return unflatten(rest, leaves);
    },
  };
}

function widened(x: Tensor): NDArray {
  const host = x.handle.host!;
  const exact = exactElements(x);
  return host.dtype === "f32" ? { ...host, data: Float64Array.from(exact ?? host.data) } : host;
}

/** Number of loops in a graph and in those within. */
export function countLoops(graph: Graph): number {
  return graph.eqns.reduce((sum, eqn) => {
    const own = eqn.op.name === "while" || eqn.op.name === "scan" ? 1 : 0;
    const within = Object.values(eqn.params)
      .flat()
      .filter((x): x is Graph => typeof x === "object" && x !== null && "eqns" in x)
      .reduce((n, inner) => n + countLoops(inner), 0);
    return sum + own + within;
  }, 0);
}
