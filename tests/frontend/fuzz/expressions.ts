// Random expressions of the fuzzer: numbers, booleans and conditions, with side effects in them.
import type { Draw } from "./draw.js";
import type { Callable, Kind, Names } from "./names.js";

/** What one program is made with. */
export interface Maker {
  readonly draw: Draw;
  /** Only what a GPU computes to the last bit: no transcendental functions, no quotients. */
  readonly exact: boolean;
  /** Times that the code being made runs. */
  weight: number;
  /** Statements that the program runs, about. */
  work: number;
  /** A name that is not taken. */
  fresh(stem: string): string;
  /** Functions and classes, which are made of statements and stand among them. */
  readonly declarations: {
    readonly declareFunction: (m: Maker, s: Names, depth: number) => string;
    readonly declareClass: (m: Maker, s: Names) => string;
    readonly declareClosures: (m: Maker, s: Names) => string;
  };
}

/** A program runs about so many statements. */
const MOST_WORK = 260;

const SMALL = ["0", "1", "2", "3", "4", "5", "7", "0.5", "0.25", "1.5", "2.5", "10", "1", "2"];
const LARGE = ["100", "1000", "65535", "16777217", "2147483647", "4294967295", "1e10", "0.1", "1e-7"];

const literal = ({ draw }: Maker): string => (draw.chance(0.9) ? draw.pick(SMALL) : draw.pick(LARGE));

/** A number that is known to be small, so that it may count turns. */
export const smallCount = (m: Maker, s: Names): string => `((${number(m, s, 1)}) & ${m.draw.pick([3, 3, 7])})`;

/**
 * A position in an array of `length` elements: a number that is known, or a traced one; each is in the array, wherever
 * it is.
 */
export function position(m: Maker, s: Names, length: number, depth: number): string {
  const { draw } = m;
  if (depth <= 0 || draw.chance(0.4)) return String(draw.below(length));
  const inner = number(m, s, depth - 1);
  if ((length & (length - 1)) === 0) return `(${inner}) & ${length - 1}`;
  return draw.chance(0.5) ? `((${inner}) >>> 0) % ${length}` : `Math.abs((${inner}) | 0) % ${length}`;
}

/** An expression that gives a number. */
export function number(m: Maker, s: Names, depth: number): string {
  const { draw } = m;
  const sub = (): string => number(m, s, depth - 1);
  const leaf = (): string | undefined => s.of("number", draw)?.text;
  if (depth <= 0) return draw.chance(0.7) ? (leaf() ?? literal(m)) : literal(m);
  return draw.oneOf<string>([
    [3, leaf],
    [2, () => literal(m)],
    [2, () => element(m, s, depth)],
    [6, () => `(${sub()} ${draw.pick(["+", "-", "*", "+", "-"])} ${sub()})`],
    [m.exact ? 0 : 1, () => `Math.abs(${sub()} / ${sub()})`],
    [m.exact ? 0 : 1, () => `(${sub()} / ${draw.pick(["2", "3", "4", "0.5", "7"])})`],
    [2, () => `(${sub()} % ${draw.chance(0.5) ? draw.pick(["2", "3", "5", "7", "2.5"]) : sub()})`],
    [1, () => `((${sub()}) ** ${draw.pick(["2", "2", "1"])})`],
    [m.exact ? 0 : 0.5, () => `(Math.abs(${sub()}) ** ${draw.pick(["3", "0.5", "-1", sub()])})`],
    [2, () => `(${sub()} ${draw.pick(["&", "|", "^", "<<", ">>", ">>>"])} ${sub()})`],
    [2, () => `(${sub()} ${draw.pick(["| 0", "& 7", ">> 1", ">>> 1", "<< 2", ">>> 0", "& 1"])})`],
    [1.5, () => `${draw.pick(["-", "+", "~", "-"])}(${sub()})`],
    [3, () => call(m, s, depth)],
    [3, () => `(${condition(m, s, depth - 1)} ? ${sub()} : ${sub()})`],
    [2, () => `(${sub()} ${draw.pick(["&&", "||", "??"])} ${sub()})`],
    [1, () => `${draw.pick(["Number", "+"])}(${boolean(m, s, depth - 1)})`],
    [0.5, () => `(${boolean(m, s, depth - 1)} ${draw.pick(["+", "-", "*", "|", "&"])} ${sub()})`],
    [2, () => assignment(m, s, depth)],
    [1.5, () => step(m, s)],
    [0.7, () => `(${effect(m, s, depth - 1)}, ${sub()})`],
    [2, () => invoke(m, s, "number", depth)],
    [1.5, () => listMethod(m, s, depth)],
    [0.4, () => immediate(m, s, depth)],
    [0.3, () => `[${sub()}, ${sub()}, ${sub()}][${position(m, s, 3, 1)}]`],
    [0.3, () => `({ p: ${sub()}, q: ${sub()} }).${draw.pick(["p", "q"])}`],
    [0.2, () => `(typeof ${sub()} === "number" ? ${sub()} : ${literal(m)})`],
  ]);
}

