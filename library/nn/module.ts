// Modules: functions with parameters and state, which every transform understands.
import { showAval } from "../../compiler/core/aval.js";
import { LanewiseError, ShapeError, TraceError } from "../../compiler/core/errors.js";
import { type TensorLike, tensorOf } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import { Tensor } from "../../compiler/trace/tensor.js";
import { Variable } from "../../compiler/trace/variable.js";

const tensorFor = (initial: TensorLike): Tensor => (initial instanceof Tensor ? initial : tensorOf(initial));

/** A trainable tensor of a module. Used like any tensor; `assign` replaces its value. */
export class Parameter extends Variable {
  /** Frozen parameters are not among `module.parameters()`. */
  trainable = true;

  constructor(initial: TensorLike) {
    super(tensorFor(initial));
  }
}

/** A tensor of a module that is not trained, such as running statistics. `assign` replaces its value. */
export class State extends Variable {
  constructor(initial: TensorLike) {
    super(tensorFor(initial));
  }
}

/** A parameter or state with the path to it: `layers.0.weight`. */
interface Named<T> {
  readonly path: string;
  readonly value: T;
}

/**
 * Base of modules: a subclass makes its parameters, states and inner modules in fields, also in arrays and plain objects,
 * and computes in `forward`. Where a transform takes a function it takes a module too, which stands for its `forward`:
 * `jit(net)(x)`, `vmap(net)(xs)`, `grad(loss, { wrt: net.parameters() })`.
 */
export abstract class Module {
  /** Layers such as dropout differ between training and use. Changed by `train()` and `eval()`. */
  training = true;

  // biome-ignore lint/suspicious/noExplicitAny: each module says what it takes and gives
  abstract forward(...args: any[]): any;

  /** Trainable parameters by their paths. One that occurs twice is listed where it comes first. */
  parameters(): Record<string, Parameter> {
    const all = namedIn(this, (x): x is Parameter => x instanceof Parameter && x.trainable);
    return Object.fromEntries(all.map(({ path, value }) => [path, value]));
  }

  /** All parameters, frozen ones too, and all states, by their paths. */
  variables(): Record<string, Variable> {
    const all = namedIn(this, (x): x is Variable => x instanceof Variable);
    return Object.fromEntries(all.map(({ path, value }) => [path, value]));
  }

  /** Inner modules by their paths, with this one as "". */
  modules(): Record<string, Module> {
    const inner = namedIn(this, (x): x is Module => x instanceof Module);
    return Object.fromEntries([["", this], ...inner.map(({ path, value }) => [path, value])]);
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

  /** The values of all parameters and states, by their paths; later assignments do not change them. */
  stateDict(): Record<string, Tensor> {
    return Object.fromEntries(Object.entries(this.variables()).map(([path, x]) => [path, x.snapshot()]));
  }

  /**
   * Assigns values to all parameters and states. Throws `LanewiseError` for missing and unknown paths and `ShapeError` for
   * values of other types, before anything is assigned.
   */
  loadStateDict(values: Readonly<Record<string, TensorLike>>): void {
    const own = this.variables();
    const missing = Object.keys(own).filter((path) => !(path in values));
    const unknown = Object.keys(values).filter((path) => !(path in own));
    if (missing.length > 0 || unknown.length > 0) {
      const list = (paths: readonly string[]): string =>
        paths.length > 5 ? `${paths.slice(0, 5).join(", ")} and ${paths.length - 5} more` : paths.join(", ");
      throw new LanewiseError(
        `loadStateDict of ${this.constructor.name}: ${[missing.length > 0 ? `no value for ${list(missing)}` : "", unknown.length > 0 ? `there is no ${list(unknown)}` : ""].filter((text) => text !== "").join("; ")}${hereText()}`,
      );
    }
    const given = Object.entries(own).map(([path, variable]) => ({ path, variable, value: tensorFor(values[path]!) }));
    for (const { path, variable, value } of given) {
      if (showAval(value.aval) !== showAval(variable.aval)) {
        throw new ShapeError(
          `loadStateDict of ${this.constructor.name}: ${path} is ${showAval(variable.aval)}, but a value ${showAval(value.aval)} is given${hereText()}`,
        );
      }
    }
    for (const { variable, value } of given) variable.assign(value);
  }

  /** A table of the parameters and states: paths, types, numbers of elements. */
  summary(): string {
    const all = Object.entries(this.variables());
    const rows = all.map(([path, x]) => [
      path,
      showAval(x.aval),
      x.size.toLocaleString("en"),
      x instanceof Parameter ? (x.trainable ? "" : "frozen") : "state",
    ]);
    const count = (test: (x: Variable) => boolean): string =>
      all.reduce((sum, [, x]) => sum + (test(x) ? x.size : 0), 0).toLocaleString("en");
    const head = [this.constructor.name, "type", "elements", ""];
    const widths = head.map((_, k) => Math.max(...[head, ...rows].map((row) => row[k]!.length)));
    const line = (row: readonly string[]): string =>
      row
        .map((text, k) => (k === 2 ? text.padStart(widths[k]!) : text.padEnd(widths[k]!)))
        .join("  ")
        .trimEnd();
    const rule = widths.map((n) => "─".repeat(n)).join("──");
    const trainable = count((x) => x instanceof Parameter && x.trainable);
    return [
      line(head),
      rule,
      ...rows.map(line),
      rule,
      `${count(() => true)} elements, ${trainable} of them trained`,
    ].join("\n");
  }
}

/** Modules in an array, as a module whose inner modules they are. */
export class ModuleList<M extends Module> extends Module {
  readonly items: readonly M[];
  readonly isModuleList = true;

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

/** Everything of a kind in the fields of a module, in the order of the fields; each only once. */
function namedIn<T>(root: Module, isWanted: (x: unknown) => x is T): Named<T>[] {
  const found: Named<T>[] = [];
  const seen = new Set<unknown>([root]);
  const visit = (x: unknown, path: string): void => {
    if (typeof x !== "object" || x === null || ArrayBuffer.isView(x)) return;
    if (seen.has(x)) return;
    seen.add(x);
    if (isWanted(x)) found.push({ path, value: x });
    if (x instanceof Module || Array.isArray(x) || Object.getPrototypeOf(x) === Object.prototype) below(x, path);
  };
  const below = (x: object, path: string): void => {
    for (const [key, value] of Object.entries(x)) visit(value, path === "" ? key : `${path}.${key}`);
  };
  below(root, "");
  return found;
}
