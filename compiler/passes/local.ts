// Regions that are local to a lane: each element of their results depends on one lane of what they carry. They become a
// loop or branch inside of one kernel, with the carry in registers.
import { type Shape, sameShape, sizeOf } from "../core/shape.js";
import { type Atom, type Eqn, type Graph, regionsOf, type Var } from "../ir/graph.js";
import { baseLimits } from "../ir/limits.js";
import type { ScanParams, SwitchParams, WhileParams } from "../ir/op.js";
import { bodyCost, foldsMuch } from "./cost.js";

/** Instructions of the body at most. */
const MAX_BODY = 800;

/** Arrays that a kernel reads at most on any device, beside one that it writes. */
const MAX_READS = baseLimits.maxStorageBuffers - 1;

const known = new WeakMap<Eqn, boolean>();

/** The region can be computed lane by lane inside of a kernel. */
export function isLocal(eqn: Eqn): boolean {
  let local = known.get(eqn);
  if (local === undefined) {
    local = findLocal(eqn);
    known.set(eqn, local);
  }
  return local;
}

function findLocal(eqn: Eqn): boolean {
  const reads = new Set(eqn.inputs.filter((x) => x.kind === "var")).size;
  return reads <= MAX_READS && bodyCost(eqn) <= MAX_BODY && isLocalWith(eqn, new Set(), false);
}

const branchesKnown = new WeakMap<Eqn, boolean>();

/** A branch in each lane without loops, which reads its operands where the result is: it can be computed wherever it is needed. */
export function isBranchInPlace(eqn: Eqn): boolean {
  let isKnown = branchesKnown.get(eqn);
  if (isKnown === undefined) {
    isKnown = eqn.op.kind === "region" && eqn.op.form === "switch" && isLocal(eqn) && findBranch(eqn);
    branchesKnown.set(eqn, isKnown);
  }
  return isKnown;
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
