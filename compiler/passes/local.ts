// Regions that are local to a lane: each element of their results depends on one lane of what they carry. They become a
// loop or branch inside of one kernel, with the carry in registers.
import { type Shape, sameShape, sizeOf } from "../core/shape.js";
import { type Atom, type Eqn, type Graph, regionsOf, type Var } from "../ir/graph.js";
import type { LaneForm } from "../ir/kernel.js";
import { baseLimits, type DeviceLimits } from "../ir/limits.js";
import type { ScanParams, SwitchParams, WhileParams } from "../ir/op.js";
import { bodyCost, foldsMuch } from "./cost.js";
import { laneFormOf, Mixed } from "./lane-arrays.js";

/** Instructions of the bodies at most. Elsewhere they take as long to compile; some drivers fail on longer kernels. */
const MAX_BODY = 4000;

/** What is known of a region, whatever the device. */
interface Locality {
  /** The lanes, where they keep arrays of their own; undefined where each has but numbers. */
  readonly form?: LaneForm;
  readonly fault?: Mixed;
}

const known = new WeakMap<Eqn, Locality>();

function localityOf(eqn: Eqn): Locality {
  let found = known.get(eqn);
  if (!found) {
    found = findLocality(eqn);
    known.set(eqn, found);
  }
  return found;
}

function findLocality(eqn: Eqn): Locality {
  const cost = bodyCost(eqn);
  if (cost > MAX_BODY)
    return { fault: new Mixed(`its graphs are ${cost} instructions long; ${MAX_BODY} are the most in a kernel`) };
  if (isLocalWith(eqn, new Set(), false)) return {};
  const form = laneFormOf(eqn);
  return form instanceof Mixed ? { fault: form } : { form };
}

/** How the lanes of a local region lie in its values, where each keeps arrays of its own. */
export const arrayFormOf = (eqn: Eqn): LaneForm | undefined =>
  eqn.op.kind === "region" ? localityOf(eqn).form : undefined;

/** Why the region is not computed lane by lane inside of a kernel; undefined where it is. */
export type WhyNotLocal = (eqn: Eqn) => Mixed | undefined;

/** For the regions of this Graph, on such a device. */
export function whyNotLocal(graph: Graph, limits: DeviceLimits): WhyNotLocal {
  const constants = constantsOf(graph);
  // beside what the kernel writes
  const most = limits.maxStorageBuffers - 1;
  return (eqn) => {
    const { fault } = localityOf(eqn);
    if (fault) return fault;
    const reads = new Set(eqn.inputs.filter((x) => x.kind === "var" && !constants.has(x))).size;
    return reads <= most ? undefined : new Mixed(`it reads ${reads} arrays; the device binds ${most} beside a result`);
  };
}

/** A region that is not computed lane by lane, and why. */
export interface NotLocal {
  readonly eqn: Eqn;
  readonly fault: Mixed;
}

/** Those of a Graph; also of the Graphs in such regions, which are compiled by themselves. */
export function notLocalRegions(graph: Graph, limits: DeviceLimits): NotLocal[] {
  const whyNot = whyNotLocal(graph, limits);
  return graph.eqns.flatMap((eqn): NotLocal[] => {
    const fault = eqn.op.kind === "region" ? whyNot(eqn) : undefined;
    if (!fault) return [];
    return [{ eqn, fault }, ...regionsOf(eqn.params).flatMap((inner) => notLocalRegions(inner.graph, limits))];
  });
}

/** Values that need no memory: made of constants, wherever they are read. */
function constantsOf(graph: Graph): Set<Atom> {
  const found = new Set<Atom>();
  for (const { op, inputs, outputs } of graph.eqns) {
    const isCheap = op.kind === "view" || op.kind === "elementwise";
    if (!isCheap || !inputs.every((x) => x.kind === "literal" || found.has(x))) continue;
    for (const v of outputs) found.add(v);
  }
  return found;
}

const branchesKnown = new WeakMap<Eqn, boolean>();

/** A branch in each lane without loops, which reads its operands where the result is: it can be computed wherever it is needed. */
export function isBranchInPlace(eqn: Eqn): boolean {
  let isKnown = branchesKnown.get(eqn);
  if (isKnown === undefined) {
    isKnown = eqn.op.kind === "region" && eqn.op.form === "switch" && fitsAnywhere(eqn) && findBranch(eqn);
    branchesKnown.set(eqn, isKnown);
  }
  return isKnown;
}

/** It is local without arrays of the lanes' own, on any device. */
function fitsAnywhere(eqn: Eqn): boolean {
  const { form, fault } = localityOf(eqn);
  const reads = new Set(eqn.inputs.filter((x) => x.kind === "var")).size;
  return !form && !fault && reads < baseLimits.maxStorageBuffers;
}

