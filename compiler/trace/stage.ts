// stage: runs a function once on traced arguments and gives its Graph; replay: records a Graph again.
import type { Aval } from "../core/aval.js";
import { TraceError } from "../core/errors.js";
import { type Atom, type Eqn, type Graph, newVar, type Var } from "../ir/graph.js";
import { hereText } from "./here.js";
import type { Operand, Row, Tensor } from "./tensor.js";
import { bind, currentTrace, inTrace, type Keeping, withLocation } from "./trace.js";
import type { Variable } from "./variable.js";

export interface Staged<R> {
  /** Inputs: the arguments, then the captures. */
  readonly graph: Graph;
  /** Values the function took from outside: tensors, or values of an outer trace. */
  readonly captures: readonly Tensor[];
  /** The same as the function knows them: a stand-in is another tensor than what it stands for. */
  readonly sources: readonly Tensor[];
  /** What `fn` gave beside its outputs: the structure of its result. */
  readonly rest: R;
  /** Variables it assigned. Their new values are the last outputs of the Graph. */
  readonly writes: readonly Variable[];
  /** The same for messages: entries of these, where the function knows them as variables of their own. */
  readonly assigned: readonly Tensor[];
  /** Where variables had their elements when they were first used. */
  readonly rowsRead: ReadonlyMap<Tensor, Row | undefined>;
}

/**
 * Traces `fn` on arguments of the given types. Each of `outer` gets an input behind the arguments, which stands for it
 * wherever `fn` uses it; it may belong to a trace that is over. Throws `TraceError` when `fn` assigns a variable, unless the
 * caller `takesWrites`.
 */
export function stage<R>(
  name: string,
  avals: readonly Aval[],
  fn: (args: Tensor[]) => { readonly outputs: readonly Operand[]; readonly rest: R },
  outer: readonly Tensor[] = [],
  takesWrites = false,
  keeping?: Keeping,
): Staged<R> {
  return inTrace(
    name,
    (trace) => {
      const args = avals.map((aval) => trace.input(aval));
      for (const x of outer) trace.standIn(x);
      const { outputs, rest } = fn(args);
      if (trace.writes.size > 0 && !takesWrites) {
        throw new TraceError(
          `${name}: the function assigns a variable, which only jit, vmap and grad around it can write back\n  return the new value, or carry it along${hereText()}`,
        );
      }
      // entries of a tensor that is assigned too come behind it
      const isBehind = (x: Tensor): boolean =>
        x.row !== undefined && (trace.writes.has(x.row.of) || isBehind(x.row.of));
      const all = [...trace.writes];
      const behind = all.filter(([x]) => isBehind(x)).sort(([x], [y]) => depthOf(x) - depthOf(y));
      const written = [...all.filter(([x]) => !isBehind(x)), ...behind];
      const graph = trace.finish([...outputs, ...written.map(([, value]) => value)]);
      const writes = written.map(([variable]) => variable) as Variable[];
      const assigned = writes.map((x) => trace.assigned.get(x)!);
      const { captures, sources, rowsRead } = trace;
      return { graph, captures, sources, rest, writes, assigned, rowsRead };
    },
    keeping,
  );
}

/** Of how many tensors, one within the other, it is an entry. */
const depthOf = (x: Tensor): number => (x.row ? depthOf(x.row.of) + 1 : 0);

/** Values that a function takes from outside, known twice. */
export interface Outer {
  /** What it recorded. */
  readonly eqns: readonly Eqn[];
  /** As operands here. */
  readonly captures: readonly Tensor[];
  /** As `fn` knows them. */
  readonly sources: readonly Tensor[];
}

/** What `work` takes from outside. Where it throws, as far as it comes: its mistakes are met when it is needed. */
export function outerValues(name: string, avals: readonly Aval[], work: (args: Tensor[]) => void): Outer {
  return inTrace(name, (trace) => {
    try {
      work(avals.map((aval) => trace.input(aval)));
    } catch {
      // traced again, where it counts
    }
    return { eqns: trace.eqns, captures: trace.captures, sources: trace.sources };
  });
}

/** Applies the equations of `graph` to `operands`, keeping their places in the user's code. */
export function replay(graph: Graph, operands: readonly Operand[]): Operand[] {
  const values = new Map<Var, Operand>();
  graph.inputs.forEach((v, i) => void values.set(v, operands[i]!));
  const read = (x: Atom): Operand => (x.kind === "literal" ? x : values.get(x)!);
  for (const eqn of graph.eqns) {
    const results = withLocation(eqn.location, () => bind(eqn.op, eqn.inputs.map(read), eqn.params));
    eqn.outputs.forEach((v, k) => void values.set(v, results[k]!));
  }
  return graph.outputs.map(read);
}

/** Gives variables their new values: in the trace under way, else at once. `assigned` is what messages call them. */
export function writeBack(
  writes: readonly Variable[],
  values: readonly Tensor[],
  assigned: readonly Tensor[] = writes,
): void {
  const trace = currentTrace();
  writes.forEach((variable, i) => {
    if (trace) trace.write(variable, values[i]!, assigned[i]);
    else variable.receive(values[i]!);
  });
}

/** A traced function: its Graph takes the arguments first, then what it captured. */
export interface Closed {
  readonly graph: Graph;
  readonly captures: readonly Tensor[];
}

/** Graphs that take the captures of all functions first, then their arguments. */
export function shareCaptures(functions: readonly Closed[]): {
  readonly graphs: readonly Graph[];
  readonly captures: readonly Tensor[];
} {
  const all = new Map<unknown, Tensor>();
  for (const x of functions.flatMap(({ captures }) => captures)) all.set(identityOf(x), x);
  const graphs = functions.map(({ graph, captures }): Graph => {
    const count = graph.inputs.length - captures.length;
    const own = new Map(captures.map((x, i) => [identityOf(x), graph.inputs[count + i]!]));
    const shared = [...all].map(([identity, x]) => own.get(identity) ?? newVar(x.aval));
    return { ...graph, inputs: [...shared, ...graph.inputs.slice(0, count)] };
  });
  return { graphs, captures: [...all.values()] };
}

const identityOf = (x: Tensor): unknown => x.traced?.atom ?? x;
