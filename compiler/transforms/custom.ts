// What functions with rules of the user's have in common: how they are called, and how their rules are traced.
import type { Aval } from "../core/aval.js";
import { TraceError } from "../core/errors.js";
import { type TreeDef, unflatten } from "../core/tree.js";
import { type Graph, newVar } from "../ir/graph.js";
import type { RegionOp } from "../ir/op.js";
import { axisNamesIn } from "../ops/index.js";
import { axisScope, type NamedAxis, withAxisScope } from "../trace/axis-names.js";
import { hereText } from "../trace/here.js";
import { type Outer, outerValues, stage } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { bind, currentTrace } from "../trace/trace.js";
import { flattenArgs, nameOf, stageCall } from "./call.js";
import { quietly } from "./observe.js";
import { runGraph } from "./run.js";
import type { AnyFunction } from "./types.js";

/** A call of the function, as its rules see it. Rules are traced when they are needed, which may be long after it. */
export interface CustomCall {
  /** `customJvp of f`, for messages. */
  readonly label: string;
  readonly def: TreeDef;
  readonly types: readonly Aval[];
  /** Leaf i of the arguments in the user's words. */
  argumentName(i: number): string;
  readonly outDef: TreeDef;
  readonly outTypes: readonly Aval[];
  /** Of what the function captured; these operands come behind the arguments, before what the rules captured. */
  readonly captured: readonly Aval[];
  /** What the rules captured, as they know it. */
  readonly sources: readonly Tensor[];
  readonly axes: readonly NamedAxis[];
}

/** The rules as one function, and as what the record wants. */
export interface CustomRules {
  /** Runs all rules on values of these types, for what they take from outside. */
  readonly trialTypes: (call: CustomCall) => readonly Aval[];
  trial(call: CustomCall, args: readonly Tensor[]): void;
  /** The params of the record that are rules. */
  params(call: CustomCall): object;
}

const underTrial = new Set<AnyFunction>();

/**
 * A call of `made`, which is `target` with rules: an equation of `op` in the trace under way; outside of any it simply
 * runs. What the rules
 * take from outside become operands now: they are found by tracing the rules once, and stood in for when they are traced
 * again.
 */
export function callCustom(
  transform: string,
  op: RegionOp,
  { made, target }: { readonly made: AnyFunction; readonly target: AnyFunction },
  args: readonly unknown[],
  rules: CustomRules,
): unknown {
  const flat = flattenArgs(transform, target, args);
  const { graph, captures, rest } = stageCall(transform, target, flat);
  const operands: Operand[] = [...flat.leaves, ...captures];
  if (!currentTrace()) return unflatten(rest, runGraph(graph, operands, `${transform}(${nameOf(target)})`));
  const call: CustomCall = {
    label: `${transform} of ${nameOf(target)}`,
    def: flat.def,
    types: flat.leaves.map((x) => x.aval),
    argumentName: flat.name,
    outDef: rest,
    outTypes: graph.outputs.map((x) => x.aval),
    captured: captures.map((x) => x.aval),
    sources: [],
    axes: axisScope(),
  };
  const outer = trial(made, call, rules);
  const body: Graph = { ...graph, inputs: [...graph.inputs, ...outer.captures.map((x) => newVar(x.aval))] };
  const results = bind(op, [...operands, ...outer.captures], {
    body,
    of: nameOf(target),
    args: flat.leaves.length,
    axisNames: [...axisNamesIn({ inputs: [], eqns: outer.eqns, outputs: [] })],
    ...rules.params({ ...call, sources: outer.sources }),
  });
  return unflatten(rest, results);
}

/** What the rules take from outside. A rule that calls its own function needs no second look. */
function trial(made: AnyFunction, call: CustomCall, rules: CustomRules): Outer {
  if (underTrial.has(made)) return { captures: [], sources: [], eqns: [] };
  underTrial.add(made);
  try {
    return quietly(() => outerValues(call.label, rules.trialTypes(call), (args) => rules.trial(call, args)));
  } finally {
    underTrial.delete(made);
  }
}

/**
 * The Graph of a rule: its inputs are values of `types`, then, at `at` among them, what the function and its rules
 * captured.
 */
export function stageRule<R>(
  call: CustomCall,
  types: readonly Aval[],
  at: number,
  rule: (args: readonly Tensor[]) => { readonly outputs: readonly Operand[]; readonly rest: R },
): { readonly graph: Graph; readonly rest: R } {
  const { captured, sources, label } = call;
  const name = label.replace(" of ", "(").concat(")");
  const staged = withAxisScope(call.axes, () =>
    stage(name, [...types, ...captured], (args) => rule(args.slice(0, types.length)), sources),
  );
  if (staged.captures.length > 0) {
    throw new TraceError(
      `${label}: its rule uses a value from outside that it did not use when the function was called${hereText()}`,
    );
  }
  const { inputs } = staged.graph;
  const [own, outer] = [inputs.slice(0, types.length), inputs.slice(types.length)];
  return {
    graph: { ...staged.graph, inputs: [...own.slice(0, at), ...outer, ...own.slice(at)] },
    rest: staged.rest,
  };
}
