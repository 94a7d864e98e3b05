// Runs straight-line scalar code one element at a time, as written or as loosely as WGSL lets a device do it.
import type { Scalar } from "../../compiler/ir/scalar.js";
import { bitsOfFloat, floatOfBits, randomStream, ulpAt } from "./ulp.js";

/** What a device may do to f32 arithmetic. */
export interface Looseness {
  /** a * b + c is rounded once where the product is not kept. */
  readonly contracts: boolean;
  /** Results and operands below 2^-126 become 0. */
  readonly flushes: boolean;
  /** Division and square root are off by up to so many units in the last place. */
  readonly division: number;
  readonly root: number;
}

const exactly: Looseness = { contracts: false, flushes: false, division: 0, root: 0 };

/** WGSL's bounds: division 2.5 ulp; a root is 1 / inverseSqrt, which is good to 2 ulp. */
export const loosely: Looseness = { contracts: true, flushes: true, division: 2.5, root: 4.5 };

type Instruction = (values: Float64Array) => number;

/** The program whose results are `results`, for the elements of one row of inputs. */
export function machineFor(
  results: readonly Scalar[],
  looseness: Looseness = exactly,
): (...inputs: number[]) => number[] {
  const order: Scalar[] = [];
  const slots = new Map<Scalar, number>();
  const visit = (x: Scalar): void => {
    if (slots.has(x)) return;
    for (const arg of x.args) visit(arg);
    slots.set(x, order.push(x) - 1);
  };
  results.forEach(visit);
  const code = order.map((x) => instruction(x, (arg) => slots.get(arg)!, looseness));
  const values = new Float64Array(order.length);
  return (...inputs) => {
    order.forEach((x, i) => {
      values[i] = x.op === "input" ? inputs[x.slot as number]! : code[i]!(values);
    });
    return results.map((x) => values[slots.get(x)!]!);
  };
}

