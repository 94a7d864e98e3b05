// Properties and elements: read and written as JavaScript does, at traced positions too.
import { types } from "node:util";
import { Tensor } from "../trace/tensor.js";
import { branch } from "./branches.js";
import { readElements, readTensor, rowOf, rowsOf, type Written, writeElements, writePacked } from "./elements.js";
import { type Evaluator, type Site, Thrown, used } from "./evaluator.js";
import { Mixed } from "./merge.js";
import { noText } from "./operators.js";
import {
  changeTogether,
  choiceOf,
  isObjectBeyond,
  isOutside,
  markOutside,
  noteObject,
  packOf,
  setPack,
} from "./store.js";

export function getProperty(run: Evaluator, target: unknown, key: PropertyKey | Tensor, site: Site): unknown {
  const object = used(run, target, site);
  if (object === null || object === undefined)
    throw new Thrown(new TypeError(`Cannot read properties of ${String(object)} (reading '${showKey(key)}')`), site);
  if (object instanceof Tensor) return ofTensor(run, object, key, site);
  if (key instanceof Tensor) return elementAt(run, object, key, site);
  if (types.isProxy(object)) return Reflect.get(object, key) as unknown; // its traps run
  const pack = packOf(object);
  const index = pack && indexOf(key);
  if (pack && index !== undefined) return index < pack.shape[0]! ? rowOf(pack, index) : undefined;
  return getAbove(run, Object(object) as object, key, object, site);
}

/** A property that is looked for from `above` on, for `self`. */
export function getAbove(run: Evaluator, above: object, key: PropertyKey, self: unknown, site: Site): unknown {
  const property = findProperty(above, key);
  if (!property) return undefined;
  const value: unknown = property.get
    ? run.call(property.get, self, [], site)
    : "value" in property
      ? property.value
      : undefined;
  if (typeof self === "object" && self !== null && isOutside(self)) markOutside(value);
  return value;
}

function findProperty(object: object, key: PropertyKey): PropertyDescriptor | undefined {
  for (let at: object | null = object; at; at = Object.getPrototypeOf(at) as object | null) {
    const property = Reflect.getOwnPropertyDescriptor(at, key);
    if (property) return property;
  }
  return undefined;
}

const showKey = (key: PropertyKey | Tensor): string => (key instanceof Tensor ? "a traced index" : String(key));

/** The whole number that a key stands for. */
function indexOf(key: PropertyKey): number | undefined {
  const index = typeof key === "string" ? Number(key) : key;
  return typeof index === "number" && Number.isInteger(index) && index >= 0 && String(index) === String(key)
    ? index
    : undefined;
}

/** Methods of arrays that change them. */
const CHANGING = new Set("push pop shift unshift splice reverse fill copyWithin".split(" "));

function ofTensor(run: Evaluator, x: Tensor, key: PropertyKey | Tensor, site: Site): unknown {
  if (key instanceof Tensor) {
    if (x.ndim === 0) throw run.fail(site, "a traced number has no elements", "pass an array, and index that");
    if (key.ndim > 0)
      throw run.fail(
        site,
        `an array of shape [${key.shape.join(",")}] is no index`,
        "use take(x, indices) for many elements at once",
      );
    return readTensor(x, key);
  }
  if (key === "length") return x.ndim > 0 ? x.shape[0] : undefined;
  if (key === "toString" || key === "toLocaleString") throw noText(run, site);
  if (key === "valueOf" && x.ndim === 0) return () => x;
  if (typeof key === "string" && x.ndim > 0 && CHANGING.has(key) && !(key in x))
    throw run.fail(site, `${key}: traced arrays are immutable`, "copy it into an array first: [...x]");
  if (key in x) return Reflect.get(x, key, x);
  if (typeof key === "symbol") return undefined;
  const number = Number(key);
  if (x.ndim > 0 && !Number.isNaN(number)) {
    const index = indexOf(key);
    if (index !== undefined && index < x.shape[0]!) return rowOf(x, index);
    throw run.fail(
      site,
      `index ${String(key)} is out of bounds for axis 0 with size ${x.shape[0]}`,
      "positions count from 0",
    );
  }
  const methods = (x.ndim > 0 ? Array.prototype : Number.prototype) as unknown as Record<string | number, unknown>;
  const method = methods[key];
  if (x.ndim === 0 && method !== undefined && key !== "constructor") throw noText(run, site);
  return typeof method === "function" ? method : undefined;
}

