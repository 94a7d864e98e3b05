// fuse: cuts a Graph into kernels.
import { sizeOf } from "../core/shape.js";
import type { Eqn, Graph, Var } from "../ir/graph.js";
import type { FusedGraph, FusedKernel } from "../ir/kernel.js";
import type { ReduceParams } from "../ir/op.js";
import type { DeviceLimits } from "../ir/program.js";
import { isStacked, laneShape } from "../ir/region.js";
import { costOf, memoryOf, stateSizeOf } from "./cost.js";
import { arrayFormOf } from "./local.js";
import { isRoot, memoryNeeds, type NeedsMemory, readsInPlace } from "./root.js";
import { chooseStores, MAX_INSTRUCTIONS, type StoreReason, type Stores } from "./store.js";

/** A kernel while it grows. */
interface Group {
  readonly id: number;
  /** Number of the equation it was made for. What comes behind a fence joins no kernel from before it. */
  readonly start: number;
  readonly size: number;
  roots: Eqn[];
  /** Results computed here, in order. */
  readonly members: Var[];
  readonly eqns: Set<Eqn>;
  readonly loads: Set<Var>;
  /** Groups that must run before this one, however indirectly. */
  readonly before: Set<Group>;
  cost: number;
}

/**
 * Merges equations into kernels. Stored variables of one size share a kernel when none has to wait for the other and
 * the device can bind what they read; what follows a reduction or contraction element by element becomes its epilogue,
 * what comes before it its prologue. An equation that needs memory is a kernel by itself.
 *
 * Before: dce has run (an unread result would be stored for nothing); narrow has run; outputs are variables, and so are
 * the operands of equations that need memory.
 * After: every kernel but those stores arrays of one size, and fits the device's bindings.
 */
export function fuse(graph: Graph, limits: DeviceLimits): FusedGraph {
  const producer = new Map<Var, Eqn>();
  for (const eqn of graph.eqns) for (const v of eqn.outputs) producer.set(v, eqn);
  const stores = chooseStores(graph, limits);
  const needsMemory = memoryNeeds(graph, limits);
  const memory = graph.outputs.map((x) => memoryOf(x as Var, producer));
  const outputs = new Set(memory);
  const kernelsWith = (staysInside: Inside): FusedKernel[] =>
    finish(
      graph,
      producer,
      group(graph, producer, stores, limits, needsMemory, staysInside),
      stores,
      outputs,
      needsMemory,
    );
  const fitsDevice = ({ kind, roots, loads, stores: kept }: FusedKernel): boolean =>
    kind === "opaque" || kind === "region" || loads.length + carriedBy(roots) + kept.length <= limits.maxStorageBuffers;
  // what only its own kernel reads takes no buffer; but a later kernel may compute one of its readers again
  const kernels = kernelsWith(readInside(graph, outputs));
  return { graph, kernels: kernels.every(fitsDevice) ? kernels : kernelsWith(() => false), memory };
}

/** A stored variable is read by nothing but these equations. */
type Inside = (v: Var, isIn: (eqn: Eqn) => boolean) => boolean;

function readInside(graph: Graph, outputs: ReadonlySet<Var>): Inside {
  const readers = new Map<Var, Eqn[]>();
  for (const eqn of graph.eqns) {
    for (const x of eqn.inputs) if (x.kind === "var") readers.set(x, [...(readers.get(x) ?? []), eqn]);
  }
  return (v, isIn) => !outputs.has(v) && (readers.get(v) ?? []).every(isIn);
}

const carriedBy = (roots: readonly Eqn[]): number => roots.reduce((sum, root) => sum + stateSizeOf(root), 0);

/** Puts each stored variable in the first group it fits, else in a new one. */
function group(
  graph: Graph,
  producer: ReadonlyMap<Var, Eqn>,
  stores: Stores,
  limits: DeviceLimits,
  needsMemory: NeedsMemory,
  staysInside: Inside,
): Group[] {
  const inputs = new Set(graph.inputs);
  const groups: Group[] = [];
  const groupOf = new Map<Var, Group>();
  const fences = fencesOf(graph);
  for (const [i, eqn] of graph.eqns.entries()) {
    for (const v of eqn.outputs) {
      if (!stores.has(v)) continue;
      const cone = coneOf(v, producer, (x) => inputs.has(x) || stores.has(x));
      const size = lanesFor(eqn, v, stores);
      // a loop that stores more than can be bound runs more than once
      const hasRoom = (g: Group): boolean =>
        g.size === size && g.loads.size + g.members.length + 1 <= limits.maxStorageBuffers;
      const own = (g: Group): boolean => g.roots.includes(eqn) && (needsMemory(eqn) || hasRoom(g));
      const isOpen = (g: Group): boolean =>
        g.start >= (fences.get(v) ?? 0) &&
        !g.roots.some(needsMemory) &&
        fits(g, v, eqn, cone, groupOf, limits, staysInside);
      const isAlone = isRoot(eqn) && (eqn.op.kind === "opaque" || eqn.op.kind === "region");
      const home = groups.find(isAlone ? own : isOpen) ?? newGroup(size, groups, i);
      join(home, v, eqn, cone, groupOf, groups);
      groupOf.set(v, home);
    }
  }
  return groups;
}

