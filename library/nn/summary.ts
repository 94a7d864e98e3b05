// The table of a module: what it is made of, what each layer gives, and how much is trained.
import { showAval } from "../../compiler/core/aval.js";
import { DEVICE_ELEMENT_BYTES } from "../../compiler/core/dtype.js";
import { ValueError } from "../../compiler/core/errors.js";
import { flatten, unflatten } from "../../compiler/core/tree.js";
import { hereText } from "../../compiler/trace/here.js";
import { stage } from "../../compiler/trace/stage.js";
import { Tensor } from "../../compiler/trace/tensor.js";
import type { Variable } from "../../compiler/trace/variable.js";
import { isLeaf } from "../../compiler/transforms/call.js";
import { checkOptions } from "../numpy/statistics.js";
import { Parameter } from "./variables.js";

export interface SummaryOptions {
  /** Arguments of `forward`: with them the table says what each layer gives. It is traced; nothing runs or is assigned. */
  readonly inputs?: readonly unknown[];
  /** What is done with the table; `console.log` unless given. */
  readonly print?: (table: string) => void;
}

/** A module as far as the table needs it. */
interface Layer {
  // biome-ignore lint/suspicious/noExplicitAny: each module says what it takes and gives
  forward(...args: any[]): any;
}

/** A parameter or state in a field of a module. */
export interface Leaf {
  /** In the module. */
  readonly name: string;
  readonly variable: Variable;
  /** Where the same variable came before. */
  readonly sameAs: string | undefined;
}

/** A module with what its fields hold. */
export interface Node {
  readonly path: string;
  readonly kind: string;
  readonly module: Layer;
  readonly variables: readonly Leaf[];
  readonly inner: readonly Node[];
  /** Its inner modules are models side by side, which it does not call. */
  readonly isList: boolean;
  /** Where the same module came before; its fields are shown there. */
  readonly sameAs: string | undefined;
}

/** Prints and returns the table of a module. */
export function summarise(root: Node, options: SummaryOptions): string {
  checkOptions("summary", options, ["inputs", "print"]);
  const { inputs, print = console.log } = options;
  if (inputs !== undefined && !Array.isArray(inputs))
    throw new ValueError(
      `summary: the inputs are ${inputs instanceof Tensor ? "a tensor" : `a ${typeof inputs}`}, but a list of the arguments of forward is wanted\n  as in summary({ inputs: [x] })${hereText()}`,
    );
  const outputs = inputs && outputsOf(root, inputs);
  const table = [...layOut(rowsOf(root, outputs), outputs !== undefined), ...totalsOf(root)].join("\n");
  print(table);
  return table;
}

/** The types of what each module gives, called with `inputs`, in words. */
function outputsOf(root: Node, inputs: readonly unknown[]): ReadonlyMap<Layer, string> {
  const given = new Map<Layer, string[]>();
  const flat = flatten(inputs, isLeaf);
  const isTensor = flat.leaves.map((x) => x instanceof Tensor);
  const types = flat.leaves.flatMap((x) => (x instanceof Tensor ? [x.aval] : []));
  const restore = modulesIn(root).map((module) =>
    watch(module, (result) => {
      const leaves = flatten(result, isLeaf).leaves.filter((x) => x instanceof Tensor);
      given.set(module, [...(given.get(module) ?? []), leaves.map((x) => showAval(x.aval)).join(", ")]);
    }),
  );
  try {
    stage(
      "summary",
      types,
      (tensors) => {
        const rest = [...tensors];
        const args = unflatten(
          flat.def,
          flat.leaves.map((x, i) => (isTensor[i] ? rest.shift() : x)),
        ) as unknown[];
        for (const { module } of root.isList ? root.inner : [root]) module.forward(...args);
        return { outputs: [], rest: undefined };
      },
      [],
      true,
    );
  } finally {
    for (const undo of restore) undo();
  }
  return new Map([...given].map(([module, calls]) => [module, inWords(calls)]));
}

const modulesIn = (node: Node): Layer[] => [...new Set([node.module, ...node.inner.flatMap(modulesIn)])];

/** Shows `seen` what a module gives whenever it is called; gives what ends this. */
function watch(module: Layer, seen: (result: unknown) => void): () => void {
  const own = Object.getOwnPropertyDescriptor(module, "forward");
  if (!Object.isExtensible(module) || own?.configurable === false) return () => undefined;
  const { forward } = module;
  const watched = (...args: unknown[]): unknown => {
    const result: unknown = forward.apply(module, args);
    seen(result);
    return result;
  };
  // as many parameters as before: a Sequential asks for them
  Object.defineProperty(watched, "length", { value: forward.length });
  Object.defineProperty(module, "forward", { value: watched, configurable: true, writable: true });
  return () => {
    if (own) Object.defineProperty(module, "forward", own);
    else delete (module as Partial<Layer>).forward;
  };
}

/** `f32[3,4]` of one call, `f32[3,4] ×2` of equal ones, a list of others. */
function inWords(calls: readonly string[]): string {
  const [first] = calls;
  if (calls.some((call) => call !== first)) return [...new Set(calls)].join(" | ");
  return calls.length > 1 ? `${first} ×${calls.length}` : first!;
}