/** object[position] */
function elementAt(run: Evaluator, object: unknown, key: Tensor, site: Site): unknown {
  const pack = packOf(object);
  if (pack) return readTensor(pack, key);
  const isList = Array.isArray(object) || (ArrayBuffer.isView(object) && !(object instanceof DataView));
  if (!isList)
    throw run.fail(site, "a traced value names a property", "index an array by it, or choose with a condition");
  const values = Array.from(object as ArrayLike<unknown>);
  for (const value of values) used(run, value, site);
  const read = readElements(values, key);
  if (read !== undefined) return read;
  throw run.fail(
    site,
    values.length === 0
      ? "an empty array is read at a traced position"
      : "the elements of this array are not alike, and its position is traced",
    "index an array of numbers, or of arrays and objects with the same keys",
  );
}

export function setProperty(
  run: Evaluator,
  target: unknown,
  key: PropertyKey | Tensor,
  value: unknown,
  site: Site,
): void {
  const object = used(run, target, site);
  const choice = typeof object === "object" && object !== null ? choiceOf(object) : undefined;
  if (!choice) {
    setOwn(run, object, key, value, site);
    return;
  }
  // the element that it is changes with it
  changeTogether(object as object, choice, () => {
    setOwn(run, object, key, value, site);
    choice.sides.forEach((side, k) => {
      branch(
        run,
        site,
        choice.holds(k),
        () => ({ value: void setProperty(run, side, key, value, site) }),
        () => ({}),
      );
    });
  });
}

function setOwn(run: Evaluator, object: unknown, key: PropertyKey | Tensor, value: unknown, site: Site): void {
  if (object instanceof Tensor) {
    throw run.fail(
      site,
      "traced arrays are immutable",
      "build a new value, e.g. x.with(i, v), or copy it into an array first: [...x]",
    );
  }
  if ((typeof object !== "object" && typeof object !== "function") || object === null)
    throw new Thrown(new TypeError(`Cannot set properties of ${String(object)} (setting '${showKey(key)}')`), site);
  checkOwn(run, object, site);
  if (ArrayBuffer.isView(object) && (key instanceof Tensor || value instanceof Tensor || value instanceof Mixed))
    throw noTraced(run, object, site);
  if (key instanceof Tensor) {
    if (!Array.isArray(object)) throw run.fail(site, "a traced value names a property", "write to an array by it");
    const pack = packOf(object);
    const written = pack ? writePacked(pack, key, value) : writeElements(object, key, value);
    if (!written)
      throw run.fail(
        site,
        "the elements of this array are not alike, or unlike what is written, and the position is traced",
        "keep numbers in it, from the start: new Array(n).fill(0)",
      );
    store(object, written);
    return;
  }
  const pack = packOf(object);
  if (pack) {
    const index = indexOf(key);
    const written = index !== undefined && index < pack.shape[0]! ? writePacked(pack, index, value) : undefined;
    if (written) {
      store(object as unknown[], written);
      return;
    }
    unpack(object as unknown[]);
  }
  const property = findProperty(object, key);
  if (property?.set) {
    run.call(property.set, object, [value], site);
    return;
  }
  noteObject(object);
  if (!Reflect.set(object, key, value))
    throw new Thrown(new TypeError(`Cannot assign to read only property '${String(key)}' of object`), site);
}

/** A typed array has numbers in it, and nothing else. */
export const noTraced = (run: Evaluator, object: object, site: Site): Error =>
  run.fail(
    site,
    `a typed array, ${object.constructor.name}, cannot hold traced values`,
    "use an array: new Array(n).fill(0), or Array.from(values)",
  );

function store(array: unknown[], written: Written): void {
  if (written.kind === "packed") setPack(array, written.elements);
  else {
    noteObject(array);
    array.splice(0, array.length, ...written.values);
  }
}

/** Puts the elements of an array back into it, where a tensor holds them. */
export function unpack(array: unknown): void {
  const pack = packOf(array);
  if (!pack) return;
  const list = array as unknown[];
  setPack(list, undefined);
  list.splice(0, list.length, ...rowsOf(pack));
}

/** Throws unless the function itself made the object. */
export function checkOwn(run: Evaluator, object: object, site: Site): void {
  if (!isOutside(object) && !isObjectBeyond(object)) return;
  throw run.fail(
    site,
    "writing to an object that was created outside the traced function",
    "traced functions must be pure: return the new value instead",
  );
}

export function removeProperty(run: Evaluator, target: unknown, key: PropertyKey | Tensor, site: Site): boolean {
  const object = used(run, target, site);
  if (object instanceof Tensor || key instanceof Tensor) throw run.fail(site, "delete with a traced value");
  checkOwn(run, object as object, site);
  unpack(object);
  noteObject(object as object);
  return Reflect.deleteProperty(object as object, key);
}