/** Invocations that compute v: of a region one for each lane. What all lanes share is stored by one of them. */
function lanesFor(eqn: Eqn, v: Var, stores: Stores): number {
  const form = arrayFormOf(eqn);
  const sizeFor = (x: Var): number => sizeOf(form?.vars.has(x) ? form.shape : laneShape(eqn, eqn.outputs.indexOf(x)));
  if (!isShared(eqn, v)) return sizeFor(v);
  const sizes = eqn.outputs.filter((x) => stores.has(x) && !isStackedVar(eqn, x)).map(sizeFor);
  return sizes.includes(0) ? sizeFor(v) : Math.max(...sizes);
}

/** A number that a region gives, which every lane knows. */
const isShared = (eqn: Eqn, v: Var): boolean =>
  eqn.op.kind === "region" && eqn.outputs.includes(v) && v.aval.shape.length === 0;

/** The number of the last fence that each variable comes behind, directly or not. */
function fencesOf(graph: Graph): Map<Var, number> {
  const fences = new Map<Var, number>();
  for (const [i, { op, inputs, outputs }] of graph.eqns.entries()) {
    let last = op.kind === "view" && op.fence ? i : 0;
    for (const x of inputs) if (x.kind === "var") last = Math.max(last, fences.get(x) ?? 0);
    if (last > 0) for (const v of outputs) fences.set(v, last);
  }
  return fences;
}

function newGroup(size: number, groups: Group[], start: number): Group {
  const made: Group = {
    id: groups.length,
    start,
    size,
    roots: [],
    members: [],
    eqns: new Set(),
    loads: new Set(),
    before: new Set(),
    cost: 0,
  };
  groups.push(made);
  return made;
}

/** What is computed for `v`, and the variables in memory it is computed from. */
interface Cone {
  readonly eqns: readonly Eqn[];
  /** Variables in memory; true when each of their elements is read only for the result at the same place. */
  readonly leaves: ReadonlyMap<Var, boolean>;
  readonly cost: number;
}

function coneOf(root: Var, producer: ReadonlyMap<Var, Eqn>, inMemory: (v: Var) => boolean): Cone {
  const leaves = new Map<Var, boolean>();
  const eqns = new Set<Eqn>();
  const seen = new Map<Var, boolean>();
  const open: { v: Var; inPlace: boolean }[] = [{ v: root, inPlace: true }];
  let cost = 0;
  while (open.length > 0) {
    const { v, inPlace } = open.pop()!;
    const known = seen.get(v);
    // seen in place before does not settle that it is read elsewhere too
    if (known === false || (known === true && inPlace)) continue;
    seen.set(v, inPlace);
    if (v !== root && inMemory(v)) {
      leaves.set(v, inPlace && leaves.get(v) !== false);
      continue;
    }
    const eqn = producer.get(v)!;
    if (!eqns.has(eqn)) {
      eqns.add(eqn);
      cost += costOf(eqn);
    }
    const below = inPlace && readsInPlace(eqn);
    for (const x of eqn.inputs) if (x.kind === "var") open.push({ v: x, inPlace: below });
  }
  return { eqns: [...eqns], leaves, cost };
}

function fits(
  g: Group,
  v: Var,
  eqn: Eqn,
  cone: Cone,
  groupOf: ReadonlyMap<Var, Group>,
  limits: DeviceLimits,
  staysInside: Inside,
): boolean {
  if (g.size !== sizeOf(v.aval.shape) || g.size === 0) return false;
  if (isRoot(eqn) && !(g.roots.length > 0 && g.members.length === g.roots.length && foldsAlike(g.roots[0]!, eqn)))
    return false;
  if (g.cost + cone.cost > MAX_INSTRUCTIONS && g.cost + costBeside(g, cone) > MAX_INSTRUCTIONS) return false;
  const loads = new Set(g.loads);
  let continues = g.roots.length === 0 || isRoot(eqn);
  for (const [leaf, inPlace] of cone.leaves) {
    const from = groupOf.get(leaf);
    if (from === g) {
      // a prologue cannot read what the kernel has yet to compute, and entries of a scan are past
      const isKnown = inPlace || g.roots.some((root) => isShared(root, leaf));
      if (!isKnown || isRoot(eqn) || g.roots.some((root) => isStackedVar(root, leaf))) return false;
      continues = true;
    } else {
      if (from?.before.has(g)) return false;
      loads.add(leaf);
    }
  }
  // beside a reduction runs only what continues from it
  const roots = isRoot(eqn) ? [...g.roots, eqn] : g.roots;
  const room = limits.maxStorageBuffers - loads.size - carriedBy(roots) - 1;
  if (!continues || g.members.length <= room) return continues;
  const isHere = (e: Eqn): boolean => g.eqns.has(e) || cone.eqns.includes(e);
  return g.members.filter((m) => !staysInside(m, isHere)).length <= room;
}