/** arr[i], or xs[i]. */
function element(m: Maker, s: Names, depth: number): string | undefined {
  if (s.lists.length === 0) return undefined;
  const list = m.draw.pick(s.lists);
  return `${list.text}[${position(m, s, list.length, Math.min(depth, 2))}]`;
}

function call(m: Maker, s: Names, depth: number): string {
  const { draw } = m;
  const sub = (): string => number(m, s, depth - 1);
  const exact = ["floor", "ceil", "trunc", "round", "abs", "sign"];
  return draw.oneOf<string>([
    [3, () => `Math.${draw.pick(exact)}(${sub()})`],
    [2, () => `Math.${draw.pick(["max", "min"])}(${sub()}, ${sub()})`],
    [1, () => `Math.max(-9, Math.min(${sub()}, 9))`],
    [0.5, () => `Math.${draw.pick(["max", "min"])}(${sub()}, ${sub()}, ${sub()})`],
    [0.5, () => `Math.imul(${sub()}, ${sub()})`],
    [0.4, () => `Math.clz32(${sub()})`],
    [
      m.exact ? 0 : 2,
      () => `Math.${draw.pick(["sin", "cos", "tanh", "atan", "exp", "log", "sqrt", "cbrt"])}(${sub()})`,
    ],
    [m.exact ? 0 : 0.5, () => `Math.${draw.pick(["log1p", "expm1", "log2", "sinh", "asin"])}(${sub()})`],
    [m.exact ? 0 : 0.5, () => `Math.hypot(${sub()}, ${sub()})`],
    [m.exact ? 0 : 0.3, () => `Math.atan2(${sub()}, Math.abs(${sub()}))`],
  ]);
}

/** An expression that gives true or false. */
export function boolean(m: Maker, s: Names, depth: number): string {
  const { draw } = m;
  const num = (): string => number(m, s, depth - 1);
  const sub = (): string => boolean(m, s, depth - 1);
  const compare = (): string => `(${num()} ${draw.pick(["<", "<=", ">", ">=", "<", ">"])} ${num()})`;
  if (depth <= 0) return draw.chance(0.3) ? (s.of("boolean", draw)?.text ?? compare()) : compare();
  return draw.oneOf<string>([
    [6, compare],
    [2, () => `(${num()} ${draw.pick(["===", "!==", "==", "!="])} ${num()})`],
    [1, () => `(${num()} % ${draw.pick(["2", "3"])} === ${draw.pick(["0", "1"])})`],
    [2, () => s.of("boolean", draw)?.text],
    [2, () => `!(${condition(m, s, depth - 1)})`],
    [2, () => `(${sub()} && ${sub()})`],
    [2, () => `(${sub()} || ${sub()})`],
    [0.5, () => `(${sub()} ${draw.pick(["===", "!=="])} ${sub()})`],
    [0.6, () => `Boolean(${num()})`],
    [0.6, () => `Number.${draw.pick(["isNaN", "isInteger", "isFinite"])}(${num()})`],
    [0.8, () => `(${condition(m, s, depth - 1)} ? ${sub()} : ${sub()})`],
    [1, () => invoke(m, s, "boolean", depth)],
    [0.7, () => quantifier(m, s, depth)],
    [0.6, () => assignBoolean(m, s, depth)],
    [0.2, () => draw.pick(["true", "false"])],
  ]);
}

/** An expression in a condition: of any kind that holds or not. */
export function condition(m: Maker, s: Names, depth: number): string {
  const { draw } = m;
  return draw.oneOf<string>([
    [7, () => boolean(m, s, depth)],
    [1.5, () => number(m, s, depth)],
    [0.8, () => `(${boolean(m, s, depth - 1)} && ${number(m, s, depth - 1)})`],
    [0.8, () => `(${number(m, s, depth - 1)} || ${boolean(m, s, depth - 1)})`],
    [0.7, () => `(${assignment(m, s, depth) ?? number(m, s, 0)}) ${draw.pick(["<", ">", "!=="])} ${number(m, s, 0)}`],
  ]);
}

/** The text of a place that may be written: variable, field, or element at any position. */
export function target(m: Maker, s: Names, depth: number): string | undefined {
  const { draw } = m;
  const lists = s.lists.filter((x) => x.writable);
  if (lists.length > 0 && draw.chance(0.3)) {
    const list = draw.pick(lists);
    return `${list.text}[${position(m, s, list.length, Math.min(depth, 1))}]`;
  }
  return s.of("number", draw, true)?.text;
}

