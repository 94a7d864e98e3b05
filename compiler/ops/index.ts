// Every family of ops; importing this enters all records in the registry.
export * from "./arithmetic.js";
export * from "./axes.js";
export * from "./call.js";
export * from "./collective.js";
export * from "./compare.js";
export * from "./contract.js";
export * from "./custom.js";
export * from "./identity.js";
export * from "./indexing.js";
export * from "./linear.js";
export * from "./reduce.js";
export * from "./slicing.js";
export * from "./transcendental.js";
