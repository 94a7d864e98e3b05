// Every elementwise record's own transpose, wherever the op is linear: others only meet it through what jvp makes of it.
import { describe, expect, test } from "vitest";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { transposeGraph } from "../../compiler/transforms/transpose.js";
import { type Call, records } from "./calls.js";
import { activeOf, directions, isFloat, nearFault, smoothInputs, wide } from "./smooth.js";
import { Tally } from "./tally.js";

const tally = new Tally("interpreter in f64");

const isSmooth = ({ graph }: Call): boolean =>
  isFloat(graph.outputs[0]!.aval) && graph.inputs.some((v) => isFloat(v.aval));

const linear = records
  .filter(({ op }) => op.kind === "elementwise" && op.transpose !== undefined)
  .map(({ name, calls }) => ({ name, calls: calls.filter(isSmooth) }))
  .filter(({ calls }) => calls.length > 0);

describe.each(linear)("$name", ({ calls }) => {
  test("has the transpose of itself in all operands that it is linear in", () => {
    let found = 0;
    for (const call of calls) {
      const inputs = smoothInputs(call);
      for (const own of subsets(activeOf(call.graph))) {
        const given = inputs.filter((_, i) => own[i]);
        const run = (xs: readonly NDArray[]): NDArray => {
          let at = 0;
          const all = inputs.map((x, i) => (own[i] ? xs[at++]! : x));
          return interpret(call.graph, all, wide)[0]!;
        };
        const [u, v] = [directions(call, given), directions(call, given, "v")];
        const [fu, fv, sum] = [run(u), run(v), run(u.map((x, k) => plus(x, v[k]!)))];
        if (nearFault([sum], [plus(fu, fv)], 1e-9, "sum")) continue; // not linear
        const [ct] = directions(call, [fu], "ct") as [NDArray];
        const pick = <T>(list: readonly T[], flag: boolean): T[] => list.filter((_, i) => own[i] === flag);
        const known = pick(call.graph.inputs, false);
        const turned = transposeGraph(
          { ...call.graph, inputs: [...known, ...pick(call.graph.inputs, true)] },
          known.length,
        );
        const back = interpret(turned, [...pick(inputs, false), ct], wide);
        const reverse = back.reduce((total, x, i) => total + dot(x, u[i]!), 0);
        expect(Math.abs(dot(ct, fu) - reverse), `${call.name}, linear in ${own}`).toBeLessThan(1e-9);
        tally.count("⟨ct, f(u)⟩ = ⟨transpose, u⟩");
        found++;
      }
    }
    expect(found).toBeGreaterThan(0);
  });
});

const dot = (a: NDArray, b: NDArray): number =>
  Array.from(a.data).reduce((sum: number, x: number, i) => sum + x * b.data[i]!, 0);

/** All ways to pick at least one of the positions that may be picked. */
function subsets(allowed: readonly boolean[]): boolean[][] {
  let all: boolean[][] = [[]];
  for (const may of allowed)
    all = all.flatMap((flags) =>
      may
        ? [
            [...flags, true],
            [...flags, false],
          ]
        : [[...flags, false]],
    );
  return all.filter((flags) => flags.includes(true));
}

const plus = (x: NDArray, y: NDArray): NDArray => ({
  ...x,
  data: Float64Array.from(x.data as Float64Array, (a, i) => a + y.data[i]!),
});
