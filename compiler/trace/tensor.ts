// Tensor: one class for values being traced and for values on a device.
import type { Aval } from "../core/aval.js";
import { showAval } from "../core/aval.js";
import type { DType, TypedArray } from "../core/dtype.js";
import { DisposedError, DonatedError, TraceError, ValueError } from "../core/errors.js";
import { type NDArray, type Nested, toNested } from "../core/ndarray.js";
import { type Shape, sizeOf } from "../core/shape.js";
import type { Literal, Var } from "../ir/graph.js";
import { hereText } from "./here.js";

/** A value on a backend, now or as soon as the work queued before it is done. Shared by tensors that show the same elements. */
export interface ArrayHandle {
  /** Elements in row-major order; rejects with `DeviceLostError` when they were lost. */
  read(): Promise<NDArray>;
  /** The host's copy, where there is one. */
  readonly host: NDArray | undefined;
  /** Gives back one reference; the last one frees the memory, after the work queued before. */
  release(): void;
}

/** The trace a value belongs to, as far as the value needs to know it. */
export interface TraceOwner {
  /** The function is still being traced. */
  readonly open: boolean;
  readonly name: string;
}

/** A value that will exist when the kernel runs. */
export interface Traced {
  readonly trace: TraceOwner;
  readonly atom: Var;
}

/** Where a value went whose memory was given away. */
export interface Donation {
  /** The call that took it: `jit(step)`. */
  readonly to: string;
  /** What it was called there, such as `params.w`. */
  readonly argument: string;
}

/** A tensor that is one entry along axis 0 of another. */
export interface Row {
  readonly of: Tensor;
  readonly index: number;
}

/** What an op takes: a tensor, or a scalar constant. */
export type Operand = Tensor | Literal;

/**
 * An n-dimensional array, immutable. Its type is known at once; its elements are read with `await x.data()`,
 * `x.toArray()` or `x.item()`. Inside a traced function it stands for a value that does not exist yet.
 */
export class Tensor {
  /** dtype and shape. */
  readonly aval: Aval;
  #traced: Traced | undefined;
  #handle: ArrayHandle | undefined;
  #donated: Donation | undefined;

  /** For the package's own use: tensors are made by `tensor()`, `zeros()` and the operations. */
  constructor(aval: Aval, value: { readonly traced: Traced } | { readonly handle: ArrayHandle }) {
    this.aval = aval;
    if ("traced" in value) this.#traced = value.traced;
    else this.#handle = value.handle;
  }

  get shape(): Shape {
    return this.aval.shape;
  }

  get dtype(): DType {
    return this.aval.dtype;
  }

