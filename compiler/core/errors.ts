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