function findBranch(eqn: Eqn): boolean {
  const { shape } = eqn.outputs[0]!.aval;
  const operands = eqn.inputs.filter((x) => x.kind === "var");
  const isSame = [...operands, ...eqn.outputs].every((x) => sameShape(x.aval.shape, shape));
  return isSame && !holdsLoop(eqn) && isLocalWith(eqn, new Set(operands), true);
}

const holdsLoop = ({ op, params }: Eqn): boolean =>
  (op.kind === "region" && op.form !== "switch") || regionsOf(params).some(({ graph }) => graph.eqns.some(holdsLoop));

/**
 * Values are of two sorts: those in `lane` are known at one position only, that of the lane; all others wherever they
 * are read. Operands of the equation may be among them. What an inner scan stacks would lie in no memory.
 */
function isLocalWith(eqn: Eqn, lane: ReadonlySet<Atom>, isInner: boolean): boolean {
  const { op, params, inputs } = eqn;
  if (op.kind !== "region") return false;
  switch (op.form) {
    case "call":
      return false;
    case "switch": {
      const { branches, lanes } = params as SwitchParams;
      const [index, ...operands] = inputs as [Atom, ...Atom[]];
      // of a lane that is known at its own position only, the index must be too
      if (lane.has(index) && lanes > 0 && eqn.outputs.some((v) => v.aval.shape.length !== lanes)) return false;
      return branches.every((branch) => isLocalGraph(branch, laneInputs(branch, operands, lane)));
    }
    case "while": {
      const { cond, body, consts, lanes } = params as WhileParams;
      const carry = inputs.slice(consts);
      const shape = laneShapeOf(carry.map((x) => x.aval.shape));
      if (!shape || (lanes > 0 && shape.length !== lanes)) return false;
      return [cond, body].every((graph) => isLocalGraph(graph, ownLanes(graph, inputs, lane, consts, carry.length)));
    }
    case "scan": {
      const { body, consts, carry } = params as ScanParams;
      const shape = laneShapeOf(inputs.slice(consts, consts + carry).map((x) => x.aval.shape));
      if (!shape || (isInner && (eqn.outputs.length > carry || inputs.slice(consts + carry).some((x) => lane.has(x)))))
        return false;
      return isLocalGraph(body, ownLanes(body, inputs, lane, consts, carry));
    }
  }
}

/** The one shape that all have which are no scalars. */
function laneShapeOf(shapes: readonly Shape[]): Shape | undefined {
  const [first = [], ...others] = shapes.filter((shape) => shape.length > 0);
  return others.every((shape) => sameShape(shape, first)) ? first : undefined;
}

const laneInputs = (graph: Graph, operands: readonly Atom[], lane: ReadonlySet<Atom>): Set<Atom> =>
  new Set(graph.inputs.filter((_, i) => lane.has(operands[i]!)));

/** Inputs of a body that are known in their lane only: carried arrays, and values that were so outside. */
function ownLanes(
  graph: Graph,
  operands: readonly Atom[],
  lane: ReadonlySet<Atom>,
  consts: number,
  carry: number,
): Set<Atom> {
  const all = laneInputs(graph, operands.slice(0, consts), lane);
  for (const v of graph.inputs.slice(consts, consts + carry)) if (v.aval.shape.length > 0) all.add(v);
  return all;
}

function isLocalGraph(graph: Graph, lane: Set<Atom>): boolean {
  const size = [...lane].map((x) => sizeOf(x.aval.shape))[0];
  for (const eqn of graph.eqns) {
    const own = eqn.inputs.map((x) => lane.has(x));
    if (!isLocalEqn(eqn, own, lane)) return false;
    if (!own.includes(true)) continue;
    for (const v of eqn.outputs) {
      if (v.aval.shape.length === 0 && eqn.op.kind === "region") continue;
      if (sizeOf(v.aval.shape) !== size) return false;
      lane.add(v as Var);
    }
  }
  return true;
}

/** `own[k]`: operand k is known at the position of the result only. */
function isLocalEqn(eqn: Eqn, own: readonly boolean[], lane: ReadonlySet<Atom>): boolean {
  const { op, inputs, params } = eqn;
  switch (op.kind) {
    case "elementwise":
      return true;
    case "view":
      return own.every(
        (isOwn, k) =>
          !isOwn ||
          op.keepsOrder ||
          op.inPlace?.(
            k,
            inputs.map((x) => x.aval),
            params,
          ),
      );
    case "reduction":
    case "contraction":
      return !own.includes(true) && !foldsMuch(eqn);
    case "opaque":
    case "collective":
      return false;
    case "region":
      return isLocalWith(eqn, new Set(inputs.filter((x) => lane.has(x))), true);
  }
}
