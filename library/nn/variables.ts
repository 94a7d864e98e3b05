// Variables of modules: parameters, which are trained, and states, which are not.
import { type TensorLike, tensorOf } from "../../compiler/trace/create.js";
import { Tensor } from "../../compiler/trace/tensor.js";
import { Variable } from "../../compiler/trace/variable.js";

export const tensorFor = (x: TensorLike): Tensor => (x instanceof Tensor ? x : tensorOf(x));

/** A trainable tensor of a module. Used like any tensor; `assign` replaces its value. */
export class Parameter extends Variable {
  /** Frozen parameters are not among `module.parameters()`. */
  trainable = true;

  constructor(initial: TensorLike) {
    super(tensorFor(initial));
  }
}

/** A tensor of a module that is not trained, such as running statistics. `assign` replaces its value. */
export class State extends Variable {
  constructor(initial: TensorLike) {
    super(tensorFor(initial));
  }
}
