// Random nests of scopes of every kind: what is read of a function's variables is what the function itself returns.
import { runInThisContext } from "node:vm";
import { expect, test } from "vitest";
import { capturedScope, freeVariables } from "../../compiler/frontend/captured.js";
import type { AnyFunction } from "../../compiler/frontend/source.js";

const NAMES = ["a", "b", "c", "d"] as const;
const PROGRAMS = 400;

/** Uniform in [0, 1), the same on every run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A sloppy script of nested scopes whose innermost functions are given to `out`. */
class Program {
  #value = 0;

  constructor(readonly random: () => number) {}

  body(depth: number): string {
    const leaf = `out(() => [${NAMES.map((name) => `typeof ${name} === "undefined" ? "none" : ${name}`)}]);`;
    if (depth === 0) return leaf;
    return this.scope(this.body(depth - 1)) + (this.random() < 0.2 ? leaf : "");
  }

  scope(inner: string): string {
    const [x, y, z] = [this.name(), this.name(), this.name()];
    const { value } = this;
    return this.pick([
      () => `{ let ${x} = ${value()}; ${inner} ${x} = ${value()}; }`,
      () => `{ const ${x} = ${value()}; { ${inner} } }`,
      () => `{ class ${x} { static { ${inner} } } }`,
      () => `{ function ${x}() {} ${inner} }`,
      () => `(function (${x}, ...rest) { var ${y} = ${value()}; ${inner} })(${value()});`,
      () => `(function (${x} = ${value()}, later = (() => { ${inner} })()) { var ${y} = ${value()}; return ${y}; })();`,
      () => `(function ${x}(${y}) { ${inner} })(${value()});`,
      () => `(function ${x}() { var ${x} = ${value()}; ${inner} })();`,
      () => `((${x}) => { ${inner} })(${value()});`,
      () => `(({ ${x}, k: [${x === y ? "other" : y}] }) => { ${inner} })({ ${x}: ${value()}, k: [${value()}] });`,
      () => `({ ${x}(${y}) { ${inner} } }).${x}(${value()});`,
      () => `new (class ${x} { constructor(${y}) { ${inner} } })(${value()});`,
      () => `try { throw ${value()}; } catch (${x}) { ${inner} }`,
      () => `for (let ${x} = ${value()}, turn = 0; turn < 2; turn++, ${x}++) { ${inner} }`,
      () => `for (const ${x} of [${value()}, ${value()}]) { ${inner} }`,
      () => `for (var ${x} in { p: 1 }) { ${inner} }`,
      () => `switch (1) { case 1: let ${x} = ${value()}; ${inner} }`,
      () => `with ({ ${x}: ${value()}, ${y}: ${value()}, [Symbol.unscopables]: { ${z}: true } }) { ${inner} }`,
      () => `(function () { eval("var ${x} = ${value()}"); ${inner} })();`,
      () => `(function () { "use strict"; let ${x} = ${value()}; ${inner} })();`,
    ])();
  }

  readonly value = (): number => ++this.#value;

  name = (): string => this.pick(NAMES);

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)]!;
  }
}

/** `undefined` for what is no program: `with` in strict code, or a class with a variable of its own name. */
function compile(code: string): ((out: (fn: AnyFunction) => void) => void) | undefined {
  try {
    return runInThisContext(`(${code})`);
  } catch (error) {
    expect(error).toBeInstanceOf(SyntaxError);
    return undefined;
  }
}

/** A function expression around it, whose name V8 does not show; with `with` and `eval`, where there is one so called. */
function mayBeUnseen(name: string, value: unknown, code: string): boolean {
  if (/\b(?:with|eval) ?\(/.test(code)) return code.includes(`(function ${name}(`);
  return String(value).startsWith(`function ${name}(`) && String(value).length > `function ${name}() {}`.length;
}

test(`in ${PROGRAMS} random programs, variables are what the function sees`, () => {
  let functions = 0;
  let unseen = 0;
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    const program = new Program(randomFrom(seed));
    const code = `(out) => { ${program.body(1 + Math.floor(program.random() * 6))} }`;
    const made: AnyFunction[] = [];
    const run = compile(code);
    run?.((fn) => void made.push(fn));
    for (const fn of made) {
      functions++;
      expect(freeVariables(fn)).toEqual([...NAMES]);
      const scope = capturedScope(fn);
      const oracle = (fn as () => readonly unknown[])();
      NAMES.forEach((name, i) => {
        const found = scope.read(name);
        if (!found && mayBeUnseen(name, oracle[i], code)) {
          unseen++;
          return;
        }
        expect(found ? found.value : "none", `${name} in ${code}`).toBe(oracle[i]);
      });
    }
  }
  expect(functions).toBeGreaterThan(PROGRAMS);
  expect(unseen).toBeLessThan(functions / 2);
});
