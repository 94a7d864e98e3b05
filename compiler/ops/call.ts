// Calls: equations that run a Graph of their own once, and could as well be that Graph's equations. checkpoint, and what
// the other calls share with it.
import { type Aval, sameAval, showAval } from "../core/aval.js";
import { ShapeError } from "../core/errors.js";
import { type Atom, type Eqn, type Graph, newEqn, newVar, type Var } from "../ir/graph.js";
import { type CallParams, type Params, type RegionOp, register, type Sample, shaped } from "../ir/op.js";
import type { Batched, LaneAxis, PartialEqn, Transforms } from "../trace/rules.js";
import { replay, stage } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { bind } from "../trace/trace.js";
import { mul } from "./arithmetic.js";
import { sin } from "./transcendental.js";

/** What every call has in common: its type, its meaning, and its transpose by the body. */
export const callRules = {
  kind: "region",
  form: "call",
  typeOf: (inputs, params) => callTypes(inputs, params as CallParams),
  cpu: (inputs, params, _context, _outputs, run) => run((params as CallParams).body, inputs),
  transpose(cts, operands, types, params, transforms) {
    const { back, known, moves } = transposed(cts, operands, types, (params as CallParams).body, transforms);
    return scattered(operands, replay(back, [...known, ...moves]));
  },
  widen: ({ inputs, params }, [body], more) => ({ inputs: [...inputs, ...more], params: { ...params, body } }),
  ulp: 0,
} satisfies Partial<RegionOp>;

function callTypes(inputs: readonly Aval[], { body }: CallParams): Aval[] {
  const fits = inputs.length === body.inputs.length && inputs.every((x, i) => sameAval(x, body.inputs[i]!.aval));
  if (!fits) {
    const wanted = body.inputs.map((v) => showAval(v.aval)).join(", ");
    throw new ShapeError(`call: operands are ${inputs.map(showAval).join(", ")}, but the body takes ${wanted}`);
  }
  return body.outputs.map((x) => x.aval);
}

/** What a checkpoint keeps for its backward pass beside its operands. */
export type CheckpointPolicy = "nothing" | "contractions" | "everything";

interface CheckpointParams extends CallParams {
  readonly policy: CheckpointPolicy;
}

/**
 * Runs its body; the backward pass runs it again instead of keeping what it computed. Its derivatives are such calls
 * too, so that this holds for derivatives of any order.
 */
export const checkpointOp: RegionOp = register<RegionOp>({
  ...callRules,
  name: "checkpoint",
  batch(args, params, lanes, transforms) {
    const { body, outAxes, operands } = batchedBody(args, params, lanes, transforms);
    return bind(checkpointOp, operands, { ...params, body }).map((value, k) => ({ value, axis: outAxes[k]! }));
  },
  jvp(tangents, operands, params, transforms) {
    const { body } = params as CheckpointParams;
    const isActive = tangents.map((x) => x !== undefined);
    const { graph, active } = transforms.jvp(body, isActive);
    const moves = tangents.filter((x) => x !== undefined);
    const values = bind(checkpointOp, [...operands, ...moves], { ...params, body: graph });
    let at = body.outputs.length;
    return {
      results: values.slice(0, at),
      tangents: active.map((there) => (there ? values[at++] : undefined)),
    };
  },
  partialEval,
  transpose(cts, operands, types, params, transforms) {
    const { body, policy } = params as CheckpointParams;
    const { back, known, moves } = transposed(cts, operands, types, body, transforms);
    const call = withoutUnread(back, [...known, ...moves], known.length);
    return scattered(operands, bind(checkpointOp, call.operands, { body: call.graph, policy, fenced: call.first }));
  },
  samples: checkpointSamples(),
  ulp: 16,
});

/**
 * The known half computes the results that are known, and what the policy keeps. The other one takes the known operands
 * again, and from them computes again what the linear part needs.
 */
function partialEval(eqn: Eqn, unknown: readonly boolean[], transforms: Transforms): PartialEqn {
  const { body, policy, fenced = 0 } = eqn.params as CheckpointParams;
  const { known, linear, unknownOut } = transforms.partialEval(body, unknown);
  const results = eqn.outputs.filter((_, k) => !unknownOut[k]);
  const residuals = known.outputs.slice(results.length);
  const kept = keptBy(policy, known, residuals);

  const knownEqns: Eqn[] = [];
  const knownOperands = eqn.inputs.filter((_, k) => !unknown[k]);
  const keptVars = kept.map((v) => newVar(v.aval));
  if (results.length + kept.length > 0) {
    const graph: Graph = { ...known, outputs: [...known.outputs.slice(0, results.length), ...kept] };
    const isFenced = unknown.map((waits, k) => !waits && k < fenced);
    const call = withoutUnread(graph, knownOperands, isFenced.filter((x) => x).length);
    const params: CheckpointParams = { body: call.graph, policy, fenced: call.first };
    knownEqns.push({ ...eqn, inputs: call.operands, params, outputs: [...results, ...keptVars] });
  }

  const again: Graph = { inputs: [...known.inputs, ...kept], eqns: without(known.eqns, kept), outputs: residuals };
  const unknownOperands = eqn.inputs.filter((_, k) => unknown[k]);
  const types = [...again.inputs, ...linear.inputs.slice(residuals.length)].map((v) => v.aval);
  const { graph } = stage("checkpoint", types, (args) => {
    const values = replay(again, args.slice(0, again.inputs.length));
    return { outputs: replay(linear, [...values, ...args.slice(again.inputs.length)]), rest: undefined };
  });
  const call = withoutUnread(graph, [...knownOperands, ...keptVars, ...unknownOperands], again.inputs.length);
  const params: CheckpointParams = { body: call.graph, policy, fenced: call.first };
  const waiting = eqn.outputs.filter((_, k) => unknownOut[k]);
  return { known: knownEqns, unknown: [{ ...eqn, inputs: call.operands, params, outputs: waiting }] };
}

