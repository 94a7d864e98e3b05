// The cases of golden.jsonl as calls of our functions: arrays decoded, functions found by name.
import { readFileSync } from "node:fs";
import { type DType, numpy, Tensor, tensor } from "lanewise";

export interface EncodedArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}

export interface GoldenCase {
  readonly call: string;
  readonly args: readonly unknown[];
  /** Of some functions a list of arrays. */
  readonly result: EncodedArray | readonly EncodedArray[];
}

export const goldenCases: readonly GoldenCase[] = readFileSync(new URL("golden.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));

type Callable = (...args: readonly unknown[]) => unknown;

/** Methods whose names are not those of the functions. */
const methodNames: Readonly<Record<string, string>> = {
  subtract: "sub",
  multiply: "mul",
  divide: "div",
  power: "pow",
  negative: "neg",
  equal: "eq",
  notEqual: "ne",
  less: "lt",
  lessEqual: "le",
  greater: "gt",
  greaterEqual: "ge",
  logicalAnd: "and",
  logicalOr: "or",
  logicalXor: "xor",
  logicalNot: "not",
};

export const callFunction = ({ call }: GoldenCase, args: readonly unknown[]): Tensor | Tensor[] =>
  (numpy as unknown as Record<string, Callable>)[call]!(...args) as Tensor | Tensor[];

/** The method that does what the function of this name does; undefined where there is none. */
export function methodOf(call: string): string | undefined {
  const name = methodNames[call] ?? call;
  return name in Tensor.prototype ? name : undefined;
}

/** The same call as a method of its first operand; undefined where there is no such method. */
export function callMethod({ call }: GoldenCase, args: readonly unknown[]): Tensor | undefined {
  const [self, ...rest] = call === "where" ? [args[1], args[0], args[2]] : args;
  const name = methodOf(call);
  if (!(self instanceof Tensor) || name === undefined) return undefined;
  return (self as unknown as Record<string, Callable>)[name]!(...rest) as Tensor;
}

const isArray = (x: unknown): x is EncodedArray => typeof x === "object" && x !== null && "data" in x;

/** Arguments as they are passed: encoded arrays become tensors. */
export function decode(x: unknown): unknown {
  if (isArray(x)) return tensor(x.data.map(Number), { dtype: x.dtype, shape: x.shape });
  if (Array.isArray(x)) return x.map(decode);
  if (typeof x !== "object" || x === null) return x;
  return Object.fromEntries(Object.entries(x).map(([key, value]) => [key, decode(value)]));
}

export const decodeArgs = ({ args }: GoldenCase): unknown[] => args.map(decode);

/** How `got` differs from the case's result, or undefined where it does not; some functions are only nearly exact. */
export async function difference({ result }: GoldenCase, got: Tensor | readonly Tensor[]): Promise<string | undefined> {
  if (got instanceof Tensor) return differenceOf(result as EncodedArray, got);
  const parts = result as readonly EncodedArray[];
  if (got.length !== parts.length) return `${got.length} arrays instead of ${parts.length}`;
  const found = await Promise.all(parts.map((part, i) => differenceOf(part, got[i]!)));
  const first = found.findIndex((text) => text !== undefined);
  return first < 0 ? undefined : `array ${first}: ${found[first]}`;
}

async function differenceOf(result: EncodedArray, got: Tensor): Promise<string | undefined> {
  const type = `${got.dtype}[${got.shape}]`;
  const wanted = `${result.dtype}[${result.shape}]`;
  if (type !== wanted) return `${type} instead of ${wanted}`;
  const data = await got.data();
  const at = result.data.findIndex((x, i) => !isClose(data[i]!, Number(x)));
  return at < 0 ? undefined : `element ${at} is ${data[at]} instead of ${result.data[at]}`;
}

/** Sums and transcendental functions are rounded more than once. Zeros have the right sign, NaN is only near NaN. */
function isClose(x: number, wanted: number): boolean {
  if (Object.is(x, wanted)) return true;
  return x !== wanted && Math.abs(x - wanted) <= 2e-6 * Math.max(1, Math.abs(wanted));
}

/** Short text of a call, for messages. */
export const showCall = ({ call, args }: GoldenCase): string =>
  `${call}(${args.map((x) => (isArray(x) ? `${x.dtype}[${x.shape}]` : JSON.stringify(x))).join(", ")})`;
