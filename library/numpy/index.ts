// The numpy-named functions.
export {
  arraySplit,
  fliplr,
  flipud,
  hstack,
  type MeshgridOptions,
  meshgrid,
  repeat,
  roll,
  rot90,
  split,
  tile,
  vstack,
} from "./arrange.js";
export * from "./contract.js";
export * from "./create.js";
export { diag, diagonal, tri, tril, triu } from "./diagonal.js";
export * from "./einsum.js";
export * from "./elementwise.js";
export { at, slice, type TakeOptions, take, takeAlongAxis } from "./indexing.js";
export { argmax, argmin, max, mean, min, prod, type ReduceOptions, sum } from "./reduce.js";
export type { SliceSpec } from "./region.js";
export {
  type BincountOptions,
  bincount,
  oneHot,
  type SearchsortedOptions,
  searchsorted,
  segmentMax,
  segmentMin,
  segmentProd,
  segmentSum,
} from "./segment.js";
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
export { type IndexSpec, putAlongAxis, type Update, type UpdateOptions } from "./update.js";
