// Functions of JavaScript's own that need to know when values are traced.
import { isNode } from "../core/tree.js";
import { Tensor } from "../trace/tensor.js";
import { bounded } from "./bounded.js";
import { branch, shortCircuit } from "./branches.js";
import { rowsOf } from "./elements.js";
import type { Completion, Evaluator, Site } from "./evaluator.js";
import { Mixed } from "./merge.js";
import { binary, noText, truthOf } from "./operators.js";
import { boundLoop } from "./roll.js";
import { overElements } from "./statements.js";
import { Cell, created, packOf, setCell } from "./store.js";

/** A function with a meaning of its own here; undefined where the plain one will do. */
type Builtin = (
  run: Evaluator,
  self: unknown,
  args: readonly unknown[],
  site: Site,
) => { readonly value: unknown } | undefined;

/** The elements of an array, of one that is packed, or the rows of a tensor. */
function elementsOf(self: unknown): readonly unknown[] | undefined {
  if (self instanceof Tensor) return self.ndim > 0 ? rowsOf(self) : undefined;
  const pack = packOf(self);
  if (pack) return rowsOf(pack);
  return Array.isArray(self) ? self : undefined;
}

const isTracedList = (self: unknown): boolean =>
  self instanceof Tensor || packOf(self) !== undefined || (Array.isArray(self) && self.some(isTraced));

const isTraced = (x: unknown): boolean => x instanceof Tensor || x instanceof Mixed;

const holds = (run: Evaluator, args: readonly unknown[], value: unknown, i: number, list: unknown, site: Site) =>
  truthOf(run, run.call(args[0], args[1], [value, i, list], site), "the condition of a search", site);

/** some and every: elements behind one that decides are not looked at. */
const quantifier =
  (isSome: boolean): Builtin =>
  (run, self, args, site) => {
    const list = elementsOf(self);
    if (!list) return undefined;
    const from = (i: number): boolean | Tensor => {
      if (i >= list.length) return !isSome;
      const found = holds(run, args, list[i], i, self, site);
      if (typeof found === "boolean") return found === isSome ? isSome : from(i + 1);
      return shortCircuit(run, site, isSome, found, () => from(i + 1));
    };
    return { value: from(0) };
  };

/** find and its kin. */
const search =
  (isIndex: boolean, isLast: boolean): Builtin =>
  (run, self, args, site) => {
    const list = elementsOf(self);
    if (!list) return undefined;
    const from = (k: number): unknown => {
      if (k >= list.length) return isIndex ? -1 : undefined;
      const i = isLast ? list.length - 1 - k : k;
      const found = holds(run, args, list[i], i, self, site);
      const value = isIndex ? i : list[i];
      if (typeof found === "boolean") return found ? value : from(k + 1);
      return branch(
        run,
        site,
        found,
        () => ({ value }),
        () => ({ value: from(k + 1) }),
      ).value;
    };
    return { value: from(0) };
  };

const filter: Builtin = (run, self, args, site) => {
  const list = elementsOf(self);
  if (!list) return undefined;
  const kept = list.filter((value, i) => {
    const found = holds(run, args, value, i, self, site);
    if (typeof found === "boolean") return found;
    throw run.fail(
      site,
      "filter by a traced condition: how many elements pass is only known when the kernel runs",
      "choose with a condition inside a sum or loop, e.g. s += keep ? v : 0",
    );
  });
  return { value: created(kept) };
};

/** Calls for each element, in a loop that may be rolled where the elements are rows of a tensor. */
const forEach: Builtin = (run, self, args, site) => {
  const rows = self instanceof Tensor ? self : packOf(self);
  if (!rows || rows.ndim === 0) return undefined;
  overElements(run, rows, site.scope, site, (value, i): Completion => {
    run.call(args[0], args[1], [value, i, self], site);
    return undefined;
  });
  return { value: undefined };
};

const reduce: Builtin = (run, self, args, site) => {
  const rows = self instanceof Tensor ? self : packOf(self);
  if (!rows || rows.ndim === 0 || args.length < 2) {
    const list = rows && rows.ndim > 0 ? rowsOf(rows) : undefined;
    return list && { value: run.call(Array.prototype.reduce, list, args, site) };
  }
  const sum = new Cell("accumulator", args[1]);
  overElements(run, rows, site.scope, site, (value, i): Completion => {
    setCell(sum, run.call(args[0], undefined, [sum.value, value, i, self], site));
    return undefined;
  });
  return { value: sum.value };
};

