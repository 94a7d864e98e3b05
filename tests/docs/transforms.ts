// The Graphs shown in docs/transforms.md, by the names of their blocks.
import { shaped } from "../../compiler/ir/op.js";
import { printGraph } from "../../compiler/ir/print.js";
import { inline } from "../../compiler/passes/inline.js";
import { withAxisScope } from "../../compiler/trace/axis-names.js";
import { stage } from "../../compiler/trace/stage.js";
import { batchGraph } from "../../compiler/transforms/batch.js";
import { gradGraph } from "../../compiler/transforms/grad.js";
import { jvpGraph } from "../../compiler/transforms/jvp.js";
import { linearize } from "../../compiler/transforms/linearize.js";
import { transposeGraph } from "../../compiler/transforms/transpose.js";
import { checkpoint, customVjp, dot, psum, sin, type Tensor } from "../../index.js";

const f = (x: Tensor, w: Tensor) => sin(dot(x, w)).mul(3);

const twice = checkpoint((x: Tensor) => sin(sin(x)));

const clip = customVjp(
  function clip(x: Tensor) {
    return x.mul(1);
  },
  function forward(x) {
    return [x.mul(1), null];
  },
  function backward(_, ct) {
    return [ct.minimum(1)];
  },
);

const share = (x: Tensor) => x.div(psum(x, "i"));

const traced = (fn: (x: Tensor) => Tensor) =>
  stage("f", [shaped("f32", 4)], ([x]) => ({ outputs: [fn(x!)], rest: undefined })).graph;

export function graphs(): Record<string, string> {
  const types = [shaped("f32", 4), shaped("f32", 4)];
  const { graph } = stage("f", types, ([x, w]) => ({ outputs: [f(x!, w!)], rest: undefined }));
  const forward = jvpGraph(graph, [true, false]).graph;
  const { known, linear, residuals } = linearize(forward, 2, 1);
  const grad = gradGraph(graph, [true, false]);
  const checkpointed = gradGraph(traced(twice), [true]);
  const shares = withAxisScope([{ name: "i", size: 10 }], () => traced(share));
  const clipped = traced((x) => clip(sin(x)));
  const shown = {
    trace: graph,
    vmap: batchGraph(graph, [0, null], 10).graph,
    jvp: forward,
    known,
    linear,
    transposed: transposeGraph(linear, residuals),
    grad,
    "vmap of grad": batchGraph(grad, [0, null], 10).graph,
    "grad of checkpoint": checkpointed,
    "grad of checkpoint inlined": inline(checkpointed),
    customVjp: clipped,
    "grad of customVjp": gradGraph(clipped, [true]),
    psum: shares,
    "vmap of psum": batchGraph(shares, [0], 10, "i").graph,
  };
  return Object.fromEntries(Object.entries(shown).map(([name, shownGraph]) => [name, printGraph(shownGraph)]));
}
