// What vmap does with an op that has no batching rule: it is run for one lane after the other.
import { type Aval, aval } from "../core/aval.js";
import type { Eqn, Location } from "../ir/graph.js";
import type { Op } from "../ir/op.js";
import { lanesAt, scanArrays } from "../ops/index.js";
import { showLocation } from "../trace/location.js";
import type { Batched } from "../trace/rules.js";
import { stage } from "../trace/stage.js";
import type { Operand, Tensor } from "../trace/tensor.js";
import { bind, isLiteral } from "../trace/trace.js";

/** An equation that was run for one lane after the other. */
export interface LaneRun {
  readonly op: string;
  readonly lanes: number;
  readonly location: Location | undefined;
}

const warned = new WeakSet<Op>();
let noted: LaneRun[] | undefined;

/** Gives `work`'s result, and the equations that were run lane by lane in it. */
export function notingLaneRuns<T>(work: () => T): { readonly result: T; readonly runs: readonly LaneRun[] } {
  const outer = noted;
  const runs: LaneRun[] = [];
  noted = runs;
  try {
    return { result: work(), runs };
  } finally {
    noted = outer;
  }
}

/** The batched equation as a scan over its lanes. Warns on stderr, once for each op. */
export function batchLaneByLane(eqn: Eqn, args: readonly Batched[], size: number): Batched<Tensor>[] {
  const { op, params, location } = eqn;
  noted?.push({ op: op.name, lanes: size, location });
  warn(eqn, size);
  const fixed = args.flatMap(({ value, axis }) => (axis === null && !isLiteral(value) ? [value] : []));
  const arrays = args.flatMap((x) => (x.axis === null ? [] : [lanesAt(x, 0, size)]));
  const entry = ({ dtype, shape }: Aval): Aval => aval(dtype, shape.slice(1));
  const types = [...fixed.map((x) => x.aval), ...arrays.map((x) => entry(x.aval))];
  const { graph } = stage(op.name, types, (inner) => {
    const [ownFixed, ownLanes] = [inner.slice(0, fixed.length), inner.slice(fixed.length)];
    const operands = args.map(({ value, axis }): Operand => {
      if (axis !== null) return ownLanes.shift()!;
      return isLiteral(value) ? value : ownFixed.shift()!;
    });
    return { outputs: bind(op, operands, params), rest: undefined };
  });
  const results = scanArrays({ body: graph, length: size, reverse: false }, fixed, [], arrays);
  return results.map((value) => ({ value, axis: 0 }));
}

function warn({ op, location }: Eqn, size: number): void {
  if (warned.has(op)) return;
  warned.add(op);
  const place = location?.source ? `\n  at ${showLocation(location)}` : "";
  console.warn(
    `lanewise: vmap runs ${op.name} for one lane after the other, ${size} times: it has no batching rule\n` +
      `  give it one, which takes all lanes at once: the field batch of its record${place}`,
  );
}
