// The side of JAX on the CPU: a Python process that is told what to run.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Contestant } from "./contestant.js";

const script = fileURLToPath(new URL("jax_loops.py", import.meta.url));

/** A Python process with JAX. */
export class Jax {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Starts `python`; undefined, with a line on stderr, where there is no JAX. */
  static async open(python: string): Promise<Jax | undefined> {
    const child = spawn(python, [script], { stdio: "pipe" });
    const failed = new Promise<undefined>((resolve) => child.on("error", () => resolve(undefined)));
    const jax = new Jax(child);
    const version = await Promise.race([failed, jax.#line()]);
    if (version !== undefined) return jax;
    console.error(`bench: ${python} has no JAX, so it is left out; --python names one that has`);
    return undefined;
  }

  /** `work` is `mandelbrot` or `collatz`. */
  contestant(work: string, size: number): Contestant {
    return {
      name: "jax, CPU",
      run: async (calls) => void (await this.#ask(`${work} ${size} run ${calls}`)),
      clock: async () => Number(await this.#ask("clock")),
      read: async () => {
        const bytes = Buffer.from(await this.#ask(`${work} ${size} read`), "base64");
        return new Float32Array(Uint8Array.from(bytes).buffer);
      },
    };
  }

  async #ask(line: string): Promise<string> {
    this.#child.stdin.write(`${line}\n`);
    const answer = await this.#line();
    if (answer === undefined) throw new Error(`bench: JAX ended at '${line}'`);
    return answer;
  }

  async #line(): Promise<string | undefined> {
    const { value, done } = await this.#lines.next();
    return done ? undefined : value;
  }
}
