// Hazards against reality: what the dataflow calls traced in random programs is a tracer whenever it runs.
import { runInThisContext } from "node:vm";
import { expect, test } from "vitest";
import { findHazards } from "../../compiler/frontend/hazards.js";
import { resolveScopes } from "../../compiler/frontend/scopes.js";
import { type AnyFunction, functionSource } from "../../compiler/frontend/source.js";
import { Values } from "../../compiler/frontend/values.js";

const PROGRAMS = Number(process.env.LANEWISE_FUZZ ?? 1500);

/** Numbers in [0, n), the same on every run. */
function randomNumbers(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** A random function of two tracers and a plain value, over few names, so that they are often hidden and reassigned. */
function program(below: (n: number) => number): string {
  const pick = <T>(of: readonly T[]): T => of[below(of.length)]!;
  const name = (): string => pick(["x", "y", "p", "a", "b", "c"]);
  const target = (): string => pick(["a", "b", "c", "p", "a", "b", "c", name()]);
  const expression = (depth: number): string => {
    if (depth <= 0 || below(3) === 0) return pick([name(), name(), name(), "0", "null"]);
    const e = (): string => expression(depth - 1);
    switch (below(14)) {
      case 0:
      case 1:
        return `${name()}.mul(${e()})`;
      case 2:
        return `${name()}.shape[0]`;
      case 3:
        return `(${e()} ? ${e()} : ${e()})`;
      case 4:
        return `(${e()} ${pick(["??", "&&", "||", "===", "!=", "+", "-"])} (${e()}))`;
      case 5:
        return `(${target()} ${pick(["=", "??=", "||=", "&&=", "+="])} ${e()})`;
      case 6:
        return `!${e()}`;
      case 7:
        return `((${name()}) => ${e()})(${e()})`;
      case 8:
        return `(${e()}, ${e()})`;
      case 9:
        return `${name()}.split(2)[0]`;
      case 10:
        return `(typeof ${name()} === "${pick(["object", "number"])}" ? ${e()} : ${e()})`;
      case 11:
        return `${name()}?.mul(1)`;
      case 12:
        return `(typeof ${name()} ${pick(["===", "!=="])} "${pick(["object", "number"])}")`;
      default:
        return `p.${pick(["w", "n", "q"])}`;
    }
  };
  const block = (depth: number): string => {
    const n = 1 + below(3);
    return Array.from({ length: n }, () => statement(depth - 1)).join(" ");
  };
  const statement = (depth: number): string => {
    const e = (): string => expression(2);
    if (depth <= 0) return `${e()};`;
    switch (below(15)) {
      case 0:
        return `if (${e()}) { ${block(depth)} } else { ${block(depth)} }`;
      case 1:
        return `for (const ${name()} of ${e()}) { ${block(depth)} }`;
      case 2:
        return `for (const [${name()}] of [${e()}, ${e()}]) { ${block(depth)} }`;
      case 3:
        return `while (${e()}) { ${block(depth)} break; }`;
      case 4:
        return `for (let ${name()} = ${e()}, i = 0; i < 2; i++) { ${block(depth)} }`;
      case 5:
        return `switch (${e()}) { case ${e()}: { ${block(depth)} } default: ${statement(depth - 1)} }`;
      case 6:
        return `try { ${block(depth)} } catch (${name()}) { ${block(depth)} }`;
      case 7:
        return `{ ${pick(["let", "const", "var"])} ${name()} = ${e()}; ${block(depth)} }`;
      case 8:
        return `{ let ${name()}; ${block(depth)} }`;
      case 9:
        return `{ function ${name()}(${name()}, ${name()} = ${e()}) { ${block(depth)} } ${name()}?.(${e()}); }`;
      case 10:
        return `[${target()}, ${target()} = ${e()}] = ${e()};`;
      case 11:
        return `({ ${target()}, shape: ${target()}, w: ${target()} = ${e()} } = ${e()});`;
      case 12:
        return `(() => { ${block(depth)} })();`;
      default:
        return `${target()} = ${e()};`;
    }
  };
  const parameter = pick(["p", "{ w: c, n: b }", "p = 0", "...[p, ...c]"]);
  return `function (x, y, ${parameter}) { var a = x, b = y.mul(x), c = b; ${Array.from({ length: 4 }, () => `try { ${statement(3)} } catch {}`).join(" ")} }`;
}

class Tracer {
  readonly shape = [2, 3];
  mul(): Tracer {
    return new Tracer();
  }
  split(): Tracer[] {
    return [new Tracer(), new Tracer()];
  }
  *[Symbol.iterator](): Generator<Tracer> {
    yield* this.split();
  }
  [Symbol.toPrimitive](): number {
    throw new Error("a tracer in arithmetic");
  }
}

const tree = { w: new Tracer(), n: 3, q: null };
const isTraced = (index: number, path: readonly (string | number)[]): boolean =>
  index < 2 || (index === 2 && path.join() === "w");

const compile = (code: string): AnyFunction | undefined => {
  try {
    return runInThisContext(`(${code})`) as AnyFunction;
  } catch {
    return undefined; // declares a name twice
  }
};

test(`what is refused in ${PROGRAMS} random programs is a tracer when it runs`, () => {
  let [compiled, refused, seen] = [0, 0, 0];
  let wrong = "";
  const globals = globalThis as { seen?: (value: unknown, id: number) => unknown };
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    const code = program(randomNumbers(seed * 7919));
    const source = functionSource(compile(code) ?? Math.sin);
    if (!source) continue;
    compiled++;
    const hazards = findHazards(source.node, new Values(resolveScopes(source.node), isTraced)).filter(
      (hazard) => !hazard.construct.endsWith("&=") && !hazard.construct.endsWith("|="),
    );
    refused += hazards.length;
    // every refused expression reports its value; from the back, so that positions stay what they are
    let watched = code;
    const marks = hazards.flatMap(({ node }, id) => [
      { at: node.start, order: -node.end, text: "globalThis.seen((" },
      { at: node.end, order: node.start, text: `), ${id})` },
    ]);
    for (const { at, text } of marks.sort((a, b) => b.at - a.at || b.order - a.order)) {
      watched = watched.slice(0, at) + text + watched.slice(at);
    }
    globals.seen = (value, id) => {
      seen++;
      const parts = Array.isArray(value) ? value : [value];
      if (!parts.every((part) => part instanceof Tracer)) {
        const { start, end } = hazards[id]!.node;
        wrong ||= `seed ${seed}: ${code.slice(start, end)} was ${String(value)} in\n${code}`;
      }
      return value;
    };
    try {
      (compile(watched) as (...args: unknown[]) => unknown)(new Tracer(), new Tracer(), tree);
    } catch {
      // the program's own mistakes do not matter
    }
    expect(wrong).toBe("");
  }
  delete globals.seen;
  expect(compiled).toBeGreaterThan(PROGRAMS / 2);
  expect(refused).toBeGreaterThan(PROGRAMS / 2);
  expect(seen).toBeGreaterThan(PROGRAMS / 8);
});
