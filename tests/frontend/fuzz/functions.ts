// Functions, classes and whole programs of the fuzzer.
import { drawFrom, seeded } from "./draw.js";
import { boolean, effect, type Maker, number } from "./expressions.js";
import { type Kind, Names } from "./names.js";
import { array, declare, object, returned, statements } from "./statements.js";

/** Makes code that runs only when it is called: gives how much. */
function apart(m: Maker, make: () => string): { readonly text: string; readonly cost: number } {
  const { weight, work } = m;
  m.weight = 1;
  m.work = 0;
  const text = make();
  const cost = m.work + 1;
  m.weight = weight;
  m.work = work;
  return { text, cost };
}

/** A function that sees, and may change, what is around it. */
function declareFunction(m: Maker, s: Names, depth: number): string {
  const { draw } = m;
  const name = m.fresh("f");
  const params = draw.below(3);
  const result: Kind = draw.chance(0.8) ? "number" : "boolean";
  const own = s.body(result);
  const names = Array.from({ length: params }, () => m.fresh("a"));
  for (const text of names) own.places.push({ text, kind: "number", writable: true });
  const heads = names.map((x) => (draw.chance(0.15) ? `${x} = ${number(m, s, 0)}` : x));
  if (draw.chance(0.08)) heads.push("...rest");
  const { text, cost } = apart(
    m,
    () => `${statements(m, own, Math.min(depth - 1, 2), draw.below(4))} ${returned(m, own)}`,
  );
  s.functions.push({ text: name, params, result, cost });
  if (draw.chance(0.3)) return `function ${name}(${heads.join(", ")}) { ${text} }`;
  const short = result === "number" ? number : boolean;
  if (draw.chance(0.25)) return `const ${name} = (${heads.join(", ")}) => ${apart(m, () => short(m, own, 2)).text};`;
  return `const ${name} = (${heads.join(", ")}) => { ${text} };`;
}

/** A class with fields, a method, an accessor and a private field, and an object of it. */
function declareClass(m: Maker, s: Names): string {
  const { draw } = m;
  const [type, name, v] = [m.fresh("C"), m.fresh("o"), m.fresh("v")];
  const isDerived = draw.chance(0.3);
  const own = s.body("number");
  for (const field of ["this.p", "this.q", "this.#h"]) own.places.push({ text: field, kind: "number", writable: true });
  const inner = own.inner();
  inner.places.push({ text: v, kind: "number", writable: true });
  const method = apart(m, () => `${statements(m, inner, 1, 1 + draw.below(2))} ${returned(m, inner)}`);
  const start = number(m, s, 1);
  const base = isDerived
    ? `class ${type}b { q = ${number(m, s, 1)}; constructor(v) { this.p = v; } twice(v) { return this.p * 2 + v; } } `
    : "";
  const fields = isDerived ? "#h = 1;" : `q = ${number(m, s, 0)}; #h = ${number(m, s, 0)};`;
  const made = isDerived ? `constructor(v) { super(v + 1); }` : `constructor(v) { this.p = v; }`;
  const text = `${base}class ${type}${isDerived ? ` extends ${type}b` : ""} { ${fields} ${made} run(${v}) { ${method.text} } get sum() { return this.p - this.#h; } set both(v) { this.p = v; this.q = v + 1; } } const ${name} = new ${type}(${start});`;
  s.places.push({ text: `${name}.sum`, kind: "number", writable: false });
  for (const field of ["p", "q"]) s.places.push({ text: `${name}.${field}`, kind: "number", writable: true });
  s.functions.push({ text: `${name}.run`, params: 1, result: "number", cost: method.cost });
  if (isDerived) s.functions.push({ text: `${name}.twice`, params: 1, result: "number", cost: 1 });
  return draw.chance(0.3) ? `${text} ${name}.both = ${number(m, s, 1)};` : text;
}

/** Closures of each turn of a loop, called behind it. */
function declareClosures(m: Maker, s: Names): string {
  const [list, i, v] = [m.fresh("fs"), m.fresh("i"), m.fresh("v")];
  const inner = s.inner();
  for (const text of [i, v]) inner.places.push({ text, kind: "number", writable: false });
  const { text, cost } = apart(m, () => `(${effect(m, inner, 1)}, ${number(m, inner, 1)} + ${i})`);
  for (const k of [0, 1, 2]) s.functions.push({ text: `${list}[${k}]`, params: 1, result: "number", cost });
  return `const ${list} = []; for (let ${i} = 0; ${i} < 3; ${i}++) ${list}.push((${v}) => ${text});`;
}

/** Numbers that a program returns. */
const RESULTS = 5;

export interface Profile {
  /** Only what CPU and GPU compute to the same bits. */
  readonly exact?: boolean;
}

/** The text of a program, by its number: a function of x, y, n and of four numbers xs. */
export function programOf(seed: number, number_: number, { exact = false }: Profile = {}): string {
  const draw = drawFrom(seeded(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number_ + 1, 0x85ebca6b)));
  let serial = 0;
  const m: Maker = {
    draw,
    exact,
    weight: 1,
    work: 0,
    declarations: { declareFunction, declareClass, declareClosures },
    fresh: (stem) => `${stem}${serial++}`,
  };
  const s = new Names();
  for (const text of ["x", "y", "n"]) s.places.push({ text, kind: "number", writable: draw.chance(0.3) });
  s.lists.push({ text: "xs", length: 4, writable: false, replaceable: false });
  s.returns = RESULTS;
  const lines: string[] = [];
  for (let k = 1 + draw.below(2); k > 0; k--) lines.push(declare(m, s));
  if (draw.chance(0.4)) lines.push(array(m, s));
  if (draw.chance(0.3)) lines.push(object(m, s));
  if (draw.chance(0.4)) lines.push(declareFunction(m, s, 2));
  lines.push(statements(m, s, 2 + draw.below(2), 1 + draw.below(4)));
  lines.push(returned(m, s));
  return `(x, y, n, xs) => { ${lines.join("\n  ")} }`;
}
