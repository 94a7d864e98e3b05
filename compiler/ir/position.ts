// Positions inside an array while a kernel is built: as coordinates, as a linear offset, or both.
import { type Shape, stridesOf } from "../core/shape.js";
import type { Scalar, ScalarBuilder } from "./scalar.js";

/**
 * One element of an array of `shape`. Either form is worked out from the other when it is asked for; the builder
 * remembers it, and no longer than the block in which it was worked out.
 */
export class Position {
  readonly #coords: readonly Scalar[] | undefined;
  readonly #linear: Scalar | undefined;

  private constructor(
    readonly b: ScalarBuilder,
    readonly shape: Shape,
    coords: readonly Scalar[] | undefined,
    linear: Scalar | undefined,
  ) {
    this.#coords = coords;
    this.#linear = linear;
  }

  /** At `coords`, one u32 per axis. */
  static at(b: ScalarBuilder, shape: Shape, coords: readonly Scalar[]): Position {
    return new Position(b, shape, coords, undefined);
  }

  /** At `coords`, which are known to be `linear` elements from the start. */
  static atBoth(b: ScalarBuilder, shape: Shape, coords: readonly Scalar[], linear: Scalar): Position {
    return new Position(b, shape, coords, linear);
  }

  /** At row-major offset `linear`, a u32. */
  static atLinear(b: ScalarBuilder, shape: Shape, linear: Scalar): Position {
    return new Position(b, shape, undefined, linear);
  }

  /** u32 coordinates, one per axis. */
  get coords(): readonly Scalar[] {
    if (this.#coords) return this.#coords;
    const { b, shape } = this;
    const linear = this.#linear!;
    const key = coordsOf(linear, shape);
    const found = b.recall<readonly Scalar[]>(key);
    if (found) return found;
    const strides = stridesOf(shape);
    let outermost = true;
    const coords = shape.map((n, axis) => {
      if (n <= 1) return b.u32(0);
      const quotient = b.div(linear, b.u32(strides[axis]!));
      // the linear offset is inside the array, so its outermost coordinate needs no remainder
      const coord = outermost ? quotient : b.rem(quotient, b.u32(n));
      outermost = false;
      return coord;
    });
    b.remember(key, coords);
    b.remember(`linear ${coordsKey(shape, coords)}`, linear);
    return coords;
  }

  /** Row-major offset, in elements, as u32. */
  get linear(): Scalar {
    if (this.#linear) return this.#linear;
    const { b, shape } = this;
    const coords = this.#coords!;
    const key = `linear ${coordsKey(shape, coords)}`;
    const found = b.recall<Scalar>(key);
    if (found) return found;
    const strides = stridesOf(shape);
    let sum = b.u32(0);
    shape.forEach((n, axis) => {
      if (n > 1) sum = b.add(b.mul(coords[axis]!, b.u32(strides[axis]!)), sum);
    });
    b.remember(
      coordsOf(sum, shape),
      coords.map((coord, axis) => (shape[axis]! <= 1 ? b.u32(0) : coord)),
    );
    return b.remember(key, sum);
  }

  /** At `coords` of an array that this one is a run of, `by` elements behind its start. */
  within(shape: Shape, coords: readonly Scalar[], by: number): Position {
    const { b } = this;
    const linear = this.#linear ?? b.recall<Scalar>(`linear ${coordsKey(this.shape, this.coords)}`);
    return new Position(b, shape, coords, linear && b.add(linear, b.u32(by)));
  }

  /** The element at the same offset of an array of another shape with as many elements. */
  reshaped(shape: Shape): Position {
    const own = this.shape.filter((n) => n !== 1);
    const other = shape.filter((n) => n !== 1);
    if (this.#coords && own.length === other.length && own.every((n, i) => n === other[i])) {
      const kept = this.#coords.filter((_, axis) => this.shape[axis] !== 1);
      let at = 0;
      return new Position(
        this.b,
        shape,
        shape.map((n) => (n === 1 ? this.b.u32(0) : kept[at++]!)),
        this.#linear,
      );
    }
    return new Position(this.b, shape, undefined, this.linear);
  }
}

const coordsOf = (linear: Scalar, shape: Shape): string => `coords ${linear.id} ${shape.join(",")}`;

const coordsKey = (shape: Shape, coords: readonly Scalar[]): string =>
  shape.map((n, axis) => (n <= 1 ? "1" : `${n}@${coords[axis]!.id}`)).join(",");
