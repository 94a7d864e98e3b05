// Equations that hold Graphs: their Graphs are compiled by themselves and run on the arrays of the equation.
import { fillTemplate } from "../../kernels/index.js";
import { type Aval, aval } from "../core/aval.js";
import { DEVICE_ELEMENT_BYTES } from "../core/dtype.js";
import { InternalError } from "../core/errors.js";
import { sizeOf } from "../core/shape.js";
import { type Eqn, type Graph, literal, type Var } from "../ir/graph.js";
import type { FusedGraph, FusedKernel } from "../ir/kernel.js";
import { grid } from "../ir/limits.js";
import type { ScanParams, SwitchParams, WhileParams } from "../ir/op.js";
import type { DeviceLimits, Launch, LaunchStep, Scratch } from "../ir/program.js";
import { add, dynamicSlice, fill, max, min, reshape, sub } from "../ops/index.js";
import { replay, stage } from "../trace/stage.js";
import type { Operand } from "../trace/tensor.js";
import { guardSteps } from "./guards.js";

/** An array on the device. */
type Place = Var | Scratch;

/** A Graph cut into kernels, with their launches. */
interface CutGraph {
  readonly fused: FusedGraph;
  readonly steps: readonly LaunchStep[];
}

/** Compiles a Graph for the same device. */
export type Cut = (graph: Graph, limits: DeviceLimits) => CutGraph;

/** The steps of a kernel of kind region. */
export function emitRegion(kernel: FusedKernel, limits: DeviceLimits, cut: Cut): LaunchStep[] {
  const [eqn] = kernel.roots as [Eqn];
  const region = new Region(kernel, eqn, limits, cut);
  if (eqn.op.kind !== "region") throw new InternalError(`region: ${eqn.op.name} holds no Graphs`);
  switch (eqn.op.form) {
    case "call":
      throw new InternalError(`region: ${eqn.op.name} was not put in place`);
    case "switch":
      return region.switch(eqn.params as SwitchParams);
    case "while":
      return region.while(eqn.params as WhileParams);
    case "scan":
      return region.scan(eqn.params as ScanParams);
  }
}

const i32 = (value: number) => literal(value, aval("i32", []));

const scratchLike = ({ shape }: Aval): Scratch => ({ kind: "scratch", bytes: wordsOf(shape) * DEVICE_ELEMENT_BYTES });

const wordsOf = (shape: readonly number[]): number => Math.max(1, sizeOf(shape));

class Region {
  readonly #operands: readonly Place[];
  readonly #results: readonly Var[];
  /** Launches that look at a guard bind one buffer more. */
  readonly #guarded: DeviceLimits;

  constructor(
    readonly kernel: FusedKernel,
    readonly eqn: Eqn,
    readonly limits: DeviceLimits,
    readonly cut: Cut,
  ) {
    this.#operands = kernel.loads;
    this.#results = kernel.stores;
    this.#guarded = { ...limits, maxStorageBuffers: limits.maxStorageBuffers - 1 };
  }

