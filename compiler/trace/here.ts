// The place in the user's code that an error message names.
import { captureLocation, showLocation } from "./location.js";

/** `\n  at predict (examples/mlp.ts:14)`, or nothing when no frame is the user's. */
export function hereText(): string {
  const source = captureLocation()?.source;
  return source ? `\n  at ${showLocation(source)}` : "";
}
