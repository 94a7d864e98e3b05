// The numpy-named functions.
export * from "./contract.js";
export * from "./create.js";
export {
  type CumulativeOptions,
  cumlogsumexp,
  cummax,
  cummin,
  cumprod,
  cumsum,
  diff,
} from "./cumulative.js";
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
  argsort,
  lexsort,
  median,
  percentile,
  type QuantileOptions,
  quantile,
  type SortOptions,
  type SortTogetherOptions,
  sort,
  sortTogether,
  topK,
  unique,
} from "./sort.js";
