// Optimisers, schedules and what is done to gradients: functions on trees of tensors.
export { chain, clipByGlobalNorm, clipByValue, type GradientTransform, globalNorm } from "./gradients.js";
export type { DecayMask, LearningRate, Optimiser, OptimiserOptions, OptimiserState, Schedule } from "./optimiser.js";
export {
  type AdamOptions,
  adam,
  adamw,
  type RmspropOptions,
  rmsprop,
  type SgdOptions,
  sgd,
} from "./rules.js";
export * from "./schedules.js";
