// The batching rewrite: from the Graph of one example to the Graph of a batch of them.
import { type Aval, aval, showAval } from "../core/aval.js";
import { InternalError, ShapeError } from "../core/errors.js";
import { insertAt, removeAt } from "../core/shape.js";
import { type TreeDef, unflatten } from "../core/tree.js";
import type { Atom, Eqn, Graph, Var } from "../ir/graph.js";
import type { ReduceParams } from "../ir/op.js";
import { bindOne } from "../ops/define.js";
import { axisNamesOf, lanesAt } from "../ops/index.js";
import { axisScope, withAxisScope } from "../trace/axis-names.js";
import { hereText } from "../trace/here.js";
import { noteLanes } from "../trace/lanes.js";
import type { Batched, LaneAxis } from "../trace/rules.js";
import { replay, stage, writeBack } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { bind, isLiteral, withLocation } from "../trace/trace.js";
import { chunkGraph } from "./chunks.js";
import { batchLaneByLane, notingLaneRuns } from "./lane-by-lane.js";
import { observeTransform } from "./observe.js";
import { runGraph } from "./run.js";
import { enter, transforms } from "./table.js";

export interface BatchedGraph {
  readonly graph: Graph;
  /** Where each result has its batch axis, or null. */
  readonly outAxes: readonly (number | null)[];
}

/**
 * Pushes a batch axis of `size` lanes through every equation. `inAxes` tells where each input of the new Graph has it.
 * Equations on unbatched values stay as they are; nothing is moved or repeated unless a rule has to.
 */
export function batchGraph(
  graph: Graph,
  inAxes: readonly (number | null)[],
  size: number,
  axisName?: string,
): BatchedGraph {
  const laneAxis: LaneAxis = { size, name: axisName };
  const inputs = graph.inputs.map((v, i): Aval => {
    const axis = inAxes[i]!;
    return axis === null ? v.aval : aval(v.aval.dtype, insertAt(v.aval.shape, axis, size));
  });
  const staged = stage("vmap", inputs, (args) => {
    const values = new Map<Var, Batched>();
    graph.inputs.forEach((v, i) => void values.set(v, { value: args[i]!, axis: inAxes[i]! }));
    const read = (x: Atom): Batched => (x.kind === "literal" ? { value: x, axis: null } : values.get(x)!);
    for (const eqn of graph.eqns) {
      const results = withLocation(eqn.location, () => batchEqn(eqn, eqn.inputs.map(read), laneAxis));
      eqn.outputs.forEach((v, k) => void values.set(v, results[k]!));
    }
    const outputs = graph.outputs.map(read);
    return { outputs: outputs.map((x) => x.value), rest: outputs.map((x) => x.axis) };
  });
  if (staged.captures.length > 0) throw new InternalError("vmap: a batching rule used a value from outside");
  return { graph: staged.graph, outAxes: staged.rest };
}

function batchEqn(eqn: Eqn, args: readonly Batched[], laneAxis: LaneAxis): readonly Batched<Tensor>[] {
  const { op, params } = eqn;
  const { size, name } = laneAxis;
  const isOwn = name !== undefined && axisNamesOf(eqn).has(name);
  if (args.every((x) => x.axis === null) && !isOwn) {
    const operands = args.map((x) => x.value);
    return bind(op, operands, params).map((value) => ({ value, axis: null }));
  }
  switch (op.kind) {
    case "elementwise": {
      const axis = args.find((x) => x.axis !== null)!.axis!;
      const operands = args.map((x): Operand => (isLiteral(x.value) ? x.value : lanesAt(x, axis, size)));
      return [{ value: bindOne(op, operands, params), axis }];
    }
    case "reduction": {
      const { axes } = params as ReduceParams;
      const b = args[0]!.axis!;
      const bumped = axes.map((axis) => (axis < b ? axis : axis + 1));
      const axis = b - bumped.filter((a) => a < b).length;
      return [{ value: bindOne(op, [args[0]!.value], { ...params, axes: bumped }), axis }];
    }
    case "view":
    case "contraction": {
      if (!op.batch) throw new InternalError(`vmap: op ${op.name} has no batching rule`);
      return [op.batch(args, params, size)];
    }
    case "opaque":
      return op.batch ? op.batch(args, params, size, laneAxis) : batchLaneByLane(eqn, args, size);
    case "region":
      return op.batch(args, params, laneAxis, transforms);
    case "collective":
      return [isOwn ? op.batch(args, params, laneAxis) : op.passBy(args, params)];
  }
}

/** A batch axis for each leaf of the arguments, and the size they agree on. */
export interface Lanes {
  readonly axes: readonly (number | null)[];
  readonly size: number;
  /** Lanes that are computed at a time; all of them where it is missing. */
  readonly chunk?: number | undefined;
}

