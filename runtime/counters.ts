// Counters of what the runtime did: for tests, benchmarks and people who look for waste.
import { copies } from "../compiler/trace/copies.js";

/** Totals since the process started, over all devices; `liveBytes` and `pooledBytes` are as of now. */
export interface Counters {
  readonly dispatches: number;
  readonly submits: number;
  readonly passes: number;
  readonly programsCompiled: number;
  readonly pipelinesCreated: number;
  readonly bindGroupsCreated: number;
  readonly buffersCreated: number;
  readonly buffersReused: number;
  readonly bytesUploaded: number;
  readonly bytesRead: number;
  /** Bytes of donated arrays whose memory a result took. */
  readonly bytesDonated: number;
  /** Donated arrays that a result could not take the memory of, since something else still needed it. */
  readonly donationsKept: number;
  /** Parameters and states of several models that were put into one array, to be batched. */
  readonly arraysStacked: number;
  /** Such arrays that entries were gathered of, for some of the models or another order. */
  readonly arraysGathered: number;
  /** Entries of such arrays that were copied out, to be read or kept by themselves. */
  readonly entriesCopied: number;
  /** Forced collections of garbage. */
  readonly collections: number;
  /** Bytes of arrays that are in use: results, those of work still queued, and copies of host arrays on a device. */
  readonly liveBytes: number;
  /** Bytes of device buffers kept for the next use. */
  readonly pooledBytes: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The running totals. The runtime alone writes them; tracing counts the copies. */
export const tally: Mutable<Omit<Counters, keyof typeof copies>> = {
  dispatches: 0,
  submits: 0,
  passes: 0,
  programsCompiled: 0,
  pipelinesCreated: 0,
  bindGroupsCreated: 0,
  buffersCreated: 0,
  buffersReused: 0,
  bytesUploaded: 0,
  bytesRead: 0,
  bytesDonated: 0,
  donationsKept: 0,
  collections: 0,
  liveBytes: 0,
  pooledBytes: 0,
};

/** The totals as of now. */
export const counters = (): Counters => ({ ...tally, ...copies });

/** What has been added since `before`; the bytes may have become less. */
export function countersSince(before: Counters): Counters {
  const now = counters();
  const keys = Object.keys(now) as (keyof Counters)[];
  return Object.fromEntries(keys.map((key) => [key, now[key] - before[key]])) as unknown as Counters;
}