export function assignment(m: Maker, s: Names, depth: number): string | undefined {
  const { draw } = m;
  const to = target(m, s, depth);
  if (to === undefined) return undefined;
  const operator = draw.pick(["=", "=", "=", "+=", "-=", "*=", "+=", "-=", "%=", "&=", "|=", "^=", "<<=", ">>="]);
  const special = draw.chance(0.12) ? draw.pick(["&&=", "||=", "??=", "**="]) : operator;
  if (special === "**=") return `(${to} **= 2)`;
  return `(${to} ${special} ${number(m, s, depth - 1)})`;
}

function assignBoolean(m: Maker, s: Names, depth: number): string | undefined {
  const to = s.of("boolean", m.draw, true);
  return to && `(${to.text} ${m.draw.pick(["=", "=", "&&=", "||="])} ${boolean(m, s, depth - 1)})`;
}

/** ++ and --, before and behind. */
export function step(m: Maker, s: Names): string | undefined {
  const to = target(m, s, 1);
  if (to === undefined) return undefined;
  const operator = m.draw.pick(["++", "--"]);
  return m.draw.chance(0.5) ? `(${operator}${to})` : `(${to}${operator})`;
}

/** An expression whose value does not matter. */
export function effect(m: Maker, s: Names, depth: number): string {
  return m.draw.oneOf<string>([
    [4, () => assignment(m, s, depth)],
    [2, () => step(m, s)],
    [1, () => assignBoolean(m, s, depth)],
    [2, () => invoke(m, s, "number", depth)],
    [0.5, () => number(m, s, depth)],
    [0.6, () => `(${condition(m, s, depth)} && ${assignment(m, s, depth) ?? number(m, s, 0)})`],
    [0.6, () => `(${condition(m, s, depth)} || ${step(m, s) ?? number(m, s, 0)})`],
  ]);
}

/** A call of one of the program's own functions. */
function invoke(m: Maker, s: Names, kind: Kind, depth: number): string | undefined {
  const fit = s.functions.filter((f) => f.result === kind && m.work + m.weight * f.cost <= MOST_WORK);
  if (fit.length === 0) return undefined;
  const f: Callable = m.draw.pick(fit);
  m.work += m.weight * f.cost;
  return `${f.text}(${Array.from({ length: f.params }, () => number(m, s, depth - 1)).join(", ")})`;
}

/** An inner scope with one more number. */
export function withNumber(s: Names, name: string): Names {
  const inner = s.inner();
  inner.places.push({ text: name, kind: "number", writable: false });
  return inner;
}

function listMethod(m: Maker, s: Names, depth: number): string | undefined {
  const { draw } = m;
  if (s.lists.length === 0) return undefined;
  const { text, length } = draw.pick(s.lists);
  if (m.weight * length > 60) return undefined;
  const [v, i, sum] = [m.fresh("v"), m.fresh("i"), m.fresh("s")];
  const each = withNumber(s, v);
  const both = withNumber(each, i);
  const body = (names: Names): string => number(m, names, Math.min(depth - 1, 2));
  return draw.oneOf<string>([
    [3, () => `${text}.reduce((${sum}, ${v}) => ${body(withNumber(each, sum))}, ${number(m, s, 0)})`],
    [1, () => `${text}.reduceRight((${sum}, ${v}, ${i}) => ${body(withNumber(both, sum))}, ${number(m, s, 0)})`],
    [2, () => `${text}.map((${v}, ${i}) => ${body(both)})[${position(m, s, length, 1)}]`],
    [1, () => `${text}.findIndex((${v}) => ${boolean(m, each, 1)})`],
    [
      0.7,
      () => `Array.from({ length: ${length} }, (_, ${i}) => ${body(withNumber(s, i))})[${position(m, s, length, 1)}]`,
    ],
    [0.7, () => `Math.${draw.pick(["max", "min"])}(...${text})`],
    [0.7, () => `[...${text}, ${number(m, s, 0)}][${position(m, s, length + 1, 1)}]`],
    // of a tensor, slice is the method of tensors
    [text === "xs" ? 0 : 0.5, () => `${text}.slice(1)[${position(m, s, length - 1, 1)}]`],
  ]);
}

function quantifier(m: Maker, s: Names, depth: number): string | undefined {
  const { draw } = m;
  if (s.lists.length === 0) return undefined;
  const v = m.fresh("v");
  return `${draw.pick(s.lists).text}.${draw.pick(["some", "every"])}((${v}) => ${boolean(m, withNumber(s, v), depth - 1)})`;
}

/** A function that is called where it stands. */
function immediate(m: Maker, s: Names, depth: number): string {
  const v = m.fresh("v");
  const inner = withNumber(s, v);
  const arg = number(m, s, depth - 1);
  if (m.draw.chance(0.5)) return `((${v}) => ${number(m, inner, depth - 1)})(${arg})`;
  return `((${v} = ${number(m, s, 0)}) => { if (${condition(m, inner, 1)}) return ${number(m, inner, depth - 1)}; return ${number(m, inner, depth - 1)}; })(${m.draw.chance(0.3) ? "" : arg})`;
}
