// Ensembles: models that are alike but for their numbers, as one batched model.
import { sameAval, showAval } from "../core/aval.js";
import { LanewiseError, ShapeError } from "../core/errors.js";
import { filled } from "../core/ndarray.js";
import { type TreeDef, unflatten } from "../core/tree.js";
import { type Atom, type Eqn, equalGraphs, type Graph, type Literal, newEqn, newVar, type Var } from "../ir/graph.js";
import { findOp } from "../ir/op.js";
import { concatenate, expandDims, gather } from "../ops/index.js";
import { fromHost } from "../trace/create.js";
import { hereText } from "../trace/here.js";
import { showLocation } from "../trace/location.js";
import { type Staged, stage, writeBack } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { currentTrace, runTraced, untraced } from "../trace/trace.js";
import { Variable } from "../trace/variable.js";
import { batchGraph, type Lanes, laneTypes, type OutAxis, placeOutputs } from "./batch.js";
import { observeTransform } from "./observe.js";
import { runGraph } from "./run.js";

/** Calls one of the models on traced leaves. */
export type CallModel = (model: number, leaves: Tensor[]) => { outputs: readonly Operand[]; rest: TreeDef };

/**
 * The call of `count` models, each in its own lane: every model is traced; what all have in common is one Graph. Tensors
 * that differ between models are stacked, and so are constants. Throws `LanewiseError` where models differ in more.
 */