function instruction(x: Scalar, slotOf: (x: Scalar) => number, looseness: Looseness): Instruction {
  if (x.op === "input") return () => Number.NaN; // set from outside
  const [a, b, c] = x.args.map(slotOf) as [number, number, number];
  const { flushes } = looseness;
  if (x.type === "f32") {
    const flush = flushes ? (y: number) => (Math.abs(y) < 2 ** -126 ? y * 0 : y) : (y: number) => y;
    const round = (y: number): number => flush(Math.fround(y));
    const random = randomStream(x.id + 12345);
    const off = (y: number, ulps: number): number => {
      if (ulps === 0 || !Number.isFinite(y) || y === 0) return y;
      return y + (random() * 2 - 1) * (ulps - 0.5) * ulpAt(y);
    };
    const isProduct = (y: Scalar): boolean => looseness.contracts && y.op === "mul";
    const [p, q] = x.args;
    switch (x.op) {
      case "const":
        return () => x.value!;
      case "add": {
        if (!isProduct(p!) && !isProduct(q!)) return (v) => round(flush(v[a]!) + flush(v[b]!));
        const [product, other] = isProduct(p!) ? [p!, b] : [q!, a];
        const [s, t] = product.args.map(slotOf) as [number, number];
        return (v) => round(v[s]! * v[t]! + flush(v[other]!));
      }
      case "sub": {
        if (isProduct(q!)) {
          const [s, t] = q!.args.map(slotOf) as [number, number];
          return (v) => round(flush(v[a]!) - v[s]! * v[t]!);
        }
        if (isProduct(p!)) {
          const [s, t] = p!.args.map(slotOf) as [number, number];
          return (v) => round(v[s]! * v[t]! - flush(v[b]!));
        }
        return (v) => round(flush(v[a]!) - flush(v[b]!));
      }
      case "mul":
        return (v) => round(flush(v[a]!) * flush(v[b]!));
      case "div":
        return (v) => round(off(flush(v[a]!) / flush(v[b]!), looseness.division));
      case "fma":
        return (v) => round(v[a]! * v[b]! + v[c]!);
      case "rem":
        return (v) => flush(flush(v[a]!) % flush(v[b]!));
      case "sqrt":
        return (v) => round(off(Math.sqrt(flush(v[a]!)), looseness.root));
      case "neg":
        return (v) => -v[a]!;
      case "abs":
        return (v) => Math.abs(v[a]!);
      case "min":
        return (v) => Math.min(v[a]!, v[b]!);
      case "max":
        return (v) => Math.max(v[a]!, v[b]!);
      case "floor":
        return (v) => Math.floor(v[a]!);
      case "ceil":
        return (v) => Math.ceil(v[a]!);
      case "trunc":
        return (v) => Math.trunc(v[a]!);
      case "nearest":
        return (v) => nearest(v[a]!);
      case "select":
        return (v) => (v[a] !== 0 ? v[b]! : v[c]!);
      case "cast":
        return (v) => Math.fround(v[a]!);
      case "bitcast":
        return (v) => floatOfBits(v[a]! >>> 0);
      case "keep":
        return (v) => v[a]!;
      default:
        throw new Error(`no f32 ${x.op}`);
    }
  }
  const from = x.args[x.op === "select" ? 1 : 0]?.type ?? x.type;
  const whole =
    x.type === "i32" ? (y: number) => y | 0 : x.type === "u32" ? (y: number) => y >>> 0 : (y: number) => y & 1;
  switch (x.op) {
    case "const":
      return () => x.value!;
    case "add":
      return (v) => whole(v[a]! + v[b]!);
    case "sub":
      return (v) => whole(v[a]! - v[b]!);
    case "mul":
      return (v) => whole(Math.imul(v[a]!, v[b]!));
    case "div":
      return (v) => (v[b] === 0 ? v[a]! : whole(Math.trunc(v[a]! / v[b]!)));
    case "rem":
      return (v) => (v[b] === 0 ? 0 : whole(v[a]! - v[b]! * Math.trunc(v[a]! / v[b]!)));
    case "neg":
      return (v) => whole(-v[a]!);
    case "abs":
      return (v) => whole(Math.abs(v[a]!));
    case "min":
      return (v) => Math.min(v[a]!, v[b]!);
    case "max":
      return (v) => Math.max(v[a]!, v[b]!);
    case "and":
      return (v) => whole(v[a]! & v[b]!);
    case "or":
      return (v) => whole(v[a]! | v[b]!);
    case "xor":
      return (v) => whole(v[a]! ^ v[b]!);
    case "not":
      return (v) => whole(~v[a]!);
    case "shl":
      return (v) => whole(v[a]! << (v[b]! & 31));
    case "shr":
      return x.type === "i32" ? (v) => v[a]! >> (v[b]! & 31) : (v) => v[a]! >>> (v[b]! & 31);
    case "popcount":
      return (v) => (v[a]! >>> 0).toString(2).replaceAll("0", "").length;
    case "clz":
      return (v) => 32 - (v[a] === 0 ? 0 : (v[a]! >>> 0).toString(2).length);
    case "eq":
      return (v) => (v[a] === v[b] ? 1 : 0);
    case "lt":
      return (v) => (v[a]! < v[b]! ? 1 : 0);
    case "le":
      return (v) => (v[a]! <= v[b]! ? 1 : 0);
    case "select":
      return (v) => (v[a] !== 0 ? v[b]! : v[c]!);
    case "keep":
      return (v) => v[a]!;
    case "bitcast":
      return from === "f32" ? (v) => whole(bitsOfFloat(v[a]!)) : (v) => whole(v[a]!);
    case "cast":
      if (x.type === "bool") return (v) => (v[a] === 0 ? 0 : 1);
      if (from !== "f32") return (v) => whole(v[a]!);
      return x.type === "i32" ? (v) => saturate(v[a]!, -2147483648, 2147483647) : (v) => saturate(v[a]!, 0, 4294967295);
    default:
      throw new Error(`no ${x.type} ${x.op}`);
  }
}

const saturate = (x: number, low: number, high: number): number =>
  Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, low), high)) + 0;

/** To the nearest integer, ties to even; keeps -0. */
function nearest(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (!(rest > 0)) return x;
  const up = rest > 0.5 || (rest === 0.5 && down % 2 !== 0);
  const whole = up ? down + 1 : down;
  return whole === 0 && x < 0 ? -0 : whole;
}
