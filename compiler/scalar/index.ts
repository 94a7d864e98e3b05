// Functions of f32 as scalar instructions: one expansion each, for WGSL and for the CPU.
export { erf } from "./erf.js";
export { erfInv } from "./erf-inv.js";
export { exp, exp2, expm1, logistic } from "./exp.js";
export { cosh, sinh, tanh } from "./hyperbolic.js";
export { acosh, asinh, atanh } from "./inverse-hyperbolic.js";
export { acos, asin, atan, atan2 } from "./inverse-trigonometric.js";
export { log, log1p, log2 } from "./log.js";
export { pow } from "./pow.js";
export { cbrt, rsqrt } from "./root.js";
export { cos, sin, tan } from "./trigonometric.js";
