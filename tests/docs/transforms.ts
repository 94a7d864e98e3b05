// The Graphs shown in docs/transforms.md, by the names of their blocks.
import { shaped } from "../../compiler/ir/op.js";
import { printGraph } from "../../compiler/ir/print.js";
import { stage } from "../../compiler/trace/stage.js";
import { batchGraph } from "../../compiler/transforms/batch.js";
import { gradGraph } from "../../compiler/transforms/grad.js";
import { jvpGraph } from "../../compiler/transforms/jvp.js";
import { linearize } from "../../compiler/transforms/linearize.js";
import { transposeGraph } from "../../compiler/transforms/transpose.js";
import { dot, sin, type Tensor } from "../../index.js";

const f = (x: Tensor, w: Tensor) => sin(dot(x, w)).mul(3);

export function graphs(): Record<string, string> {
  const types = [shaped("f32", 4), shaped("f32", 4)];
  const { graph } = stage("f", types, ([x, w]) => ({ outputs: [f(x!, w!)], rest: undefined }));
  const forward = jvpGraph(graph, [true, false]).graph;
  const { known, linear, residuals } = linearize(forward, 2, 1);
  const grad = gradGraph(graph, [true, false]);
  const shown = {
    trace: graph,
    vmap: batchGraph(graph, [0, null], 10).graph,
    jvp: forward,
    known,
    linear,
    transposed: transposeGraph(linear, residuals),
    grad,
    "vmap of grad": batchGraph(grad, [0, null], 10).graph,
  };
  return Object.fromEntries(Object.entries(shown).map(([name, shownGraph]) => [name, printGraph(shownGraph)]));
}
