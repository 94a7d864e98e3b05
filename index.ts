// lanewise: write a function for one example, run it as fused WGSL over a batch.
import { registerOurs } from "./compiler/frontend/ours.js";
import * as everything from "./index.js";
import "./library/methods.js";

export type { DType, TypedArray } from "./compiler/core/dtype.js";
export * from "./compiler/core/errors.js";
export type { HostTypedArray, NestedInput } from "./compiler/core/host.js";
export type { Nested } from "./compiler/core/ndarray.js";
export type { Shape } from "./compiler/core/shape.js";
export { bounded } from "./compiler/frontend/bounded.js";
export type { FrontendOptions } from "./compiler/frontend/choose.js";
export type { TensorLike } from "./compiler/trace/create.js";
export { Tensor } from "./compiler/trace/tensor.js";
export { type CheckpointOptions, checkpoint, stopGradient } from "./compiler/transforms/checkpoint.js";
export {
  type AllGatherOptions,
  type AxisNames,
  allGather,
  axisIndex,
  axisSize,
  type PsumScatterOptions,
  pmax,
  pmean,
  pmin,
  psum,
  psumScatter,
} from "./compiler/transforms/collectives.js";
export { customJvp } from "./compiler/transforms/custom-jvp.js";
export { customVjp } from "./compiler/transforms/custom-vjp.js";
export { customVmap } from "./compiler/transforms/custom-vmap.js";
export { type JvpOptions, jvp, linearize, vjp, vjpWithAux } from "./compiler/transforms/directional.js";
export { type Gradients, type GradOptions, grad, valueAndGrad } from "./compiler/transforms/grad.js";
export { hessian, type JacobianOptions, jacfwd, jacrev } from "./compiler/transforms/jacobian.js";
// For tools, such as `lanewise dump`: not for programs, and not held stable between versions.
export type { TransformEvent } from "./compiler/transforms/observe.js";
export type { Axes, InAxes } from "./compiler/transforms/types.js";
export { type VmapOptions, vmap } from "./compiler/transforms/vmap.js";
export * from "./library/control/index.js";
export { type ConvOptions, type ConvTransposeOptions, conv, convTranspose } from "./library/conv.js";
export type {
  HostElements,
  KernelDefinition,
  KernelDispatch,
  KernelFunction,
  KernelSequence,
  ResultTypes,
  TensorType,
} from "./library/define-kernel.js";
export { defineOp, type ElementwiseDefinition } from "./library/define-op.js";
export * as files from "./library/files/index.js";
export * from "./library/functions.js";
export * as nn from "./library/nn/index.js";
export * as numpy from "./library/numpy/index.js";
export * from "./library/numpy/index.js";
export * as optim from "./library/optim/index.js";
export {
  dynamicSlice,
  dynamicUpdateSlice,
  type GatherOptions,
  gather,
  type ScatterOptions,
  scatter,
} from "./library/places.js";
export {
  type AvgPoolOptions,
  avgPool,
  maxPool,
  type PoolOptions,
  type ReduceWindowOptions,
  reduceWindow,
  type WindowReduction,
} from "./library/pool.js";
export * as random from "./library/random.js";
export type { Padding, PerAxis } from "./library/sliding.js";
export { type Counters, counters } from "./runtime/counters.js";
export { currentDevice, type DeviceInfo, type DeviceKind, setDevice, setMemoryBudget } from "./runtime/engine.js";
export { type JitOptions, type Jitted, jit } from "./runtime/jit.js";
export type { Lowered } from "./runtime/lower.js";
export type { CompileEvent } from "./runtime/programs.js";
export { type Tools, tools } from "./runtime/tools.js";

registerOurs(everything);