/** The same method on the rows of a tensor. */
const onRows =
  (method: (...args: never[]) => unknown): Builtin =>
  (run, self, args, site) => {
    if (!(self instanceof Tensor) || self.ndim === 0) return undefined;
    return { value: run.call(method, created(rowsOf(self)), args, site) };
  };

/** Compares by identity, where it would have to compare values. */
const identity =
  (name: string, onlyKey = false): Builtin =>
  (run, self, args, site) => {
    const asked = isTraced(args[0]) || (!onlyKey && (isTracedList(self) || isTraced(args[1])));
    if (!asked) return undefined;
    throw run.fail(
      site,
      `${name} with traced values`,
      "it would compare tracer objects, not values: use some(v => v === x), or a table",
    );
  };

const text: Builtin = (run, self, args, site) => {
  if ([self, ...args].some((x) => isTraced(x) || isTracedList(x))) throw noText(run, site);
  return undefined;
};

const container =
  (name: string): Builtin =>
  (run, _self, args, site) => {
    const from = args[0];
    const length =
      typeof from === "object" && from !== null && !(from instanceof Tensor)
        ? (from as { length?: unknown }).length
        : from;
    const isSize = length instanceof Tensor && (length.ndim === 0 || !(from instanceof Tensor));
    if (!isSize || (name === "Array()" && args.length > 1)) return undefined;
    throw run.fail(site, `${name} with a traced argument`, "sizes and JS containers must be static");
  };

const arrayFrom: Builtin = (run, self, args, site) => {
  container("Array.from()")(run, self, args, site);
  const [list, each, context] = args;
  const elements = list instanceof Tensor || packOf(list) ? elementsOf(list) : undefined;
  if (!elements) return undefined;
  const value = each === undefined ? [...elements] : elements.map((x, i) => run.call(each, context, [x, i], site));
  return { value: created(value) };
};

const random: Builtin = (run, _self, _args, site) => {
  throw run.fail(
    site,
    "Math.random() in a traced function would be evaluated only once, at trace time",
    "use random.uniform(key)",
  );
};

const sort: Builtin = (run, self, _args, site) => {
  if (!isTracedList(self)) return undefined;
  throw run.fail(
    site,
    "sorting by traced values",
    "use sort(x) on a tensor: sort(stack(list)), or compare and swap in a loop",
  );
};

const slice: Builtin = (run, self, args, site) => {
  // of one axis, and with numbers alone: anything else has a meaning for tensors only
  const isOpen = args.length > 0 && args.length < 3 && args.every((x) => typeof x === "number" || x instanceof Tensor);
  if (!(self instanceof Tensor) || self.ndim !== 1 || !isOpen) return undefined;
  throw run.fail(
    site,
    "slice with a number, which of a tensor takes one row, and of an array all from there on",
    "write [...x].slice(i) for an array, x.slice([i, null]) for a tensor, or x[i]",
  );
};

/** array.at(i), counted from the end where i is negative. */
const at: Builtin = (run, self, args, site) => {
  const [index] = args;
  if (!(index instanceof Tensor) || self instanceof Tensor || !Array.isArray(self)) return undefined;
  const whole = run.call(Math.trunc, Math, [index], site);
  const isBehind = truthOf(run, binary(run, "<", whole, 0, site), "at", site) as Tensor;
  return branch(
    run,
    site,
    isBehind,
    () => ({ value: run.get(self, binary(run, "+", whole, self.length, site) as Tensor, site) }),
    () => ({ value: run.get(self, whole as Tensor, site) }),
  );
};

const json: Builtin = (run, _self, [x], site) => {
  if (holdsTensor(x)) throw noText(run, site);
  return undefined;
};

const holdsTensor = (x: unknown, depth = 6): boolean =>
  isTraced(x) ||
  isTracedList(x) ||
  (depth > 0 && isNode(x) && Object.values(x).some((item) => holdsTensor(item, depth - 1)));

const wholeNumber: Builtin = (run, _self, [x], site) => {
  if (!isTraced(x)) return undefined;
  throw run.fail(site, "BigInt() of a traced value", "traced numbers are f32, or i32 where they are whole and small");
};

const A = Array.prototype;

