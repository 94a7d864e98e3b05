// One side of a comparison.

/** One way of doing the work of a case. */
export interface Contestant {
  readonly name: "lanewise" | "jax-js" | "jax, CPU" | "by hand";
  /** Does the work `calls` times in a row; resolves when the device is done with the last one. */
  run(calls: number): Promise<void>;
  /** Does the work once and reads the result. */
  read(): Promise<Float32Array>;
  /** Milliseconds that the processors have worked for it so far, on all threads; left out where it runs in this process. */
  clock?(): Promise<number>;
}
