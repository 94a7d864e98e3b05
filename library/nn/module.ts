// Modules: functions with parameters and state, which every transform understands.
import { TraceError } from "../../compiler/core/errors.js";
import { isNode } from "../../compiler/core/tree.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { Variable } from "../../compiler/trace/variable.js";
import { type FileSource, load, save } from "../files/index.js";
import {
  type LoadStateDictOptions,
  type PyTorchLayout,
  readSlots,
  type Slot,
  type Slots,
  type StateDictDifference,
  type StateDictOptions,
  writeSlots,
} from "./state-dict.js";
import { type Leaf, type Node, type SummaryOptions, summarise } from "./summary.js";
import { Parameter } from "./variables.js";

/** What a module is called in tables, where that is not the name of its class. */
export const KIND = Symbol("kind");

/**
 * Base of modules: a subclass makes its parameters, states and inner modules in fields, also in arrays and plain objects
 * (but not in #private fields, which nobody can list), and computes in `forward`. Where a transform takes a function it takes a module too, which stands for its `forward`:
 * `jit(net)(x)`, `vmap(net)(xs)`, `grad(loss, { wrt: net.parameters() })`.
 */
export abstract class Module {
  /** Layers such as dropout differ between training and use. Changed by `train()` and `eval()`. */
  training = true;

  /** How PyTorch names and lays out the fields of this class of modules, where it does otherwise. */
  static readonly pyTorch: PyTorchLayout = {};

  // biome-ignore lint/suspicious/noExplicitAny: each module says what it takes and gives
  abstract forward(...args: any[]): any;

  /** Trainable parameters by their paths. One that occurs twice is listed where it comes first. */
  parameters(): Record<string, Parameter> {
    return byPath(this, (x): x is Parameter => x instanceof Parameter && x.trainable);
  }

  /** All parameters, frozen ones too, and all states, by their paths. */
  variables(): Record<string, Variable> {
    return byPath(this, (x): x is Variable => x instanceof Variable);
  }

  /** Inner modules by their paths, with this one as "". */
  modules(): Record<string, Module> {
    return byPath(this, (x): x is Module => x instanceof Module);
  }

  /** Makes this module and all in it train, or not. */
  train(training = true): this {
    for (const module of Object.values(this.modules())) module.training = training;
    return this;
  }

  /** Makes this module and all in it compute as in use. */
  eval(): this {
    return this.train(false);
  }

  /** Freezes all parameters in this module, or lets them train again. */
  freeze(frozen = true): this {
    for (const x of Object.values(this.variables())) if (x instanceof Parameter) x.trainable = !frozen;
    return this;
  }

  /**
   * The values of all parameters and states by their paths; later assignments do not change them. With
   * `layout: "pytorch"` by the names and in the layout that PyTorch has for them.
   */
  stateDict(options: StateDictOptions = {}): Record<string, Tensor> {
    return readSlots(slotsOf(this), options);
  }

  /**
   * Assigns values to all parameters and states. Throws `StateDictError`, before anything is assigned, with the names that
   * are missing, unexpected or of another type; `strict: false` lets the first two pass and returns them.
   */
  loadStateDict(values: Readonly<Record<string, TensorLike>>, options: LoadStateDictOptions = {}): StateDictDifference {
    return writeSlots(this.constructor.name, slotsOf(this), values, options);
  }

  /** Writes the values of now into a file: "….safetensors" or "….npz". Throws as `files.save` does. */
  async save(path: string | URL, options: StateDictOptions = {}): Promise<void> {
    await save(path, this.stateDict(options));
  }

  /**
   * Reads such a file, or its bytes, and assigns what it holds, all or nothing. Throws `FileError` for a file that is not
   * as its format says, and otherwise as `loadStateDict` does.
   */
  async load(from: FileSource, options: LoadStateDictOptions = {}): Promise<StateDictDifference> {
    return this.loadStateDict(await load(from), options);
  }

  /**
   * Prints and returns a table of the layers with their parameters and states; given `inputs`, also of what each layer
   * gives: `net.summary({ inputs: [x] })`. What is shared is counted once, models of a `ModuleList` that are alike are
   * shown once.
   */
  summary(options: SummaryOptions = {}): string {
    return summarise(nodeOf(this), options);
  }
}

