// Random statements of the fuzzer: every kind of control flow, each of which ends.
import {
  assignment,
  boolean,
  condition,
  effect,
  type Maker,
  number,
  position,
  smallCount,
  step,
  target,
  withNumber,
} from "./expressions.js";
import type { Kind, Names } from "./names.js";

/** Code runs at most so often. */
const MOST_WEIGHT = 40;

/** A block of statements, without braces. */
export function statements(m: Maker, s: Names, depth: number, count: number): string {
  return Array.from({ length: count }, () => statement(m, s, depth)).join(" ");
}

/** A block in a scope of its own, with braces. */
function block(m: Maker, s: Names, depth: number, most = 3): string {
  const inner = s.inner();
  const shadow = m.draw.chance(0.05) ? shadowing(m, inner) : "";
  return `{ ${shadow}${statements(m, inner, depth, 1 + m.draw.below(most))} }`;
}

/** A variable that hides one of the same name, from the start of a block on. */
function shadowing(m: Maker, s: Names): string {
  const hidden = s.places.find((x) => x.kind === "number" && /^[a-z]\d+$/.test(x.text));
  if (!hidden) return "";
  s.places = s.places.map((x) => (x === hidden ? { ...hidden, writable: true } : x));
  return `let ${hidden.text} = ${m.draw.below(9)}; `;
}

function statement(m: Maker, s: Names, depth: number): string {
  const { draw } = m;
  m.work += m.weight;
  const nested = depth > 0 ? 1 : 0;
  return draw.oneOf<string>([
    [8, () => and(assignment(m, s, 3))],
    [3, () => and(effect(m, s, 2))],
    [3, () => declare(m, s)],
    [7 * nested, () => conditional(m, s, depth)],
    [2.5 * nested, () => choice(m, s, depth)],
    [4 * nested, () => loop(m, s, depth)],
    [1.2 * nested, () => labelled(m, s, depth)],
    [2.5, () => leave(m, s)],
    [1.5, () => swap(m, s)],
    [1.2, () => replace(m, s)],
    [0.5 * nested, () => each(m, s)],
    [0.7 * nested, () => m.declarations.declareFunction(m, s, depth)],
    [0.4 * nested, () => m.declarations.declareClass(m, s)],
    [0.3 * nested, () => m.declarations.declareClosures(m, s)],
    [0.4 * nested, () => attempt(m, s, depth)],
    [0.3, () => block(m, s, depth - 1)],
  ]);
}

const and = (text: string | undefined): string | undefined => text && `${text};`;

/** A new variable: number, boolean, array, or object. */
export function declare(m: Maker, s: Names): string {
  const { draw } = m;
  const name = m.fresh("a");
  const add = (kind: Kind, writable = true): void => void s.places.push({ text: name, kind, writable });
  return draw.oneOf<string>([
    [4, () => after(`let ${name} = ${number(m, s, 2)};`, () => add("number"))],
    [1, () => after(`const ${name} = ${number(m, s, 2)};`, () => add("number", false))],
    [1, () => after(`var ${name} = ${number(m, s, 2)};`, () => add("number"))],
    [1.5, () => after(`let ${name} = ${boolean(m, s, 2)};`, () => add("boolean"))],
    [1, () => late(m, s, name, add)],
    [1.5, () => array(m, s)],
    [1, () => object(m, s)],
    [0.6, () => pattern(m, s)],
  ]);
}

function after(text: string, work: () => void): string {
  work();
  return text;
}

/** Declared without a value, which both branches give. */
function late(m: Maker, s: Names, name: string, add: (kind: Kind) => void): string {
  const [yes, no] = [number(m, s, 2), number(m, s, 2)];
  const text = `let ${name}; if (${condition(m, s, 1)}) ${name} = ${yes}; else ${name} = ${no};`;
  return after(text, () => add("number"));
}

/** Local arrays: of a few numbers, of many alike, tables of constants, copies. */
export function array(m: Maker, s: Names): string {
  const { draw } = m;
  const name = m.fresh("r");
  const length = 2 + draw.below(4);
  const many = 17 + draw.below(4);
  const enter = (text: string, n: number, writable = true): string => {
    s.lists.push({ text: name, length: n, writable, replaceable: writable });
    return text;
  };
  const items = (n: number, depth: number): string => Array.from({ length: n }, () => number(m, s, depth)).join(", ");
  return draw.oneOf<string>([
    [4, () => enter(`let ${name} = [${items(length, 1)}];`, length)],
    [1, () => enter(`let ${name} = new Array(${length}).fill(${number(m, s, 0)});`, length)],
    [0.4, () => enter(`let ${name} = Array(${many}).fill(${draw.pick(["0", "1", "0.5"])});`, many)],
    [
      1,
      () =>
        enter(
          `const ${name} = [${Array.from({ length }, () => draw.pick(["1", "2", "-3", "0.5", "0.1", "100"])).join(", ")}];`,
          length,
          false,
        ),
    ],
    [
      0.4,
      () => enter(`const ${name} = [${Array.from({ length: many }, (_, i) => (i * 7) % 11).join(", ")}];`, many, false),
    ],
    [1, () => (s.lists.length === 0 ? undefined : copyOf(m, s, enter, name))],
  ]);
}