interface Row {
  readonly layer: string;
  readonly kind: string;
  readonly output: string;
  readonly name: string;
  readonly type: string;
  readonly elements: string;
  readonly role: string;
}

const emptyRow: Row = { layer: "", kind: "", output: "", name: "", type: "", elements: "", role: "" };

const showCount = (n: number): string => n.toLocaleString("en-US");

const roleOf = (x: Variable): string => (x instanceof Parameter ? (x.trainable ? "" : "frozen") : "state");

/** The rows of a module and of those in it; models that are alike are shown once. */
function rowsOf(root: Node, outputs: ReadonlyMap<Layer, string> | undefined): Row[] {
  const visit = (node: Node, show: (path: string) => string, models: number): Row[] => {
    const output = outputs?.get(node.module) ?? "";
    const head = { ...emptyRow, layer: show(node.path), kind: node.kind, output };
    if (node.sameAs !== undefined) return [{ ...head, name: `same as ${show(node.sameAs) || "the whole"}` }];
    const own = node.variables.map(({ name, variable, sameAs }): Row => {
      const row = { ...emptyRow, name, type: showAval(variable.aval) };
      if (sameAs !== undefined) return { ...row, role: `same as ${show(sameAs)}` };
      const count = showCount(variable.size);
      return { ...row, elements: models > 1 ? `${models} × ${count}` : count, role: roleOf(variable) };
    });
    const rows = [{ ...head, ...withoutLayer(own[0]) }, ...own.slice(1)];
    const [first, ...others] = node.inner;
    if (node.isList && first && others.length > 0 && areAlike(node.inner, outputs)) {
      const all = `${first.path.slice(0, -1)}0–${others.length}`;
      const showAll = (path: string): string =>
        show(isWithin(path, first.path) ? all + path.slice(first.path.length) : path);
      return [...rows, ...visit(first, showAll, models * node.inner.length)];
    }
    return [...rows, ...node.inner.flatMap((child) => visit(child, show, models))];
  };
  return visit(root, (path) => path, 1);
}

const isWithin = (path: string, outer: string): boolean => path === outer || path.startsWith(`${outer}.`);

/** The columns of a variable alone. */
function withoutLayer(row: Row | undefined): Partial<Row> {
  if (!row) return {};
  const { name, type, elements, role } = row;
  return { name, type, elements, role };
}

/** Whether models have the same rows but for the paths to them. */
function areAlike(models: readonly Node[], outputs: ReadonlyMap<Layer, string> | undefined): boolean {
  const texts = models.map((model) => {
    const placeOf = (path: string | undefined): string | undefined =>
      path !== undefined && isWithin(path, model.path) ? path.slice(model.path.length) : path;
    const textOf = (node: Node): string => {
      const own = node.variables.map((x) => [x.name, showAval(x.variable.aval), roleOf(x.variable), placeOf(x.sameAs)]);
      const inner = node.inner.map(textOf);
      return JSON.stringify([
        placeOf(node.path),
        node.kind,
        outputs?.get(node.module),
        placeOf(node.sameAs),
        own,
        inner,
      ]);
    };
    return textOf(model);
  });
  return texts.every((text) => text === texts[0]);
}

/** Head, rule, rows and rule, in columns. */
function layOut(rows: readonly Row[], hasOutputs: boolean): string[] {
  const heads: Row = {
    layer: "layer",
    kind: "kind",
    output: "output",
    name: "variable",
    type: "type",
    elements: "elements",
    role: "",
  };
  const columns = (Object.keys(heads) as (keyof Row)[]).filter((key) => hasOutputs || key !== "output");
  const widths = columns.map((key) => Math.max(...[heads, ...rows].map((row) => row[key].length)));
  const line = (row: Row): string =>
    columns
      .map((key, k) => (key === "elements" ? row[key].padStart(widths[k]!) : row[key].padEnd(widths[k]!)))
      .join("  ")
      .trimEnd();
  const lines = rows.map(line);
  const rule = "─".repeat(Math.max(line(heads).length, ...lines.map(({ length }) => length)));
  return [line(heads), rule, ...lines, rule];
}

/** How many elements and bytes there are, and how many of them are trained. */
function totalsOf(root: Node): string[] {
  const variablesIn = (node: Node): Variable[] => [
    ...node.variables.map(({ variable }) => variable),
    ...node.inner.flatMap(variablesIn),
  ];
  const all = [...new Set(variablesIn(root))];
  const count = (isWanted: (role: string) => boolean): number =>
    all.reduce((sum, x) => sum + (isWanted(roleOf(x)) ? x.size : 0), 0);
  const [frozen, state] = [count((role) => role === "frozen"), count((role) => role === "state")];
  const total = count(() => true);
  const parts = [
    `${showCount(count((role) => role === ""))} trained`,
    ...(frozen > 0 ? [`${showCount(frozen)} frozen`] : []),
    ...(state > 0 ? [`${showCount(state)} of states`] : []),
  ];
  return [`${showCount(total)} elements in ${showCount(total * DEVICE_ELEMENT_BYTES)} bytes`, parts.join(", ")];
}
