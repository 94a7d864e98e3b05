// What a random program has in scope: variables, fields, arrays, objects and functions, with what each may be used for.
import type { Draw } from "./draw.js";

export type Kind = "number" | "boolean";

/** Something that holds a number or boolean, by its text: `a1`, `this.p`, `o2.q`. */
export interface Place {
  readonly text: string;
  readonly kind: Kind;
  readonly writable: boolean;
}

/** An array of numbers. */
export interface List {
  readonly text: string;
  readonly length: number;
  /** Elements may be written. */
  readonly writable: boolean;
  /** The variable may be given another array. */
  readonly replaceable: boolean;
}

/** An object of numbers, with fields p and q. */
export interface Bag {
  readonly text: string;
  readonly writable: boolean;
  readonly replaceable: boolean;
}

export interface Callable {
  readonly text: string;
  readonly params: number;
  readonly result: Kind;
  /** Statements that a call runs, about. */
  readonly cost: number;
}

/** Names in scope; an inner scope is a copy. */
export class Names {
  places: Place[] = [];
  lists: List[] = [];
  bags: Bag[] = [];
  functions: Callable[] = [];
  /** Labels of the loops around, inside of the function. */
  loops: string[] = [];
  /** Labels of the blocks around. */
  blocks: string[] = [];
  /** Whether break and continue without a label have a loop. */
  inLoop = false;
  /** Whether break ends a switch. */
  inSwitch = false;
  /** What a return gives: a list of so many numbers, or a value. */
  returns: number | Kind | undefined;

  inner(): Names {
    const copy = new Names();
    Object.assign(copy, this, {
      places: [...this.places],
      lists: [...this.lists],
      bags: [...this.bags],
      functions: [...this.functions],
    });
    return copy;
  }

  /** Scope of a function's body. */
  body(returns: Names["returns"]): Names {
    return Object.assign(this.inner(), { loops: [], blocks: [], inLoop: false, inSwitch: false, returns });
  }

  of(kind: Kind, draw: Draw, onlyWritable = false): Place | undefined {
    const fit = this.places.filter((x) => x.kind === kind && (x.writable || !onlyWritable));
    return fit.length > 0 ? draw.pick(fit) : undefined;
  }
}
