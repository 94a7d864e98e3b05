// bounded: the author's word on how often a loop turns at most.
import { LanewiseError } from "../core/errors.js";

/**
 * Says that the loop it stands in turns at most `n` times, so that reverse-mode gradients can pass through it; traced, the
 * loop ends there. Always true: it stands in the condition, or by itself in the body.
 * ```ts
 * while (bounded(100) && Math.abs(x * x - a) > 1e-6) x = (x + a / x) / 2;
 * ```
 * Throws `LanewiseError` unless `n` is a whole number ≥ 0.
 */
export function bounded(n: number): true {
  if (!Number.isSafeInteger(n) || n < 0)
    throw new LanewiseError(`bounded: ${String(n)} turns are no bound\n  give a whole number ≥ 0`);
  return true;
}
