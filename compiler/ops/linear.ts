// What stands for the tangents of functions with rules of the user's: linear in its last operands.
import { type Aval, aval } from "../core/aval.js";
import { TraceError } from "../core/errors.js";
import { type Eqn, type Graph, literal, newVar, regionsOf, type Var } from "../ir/graph.js";
import type { CallParams, OpaqueOp, RegionOp } from "../ir/op.js";
import { hereText } from "../trace/here.js";
import { showLocation } from "../trace/location.js";
import type { LaneAxis, Transforms } from "../trace/rules.js";
import { replay, stage } from "../trace/stage.js";
import { type Operand, Tensor } from "../trace/tensor.js";
import { bind } from "../trace/trace.js";
import { fill, moveAxis, reduceSum } from "./axes.js";
import { batchedBody, callRules, needed } from "./call.js";
import { insertBehind, takeAsConsts } from "./control/graphs.js";

interface LinearParams extends CallParams {
  /** Name of the user's function, for messages. */
  readonly of: string;
  /** The body is linear in its inputs behind so many. */
  readonly residuals: number;
}

/** Results and tangents of a call as its body has them, in the place of the call. */
export const jvpOfBody: RegionOp["jvp"] = (tangents, operands, params, transforms) => {
  const { body } = params as CallParams;
  const { graph, active } = transforms.jvp(
    body,
    tangents.map((x) => x !== undefined),
  );
  const values = replay(graph, [...operands, ...tangents.filter((x) => x !== undefined)]).map(asTensor);
  let at = body.outputs.length;
  return { results: values.slice(0, at), tangents: active.map((there) => (there ? values[at++] : undefined)) };
};

/** The tangents that a `customJvp` gives. Reverse mode holds them to being linear. */
export const linearCallOp: RegionOp = {
  ...callRules,
  name: "tangents",
  batch(args, params, lanes, transforms) {
    const { body, outAxes, operands } = batchedBody(args, params, lanes, transforms);
    return bind(linearCallOp, operands, { ...params, body }).map((value, k) => ({ value, axis: outAxes[k]! }));
  },
  jvp: jvpOfBody,
  transpose(cts, operands, types, params, transforms) {
    checkLinear(params as LinearParams, transforms);
    return callRules.transpose(cts, operands, types, params, transforms);
  },
  // the body is linear in what comes last
  widen({ inputs, params }, [body], more) {
    const { residuals } = params as LinearParams;
    const wider = { body: takeAsConsts(body!, residuals, more.length), residuals: residuals + more.length };
    return { inputs: insertBehind(inputs, residuals, more), params: { ...params, ...wider } };
  },
  samples: [],
};

export const asTensor = (x: Operand): Tensor => (x instanceof Tensor ? x : fill(x, []));

function checkLinear({ of, body, residuals }: LinearParams, transforms: Transforms): void {
  const moving = new Set<unknown>(body.inputs.slice(residuals));
  for (const eqn of needed(body.eqns, body.outputs)) {
    const moves = eqn.inputs.map((x) => moving.has(x));
    if (!moves.includes(true)) continue;
    if (!isLinear(eqn, moves, transforms)) {
      const source = eqn.location?.source;
      throw new TraceError(
        `customJvp of ${of}: the tangent that its rule gives is not linear in the tangents: they go through ${eqn.op.name}` +
          `${source ? `\n  at ${showLocation(source)}` : ""}\n` +
          "  reverse mode needs sums of tangents, each times what does not depend on them",
      );
    }
    for (const v of eqn.outputs) moving.add(v);
  }
}

/** An equation is linear in operands when its tangent by them does not depend on their values. */
function isLinear(eqn: Eqn, moves: readonly boolean[], transforms: Transforms): boolean {
  if (eqn.outputs.some((v) => v.aval.dtype !== "f32")) return false;
  const operands = eqn.inputs.map((x) => (x.kind === "var" ? newVar(x.aval) : x));
  const outputs = eqn.outputs.map((v) => newVar(v.aval));
  const inputs = operands.filter((x): x is Var => x.kind === "var");
  const isMoving = moves.filter((_, i) => operands[i]!.kind === "var");
  const alone: Graph = { inputs, eqns: [{ ...eqn, inputs: operands, outputs }], outputs };
  const { graph, active } = transforms.jvp(alone, isMoving);
  if (active.includes(false)) return false;
  const { unknownOut } = transforms.partialEval(
    graph,
    graph.inputs.map((_, i) => Boolean(isMoving[i])),
  );
  return !unknownOut.slice(outputs.length).includes(true);
}

