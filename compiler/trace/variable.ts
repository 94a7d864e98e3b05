// Variables: tensors whose value is replaced. Graphs have no effects: what a traced function assigns is a result of it.
import { sameAval, showAval } from "../core/aval.js";
import { type DType, isInteger } from "../core/dtype.js";
import { DTypeError, ShapeError, TraceError } from "../core/errors.js";
import { copies } from "./copies.js";
import { isTensorLike, type TensorLike, tensorOf } from "./create.js";
import { hereText } from "./here.js";
import { type ArrayHandle, type Donation, type Row, Tensor } from "./tensor.js";
import { currentTrace, runTraced, runWrite, untraced } from "./trace.js";

/**
 * A tensor with a name whose value can be replaced by one of the same type. A traced function that reads it reads the
 * value of the time it is called; what it assigns is there for what it does afterwards, and is written back once when the
 * call has run.
 */
export class Variable extends Tensor {
  #row: (Row & { readonly of: Stack }) | undefined;
  #version: object = {};
  /** A copy of the entry that somebody may still have. */
  #copied: { readonly version: object; readonly handle: WeakRef<ArrayHandle> } | undefined;

  /** `initial` is a value, not traced. */
  constructor(initial: Tensor) {
    if (initial.traced) {
      throw new TraceError(
        `a variable was made of a traced value ${showAval(initial.aval)}\n  make variables outside of traced functions, and assign to them inside${hereText()}`,
      );
    }
    super(initial.aval, { handle: copyOf(initial).handle });
  }

  /** The stack that its elements lie in. */
  override get row(): (Row & { readonly of: Stack }) | undefined {
    return this.#row;
  }

  override get handle(): ArrayHandle {
    if (!this.#row) return super.handle;
    const known = this.#copied?.version === this.version ? this.#copied.handle.deref() : undefined;
    if (known) return known;
    copies.entriesCopied++;
    const { handle } = copyOf(this);
    this.#copied = { version: this.version, handle: new WeakRef(handle) };
    return handle;
  }

  override donate(donation: Donation): void {
    this.#copied = undefined; // that is what was given away
    super.donate(donation);
  }

  /** For the package's own use: another object after each change of the value. */
  get version(): object {
    return this.#row ? this.#row.of.version : this.#version;
  }

  /** For the package's own use: the elements are those of an entry of a stack from now on. */
  moveTo(of: Stack, index: number): void {
    if (!this.#row) this.dispose();
    this.#row = { of, index };
  }

  /** Takes over the value of `x`, which nobody else has. Where the elements lie stays as it is. */
  protected override adopt(x: Tensor): void {
    if (this.#row) {
      const [root, whole] = runWrite(this, x);
      (root as Variable).receive(whole);
      return;
    }
    this.#version = {};
    super.adopt(x);
  }

  /**
   * Replaces the value. Throws `ShapeError`, `DTypeError` unless it has the type of the variable; whole numbers fit
   * integers too.
   */
  assign(given: TensorLike): void {
    const value = assignable(given, this.dtype);
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
    const trace = currentTrace();
    if (trace) return trace.read(this);
    if (this.#row) copies.entriesCopied++;
    return copyOf(this);
  }
}

/** Variables of one type side by side along axis 0: they have their elements here. */
export class Stack extends Variable {
  readonly #members: readonly WeakRef<Variable>[];

  /** Moves `members` here. `rows` has their elements, along axis 0, and belongs to nobody else. */
  constructor(rows: Tensor, members: readonly Variable[]) {
    super(rows);
    rows.dispose();
    this.#members = members.map((x) => new WeakRef(x));
    members.forEach((x, index) => void x.moveTo(this, index));
  }

  /** The variables that are still here, in the order of their rows. */
  get members(): Variable[] {
    return this.#members.map((x) => x.deref()).filter((x) => x?.row?.of === this) as Variable[];
  }
}

/** The tensor to be assigned to a variable of this dtype. Throws `DTypeError` for what can be none. */
function assignable(given: TensorLike, dtype: DType): Tensor {
  if (given instanceof Tensor) return given;
  if (!isTensorLike(given)) {
    throw new DTypeError(
      `assign: ${Array.isArray(given) ? "an array" : `a ${typeof given}`} is given, but a tensor, a number or a typed array is wanted\n  make a tensor of it: tensor([…])${hereText()}`,
    );
  }
  return tensorOf(given, typeof given === "number" && isInteger(dtype) && Number.isInteger(given) ? { dtype } : {});
}

/** Another tensor with the same elements, in the same memory if they have some of their own. */
const copyOf = (x: Tensor): Tensor => untraced(() => runTraced("assign", () => [currentTrace()!.read(x)])[0]!);
