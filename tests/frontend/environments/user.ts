// Functions as users write them, each with what it closes over. They run as they are, transpiled, bundled, minified and
// instrumented, so that names may differ and only values can be compared.

import * as outside from "./outside.js";
import settings, { count, double, factors, increment, Mode } from "./outside.js";

export interface Case {
  readonly name: string;
  readonly fn: (...args: never[]) => unknown;
  /** Values that the variables of `fn` hold, or that namespaces and objects in them hold. */
  readonly holds: readonly unknown[];
}

// The literal 0.8125 marks a place in each function; probe.ts looks for it in this file.
const table = [1, 2, 3];
let changing = { step: 0 };
const modeName = (): keyof typeof Mode => (table.length > 0 ? "Cubic" : "Linear");

function declared(x: number, depth: number): number {
  return depth === 0 ? x * 0.8125 : declared(x, depth - 1) + table.length;
}

const scale = (by: { k: number }) => {
  return (x: number): number => x * by.k * 0.8125;
};

class Layer {
  static readonly bias = { b: 1 };
  readonly #k = 2;
  apply(x: number): number {
    return x * this.#k + Layer.bias.b + table.length * 0.8125;
  }
  static of(): Layer {
    return new Layer();
  }
}

function* closures(): Generator<Case> {
  for (let i = 0; i < 3; i++) {
    const own = { i };
    yield { name: `made in turn ${i} of a loop`, fn: (x: number) => x * own.i + i * 0.8125, holds: [own] };
  }
}

/** The functions, with what they see at this moment. */
export function cases(): Case[] {
  changing = { step: changing.step + 1 };
  increment();
  const one = { k: 1 };
  const two = { k: 2 };
  const imported = (x: number): number => double(x) * factors[0]! * 0.8125 + settings.gain;
  const caught: Case[] = [];
  try {
    throw { cause: one };
  } catch (error) {
    caught.push({ name: "in catch", fn: (x: number) => [x, error, 0.8125], holds: [error] });
  }
  return [
    {
      name: "variables of the module",
      fn: (x: number) => table[x]! + changing.step * 0.8125,
      holds: [table, changing],
    },
    { name: "imported bindings", fn: imported, holds: [double, factors, settings] },
    {
      name: "a namespace",
      fn: (x: number) => outside.double(x) * outside.factors[0]! * 0.8125,
      holds: [double, factors],
    },
    { name: "an enum", fn: (x: number) => x * Mode[modeName()] * 0.8125, holds: [Mode, modeName] },
    { name: "a binding that changes", fn: () => count * 0.8125, holds: [count] },
    { name: "a declared function", fn: declared as Case["fn"], holds: [table] },
    { name: "of a factory", fn: scale(one), holds: [one] },
    { name: "of a factory again", fn: scale(two), holds: [two] },
    { name: "a method", fn: new Layer().apply as Case["fn"], holds: [Layer, table] },
    { name: "globals", fn: (x: number) => Math.sin(x) * Number.EPSILON * 0.8125, holds: [] },
    { name: "functions within", fn: (x: number) => table.map((v) => v * one.k * x * 0.8125), holds: [table, one] },
    ...caught,
    ...closures(),
  ];
}
