// vmap in chunks: the mapped function runs on some lanes after the others, so that their values need less memory.
import { type Aval, aval } from "../core/aval.js";
import { insertAt } from "../core/shape.js";
import type { Atom, Eqn, Graph, Var } from "../ir/graph.js";
import { concatenate, lanesAt, reshape, scanArrays, slice } from "../ops/index.js";
import { replay, stage } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { bind, withLocation } from "../trace/trace.js";
import { transforms } from "./table.js";

/**
 * The Graph for `size` lanes, `chunk` at a time: a scan over the whole chunks, then the lanes that are left. Equations
 * that are the same for all lanes are computed once, before. Results that differ have their lanes along axis 0.
 */
export function chunkGraph(
  graph: Graph,
  inAxes: readonly (number | null)[],
  size: number,
  chunk: number,
): { readonly graph: Graph; readonly outAxes: readonly (number | null)[] } {
  const inputs = graph.inputs.map((v, i): Aval => {
    const axis = inAxes[i]!;
    return axis === null ? v.aval : aval(v.aval.dtype, insertAt(v.aval.shape, axis, size));
  });
  const { shared, body, fixedVars, isShared } = takeApart(graph, inAxes);
  const mapped = graph.inputs.flatMap((_, i) => (inAxes[i] === null ? [] : [i]));
  const axes = [...fixedVars.map(() => null), ...mapped.map(() => 0)];
  const outAxes = body.outputs.map(() => 0);
  const bodyFor = (lanes: number): Graph => transforms.batch(body, axes, { size: lanes }, outAxes).graph;
  const whole = Math.floor(size / chunk);

  const staged = stage("vmap", inputs, (args) => {
    const values = new Map<Var, Operand>(graph.inputs.map((v, i) => [v, args[i]!]));
    const read = (x: Atom): Operand => (x.kind === "literal" ? x : values.get(x)!);
    for (const eqn of shared) {
      const results = withLocation(eqn.location, () => bind(eqn.op, eqn.inputs.map(read), eqn.params));
      eqn.outputs.forEach((v, k) => void values.set(v, results[k]!));
    }
    const fixed = fixedVars.map(read);
    const lanes = mapped.map((i) => lanesAt({ value: args[i]!, axis: inAxes[i]! }, 0, size));
    const chunks = lanes.map((x) => {
      const rest = x.shape.slice(1);
      return reshape(rows(x, 0, whole * chunk), [whole, chunk, ...rest]);
    });
    const scan = { body: bodyFor(chunk), length: whole, reverse: false };
    const stacked = body.outputs.length > 0 ? scanArrays(scan, fixed, [], chunks) : [];
    const left = size - whole * chunk;
    const tail = (): Operand[] => replay(bodyFor(left), [...fixed, ...lanes.map((x) => rows(x, whole * chunk, size))]);
    const last = left > 0 ? tail() : [];
    const joined = stacked.map((x, k) => {
      const most = reshape(x, [whole * chunk, ...x.shape.slice(2)]);
      return left > 0 ? concatenate([most, last[k]!], 0) : most;
    });
    const outputs = graph.outputs.map((x): Operand => (isShared(x) ? read(x) : joined.shift()!));
    return { outputs, rest: undefined };
  });
  return { graph: staged.graph, outAxes: graph.outputs.map((x) => (isShared(x) ? null : 0)) };
}

/**
 * Equations that no mapped input comes into, and a Graph of all others: from those values that it takes of the first, then
 * the mapped inputs, to the outputs that are not the same for all lanes.
 */
function takeApart(
  graph: Graph,
  inAxes: readonly (number | null)[],
): {
  readonly shared: readonly Eqn[];
  readonly body: Graph;
  readonly fixedVars: readonly Var[];
  isShared(x: Atom): boolean;
} {
  const own = graph.inputs.filter((_, i) => inAxes[i] !== null);
  const differing = new Set<Atom>(own);
  const shared: Eqn[] = [];
  const eqns: Eqn[] = [];
  for (const eqn of graph.eqns) {
    const isOwn = eqn.inputs.some((x) => differing.has(x));
    (isOwn ? eqns : shared).push(eqn);
    if (isOwn) for (const v of eqn.outputs) differing.add(v);
  }
  const read = eqns.flatMap((eqn) => eqn.inputs).filter((x) => x.kind === "var" && !differing.has(x));
  const fixedVars = [...new Set(read)] as Var[];
  const isShared = (x: Atom): boolean => !differing.has(x);
  const outputs = graph.outputs.filter((x) => !isShared(x));
  return { shared, body: { inputs: [...fixedVars, ...own], eqns, outputs }, fixedVars, isShared };
}

/** Entries `start` to `stop` along axis 0. */
function rows(x: Tensor, start: number, stop: number): Tensor {
  const rest = x.shape.slice(1);
  return slice(x, {
    start: [start, ...rest.map(() => 0)],
    stop: [stop, ...rest],
    step: x.shape.map(() => 1),
  });
}
