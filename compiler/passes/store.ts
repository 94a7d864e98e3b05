// The first half of fusing: which variables are stored in memory, and which are computed wherever they are needed.
import { sizeOf } from "../core/shape.js";
import type { Atom, Eqn, Graph, Var } from "../ir/graph.js";
import type { ScanParams, WhileParams } from "../ir/op.js";
import type { DeviceLimits } from "../ir/program.js";
import { costOf, memoryOf, stateSizeOf, termsOf } from "./cost.js";
import { isRoot, memoryNeeds, readsInPlace } from "./root.js";

/** Instructions of one kernel at most: beyond it shaders compile slowly, and some drivers fail. */
export const MAX_INSTRUCTIONS = 1000;

/** Instructions, per element, that a kernel more and a write are worth. */
const STORE_COST = 64;

/** Instructions, over all elements, that starting a kernel more is worth: small arrays are computed again. */
const LAUNCH_COST = 16384;

/** Instructions that reading an element back is worth. */
const LOAD_COST = 6;

/** A matrix product reads a tile of its operands once for so many results. */
const REUSE = 16;

/** Different places at which one kernel may compute the same variable. */
const MAX_PLACES = 16;

/** Why a variable is stored. */
export type StoreReason =
  | "output"
  | "root"
  | "loop"
  | "own kernel"
  | "operand"
  | "long"
  | "many buffers"
  | "costly to repeat";

/** Variables that are stored, each with the reason. Inputs are in memory anyway and are not listed. */
export type Stores = ReadonlyMap<Var, StoreReason>;

/**
 * Decides what is stored. Outputs and the results of reductions and contractions are, and operands and results of
 * equations that need memory; so is what would make a kernel too long, make it read more buffers than the device binds, or be computed again and again at a higher price than
 * reading it back.
 */
export function chooseStores(graph: Graph, limits: DeviceLimits): Stores {
  const needsMemory = memoryNeeds(graph, limits);
  const producer = new Map<Var, Eqn>();
  for (const eqn of graph.eqns) for (const v of eqn.outputs) producer.set(v, eqn);
  const inputs = new Set(graph.inputs);
  const stores = new Map<Var, StoreReason>();
  for (const x of graph.outputs) {
    if (x.kind !== "var") continue;
    const v = memoryOf(x, producer);
    if (!inputs.has(v)) stores.set(v, "output");
  }
  const store = (v: Var, reason: StoreReason): void => {
    if (!inputs.has(v) && !stores.has(v)) stores.set(v, reason);
  };
  const read = readBy(graph);
  for (const eqn of graph.eqns) {
    if (!isRoot(eqn)) continue;
    for (const v of eqn.outputs)
      if (needsMemory(eqn) || read.has(v)) store(v, needsMemory(eqn) ? "own kernel" : rootReason(eqn));
    if (!needsMemory(eqn)) continue;
    for (const x of eqn.inputs) if (x.kind === "var") store(memoryOf(x, producer), "operand");
  }
  cutLongCones(graph, producer, stores, limits);
  cutRepeats(graph, stores);
  // what is stored now is one buffer more for who also reads what it was computed from
  cutLongCones(graph, producer, stores, limits);
  return stores;
}

const readBy = (graph: Graph): Set<Atom> => new Set([...graph.eqns.flatMap((eqn) => eqn.inputs), ...graph.outputs]);

const rootReason = (eqn: Eqn): StoreReason => (eqn.op.kind === "region" ? "loop" : "root");

/** Forward: what each variable takes to compute from memory. */
function cutLongCones(
  graph: Graph,
  producer: ReadonlyMap<Var, Eqn>,
  stores: Map<Var, StoreReason>,
  limits: DeviceLimits,
): void {
  const inputs = new Set(graph.inputs);
  const inMemory = (v: Var): boolean => inputs.has(v) || stores.has(v);
  // an upper bound: shared parts count twice until it matters
  const bound = new Map<Var, number>();
  const reads = new Map<Var, ReadonlySet<Var>>();
  for (const eqn of graph.eqns) {
    const operands = [...new Set(eqn.inputs.filter((x): x is Var => x.kind === "var"))];
    const readsOf = (v: Var): ReadonlySet<Var> => (inMemory(v) ? new Set([v]) : reads.get(v)!);
    let read = union(operands.map(readsOf));
    // beside the result, and what a fold carries between two dispatches
    const maxReads = limits.maxStorageBuffers - 1 - (isRoot(eqn) ? stateSizeOf(eqn) : 0);
    while (read.size > maxReads) {
      const widest = operands.filter((v) => !inMemory(v)).sort((a, b) => reads.get(b)!.size - reads.get(a)!.size)[0];
      if (!widest || reads.get(widest)!.size < 2) break;
      stores.set(widest, "many buffers");
      read = union(operands.map(readsOf));
    }
    const own = costOf(eqn);
    let cost = own + operands.reduce((sum, v) => sum + (inMemory(v) ? 1 : bound.get(v)!), 0);
    if (cost > MAX_INSTRUCTIONS) cost = own + exactCost(operands, producer, inMemory);
    if (cost > MAX_INSTRUCTIONS) {
      const longest = operands.filter((v) => !inMemory(v)).sort((a, b) => bound.get(b)! - bound.get(a)!);
      for (const v of longest) {
        if (cost <= MAX_INSTRUCTIONS) break;
        stores.set(v, "long");
        cost = own + exactCost(operands, producer, inMemory);
      }
      read = union(operands.map(readsOf));
    }
    for (const v of eqn.outputs) {
      bound.set(v, cost);
      reads.set(v, read);
    }
  }
}

