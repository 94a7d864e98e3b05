// Every family of ops; importing this enters all records in the registry.
export * from "./arithmetic.js";
export * from "./axes.js";
export * from "./compare.js";
export * from "./contract.js";
export * from "./cumulative.js";
export * from "./indexing.js";
export * from "./reduce.js";
export * from "./slicing.js";
export * from "./sort.js";
export * from "./transcendental.js";
