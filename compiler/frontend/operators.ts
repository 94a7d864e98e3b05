// Operators of JavaScript on values of which some are traced. What is known is computed as JavaScript does.
import type { BinaryOperator, UnaryOperator } from "acorn";
import { showAval } from "../core/aval.js";
import * as ops from "../ops/index.js";
import { Tensor } from "../trace/tensor.js";
import { type Evaluator, type Site, used, usedNumber } from "./evaluator.js";
import {
  addMultiply,
  bitwise,
  compare,
  complement,
  divide,
  equal,
  isNumeric,
  type Numeric,
  negate,
  power,
  remainder,
  toNumber,
  truth,
} from "./numbers.js";
import { mayBeSame, packOf } from "./store.js";

/** x `operator` y. Throws `TraceError` for what has no meaning for a traced value. */
export function binary(run: Evaluator, operator: BinaryOperator, left: unknown, right: unknown, site: Site): unknown {
  const use = /^[!=]==|^in/.test(operator) ? used : usedNumber;
  const [x, y] = [use(run, left, site), use(run, right, site)];
  if (!(x instanceof Tensor) && !(y instanceof Tensor)) return plain(operator, x, y, run, site);
  const wrong = (message: string): Error => run.fail(site, `${operator}: ${message}`);
  switch (operator) {
    case "===":
    case "!==":
    case "==":
    case "!=":
      return equality(run, operator, x, y, site);
    case "in":
    case "instanceof":
      if (operator === "instanceof" && x instanceof Tensor) return plain(operator, x, y, run, site);
      throw run.fail(site, `${operator} with a traced value`, "its value is only known when the kernel runs");
  }
  if (operator === "+" && [x, y].some((v) => typeof v === "string" || typeof v === "symbol")) throw noText(run, site);
  const [a, b] = [number(run, x, operator, site), number(run, y, operator, site)];
  switch (operator) {
    case "+":
    case "-":
    case "*":
      return addMultiply(operator, a, b, wrong);
    case "/":
      return divide(a, b, wrong);
    case "%":
      return remainder(a, b, wrong);
    case "**":
      return power(a, b, wrong);
    case "<":
    case "<=":
    case ">":
    case ">=":
      return compare(operator, a, b, wrong);
    default:
      return bitwise(operator, a, b, wrong);
  }
}

export const noText = (run: Evaluator, site: Site): Error =>
  run.fail(site, "a traced value cannot be converted to a string", "its value is only known when the kernel runs");

/** ToNumber of an operand. */
function number(run: Evaluator, x: unknown, what: string, site: Site): Numeric {
  if (isNumeric(x)) return x;
  if (x === null) return 0;
  if (x === undefined) return Number.NaN;
  if (typeof x === "string") return Number(x);
  const kind = Array.isArray(x) ? "an array" : `a ${typeof x}`;
  throw run.fail(
    site,
    `${what}: ${kind} and a traced value`,
    Array.isArray(x) ? "combine its elements one by one, or make a tensor of it" : undefined,
  );
}

/** JavaScript's own operators. */
function plain(operator: BinaryOperator, x: unknown, y: unknown, run: Evaluator, site: Site): unknown {
  const [a, b] = [x as number, y as number];
  for (const v of [x, y])
    if (holdsTraced(v) && /^[-+*/%<>]|^\*\*$|^[<>]=$/.test(operator))
      throw run.fail(site, `${operator}: an array of traced values is no number`, "combine its elements one by one");
  if (/^[!=]==?$/.test(operator) && mayBeSame(x, y))
    throw run.fail(
      site,
      `${operator}: whether these are one object depends on a traced condition`,
      "compare their values",
    );
  switch (operator) {
    case "==":
      // biome-ignore lint/suspicious/noDoubleEquals: it is what the user wrote
      return x == y;
    case "!=":
      // biome-ignore lint/suspicious/noDoubleEquals: it is what the user wrote
      return x != y;
    case "===":
      return x === y;
    case "!==":
      return x !== y;
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    case ">=":
      return a >= b;
    case "<<":
      return a << b;
    case ">>":
      return a >> b;
    case ">>>":
      return a >>> b;
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "%":
      return a % b;
    case "**":
      return a ** b;
    case "|":
      return a | b;
    case "^":
      return a ^ b;
    case "&":
      return a & b;
    case "in":
      return (x as PropertyKey) in (y as object);
    case "instanceof":
      return x instanceof (y as new () => unknown);
  }
}