/** Types of the arguments as one lane sees them. */
export const laneTypes = (args: readonly Operand[], { axes }: Lanes): Aval[] =>
  args.map(({ aval: type }, i) => {
    const axis = axes[i]!;
    return axis === null ? type : aval(type.dtype, removeAt(type.shape, axis));
  });

/**
 * The vmapped call: traces `call` on the types of one example, batches its Graph, and records it in the trace under
 * way or runs it. `outAxes` gets the structure of the result and says where each leaf wants its batch axis.
 */
export function vmapCall(
  name: string,
  args: readonly Operand[],
  lanes: Lanes,
  call: (args: Tensor[]) => { outputs: readonly Operand[]; rest: TreeDef },
  outAxesFor: (def: TreeDef) => readonly OutAxis[],
  axisName?: string,
): unknown {
  const types = laneTypes(args, lanes);
  const axes = axisName === undefined ? axisScope() : [...axisScope(), { name: axisName, size: lanes.size }];
  const staged = withAxisScope(axes, () => stage(name, types, call, [], true));
  observeTransform({ name, transform: "trace", graph: staged.graph });
  const wanted = outAxesFor(staged.rest);
  const inAxes = [...lanes.axes, ...staged.captures.map(() => null)];
  const { size, chunk = size } = lanes;
  const { result: batched, runs } = notingLaneRuns(() =>
    chunk < size ? chunkGraph(staged.graph, inAxes, size, chunk) : batchGraph(staged.graph, inAxes, size, axisName),
  );
  checkWrites(name, staged.assigned, batched.outAxes);
  const kept = staged.writes.map((): OutAxis => ({ axis: null, path: "an assigned value" }));
  const placed = placeOutputs(batched, [...wanted, ...kept], size);
  noteLanes(placed, name, size);
  observeTransform({ name, transform: "vmap", graph: placed, laneRuns: runs });
  const operands = [...args, ...staged.captures];
  const results = runGraph(placed, operands, name);
  writeBack(staged.writes, results.slice(results.length - staged.writes.length), staged.assigned);
  return unflatten(staged.rest, results);
}

/** Of a value that differs between lanes there is no single one to write back. */
function checkWrites(name: string, writes: readonly Tensor[], outAxes: readonly (number | null)[]): void {
  writes.forEach((variable, i) => {
    if (outAxes[outAxes.length - writes.length + i] === null) return;
    throw new ShapeError(
      `${name}: a value that differs between lanes is assigned to a variable ${showAval(variable.aval)} that all lanes share\n` +
        `  reduce it over the lanes first (vmap with axisName, then pmean), or return it${hereText()}`,
    );
  });
}

/** Where a result wants its batch axis; `path` names it in errors. */
export interface OutAxis {
  readonly axis: number | null;
  readonly path: string;
}

/** Moves each result's batch axis to where it is wanted; results that are the same for all lanes are repeated. */
export function placeOutputs({ graph, outAxes }: BatchedGraph, wanted: readonly OutAxis[], size: number): Graph {
  const settled = graph.outputs.every((x, i) => x.kind === "var" && outAxes[i] === wanted[i]!.axis);
  if (settled) return graph;
  const avals = graph.inputs.map((v) => v.aval);
  const staged = stage("vmap", avals, (args) => {
    const outputs = replay(graph, args).map((value, i): Operand => {
      const from = outAxes[i]!;
      const { axis, path } = wanted[i]!;
      if (axis === null) {
        if (from !== null) {
          throw new ShapeError(
            `vmap: outAxes is null at ${path}, but that result differs between lanes: it is ${showAval(value.aval)} with the batch along axis ${from}\n` +
              `  give a number for outAxes there, or reduce the result over the batch outside${hereText()}`,
          );
        }
        return value;
      }
      const rank = value.aval.shape.length - (from === null ? 0 : 1);
      if (axis > rank || axis < -rank - 1) {
        throw new ShapeError(
          `vmap: outAxes ${axis} at ${path} is out of range for a result of rank ${rank} per lane, valid ${-rank - 1}..${rank}${hereText()}`,
        );
      }
      return lanesAt({ value, axis: from }, axis < 0 ? axis + rank + 1 : axis, size);
    });
    return { outputs, rest: undefined };
  });
  return staged.graph;
}

enter({
  batch(graph, inAxes, { size, name }, outAxes) {
    const batched = batchGraph(graph, inAxes, size, name);
    if (!outAxes || outAxes.every((axis, i) => axis === null || axis === batched.outAxes[i])) return batched;
    const axes = outAxes.map((axis, i) => axis ?? batched.outAxes[i]!);
    const wanted = axes.map((axis, i) => ({ axis, path: `result ${i}` }));
    return { graph: placeOutputs(batched, wanted, size), outAxes: axes };
  },
});