  /** Every branch is encoded; only the kernels of the chosen one do anything. */
  switch({ branches, lanes }: SwitchParams): LaunchStep[] {
    if (lanes > 0) throw new InternalError("region: a switch with lanes was not taken apart");
    const [index, ...operands] = this.#operands as [Place, ...Place[]];
    const which = scratchLike({ dtype: "i32", shape: [] });
    const last = i32(branches.length - 1);
    const clamp = stage("switch", [this.eqn.inputs[0]!.aval], ([x]) => ({
      outputs: [max(min(x!, last), i32(0))],
      rest: undefined,
    })).graph;
    return [
      ...this.#run(clamp, this.limits, [index], [which]),
      ...branches.flatMap((branch, k) =>
        guardSteps(this.#run(branch, this.#guarded, operands, this.#results), { buffer: which, equals: k }),
      ),
    ];
  }

  /** The carry lies in the results all the time; `flag` says whether to go on. */
  while({ cond, body, consts, lanes }: WhileParams): LaunchStep[] {
    if (lanes > 0) throw new InternalError("region: a while with lanes was not taken apart");
    const fixed = this.#operands.slice(0, consts);
    const carry = this.#results;
    const next = carry.map((v) => scratchLike(v.aval));
    const flag = scratchLike({ dtype: "bool", shape: [] });
    // a dispatch cannot write the flag it looks at
    const nextFlag = scratchLike({ dtype: "bool", shape: [] });
    const holds = this.#run(cond, this.#guarded, [...fixed, ...carry], [nextFlag]);
    const turn = [
      ...this.#run(body, this.#guarded, [...fixed, ...carry], next),
      ...next.flatMap((from, k) => this.#copy(from, carry[k]!, carry[k]!.aval)),
      ...holds,
    ];
    const raise = this.#copy(nextFlag, flag, { shape: [] });
    return [
      // where a guard of an outer region holds all else back, the host must find the flag down
      ...this.#run(zero, this.limits, [], [flag]).map((step) => ({ ...step, always: true })),
      ...carry.flatMap((v, k) => this.#copy(this.#operands[consts + k]!, v, v.aval)),
      ...holds,
      ...raise,
      {
        kind: "while",
        flag,
        body: [...guardSteps(turn, { buffer: flag, equals: 1 }), ...raise],
        pinned: [...carry, flag, nextFlag],
      },
    ];
  }

  /**
   * Each turn reads the carry from one set of buffers and writes it to another, by turns; the first one reads the
   * operands. The number of the turn is carried along.
   */
  scan(params: ScanParams): LaunchStep[] {
    const { length, consts, carry } = params;
    const fixed = this.#operands.slice(0, consts);
    const init = this.#operands.slice(consts, consts + carry);
    const arrays = this.#operands.slice(consts + carry);
    const results = this.#results.slice(0, carry);
    const stacked = this.#results.slice(carry);
    if (length === 0) return results.flatMap((v, k) => this.#copy(init[k]!, v, v.aval));
    const counter = { dtype: "i32", shape: [] } as const;
    const start = scratchLike(counter);
    const last = [scratchLike(counter), ...results];
    const other = [scratchLike(counter), ...results.map((v) => scratchLike(v.aval))];
    const [odd, even] = (length - 1) % 2 === 0 ? [last, other] : [other, last];
    const turn = this.cut(scanTurn(params, this.eqn), this.limits);
    const row = scratchLike(counter);
    const step = (from: readonly Place[], to: readonly Place[]): LaunchStep[] => {
      const entries = stacked.map((v) => scratchLike({ dtype: v.aval.dtype, shape: v.aval.shape.slice(1) }));
      return [
        ...this.#place(turn, [...fixed, ...from, ...arrays], [...to, ...entries, row]),
        ...entries.flatMap((entry, k) =>
          this.#copy(entry, stacked[k]!, { shape: stacked[k]!.aval.shape.slice(1) }, row),
        ),
      ];
    };
    const first = [...this.#run(zero, this.limits, [], [start]), ...step([start, ...init], odd)];
    if (length === 1) return first;
    const pinned = [...last, ...other, ...stacked];
    const turns = { even: step(odd, even), odd: length > 2 ? step(even, odd) : [] };
    return [...first, { kind: "repeat", count: length - 1, ...turns, pinned }];
  }

  #run(graph: Graph, limits: DeviceLimits, inputs: readonly Place[], outputs: readonly Place[]): LaunchStep[] {
    return this.#place(this.cut(graph, limits), inputs, outputs);
  }

  /** The steps of a Graph on other arrays: those given for its inputs and outputs, and fresh ones between. */
  #place({ fused, steps }: CutGraph, inputs: readonly Place[], outputs: readonly Place[]): LaunchStep[] {
    const places = new Map<Place, Place>();
    fused.graph.inputs.forEach((v, i) => void places.set(v, inputs[i]!));
    const copies = fused.memory.flatMap((v, k) => {
      const to = outputs[k]!;
      const from = places.get(v);
      if (from) return this.#copy(from, to, v.aval);
      places.set(v, to);
      return [];
    });
    const of = (x: Place): Place => {
      let place = places.get(x);
      if (!place) {
        place = x.kind === "scratch" ? { ...x } : scratchLike(x.aval);
        places.set(x, place);
      }
      return place;
    };
    return [...steps.map((step) => moved(step, of)), ...copies];
  }

  /** Copies an array, into one row of the target where `row` is given. */
  #copy(from: Place, to: Place, { shape }: Pick<Aval, "shape">, row?: Place): Launch[] {
    const size = sizeOf(shape);
    if (size === 0 || from === to) return [];
    const wgsl = fillTemplate("copy", {
      row: row ? ["@group(0) @binding(1) var<storage, read> row: array<u32>;"] : [],
      target: [`@group(0) @binding(${row ? 2 : 1}) var<storage, read_write> out0: array<u32>;`],
      offset: [row ? "let start = row[0] * SIZE;" : "let start = 0u;"],
      size,
    });
    return [
      {
        name: `${this.kernel.name} copy`,
        wgsl,
        reads: row ? [from, row] : [from],
        writes: [to],
        usesZero: false,
        workgroups: grid(Math.ceil(size / 64), this.limits),
      },
    ];
  }
}

/** A zero of any dtype. */
const zero: Graph = stage("zero", [], () => ({
  outputs: [fill(literal(0, aval("u32", [])), [])],
  rest: undefined,
})).graph;

/** One turn: from values, number of the turn, carry and arrays to the next number, the next carry, the entries of the stacked results, and the row these go to. */
function scanTurn({ body, length, reverse, consts, carry }: ScanParams, { inputs }: Eqn): Graph {
  const types = inputs.map((x) => x.aval);
  const all = [...types.slice(0, consts), aval("i32", []), ...types.slice(consts)];
  return stage("scan", all, (args) => {
    const turn = args[consts]!;
    const row = reverse ? sub(i32(length - 1), turn) : turn;
    const entries = args.slice(consts + 1 + carry).map((x): Operand => {
      const rest = x.shape.slice(1);
      return reshape(dynamicSlice(x, [row, ...rest.map(() => i32(0))], [1, ...rest]), rest);
    });
    const values = [...args.slice(0, consts), ...args.slice(consts + 1, consts + 1 + carry), ...entries];
    return { outputs: [add(turn, i32(1)), ...replay(body, values), row], rest: undefined };
  }).graph;
}

function moved(step: LaunchStep, of: (x: Place) => Place): LaunchStep {
  if (!("kind" in step)) {
    const guards = step.guards?.map(({ buffer, equals }) => ({ buffer: of(buffer), equals }));
    return { ...step, reads: step.reads.map(of), writes: step.writes.map(of), ...(guards ? { guards } : {}) };
  }
  const all = (list: readonly LaunchStep[]): LaunchStep[] => list.map((inner) => moved(inner, of));
  const pinned = step.pinned.map(of);
  if (step.kind === "while") return { ...step, flag: of(step.flag), body: all(step.body), pinned };
  return { ...step, even: all(step.even), odd: all(step.odd), pinned };
}
