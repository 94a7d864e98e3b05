// An optimiser with its state, as a module: what ensembles of trainers hold.
import { flatten, type TreeDef, unflatten } from "../../compiler/core/tree.js";
import { Tensor } from "../../compiler/trace/tensor.js";
import { untraced } from "../../compiler/trace/trace.js";
import type { OptimiserState, Optimiser as Rule } from "../optim/index.js";
import { Module } from "./module.js";
import { type Parameter, State } from "./variables.js";

type Parameters = Readonly<Record<string, Parameter>>;
type Values = Readonly<Record<string, Tensor>>;

/**
 * Steps parameters by a rule of `optim` and keeps its moments in states beside them: `new nn.Optimiser(optim.adam({
 * learningRate: 1e-3 }), net.parameters())`. Its `stateDict` is a checkpoint of the training, together with the net's.
 */
export class Optimiser extends Module {
  /** Step and moments by their paths, such as `moments.first.layers.0.weight`. */
  readonly states: Readonly<Record<string, State>>;
  readonly #rule: Rule;
  readonly #parameters: Parameters;
  readonly #def: TreeDef;

  constructor(rule: Rule, parameters: Parameters) {
    super();
    this.#rule = rule;
    this.#parameters = parameters;
    const initial = untraced(() => rule.init({ ...parameters } as Values));
    const flat = flatten(initial, (x) => x instanceof Tensor);
    this.#def = flat.def;
    this.states = Object.fromEntries(
      flat.paths.map((path, i) => [path.join("."), new State(flat.leaves[i] as Tensor)]),
    );
  }

  /** As `step`: where transforms take a module, they call this. */
  forward(gradients: Values): void {
    this.step(gradients);
  }

  /** One step along the gradients, which have the keys of the parameters: all of them are assigned. */
  step(gradients: Values): void {
    const leaves = Object.values(this.states);
    const state = unflatten(this.#def, leaves) as OptimiserState<Values>;
    const params = { ...this.#parameters } as Values;
    const [moved, next] = this.#rule.update(gradients as never, state as never, params) as [Values, unknown];
    for (const [path, parameter] of Object.entries(this.#parameters)) parameter.assign(moved[path]!);
    const values = flatten(next, (x) => x instanceof Tensor).leaves as Tensor[];
    leaves.forEach((leaf, i) => void leaf.assign(values[i]!));
  }
}
