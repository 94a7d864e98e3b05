// Every family of ops; importing this enters all records in the registry.
export * from "./arithmetic.js";
export * from "./axes.js";
export * from "./compare.js";
export * from "./contract.js";
export { scanArrays } from "./control/scan.js";
export { switchBranches } from "./control/switch.js";
export { whileHolds } from "./control/while.js";
export * from "./indexing.js";
export * from "./reduce.js";
export * from "./slicing.js";
export * from "./transcendental.js";