function copyOf(m: Maker, s: Names, enter: (text: string, n: number) => string, name: string): string {
  const { text, length } = m.draw.pick(s.lists);
  const v = m.fresh("v");
  return m.draw.oneOf<string>([
    [2, () => enter(`let ${name} = [...${text}];`, length)],
    [
      1,
      () =>
        m.weight * length > 60
          ? undefined
          : enter(`let ${name} = ${text}.map((${v}) => ${number(m, withNumber(s, v), 1)});`, length),
    ],
    [1, () => enter(`let ${name} = Array.from(${text});`, length)],
  ]);
}

export function object(m: Maker, s: Names): string {
  const name = m.fresh("o");
  const text = `let ${name} = { p: ${number(m, s, 1)}, q: ${number(m, s, 1)} };`;
  enterBag(s, name, true);
  return text;
}

/** An object with fields p and q. */
function enterBag(s: Names, text: string, replaceable: boolean): void {
  s.bags.push({ text, writable: true, replaceable });
  for (const field of ["p", "q"]) s.places.push({ text: `${text}.${field}`, kind: "number", writable: true });
}

function pattern(m: Maker, s: Names): string {
  const [a, b] = [m.fresh("a"), m.fresh("a")];
  const { draw } = m;
  const list = s.lists.length > 0 ? draw.pick(s.lists) : undefined;
  const bag = s.bags.length > 0 ? draw.pick(s.bags) : undefined;
  const text = draw.oneOf<string>([
    [
      1,
      () =>
        `let [${a}, ${b} = ${number(m, s, 0)}] = [${number(m, s, 1)}, ${draw.pick([number(m, s, 1), "undefined"])}];`,
    ],
    [list ? 1 : 0, () => `let [${a}, ...${b}s] = ${list!.text}; let ${b} = ${b}s[0];`],
    [bag ? 1 : 0, () => `let { p: ${a}, q: ${b} } = ${bag!.text};`],
    [1, () => `let { p: ${a}, r: ${b} = ${number(m, s, 1)} } = { p: ${number(m, s, 1)} };`],
  ]);
  for (const name of [a, b]) s.places.push({ text: name, kind: "number", writable: true });
  return text;
}

// ---------------------------------------------------------------------------------------------------------------------

function conditional(m: Maker, s: Names, depth: number): string {
  const { draw } = m;
  const test = condition(m, s, 2);
  const yes = draw.chance(0.25) ? (leave(m, s) ?? block(m, s, depth - 1)) : block(m, s, depth - 1);
  if (draw.chance(0.45)) return `if (${test}) ${yes}`;
  const no = draw.chance(0.3) ? conditional(m, s, depth - 1) : block(m, s, depth - 1);
  return `if (${test}) ${yes} else ${depth > 0 ? no : block(m, s, 0)}`;
}

/** switch, with cases that fall through and a default anywhere. */
function choice(m: Maker, s: Names, depth: number): string {
  const { draw } = m;
  const isTrue = draw.chance(0.2);
  const subject = isTrue
    ? "true"
    : draw.pick([
        `${number(m, s, 1)} & 3`,
        `Math.floor(${number(m, s, 1)})`,
        `${number(m, s, 1)} % 3`,
        number(m, s, 1),
      ]);
  const inner = s.inner();
  inner.inSwitch = true;
  const count = 2 + draw.below(3);
  const otherwise = draw.below(count + 2);
  const cases = Array.from({ length: count + (otherwise < count ? 1 : 0) }, (_, i) => {
    const test = isTrue ? boolean(m, s, 1) : draw.pick([String(i), String(i), "-1", number(m, s, 1)]);
    const head = i === otherwise ? "default:" : `case ${test}:`;
    if (draw.chance(0.15)) return head;
    const own = inner.inner();
    const body = statements(m, own, depth - 1, 1 + draw.below(2));
    return `${head} { ${body} }${draw.chance(0.6) ? " break;" : ""}`;
  });
  return `switch (${subject}) { ${cases.join(" ")} }`;
}

