"""Writes indexed.jsonl beside it: reads and writes of parts of arrays with their gradients, from JAX.

Run by hand when the meaning of an index is added to: python3 tests/library/indexed.py. The file is the same on every run.
A line holds x, the index (one spec per axis: a number, null, [start, stop, step] or an array of indices), the operation
with its value, the result, and the gradients of sum(result * weights) by x and by the value.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

F, I, U = np.float32, np.int32, np.uint32
NAMES = {"float32": "f32", "int32": "i32", "uint32": "u32"}
rng = np.random.default_rng(7)
cases = []


def encode(x):
    x = np.asarray(x)
    data = [float(f"{v:.9g}") if x.dtype == F else int(v) for v in x.ravel()]
    data = [int(v) if v == int(v) else v for v in data]
    return {"dtype": NAMES[str(x.dtype)], "shape": list(x.shape), "data": data}


def as_jax(spec):
    if spec is None:
        return slice(None)
    return slice(*(list(spec) + [None] * 3)[:3]) if isinstance(spec, list) else spec


def halves(*shape):
    """Few different numbers: ties are wanted."""
    return (rng.integers(-6, 7, shape) / 2).astype(F)


def case(shape, index, value_shape, combine, mode="clip", gradients=True, dtype=F):
    x = halves(*shape).astype(dtype)
    value = halves(*value_shape).astype(dtype) if combine != "get" else np.zeros((), dtype)
    place = tuple(as_jax(spec) for spec in index)
    def f(x, value):
        at = x.at[place]
        if combine == "get":
            return at.get(mode=mode)
        name = {"mul": "multiply"}.get(combine, combine)
        return getattr(at, name)(value, mode=mode, unique_indices=combine == "mul" and gradients)

    result = f(jnp.asarray(x), jnp.asarray(value))
    line = {
        "x": encode(x),
        "index": [encode(s) if isinstance(s, np.ndarray) else s for s in index],
        "combine": combine,
        "mode": mode,
        "value": encode(value),
        "result": encode(result),
    }
    if gradients and dtype == F:
        weights = (np.arange(result.size).reshape(result.shape) % 5 + 1).astype(F)
        dx, dv = jax.grad(lambda x, v: (f(x, v) * weights).sum(), (0, 1))(jnp.asarray(x), jnp.asarray(value))
        line |= {"weights": encode(weights), "dx": encode(dx)} | ({"dvalue": encode(dv)} if combine != "get" else {})
    cases.append(line)


def i(*values):
    return np.array(values, I)


combines = ("set", "add", "mul", "min", "max")


def inside(combine):
    """Of clamped extremes JAX's gradients are infinite."""
    return combine not in ("min", "max")


# by numbers and ranges
for combine in combines:
    case((4,), [1], (), combine)
    case((4,), [-1], (), combine)
    case((3, 4), [2], (4,), combine)
    case((3, 4), [None, -2], (3,), combine)
    case((3, 4), [1, 3], (), combine)
    case((3, 4), [[0, 2], [1]], (2, 3), combine)
    case((3, 4), [[0, 2], [1]], (3,), combine)
    case((3, 7), [None, [1, None, 2]], (3, 3), combine)
    case((7,), [[None, None, -3]], (3,), combine)
    case((7,), [[5, 0, -2]], (1,), combine)
    case((4, 5), [[3, 0, -1], [0, 5, 4]], (3, 2), combine)
    case((3, 4), [], (3, 4), combine)
    case((3, 4), [[2, 2]], (0, 4), combine)
    case((2, 3, 4), [1, None, 2], (3,), combine)
    case((3, 4), [[0, 2], 1], (2,), combine, dtype=I)

# by scalar indices, also out of range
for combine in combines:
    case((4,), [np.array(2, I)], (), combine)
    case((4,), [np.array(9, I)], (), combine, gradients=inside(combine))
    case((3, 4), [np.array(-1, I), np.array(1, I)], (), combine)
    case((3, 4), [[1, 3], np.array(2, I)], (2,), combine)
    case((3, 4), [1, np.array(3, U)], (), combine)
    case((3, 5), [np.array(2, I), [None, None, 2]], (3,), combine)

# by arrays of indices, with ones that meet and ones out of range
for combine in combines:
    smooth = combine != "mul"  # JAX has no gradient of products that meet
    case((5,), [i(3, 0, 4)], (3,), combine)
    case((5,), [i(3, 0, 3, 3)], (4,), combine, gradients=smooth)
    case((5,), [i(1, 9, -1, -9)], (4,), combine, gradients=smooth and inside(combine))
    case((5,), [i(1, 9, -1, -9)], (4,), combine, "drop", gradients=smooth)
    case((5,), [i(1, 7, 1)], (), combine, "drop", gradients=smooth)
    case((3, 4), [i(2, 0)], (2, 4), combine)
    case((3, 4), [None, i(1, 1, 3)], (3, 3), combine, gradients=smooth)
    case((3, 4), [i(0, 1, 2, 0), i(1, 0, 3, 1)], (4,), combine, gradients=smooth)
    case((3, 4), [np.array([[0], [2]], I), i(1, 3)], (2, 2), combine)
    case((3, 4), [i(2, 1), [1, 3]], (2, 2), combine)
    case((4, 3), [[None, None, -2], i(2, 0)], (2, 2), combine)
    case((3, 2, 4), [i(0, 2), None, i(1, 3)], (2, 2), combine)
    case((3, 2, 4), [1, None, i(1, 3)], (2, 2), combine)
    case((3, 2, 4), [1, i(1, 0), None], (2, 4), combine)
    case((3, 2, 4), [None, i(1, 1), i(0, 3)], (3, 2), combine)
    case((2, 3, 4), [np.array(1, I), [1, 3], i(3, 0, 3)], (3, 2), combine, gradients=smooth)
    case((5,), [np.array([], I)], (0,), combine)
    case((3, 4), [i(2, 2, 0), i(1, 1, 9)], (3,), combine, dtype=I)

# reads
for shape, index in (
    ((5,), [i(3, 0, 3, -1, 9)]),
    ((3, 4), [i(2, 0, 2)]),
    ((3, 4), [None, np.array([[1, 1], [3, 0]], I)]),
    ((3, 4), [i(0, 1, 2, 0), i(1, 0, 3, 1)]),
    ((3, 2, 4), [i(0, 2), None, i(1, 3)]),
    ((3, 2, 4), [1, None, i(1, 3)]),
    ((3, 2, 4), [[None, None, -1], i(1, 0), np.array(2, I)]),
    ((2, 3, 4), [np.array(1, I), [1, 3], i(3, 0, 3)]),
    ((3, 4), [np.array(1, I), np.array(-1, I)]),
    ((3, 4), [[1, 3], np.array(8, U)]),
):
    case(shape, index, (), "get")

text = "".join(json.dumps(c, separators=(",", ":")) + "\n" for c in cases)
Path(__file__).with_name("indexed.jsonl").write_text(text)
print(f"{len(cases)} cases, {len(text)} bytes")
