// Forces a collection of garbage, through V8's inspector: no text is evaluated and no flag is needed.

import type { Session } from "node:inspector";
import { createRequire } from "node:module";

/** `--expose-gc` gives a faster one. */
type Exposed = typeof globalThis & { gc?: () => void };

let session: Session | undefined | null;

/**
 * Collects when the event loop turns next, then calls `done`. Finalizers run in a later turn still. Where Node was built
 * without its inspector, only `done` is called.
 */
export function collectGarbage(done: () => void): void {
  const { gc } = globalThis as Exposed;
  const inspector = gc ? null : openSession();
  if (inspector) inspector.post("HeapProfiler.collectGarbage", done);
  else {
    gc?.();
    setImmediate(done).unref();
  }
}

function openSession(): Session | null {
  if (session !== undefined) return session;
  try {
    const inspector = createRequire(import.meta.url)("node:inspector") as typeof import("node:inspector");
    session = new inspector.Session();
    session.connect();
  } catch {
    session = null;
  }
  return session;
}