/** Instructions of a cone that the group does not have yet. */
const costBeside = (g: Group, { eqns }: Cone): number =>
  eqns.reduce((sum, eqn) => (g.eqns.has(eqn) ? sum : sum + costOf(eqn)), 0);

const isStackedVar = (eqn: Eqn, v: Var): boolean => eqn.outputs.includes(v) && isStacked(eqn, eqn.outputs.indexOf(v));

/** Two reductions over the same axes of operands of the same shape run in one loop. */
function foldsAlike(a: Eqn, b: Eqn): boolean {
  if (a.op.kind !== "reduction" || b.op.kind !== "reduction") return false;
  const [x, y] = [a.inputs[0]!.aval.shape, b.inputs[0]!.aval.shape];
  const axes = (eqn: Eqn) => (eqn.params as ReduceParams).axes.join();
  return x.join() === y.join() && axes(a) === axes(b);
}

function join(
  g: Group,
  v: Var,
  eqn: Eqn,
  cone: Cone,
  groupOf: ReadonlyMap<Var, Group>,
  groups: readonly Group[],
): void {
  g.members.push(v);
  if (isRoot(eqn) && !g.roots.includes(eqn)) g.roots.push(eqn);
  g.cost += costBeside(g, cone);
  for (const e of cone.eqns) g.eqns.add(e);
  for (const leaf of cone.leaves.keys()) {
    const from = groupOf.get(leaf);
    if (from === g) continue;
    g.loads.add(leaf);
    if (from) for (const h of [from, ...from.before]) g.before.add(h);
  }
  // who waits for this group now waits for what it waits for
  for (const other of groups) if (other.before.has(g)) for (const h of g.before) other.before.add(h);
}

/** Groups in an order in which everything is stored before it is read; keeps what others read and drops the rest. */
function finish(
  graph: Graph,
  producer: ReadonlyMap<Var, Eqn>,
  groups: readonly Group[],
  stores: Stores,
  outputs: ReadonlySet<Var>,
  needsMemory: NeedsMemory,
): FusedKernel[] {
  const readByOthers = new Set(groups.flatMap((g) => [...g.loads]));
  const place = new Map(graph.eqns.map((eqn, i) => [eqn, i]));
  const order = new Map([...graph.inputs, ...graph.eqns.flatMap((eqn) => eqn.outputs)].map((v, i) => [v, i]));
  const ordered: Group[] = [];
  const done = new Set<Group>();
  const visit = (g: Group): void => {
    if (done.has(g)) return;
    done.add(g);
    for (const h of [...g.before].sort((a, b) => a.id - b.id)) visit(h);
    ordered.push(g);
  };
  groups.forEach(visit);
  return ordered.map((g, i): FusedKernel => {
    const [root] = g.roots;
    const alone = root && needsMemory(root) ? root : undefined;
    const kept = alone ? alone.outputs : g.members.filter((v) => outputs.has(v) || readByOthers.has(v));
    // what all lanes share has a kernel without them
    const form = root && !alone && kept.some((v) => arrayFormOf(root)?.vars.has(v)) ? arrayFormOf(root) : undefined;
    return {
      ...(form ? { form } : {}),
      kind: kindOf(root, alone !== undefined),
      name: `k${i}`,
      roots: g.roots,
      eqns: [...g.eqns].sort((a, b) => place.get(a)! - place.get(b)!),
      loads: alone
        ? alone.inputs.map((x) => memoryOf(x as Var, producer))
        : [...g.loads].sort((a, b) => order.get(a)! - order.get(b)!),
      stores: kept,
      size: alone ? kept.reduce((sum, v) => sum + sizeOf(v.aval.shape), 0) : g.size,
      why: kept.map((v) => explain(stores.get(v)!)),
    };
  });
}

function kindOf(root: Eqn | undefined, alone: boolean): FusedKernel["kind"] {
  switch (root?.op.kind) {
    case "contraction":
      return "contract";
    case "opaque":
      return "opaque";
    case "region":
      return alone ? "region" : "lanes";
    default:
      return root ? "reduce" : "map";
  }
}

function explain(reason: StoreReason): string {
  switch (reason) {
    case "output":
      return "it is a result";
    case "root":
      return "what is folded over an axis is complete only when its kernel ends";
    case "loop":
      return "control flow runs in the kernel, each lane by itself, and its last values are known when it ends";
    case "own kernel":
      return "it comes from dispatches of its own";
    case "operand":
      return "dispatches of their own read it";
    case "long":
      return `one kernel holds at most ${MAX_INSTRUCTIONS} instructions`;
    case "many buffers":
      return "the next kernel could not bind all the arrays it would read";
    case "costly to repeat":
      return "reading it back is cheaper than computing it again at every use";
  }
}
