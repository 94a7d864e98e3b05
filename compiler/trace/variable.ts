// Variables: tensors whose value is replaced. Graphs have no effects: what a traced function assigns is a result of it.
import { sameAval, showAval } from "../core/aval.js";
import { DTypeError, ShapeError, TraceError } from "../core/errors.js";
import { type Graph, newVar } from "../ir/graph.js";
import { hereText } from "./here.js";
import { Tensor } from "./tensor.js";
import { currentTrace, getExecutor } from "./trace.js";

/**
 * A tensor with a name whose value can be replaced by one of the same type. A traced function that reads it reads the
 * value of the time it is called; what it assigns is there for what it does afterwards, and is written back once when the
 * call has run.
 */
export class Variable extends Tensor {
  /** `initial` is a value, not traced. */
  constructor(initial: Tensor) {
    if (initial.traced) {
      throw new TraceError(
        `a variable was made of a traced value ${showAval(initial.aval)}\n  make variables outside of traced functions, and assign to them inside${hereText()}`,
      );
    }
    super(initial.aval, { handle: copyOf(initial).handle });
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

/** Another tensor with the same elements, in the same memory. */
function copyOf(x: Tensor): Tensor {
  const v = newVar(x.aval);
  const graph: Graph = { inputs: [v], eqns: [], outputs: [v] };
  return getExecutor().run(graph, [x], "assign")[0]!;
}
