// Risks: errors that Dawn reports later, tied to the buffers whose contents they spoil.
import { InternalError, type LanewiseError, MemoryError } from "../../compiler/core/errors.js";

/** Something that may turn out to have failed. */
export class Risk {
  #error: LanewiseError | undefined;
  #settled = false;
  /** Resolves, never rejects, when it is known. */
  readonly known: Promise<void>;

  constructor(outcome: Promise<LanewiseError | undefined>) {
    this.known = outcome.then(
      (error) => {
        this.#error = error;
        this.#settled = true;
      },
      (error: unknown) => {
        // the device went away: what reads from it finds that out by itself
        this.#error = new InternalError(`Dawn did not say whether its calls succeeded: ${String(error)}`);
        this.#settled = true;
      },
    );
  }

  get error(): LanewiseError | undefined {
    return this.#error;
  }

  /** It is known that nothing went wrong. */
  get isPast(): boolean {
    return this.#settled && this.#error === undefined;
  }

  /** The first error of several. */
  static all(risks: readonly Risk[]): Risk {
    if (risks.length === 1) return risks[0]!;
    return new Risk(Promise.all(risks.map((risk) => risk.known)).then(() => risks.find((risk) => risk.error)?.error));
  }
}

/** How the errors of a group of calls are told to the user. */
export interface Blame {
  /** Dawn refused the calls: our bug. `message` is Dawn's. */
  invalid(message: string): LanewiseError | Promise<LanewiseError>;
  outOfMemory(message: string): LanewiseError;
}

export const blame = (what: string): Blame => ({
  invalid: (message) => new InternalError(`Dawn refused to ${what}: ${message}`),
  outOfMemory: (message) =>
    new MemoryError(
      `memory: the device has no room left to ${what}: ${message}\n` +
        "  dispose of tensors that are no longer needed, or lower setMemoryBudget(bytes) so that they are collected earlier",
    ),
});

/** Runs calls of a device inside error scopes, which are opened and closed at once: they are a stack of the device. */
export function guard<T>(device: GPUDevice, { invalid, outOfMemory }: Blame, calls: () => T): { made: T; risk: Risk } {
  device.pushErrorScope("out-of-memory");
  device.pushErrorScope("validation");
  let made: T;
  let validation: Promise<GPUError | null>;
  let memory: Promise<GPUError | null>;
  try {
    made = calls();
  } finally {
    validation = device.popErrorScope();
    memory = device.popErrorScope();
  }
  const outcome = Promise.all([validation, memory]).then(([refused, full]) => {
    if (full) return outOfMemory(full.message);
    return refused ? invalid(refused.message) : undefined;
  });
  return { made, risk: new Risk(outcome) };
}