  /** Number of axes. */
  get ndim(): number {
    return this.aval.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.aval.shape);
  }

  /** Where the elements are, for a variable that has none by itself. */
  get row(): Row | undefined {
    return undefined;
  }

  /** What it stands for in a trace, or undefined when it is a value. */
  get traced(): Traced | undefined {
    return this.#traced;
  }

  /**
   * The backend's handle of a value. Throws `DisposedError` after `dispose()`, `DonatedError` after its memory was
   * donated, `TraceError` for a traced value.
   */
  get handle(): ArrayHandle {
    if (this.#handle) return this.#handle;
    if (this.#traced) throw this.#unknown("its elements");
    if (this.#donated) {
      const { to, argument } = this.#donated;
      throw new DonatedError(
        `this ${showAval(this.aval)} tensor was donated to ${to} as ${argument}: its memory belongs to the results of that call\n` +
          `  use what ${to} returned, or leave this argument out of donateArgnums${hereText()}`,
      );
    }
    throw new DisposedError(
      `this ${showAval(this.aval)} tensor was disposed\n  drop the dispose() call, or compute it again${hereText()}`,
    );
  }

  /** Elements in row-major order, as the dtype's typed array (bool as Uint8Array). The array is yours. */
  async data(): Promise<TypedArray> {
    return (await this.handle.read()).data.slice();
  }

  /** Elements as nested arrays; numbers, or booleans for bool. A scalar gives the bare element. */
  async toArray(): Promise<Nested> {
    return toNested(await this.handle.read());
  }

  /** The element of a tensor that has exactly one. Throws `ValueError` for any other size. */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new ValueError(
        `item: ${showAval(this.aval)} has ${this.size} elements, not one\n  use data() or toArray()`,
      );
    return (await this.handle.read()).data[0]!;
  }

  /** Frees the memory now instead of when the garbage collector comes by. Using the tensor afterwards throws. */
  dispose(): void {
    if (this.#traced) return;
    this.#handle?.release();
    this.#handle = undefined;
  }

  /** For the package's own use, and of those tensors whose value changes: takes over the value of `x`, which nobody else has. */
  protected adopt(x: Tensor): void {
    this.#handle?.release();
    this.#handle = x.#handle;
    this.#donated = undefined;
  }

  /** For the package's own use: the value is gone, since a call took its memory. */
  donate(donation: Donation): void {
    if (!this.#handle) return;
    this.dispose();
    this.#donated = donation;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Operators cannot be overloaded in JavaScript: this throws, with the way out. */
  [Symbol.toPrimitive](hint: "number" | "string" | "default"): never {
    if (!this.#traced) {
      throw new ValueError(
        `a tensor ${showAval(this.aval)} was used as a ${hint === "string" ? "string" : "number"}, but its elements are read asynchronously\n` +
          `  use methods (x.add(y), x.lt(y)) or read it first: await x.item()${hereText()}`,
      );
    }
    throw this.#unknown(
      hint === "string"
        ? "its text (template string or string conversion)"
        : "its number (an operator such as +, * or <, or Number())",
    );
  }

  /** Short form for the console: type, and the elements where the host has them. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    if (this.#traced) return `Tensor(${showAval(this.aval)}, traced)`;
    if (!this.#handle)
      return `Tensor(${showAval(this.aval)}, ${this.#donated ? `donated to ${this.#donated.to}` : "disposed"})`;
    const host = this.#handle.host;
    return `Tensor(${showAval(this.aval)}${host ? ` ${showElements(host)}` : ", on device: read it with await x.data()"})`;
  }

  toString(): string {
    // reached by String(x) only when toPrimitive is bypassed
    return `Tensor(${showAval(this.aval)})`;
  }

  #unknown(what: string): TraceError {
    if (this.#traced?.trace.open === false) return leakedError(this);
    return new UnknownValueError(
      `the value of this ${showAval(this.aval)} is only known when the kernel runs, but the function needs ${what} while it is traced\n` +
        `  use methods for arithmetic and comparison (x.mul(2), x.lt(y)), and where(condition, a, b) to choose between values${hereText()}`,
    );
  }
}

/** JavaScript itself asked a traced value for its number or text. */
export class UnknownValueError extends TraceError {}

/** A traced value that is used after the function it belongs to, or in one that is not inside of it. */
export const leakedError = (x: Tensor): TraceError =>
  new TraceError(
    `a traced value ${showAval(x.aval)} left ${x.traced!.trace.name}, the function it was traced in, and was used outside\n` +
      `  return it from the function instead of storing it in a variable outside${hereText()}`,
  );

/** At most the first and last three entries of each axis. */
function showElements(array: NDArray): string {
  const { shape, data, dtype } = array;
  const one = (x: number): string => {
    if (dtype === "bool") return x ? "true" : "false";
    return dtype === "f32" ? String(Number(x.toPrecision(6))) : String(x);
  };
  const show = (axis: number, offset: number, stride: number): string => {
    if (axis === shape.length) return one(data[offset]!);
    const n = shape[axis]!;
    const step = n === 0 ? 0 : stride / n;
    const item = (i: number): string => show(axis + 1, offset + i * step, step);
    const shown =
      n <= 7
        ? Array.from({ length: n }, (_, i) => item(i))
        : [item(0), item(1), item(2), "…", item(n - 3), item(n - 2), item(n - 1)];
    return `[${shown.join(", ")}]`;
  };
  return show(0, 0, data.length);
}
