// The transforms of Graphs as one table, for the rules of ops that hold Graphs. Each transform enters itself.
import { InternalError } from "../core/errors.js";
import type { Graph } from "../ir/graph.js";
import type { Transforms } from "../trace/rules.js";

const entered: Partial<Transforms> = {};

/** Enters transforms in the table; done once by the module of each. */
export const enter = (made: Partial<Transforms>): void => void Object.assign(entered, made);

function get<K extends keyof Transforms>(name: K): Transforms[K] {
  const found = entered[name];
  if (!found) throw new InternalError(`the transform '${name}' was not loaded`);
  return found;
}

const none: readonly never[] = [];

/**
 * `make` for each Graph once per `key`: rules ask what a Graph gives before they say what they want of it, at every depth
 * of nesting, which would double the work with each.
 */
function once<R>(): (graph: Graph, key: string, make: () => R) => R {
  const known = new WeakMap<Graph, Map<string, R>>();
  return (graph, key, make) => {
    const own = known.get(graph) ?? new Map<string, R>();
    known.set(graph, own);
    const found = own.get(key) ?? make();
    own.set(key, found);
    return found;
  };
}

const batched = once<ReturnType<Transforms["batch"]>>();
const moved = once<ReturnType<Transforms["jvp"]>>();
const parted = once<ReturnType<Transforms["partialEval"]>>();

/** All of them, looked up when they are used. Their results depend on their arguments alone. */
export const transforms: Transforms = {
  batch: (graph, inAxes, lanes, outAxes) =>
    batched(graph, `${inAxes} ${outAxes} ${lanes.size} ${lanes.name}`, () =>
      get("batch")(graph, inAxes, lanes, outAxes),
    ),
  jvp: (graph, active, wanted = none) => moved(graph, `${active} ${wanted}`, () => get("jvp")(graph, active, wanted)),
  partialEval: (graph, unknown, forced = none) =>
    parted(graph, `${unknown} ${forced}`, () => get("partialEval")(graph, unknown, forced)),
  transpose: (...args) => get("transpose")(...args),
};
