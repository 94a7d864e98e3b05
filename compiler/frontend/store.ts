// What a function may change while it is interpreted: variables and objects, with a journal by which changes are undone.
import type { Tensor } from "../trace/tensor.js";

/** A variable of an interpreted function. */
export class Cell {
  /** Before its declaration has run. */
  isDead = false;
  readonly born: number;

  constructor(
    readonly name: string,
    public value: unknown,
    readonly isConstant = false,
  ) {
    this.born = serial;
  }
}

/** Values of an object's own properties. */
export interface Contents {
  readonly keys: ReadonlyMap<PropertyKey, unknown>;
  /** Of arrays. */
  readonly length: number;
  /** The elements of an array, where one tensor holds them all. */
  readonly packed: Tensor | undefined;
  readonly privates: ReadonlyMap<object, unknown> | undefined;
  /** Of a Map or Set; the time of a Date. */
  readonly entries: readonly unknown[] | undefined;
}

/** A variable or an object. */
export type Location = Cell | object;

/** What a piece of code changed: each variable's value, or each object's contents, behind it. */
export type Writes = ReadonlyMap<Location, unknown>;

interface Frame {
  readonly serial: number;
  /** Values and contents before the first change. */
  readonly saved: Map<Location, unknown>;
  /** Objects that became stale. */
  readonly staled: object[];
  /** What is older must not be changed: another function is traced inside of this one. */
  readonly isBoundary: boolean;
}

let serial = 0;
const frames: Frame[] = [];

/** When each object was made that interpreted code made; others are older than everything. */
const births = new WeakMap<object, number>();
/** Objects that the function found, rather than made. */
const outside = new WeakSet<object>();
const packs = new WeakMap<unknown[], Tensor>();
const privates = new WeakMap<object, Map<object, unknown>>();

/** Enters an object that interpreted code has made. */
export function created<T extends object>(x: T): T {
  births.set(x, serial);
  return x;
}

export const isCreated = (x: object): boolean => births.has(x);

/** Marks an object as one that was there before. */
export function markOutside(x: unknown): void {
  if ((typeof x === "object" && x !== null) || typeof x === "function") if (!births.has(x)) outside.add(x);
}

export const isOutside = (x: object): boolean => outside.has(x);

/** The tensor that holds the elements of an array; their places in the array itself are stale. */
export const packOf = (x: unknown): Tensor | undefined => (Array.isArray(x) ? packs.get(x) : undefined);

export function setPack(x: unknown[], elements: Tensor | undefined): void {
  noteObject(x);
  if (elements) packs.set(x, elements);
  else packs.delete(x);
}

/** Private fields of an object of an interpreted class, by what stands for their names. */
export const privatesOf = (x: object): Map<object, unknown> | undefined => privates.get(x);

export function setPrivate(x: object, name: object, value: unknown): void {
  noteObject(x);
  let own = privates.get(x);
  if (!own) {
    own = new Map();
    privates.set(x, own);
  }
  own.set(name, value);
}

/** Whether the variable belongs to a function around the one that is traced. */
export const isBeyond = (cell: Cell): boolean => frames.some((frame) => frame.isBoundary && cell.born < frame.serial);

/** Whether the object was made in a function around the one that is traced. */
export const isObjectBeyond = (x: object): boolean => {
  const born = births.get(x);
  return born !== undefined && frames.some((frame) => frame.isBoundary && born < frame.serial);
};

export function setCell(cell: Cell, value: unknown): void {
  const top = frames.at(-1);
  if (top && cell.born < top.serial && !top.saved.has(cell)) top.saved.set(cell, cell.value);
  cell.value = value;
}

/** To be called before an object is changed. */
export function noteObject(x: object): void {
  markStale(x);
  save(x);
}

function save(x: object): void {
  const top = frames.at(-1);
  if (top && (births.get(x) ?? -1) < top.serial && !top.saved.has(x)) top.saved.set(x, contentsOf(x));
}

/** The contents of an object, where `writes` were made. */
export const contentsIn = (x: object, writes: Writes | undefined): Contents =>
  (writes?.get(x) as Contents | undefined) ?? contentsOf(x);

function contentsOf(x: object): Contents {
  const keys = new Map<PropertyKey, unknown>();
  for (const key of Reflect.ownKeys(x)) {
    const property = Reflect.getOwnPropertyDescriptor(x, key)!;
    if ("value" in property && !(key === "length" && Array.isArray(x))) keys.set(key, property.value);
  }
  const own = privates.get(x);
  return {
    keys,
    length: Array.isArray(x) ? x.length : 0,
    packed: Array.isArray(x) ? packs.get(x) : undefined,
    privates: own && new Map(own),
    entries: x instanceof Map || x instanceof Set ? [...x] : x instanceof Date ? [x.getTime()] : undefined,
  };
}

/** Gives an object other contents. */
function setContents(x: object, { keys, length, packed, privates: own, entries }: Contents): void {
  for (const key of Reflect.ownKeys(x)) {
    const property = Reflect.getOwnPropertyDescriptor(x, key)!;
    if (key !== "length" && !keys.has(key) && "value" in property && property.configurable)
      Reflect.deleteProperty(x, key); // accessors are no contents
  }
  if (Array.isArray(x)) {
    x.length = length;
    if (packed) packs.set(x, packed);
    else packs.delete(x);
  }
  for (const [key, value] of keys) {
    if (!Object.is(Reflect.getOwnPropertyDescriptor(x, key)?.value, value)) Reflect.set(x, key, value);
  }
  if (own) privates.set(x, new Map(own));
  if (entries && x instanceof Date) x.setTime(entries[0] as number);
  if (entries && x instanceof Map) {
    x.clear();
    for (const [key, value] of entries as [unknown, unknown][]) x.set(key, value);
  }
  if (entries && x instanceof Set) {
    x.clear();
    for (const value of entries) x.add(value);
  }
}

