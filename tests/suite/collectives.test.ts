// Collectives have no meaning without the vmap of their name: what the other transforms do before it, they do behind it.
import { describe, expect, test } from "vitest";
import { aval } from "../../compiler/core/aval.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { withAxisScope } from "../../compiler/trace/axis-names.js";
import { stage } from "../../compiler/trace/stage.js";
import { jvpGraph } from "../../compiler/transforms/jvp.js";
import { transforms } from "../../compiler/transforms/table.js";
import { allGather, axisIndex, cos, exp, pmax, pmean, pmin, psum, psumScatter, sin, type Tensor } from "../../index.js";
import { draw } from "../support/arrays.js";
import { type LaneAxes, loopOverLanes, waysToBatch } from "../support/lanes.js";
import { randomStream } from "../support/ulp.js";
import { gradientsOf } from "./derivatives.js";
import { sumOfLanes } from "./nestings.js";
import { nearFault, wide } from "./smooth.js";
import { Tally } from "./tally.js";

const tally = new Tally("interpreter in f64");

const LANES = 3;
const OTHERS = 2;
const EXACT = 1e-9;

/** Functions of one lane, of x and y: f32[3,2]. Nothing in them is linear but the collectives. */
const functions: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
  psum: (x, y) => sin(psum(x.mul(y), "lanes")).mul(y),
  pmean: (x, y) => sin(pmean(x.mul(y), "lanes")).mul(y),
  pmax: (x, y) => exp(pmax(x.mul(y), "lanes")).mul(y),
  pmin: (x, y) => exp(pmin(x.mul(y), "lanes")).mul(y),
  allGather: (x, y) => sin(allGather(x, "lanes", { axis: 1 })).mul(cos(y).expandDims(1)),
  psumScatter: (x, y) => cos(psumScatter(x.mul(y), "lanes")).mul(y.sum(0)),
  axisIndex: (x, y) => sin(x.mul(axisIndex("lanes").astype("f32"))).mul(y),
};

const type = aval("f32", [LANES, 2]);

/** The Graph of one lane, in which the axis has a name. */
const laneGraph = (f: (x: Tensor, y: Tensor) => Tensor): Graph =>
  withAxisScope(
    [{ name: "lanes", size: LANES }],
    () => stage("lane", [type, type], ([x, y]) => ({ outputs: [f(x!, y!)], rest: undefined })).graph,
  );

/** All lanes of the named axis, which is in front of every result. */
const named = (graph: Graph, inAxes: LaneAxes): Graph =>
  transforms.batch(
    graph,
    inAxes,
    { size: LANES, name: "lanes" },
    graph.outputs.map(() => 0),
  ).graph;

const drawn = (graph: Graph): NDArray[] => {
  const random = randomStream(60);
  return graph.inputs.map((v) => {
    const x = draw(random, v.aval, [-2, 2]);
    return { ...x, data: Float64Array.from(x.data, (value) => value + random() / 8) };
  });
};

const waysOf = (graph: Graph): LaneAxes[] =>
  waysToBatch(
    graph.inputs.map((v) => v.aval.shape.length),
    20,
    randomStream(61),
  );

describe.each(Object.entries(functions))("%s", (_, f) => {
  const graph = laneGraph(f);
  const run = (made: Graph): NDArray[] => interpret(made, drawn(made), wide);

  test("has tangents in the lanes that the mapped function has", () => {
    for (const inAxes of waysOf(graph)) {
      const inner = jvpGraph(named(graph, inAxes), [true, true], [true]).graph;
      const outer = named(jvpGraph(graph, [true, true], [true]).graph, [...inAxes, ...inAxes]);
      expect(nearFault(run(inner), run(outer), EXACT, "result")).toBeUndefined();
      tally.count("collectives: jvp(vmap) = vmap(jvp)");
    }
  });

  test("has gradients in the lanes that the mapped function has", () => {
    for (const inAxes of [
      [0, 0],
      [0, null],
      [null, 0],
    ]) {
      const inner = run(gradientsOf(named(graph, inAxes)));
      const lanes = run(named(gradientsOf(graph), inAxes));
      const want = lanes.map((x, k) => (inAxes[k] === null ? sumOfLanes(x, type.shape, LANES) : x));
      expect(nearFault(inner, want, EXACT, "gradient")).toBeUndefined();
      tally.count("collectives: grad(vmap) = vmap(grad)");
    }
  });

  test("lets another vmap pass by", () => {
    const whole = named(graph, [0, 0]);
    for (const inAxes of waysOf(graph)) {
      const others = transforms.batch(graph, inAxes, { size: OTHERS }, [0]).graph;
      const both = named(others, [0, 0]);
      const behind = inAxes.map((axis) => (axis === null ? null : axis + 1));
      const want = loopOverLanes(whole, drawn(both), behind, [1], OTHERS, true);
      expect(nearFault(run(both), want, EXACT, "result")).toBeUndefined();
      tally.count("collectives: vmap of another axis = loop over lanes");
    }
  });
});