function union(sets: readonly ReadonlySet<Var>[]): ReadonlySet<Var> {
  if (sets.length === 1) return sets[0]!;
  const all = new Set<Var>();
  for (const set of sets) for (const v of set) all.add(v);
  return all;
}

/** Instructions to compute `roots` from memory, each equation once. */
function exactCost(roots: readonly Var[], producer: ReadonlyMap<Var, Eqn>, inMemory: (v: Var) => boolean): number {
  const seen = new Set<Var>();
  const open = [...roots];
  let cost = 0;
  while (open.length > 0) {
    const v = open.pop()!;
    if (seen.has(v)) continue;
    seen.add(v);
    if (inMemory(v)) {
      cost += 1;
      continue;
    }
    const eqn = producer.get(v)!;
    cost += costOf(eqn);
    for (const x of eqn.inputs) if (x.kind === "var") open.push(x);
  }
  return cost;
}

/** Where a variable is computed: per kernel, named by what it stores, and there per index expression, how many elements. */
type Places = Map<Var, Map<string, number>>;

/** Backward: how often each variable would be computed, over all kernels that need it. */
function cutRepeats(graph: Graph, stores: Map<Var, StoreReason>): void {
  const inputs = new Set(graph.inputs);
  const places = new Map<Var, Places>();
  const price = coneCosts(graph, (v) => inputs.has(v) || stores.has(v));
  const readers = new Map<Var, Eqn[]>();
  for (const eqn of graph.eqns) {
    for (const x of new Set(eqn.inputs)) if (x.kind === "var") readers.set(x, [...(readers.get(x) ?? []), eqn]);
  }
  for (const eqn of [...graph.eqns].reverse()) {
    for (const v of eqn.outputs) {
      const size = Math.max(1, sizeOf(v.aval.shape));
      if (!stores.has(v)) {
        const own = gatherPlaces(v, readers.get(v) ?? [], places);
        if (!isCostly(own, size, price.get(v)!)) {
          places.set(v, own);
          continue;
        }
        stores.set(v, "costly to repeat");
      }
      places.set(v, new Map([[v, new Map([["", size]])]]));
    }
  }
}

function isCostly(own: Places, size: number, price: number): boolean {
  if (price <= LOAD_COST) return false;
  let computed = 0;
  for (const at of own.values()) {
    if (at.size > MAX_PLACES) return true;
    for (const elements of at.values()) computed += elements;
  }
  const extra = (computed - size) * price - computed * LOAD_COST;
  return extra > Math.max(STORE_COST * size, LAUNCH_COST);
}

function gatherPlaces(v: Var, readers: readonly Eqn[], places: ReadonlyMap<Var, Places>): Places {
  const own: Places = new Map();
  const size = sizeOf(v.aval.shape);
  for (const [r, eqn] of readers.entries()) {
    const { op } = eqn;
    const out = eqn.outputs[0]!;
    // of a joined array, each element reads one operand; a sum reads all its terms
    const share =
      op.kind === "view" && op.oneOperand
        ? size / Math.max(1, sizeOf(out.aval.shape))
        : termsOf(eqn) / (op.kind === "contraction" ? REUSE : 1);
    const outs = isRoot(eqn) ? [out] : eqn.outputs;
    for (const [kernel, ats] of outs.flatMap((v) => [...(places.get(v) ?? [])])) {
      const known = own.get(kernel) ?? new Map<string, number>();
      own.set(kernel, known);
      for (const [at, elements] of ats) {
        if (readsInPlace(eqn)) known.set(at, elements);
        else {
          eqn.inputs.forEach((x, k) => {
            if (x === v) known.set(`${at}/${r}.${k}`, elements * (isFirstCarry(eqn, k) ? 1 : share));
          });
        }
      }
    }
  }
  return own;
}

/** Operand k is what a loop carries first, and is read before it. */
function isFirstCarry({ op, params, inputs }: Eqn, k: number): boolean {
  if (op.kind !== "region" || (op.form !== "while" && op.form !== "scan")) return false;
  const { consts } = params as WhileParams | ScanParams;
  const end = op.form === "scan" ? consts + (params as ScanParams).carry : inputs.length;
  return k >= consts && k < end;
}

/** Instructions from memory to each variable, shared parts counted again, at most MAX_INSTRUCTIONS. */
function coneCosts(graph: Graph, inMemory: (v: Var) => boolean): Map<Var, number> {
  const costs = new Map<Var, number>();
  for (const eqn of graph.eqns) {
    const terms = isRoot(eqn) ? 1 : Math.max(1, termsOf(eqn));
    let cost = costOf(eqn) * terms;
    for (const x of eqn.inputs) if (x.kind === "var" && !inMemory(x)) cost += costs.get(x)! * terms;
    for (const v of eqn.outputs) costs.set(v, Math.min(cost, MAX_INSTRUCTIONS));
  }
  return costs;
}