/** return, break or continue, as the place allows; never behind which nothing would run for sure. */
function leave(m: Maker, s: Names): string | undefined {
  const { draw } = m;
  const way = draw.oneOf<string>([
    [2, () => (s.returns === undefined ? undefined : returned(m, s))],
    [s.inLoop || s.inSwitch ? 2 : 0, () => "break;"],
    [s.inLoop ? 2 : 0, () => "continue;"],
    [s.loops.length > 0 ? 1.5 : 0, () => `${draw.pick(["break", "continue"])} ${draw.pick(s.loops)};`],
    [s.blocks.length > 0 ? 1.5 : 0, () => `break ${draw.pick(s.blocks)};`],
    [0.01, () => ";"],
  ]);
  return `if (${condition(m, s, 1)}) ${way}`;
}

export function returned(m: Maker, s: Names): string {
  if (s.returns === "number") return `return ${number(m, s, 2)};`;
  if (s.returns === "boolean") return `return ${boolean(m, s, 2)};`;
  const numbers = s.places.filter((x) => x.kind === "number").map((x) => x.text);
  const items = Array.from({ length: s.returns! }, (_, i) => {
    if (m.draw.chance(0.3)) return number(m, s, 1);
    return numbers[(i * 7 + m.draw.below(numbers.length)) % numbers.length] ?? "0";
  });
  return `return [${items.join(", ")}];`;
}

function loop(m: Maker, s: Names, depth: number, label?: string): string | undefined {
  const { draw } = m;
  const inner = s.inner();
  inner.inLoop = true;
  inner.inSwitch = false;
  if (label !== undefined) inner.loops = [...inner.loops, label];
  else if (draw.chance(0.1)) inner.loops = [];
  const i = m.fresh("i");
  /** The body, which runs so often. */
  const body = (turns: number, names: Names): string => {
    const weight = m.weight;
    m.weight *= turns;
    const text = `{ ${statements(m, names, depth - 1, 1 + draw.below(3))} }`;
    m.weight = weight;
    return text;
  };
  const counted = (): Names => withNumber(inner, i);
  const fits = (turns: number): boolean => m.weight * turns <= MOST_WEIGHT;
  if (!fits(3)) return undefined;
  const few = 2 + draw.below(3);
  // a variable that counts stands before the label
  const named = label === undefined ? "" : `${label}: `;
  const traced = (): string => smallCount(m, s);
  const list = s.lists.length > 0 ? draw.pick(s.lists) : undefined;
  const v = m.fresh("v");
  return draw.oneOf<string>([
    [3, () => `for (let ${i} = 0; ${i} < ${few}; ${i}++) ${body(few, counted())}`],
    [1, () => `for (let ${i} = ${few}; ${i} > 0; ${i}--) ${body(few, counted())}`],
    [
      0.6,
      () =>
        `for (let ${i} = 0, ${v} = ${number(m, s, 0)}; ${i} < ${few}; ${i} += 2) ${body(few, withNumber(counted(), v))}`,
    ],
    [
      3,
      () =>
        fits(7) ? `for (let ${i} = 0, ${i}n = ${traced()}; ${i} < ${i}n; ${i}++) ${body(7, counted())}` : undefined,
    ],
    [
      1,
      () =>
        fits(5) ? `for (let ${i} = 0; ${i} < 5 && ${condition(m, s, 2)}; ${i}++) ${body(5, counted())}` : undefined,
    ],
    [
      2,
      () =>
        fits(6) ? `let ${i} = 0; ${named}while (${condition(m, s, 2)} && ${i}++ < 6) ${body(6, counted())}` : undefined,
    ],
    [1.5, () => (fits(7) ? `let ${i} = ${traced()}; ${named}while (${i}-- > 0) ${body(7, counted())}` : undefined)],
    [
      1.5,
      () =>
        fits(5)
          ? `let ${i} = 0; ${named}do ${body(5, counted())} while (++${i} < 5 && ${condition(m, s, 2)});`
          : undefined,
    ],
    [
      1,
      () =>
        fits(8)
          ? `let ${i} = 0; ${named}while (true) { if (++${i} > 8 || ${condition(m, s, 1)}) break; ${body(8, counted())} }`
          : undefined,
    ],
    [
      list ? 2 : 0,
      () =>
        fits(list!.length)
          ? `for (const ${v} of ${list!.text}) ${body(list!.length, withNumber(inner, v))}`
          : undefined,
    ],
    [
      0.5,
      () =>
        `for (const ${v} of [${number(m, s, 1)}, ${number(m, s, 1)}, ${number(m, s, 1)}]) ${body(3, withNumber(inner, v))}`,
    ],
    [
      0.5,
      () =>
        m.weight === 1 ? `for (let ${i} = 0; ${i} < ${65 + draw.below(6)}; ${i}++) ${long(m, counted())}` : undefined,
    ],
  ]);
}

