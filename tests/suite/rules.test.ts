// Every op record has the derivative rules that its meaning asks for. Batching rules are asked for in vmap.test.ts.
import { expect, test } from "vitest";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { type Call, records } from "./calls.js";
import { askedOf } from "./exclusions.js";
import { activeOf, directions, isFloat, nearFault, smoothInputs, wide } from "./smooth.js";
import { Tally } from "./tally.js";

const tally = new Tally("interpreter in f64");

for (const { op, name, calls } of records) {
  // the tangents of these two kinds are the op itself on tangents
  const isItsOwn = op.kind === "view" || op.kind === "contraction";
  const differentiable = askedOf("jvp(vmap) = vmap(jvp)", calls, tally);
  if (differentiable.length > 0 && !isItsOwn) {
    test(`${name} has a rule for tangents`, () => {
      expect(op.jvp).toBeDefined();
      tally.count("a rule for tangents is there");
    });
  }
  const reversible = askedOf("⟨ct, jvp⟩ = ⟨transpose, dx⟩", calls, tally);
  if (reversible.length > 0 && isLinear(reversible)) {
    test(`${name} is linear, and has a rule to transpose it`, () => {
      expect("transpose" in op && op.transpose).toBeTypeOf("function");
      tally.count("linear: a rule to transpose it is there");
    });
  }
}

/** Whether the calls are linear in all of their float operands together, or in one of them. */
function isLinear(calls: readonly Call[]): boolean {
  const operands = calls[0]!.graph.inputs.keys();
  return (
    calls.every((call) => isLinearIn(call, () => true)) ||
    [...operands].some((k) => calls.every((call) => isLinearIn(call, (at) => at === k)))
  );
}

/** f(2x − 3y) = 2 f(x) − 3 f(y), with x and y in place of the float operands that `chosen` names, others as they are. */
function isLinearIn(call: Call, chosen: (k: number) => boolean): boolean {
  const places = activeOf(call.graph).map((isActive, k) => isActive && chosen(k));
  if (!places.includes(true)) return false;
  const base = smoothInputs(call);
  const other = directions(call, base);
  const run = (inputs: readonly NDArray[]): NDArray[] => interpret(call.graph, inputs, wide).filter(isFloat);
  const mixed = base.map((x, k) => (places[k] ? mix(x, other[k]!) : x));
  const values = run(base);
  const others = run(base.map((x, k) => (places[k] ? other[k]! : x)));
  const want = values.map((x, k) => mix(x, others[k]!));
  return nearFault(run(mixed), want, 1e-9, "result") === undefined;
}

function mix(x: NDArray, y: NDArray): NDArray {
  return { ...x, data: Float64Array.from(x.data as Float64Array, (value, i) => 2 * value - 3 * y.data[i]!) };
}
