// Calls whose derivatives or batches are the user's. Their records are in no registry: they hold host functions, which no
// text can give back.
import { type Aval, showAval } from "../core/aval.js";
import { TraceError } from "../core/errors.js";
import type { Graph } from "../ir/graph.js";
import type { CallParams, RegionOp } from "../ir/op.js";
import { hereText } from "../trace/here.js";
import type { Batched, LaneAxis, Transforms } from "../trace/rules.js";
import { replay } from "../trace/stage.js";
import type { Tensor } from "../trace/tensor.js";
import { bind } from "../trace/trace.js";
import { moveAxis } from "./axes.js";
import { batchedBody, callRules } from "./call.js";
import { asTensor, jvpOfBody, linearCallOp, once, placed, pullbackOp, pullbackParams } from "./linear.js";

interface CustomParams extends CallParams {
  /** Name of the user's function, for messages. */
  readonly of: string;
  /** So many operands are arguments; behind them comes what the function and its rules captured. */
  readonly args: number;
  /** Named axes that the rules speak of. */
  readonly axisNames: readonly string[];
}

export interface CustomJvpParams extends CustomParams {
  /** From the operands, then tangents of those that are `active`, to the results, then tangents of the float ones. */
  rule(active: readonly boolean[]): Graph;
}

export interface CustomVjpParams extends CustomParams {
  /** From the operands to the results, then residuals. */
  forward(): Graph;
  /** From what was captured, the residuals, and cotangents of the float results, to those of the float arguments. */
  backward(): Graph;
}

export interface CustomVmapParams extends CustomParams {
  /** The user's rule: from the operands, lanes along axis 0 of those that are `batched`, to results. */
  rule(size: number, batched: readonly boolean[]): { readonly graph: Graph; readonly batched: readonly boolean[] };
}

const customRules = {
  ...callRules,
  axisNames: (params) => (params as CustomParams).axisNames,
  samples: [],
} satisfies Partial<RegionOp>;

const isFloat = (x: { readonly aval: Aval }): boolean => x.aval.dtype === "f32";

/** A function with the user's tangents. */
export const customJvpOp: RegionOp = {
  ...customRules,
  name: "customJvp",
  batch(args, params, lanes, transforms) {
    const own = params as CustomJvpParams;
    const axes = args.map((x) => x.axis);
    const batchedRule = (active: readonly boolean[]): Graph => {
      const graph = own.rule(active);
      const results = graph.outputs.map(() => 0);
      return transforms.batch(graph, [...axes, ...axes.filter((_, i) => active[i])], lanes, results).graph;
    };
    return batched(customJvpOp, args, { ...own, rule: named(batchedRule, own.rule) }, lanes, transforms);
  },
  jvp(tangents, operands, params, transforms) {
    const { body, rule, of } = params as CustomJvpParams;
    refuseCaptured("customJvp", params as CustomParams, tangents);
    const graph = rule(tangents.map((x) => x !== undefined));
    const count = body.outputs.length;
    const { known, linear, unknownOut, residuals } = transforms.partialEval(
      graph,
      graph.inputs.map((_, i) => i >= operands.length),
      graph.outputs.map((_, k) => k >= count),
    );
    if (unknownOut.slice(0, count).includes(true)) {
      throw new TraceError(`customJvp of ${of}: the value that its rule gives depends on the tangents${hereText()}`);
    }
    const values = replay(known, operands);
    const moves = tangents.filter((x) => x !== undefined);
    const given = bind(linearCallOp, [...values.slice(count), ...moves], {
      body: linear,
      of,
      residuals: residuals.length,
    });
    let at = 0;
    return {
      results: values.slice(0, count).map(asTensor),
      tangents: body.outputs.map((x) => (isFloat(x) ? given[at++] : undefined)),
    };
  },
};

