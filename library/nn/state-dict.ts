// State dictionaries: values of variables by name, in our layout or in that of PyTorch.
import { sameAval, showAval } from "../../compiler/core/aval.js";
import { type Misfit, StateDictError, ValueError } from "../../compiler/core/errors.js";
import * as ops from "../../compiler/ops/index.js";
import { isTensorLike, type TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import type { Variable } from "../../compiler/trace/variable.js";
import { checkOptions } from "../numpy/statistics.js";
import { tensorFor } from "./variables.js";

/** What PyTorch makes of a field: its name there, "" for none of its own; and where the axes of its tensor are ours. */
export interface PyTorchField {
  readonly name?: string;
  /** Axis i of ours is axis `axes[i]` of PyTorch's. */
  readonly axes?: readonly number[];
}

/** How PyTorch names and lays out what a kind of module holds. Fields that are not listed are there as they are here. */
export interface PyTorchLayout {
  readonly fields?: { readonly [field: string]: PyTorchField };
  /** Names of tensors beside them that PyTorch keeps and the module has no use for. */
  readonly unused?: readonly string[];
}

/** "lanewise": paths of our fields, our layout. "pytorch": the names and the layout of a `state_dict` of PyTorch. */
export type StateDictLayout = "lanewise" | "pytorch";

export interface StateDictOptions {
  /** "lanewise" unless given. */
  readonly layout?: StateDictLayout;
}

export interface LoadStateDictOptions extends StateDictOptions {
  /** The name wanted here for a name given; null leaves its value out. */
  readonly rename?: (name: string) => string | null;
  /** With false, names that are missing or unexpected are no error; values that do not fit still are. */
  readonly strict?: boolean;
}

/** Names that one side has alone. */
export interface StateDictDifference {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

/** A place of a variable in a module; a shared one has several. */
export interface Slot {
  readonly path: string;
  readonly variable: Variable;
  readonly pyTorch: { readonly name: string; readonly axes: readonly number[] | undefined };
}

export interface Slots {
  readonly slots: readonly Slot[];
  /** Names that a dictionary of PyTorch may have beside those of the slots. */
  readonly unused: ReadonlySet<string>;
}

function layoutOf(name: string, layout: unknown = "lanewise"): StateDictLayout {
  if (layout === "lanewise" || layout === "pytorch") return layout;
  throw new ValueError(`${name}: there is no layout '${String(layout)}'; there are lanewise, pytorch${hereText()}`);
}

/** The values of now by name. A shared variable has one name in our layout, all of its names in PyTorch's. */
export function readSlots({ slots }: Slots, options: StateDictOptions): Record<string, Tensor> {
  checkOptions("stateDict", options, ["layout"]);
  if (layoutOf("stateDict", options.layout) === "lanewise")
    return Object.fromEntries(firstSlots(slots).map(({ path, variable }) => [path, variable.snapshot()]));
  return Object.fromEntries(
    slots.map(({ variable, pyTorch: { name, axes } }) => [
      name,
      axes ? ops.transpose(variable.snapshot(), inverse(axes)) : variable.snapshot(),
    ]),
  );
}

/** The first place of each variable. */
function firstSlots(slots: readonly Slot[]): Slot[] {
  const seen = new Set<Variable>();
  return slots.filter(({ variable }) => !seen.has(variable) && seen.add(variable));
}

const inverse = (axes: readonly number[]): number[] => axes.map((_, axis) => axes.indexOf(axis));

/** A variable by the names that a dictionary may have for it. */
interface Wanted {
  readonly names: readonly string[];
  readonly variable: Variable;
  readonly axes: readonly number[] | undefined;
}

function wantedFrom(slots: readonly Slot[], layout: StateDictLayout): Wanted[] {
  return firstSlots(slots).map((first) => {
    const { path, variable, pyTorch } = first;
    if (layout === "lanewise") return { names: [path], variable, axes: undefined };
    const names = slots.filter((slot) => slot.variable === variable).map((slot) => slot.pyTorch.name);
    return { names, variable, axes: pyTorch.axes };
  });
}

/**
 * Assigns `values` to the variables of a module called `owner`, all or none. Throws `StateDictError` with the names that
 * are missing, unexpected or of another type.
 */
export function writeSlots(
  owner: string,
  { slots, unused }: Slots,
  values: Readonly<Record<string, TensorLike>>,
  options: LoadStateDictOptions,
): StateDictDifference {
  checkOptions("loadStateDict", options, ["layout", "rename", "strict"]);
  const layout = layoutOf("loadStateDict", options.layout);
  const wanted = wantedFrom(slots, layout);
  const given = renamed(values, options.rename);
  const known = new Set(wanted.flatMap(({ names }) => names));
  const missing = wanted.filter(({ names }) => !names.some((name) => given.has(name))).map(({ names }) => names[0]!);
  const unexpected = [...given.keys()].filter(
    (name) => !known.has(name) && !(layout === "pytorch" && unused.has(name)),
  );
  const misfits: Misfit[] = [];
  const found = wanted.flatMap(({ names, variable, axes }) => {
    const shape = axes ? inverse(axes).map((axis) => variable.shape[axis]!) : variable.shape;
    const type = { dtype: variable.dtype, shape };
    const fitting: { readonly name: string; readonly tensor: Tensor }[] = [];
    for (const name of names.filter((candidate) => given.has(candidate))) {
      const value = given.get(name);
      const tensor = isTensorLike(value) ? tensorFor(value) : undefined;
      const [first] = fitting;
      if (!tensor || !sameAval(tensor.aval, type))
        misfits.push({ name, seen: tensor ? showAval(tensor.aval) : describe(value), wanted: showAval(type) });
      else if (first && differOnHost(first.tensor, tensor))
        misfits.push({
          name,
          seen: "with other elements",
          wanted: `that of ${first.name}, which is the same parameter`,
        });
      else fitting.push({ name, tensor });
    }
    return fitting.slice(0, 1).map(({ tensor }) => ({ variable, axes, tensor }));
  });
  if (misfits.length > 0 || (options.strict !== false && missing.length + unexpected.length > 0)) {
    const hint = hintFor(layout, slots, given, missing, unexpected);
    throw new StateDictError(messageOf(owner, { missing, unexpected, misfits }, hint), {
      missing,
      unexpected,
      misfits,
    });
  }
  // what may fail, as for a tensor that was disposed, does before anything is assigned
  const ready = found.map(({ variable, axes, tensor }) => {
    if (!tensor.traced) void tensor.handle;
    return { variable, value: axes ? ops.transpose(tensor, axes) : tensor };
  });
  for (const { variable, value } of ready) variable.assign(value);
  return { missing, unexpected };
}

/** Whether two tensors of one type are known to differ: their elements are on the host, as they are out of a file. */
function differOnHost(x: Tensor, y: Tensor): boolean {
  if (x === y || x.traced || y.traced) return false;
  const [a, b] = [x.handle.host, y.handle.host];
  return a !== undefined && b !== undefined && a.data.some((element, i) => !Object.is(element, b.data[i]));
}

/** Values by the names wanted here. Throws `ValueError` where two of them get one name. */
function renamed(
  values: Readonly<Record<string, unknown>>,
  rename: LoadStateDictOptions["rename"] = (name) => name,
): ReadonlyMap<string, unknown> {
  const given = new Map<string, unknown>();
  const from = new Map<string, string>();
  for (const [old, value] of Object.entries(values)) {
    const name = rename(old);
    if (name === null) continue;
    if (typeof name !== "string")
      throw new ValueError(
        `loadStateDict: rename gives ${describe(name)} for ${old}, but a name or null is wanted${hereText()}`,
      );
    if (given.has(name))
      throw new ValueError(`loadStateDict: ${from.get(name)} and ${old} are both called ${name}${hereText()}`);
    given.set(name, value);
    from.set(name, old);
  }
  return given;
}

const describe = (x: unknown): string =>
  x === null || x === undefined ? String(x) : Array.isArray(x) ? "an array" : `a ${typeof x}`;

const MAX_LISTED = 10;

const listed = (names: readonly string[]): string =>
  names.length > MAX_LISTED
    ? `${names.slice(0, MAX_LISTED).join(", ")} and ${names.length - MAX_LISTED} more`
    : names.join(", ");

interface Faults extends StateDictDifference {
  readonly misfits: readonly Misfit[];
}

function messageOf(owner: string, { missing, unexpected, misfits }: Faults, hint: string | undefined): string {
  const lines = [
    ...(missing.length > 0 ? [`no value for ${listed(missing)}`] : []),
    ...(unexpected.length > 0 ? [`there is no ${listed(unexpected)}`] : []),
    ...misfits.slice(0, MAX_LISTED).map((x) => `${x.name} is ${x.wanted}, but a value ${x.seen} is given`),
    ...(misfits.length > MAX_LISTED ? [`and ${misfits.length - MAX_LISTED} more values do not fit`] : []),
    ...(hint ? [hint] : []),
  ];
  return `loadStateDict of ${owner}: the values are not those of this module, and nothing was assigned\n  ${lines.join("\n  ")}${hereText()}`;
}

/** The way out, where the names say it. */
function hintFor(
  layout: StateDictLayout,
  slots: readonly Slot[],
  given: ReadonlyMap<string, unknown>,
  missing: readonly string[],
  unexpected: readonly string[],
): string | undefined {
  const [first] = missing;
  if (first === undefined) return undefined;
  if (layout === "lanewise" && slots.every(({ pyTorch }) => given.has(pyTorch.name)))
    return `the names are PyTorch's: loadStateDict(values, { layout: "pytorch" })`;
  const twin = unexpected.find((name) => name.endsWith(`.${first}`));
  const prefix = twin?.slice(0, -first.length);
  if (prefix && missing.every((name) => given.has(prefix + name)))
    return `the names begin with ${JSON.stringify(prefix)}: loadStateDict(values, { rename: (name) => name.slice(${prefix.length}) })`;
  return undefined;
}
