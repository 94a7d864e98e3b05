// Ensembles: models that are alike but for their numbers, as one batched model.
import { showAval } from "../core/aval.js";
import { LanewiseError, ShapeError } from "../core/errors.js";
import { showTree, type TreeDef, unflatten } from "../core/tree.js";
import { hereText } from "../trace/here.js";
import { type Staged, stage, writeBack } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { currentTrace, type Keeping } from "../trace/trace.js";
import type { Variable } from "../trace/variable.js";
import { batchGraph, type Lanes, laneTypes, type OutAxis, placeOutputs } from "./batch.js";
import { type Common, commonGraph, type Difference, GraphsDiffer } from "./common.js";
import { differenceBetween } from "./fields.js";
import { observeTransform } from "./observe.js";
import { runGraph } from "./run.js";
import { stackOf, writeStack } from "./stacks.js";

/** Models of one call, to be told apart. */
export interface Models {
  /** Of the call, for messages. */
  readonly name: string;
  /** As the user gave them. */
  readonly list: readonly object[];
  /** Calls one of them on traced leaves. */
  call(model: number, leaves: Tensor[]): { outputs: readonly Operand[]; rest: TreeDef };
}

/**
 * The call of models, each in its own lane: every model is traced; what all have in common is one Graph. Tensors that
 * differ between models are stacked, and so are constants. Throws `LanewiseError` where models differ in more, and
 * `ShapeError` where some share a variable that they assign different values to.
 */
export function ensembleCall(
  models: Models,
  args: readonly Operand[],
  lanes: Lanes,
  outAxesFor: (def: TreeDef) => readonly OutAxis[],
): unknown {
  const { name } = models;
  const count = models.list.length;
  const { staged, common } = traceAll(models, laneTypes(args, lanes));
  const [first] = staged as [Staged<TreeDef>];
  const { graph, numbers } = common;
  observeTransform({ name, transform: "trace", graph });
  const wanted = outAxesFor(first.rest);
  const isShared = first.writes.map((_, i) => isSharedIn(name, staged, i));
  const captured = first.captures.map((_, i) => stackCaptured(staged, i));
  const axes = [...lanes.axes, ...captured.map(({ axis }) => axis), ...numbers.map(() => 0)];
  const batched = batchGraph(graph, axes, count);
  isShared.forEach((shared, i) => {
    if (shared && batched.outAxes[graph.outputs.length - first.writes.length + i] !== null)
      throw new ShapeError(
        `${name}: models that share a variable ${showAval(first.writes[i]!.aval)} assign different values to it\n  give each model its own, or assign what all have in common${hereText()}`,
      );
  });
  const kept = isShared.map((shared): OutAxis => ({ axis: shared ? null : 0, path: "an assigned value" }));
  const placed = placeOutputs(batched, [...wanted, ...kept], count);
  observeTransform({ name, transform: "vmap", graph: placed });
  const operands = [...args, ...captured.map(({ value }) => value), ...numbers];
  const results = runGraph(placed, operands, name);
  const written = results.slice(results.length - first.writes.length);
  isShared.forEach((shared, i) => {
    if (shared) writeBack([first.writes[i]!], [written[i]!]);
    else
      writeStack(
        staged.map(({ writes }) => writes[i]!),
        written[i]!,
      );
  });
  return unflatten(first.rest, results);
}

interface Traced {
  readonly staged: readonly Staged<TreeDef>[];
  readonly common: Common;
}

/** Every model traced, and what they have in common. */
function traceAll(models: Models, types: readonly Tensor["aval"][]): Traced {
  const traced = (keeping: Keeping): Traced => {
    const staged = models.list.map((_, k) =>
      blaming(models, k, () => stage(models.name, types, (leaves) => models.call(k, leaves), [], true, keeping)),
    );
    try {
      for (const [k, other] of staged.entries()) checkSurface(staged[0]!, other, k);
      return { staged, common: commonGraph(staged.map(({ graph }) => graph)) };
    } catch (error) {
      // inner ensembles that lie in memory otherwise are alike when they are read model by model
      if (error instanceof GraphsDiffer && keeping === "variables") return traced("variables apart");
      throw error;
    }
  };
  try {
    return traced("variables");
  } catch (error) {
    if (error instanceof GraphsDiffer) throw unlike(models, error.difference);
    throw error;
  }
}

