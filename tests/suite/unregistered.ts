// Calls of records that are in no registry, because they hold host functions: the derivative suites walk them too.
import { aval } from "../../compiler/core/aval.js";
import { allOps } from "../../compiler/ir/op.js";
import { stage } from "../../compiler/trace/stage.js";
import { cos, customJvp, customVjp, customVmap, exp, sin, type Tensor } from "../../index.js";
import { type Call, records } from "./calls.js";

/** x · sin y, with the tangents that it has. */
const wave = customJvp(
  (x: Tensor, y: Tensor) => x.mul(sin(y)),
  ([x, y], [dx, dy]) => [x.mul(sin(y)), dx.mul(sin(y)).add(x.mul(cos(y)).mul(dy))],
);

/** x · eʸ, with the cotangents that it has. */
const growth = customVjp(
  (x: Tensor, y: Tensor) => x.mul(exp(y)),
  (x, y) => [x.mul(exp(y)), [x, exp(y)] as const],
  ([x, e], ct) => [ct.mul(e), ct.mul(x).mul(e)],
);

/** x · cos y, whose lanes are in front: what stands behind them lines up. */
const turn = customVmap(
  (x: Tensor, y: Tensor) => x.mul(cos(y)),
  (_size, _batched, [x, y]) => [x.mul(cos(y)), true],
);

function callsOf(f: (x: Tensor, y: Tensor) => Tensor): Call[] {
  return [[3], [2, 3], []].map((shape) => {
    const x = aval("f32", shape);
    const { graph } = stage("call", [x, x], ([a, b]) => ({ outputs: [f(a!, b!)], rest: undefined }));
    const [{ op }] = graph.eqns as [(typeof graph.eqns)[0]];
    const ranges = graph.inputs.map(() => [-2, 2] as const);
    return { op, name: `${op.name} of f32[${shape}]`, graph, ranges };
  });
}

const unregistered = [wave, growth, turn].map((f) => {
  const calls = callsOf(f);
  const [{ op }] = calls as [Call];
  if (allOps().includes(op)) throw new Error(`${op.name} is registered`);
  return { op, name: op.name, calls };
});

/** Every record with its calls, registered or not. */
export const allRecords = [...records, ...unregistered];