interface PullbackSpec {
  readonly of: string;
  /** Named axes that the rules speak of. */
  readonly axisNames: readonly string[];
  /** So many operands are known: what was captured, and the residuals. Behind them come tangents. */
  readonly known: number;
  /** Which float arguments have a tangent. */
  readonly active: readonly boolean[];
  /** Of the float results. */
  readonly types: readonly Aval[];
  /** From the known operands and cotangents of the results to those of all float arguments. */
  backward(): Graph;
}

interface PullbackParams extends PullbackSpec {
  /** The same for a batch, results along axis 0. */
  batched(axes: readonly (number | null)[], lanes: LaneAxis): PullbackParams;
}

/** The params of `pullbackOp`, which stands below the transforms. */
export function pullbackParams(spec: PullbackSpec, transforms: Transforms): PullbackParams {
  const batched = (axes: readonly (number | null)[], lanes: LaneAxis): PullbackParams => {
    const ofTangents = axes.slice(spec.known);
    const to = spec.active.map((isActive) => (isActive ? ofTangents.shift()! : 0));
    const backward = once(() => {
      const graph = spec.backward();
      const inAxes = [...axes.slice(0, spec.known), ...spec.types.map(() => 0)];
      const zeros = graph.outputs.map(() => 0);
      return placed(transforms.batch(graph, inAxes, lanes, zeros).graph, to);
    });
    const types = spec.types.map(({ dtype, shape }) => aval(dtype, [lanes.size, ...shape]));
    return pullbackParams({ ...spec, types, backward }, transforms);
  };
  return { ...spec, batched };
}

/** The tangents of a `customVjp`: nobody knows them, but their transpose is the user's. */
export const pullbackOp: OpaqueOp = {
  name: "pullback",
  kind: "opaque",
  typeOf: (_inputs, params) => [...(params as PullbackParams).types],
  cpu: (_inputs, params) => refuse("the derivative", params as PullbackParams),
  kernels: (_inputs, _outputs, params) => refuse("the derivative", params as PullbackParams),
  axisNames: (params) => (params as PullbackParams).axisNames,
  batch(args, params, _size, lanes) {
    const axes = args.map((x) => x.axis);
    const operands = args.map((x) => x.value);
    const batched = (params as PullbackParams).batched(axes, lanes);
    return bind(pullbackOp, operands, batched).map((value) => ({ value, axis: 0 }));
  },
  jvp: (_tangents, _operands, _results, params) => refuse("the second derivative", params as PullbackParams),
  transpose(cts, operands, _types, params) {
    const { known, active, types, backward } = params as PullbackParams;
    const given = types.map((type, k) => cts[k] ?? fill(literal(0, aval(type.dtype, [])), type.shape));
    const back = replay(backward(), [...(operands.slice(0, known) as Operand[]), ...given]).map(asTensor);
    return [...operands.slice(0, known).map(() => undefined), ...back.filter((_, i) => active[i])];
  },
  samples: [],
  ulp: 0,
};

/** Throws `TraceError`: `what` needs forward mode. */
function refuse(what: string, { of }: PullbackParams): never {
  throw new TraceError(
    `${what} of ${of} in forward mode: it has a rule for reverse mode alone (customVjp)\n` +
      `  use grad, vjp or jacrev, or give the rule by customJvp, which serves both${hereText()}`,
  );
}

/** Throws `TraceError` when a Graph that is to be run forward needs the tangents of a `customVjp`. */
export function checkForward(name: string, graph: Graph): void {
  for (const { op, params } of needed(graph.eqns, graph.outputs)) {
    if (op === pullbackOp) refuse(name, params as PullbackParams);
    if (op.kind === "region") for (const region of regionsOf(params)) checkForward(name, region.graph);
  }
}

/** Lanes of result i go from axis 0 to `axes[i]`; where that is null, all lanes had one value, and its cotangents add up. */
export function placed(graph: Graph, axes: readonly (number | null)[]): Graph {
  const types = graph.inputs.map((v) => v.aval);
  return stage("transpose", types, (args) => {
    const outputs = replay(graph, args).map((ct, i): Operand => {
      const axis = axes[i]!;
      return axis === null ? reduceSum(ct, [0]) : moveAxis(ct, 0, axis);
    });
    return { outputs, rest: undefined };
  }).graph;
}

/** What `make` gives, made when it is first asked for. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
