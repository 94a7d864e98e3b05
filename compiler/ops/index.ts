// Every family of ops; importing this enters all records in the registry.
export * from "./arithmetic.js";
export * from "./axes.js";
export * from "./call.js";
export * from "./collective.js";
export * from "./compare.js";
export * from "./contract.js";
export * from "./custom.js";
export * from "./dynamic.js";
export { gather } from "./gather.js";
export * from "./identity.js";
export { type Combine, indexed } from "./indexed.js";
export * from "./linear.js";
export * from "./reduce.js";
export { scatter } from "./scatter.js";
export * from "./slicing.js";
export * from "./transcendental.js";
