// Every op record through the package's front door: jit of mapped gradients, and gradients of jitted vmap, on the CPU.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { fromHost } from "../../compiler/trace/create.js";
import { bind } from "../../compiler/trace/trace.js";
import { grad, jit, setDevice, type Tensor, vmap } from "../../index.js";
import { difference, differenceBy, widened } from "../support/arrays.js";
import { errorBounds } from "../support/error-bound.js";
import { type Call, drawInputs, records } from "./calls.js";
import { askedOf } from "./exclusions.js";
import { gradOfMapped, gradsOfLanes, type Mapped, mappedAvals, waysOf } from "./nestings.js";
import { isFloat, outputFirst, smoothInputs } from "./smooth.js";
import { Tally } from "./tally.js";

const tally = new Tally("CPU");

/** Ways to place the batch axes of one call. */
const WAYS = 3;
const BOUND_RUNS = 8;

beforeAll(() => setDevice("cpu"));
afterAll(() => setDevice("auto"));

/** The call as a function of its operands that gives result `k`. */
const functionOf = ({ graph }: Call, k: number) => {
  const [eqn] = graph.eqns;
  return (...xs: Tensor[]): Tensor => bind(eqn!.op, xs, eqn!.params)[k]!;
};

const floatResults = ({ graph }: Call): number[] => graph.outputs.flatMap((x, k) => (isFloat(x.aval) ? [k] : []));
const floatOperands = ({ graph }: Call): number[] => graph.inputs.flatMap((v, k) => (isFloat(v.aval) ? [k] : []));

const resultOf = async (x: Tensor): Promise<NDArray> => ({ dtype: x.dtype, shape: x.shape, data: await x.data() });

describe("jit(vmap(grad)) = vmap(grad)", () => {
  for (const { name, calls } of records) {
    const own = askedOf("jit(vmap(grad)) = vmap(grad)", calls, tally);
    if (own.length === 0) continue;
    test(name, async () => {
      for (const mapped of own.flatMap((call) => waysOf(call, WAYS))) {
        for (const k of floatResults(mapped.call)) await checkJitted(mapped, k);
        tally.count("jit(vmap(grad)) = vmap(grad)");
      }
    });
  }
});

describe("grad(jit(vmap)) = grads of the lanes", () => {
  for (const { name, calls } of records) {
    const own = askedOf("grad(jit(vmap)) = grads of the lanes", calls, tally);
    if (own.length === 0) continue;
    test(name, async () => {
      for (const mapped of own.flatMap((call) => waysOf(call, WAYS))) {
        for (const k of floatResults(mapped.call)) await checkGradOfJitted(mapped, k);
        tally.count("grad(jit(vmap)) = grads of the lanes");
      }
    });
  }
});

/** Bit for bit. */
async function checkJitted(mapped: Mapped, k: number): Promise<void> {
  const { call, inAxes, name } = mapped;
  const inputs = drawInputs(call, mappedAvals(mapped)).map(fromHost);
  const f = vmap(grad(functionOf(call, k), { argnums: floatOperands(call) }), { inAxes });
  const want = f(...inputs);
  for (const [i, x] of jit(f)(...inputs).entries()) {
    expect(difference(await resultOf(x), await resultOf(want[i]!)), `${name}, gradient ${i}`).toBeUndefined();
  }
}

/** In f32, within what rounding does to the gradient. */
async function checkGradOfJitted(mapped: Mapped, k: number): Promise<void> {
  const { call, inAxes, name } = mapped;
  const inputs = smoothInputs(call, mappedAvals(mapped)).map((x) =>
    isFloat(x) ? { ...x, data: Float32Array.from(x.data) } : x,
  );
  const graph = outputFirst(call.graph, k);
  const want = gradsOfLanes(graph, mapped, inputs.map(widened));
  const bounds = errorBounds(gradOfMapped(graph, mapped), inputs, BOUND_RUNS);
  const f = grad(jit(vmap(functionOf(call, k), { inAxes })), { argnums: floatOperands(call) });
  for (const [i, x] of f(...inputs.map(fromHost)).entries()) {
    const near = (a: number, b: number, at: number): boolean => Object.is(a, b) || Math.abs(a - b) <= bounds[i]![at]!;
    expect(differenceBy(await resultOf(x), want[i]!, near), `${name}, gradient ${i}`).toBeUndefined();
  }
}