const holdsTraced = (x: unknown): boolean =>
  Array.isArray(x) && (packOf(x) !== undefined || x.some((item) => item instanceof Tensor));

/** Equality where one side is traced: a number or boolean by its value, an object by nothing. */
function equality(run: Evaluator, operator: "===" | "!==" | "==" | "!=", x: unknown, y: unknown, site: Site): unknown {
  const negated = operator.startsWith("!");
  const strict = operator.length === 3;
  if (x === y) {
    // the same value is not equal to itself where it is NaN
    const only = x as Tensor;
    if (only.ndim === 0) return equal(only, only, negated, (message) => run.fail(site, message));
  }
  if (!isNumeric(x) || !isNumeric(y)) {
    const other = x instanceof Tensor ? y : x;
    if (!strict && typeof other === "string") return equality(run, negated ? "!==" : "===", x, Number(other), site);
    return negated; // undefined, null, objects and text are no numbers
  }
  for (const v of [x, y]) {
    if (v instanceof Tensor && v.ndim > 0) {
      throw run.fail(
        site,
        `${operator} would compare two arrays by identity: a traced array is ${showAval(v.aval)}`,
        `compare element by element with ${negated ? "ne" : "eq"}(x, y)`,
      );
    }
  }
  const isBool = (v: Numeric): boolean => typeof v === "boolean" || (v instanceof Tensor && v.dtype === "bool");
  if (strict && isBool(x) !== isBool(y)) return negated;
  return equal(x, y, negated, (message) => run.fail(site, `${operator}: ${message}`));
}

/** `operator` x, but for `typeof` and `delete` of what is no value. */
export function unary(run: Evaluator, operator: UnaryOperator, operand: unknown, site: Site): unknown {
  if (operator === "!") {
    const holds = truthOf(run, operand, "!", site);
    return typeof holds === "boolean" ? !holds : ops.not(holds);
  }
  if (operator === "void") return undefined;
  if (operator === "typeof") return typeOf(used(run, operand, site));
  const x = usedNumber(run, operand, site);
  if (!(x instanceof Tensor)) {
    if (holdsTraced(x)) throw run.fail(site, `${operator}: an array of traced values is no number`);
    const v = x as number;
    return operator === "-" ? -v : operator === "+" ? +v : ~v;
  }
  switch (operator) {
    case "-":
      return negate(x);
    case "+":
      return toNumber(x);
    case "~":
      return complement(x);
    default:
      throw run.fail(site, `${operator} of a traced value`);
  }
}

export function typeOf(x: unknown): string {
  if (!(x instanceof Tensor) || x.ndim > 0) return typeof x;
  return x.dtype === "bool" ? "boolean" : "number";
}

/** Whether a value holds as a condition; `what` asks. */
export function truthOf(run: Evaluator, value: unknown, what: string, site: Site): boolean | Tensor {
  const x = usedNumber(run, value, site);
  if (!(x instanceof Tensor)) return Boolean(x);
  if (x.ndim > 0) {
    throw run.fail(
      site,
      `${what}: a traced array of shape [${x.shape.join(",")}] has no single truth value`,
      "reduce it (any/all), use where(), or vmap the function so that it sees one element",
    );
  }
  return truth(x);
}

/** x + 1 or x − 1, of what is a number already. */
export function step(run: Evaluator, x: unknown, by: 1 | -1, site: Site): unknown {
  if (typeof x === "bigint") return x + BigInt(by);
  return binary(run, by === 1 ? "+" : "-", x instanceof Tensor ? x : Number(x), 1, site);
}

/** ToNumber, as `x++` gives it. */
export function numeric(run: Evaluator, value: unknown, site: Site): unknown {
  const x = usedNumber(run, value, site);
  if (x instanceof Tensor) return toNumber(x);
  return typeof x === "bigint" ? x : Number(x);
}