/** The value of a variable, or the contents of an object, as they are. */
export const currentOf = (x: Location): unknown => (x instanceof Cell ? x.value : contentsOf(x));

/** Gives a variable or an object what `currentOf` gave. */
function restore(x: Location, value: unknown): void {
  if (x instanceof Cell) x.value = value;
  else setContents(x, value as Contents);
}

/** As a change of the function's, which can be undone in turn. What became stale by it is entered apart. */
export function assign(x: Location, value: unknown): void {
  if (x instanceof Cell) setCell(x, value);
  else {
    save(x);
    setContents(x, value as Contents);
  }
}

/** Runs `work`, undoes what it changed, and gives both. */
export function inFrame<T>(work: () => T): { readonly result: T; readonly writes: Writes } {
  const depth = open(false);
  try {
    const result = work();
    const frame = frames[depth]!;
    const writes = new Map([...frame.saved.keys()].map((x) => [x, currentOf(x)]));
    staledBy.set(writes, new Set(frame.staled));
    return { result, writes };
  } finally {
    undo(depth);
  }
}

/** Runs `work` and keeps what it changed, unless it throws or `keep` refuses its result. */
export function attempt<T>(work: () => T, keep: (result: T) => boolean = () => true): T {
  const depth = open(false);
  let kept = false;
  try {
    const result = work();
    kept = keep(result);
    return result;
  } finally {
    if (!kept) undo(depth);
    else {
      const [frame] = frames.splice(depth);
      const top = frames.at(-1);
      top?.staled.push(...frame!.staled);
      for (const [x, value] of frame!.saved) {
        const born = x instanceof Cell ? x.born : (births.get(x) ?? -1);
        if (top && born < top.serial && !top.saved.has(x)) top.saved.set(x, value);
      }
    }
  }
}

/** Runs `work`, which traces another function: what is older cannot be changed in it. */
export function inBoundary<T>(work: () => T): T {
  const depth = open(true);
  try {
    return work();
  } finally {
    frames.length = depth;
  }
}

function open(isBoundary: boolean): number {
  serial++;
  frames.push({ serial, saved: new Map(), staled: [], isBoundary });
  return frames.length - 1;
}

function undo(depth: number): void {
  for (const frame of frames.splice(depth).reverse()) {
    for (const [x, value] of frame.saved) restore(x, value);
    for (const x of frame.staled) stale.delete(x);
  }
}

// ---------------------------------------------------------------------------------------------------------------------

/** For an object that is one of several, as a traced condition has it: those, and the reverse. */
const sidesOf = new WeakMap<object, readonly object[]>();
const choicesOf = new WeakMap<object, Set<object>>();
/** Objects that may have been changed under another name: what they hold is not known any more. */
const stale = new WeakSet<object>();

export const isStale = (x: unknown): boolean => typeof x === "object" && x !== null && stale.has(x);

/** What became stale while these were written. */
const staledBy = new WeakMap<Writes, ReadonlySet<object>>();

/** Whether the object is stale where `writes` were made. */
export const isStaleIn = (x: object, writes: Writes | undefined): boolean =>
  stale.has(x) || (writes !== undefined && staledBy.get(writes)!.has(x));

/** Enters all that became stale while these were written. */
export function enterStaled(writes: Writes): void {
  for (const x of staledBy.get(writes)!) enterStale(x);
}

/** Enters an object that holds what one of `sides` holds: a change of either may be one of the other. */
export function linkSides(choice: object, sides: readonly object[]): void {
  sidesOf.set(choice, sides);
  for (const side of sides) choicesOf.set(side, (choicesOf.get(side) ?? new Set()).add(choice));
}

export function enterStale(x: object): void {
  if (stale.has(x)) return;
  stale.add(x);
  frames.at(-1)?.staled.push(x);
}

/** All that is reached by `next`, `from` among it. */
function closure(from: Iterable<object>, next: (x: object) => Iterable<object> | undefined): Set<object> {
  const found = new Set(from);
  for (const x of found) for (const y of next(x) ?? []) found.add(y);
  return found;
}

/** Whatever may be the same object as `x`, which is changed, holds something old. */
function markStale(x: object): void {
  if (!sidesOf.has(x) && !choicesOf.has(x)) return;
  for (const y of namesOf(x)) if (y !== x && !changedTogether.has(y)) enterStale(y);
}

/** All that may be the same object as `x`. */
const namesOf = (x: object): Set<object> =>
  closure(
    closure([x], (y) => sidesOf.get(y)),
    (y) => choicesOf.get(y),
  );

/** Objects that are kept in step just now. */
let changedTogether: ReadonlySet<object> = new Set();

/** An element of a list, read at a traced position: the element at `k` where `holds(k)`. */
export interface Choice {
  readonly sides: readonly object[];
  holds(k: number): Tensor;
}
const choices = new WeakMap<object, Choice>();

/** Enters an object that was read at a traced position. */
export function enterChoice(read: object, choice: Choice): void {
  linkSides(read, choice.sides);
  choices.set(read, choice);
}

export const choiceOf = (x: object): Choice | undefined => choices.get(x);

/** Runs `work`, which changes a choice and its sides alike. */
export function changeTogether(choice: object, { sides }: Choice, work: () => void): void {
  const outer = changedTogether;
  changedTogether = new Set([...outer, choice, ...sides]);
  try {
    work();
  } finally {
    changedTogether = outer;
  }
}

/** Whether two objects may be one, depending on a traced condition. */
export function mayBeSame(x: unknown, y: unknown): boolean {
  if (typeof x !== "object" || x === null || typeof y !== "object" || y === null || x === y) return false;
  return namesOf(x).has(y);
}
