// Networks: modules, layers, initialisers, losses and measures.
export * as initialisers from "./initialisers.js";
export * from "./layers.js";
export * from "./losses.js";
export { Module, ModuleList, Parameter, State } from "./module.js";
export { Optimiser } from "./optimiser.js";
