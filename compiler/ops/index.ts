// Every family of ops; importing this enters all records in the registry.
export * from "./arithmetic.js";
export * from "./axes.js";
export * from "./bits.js";
export * from "./compare.js";
export * from "./contract.js";
export * from "./convolve.js";
export * from "./dynamic.js";
export { gather } from "./gather.js";
export { type Combine, indexed } from "./indexed.js";
export * from "./random.js";
export * from "./reduce.js";
export { scatter } from "./scatter.js";
export { searchsorted } from "./search.js";
export * from "./slicing.js";
export * from "./sort.js";
export * from "./transcendental.js";
export * from "./window.js";
