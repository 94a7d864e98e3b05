// Errors a user can meet, each with what was seen, what was wanted and where.

/** Base of every error thrown on purpose by this package. */
export class LanewiseError extends Error {
  override name = "LanewiseError";
}

/** Shapes, axes or sizes that do not fit together. */
export class ShapeError extends LanewiseError {
  override name = "ShapeError";
}

/** An element type that an operation does not take. */
export class DTypeError extends LanewiseError {
  override name = "DTypeError";
}

/** A value that no tensor can be made of: ragged arrays, NaN as an integer, a detached buffer. */
export class ValueError extends LanewiseError {
  override name = "ValueError";
}

/** A file that cannot be read or written, or does not hold what its format promises. */
export class FileError extends LanewiseError {
  override name = "FileError";
}

/** A value whose type is not that of the parameter or state it is for. */
export interface Misfit {
  readonly name: string;
  /** The type of the value, such as `f32[3]`. */
  readonly seen: string;
  readonly wanted: string;
}

/** Values that are not those of a module's parameters and states: names that are missing or unexpected, other types. */
export class StateDictError extends LanewiseError {
  override name = "StateDictError";
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly misfits: readonly Misfit[];

  constructor(message: string, faults: Pick<StateDictError, "missing" | "unexpected" | "misfits">) {
    super(message);
    this.missing = faults.missing;
    this.unexpected = faults.unexpected;
    this.misfits = faults.misfits;
  }
}

/** A traced function did something whose outcome is only known when the kernel runs. */
export class TraceError extends LanewiseError {
  override name = "TraceError";
}

/** A tensor used after `dispose()`. */
export class DisposedError extends LanewiseError {
  override name = "DisposedError";
}

/** A tensor used after its memory was donated to a call. */
export class DonatedError extends DisposedError {
  override name = "DonatedError";
}

/** More bytes asked for than the device or the byte budget allows. */
export class MemoryError extends LanewiseError {
  override name = "MemoryError";
}

/** WGSL of the user's own, given to `defineOp`, that the device's compiler refuses. */
export class WgslError extends LanewiseError {
  override name = "WgslError";
}

/** No device of the wanted kind, or the device refused the work. */
export class DeviceError extends LanewiseError {
  override name = "DeviceError";
}

/** A result lived only on a device that was lost. */
export class DeviceLostError extends DeviceError {
  override name = "DeviceLostError";
}

/** A promise of this package that it broke itself: a bug, with the evidence in the message. */
export class InternalError extends LanewiseError {
  override name = "InternalError";
}