/** Modules in an array, as a module whose inner modules they are. */
export class ModuleList<M extends Module> extends Module {
  readonly items: readonly M[];
  readonly isModuleList = true;

  static override readonly pyTorch: PyTorchLayout = { fields: { items: { name: "" } } };

  constructor(items: readonly M[]) {
    super();
    this.items = items;
  }

  /** Throws: a list has the type of one of its models, for `vmap`. */
  forward(..._args: Parameters<M["forward"]>): ReturnType<M["forward"]> {
    throw new TraceError(
      `a ModuleList computes nothing by itself\n  call its items: list.items[0].forward(x)${hereText()}`,
    );
  }
}

/** What a field holds, and the keys to it: the field's name, then places in arrays and plain objects. */
interface Held {
  readonly keys: readonly string[];
  readonly value: Module | Variable;
}

/** The modules and variables in the fields of a module, also in arrays and plain objects, but not in other modules. */
function heldBy(module: Module): Held[] {
  const found: Held[] = [];
  const open = new Set<unknown>();
  const visit = (x: unknown, keys: readonly string[]): void => {
    if (x instanceof Module || x instanceof Variable) found.push({ keys, value: x });
    else if (isNode(x) && !open.has(x)) {
      open.add(x);
      for (const [key, value] of Object.entries(x)) visit(value, [...keys, key]);
      open.delete(x);
    }
  };
  for (const [key, value] of Object.entries(module)) visit(value, [key]);
  return found;
}

const joined = (...keys: readonly string[]): string => keys.filter((key) => key !== "").join(".");

/** What is wanted in a module and in those in it, where it comes first, in the order of the fields. */
function byPath<T extends Module | Variable>(
  root: Module,
  isWanted: (x: Module | Variable) => x is T,
): Record<string, T> {
  const seen = new Set<Module | Variable>();
  const found: [string, T][] = [];
  const visit = (x: Module | Variable, path: string): void => {
    if (seen.has(x)) return;
    seen.add(x);
    if (isWanted(x)) found.push([path, x]);
    if (x instanceof Module) for (const { keys, value } of heldBy(x)) visit(value, joined(path, ...keys));
  };
  visit(root, "");
  return Object.fromEntries(found);
}

/** All places of all variables: what is shared has several. */
function slotsOf(root: Module): Slots {
  const slots: Slot[] = [];
  const unused = new Set<string>();
  const open = new Set<Module>();
  const visit = (module: Module, path: string, name: string): void => {
    if (open.has(module)) return;
    open.add(module);
    const { fields = {}, unused: more = [] } = (module.constructor as typeof Module).pyTorch;
    for (const other of more) unused.add(joined(name, other));
    for (const { keys, value } of heldBy(module)) {
      const [field, ...rest] = keys as [string, ...string[]];
      const there = Object.hasOwn(fields, field) ? fields[field]! : {};
      const own = { path: joined(path, ...keys), name: joined(name, there.name ?? field, ...rest) };
      if (value instanceof Module) visit(value, own.path, own.name);
      else slots.push({ path: own.path, variable: value, pyTorch: { name: own.name, axes: there.axes } });
    }
    open.delete(module);
  };
  visit(root, "", "");
  return { slots, unused };
}

/** A module for its table. */
function nodeOf(root: Module): Node {
  const seen = new Map<Module | Variable, string>();
  const visit = (module: Module, path: string): Node => {
    const kind = (module as { [KIND]?: string })[KIND] ?? module.constructor.name;
    const sameAs = seen.get(module);
    const variables: Leaf[] = [];
    const inner: Node[] = [];
    if (sameAs === undefined) {
      seen.set(module, path);
      for (const { keys, value } of heldBy(module)) {
        const there = joined(path, ...keys);
        if (value instanceof Module) inner.push(visit(value, there));
        else {
          variables.push({ name: keys.join("."), variable: value, sameAs: seen.get(value) });
          if (!seen.has(value)) seen.set(value, there);
        }
      }
    }
    return { path, kind, module, isList: module instanceof ModuleList, sameAs, variables, inner };
  };
  return visit(root, "");
}