/** Mistakes that only one of the models makes say how it is built otherwise than the first, if it is. */
function blaming<T>({ list }: Models, model: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const found = differenceBetween(list[0]!, list[model]!);
    if (error instanceof LanewiseError && found)
      error.message += `\n  in model ${model}, which has ${found.other} at ${found.path} where model 0 has ${found.first}`;
    throw error;
  }
}

/** Throws `GraphsDiffer` unless two models take the same from outside, assign the same of it, and give the same trees. */
function checkSurface(first: Staged<TreeDef>, other: Staged<TreeDef>, model: number): void {
  const fail = (seen: string, theirs: string): GraphsDiffer =>
    new GraphsDiffer({ model, place: "", first: seen, other: theirs });
  first.captures.forEach((x, i) => {
    const y = other.captures[i];
    if (y && showAval(x.aval) !== showAval(y.aval))
      throw fail(`reads ${showAval(x.aval)} from outside`, `reads ${showAval(y.aval)}`);
  });
  const counts = (what: string, x: readonly unknown[], y: readonly unknown[]): void => {
    if (x.length !== y.length) throw fail(`${what} ${x.length} tensors`, `${what} ${y.length}`);
  };
  counts("reads", first.captures, other.captures);
  counts("assigns", first.writes, other.writes);
  first.writes.forEach((x, i) => {
    if (captureOf(first, x) !== captureOf(other, other.writes[i]!))
      throw fail(`assigns ${showAval(x.aval)} that it reads`, "assigns another one");
  });
  const [mine, theirs] = [showTree(first.rest), showTree(other.rest)];
  if (mine !== theirs) throw fail(`returns ${mine}`, `returns ${theirs}`);
}

/** Which of the captures is the value that a variable had before the call, or -1. */
function captureOf({ captures }: Staged<TreeDef>, variable: Variable): number {
  const before = currentTrace()?.resolve(variable) ?? variable;
  return captures.findIndex((x) => x === before || (x.traced !== undefined && x.traced.atom === before.traced?.atom));
}

/** The error for models that are not alike: where their fields differ, and where what they compute does. */
function unlike({ name, list }: Models, { model, place, first, other }: Difference): LanewiseError {
  const found = differenceBetween(list[0]!, list[model]!);
  const fields = found ? `, at ${found.path}: ${found.first} and ${found.other}` : "";
  return new LanewiseError(
    `${name}: model ${model} is built otherwise than model 0${fields}${place}\n` +
      `  model 0 ${first}\n  model ${model} ${other}\n` +
      `  models of one ensemble may differ in numbers and parameters only: same layers, shapes and dtypes${hereText()}`,
  );
}

/** Several models assign the same variable. Throws `ShapeError` when some of them do. */
function isSharedIn(name: string, staged: readonly Staged<TreeDef>[], i: number): boolean {
  const variables = staged.map(({ writes }) => writes[i]!);
  const distinct = new Set(variables).size;
  if (distinct > 1 && distinct < variables.length) {
    const [k, again] = variables.flatMap((x, at) =>
      variables.indexOf(x) < at ? [[variables.indexOf(x), at]] : [],
    )[0]!;
    throw new ShapeError(
      `${name}: models ${k} and ${again} share a variable ${showAval(variables[again!]!.aval)} that each assigns, and others have their own\n  give each model its own, or share it between all${hereText()}`,
    );
  }
  return distinct === 1 && variables.length > 1;
}

/** A value for all lanes, or one for each along axis 0. */
interface Stacked {
  readonly value: Tensor;
  readonly axis: 0 | null;
}

function stackCaptured(staged: readonly Staged<TreeDef>[], i: number): Stacked {
  const tensors = staged.map(({ captures }) => captures[i]!);
  const [first] = tensors as [Tensor];
  if (tensors.every((x) => x === first)) return { value: first, axis: null };
  const willWrite = staged.some((one) => one.writes.some((x) => captureOf(one, x) === i));
  return { value: stackOf(tensors, willWrite), axis: 0 };
}