/** By identity of the function. */
export const builtins: ReadonlyMap<unknown, Builtin> = new Map<unknown, Builtin>([
  [Tensor.prototype.slice, slice],
  [A.at, at],
  [A.some, quantifier(true)],
  [A.every, quantifier(false)],
  [A.find, search(false, false)],
  [A.findIndex, search(true, false)],
  [A.findLast, search(false, true)],
  [A.findLastIndex, search(true, true)],
  [A.filter, filter],
  [A.forEach, forEach],
  [A.reduce, reduce],
  [A.includes, identity("Array.prototype.includes")],
  [A.indexOf, identity("Array.prototype.indexOf")],
  [A.lastIndexOf, identity("Array.prototype.lastIndexOf")],
  [A.sort, sort],
  [A.join, text],
  [A.toString, text],
  ...[A.map, A.flatMap, A.reduceRight, A.slice, A.concat, A.entries, A.keys, A.values, A.with].flatMap(
    (method): [unknown, Builtin][] => (method ? [[method, onRows(method)]] : []),
  ),
  [Array.from, arrayFrom],
  [Array, container("Array()")],
  [Object.is, identity("Object.is")],
  [Map.prototype.get, identity("Map.prototype.get", true)],
  [Map.prototype.set, identity("Map.prototype.set", true)],
  [Map.prototype.has, identity("Map.prototype.has", true)],
  [Map.prototype.delete, identity("Map.prototype.delete", true)],
  [Set.prototype.add, identity("Set.prototype.add", true)],
  [Set.prototype.has, identity("Set.prototype.has", true)],
  [Set.prototype.delete, identity("Set.prototype.delete", true)],
  [Math.random, random],
  [String, text],
  [JSON.stringify, json],
  [globalThis.parseInt, text],
  [globalThis.parseFloat, text],
  [BigInt, wholeNumber],
  [
    bounded,
    (_run, _self, [n]) => {
      if (typeof n === "number" && bounded(n)) boundLoop(n);
      return undefined; // and checked where it runs
    },
  ],
]);

/** Makes an array of a size; by identity of the constructor. */
export const checkSize = (run: Evaluator, callee: unknown, args: readonly unknown[], site: Site): void => {
  const isSized =
    callee === Array ||
    callee === ArrayBuffer ||
    ArrayBuffer.isView((callee as { prototype?: unknown }).prototype) ||
    isTypedArray(callee);
  if (isSized && args.length === 1 && args[0] instanceof Tensor && args[0].ndim === 0)
    throw run.fail(
      site,
      `new ${(callee as { name: string }).name}() with a traced argument`,
      "sizes and JS containers must be static",
    );
};

const TypedArray = Object.getPrototypeOf(Int8Array) as { readonly prototype: object };
const isTypedArray = (callee: unknown): boolean =>
  typeof callee === "function" && Object.getPrototypeOf(callee) === TypedArray;

/** Methods that change the object they are called on. */
export const mutators: ReadonlySet<unknown> = new Set<unknown>([
  A.push,
  A.pop,
  A.shift,
  A.unshift,
  A.splice,
  A.sort,
  A.reverse,
  A.fill,
  A.copyWithin,
  Map.prototype.set,
  Map.prototype.delete,
  Map.prototype.clear,
  Set.prototype.add,
  Set.prototype.delete,
  Set.prototype.clear,
  ...settersOf(Date.prototype),
  ...settersOf(DataView.prototype),
  ...["fill", "set", "sort", "reverse", "copyWithin"].map((name) => Reflect.get(TypedArray.prototype, name) as unknown),
  RegExp.prototype.exec,
  RegExp.prototype.test,
]);

/** `setTime`, `setFloat32`, … */
function settersOf(prototype: object): unknown[] {
  const names = Object.getOwnPropertyNames(prototype).filter((name) => /^set[A-Z]/.test(name));
  return names.map((name) => Reflect.get(prototype, name) as unknown);
}

/** Functions that change their first argument. */
export const argumentMutators: ReadonlySet<unknown> = new Set<unknown>([
  Object.assign,
  Object.defineProperty,
  Object.defineProperties,
  Object.setPrototypeOf,
  Object.freeze,
  Object.seal,
  Object.preventExtensions,
  Reflect.set,
  Reflect.defineProperty,
  Reflect.deleteProperty,
  Reflect.setPrototypeOf,
]);

/** Methods that give what was in the object before, rather than something new. */
export const readers: ReadonlySet<unknown> = new Set<unknown>([
  A.at,
  A.find,
  A.findLast,
  A.pop,
  A.shift,
  Map.prototype.get,
  WeakMap.prototype.get,
  Reflect.get,
  Object.getPrototypeOf,
]);
