// Networks: modules, layers, initialisers, losses and measures.
export { seed } from "./create.js";
export * as initialisers from "./initialisers.js";
export * from "./layers.js";
export * from "./losses.js";
export { Module, ModuleList } from "./module.js";
export * from "./normalisation.js";
export { Optimiser } from "./optimiser.js";
export type {
  LoadStateDictOptions,
  PyTorchField,
  PyTorchLayout,
  StateDictDifference,
  StateDictLayout,
  StateDictOptions,
} from "./state-dict.js";
export type { SummaryOptions } from "./summary.js";
export { Parameter, State } from "./variables.js";
