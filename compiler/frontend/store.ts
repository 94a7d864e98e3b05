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
  /** What is older must not be changed: another function is traced inside of this one. */
  readonly isBoundary: boolean;
  /** Number of objects that were uncertain before. */
  readonly staleBefore: number;
}

let serial = 0;
const frames: Frame[] = [];

/** Objects that may be one and the same, depending on a traced condition: each with the others. */
const relatives = new WeakMap<object, Set<object>>();
/** Objects whose contents are uncertain, since a relative was changed, in the order in which they became so. */
const stale = new Set<object>();
const staleOrder: object[] = [];

/** Enters `merged` as an object that is one of `sources`. */
export function relate(merged: object, sources: readonly object[]): void {
  for (const source of sources) {
    for (const [x, y] of [
      [merged, source],
      [source, merged],
    ] as const) {
      const known = relatives.get(x);
      if (known) known.add(y);
      else relatives.set(x, new Set([y]));
    }
  }
}

/** Whether two objects may be one. */
export const areRelated = (x: unknown, y: unknown): boolean =>
  typeof x === "object" && x !== null && (relatives.get(x)?.has(y as object) ?? false);

/** Whether the object was perhaps changed under another name. */
export const isStale = (x: object): boolean => stale.has(x);

function spoilRelatives(x: object): void {
  for (const y of relatives.get(x) ?? []) {
    if (stale.has(y)) continue;
    stale.add(y);
    staleOrder.push(y);
  }
}

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

/** Whether it was made when `serialNow` was that, or later. */
export const isBornSince = (x: object, since: number): boolean => (births.get(x) ?? -1) >= since;

/** Objects that are made from now on in a frame of their own are born since the next. */
export const serialNow = (): number => serial;

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
  spoilRelatives(x);
  const top = frames.at(-1);
  if (top && (births.get(x) ?? -1) < top.serial && !top.saved.has(x)) top.saved.set(x, contentsOf(x));
}

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
    if (key !== "length" && !keys.has(key) && Reflect.getOwnPropertyDescriptor(x, key)?.configurable)
      Reflect.deleteProperty(x, key);
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

/** The same as a change of the function's, which can be undone in turn. */
export function assign(x: Location, value: unknown): void {
  if (x instanceof Cell) setCell(x, value);
  else {
    noteObject(x);
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
  frames.push({ serial, saved: new Map(), isBoundary, staleBefore: staleOrder.length });
  return frames.length - 1;
}

function undo(depth: number): void {
  for (const frame of frames.splice(depth).reverse()) {
    for (const [x, value] of frame.saved) restore(x, value);
    for (const x of staleOrder.splice(frame.staleBefore)) stale.delete(x);
  }
}
