// Functions under grad, vmap and their kin, in many nestings, against JAX: calls.py wrote the cases.
import { readFileSync } from "node:fs";
import {
  type DType,
  type GradOptions,
  grad,
  hessian,
  type JacobianOptions,
  jacfwd,
  jacrev,
  jit,
  jvp,
  setDevice,
  Tensor,
  tensor,
  type VmapOptions,
  valueAndGrad,
  vjp,
  vmap,
} from "lanewise";
import { describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";
import { type AnyFunction, functions } from "./calls-functions.js";

setDevice("cpu");

interface EncodedArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}

type Encoded = EncodedArray | readonly Encoded[];

interface Case {
  readonly call: string;
  /** Transforms with their options, outermost first. */
  readonly under: readonly (readonly [transform: string, options?: object])[];
  readonly args: readonly Encoded[];
  readonly result: Encoded;
  /** For each leaf of the result, how far away ours may be. */
  readonly within: readonly number[];
  /** What is special about it. */
  readonly note?: string;
}

const cases: readonly Case[] = readFileSync(new URL("calls.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));
const names = [...new Set(cases.map(({ call }) => call))];

/** jvp and vjp as functions: of values and directions, of values and a cotangent. */
const transforms: Readonly<Record<string, (fn: AnyFunction, options?: object) => AnyFunction>> = {
  grad: (fn, options) => grad(fn, options as GradOptions),
  valueAndGrad: (fn, options) => valueAndGrad(fn, options as GradOptions) as AnyFunction,
  jvp: (fn) => {
    return (...args) => jvp(fn, args.slice(0, args.length / 2), args.slice(args.length / 2));
  },
  vjp: (fn) => {
    return (...args) => {
      const [y, back] = vjp(fn, ...args.slice(0, -1));
      return [y, back(args.at(-1))];
    };
  },
  jacfwd: (fn, options) => jacfwd(fn, options as JacobianOptions),
  jacrev: (fn, options) => jacrev(fn, options as JacobianOptions),
  hessian: (fn, options) => hessian(fn, options as JacobianOptions),
  vmap: (fn, options) => vmap(fn, options as VmapOptions),
  jit: (fn) => jit(fn),
};

const transformed = ({ call, under }: Case): AnyFunction =>
  under.reduceRight((fn, [name, options]) => transforms[name]!(fn, options), functions[call]!);

const isArray = (x: Encoded): x is EncodedArray => !Array.isArray(x);

const decode = (x: Encoded): unknown =>
  isArray(x) ? tensor(x.data.map(Number), { dtype: x.dtype, shape: x.shape }) : x.map(decode);

const show = ({ call, under, args }: Case): string =>
  `${under.map(([name, options]) => name + (options ? JSON.stringify(options) : "")).join(" of ")} of ${call}(${JSON.stringify(args)})`;

/** What is wrong with a result, or undefined. NaN and infinities must be where they are wanted. */
async function fault(golden: Case, got: unknown): Promise<string | undefined> {
  const bounds = golden.within.values();
  const visit = async (x: unknown, wanted: Encoded): Promise<string | undefined> => {
    if (!isArray(wanted)) {
      if (!Array.isArray(x) || x.length !== wanted.length) return `no array of ${wanted.length}`;
      for (const [i, item] of wanted.entries()) {
        const wrong = await visit(x[i], item);
        if (wrong !== undefined) return `[${i}] ${wrong}`;
      }
      return undefined;
    }
    const within = bounds.next().value!;
    if (!(x instanceof Tensor)) return `${typeof x} instead of a tensor`;
    const types = [`${x.dtype}[${x.shape}]`, `${wanted.dtype}[${wanted.shape}]`];
    if (types[0] !== types[1]) return `${types[0]} instead of ${types[1]}`;
    const data = await x.data();
    const want = wanted.data.map(Number);
    const at = want.findIndex((w, i) => !(Object.is(data[i]!, w) || Math.abs(data[i]! - w) <= within));
    return at < 0 ? undefined : `is [${data}] instead of [${want}], more than ${within} away at ${at}`;
  };
  const wrong = await visit(got, golden.result);
  return wrong && `${show(golden)}: ${wrong}`;
}

/** As `fault`, of a call that may throw. */
async function faultOf(golden: Case, run: () => unknown): Promise<string | undefined> {
  try {
    return await fault(golden, run());
  } catch (error) {
    return `${show(golden)}: ${error}`;
  }
}

describe("as JAX computes it", () => {
  test.each(names)("%s", async (name) => {
    const wrong: (string | undefined)[] = [];
    for (const golden of cases.filter(({ call }) => call === name)) {
      const f = transformed(golden);
      const args = golden.args.map(decode);
      wrong.push(await faultOf(golden, () => f(...args)));
      wrong.push(await faultOf(golden, () => jit(f)(...args)));
    }
    expect(wrong.filter((text) => text !== undefined)).toEqual([]);
  });
});

test("every function and every transform has a case", () => {
  expect(names.toSorted()).toEqual(Object.keys(functions).toSorted());
  const used = new Set(cases.flatMap(({ under }) => under.map(([name]) => name)));
  expect([...used].toSorted()).toEqual(Object.keys(transforms).toSorted());
  expect(cases.length).toBeGreaterThan(400);
});

gpuTest(
  "a sample gives the same on the GPU",
  async () => {
    setDevice("gpu");
    const wrong: (string | undefined)[] = [];
    const sample = cases.filter((_, i) => i % 8 === 1);
    // many calls in a program: shaders that are compiled for the first time take most of the time
    for (let at = 0; at < sample.length; at += 20) {
      const some = sample.slice(at, at + 20);
      const args = some.map((golden) => golden.args.map(decode));
      const results = jit((all: unknown[][]) => some.map((golden, i) => transformed(golden)(...all[i]!)))(
        args as never,
      );
      for (const [i, golden] of some.entries()) wrong.push(await fault(golden, results[i]!));
    }
    setDevice("cpu");
    expect(wrong.filter((text) => text !== undefined)).toEqual([]);
    expect(sample.length).toBeGreaterThan(70);
  },
  300_000,
);