/** A function with the user's way back for cotangents. */
export const customVjpOp: RegionOp = {
  ...customRules,
  name: "customVjp",
  batch(args, params, lanes, transforms) {
    const own = params as CustomVjpParams;
    const axes = args.map((x) => x.axis);
    const count = own.body.outputs.length;
    const forward = once(() => {
      const graph = own.forward();
      return transforms.batch(
        graph,
        axes,
        lanes,
        graph.outputs.map((_, k) => (k < count ? 0 : null)),
      );
    });
    const backward = once(() => {
      const graph = own.backward();
      const residualAxes = forward().outAxes.slice(count);
      const capturedAxes = axes.slice(own.args);
      const known = [...capturedAxes, ...residualAxes];
      const { graph: back } = transforms.batch(
        graph,
        graph.inputs.map((_, i) => (i < known.length ? known[i]! : 0)),
        lanes,
        graph.outputs.map(() => 0),
      );
      const to = axes.slice(0, own.args).filter((_, k) => isFloat(own.body.inputs[k]!));
      return placed(back, to);
    });
    return batched(
      customVjpOp,
      args,
      { ...own, forward: named(() => forward().graph, own.forward), backward: named(backward, own.backward) },
      lanes,
      transforms,
    );
  },
  jvp(tangents, operands, params, transforms) {
    const { body, args, of, axisNames, forward, backward } = params as CustomVjpParams;
    refuseCaptured("customVjp", params as CustomParams, tangents);
    const count = body.outputs.length;
    const values = replay(forward(), operands);
    const known = [...operands.slice(args), ...values.slice(count)];
    const ofFloats = tangents.slice(0, args).filter((_, k) => isFloat(body.inputs[k]!));
    const types = body.outputs.filter(isFloat).map((x) => x.aval);
    const tangent = {
      of,
      axisNames,
      known: known.length,
      active: ofFloats.map((x) => x !== undefined),
      types,
      backward,
    };
    const moves = ofFloats.filter((x) => x !== undefined);
    const given = bind(pullbackOp, [...known, ...moves], pullbackParams(tangent, transforms));
    let at = 0;
    return {
      results: values.slice(0, count).map(asTensor),
      tangents: body.outputs.map((x) => (isFloat(x) ? given[at++] : undefined)),
    };
  },
};

/** A function with the user's batching rule. Its derivative is that of its body. */
export const customVmapOp: RegionOp = {
  ...customRules,
  name: "customVmap",
  batch(args, params, lanes, transforms) {
    const own = params as CustomVmapParams;
    if (args.every((x) => x.axis === null)) {
      // a body that speaks of the axis by its name
      const { body, outAxes, operands } = batchedBody(args, params, lanes, transforms);
      return replay(body, operands).map((value, k) => ({ value: asTensor(value), axis: outAxes[k]! }));
    }
    const captured = args.slice(own.args).find((x) => x.axis !== null);
    if (captured) {
      throw new TraceError(
        `customVmap of ${own.of}: it captured a value ${showAval(captured.value.aval)} that is batched, but its rule is only given arguments\n` +
          `  pass the value as an argument${hereText()}`,
      );
    }
    const isBatched = args.slice(0, own.args).map((x) => x.axis !== null);
    const { graph, batched: outBatched } = own.rule(lanes.size, isBatched);
    const operands = args.map((x) => (x.axis === null ? x.value : moveAxis(x.value, x.axis, 0)));
    return replay(graph, operands).map((value, k) => ({ value: asTensor(value), axis: outBatched[k] ? 0 : null }));
  },
  jvp: jvpOfBody,
};

/** The call for a batch. All results are batched: where the body's are alike, the rules' may differ. */
function batched<P extends CustomParams>(
  op: RegionOp,
  args: readonly Batched[],
  params: P,
  lanes: LaneAxis,
  transforms: Transforms,
): Batched<Tensor>[] {
  const axes = args.map((x) => x.axis);
  const zeros = params.body.outputs.map(() => 0);
  const { graph: body } = transforms.batch(params.body, axes, lanes, zeros);
  const operands = args.map((x) => x.value);
  return bind(op, operands, { ...params, body }).map((value) => ({ value, axis: 0 }));
}

function refuseCaptured(
  transform: string,
  { of, args }: CustomParams,
  tangents: readonly (Tensor | undefined)[],
): void {
  const captured = tangents.slice(args).find((x) => x !== undefined);
  if (!captured) return;
  throw new TraceError(
    `${transform} of ${of}: it captured a value ${showAval(captured.aval)} that is differentiated, but its rule is only for arguments\n` +
      `  pass the value as an argument, or through stopGradient${hereText()}`,
  );
}

/** `fn` under the name that the function it was made of is printed by. */
function named<F extends (...args: never[]) => unknown>(fn: F, of: { readonly name: string }): F {
  return Object.defineProperty(fn, "name", { value: of.name });
}