/** The body of a loop of many turns: short. */
function long(m: Maker, s: Names): string {
  const work = m.work;
  const weight = m.weight;
  m.weight = 70;
  const text = m.draw.chance(0.5)
    ? `{ ${assignment(m, s, 1) ?? ";"}; ${step(m, s) ?? ""}; }`
    : `{ if (${condition(m, s, 1)}) ${m.draw.pick(["continue", "break"])}; ${assignment(m, s, 1) ?? ""}; }`;
  m.weight = weight;
  m.work = work + 60;
  return text;
}

function labelled(m: Maker, s: Names, depth: number): string | undefined {
  const label = m.fresh("l");
  if (m.draw.chance(0.7)) {
    const text = loop(m, s, depth, label);
    return text?.startsWith("let") ? text : text && `${label}: ${text}`;
  }
  const inner = s.inner();
  inner.blocks = [...inner.blocks, label];
  return `${label}: { ${statements(m, inner, depth - 1, 2)} }`;
}

function attempt(m: Maker, s: Names, depth: number): string {
  if (m.draw.chance(0.5)) return `try ${block(m, s, depth - 1, 2)} finally { ${assignment(m, s, 1) ?? ""}; }`;
  const v = m.fresh("v");
  return `try { ${assignment(m, s, 1) ?? ""}; null.x; } catch (${v}) { ${assignment(m, s, 1) ?? ""}; }`;
}

// ---------------------------------------------------------------------------------------------------------------------

/** Assignments by patterns. */
function swap(m: Maker, s: Names): string | undefined {
  const { draw } = m;
  const [a, b] = [target(m, s, 1), target(m, s, 1)];
  if (a === undefined || b === undefined) return undefined;
  const bag = s.bags.length > 0 ? draw.pick(s.bags) : undefined;
  return draw.oneOf<string>([
    [2, () => `[${a}, ${b}] = [${b}, ${a}];`],
    [2, () => `[${a}, ${b}] = [${number(m, s, 2)}, ${number(m, s, 2)}];`],
    [bag ? 1 : 0, () => `({ p: ${a}, q: ${b} } = ${bag!.text});`],
    [0.5, () => `[${a} = 1, ${b} = ${number(m, s, 1)}] = [${number(m, s, 1)}];`],
  ]);
}

/** Another array or object for a variable, or a change of it as a whole. */
function replace(m: Maker, s: Names): string | undefined {
  const { draw } = m;
  const lists = s.lists.filter((x) => x.replaceable);
  const bags = s.bags.filter((x) => x.replaceable);
  const list = lists.length > 0 ? draw.pick(lists) : undefined;
  const bag = bags.length > 0 ? draw.pick(bags) : undefined;
  const [v, i] = [m.fresh("v"), m.fresh("i")];
  const items = (n: number): string => Array.from({ length: n }, () => number(m, s, 1)).join(", ");
  const isShort = list !== undefined && list.length <= 6 && m.weight * list.length <= 60;
  return draw.oneOf<string>(
    [
      [isShort ? 2 : 0, () => `${list!.text} = [${items(list!.length)}];`],
      [
        isShort ? 1 : 0,
        () => `${list!.text} = ${list!.text}.map((${v}, ${i}) => ${number(m, withNumber(withNumber(s, v), i), 1)});`,
      ],
      [list ? 1 : 0, () => `${list!.text}.fill(${number(m, s, 1)});`],
      [list ? 0.7 : 0, () => `${list!.text}.reverse();`],
      [list ? 0.5 : 0, () => `${list!.text}.push(${list!.text}.shift());`],
      [bag ? 2 : 0, () => `${bag!.text} = { p: ${number(m, s, 1)}, q: ${number(m, s, 1)} };`],
      [bag ? 1 : 0, () => `${bag!.text} = { ...${bag!.text}, ${draw.pick(["p", "q"])}: ${number(m, s, 1)} };`],
      [bag ? 1 : 0, () => `Object.assign(${bag!.text}, { ${draw.pick(["p", "q"])}: ${number(m, s, 1)} });`],
      [bag && bags.length > 1 ? 0.5 : 0, () => `${bag!.text} = ${draw.pick(bags).text};`],
      [1e-6, () => ";"],
      [list ? 0.5 : 0, () => `${list!.text}[${position(m, s, list!.length, 2)}] = ${number(m, s, 1)};`],
    ].map(([weight, make]) => [weight as number, make as () => string]),
  );
}

function each(m: Maker, s: Names): string | undefined {
  if (s.lists.length === 0) return undefined;
  const list = m.draw.pick(s.lists);
  if (m.weight * list.length > 60) return undefined;
  const [v, i] = [m.fresh("v"), m.fresh("i")];
  return `${list.text}.forEach((${v}, ${i}) => { ${effect(m, withNumber(withNumber(s, v), i), 2)}; });`;
}