/** Variables that `residuals` need, of those that the policy keeps. */
function keptBy(policy: CheckpointPolicy, known: Graph, residuals: readonly Atom[]): Var[] {
  if (policy === "nothing") return [];
  const own = new Set(known.inputs);
  if (policy === "everything") return residuals.filter((x): x is Var => x.kind === "var" && !own.has(x));
  const made = known.eqns.filter((eqn) => eqn.op.kind === "contraction").flatMap((eqn) => eqn.outputs);
  const rest = needed(without(known.eqns, made), residuals);
  return made.filter((v) => residuals.includes(v) || rest.some((eqn) => eqn.inputs.includes(v)));
}

/** The equations without those that make `vars`. */
const without = (eqns: readonly Eqn[], vars: readonly Var[]): Eqn[] =>
  eqns.filter((eqn) => !eqn.outputs.some((v) => vars.includes(v)));

/** The equations that `outputs` depend on. */
export function needed(eqns: readonly Eqn[], outputs: readonly Atom[]): Eqn[] {
  const read = new Set<Atom>(outputs);
  const kept = [...eqns].reverse().filter((eqn) => {
    if (!eqn.outputs.some((v) => read.has(v))) return false;
    for (const x of eqn.inputs) read.add(x);
    return true;
  });
  return kept.reverse();
}

/** A Graph on operands; `first` counts those in front that are left of some that were counted before. */
interface Call<T> {
  readonly graph: Graph;
  readonly operands: readonly T[];
  readonly first: number;
}

/** Without equations that nobody reads, and without the operands that nobody reads then. */
function withoutUnread<T>(graph: Graph, operands: readonly T[], first: number): Call<T> {
  const eqns = needed(graph.eqns, graph.outputs);
  const read = new Set<Atom>([...eqns.flatMap((eqn) => eqn.inputs), ...graph.outputs]);
  const isRead = graph.inputs.map((v) => read.has(v));
  return {
    graph: { inputs: graph.inputs.filter((_, i) => isRead[i]), eqns, outputs: graph.outputs },
    operands: operands.filter((_, i) => isRead[i]),
    first: isRead.slice(0, first).filter((x) => x).length,
  };
}

/** The body of a call for a batch, and its operands. */
export function batchedBody(args: readonly Batched[], params: Params, lanes: LaneAxis, transforms: Transforms) {
  const inAxes = args.map((x) => x.axis);
  const { graph, outAxes } = transforms.batch((params as CallParams).body, inAxes, lanes);
  return { body: graph, outAxes, operands: args.map((x) => x.value) };
}

/** The way back through a call that is linear in the operands that are not there. */
interface Transposed {
  /** From the known operands, then cotangents, to a cotangent for each other operand. */
  readonly back: Graph;
  readonly known: readonly Operand[];
  /** The cotangents it takes. */
  readonly moves: readonly Tensor[];
}

function transposed(
  cts: readonly (Tensor | undefined)[],
  operands: readonly (Operand | undefined)[],
  types: readonly Aval[],
  body: Graph,
  transforms: Transforms,
): Transposed {
  const reached = { ...body, outputs: body.outputs.filter((_, k) => cts[k]) };
  const unknown = operands.map((x) => x === undefined);
  const { known, linear, unknownOut, residuals } = transforms.partialEval(reached, unknown);
  const back = transforms.transpose(linear, residuals.length);
  const moves = cts.filter((ct) => ct !== undefined).filter((_, k) => unknownOut[k]);
  const knownTypes = types.filter((_, k) => !unknown[k]);
  const constants = known.outputs.length - residuals.length;
  const { graph } = stage("transpose", [...knownTypes, ...moves.map((ct) => ct.aval)], (args) => {
    const values = replay(known, args.slice(0, knownTypes.length)).slice(constants);
    return { outputs: replay(back, [...values, ...args.slice(knownTypes.length)]), rest: undefined };
  });
  return { back: graph, known: operands.filter((x) => x !== undefined), moves };
}

/** A cotangent in the place of each operand that was not there. */
function scattered(operands: readonly (Operand | undefined)[], found: readonly Operand[]): (Tensor | undefined)[] {
  let at = 0;
  return operands.map((x) => (x === undefined ? (found[at++] as Tensor) : undefined));
}

/** sin(x · w), and k². */
function checkpointSamples(): Sample[] {
  const [x, w, k] = [newVar(shaped("f32", 3)), newVar(shaped("f32", 3)), newVar(shaped("i32", 2))];
  const product = newEqn(mul.op, [x, w], {});
  const wave = newEqn(sin.op, product.outputs, {});
  const twice = newEqn(mul.op, [k, k], {});
  return [
    {
      inputs: [x.aval, w.aval],
      params: { body: { inputs: [x, w], eqns: [product, wave], outputs: wave.outputs }, policy: "nothing" },
      domain: [
        [0.2, 1.2],
        [0.2, 1.2],
      ],
    },
    {
      inputs: [k.aval],
      params: { body: { inputs: [k], eqns: [twice], outputs: twice.outputs }, policy: "everything" },
    },
  ];
}