export function ensembleCall(
  name: string,
  count: number,
  args: readonly Operand[],
  lanes: Lanes,
  call: CallModel,
  outAxesFor: (def: TreeDef) => readonly OutAxis[],
): unknown {
  const types = laneTypes(args, lanes);
  const staged = Array.from({ length: count }, (_, k) =>
    stage(name, types, (leaves) => call(k, leaves), [], true, true),
  );
  const [first] = staged as [Staged<TreeDef>];
  const { graph, numbers } = liftNumbers(name, staged);
  observeTransform({ name, transform: "trace", graph });
  const wanted = outAxesFor(first.rest);
  const captured = first.captures.map((_, i) => stackCaptured(staged.map(({ captures }) => captures[i]!)));
  const axes = [...lanes.axes, ...captured.map(({ axis }) => axis), ...numbers.map(() => 0)];
  const batched = batchGraph(graph, axes, count);
  const isShared = first.writes.map((variable, i) => staged.every(({ writes }) => writes[i] === variable));
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

/** A value for all lanes, or one for each along axis 0. */
interface Stacked {
  readonly value: Tensor;
  readonly axis: 0 | null;
}

function stackCaptured(tensors: readonly Tensor[]): Stacked {
  const [first] = tensors as [Tensor];
  if (tensors.every((x) => x === first)) return { value: first, axis: null };
  return { value: stackOf(tensors), axis: 0 };
}

/** One tensor of all, along axis 0. Variables are moved into it, once; later calls find them there. */
function stackOf(tensors: readonly Tensor[]): Tensor {
  const found = findStack(tensors);
  // what is traced now holds as long as they stay there
  for (const x of tensors) if (!x.traced) currentTrace()?.noteRow(x);
  return found;
}

function findStack(tensors: readonly Tensor[]): Tensor {
  const trace = currentTrace();
  const isPlain = (x: Tensor): x is Variable => x instanceof Variable && (!trace || trace.resolve(x) === x);
  if (!tensors.every(isPlain)) return inOneProgram(() => stacked(tensors));
  const [first] = tensors as [Variable];
  const home = first.row?.of;
  if (home && tensors.every((x) => x.row?.of === home)) {
    const rows = tensors.map((x) => x.row!.index);
    if (rows.length === home.shape[0] && rows.every((row, k) => row === k)) return home;
    // some of them, or in another order: read where they are
    const indices = fromHost({ dtype: "i32", shape: [rows.length], data: Int32Array.from(rows) });
    return inOneProgram(() => gather(home, [indices], { axes: [0], batch: 0, mode: "clip" }));
  }
  const made = untraced(() => new Variable(runTraced("stack", () => [stacked(tensors)])[0]!));
  tensors.forEach((x, index) => void x.moveTo(made, index));
  return made;
}

const stacked = (tensors: readonly Tensor[]): Tensor =>
  concatenate(
    tensors.map((x) => expandDims(x, [0])),
    0,
  );

/** Traced ops go into the trace under way; others are one program. */
const inOneProgram = (work: () => Tensor): Tensor =>
  currentTrace() ? work() : runTraced("ensemble", () => [work()])[0]!;

/** Gives each variable its entry of `value`: where they are all of a stack, the stack is replaced. */
function writeStack(variables: readonly Variable[], value: Tensor): void {
  const home = variables[0]!.row?.of;
  const isAll =
    home &&
    home.shape[0] === variables.length &&
    variables.every(({ row }, index) => row?.of === home && row.index === index) &&
    variables.every((x) => (currentTrace()?.resolve(x) ?? x) === x);
  if (home && isAll) {
    writeBack([home], [value]);
    return;
  }
  const entry = (index: number): Tensor => {
    const at = fromHost(filled("i32", [], index));
    return inOneProgram(() => gather(value, [at], { axes: [0], batch: 0, mode: "clip" }));
  };
  writeBack(
    variables,
    variables.map((_, index) => entry(index)),
  );
}

interface Lifted {
  /** Inputs: arguments, captured values, then a scalar for each number that differs. */
  readonly graph: Graph;
  /** The numbers of all models, f32[count] and so on. */
  readonly numbers: readonly Tensor[];
}

/** One Graph of all models, with the constants in which they differ as inputs. */
function liftNumbers(name: string, staged: readonly Staged<TreeDef>[]): Lifted {
  const [first, ...others] = staged as [Staged<TreeDef>, ...Staged<TreeDef>[]];
  others.forEach((other, k) => void checkAlike(name, first, other, k + 1));
  const graphs = staged.map(({ graph }) => graph);
  if (graphs.every((graph) => equalGraphs(graph, graphs[0]!))) return { graph: graphs[0]!, numbers: [] };
  const base = graphs[0]!;
  const inputs: Var[] = [...base.inputs];
  const numbers: Tensor[] = [];
  const eqns: Eqn[] = [];
  /** The atom itself, or the input for what differs. */
  const lift = (x: Atom, all: readonly Atom[], shape?: readonly number[]): Atom => {
    if (x.kind === "var" || all.every((y) => Object.is((y as Literal).value, x.value))) return x;
    const { dtype } = x.aval;
    const v = newVar(x.aval);
    inputs.push(v);
    const values = filled(dtype, [all.length], 0);
    all.forEach((y, k) => {
      values.data[k] = (y as Literal).value;
    });
    numbers.push(fromHost(values));
    if (!shape || shape.length === 0) return v;
    const spread = newEqn(findOp("broadcast")!, [v], { shape, axes: [] });
    eqns.push(spread);
    return spread.outputs[0]!;
  };
  base.eqns.forEach((eqn, i) => {
    const shape = eqn.op.kind === "elementwise" ? eqn.outputs[0]!.aval.shape : undefined;
    const atoms = eqn.inputs.map((x, p) =>
      lift(
        x,
        graphs.map((graph) => graph.eqns[i]!.inputs[p]!),
        shape,
      ),
    );
    eqns.push(atoms.every((x, p) => x === eqn.inputs[p]) ? eqn : { ...eqn, inputs: atoms });
  });
  const outputs = base.outputs.map((x, p) =>
    lift(
      x,
      graphs.map((graph) => graph.outputs[p]!),
    ),
  );
  return { graph: { inputs, eqns, outputs }, numbers };
}

/** Throws `LanewiseError` unless two models differ in numbers and captured tensors alone. */
function checkAlike(name: string, first: Staged<TreeDef>, other: Staged<TreeDef>, k: number): void {
  const fail = (what: string, eqn?: Eqn): LanewiseError => {
    const source = eqn?.location?.source;
    return new LanewiseError(
      `${name}: model ${k} is built otherwise than model 0: ${what}${source ? `\n  at ${showLocation(source)}` : ""}\n` +
        `  models of one ensemble may differ in numbers and parameters only: same layers, shapes and dtypes${hereText()}`,
    );
  };
  first.captures.forEach((x, i) => {
    const y = other.captures[i];
    if (y && !sameAval(x.aval, y.aval))
      throw fail(`where model 0 reads ${showAval(x.aval)} from outside, it reads ${showAval(y.aval)}`);
  });
  const twin = new Map<Var, Var>();
  first.graph.inputs.forEach((v, i) => {
    const theirs = other.graph.inputs[i];
    if (theirs) twin.set(v, theirs);
  });
  const fits = (x: Atom, y: Atom): boolean =>
    x.kind === "literal" ? y.kind === "literal" && sameAval(x.aval, y.aval) : twin.get(x) === y;
  for (const [i, eqn] of first.graph.eqns.entries()) {
    const mine = other.graph.eqns[i];
    if (!mine) throw fail(`it ends where model 0 goes on with ${eqn.op.name}`, eqn);
    if (mine.op !== eqn.op) throw fail(`it has ${mine.op.name} where model 0 has ${eqn.op.name}`, mine);
    const isSame =
      mine.inputs.length === eqn.inputs.length &&
      eqn.inputs.every((x, p) => fits(x, mine.inputs[p]!)) &&
      equalGraphs(alone(eqn), alone({ ...mine, inputs: eqn.inputs }));
    if (!isSame) {
      const types = (e: Eqn): string => e.inputs.map((x) => showAval(x.aval)).join(", ");
      throw fail(`its ${mine.op.name} of ${types(mine)} is another than that of ${types(eqn)}`, mine);
    }
    eqn.outputs.forEach((v, p) => void twin.set(v, mine.outputs[p]!));
  }
  if (other.graph.eqns.length > first.graph.eqns.length) {
    const more = other.graph.eqns[first.graph.eqns.length]!;
    throw fail(`it goes on with ${more.op.name} where model 0 ends`, more);
  }
  if (first.graph.inputs.length !== other.graph.inputs.length || first.writes.length !== other.writes.length)
    throw fail("it reads or assigns another number of parameters");
  if (!first.graph.outputs.every((x, p) => fits(x, other.graph.outputs[p]!))) throw fail("its results are others");
}

/** The equation by itself, to compare op, params and types. */
const alone = (eqn: Eqn): Graph => ({
  inputs: [...new Set(eqn.inputs.filter((x) => x.kind === "var"))],
  eqns: [eqn],
  outputs: eqn.outputs,
});
