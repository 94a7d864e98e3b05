// The numpy-named functions.
export * from "./bits.js";
export * from "./contract.js";
export * from "./create.js";
export * from "./division.js";
export * from "./einsum.js";
export * from "./elementwise.js";
export * from "./indexing.js";
export { argmax, argmin, max, mean, min, prod, type ReduceOptions, sum } from "./reduce.js";
export {
  type AxisSpec,
  broadcastTo,
  concatenate,
  expandDims,
  flip,
  moveAxis,
  type PadWidth,
  pad,
  ravel,
  reshape,
  squeeze,
  stack,
  swapAxes,
  transpose,
} from "./shape.js";
export {
  type AverageOptions,
  all,
  any,
  average,
  countNonzero,
  type NormOptions,
  norm,
  ptp,
  std,
  type VarianceOptions,
  var,
} from "./statistics.js";
