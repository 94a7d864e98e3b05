// Instructions of the scalar IR: what they are, what they give for constants, which operands they take.
import type { DType } from "../core/dtype.js";
import { InternalError } from "../core/errors.js";

/**
 * Instructions, as on the device:
 * - `min`, `max` propagate NaN; `eq`, `lt`, `le` are false for NaN.
 * - f32 `add sub mul div neg abs floor ceil trunc nearest sqrt`: IEEE, to nearest (`nearest` rounds ties to even);
 *   `rem` is C's fmod, exact; `fma` is x y + z rounded once.
 * - i32, u32: `add sub mul neg` wrap; `div` by 0 gives the dividend, `rem` by 0 gives 0; shifts take 5 bits;
 *   `popcount` counts ones, `clz` the zeros above the first one.
 * - `cast` converts (float to integer truncates and saturates); `bitcast` keeps the bits.
 * - `keep` is the identity that compilers cannot see through: what is computed before it stays as it is written.
 * - `load` reads element `args[0]` of buffer `slot`; `store` writes `args[1]` there.
 * - `array` is an array of `value` elements of the kernel's own, zeros at first; `get` reads element `args[1]` of array
 *   `args[0]`, `set` writes `args[2]` there.
 * - `branch`, `loop`, `while` hold blocks; `result` is one of their values, `param` a loop's counter or carried value.
 * - `call` is a function whose WGSL comes from the user.
 * - `input` is a value from outside: an operand of an elementwise op, or a name of the template around the code.
 */
export type ScalarOpName =
  | "const"
  | "input"
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "rem"
  | "neg"
  | "abs"
  | "min"
  | "max"
  | "floor"
  | "ceil"
  | "trunc"
  | "nearest"
  | "sqrt"
  | "fma"
  | "and"
  | "or"
  | "xor"
  | "not"
  | "shl"
  | "shr"
  | "popcount"
  | "clz"
  | "eq"
  | "lt"
  | "le"
  | "select"
  | "cast"
  | "bitcast"
  | "keep"
  | "load"
  | "store"
  | "array"
  | "get"
  | "set"
  | "branch"
  | "loop"
  | "while"
  | "result"
  | "param"
  | "call";

/** A function of the user's. Kernels that call it declare it once. */
export interface ForeignFunction {
  /** Name of the op, and of the function in WGSL. */
  readonly op: string;
  readonly name: string;
  readonly wgsl: string;
}

/** One instruction and the value it gives. */
export interface Scalar {
  readonly id: number;
  readonly op: ScalarOpName;
  readonly type: DType;
  readonly args: readonly Scalar[];
  /** `const`: its value; `array`: its size. */
  readonly value?: number;
  /** `input`: its number or name; `load`, `store`: the buffer; `result`, `param`: which one. */
  readonly slot?: number | string;
  /** `call`: the function. */
  readonly callee?: ForeignFunction;
  /** `branch`: [then, else]; `loop`: [body]; `while`: [test, body]. */
  readonly blocks?: readonly Block[];
  /** Types of the results of what holds blocks. `loop`: `args` are [count, ...initial values]; `while`: initial values. */
  readonly types?: readonly DType[];
  /** `param`: arithmetic on it is rounded step by step, as it is written. Sums have no such fixed rounding. */
  readonly exact?: boolean;
}

/** Instructions in order, and the values the block hands to what holds it. */
export interface Block {
  readonly instrs: Scalar[];
  readonly results: Scalar[];
  /** Parameters of a loop's body: the counter (u32), then the carried values. */
  readonly params: readonly Scalar[];
}

/** x as an integer of 32 bits. */
export const wrap = (x: number, type: DType): number => (type === "u32" ? x >>> 0 : x | 0);

/** The result for constant integers; undefined for what is not computed at compile time. */
export function foldInteger(op: ScalarOpName, type: DType, args: readonly Scalar[]): number | undefined {
  const [x, y] = args.map((arg) => arg.value!) as [number, number];
  const of = args[0]!.type;
  switch (op) {
    case "add":
      return wrap(x + y, type);
    case "sub":
      return wrap(x - y, type);
    case "mul":
      return wrap(Math.imul(x, y), type);
    case "div":
      return y === 0 ? x : wrap(Math.trunc(x / y), type);
    case "rem":
      return y === 0 ? 0 : wrap(x % y, type);
    case "min":
      return Math.min(x, y);
    case "max":
      return Math.max(x, y);
    case "eq":
      return x === y ? 1 : 0;
    case "lt":
      return x < y ? 1 : 0;
    case "le":
      return x <= y ? 1 : 0;
    case "and":
      return of === "bool" ? x & y : wrap(x & y, type);
    case "or":
      return of === "bool" ? x | y : wrap(x | y, type);
    case "xor":
      return of === "bool" ? x ^ y : wrap(x ^ y, type);
    case "not":
      return of === "bool" ? 1 - x : wrap(~x, type);
    case "neg":
      return wrap(-x, type);
    case "abs":
      return wrap(Math.abs(x), type);
    case "shl":
      return wrap(x << y, type);
    case "shr":
      return type === "u32" ? x >>> y : x >> y;
    case "clz":
      return Math.clz32(x);
    case "bitcast":
      return wrap(x, type);
    default:
      return undefined;
  }
}

const ofOneType = new Set("add sub mul div rem min max and or xor eq lt le".split(" "));
const ofFloats = new Set("floor ceil trunc nearest sqrt fma".split(" "));

/** Checks types and operands; throws `InternalError`. */
export function checkScalarTypes(x: Scalar): void {
  const [a, b] = x.args;
  const bad = (why: string) => new InternalError(`scalar ${x.op}: ${why}, with operands ${x.args.map((y) => y.type)}`);
  if (ofOneType.has(x.op) && a!.type !== b!.type) throw bad("operands of one type wanted");
  if (x.op === "select" && (a!.type !== "bool" || b!.type !== x.args[2]!.type)) throw bad("bool, T, T wanted");
  if ((x.op === "shl" || x.op === "shr") && b!.type !== "u32") throw bad("a u32 shift wanted");
  if (x.op === "set" && (a!.op !== "array" || b!.type !== "u32" || x.args[2]!.type !== x.type))
    throw bad("an array, a u32 index and an element wanted");
  if (ofFloats.has(x.op) && x.args.some((y) => y.type !== "f32")) throw bad("f32 wanted");
}
