// Every family of ops; importing this enters all records in the registry.
export * from "./arithmetic.js";
export * from "./axes.js";
export * from "./bits.js";
export * from "./compare.js";
export * from "./contract.js";
export * from "./indexing.js";
export * from "./random.js";
export * from "./reduce.js";
export * from "./slicing.js";
export * from "./transcendental.js";
