// Modules.
export { Module, ModuleList, Parameter, State } from "./module.js";
