// Trees: nested arrays and plain objects whose leaves are values; arguments and results of traced functions.
import { LanewiseError } from "./errors.js";

/** Structure of a tree without its leaves. */
export type TreeDef =
  | { readonly kind: "leaf" }
  | { readonly kind: "none"; readonly value: null | undefined }
  | { readonly kind: "array"; readonly items: readonly TreeDef[] }
  | { readonly kind: "object"; readonly keys: readonly string[]; readonly items: readonly TreeDef[] };

/** Keys from the root of a tree to one of its nodes. */
export type Path = readonly (string | number)[];

export interface Flat<L> {
  readonly leaves: L[];
  readonly paths: Path[];
  readonly def: TreeDef;
}

const leafDef: TreeDef = { kind: "leaf" };

/** A plain object (or one without prototype) or an array: inner nodes of a tree. All else is a leaf. */
export function isNode(x: unknown): x is unknown[] | Record<string, unknown> {
  if (Array.isArray(x)) return true;
  if (typeof x !== "object" || x === null) return false;
  const proto: unknown = Object.getPrototypeOf(x);
  return proto === Object.prototype || proto === null;
}

/** `x.a[2]` for path ["a", 2] below `root`. */
export function showPath(path: Path, root = ""): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return /^[A-Za-z_$][\w$]*$/.test(key) ? (text === "" ? key : `${text}.${key}`) : `${text}[${JSON.stringify(key)}]`;
  }, root);
}

/**
 * Takes a tree apart. `null` and `undefined` are nodes without leaves. Keys of objects are taken in sorted order, so
 * that equal trees have equal definitions. Throws when an array or object contains itself.
 */
export function flatten(tree: unknown, isLeaf: (x: unknown) => boolean = () => false): Flat<unknown> {
  const leaves: unknown[] = [];
  const paths: Path[] = [];
  const open = new Set<unknown>();
  const visit = (x: unknown, path: Path): TreeDef => {
    if (x === null || x === undefined) return { kind: "none", value: x };
    if (isLeaf(x) || !isNode(x)) {
      leaves.push(x);
      paths.push(path);
      return leafDef;
    }
    if (open.has(x)) throw new LanewiseError(`tree: ${showPath(path) || "the value"} contains itself`);
    open.add(x);
    const keys = Array.isArray(x) ? null : Object.keys(x).sort();
    const items = keys
      ? keys.map((key) => visit((x as Record<string, unknown>)[key], [...path, key]))
      : Array.from(x as unknown[], (item, i) => visit(item, [...path, i]));
    open.delete(x);
    return keys ? { kind: "object", keys, items } : { kind: "array", items };
  };
  return { def: visit(tree, []), leaves, paths };
}

/** Puts a tree together again. */
export function unflatten(def: TreeDef, leaves: readonly unknown[]): unknown {
  let at = 0;
  const build = (node: TreeDef): unknown => {
    switch (node.kind) {
      case "leaf":
        return leaves[at++];
      case "none":
        return node.value;
      case "array":
        return node.items.map(build);
      case "object":
        return Object.fromEntries(node.keys.map((key, i) => [key, build(node.items[i]!)]));
    }
  };
  return build(def);
}

/** The same text exactly for equal definitions. `*` is a leaf. */
export function showTree(def: TreeDef): string {
  switch (def.kind) {
    case "leaf":
      return "*";
    case "none":
      return String(def.value);
    case "array":
      return `[${def.items.map(showTree).join(",")}]`;
    case "object":
      return `{${def.keys.map((key, i) => `${JSON.stringify(key)}:${showTree(def.items[i]!)}`).join(",")}}`;
  }
}

export function countLeaves(def: TreeDef): number {
  if (def.kind === "leaf") return 1;
  if (def.kind === "none") return 0;
  return def.items.reduce((sum, item) => sum + countLeaves(item), 0);
}

/** The first place where two structures differ, and what each has there; undefined where they do not. */
export function structureDifference(
  a: TreeDef,
  b: TreeDef,
  path: Path = [],
): { readonly path: Path; readonly first: string; readonly second: string } | undefined {
  const isEmpty = a.kind === "none" && b.kind === "none";
  const sameKeys = a.kind !== "object" || b.kind !== "object" || a.keys.join("\0") === b.keys.join("\0");
  const children = a.kind === "array" || a.kind === "object" ? a.items : [];
  const others = b.kind === "array" || b.kind === "object" ? b.items : [];
  if (!isEmpty && (a.kind !== b.kind || children.length !== others.length || !sameKeys))
    return { path, first: describeNode(a), second: describeNode(b) };
  for (const [i, child] of children.entries()) {
    const key = a.kind === "object" ? a.keys[i]! : i;
    const found = structureDifference(child, others[i]!, [...path, key]);
    if (found) return found;
  }
  return undefined;
}

/** Where a prefix does not fit the tree it should cover. */
export class PrefixError extends LanewiseError {
  override name = "PrefixError";
  constructor(
    readonly path: Path,
    readonly seen: string,
    readonly wanted: string,
  ) {
    super(`at ${showPath(path) || "the root"}: ${seen}, but ${wanted}`);
  }
}

/**
 * One entry of `prefix` for every leaf of `def`: an entry that stands where the tree has a subtree holds for all of
 * it. Throws `PrefixError` where the structures differ.
 */
export function broadcastPrefix(prefix: unknown, def: TreeDef): unknown[] {
  const out: unknown[] = [];
  const visit = (p: unknown, node: TreeDef, path: Path): void => {
    if (!isNode(p)) {
      for (let n = countLeaves(node); n > 0; n--) out.push(p);
      return;
    }
    const seen = Array.isArray(p)
      ? `an array of ${p.length}`
      : `an object with keys ${Object.keys(p).sort().join(", ")}`;
    if (Array.isArray(p)) {
      if (node.kind !== "array") throw new PrefixError(path, seen, `the value there is ${describeNode(node)}`);
      if (node.items.length !== p.length) throw new PrefixError(path, seen, `the value there is ${describeNode(node)}`);
      p.forEach((item, i) => void visit(item, node.items[i]!, [...path, i]));
      return;
    }
    if (node.kind !== "object" || Object.keys(p).sort().join("\0") !== node.keys.join("\0")) {
      throw new PrefixError(path, seen, `the value there is ${describeNode(node)}`);
    }
    node.keys.forEach((key, i) => void visit(p[key], node.items[i]!, [...path, key]));
  };
  visit(prefix, def, []);
  return out;
}

function describeNode(node: TreeDef): string {
  switch (node.kind) {
    case "leaf":
      return "a single value";
    case "none":
      return String(node.value);
    case "array":
      return `an array of ${node.items.length}`;
    case "object":
      return `an object with keys ${node.keys.join(", ")}`;
  }
}
