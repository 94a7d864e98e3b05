// The reference interpreter: runs a Graph on host arrays, equation by equation.
import type { Aval } from "../core/aval.js";
import { allocate, type DType } from "../core/dtype.js";
import { InternalError } from "../core/errors.js";
import { filled, type NDArray } from "../core/ndarray.js";
import { sizeOf } from "../core/shape.js";
import { type Atom, type Eqn, type Graph, showParams, type Var } from "../ir/graph.js";
import type { CpuContext, ElementwiseOp } from "../ir/op.js";
import { type CompiledScalar, compileScalar } from "./evaluate.js";

/**
 * Results of `graph` for `inputs`, which must have the types of its inputs. With `wide`, f32 is computed and held in
 * 64 bits: the oracle of the tests. Values are dropped after their last use.
 */
export function interpret(graph: Graph, inputs: readonly NDArray[], context: CpuContext = { wide: false }): NDArray[] {
  const values = new Map<Var, NDArray>();
  graph.inputs.forEach((v, i) => void values.set(v, inputs[i]!));
  const read = (x: Atom): NDArray => {
    if (x.kind === "literal") return filled(x.aval.dtype, [], x.value, context.wide);
    const value = values.get(x);
    if (!value) throw new InternalError("interpret: a variable is used before it is defined");
    return value;
  };
  const last = lastUses(graph);
  for (const [i, eqn] of graph.eqns.entries()) {
    const results = runEqn(eqn, eqn.inputs.map(read), context);
    eqn.outputs.forEach((v, k) => void values.set(v, results[k]!));
    for (const x of last.get(i) ?? []) values.delete(x);
  }
  return graph.outputs.map(read);
}

const lasts = new WeakMap<Graph, Map<number, Var[]>>();

/** For each equation, the variables nobody reads after it. Bodies of loops are asked again and again. */
function lastUses(graph: Graph): Map<number, Var[]> {
  const known = lasts.get(graph);
  if (known) return known;
  const at = new Map<Var, number>();
  graph.eqns.forEach((eqn, i) => {
    for (const x of [...eqn.inputs, ...eqn.outputs]) if (x.kind === "var") at.set(x, i);
  });
  for (const x of graph.outputs) if (x.kind === "var") at.delete(x);
  const last = new Map<number, Var[]>();
  for (const [v, i] of at) last.set(i, [...(last.get(i) ?? []), v]);
  lasts.set(graph, last);
  return last;
}

function runEqn(eqn: Eqn, inputs: readonly NDArray[], context: CpuContext): NDArray[] {
  const { op, params } = eqn;
  const output = eqn.outputs[0]!.aval;
  const avals = () => eqn.outputs.map((v) => v.aval);
  switch (op.kind) {
    case "elementwise":
      return [runElementwise(op, params, inputs, output, context)];
    case "view":
      return [op.cpu(inputs, params, context, output)];
    case "reduction":
      return [op.cpu(inputs[0]!, params, context, output)];
    case "contraction":
      return [op.cpu([inputs[0]!, inputs[1]!], params, context, output)];
    case "opaque":
      return op.cpu(inputs, params, context, avals());
    case "region":
      return op.cpu(inputs, params, context, avals(), (graph, args) => interpret(graph, args, context));
    case "collective":
      throw new InternalError(`interpret: no vmap took ${op.name} out`);
  }
}

const compiled = new WeakMap<ElementwiseOp, Map<string, CompiledScalar>>();

function runElementwise(
  op: ElementwiseOp,
  params: object,
  inputs: readonly NDArray[],
  output: Aval,
  { wide }: CpuContext,
): NDArray {
  const length = sizeOf(output.shape);
  const data = allocate(output.dtype, length, wide);
  // scalar constants stand beside arrays: they are not stepped through
  const steps = inputs.map((x) => (x.data.length === 1 && length !== 1 ? 0 : 1));
  const f = op.host ?? (wide ? op.wide : undefined);
  if (f) {
    for (let i = 0; i < length; i++) data[i] = f(...inputs.map((x, k) => x.data[i * steps[k]!]!));
  } else {
    scalarOf(op, params, inputs, wide)(
      [data],
      inputs.map((x) => x.data),
      length,
      steps,
    );
  }
  return { dtype: output.dtype, shape: output.shape, data };
}

function scalarOf(op: ElementwiseOp, params: object, inputs: readonly NDArray[], wide: boolean): CompiledScalar {
  const types: DType[] = inputs.map((x) => x.dtype);
  const key = `${wide} ${types.join()} ${showParams(params)}`;
  let byKey = compiled.get(op);
  if (!byKey) {
    byKey = new Map();
    compiled.set(op, byKey);
  }
  let found = byKey.get(key);
  if (!found) {
    found = compileScalar((b, args) => op.scalar(b, args, params), types, { wide });
    byKey.set(key, found);
  }
  return found;
}
