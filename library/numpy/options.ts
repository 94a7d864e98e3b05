// Checks of what is given beside the arrays: options, and arguments that there are not.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import { hereText } from "../../compiler/trace/here.js";
import { Tensor } from "../../compiler/trace/tensor.js";

/** Throws `ValueError` for an option that there is not, and for what are no options. */
export function checkOptions(name: string, options: object, known: readonly string[]): void {
  const isObject = typeof options === "object" && options !== null;
  if (!isObject || Array.isArray(options) || options instanceof Tensor) {
    throw new ValueError(
      `${name}: ${showMisplaced(options)} stands where options belong\n  give an object: { ${known[0]}: … }${hereText()}`,
    );
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key))
      throw new ValueError(
        `${name}: there is no option '${key}'; there ${known.length === 1 ? "is" : "are"} ${known.join(", ")}${hereText()}`,
      );
  }
}

/** Throws `ShapeError` for arguments behind the last: `instead` is the call that was probably meant. */
export function checkNoMore(name: string, surplus: readonly unknown[], instead: string): void {
  if (surplus.length === 0) return;
  throw new ShapeError(
    `${name}: ${showMisplaced(surplus[0])} is given behind the last argument\n  several go into one array: ${instead}${hereText()}`,
  );
}

/** Throws `ShapeError` for an array in the place of the axis. */
export function checkNoArray(name: string, axis: unknown): void {
  if (typeof axis !== "object" || axis === null) return;
  throw new ShapeError(
    `${name}: ${showMisplaced(axis)} is given for the axis, but a number is wanted\n  arrays go into one list: ${name}([x, y])${hereText()}`,
  );
}

function showMisplaced(x: unknown): string {
  if (x instanceof Tensor) return `a tensor ${showAval(x.aval)}`;
  if (Array.isArray(x)) return "an array";
  return typeof x === "object" && x !== null ? "an object" : typeof x === "function" ? "a function" : String(x);
}
