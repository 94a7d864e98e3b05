// What the parts of the interpreter know of each other: scopes, completions, and how to run a piece of code.
import type { AnyNode, BlockStatement, Expression, Pattern, Statement, Super } from "acorn";
import { TraceError } from "../core/errors.js";
import type { Tensor } from "../trace/tensor.js";
import type { CapturedScope } from "./captured.js";
import { Mixed, showSides } from "./merge.js";
import type { AnyFunction, FunctionSource } from "./source.js";
import { type Cell, isBeyond, isStale, setCell } from "./store.js";

/** One piece of source that is interpreted, with what it sees outside. */
export interface Unit {
  readonly fn: AnyFunction;
  readonly source: FunctionSource;
  readonly outside: CapturedScope;
}

/** A call of an interpreted function. */
export interface Activation {
  readonly unit: Unit;
  /** `undefined` inside of `this` that cannot be seen, as in an arrow function from outside. */
  readonly self: { value: unknown; isSet: boolean } | undefined;
  readonly args: readonly unknown[] | undefined;
  readonly newTarget: unknown;
  /** Object whose method it is: `super` is above it. */
  readonly home: object | undefined;
  /** The class whose constructor it is, where that is derived from another. */
  readonly derived?: {
    construct(args: readonly unknown[]): object;
    /** Gives the object the fields of the class. */
    prepare(made: object): void;
  };
}

/** The variables of a block, and of those around it. */
export class Scope {
  readonly #own = new Map<string, Cell>();

  constructor(
    readonly outer: Scope | undefined,
    readonly activation: Activation,
    /** Private names that classes around here declare. */
    readonly privateNames: ReadonlyMap<string, object> = outer?.privateNames ?? new Map(),
  ) {}

  declare(cell: Cell): Cell {
    this.#own.set(cell.name, cell);
    return cell;
  }

  own(name: string): Cell | undefined {
    return this.#own.get(name);
  }

  find(name: string): Cell | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.outer) {
      const cell = scope.#own.get(name);
      if (cell) return cell;
    }
    return undefined;
  }
}

/** How a statement ended, unless normally. */
export type Abrupt =
  | { readonly kind: "return"; readonly value: unknown }
  | { readonly kind: "break" | "continue"; readonly label: string | undefined };

/** One of several ways, chosen when the kernel runs: `cases[selector]`; undefined is the normal one. */
interface Parted {
  readonly kind: "parted";
  readonly selector: Tensor;
  readonly cases: readonly (Abrupt | undefined)[];
}

export type Completion = Abrupt | Parted | undefined;

/** A place in interpreted code, for errors. */
export interface Site {
  readonly node: AnyNode;
  readonly scope: Scope;
}

export interface Evaluator {
  evaluate(node: Expression | Super, scope: Scope): unknown;
  /** Whether `node` holds, as a condition: a boolean, or a traced one. */
  condition(node: Expression, scope: Scope): boolean | Tensor;
  execute(node: Statement, scope: Scope, labels?: readonly string[]): Completion;
  /** The statements of a function's body. */
  executeBody(node: BlockStatement, scope: Scope): Completion;
  call(callee: unknown, self: unknown, args: readonly unknown[], site: Site): unknown;
  construct(callee: unknown, args: readonly unknown[], site: Site, newTarget?: unknown): object;
  /** Gives the variables of a pattern their values; declares them where `isNew`. */
  bind(pattern: Pattern, value: unknown, scope: Scope, isNew: boolean): void;
  get(object: unknown, key: PropertyKey | Tensor, site: Site): unknown;
  set(object: unknown, key: PropertyKey | Tensor, value: unknown, site: Site): void;
  /** A property that is looked for from `above` on, for `self`. */
  getAbove(above: object, key: PropertyKey, self: unknown, site: Site): unknown;
  remove(object: unknown, key: PropertyKey | Tensor, site: Site): boolean;
  /** Makes a function the method of an object. */
  setHome(method: unknown, home: object): void;
  fail(site: Site, message: string, hint?: string): TraceError;
}

/** An exception of the interpreted program. */
export class Thrown extends Error {
  override name = "Thrown";
  constructor(
    readonly value: unknown,
    readonly site: Site,
  ) {
    super("an exception of an interpreted program");
  }
}

/**
 * A value about to be used. Throws `TraceError` for one that is of another kind on each path, and for an object that may
 * have been changed under another name.
 */
export function used(run: Evaluator, x: unknown, site: Site): unknown {
  if (isStale(x))
    throw run.fail(
      site,
      "this object may have been changed: a variable that is it or another one, depending on a traced condition, was",
      "copy it where it is chosen, e.g. { ...(c ? a : b) }, or write both",
    );
  if (!(x instanceof Mixed)) return x;
  throw run.fail(
    site,
    `this value is ${showSides(x.sides)}, depending on a traced condition`,
    "give it a value of one kind on every path, before the condition or in both branches",
  );
}

/** As `used`, where nothing is asked of a number or boolean but what its number tells. */
export const usedNumber = (run: Evaluator, x: unknown, site: Site): unknown =>
  x instanceof Mixed && x.number ? x.number : used(run, x, site);

/** Assigns to a variable of an interpreted function. */
export function assignCell(run: Evaluator, cell: Cell, value: unknown, site: Site): void {
  if (isBeyond(cell)) throw outerAssignment(run, cell.name, site);
  setCell(cell, value);
}

export const outerAssignment = (run: Evaluator, name: string, site: Site): TraceError =>
  run.fail(
    site,
    `assignment to '${name}', a variable outside the traced function`,
    "traced functions must be pure: return the value instead",
  );

export const isTraceError = (error: unknown): error is TraceError => error instanceof TraceError;
