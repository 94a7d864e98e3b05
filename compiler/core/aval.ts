// Abstract values: what is known of an array before it exists.
import type { DType } from "./dtype.js";
import { type Shape, sameShape } from "./shape.js";

/** Type of an array. `weak` marks a scalar that came from a JS number and adapts to its partner's dtype. */
export interface Aval {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly weak?: boolean;
}

export const aval = (dtype: DType, shape: Shape, weak = false): Aval =>
  weak ? { dtype, shape, weak } : { dtype, shape };

/** `f32[2,3]`; a weak scalar is `f32~[]`. */
export const showAval = (a: Aval): string => `${a.dtype}${a.weak ? "~" : ""}[${a.shape.join(",")}]`;

/** Same dtype and shape; weakness does not count. */
export const sameAval = (a: Aval, b: Aval): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape);
