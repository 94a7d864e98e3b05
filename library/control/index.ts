// Control flow over trees of tensors.
export { type AssociativeScanOptions, associativeScan } from "./associative.js";
export { cond, switchCase } from "./branch.js";
export { foriLoop, type MapOptions, map, type ScanOptions, scan, whileLoop } from "./loop.js";
