// The trace that interpreted code records in, told from those of functions that are traced inside of it.
import { currentTrace, type Trace, within } from "../trace/trace.js";
import { inBoundary } from "./store.js";

let active: Trace | undefined;

/** Runs `work`, which is interpreted, so that it records in `trace`. */
export function recordIn<T>(trace: Trace, work: () => T): T {
  const outer = active;
  active = trace;
  try {
    return within(trace, work);
  } finally {
    active = outer;
  }
}

/**
 * Runs interpreted `work` for native code. In a trace that interpreted code has not opened, as when `vmap` calls a
 * closure, what is older cannot be changed.
 */
export function fromNative<T>(work: () => T): T {
  const trace = currentTrace();
  if (trace === active || !trace) return work();
  return inBoundary(() => recordIn(trace, work));
}
