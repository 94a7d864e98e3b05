// Variables: tensors whose value is replaced. Graphs have no effects: what a traced function assigns is a result of it.
import { sameAval, showAval } from "../core/aval.js";
import { DTypeError, ShapeError, TraceError } from "../core/errors.js";
import { hereText } from "./here.js";
import { type ArrayHandle, type Row, Tensor } from "./tensor.js";
import { currentTrace, runTraced, untraced } from "./trace.js";

/**
 * A tensor with a name whose value can be replaced by one of the same type. A traced function that reads it reads the
 * value of the time it is called; what it assigns is there for what it does afterwards, and is written back once when the
 * call has run.
 */
export class Variable extends Tensor {
  #row: (Row & { readonly of: Variable }) | undefined;

  /** `initial` is a value, not traced. */
  constructor(initial: Tensor) {
    if (initial.traced) {
      throw new TraceError(
        `a variable was made of a traced value ${showAval(initial.aval)}\n  make variables outside of traced functions, and assign to them inside${hereText()}`,
      );
    }
    super(initial.aval, { handle: copyOf(initial).handle });
  }

  override get row(): (Row & { readonly of: Variable }) | undefined {
    return this.#row;
  }

  override get handle(): ArrayHandle {
    return this.#row ? copyOf(this).handle : super.handle;
  }

  /** For the package's own use: the elements are those of an entry of another variable from now on. */
  moveTo(of: Variable, index: number): void {
    if (!this.#row) this.dispose();
    this.#row = { of, index };
  }

  protected override adopt(x: Tensor): void {
    this.#row = undefined;
    super.adopt(x);
  }

  /** Replaces the value. Throws `ShapeError`, `DTypeError` unless it has the type of the variable. */
  assign(value: Tensor): void {
    if (!sameAval(value.aval, this.aval)) {
      const Wrong = value.dtype === this.dtype ? ShapeError : DTypeError;
      throw new Wrong(
        `assign: a value ${showAval(value.aval)} for a variable ${showAval(this.aval)}\n  a variable keeps its shape and dtype${hereText()}`,
      );
    }
    const trace = currentTrace();
    if (trace) trace.write(this, value);
    else this.adopt(copyOf(value));
  }

  /** For the package's own use: takes over the value of a result that nobody else has. */
  receive(result: Tensor): void {
    this.adopt(result);
  }

  /** The value of now, which later assignments do not change. */
  snapshot(): Tensor {
    return currentTrace() ? currentTrace()!.read(this) : copyOf(this);
  }
}

/** Another tensor with the same elements, in the same memory if they have some of their own. */
const copyOf = (x: Tensor): Tensor => untraced(() => runTraced("assign", () => [currentTrace()!.read(x)])[0]!);
